// SPDX-License-Identifier: Apache-2.0

package framework

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/internal/conformance"
	"github.com/modbpf/modbpf/verifier"
)

// A reproducer is a folder that shows how our verdict and a kernel's differ:
//
//	object.bpf.o   the object
//	program.json   program, kernel, both verdicts
//	bound.txt      the bound instructions
//	reduced.txt    the fewest of them that still differ, at their old places
//	reduced.json   the same for machines: bytecode with the others as no-ops
//	ours.log       our walk of the whole program and of the reduced one
//	kernel.log     the kernel's

// reduceFor bounds the search for the smallest program.
const reduceFor = 60 * time.Second

// reproduction is program.json.
type reproduction struct {
	Object  string `json:"object"`
	Program string `json:"program"`
	Kernel  string `json:"kernel"`
	Ours    struct {
		Verdict, Code, Message string
		Insn                   int
	} `json:"ours"`
	Theirs struct {
		Verdict, Message string
		Insn             int
	} `json:"theirs"`
	Instructions int `json:"instructions"`
	Reduced      int `json:"reduced"` // instructions that are not no-ops
}

var unsafeName = regexp.MustCompile(`[^A-Za-z0-9._-]+`)

func (x *exact) reproduce(r *Result, a conformance.Answer, elf []byte) (string, error) {
	dir := filepath.Join(x.o.Reproducers, unsafeName.ReplaceAllString(x.b.Object.Object.Name+"-"+r.Program+"-"+x.b.Kernel.Release().Series(), "_"))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	rep := reproduction{Object: x.b.Object.Object.Name, Program: r.Program, Kernel: x.uname}
	rep.Ours.Verdict, rep.Ours.Code, rep.Ours.Message, rep.Ours.Insn = r.Verdict.String(), r.Code(), r.Message(), -1
	if r.Diagnostic != nil {
		rep.Ours.Insn = r.Diagnostic.Insn
	}
	rep.Theirs.Verdict, rep.Theirs.Message, rep.Theirs.Insn = a.Said.Verdict, a.Said.Message, a.Said.Insn
	files := map[string][]byte{"object.bpf.o": elf, "kernel.log": []byte(a.Log)}
	if bp := x.program(r.Program); bp != nil && bp.Err == nil {
		x.o.Progress("reducing " + r.Program)
		full := bp.Program.Insns
		small, klog, err := x.reduce(r, a)
		if err != nil {
			return "", err
		}
		rep.Instructions, rep.Reduced = len(full), len(live(small))
		files["bound.txt"] = listing(full, nil)
		files["reduced.txt"] = listing(small, live(small))
		js, err := json.Marshal(small)
		if err != nil {
			return "", err
		}
		files["reduced.json"] = append(js, '\n')
		files["ours.log"] = []byte("== whole program\n" + x.walk(bp.Program, full) + "\n== reduced\n" + x.walk(bp.Program, small))
		files["kernel.log"] = []byte("== whole program\n" + a.Log + "\n== reduced\n" + klog)
	}
	js, err := json.MarshalIndent(rep, "", "\t")
	if err != nil {
		return "", err
	}
	files["program.json"] = append(js, '\n')
	for n, b := range files {
		if err := os.WriteFile(filepath.Join(dir, n), b, 0o644); err != nil {
			return "", err
		}
	}
	return dir, nil
}

// nop is a jump to the next instruction.
var nop = bpf.Insn{Op: 0x05}

// reduce replaces instructions by no-ops, in ever smaller runs, as long as both
// verdicts stay what they are and for the same reason (delta debugging, Zeller
// 1999). Places stay, so jumps, functions and lines keep their meaning.
func (x *exact) reduce(r *Result, a conformance.Answer) (small []bpf.Insn, klog string, err error) {
	bp := x.program(r.Program)
	small, klog = slices.Clone(bp.Program.Insns), a.Log
	if r.Missing != nil || r.Err != nil {
		return small, klog, nil
	}
	until := time.Now().Add(reduceFor)
	try := func(insns []bpf.Insn) (bool, error) {
		p := *bp.Program
		p.Insns = insns
		_, d := verifier.Verify(&p, x.b.Kernel, verifier.Options{NoWorst: true})
		if (d == nil) != (r.Verdict == verifier.Accept) || d != nil && (d.Verdict != r.Verdict || d.Code != r.Diagnostic.Code) {
			return false, nil
		}
		got, err := x.s.Ask(conformance.Question{Name: x.b.Object.Object.Name, Programs: []string{r.Program}, Contents: x.contents, Insns: insns, Verbose: true})
		if err != nil {
			return false, err
		}
		if len(got) != 1 || got[0].Said.Verdict != a.Said.Verdict || reason(got[0].Said.Message) != reason(a.Said.Message) {
			return false, nil
		}
		klog = got[0].Log
		return true, nil
	}
	for run := len(small) / 2; run > 0; run /= 2 {
		for at := 0; at < len(small); at += run {
			if time.Now().After(until) {
				return small, klog, nil
			}
			next := slices.Clone(small)
			changed := false
			for i := at; i < min(at+run, len(next)); i++ {
				changed = blank(next, i) || changed
			}
			if !changed {
				continue
			}
			ok, err := try(next)
			if err != nil {
				return nil, "", err
			}
			if ok {
				small = next
			}
		}
	}
	return small, klog, nil
}

// blank makes one instruction a no-op; a load of 64 bits goes with its second half.
func blank(insns []bpf.Insn, i int) bool {
	if insns[i] == nop || i > 0 && insns[i-1].IsLdImm64() || insns[i].Op == 0x95 {
		return false
	}
	if insns[i].IsLdImm64() && i+1 < len(insns) {
		insns[i+1] = nop
	}
	insns[i] = nop
	return true
}

// live are the places of instructions that are not no-ops.
func live(insns []bpf.Insn) []int {
	out := []int{}
	for i, in := range insns {
		if in != nop && (i == 0 || !insns[i-1].IsLdImm64()) {
			out = append(out, i)
		}
	}
	return out
}

var numbers = regexp.MustCompile(`\d+`)

// reason is a kernel's message without its numbers and statistics.
func reason(msg string) string {
	msg, _, _ = strings.Cut(msg, "; insns processed")
	return numbers.ReplaceAllString(msg, "N")
}

// listing prints instructions, all or those at some places.
func listing(insns []bpf.Insn, at []int) []byte {
	var b bytes.Buffer
	for i, in := range insns {
		if at == nil || slices.Contains(at, i) {
			fmt.Fprintf(&b, "%5d  %v\n", i, in)
		}
	}
	return b.Bytes()
}

// walk is our verifier's log of a program.
func (x *exact) walk(p *verifier.Program, insns []bpf.Insn) string {
	q := *p
	q.Insns = insns
	var b bytes.Buffer
	_, d := verifier.Verify(&q, x.b.Kernel, verifier.Options{NoWorst: true, Log: &verifier.Log{W: &b, Level: 1}})
	if d != nil {
		fmt.Fprintf(&b, "%v\n", d)
	}
	return b.String()
}
