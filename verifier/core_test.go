// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modbpf/modbpf/bpf"
)

// TestLimits judges programs that no file can hold.
func TestLimits(t *testing.T) {
	k := testKernel{bpf.Release{Major: 6, Minor: 18}}
	if _, d := Verify(&Program{Type: bpf.ProgXDP}, k, Options{}); d == nil || d.Code != CodeProgSize {
		t.Errorf("empty program: %v", d)
	}
	if _, d := Verify(&Program{Type: 99, Insns: []bpf.Insn{{Op: bpf.OpExit}}}, k, Options{}); d == nil || d.Code != CodeProgType || d.Verdict != Unsupported {
		t.Errorf("unknown program type: %v", d)
	}
	if _, d := Verify(nil, k, Options{}); d == nil || d.Verdict != NotJudged {
		t.Errorf("no program: %v", d)
	}
	// A jump at every instruction that goes both ways: too many are pending.
	var tree []bpf.Insn
	tree = append(tree, bpf.Insn{Op: bpf.OpCall, Imm: fnGetPrandom})
	for range 9000 {
		tree = append(tree, bpf.Insn{Op: bpf.ClassJMP | bpf.JmpJSET, Off: 1, Imm: 1}, bpf.Insn{Op: bpf.OpCall, Imm: fnGetPrandom})
	}
	tree = append(tree, bpf.Insn{Op: bpf.ClassALU64 | bpf.AluMOV}, bpf.Insn{Op: bpf.OpExit})
	if _, d := Verify(&Program{Type: bpf.ProgXDP, Insns: tree, License: "GPL"}, k, Options{}); d == nil || d.Code != CodeTooComplex {
		t.Errorf("9,000 branches: %v", d)
	}
}

const fnGetPrandom = 7

// FuzzVerify feeds instructions as they come: whatever they are, there is a
// verdict, it is one about the program, and it comes in bounded time.
func FuzzVerify(f *testing.F) {
	files, err := filepath.Glob("testdata/core/*.txt")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		cases, err := parseAsm(string(b))
		if err != nil {
			f.Fatal(err)
		}
		for _, c := range cases {
			var raw []byte
			for _, in := range c.prog.Insns {
				raw = append(raw, in.Op, in.Regs, byte(in.Off), byte(in.Off>>8), byte(in.Imm), byte(in.Imm>>8), byte(in.Imm>>16), byte(in.Imm>>24))
			}
			f.Add(uint8(c.prog.Type), raw)
		}
	}
	f.Fuzz(func(t *testing.T, typ uint8, raw []byte) {
		p := &Program{Type: bpf.ProgType(typ % 33), License: "GPL", Maps: []*Map{
			{Name: "a", Type: bpf.MapArray, KeySize: 4, ValueSize: 64, MaxEntries: 1},
			{Name: "h", Type: bpf.MapHash, KeySize: 4, ValueSize: 8, MaxEntries: 4},
			{Name: "ro", Type: bpf.MapArray, KeySize: 4, ValueSize: 8, MaxEntries: 1, Flags: bpf.MapRdonlyProg, Frozen: true, Contents: []byte("%d")},
			{Name: "rb", Type: bpf.MapRingbuf, MaxEntries: 4096},
			{Name: "pa", Type: bpf.MapProgArray, KeySize: 4, ValueSize: 4, MaxEntries: 2},
		}}
		for len(raw) >= 8 && len(p.Insns) < 512 {
			p.Insns = append(p.Insns, bpf.Insn{
				Op: raw[0], Regs: raw[1], Off: int16(uint16(raw[2]) | uint16(raw[3])<<8),
				Imm: int32(uint32(raw[4]) | uint32(raw[5])<<8 | uint32(raw[6])<<16 | uint32(raw[7])<<24),
			})
			raw = raw[8:]
		}
		for _, rel := range []bpf.Release{{Major: 6, Minor: 12}, {Major: 6, Minor: 18}, {Major: 7, Minor: 3}} {
			_, d := Verify(p, testKernel{rel}, Options{MaxInsns: 20000, Facts: true})
			if d != nil && d.Code == CodeInternal {
				t.Fatalf("%v: %v\n%s\n%+v", rel, d, d.Regs, p.Insns)
			}
		}
	})
}

// TestCore judges the programs of testdata/core: each says on the offending
// line which code refuses it, or nowhere that it is accepted.
func TestCore(t *testing.T) {
	files, err := filepath.Glob("testdata/core/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no test files: %v", err)
	}
	seen := map[Code]bool{}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		cases, err := parseAsm(string(b))
		if err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		for _, c := range cases {
			t.Run(strings.TrimSuffix(filepath.Base(f), ".txt")+"/"+c.name, func(t *testing.T) {
				chk, d := Verify(c.prog, testKernel{c.rel}, Options{Facts: true})
				var log strings.Builder
				if d == nil || d.Code != CodeTooLarge {
					if _, again := Verify(c.prog, testKernel{c.rel}, Options{Log: &Log{W: &log}}); (again == nil) != (d == nil) {
						t.Errorf("the log changes the verdict: %v, %v", d, again)
					}
				}
				switch {
				case c.want == 0 && d != nil:
					t.Errorf("%s:%d: refused: %v\n%s", f, c.line, d, log.String())
				case c.want != 0 && d == nil:
					t.Errorf("%s:%d: accepted, want %v at %d\n%s", f, c.line, c.want, c.at, log.String())
				case c.want != 0 && (d.Code != c.want || c.at >= 0 && d.Insn != c.at):
					t.Errorf("%s:%d: %v at %d, want %v at %d\n%s", f, c.line, d, d.Insn, c.want, c.at, log.String())
				}
				if c.walk != 0 && chk != nil && chk.Report().Processed != c.walk {
					t.Errorf("%s:%d: %d instructions walked, want %d\n%s", f, c.line, chk.Report().Processed, c.walk, log.String())
				}
				seen[c.want] = true
			})
		}
	}
	// Codes of the core that no file provokes need a reason.
	exempt := map[Code]string{
		CodeNotBuilt: "ours", CodeInternal: "ours", CodeLimit: "ours", CodeBadProgram: "ours",
		CodeFuncInfo: "needs BTF", CodeLineInfo: "needs BTF", CodeTooManySubprogs: "long", CodeIndirect: "not built",
		CodeRegInvariant: "cannot be provoked", CodePtrStackRange: "unprivileged only", CodeStackDynptr: "typed",
		CodeCallbackStatic: "needs BTF", CodeCallbackMain: "needs BTF", CodeCallbackMap: "needs BTF",
		CodeGlobalArgs: "needs BTF", CodeGlobalLock: "needs BTF", CodeGlobalSleep: "needs BTF", CodeArg: "needs BTF",
		CodeMapField: "typed", CodeTailCallState: "typed", CodeThrowCallback: "typed", CodeCalledWithLock: "typed",
		CodeArgNull: "needs BTF", CodeHelperMem: "needs BTF", CodeRetval: "needs BTF", CodeMapArgMismatch: "typed",
		CodeProgGPL: "typed", CodeProgSleepable: "typed", CodeProgFlags: "typed", CodeProgSize: "TestLimits",
		CodeTooComplex: "long", CodeStackTailCall: "needs BTF", CodeRetCallback: "needs BTF", CodeArgMap: "broken prototypes",
		CodePtrMoved: "typed's code is used", CodePtrVar: "typed's code is used", CodeProgType: "TestLimits",
		CodeHelperProbe: "needs BTF", CodeKeyWrite: "needs BTF", CodeStackRead: "typed",
		CodeStackZeroSize: "sizes are judged first", CodeJumpRange: "jumps out of functions are judged first",
		CodePtrCompare: "unprivileged only",
	}
	for c := range codeTable {
		if c >= 2000 || seen[c] {
			continue
		}
		if _, ok := exempt[c]; !ok {
			t.Errorf("no test provokes %v (%s)", c, codeTable[c].Name)
		}
	}
}
