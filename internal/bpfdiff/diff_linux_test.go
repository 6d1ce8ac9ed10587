// SPDX-License-Identifier: Apache-2.0

package bpfdiff

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/framework/profile"
	"github.com/modbpf/modbpf/internal/testrun"
	"github.com/modbpf/modbpf/jit"
	"github.com/modbpf/modbpf/verifier"
)

var (
	soak  = flag.Duration("soak", 5*time.Second, "how long to compare engines on random programs")
	seed  = flag.Uint64("seed", 0, "first program; 0 takes one from the clock")
	count = flag.Int("count", 0, "stop after so many programs; 0 goes by time")
)

// TestDifferential runs random programs on every engine and compares what they
// leave behind.
func TestDifferential(t *testing.T) {
	var sides []side
	var ours []*host
	for _, e := range []struct {
		name string
		make any
	}{{"interpreter", nil}, {"jit", nil}} {
		mk := jit.Interpret
		if e.name == "jit" {
			mk = jit.Compile
		}
		h, err := newHost(e.name, mk)
		if err != nil {
			t.Fatal(err)
		}
		ours = append(ours, h)
		sides = append(sides, h)
	}
	k, err := newKernel()
	switch {
	case errors.Is(err, testrun.ErrUnavailable):
		t.Log("without the kernel: ", err)
	case err != nil:
		t.Fatal(err)
	default:
		sides = append(sides, k)
	}
	first := *seed
	if first == 0 {
		first = uint64(time.Now().UnixNano())
	}
	t.Logf("first seed %d", first)
	for n := range 2 {
		p := generate(uint64(n)+100, false)
		for _, s := range sides {
			_, unload, err := s.load(p, n)
			if err != nil {
				t.Fatalf("%s: load target %d: %v", s.name(), n, err)
			}
			t.Cleanup(func() {
				if err := unload(); err != nil {
					t.Error(err)
				}
			})
		}
	}
	st := &stats{ops: map[string]int{}, missed: map[string]int{}}
	if p, err := profile.Running(); err != nil {
		t.Log("without our verifier: ", err)
	} else {
		st.kernel = p
	}
	end := time.Now().Add(*soak)
	for s := first; *count == 0 && time.Now().Before(end) || st.programs < *count; s++ {
		if err := compare(s, sides, st); err != nil {
			t.Fatalf("program %d: %v\n%s", s, err, listing(generate(s, true).insns))
		}
	}
	st.print(t, ours[0].counts)
	// On one program of some 130,000 Linux 6.18 differed from both our engines
	// (-seed 1795400363701005416 -count 1); the cause is not known. Our engines,
	// which share the decoder, must never differ; more than a few differences
	// from the kernel fail as well.
	for _, d := range st.kernelAlone {
		t.Logf("the kernel alone differs: %s", d)
	}
	if len(st.kernelAlone) > 1+st.programs/50_000 {
		t.Errorf("the kernel differs on %d of %d programs", len(st.kernelAlone), st.programs)
	}
	if refused := 100 * st.refused / max(1, st.programs); refused > 2 {
		t.Errorf("the kernel refuses %d %% of the programs; the last: %v", refused, st.last)
	}
	if st.programs > 2000 {
		st.check(t, ours[0].counts)
	}
}

type stats struct {
	programs, refused, insns          int
	loops, subprogs, callbacks, tails int
	ops                               map[string]int
	last                              error
	kernel                            verifier.Kernel // for our verifier; nil without
	proven                            int             // accepted by our verifier
	unsound                           int             // ... and refused by the kernel
	unsoundLast                       string
	kernelAlone                       []string       // both of ours agree, the kernel differs
	missed                            map[string]int // refused by ours, by verdict and code
	lastMissed                        string
}

func compare(seed uint64, sides []side, st *stats) error {
	p := generate(seed, true)
	st.programs++
	st.insns += len(p.insns)
	st.loops += p.loops
	st.subprogs += p.subprogs
	st.callbacks += p.callbacks
	st.tails += p.tails
	for i := 0; i < len(p.insns); i++ {
		st.ops[opName(p.insns[i])]++
		if p.insns[i].IsLdImm64() {
			i++
		}
	}
	if st.kernel != nil {
		if diag := p.verify(st.kernel); diag == nil {
			st.proven++
		} else {
			st.missed[fmt.Sprintf("%s %s", diag.Verdict, diag.Code)]++
			st.lastMissed = diag.Message
		}
	}
	results := map[string]*outcome{}
	for _, s := range slices.Backward(sides) { // the kernel first: it may refuse
		run, unload, err := s.load(p, -1)
		if err != nil {
			if s.name() == "kernel" && !errors.Is(err, testrun.ErrUnavailable) {
				st.refused++
				st.last = err
				// 6.18 fails with "verifier bug" where it drops a function as dead that
				// something still refers to: no verdict on the program.
				if p.checked != nil && !strings.Contains(err.Error(), "verifier bug") {
					st.unsound++
					st.unsoundLast = fmt.Sprintf("program %d: %v", seed, err)
				}
				return nil
			}
			return fmt.Errorf("%s: %w", s.name(), err)
		}
		if err := s.reset(); err != nil {
			return fmt.Errorf("%s: %w", s.name(), err)
		}
		r0, err := run()
		if err != nil {
			return fmt.Errorf("%s: %w", s.name(), err)
		}
		got, err := s.read()
		if err != nil {
			return fmt.Errorf("%s: %w", s.name(), err)
		}
		got.R0 = r0
		if err := unload(); err != nil {
			return fmt.Errorf("%s: %w", s.name(), err)
		}
		results[s.name()] = got
	}
	jit, interp, kern := results["jit"], results["interpreter"], results["kernel"]
	if *jit != *interp {
		return fmt.Errorf("machine code and interpreter differ:\n%s", cmp.Diff(hexed(interp), hexed(jit)))
	}
	if kern != nil && *kern != *jit {
		st.kernelAlone = append(st.kernelAlone, fmt.Sprintf("program %d:\n%s", seed, cmp.Diff(hexed(jit), hexed(kern))))
	}
	return nil
}

func hexed(o *outcome) outcome {
	h := *o
	for _, s := range []*string{&h.Block, &h.Array} {
		var b strings.Builder
		for i := 0; i+8 <= len(*s); i += 8 {
			fmt.Fprintf(&b, "%3d: %x\n", i, (*s)[i:i+8])
		}
		*s = b.String()
	}
	return h
}

// opName tells instructions apart as the RFC does.
func opName(in bpf.Insn) string {
	switch in.Class() {
	case bpf.ClassSTX:
		if in.Op&0xe0 == bpf.ModeATOMIC {
			return fmt.Sprintf("%02x atomic %#x", in.Op, in.Imm)
		}
	case bpf.ClassALU, bpf.ClassALU64:
		if in.Op&0xf0 == bpf.AluEND {
			return fmt.Sprintf("%02x swap %d", in.Op, in.Imm)
		}
		if in.Off != 0 {
			return fmt.Sprintf("%02x off %d", in.Op, in.Off)
		}
	case bpf.ClassJMP:
		if in.IsCall() {
			return fmt.Sprintf("%02x src %d", in.Op, in.Src())
		}
	case bpf.ClassLD:
		return fmt.Sprintf("%02x src %d", in.Op, in.Src())
	}
	return fmt.Sprintf("%02x", in.Op)
}

// allOps are the instructions that must have occurred.
func allOps() []string {
	var r []string
	add := func(op uint8, src uint8, off int16, imm int32) {
		r = append(r, opName(bpf.Insn{Op: op, Regs: bpf.Regs(0, src), Off: off, Imm: imm}))
	}
	for _, cls := range []uint8{bpf.ClassALU, bpf.ClassALU64} {
		for _, op := range aluOps {
			switch op {
			case bpf.AluNEG:
				add(cls|op, 0, 0, 0)
			case bpf.AluEND:
				for _, bits := range []int32{16, 32, 64} {
					add(cls|op, 0, 0, bits)
					if cls == bpf.ClassALU {
						add(cls|op|bpf.SrcX, 0, 0, bits)
					}
				}
			default:
				for _, src := range []uint8{bpf.SrcK, bpf.SrcX} {
					add(cls|op|src, 0, 0, 0)
					if op == bpf.AluDIV || op == bpf.AluMOD {
						add(cls|op|src, 0, 1, 0)
					}
				}
			}
		}
		add(cls|bpf.AluMOV|bpf.SrcX, 0, 8, 0)
		add(cls|bpf.AluMOV|bpf.SrcX, 0, 16, 0)
	}
	add(bpf.ClassALU64|bpf.AluMOV|bpf.SrcX, 0, 32, 0)
	for _, cls := range []uint8{bpf.ClassJMP, bpf.ClassJMP32} {
		for _, op := range condOps {
			add(cls|op, 0, 0, 0)
			add(cls|op|bpf.SrcX, 0, 0, 0)
		}
		add(cls|bpf.JmpJA, 0, 0, 0)
	}
	for _, s := range sizes {
		add(bpf.ClassLDX|bpf.ModeMEM|s, 0, 0, 0)
		add(bpf.ClassST|bpf.ModeMEM|s, 0, 0, 0)
		add(bpf.ClassSTX|bpf.ModeMEM|s, 0, 0, 0)
		if s != bpf.SizeDW {
			add(bpf.ClassLDX|bpf.ModeMEMSX|s, 0, 0, 0)
		}
		add(bpf.ClassSTX|bpf.ModeATOMIC|s, 0, 0, bpf.AtomicLoadACQ)
		add(bpf.ClassSTX|bpf.ModeATOMIC|s, 0, 0, bpf.AtomicStoreREL)
	}
	for _, s := range []uint8{bpf.SizeW, bpf.SizeDW} {
		for _, op := range atomicOps {
			add(bpf.ClassSTX|bpf.ModeATOMIC|s, 0, 0, op)
		}
	}
	for _, src := range []uint8{0, bpf.PseudoMapFD, bpf.PseudoMapValue, bpf.PseudoFunc} {
		add(bpf.OpLdImm64, src, 0, 0)
	}
	add(bpf.OpCall, bpf.PseudoHelper, 0, 0)
	add(bpf.OpCall, bpf.PseudoCall, 0, 0)
	add(bpf.OpExit, 0, 0, 0)
	add(bpf.OpMayGoto, 0, 0, 0)
	return r
}

var helperNames = map[int32]string{
	helperLookup: "map_lookup_elem", helperUpdate: "map_update_elem", helperDelete: "map_delete_elem", helperTail: "tail_call",
	helperPush: "map_push_elem", helperPop: "map_pop_elem", helperPeek: "map_peek_elem", helperForEach: "for_each_map_elem", helperLoop: "loop",
}

func (st *stats) print(t *testing.T, calls map[int32]int) {
	t.Logf("%d programs of %d instructions (%d refused by the kernel), machine code = interpreter on all, the kernel differs on %d", st.programs, st.insns, st.refused, len(st.kernelAlone))
	t.Logf("%d loops, %d subprograms, %d callbacks, %d tail calls in them", st.loops, st.subprogs, st.callbacks, st.tails)
	t.Logf("our verifier accepts %d of them, %d of which the kernel refuses; refused by ours: %v %s", st.proven, st.unsound, st.missed, st.lastMissed)
	if st.unsound > 0 {
		t.Errorf("the last of those: %.300s ... %s", st.unsoundLast, st.unsoundLast[max(0, len(st.unsoundLast)-600):])
	}
	if *soak < 20*time.Second && *count == 0 {
		return
	}
	for _, id := range slices.Sorted(maps.Keys(helperNames)) {
		fmt.Fprintf(os.Stdout, "helper %-20s %d calls\n", helperNames[id], calls[id])
	}
	for _, s := range specs {
		fmt.Fprintf(os.Stdout, "map type %s in every program\n", s.Type)
	}
	for _, op := range slices.Sorted(maps.Keys(st.ops)) {
		fmt.Fprintf(os.Stdout, "opcode %-20s %d\n", op, st.ops[op])
	}
}

// check fails for whatever never occurred.
func (st *stats) check(t *testing.T, calls map[int32]int) {
	for _, op := range allOps() {
		if st.ops[op] == 0 {
			t.Errorf("instruction %s never occurred", op)
		}
	}
	for id, name := range helperNames {
		if calls[id] == 0 {
			t.Errorf("helper %s was never called", name)
		}
	}
	for name, n := range map[string]int{"loop": st.loops, "subprogram": st.subprogs, "callback": st.callbacks, "tail call": st.tails} {
		if n == 0 {
			t.Errorf("no %s occurred", name)
		}
	}
}

func listing(insns []bpf.Insn) string {
	var b strings.Builder
	for i, in := range insns {
		fmt.Fprintf(&b, "%3d: op %02x dst r%d src %d off %d imm %#x\n", i, in.Op, in.Dst(), in.Src(), in.Off, uint32(in.Imm))
	}
	return b.String()
}
