// SPDX-License-Identifier: Apache-2.0

package amd64

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/arch/x86/x86asm"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/jit/prog"
)

var update = flag.Bool("update", false, "rewrite testdata/fuse.txt")

// in makes an instruction.
func in(op, dst, src uint8, off int16, imm int32) bpf.Insn {
	return bpf.Insn{Op: op, Regs: bpf.Regs(dst, src), Off: off, Imm: imm}
}

const (
	alu64, alu32 = bpf.ClassALU64, bpf.ClassALU
	x            = bpf.SrcX
	mov, add     = bpf.AluMOV, bpf.AluADD
	lsh, rsh     = bpf.AluLSH, bpf.AluRSH
	or, and      = bpf.AluOR, bpf.AluAND
	ldxMem       = bpf.ClassLDX | bpf.ModeMEM
	stxMem       = bpf.ClassSTX | bpf.ModeMEM
)

var exitInsn = in(bpf.OpExit, 0, 0, 0, 0)

// fuseCases are groups that are taken in, and after each its neighbours that
// must not be. What comes out is in testdata/fuse.txt.
var fuseCases = []struct {
	name  string
	insns []bpf.Insn
}{
	{"rotate, copies of a register that stays", []bpf.Insn{
		in(alu64|mov|x, 0, 1, 0, 0), in(alu64|lsh, 0, 0, 0, 13), in(alu64|mov|x, 2, 1, 0, 0), in(alu64|rsh, 2, 0, 0, 51),
		in(alu64|or|x, 0, 2, 0, 0), in(alu64|add|x, 0, 1, 0, 0), exitInsn,
	}},
	{"rotate in place, 32 bits", []bpf.Insn{
		in(alu32|mov|x, 0, 1, 0, 0), in(alu32|rsh, 0, 0, 0, 25), in(alu32|lsh, 1, 0, 0, 7), in(alu32|or|x, 1, 0, 0, 0), in(alu32|mov|x, 0, 1, 0, 0), exitInsn,
	}},
	{"no rotate: counts do not add up", []bpf.Insn{
		in(alu64|mov|x, 0, 1, 0, 0), in(alu64|lsh, 0, 0, 0, 13), in(alu64|rsh, 1, 0, 0, 50), in(alu64|or|x, 0, 1, 0, 0), exitInsn,
	}},
	{"no rotate: the source changed in between", []bpf.Insn{
		in(alu64|mov|x, 0, 1, 0, 0), in(alu64|lsh, 0, 0, 0, 13), in(alu64|add, 1, 0, 0, 1), in(alu64|rsh, 1, 0, 0, 51), in(alu64|or|x, 0, 1, 0, 0), exitInsn,
	}},
	{"no rotate: half of it is used again", []bpf.Insn{
		in(alu64|mov|x, 0, 1, 0, 0), in(alu64|lsh, 0, 0, 0, 13), in(alu64|rsh, 1, 0, 0, 51), in(alu64|or|x, 0, 1, 0, 0), in(alu64|add|x, 0, 1, 0, 0), exitInsn,
	}},
	{"lea", []bpf.Insn{in(alu64|mov|x, 0, 1, 0, 0), in(alu64|add, 0, 0, 0, 100), exitInsn}},
	{"lea, scaled", []bpf.Insn{in(alu64|mov|x, 0, 1, 0, 0), in(alu64|lsh, 0, 0, 0, 3), in(alu64|add|x, 0, 2, 0, 0), exitInsn}},
	{"no lea: 32-bit copy, 64-bit sum", []bpf.Insn{in(alu32|mov|x, 0, 1, 0, 0), in(alu64|add, 0, 0, 0, 100), exitInsn}},
	{"extension by shifts", []bpf.Insn{in(alu64|mov|x, 0, 1, 0, 0), in(alu64|lsh, 0, 0, 0, 56), in(alu64|bpf.AluARSH, 0, 0, 0, 56), exitInsn}},
	{"mask and test", []bpf.Insn{
		in(alu64|mov|x, 2, 1, 0, 0), in(alu64|and, 2, 0, 0, 0x10), in(bpf.ClassJMP|bpf.JmpJEQ, 2, 0, 1, 0), in(alu64|mov, 0, 0, 0, 7), exitInsn,
	}},
	{"no test: the masked value is needed", []bpf.Insn{
		in(alu64|mov|x, 0, 1, 0, 0), in(alu64|and, 0, 0, 0, 0x10), in(bpf.ClassJMP|bpf.JmpJEQ, 0, 0, 1, 0), in(alu64|add, 0, 0, 0, 7), exitInsn,
	}},
	{"compare memory", []bpf.Insn{
		in(alu64|mov, 0, 0, 0, 1), in(ldxMem|bpf.SizeB, 2, 1, 4, 0), in(bpf.ClassJMP|bpf.JmpJGT, 2, 0, 1, 200), in(alu64|mov, 0, 0, 0, 2), exitInsn,
	}},
	{"no comparison with memory: signed, of a byte", []bpf.Insn{
		in(alu64|mov, 0, 0, 0, 1), in(ldxMem|bpf.SizeB, 2, 1, 4, 0), in(bpf.ClassJMP|bpf.JmpJSGT, 2, 0, 1, 200), in(alu64|mov, 0, 0, 0, 2), exitInsn,
	}},
	{"read, modify, write", []bpf.Insn{
		in(ldxMem|bpf.SizeW, 2, 1, 8, 0), in(alu32|add, 2, 0, 0, 1), in(stxMem|bpf.SizeW, 1, 2, 8, 0), in(alu64|mov, 0, 0, 0, 0), exitInsn,
	}},
	{"two bytes in network order", []bpf.Insn{
		in(ldxMem|bpf.SizeB, 0, 1, 12, 0), in(alu64|lsh, 0, 0, 0, 8), in(ldxMem|bpf.SizeB, 2, 1, 13, 0), in(alu64|or|x, 0, 2, 0, 0), exitInsn,
	}},
	{"no wider load: a store in between", []bpf.Insn{
		in(ldxMem|bpf.SizeB, 0, 1, 12, 0), in(alu64|lsh, 0, 0, 0, 8), in(stxMem|bpf.SizeB, 3, 4, 0, 0), in(ldxMem|bpf.SizeB, 2, 1, 13, 0), in(alu64|or|x, 0, 2, 0, 0), exitInsn,
	}},
	{"array look-up, key from a register, no stack", []bpf.Insn{
		in(stxMem|bpf.SizeW, 10, 1, -4, 0), in(alu64|mov|x, 2, 10, 0, 0), in(alu64|add, 2, 0, 0, -4),
		in(bpf.OpLdImm64, 1, bpf.PseudoMapFD, 0, 0), in(0, 0, 0, 0, 0), in(bpf.OpCall, 0, 0, 0, 1),
		in(bpf.ClassJMP|bpf.JmpJEQ, 0, 0, 2, 0), in(ldxMem|bpf.SizeDW, 0, 0, 0, 0), exitInsn, in(alu64|mov, 0, 0, 0, -1), exitInsn,
	}},
	{"dead store to the stack", []bpf.Insn{
		in(stxMem|bpf.SizeDW, 10, 1, -8, 0), in(stxMem|bpf.SizeDW, 10, 2, -16, 0), in(ldxMem|bpf.SizeW, 0, 10, -16, 0), exitInsn,
	}},
	{"no dead store: its address is given away", []bpf.Insn{
		in(stxMem|bpf.SizeDW, 10, 1, -8, 0), in(alu64|mov|x, 1, 10, 0, 0), in(bpf.OpCall, 0, bpf.PseudoCall, 0, 1), exitInsn,
		in(ldxMem|bpf.SizeDW, 0, 1, -8, 0), exitInsn,
	}},
}

func TestFuse(t *testing.T) {
	var b strings.Builder
	for _, c := range fuseCases {
		p, err := prog.Decode(c.insns, nil)
		if err != nil {
			t.Fatal(c.name, err)
		}
		target := &Target{BMI2: true, StackAlign: 1 << 18, Lookup: -1, Program: 1}
		for i := range p.Insns {
			switch n := &p.Insns[i]; n.Kind {
			case prog.LdImm64:
				n.Val = 0x1000
				target.Inline = map[uint64]Array{0x1000: {Base: 0x20000000, Stride: 8, Entries: 64}}
			case prog.Call:
				n.Callee, target.Lookup = 0, 0
			}
		}
		code, err := Compile(p, target)
		if err != nil {
			t.Fatal(c.name, err)
		}
		b.WriteString("== " + c.name + "\n")
		for i := range p.Insns {
			if s := p.Insns[i].Text(); s != "" {
				b.WriteString("   " + s + "\n")
			}
		}
		b.WriteString("->\n")
		for off := int32(0); off < code.Slots[len(p.Insns)]-7; { // without the trap at the end
			in, err := x86asm.Decode(code.Bytes[off:], 64)
			if err != nil {
				t.Fatalf("%s: undecodable code at %d: % x", c.name, off, code.Bytes[off:])
			}
			b.WriteString("   " + x86asm.GNUSyntax(in, uint64(off), nil) + "\n")
			off += int32(in.Len)
		}
	}
	name := filepath.Join("testdata", "fuse.txt")
	if *update {
		if err := os.WriteFile(name, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if got := b.String(); got != string(want) {
		t.Errorf("code changed (go test -update accepts it):\n%s", got)
	}
}
