// SPDX-License-Identifier: Apache-2.0

//go:build linux

package jit

import (
	"errors"
	"strings"
	"testing"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/internal/unchecked"
	"github.com/modbpf/modbpf/jit/prog"
	"github.com/modbpf/modbpf/verifier"
)

// addrFunc loads the address of the function rel slots after the load's second.
func addrFunc(d uint8, rel int32) []bpf.Insn {
	return []bpf.Insn{{Op: bpf.OpLdImm64, Regs: bpf.Regs(d, bpf.PseudoFunc), Imm: rel + 1}, {}}
}

func ja(off int16) bpf.Insn { return bpf.Insn{Op: 0x05, Off: off} }

const (
	opAdd64X = bpf.ClassALU64 | bpf.AluADD | bpf.SrcX
	opAdd64K = bpf.ClassALU64 | bpf.AluADD
)

// makers are our engines, without the test block around them.
var makers = map[string]func(*verifier.Checked, Linker) (Executable, error){"interpreter": Interpret}

func onEach(t *testing.T, f func(t *testing.T, mk func(*verifier.Checked, Linker) (Executable, error))) {
	for name, mk := range makers {
		t.Run(name, func(t *testing.T) { f(t, mk) })
	}
}

func build(t *testing.T, mk func(*verifier.Checked, Linker) (Executable, error), l Linker, insns ...any) Executable {
	t.Helper()
	x, err := mk(checked(program(insns...)), l)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := x.Close(); err != nil {
			t.Error(err)
		}
	})
	return x
}

func wantRun(t *testing.T, x Executable, want uint64) {
	t.Helper()
	if got, err := x.Run(0, nil); err != nil || got != want {
		t.Errorf("got %#x, want %#x, %v", got, want, err)
	}
	r, err := NewRunner(x)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for range 2 {
		if got, err := r.Run(0, nil); err != nil || got != want {
			t.Errorf("runner: got %#x, want %#x, %v", got, want, err)
		}
	}
}

func TestControlFlow(t *testing.T) {
	tests := []struct {
		name  string
		insns []bpf.Insn
		want  uint64
	}{
		{"lddw", program(lddw(0, 0xfedc_ba98_7654_3210), exit), 0xfedc_ba98_7654_3210},
		{"lddw of a small number", program(lddw(0, 7), exit), 7},
		{"lddw of a negative number", program(lddw(9, 0xffff_ffff_ffff_fffe), movX(0, 9), exit), 0xffff_ffff_ffff_fffe},
		{"ja", program(movK(0, 1), ja(1), movK(0, 2), exit), 1},
		{"gotol", program(movK(0, 1), bpf.Insn{Op: 0x06, Imm: 1}, movK(0, 2), exit), 1},
		{"backward", program(movK(0, 0), movK(1, 10), alu(opAdd64X, 0, 1, 0, 0), alu(opAdd64K, 1, 0, 0, -1),
			bpf.Insn{Op: 0x55, Regs: 1, Off: -3}, exit), 55},
		{"local calls keep R6 to R9 and the stack", program(
			movK(6, 6), movK(7, 7), movK(8, 8), movK(9, 9), movK(1, 1), movK(2, 2), movK(3, 3), movK(4, 4), movK(5, 5),
			bpf.Insn{Op: 0x7a, Regs: 10, Off: -8, Imm: 100}, local(8),
			alu(opAdd64X, 0, 6, 0, 0), alu(opAdd64X, 0, 7, 0, 0), alu(opAdd64X, 0, 8, 0, 0), alu(opAdd64X, 0, 9, 0, 0),
			ldx(bpf.SizeDW, 1, 10, -8), alu(opAdd64X, 0, 1, 0, 0), exit, movK(9, 99),
			// the function
			movK(0, 0), alu(opAdd64X, 0, 1, 0, 0), alu(opAdd64X, 0, 2, 0, 0), alu(opAdd64X, 0, 3, 0, 0), alu(opAdd64X, 0, 4, 0, 0),
			alu(opAdd64X, 0, 5, 0, 0), movK(6, 1000), movK(7, 1000), movK(8, 1000), movK(9, 1000),
			bpf.Insn{Op: 0x7a, Regs: 10, Off: -8, Imm: 1000}, exit,
		), 15 + 30 + 100},
		{"recursion by eight", program(
			movK(1, 7), local(1), exit,
			// f(n) = n ? n + f(n-1) : 0, n kept in R6
			movX(6, 1), movK(0, 0), bpf.Insn{Op: 0x15, Regs: 1, Off: 3}, alu(opAdd64K, 1, 0, 0, -1), local(-5), alu(opAdd64X, 0, 6, 0, 0), exit,
		), 28},
		{"callx", program(addrFunc(2, 4), movK(1, 20), bpf.Insn{Op: bpf.OpCallX, Regs: 2}, alu(opAdd64K, 0, 0, 0, 1), exit,
			movX(0, 1), alu(opAdd64X, 0, 1, 0, 0), exit), 41},
	}
	onEach(t, func(t *testing.T, mk func(*verifier.Checked, Linker) (Executable, error)) {
		for _, c := range tests {
			t.Run(c.name, func(t *testing.T) {
				if c.name == "local calls keep R6 to R9 and the stack" {
					c.insns[18] = exit
				}
				wantRun(t, build(t, mk, &testLinker{}, c.insns), c.want)
			})
		}
	})
}

func TestMayGotoEnds(t *testing.T) {
	onEach(t, func(t *testing.T, mk func(*verifier.Checked, Linker) (Executable, error)) {
		x := build(t, mk, &testLinker{}, movK(0, 0), bpf.Insn{Op: bpf.OpMayGoto, Off: 2}, alu(opAdd64K, 0, 0, 0, 1), ja(-3), exit)
		wantRun(t, x, LoopBudget)
	})
}

func TestHelpers(t *testing.T) {
	l := &testLinker{helpers: map[int32]Func{
		1: func(_ *Frame, a, b, c, d, e uint64) uint64 { return a + 10*b + 100*c + 1000*d + 10000*e },
		2: func(f *Frame, fn, n, _, _, _ uint64) uint64 { // calls a callback n times
			var sum uint64
			for i := range n {
				r, err := f.Call(fn, i, 1, 2, 3, 4)
				if err != nil {
					return 0
				}
				sum += r
			}
			return sum
		},
		3: func(f *Frame, cookie, _, _, _, _ uint64) uint64 { f.Throw(cookie); return 0 },
		4: func(f *Frame, _, _, _, _, _ uint64) uint64 { return f.User.(uint64) + uint64(f.Ctx) },
	}}
	onEach(t, func(t *testing.T, mk func(*verifier.Checked, Linker) (Executable, error)) {
		args := program(movK(1, 1), movK(2, 2), movK(3, 3), movK(4, 4), movK(5, 5))
		t.Run("arguments", func(t *testing.T) { wantRun(t, build(t, mk, l, args, call(1), exit), 54321) })
		t.Run("indirect", func(t *testing.T) {
			wantRun(t, build(t, mk, l, args, movK(9, 1), bpf.Insn{Op: bpf.OpCallX, Regs: 9}, exit), 54321)
		})
		t.Run("saved registers", func(t *testing.T) {
			wantRun(t, build(t, mk, l, movK(6, 1), movK(7, 20), movK(8, 300), movK(9, 4000), args, call(1),
				alu(opAdd64X, 0, 6, 0, 0), alu(opAdd64X, 0, 7, 0, 0), alu(opAdd64X, 0, 8, 0, 0), alu(opAdd64X, 0, 9, 0, 0), exit), 54321+4321)
		})
		t.Run("callback", func(t *testing.T) {
			wantRun(t, build(t, mk, l, addrFunc(1, 4), movK(2, 10), call(2), exit, exit,
				movX(0, 1), movK(6, 1), alu(opAdd64X, 0, 2, 0, 0), exit), 45+10)
		})
		t.Run("nested callbacks", func(t *testing.T) {
			wantRun(t, build(t, mk, l, movK(6, 5), addrFunc(1, 4), movK(2, 10), call(2), alu(opAdd64X, 0, 6, 0, 0), exit,
				addrFunc(1, 3), movK(2, 3), call(2), exit, // calls the second three times
				movX(0, 1), movK(6, 9), exit), 30+5)
		})
		t.Run("throw", func(t *testing.T) {
			wantRun(t, build(t, mk, l, local(2), movK(0, 1), exit, movK(1, 77), call(3), movK(0, 2), exit), 77)
		})
		t.Run("throw in a callback", func(t *testing.T) {
			wantRun(t, build(t, mk, l, addrFunc(1, 4), movK(2, 10), call(2), movK(0, 5), exit, movK(1, 78), call(3), exit), 78)
		})
		t.Run("user data", func(t *testing.T) {
			x := build(t, mk, l, call(4), exit)
			if got, err := x.Run(1000, uint64(23)); err != nil || got != 1023 {
				t.Errorf("got %d, %v", got, err)
			}
		})
		t.Run("batch", func(t *testing.T) {
			x := build(t, mk, l, call(4), exit)
			ctxs, res := []uintptr{1, 2, 3}, make([]uint64, 3)
			if err := x.RunBatch(ctxs, res, uint64(1)); err != nil || res[0] != 1+1 || res[1] != 2+1 || res[2] != 3+1 {
				t.Errorf("got %v, %v", res, err)
			}
		})
		t.Run("run function", func(t *testing.T) {
			x := build(t, mk, l, addrFunc(1, 2), movK(0, 0), exit, movX(0, 1), alu(opAdd64X, 0, 5, 0, 0), exit)
			if got, err := x.RunFunc(prog.FuncValue(4), [5]uint64{4, 0, 0, 0, 5}, nil); err != nil || got != 9 {
				t.Errorf("got %d, %v", got, err)
			}
			if _, err := x.RunFunc(prog.FuncValue(0), [5]uint64{}, nil); err == nil {
				t.Error("a function whose address was never given away ran")
			}
		})
		t.Run("missing", func(t *testing.T) {
			_, err := mk(checked(program(call(99), exit)), l)
			if err == nil || !strings.Contains(err.Error(), "helper 99") {
				t.Errorf("got %v", err)
			}
		})
	})
}

func TestTailCalls(t *testing.T) {
	onEach(t, func(t *testing.T, mk func(*verifier.Checked, Linker) (Executable, error)) {
		var targets [2]Executable
		l := &testLinker{helpers: map[int32]Func{
			12: func(f *Frame, _, _, i, _, _ uint64) uint64 {
				if i < 2 {
					f.TailCall(targets[i])
				}
				return 0
			},
			5: func(f *Frame, _, _, _, _, _ uint64) uint64 {
				*f.User.(*int)++
				return uint64(*f.User.(*int))
			},
		}}
		// Program 0 answers R1+1; program 1 counts and calls itself.
		targets[0] = build(t, mk, l, movX(0, 1), alu(opAdd64K, 0, 0, 0, 1), exit)
		targets[1] = build(t, mk, l, movX(6, 1), call(5), movX(1, 6), movK(3, 1), call(12), movK(0, 42), exit)
		tail := func(i int32) []bpf.Insn { return program(movK(3, i), call(12)) }

		n := 0
		x := build(t, mk, l, tail(0), movK(0, 9), exit)
		if got, err := x.Run(100, &n); err != nil || got != 101 {
			t.Errorf("got %d, %v", got, err)
		}
		x = build(t, mk, l, tail(7), movK(0, 9), exit)
		if got, err := x.Run(100, &n); err != nil || got != 9 {
			t.Errorf("no target: got %d, %v", got, err)
		}
		x = build(t, mk, l, movK(6, 3), local(2), alu(opAdd64X, 0, 6, 0, 0), exit, movK(6, 50), tail(0), movK(0, 9), exit)
		if got, err := x.Run(100, &n); err != nil || got != 104 {
			t.Errorf("from a subprogram: got %d, %v", got, err)
		}
		if got, err := targets[1].Run(0, &n); err != nil || got != 42 || n != MaxTailCalls+1 {
			t.Errorf("without end: got %d after %d runs, %v", got, n, err)
		}
	})
}

func TestPacketLoads(t *testing.T) {
	onEach(t, func(t *testing.T, mk func(*verifier.Checked, Linker) (Executable, error)) {
		l := &testLinker{packet: func(f *Frame, skb, off, size, _, _ uint64) uint64 {
			if int32(off)+int32(size) > 64 {
				f.FailLoad()
				return 1234
			}
			return skb*1000 + off*10 + size
		}}
		abs := func(size uint8, imm int32) bpf.Insn { return bpf.Insn{Op: bpf.ModeABS | size, Imm: imm} }
		ind := func(size, src uint8, imm int32) bpf.Insn {
			return bpf.Insn{Op: bpf.ModeIND | size, Regs: bpf.Regs(0, src), Imm: imm}
		}
		wantRun(t, build(t, mk, l, movK(6, 1), abs(bpf.SizeH, 14), exit), 1142)
		wantRun(t, build(t, mk, l, movK(6, 1), movK(7, 5), ind(bpf.SizeW, 7, 14), exit), 1194)
		wantRun(t, build(t, mk, l, movK(6, 1), abs(bpf.SizeH, 64), movK(0, 7), exit), 0)
		wantRun(t, build(t, mk, l, movK(8, 2), movK(6, 1), local(2), alu(opAdd64X, 0, 8, 0, 0), exit,
			movK(6, 1), abs(bpf.SizeB, 64), movK(0, 7), exit), 2)
	})
}

func TestRefusals(t *testing.T) {
	onEach(t, func(t *testing.T, mk func(*verifier.Checked, Linker) (Executable, error)) {
		if _, err := mk(&verifier.Checked{}, &testLinker{}); !errors.Is(err, ErrUnchecked) {
			t.Errorf("zero Checked: %v", err)
		}
		p := &verifier.Program{Insns: program(movK(0, 0), exit)}
		if _, err := mk(verifier.KernelJudged(p), &testLinker{}); !errors.Is(err, ErrUnchecked) {
			t.Errorf("kernel judged: %v", err)
		}
		for name, insns := range map[string][]bpf.Insn{
			"empty":                  {},
			"no exit":                {movK(0, 0)},
			"jump out":               {ja(5), exit},
			"jump before":            {ja(-2), exit},
			"jump into lddw":         program(ja(1), lddw(0, 1), exit),
			"half a lddw":            {{Op: bpf.OpLdImm64}},
			"register 11":            {movK(11, 0), exit},
			"unknown opcode":         {{Op: 0xff}, exit},
			"unknown atomic":         {{Op: 0xdb, Imm: 0x77}, exit},
			"atomic of a byte":       {{Op: bpf.ClassSTX | bpf.ModeATOMIC | bpf.SizeB, Imm: 0}, exit},
			"swap of 8 bits":         {{Op: 0xd4, Imm: 8}, exit},
			"call out":               {local(100), exit},
			"unknown map":            program([]bpf.Insn{{Op: bpf.OpLdImm64, Regs: bpf.Regs(1, bpf.PseudoMapFD), Imm: 3}, {}}, exit),
			"cast without arena":     {{Op: 0xbf, Off: 1, Imm: 1}, exit},
			"jump between functions": program(local(1), exit, ja(-3), exit),
		} {
			if x, err := mk(unchecked.New(&verifier.Program{Name: name, Insns: insns}), &testLinker{}); err == nil {
				t.Errorf("%s: accepted as %s", name, x.Engine())
			}
		}
	})
}

func TestCrashIsAnError(t *testing.T) {
	onEach(t, func(t *testing.T, mk func(*verifier.Checked, Linker) (Executable, error)) {
		insns := program(lddw(1, 0xdead_0000), movK(0, 0), ldx(bpf.SizeDW, 0, 1, 8), exit)
		p := &verifier.Program{Name: "crasher", Insns: insns, Lines: []verifier.LineInfo{{Insn: 0, File: "a.c", Line: 1}, {Insn: 3, File: "a.c", Line: 7}}}
		x, err := mk(unchecked.New(p), &testLinker{})
		if err != nil {
			t.Fatal(err)
		}
		defer x.Close()
		_, err = x.Run(0, nil)
		var c *CrashError
		if !errors.As(err, &c) || c.Slot != 3 || c.Addr != 0xdead_0008 || c.Line == nil || c.Line.Line != 7 {
			t.Errorf("got %v", err)
		}
	})
}
