// SPDX-License-Identifier: Apache-2.0

//go:build linux

package jit

import (
	"encoding/binary"
	"fmt"
	"math/big"
	"testing"

	"github.com/modbpf/modbpf/bpf"
)

// The tests here are written from RFC 9669: every instruction with its edge
// values, against results computed another way (arbitrary precision), on the
// interpreter, the machine code and the kernel.

var edges = []uint64{
	0, 1, 2, 3, 7, 8, 31, 32, 33, 63, 64, 65, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x1_0000,
	0x7fff_ffff, 0x8000_0000, 0x8000_0001, 0xffff_fffe, 0xffff_ffff, 0x1_0000_0000, 0x1_0000_0001,
	0x7fff_ffff_ffff_ffff, 0x8000_0000_0000_0000, 0x8000_0000_0000_0001, 0xffff_ffff_0000_0000,
	0xffff_ffff_8000_0000, 0xffff_ffff_ffff_ff80, 0xffff_ffff_ffff_fffe, 0xffff_ffff_ffff_ffff,
	0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210,
}

// signed and unsigned read the low bits of v as a number.
func unsigned(v uint64, bits uint) *big.Int {
	n := new(big.Int).SetUint64(v)
	return n.And(n, mask(bits))
}

func mask(bits uint) *big.Int {
	m := new(big.Int).Lsh(big.NewInt(1), bits)
	return m.Sub(m, big.NewInt(1))
}

func signed(v uint64, bits uint) *big.Int {
	n := unsigned(v, bits)
	if n.Bit(int(bits)-1) == 1 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), bits))
	}
	return n
}

func cut(n *big.Int, bits uint) uint64 { return new(big.Int).And(n, mask(bits)).Uint64() }

type aluCase struct {
	name string
	op   uint8
	off  int16
	want func(d, s uint64, bits uint) *big.Int
}

var aluCases = []aluCase{
	{"add", bpf.AluADD, 0, func(d, s uint64, b uint) *big.Int { return new(big.Int).Add(unsigned(d, b), unsigned(s, b)) }},
	{"sub", bpf.AluSUB, 0, func(d, s uint64, b uint) *big.Int { return new(big.Int).Sub(unsigned(d, b), unsigned(s, b)) }},
	{"mul", bpf.AluMUL, 0, func(d, s uint64, b uint) *big.Int { return new(big.Int).Mul(unsigned(d, b), unsigned(s, b)) }},
	{"div", bpf.AluDIV, 0, func(d, s uint64, b uint) *big.Int {
		if unsigned(s, b).Sign() == 0 {
			return new(big.Int)
		}
		return new(big.Int).Quo(unsigned(d, b), unsigned(s, b))
	}},
	{"mod", bpf.AluMOD, 0, func(d, s uint64, b uint) *big.Int {
		if unsigned(s, b).Sign() == 0 {
			return unsigned(d, b)
		}
		return new(big.Int).Rem(unsigned(d, b), unsigned(s, b))
	}},
	{"sdiv", bpf.AluDIV, 1, func(d, s uint64, b uint) *big.Int {
		if unsigned(s, b).Sign() == 0 {
			return new(big.Int)
		}
		return new(big.Int).Quo(signed(d, b), signed(s, b))
	}},
	{"smod", bpf.AluMOD, 1, func(d, s uint64, b uint) *big.Int {
		if unsigned(s, b).Sign() == 0 {
			return unsigned(d, b)
		}
		return new(big.Int).Rem(signed(d, b), signed(s, b))
	}},
	{"or", bpf.AluOR, 0, func(d, s uint64, b uint) *big.Int { return new(big.Int).Or(unsigned(d, b), unsigned(s, b)) }},
	{"and", bpf.AluAND, 0, func(d, s uint64, b uint) *big.Int { return new(big.Int).And(unsigned(d, b), unsigned(s, b)) }},
	{"xor", bpf.AluXOR, 0, func(d, s uint64, b uint) *big.Int { return new(big.Int).Xor(unsigned(d, b), unsigned(s, b)) }},
	{"lsh", bpf.AluLSH, 0, func(d, s uint64, b uint) *big.Int { return new(big.Int).Lsh(unsigned(d, b), uint(s)%b) }},
	{"rsh", bpf.AluRSH, 0, func(d, s uint64, b uint) *big.Int { return new(big.Int).Rsh(unsigned(d, b), uint(s)%b) }},
	{"arsh", bpf.AluARSH, 0, func(d, s uint64, b uint) *big.Int { return new(big.Int).Rsh(signed(d, b), uint(s)%b) }},
	{"mov", bpf.AluMOV, 0, func(_, s uint64, b uint) *big.Int { return unsigned(s, b) }},
	{"movsx8", bpf.AluMOV, 8, func(_, s uint64, b uint) *big.Int { return signed(s, 8) }},
	{"movsx16", bpf.AluMOV, 16, func(_, s uint64, b uint) *big.Int { return signed(s, 16) }},
	{"movsx32", bpf.AluMOV, 32, func(_, s uint64, b uint) *big.Int { return signed(s, 32) }},
}

// pairs of registers: aliases and the ones machine code treats specially.
var regPairs = [][2]uint8{{0, 1}, {1, 0}, {2, 3}, {3, 4}, {4, 3}, {3, 0}, {4, 5}, {6, 7}, {8, 9}, {9, 2}, {0, 4}, {4, 4}, {0, 0}, {3, 3}, {7, 7}}

// aluProgram computes word0 op word1 into word 2 and checks that no other
// register of the program changed: their sum goes to word 3.
func aluProgram(in bpf.Insn) []bpf.Insn {
	d, s := in.Dst(), in.Src()
	uses := in.Op&bpf.SrcX != 0 || in.Op&0xf0 == bpf.AluEND
	p := []bpf.Insn{stx(bpf.SizeDW, 10, -8, 1), movX(5, 1)}
	// Fill every register but those of the operation with something of its own.
	base := uint8(5)
	for r := uint8(0); r < 10; r++ {
		if r != base {
			p = append(p, movK(r, int32(r)*0x01010101+1))
		}
	}
	p = append(p, ldx(bpf.SizeDW, d, base, 0))
	if uses && s != d {
		p = append(p, ldx(bpf.SizeDW, s, base, 8))
	}
	p = append(p, in)
	// d holds the result; fold the others.
	acc := uint8(0)
	for acc == d || acc == s && uses {
		acc++
	}
	for r := uint8(0); r < 10; r++ {
		if r != d && r != acc && r != base {
			p = append(p, alu(bpf.ClassALU64|bpf.AluADD|bpf.SrcX, acc, r, 0, 0))
		}
	}
	tmp := uint8(9)
	for tmp == d || tmp == acc {
		tmp--
	}
	p = append(p, ldx(bpf.SizeDW, tmp, 10, -8), stx(bpf.SizeDW, tmp, 16, d), stx(bpf.SizeDW, tmp, 24, acc),
		movX(0, d), exit)
	return p
}

func foldWant(in bpf.Insn, s uint64) uint64 {
	uses := in.Op&bpf.SrcX != 0 || in.Op&0xf0 == bpf.AluEND
	var sum uint64
	for r := uint8(0); r < 10; r++ {
		switch {
		case r == in.Dst(), r == 5 && !(uses && in.Src() == 5):
		case uses && r == in.Src():
			sum += s
		default:
			sum += uint64(int64(int32(r)*0x01010101 + 1))
		}
	}
	return sum
}

func TestALU(t *testing.T) {
	for _, e := range allEngines(t) {
		t.Run(e.name, func(t *testing.T) {
			runs := 0
			for _, c := range aluCases {
				for _, wide := range []bool{true, false} {
					if c.off == 32 && !wide {
						continue
					}
					cls, bits := uint8(bpf.ClassALU64), uint(64)
					if !wide {
						cls, bits = bpf.ClassALU, 32
					}
					for _, rp := range regPairs {
						if rp[1] == 5 {
							continue // holds the block
						}
						in := alu(cls|c.op|bpf.SrcX, rp[0], rp[1], c.off, 0)
						runs += checkALU(t, e, in, c, bits, rp[0] == rp[1])
					}
					if c.off >= 8 {
						continue
					}
					for _, d := range []uint8{0, 1, 3, 4, 7} {
						for _, imm := range []int32{0, 1, -1, 2, 3, 5, 10, 16, 31, 32, 63, 127, 128, -128, -129, 0x7fffffff, -0x80000000, 0x12345678} {
							switch c.op {
							case bpf.AluDIV, bpf.AluMOD:
								if imm == 0 {
									continue // refused by the kernel
								}
							case bpf.AluLSH, bpf.AluRSH, bpf.AluARSH:
								if imm < 0 || imm >= int32(bits) {
									continue // refused by the kernel
								}
							}
							runs += checkALU(t, e, alu(cls|c.op, d, 0, c.off, imm), c, bits, false)
						}
					}
				}
			}
			if runs < 100_000 && e.name != "kernel" {
				t.Errorf("only %d runs", runs)
			}
		})
	}
}

func checkALU(t *testing.T, e engine, in bpf.Insn, c aluCase, bits uint, same bool) int {
	t.Helper()
	if e.name == "kernel" && in.Op&bpf.SrcX == 0 && in.Dst() != 3 {
		return 0 // half a millisecond a program: the kernel's own register choice is not under test
	}
	run, err := e.make(t, aluProgram(in))
	if err != nil {
		t.Fatalf("%s%d %+v: %v", c.name, bits, in, err)
	}
	runs := 0
	for _, a := range edges {
		srcs := edges
		if same || in.Op&bpf.SrcX == 0 {
			srcs = edges[:1]
		}
		for _, b := range srcs {
			s := b
			switch {
			case same:
				s = a
			case in.Op&bpf.SrcX == 0:
				s = uint64(int64(in.Imm))
			}
			want := cut(c.want(a, s, bits), bits)
			blk := block{a, b}
			got, err := run(&blk)
			runs++
			fold := foldWant(in, b)
			if err != nil || got != want || blk[2] != want || blk[3] != fold {
				t.Fatalf("%s%d r%d, r%d imm %#x: %#x, %#x: got %#x (stored %#x), want %#x; other registers %#x, want %#x; %v",
					c.name, bits, in.Dst(), in.Src(), in.Imm, a, s, got, blk[2], want, blk[3], fold, err)
			}
		}
	}
	return runs
}

func TestNegAndSwap(t *testing.T) {
	rev := func(v uint64, bits uint) uint64 {
		var b [8]byte
		binary.LittleEndian.PutUint64(b[:], v)
		var r uint64
		for i := range bits / 8 {
			r = r<<8 | uint64(b[i])
		}
		return r
	}
	low := func(v uint64, bits uint) uint64 { return cut(unsigned(v, bits), bits) }
	type unary struct {
		name string
		in   bpf.Insn
		want func(uint64) uint64
	}
	var cases []unary
	for _, d := range []uint8{0, 1, 4, 6, 9} {
		cases = append(
			cases,
			unary{"neg64", alu(0x87, d, 0, 0, 0), func(v uint64) uint64 { return cut(new(big.Int).Neg(unsigned(v, 64)), 64) }},
			unary{"neg32", alu(0x84, d, 0, 0, 0), func(v uint64) uint64 { return cut(new(big.Int).Neg(unsigned(v, 32)), 32) }},
		)
		for _, bits := range []uint{16, 32, 64} {
			cases = append(
				cases,
				unary{"le", alu(0xd4, d, 0, 0, int32(bits)), func(v uint64) uint64 { return low(v, bits) }},
				unary{"be", alu(0xdc, d, 0, 0, int32(bits)), func(v uint64) uint64 { return rev(v, bits) }},
				unary{"bswap", alu(0xd7, d, 0, 0, int32(bits)), func(v uint64) uint64 { return rev(v, bits) }},
			)
		}
	}
	for _, e := range allEngines(t) {
		t.Run(e.name, func(t *testing.T) {
			for _, c := range cases {
				d := c.in.Dst()
				run, err := e.make(t, program(ldx(bpf.SizeDW, d, 1, 0), c.in, movX(0, d), exit))
				if err != nil {
					t.Fatal(c.name, err)
				}
				for _, a := range edges {
					if got, err := run(&block{a}); err != nil || got != c.want(a) {
						t.Errorf("%s imm %d of %#x: got %#x, want %#x, %v", c.name, c.in.Imm, a, got, c.want(a), err)
					}
				}
			}
		})
	}
}

var condCases = []struct {
	name string
	op   uint8
	want func(d, s uint64, bits uint) bool
}{
	{"jeq", bpf.JmpJEQ, func(d, s uint64, b uint) bool { return unsigned(d, b).Cmp(unsigned(s, b)) == 0 }},
	{"jne", bpf.JmpJNE, func(d, s uint64, b uint) bool { return unsigned(d, b).Cmp(unsigned(s, b)) != 0 }},
	{"jgt", bpf.JmpJGT, func(d, s uint64, b uint) bool { return unsigned(d, b).Cmp(unsigned(s, b)) > 0 }},
	{"jge", bpf.JmpJGE, func(d, s uint64, b uint) bool { return unsigned(d, b).Cmp(unsigned(s, b)) >= 0 }},
	{"jlt", bpf.JmpJLT, func(d, s uint64, b uint) bool { return unsigned(d, b).Cmp(unsigned(s, b)) < 0 }},
	{"jle", bpf.JmpJLE, func(d, s uint64, b uint) bool { return unsigned(d, b).Cmp(unsigned(s, b)) <= 0 }},
	{"jsgt", bpf.JmpJSGT, func(d, s uint64, b uint) bool { return signed(d, b).Cmp(signed(s, b)) > 0 }},
	{"jsge", bpf.JmpJSGE, func(d, s uint64, b uint) bool { return signed(d, b).Cmp(signed(s, b)) >= 0 }},
	{"jslt", bpf.JmpJSLT, func(d, s uint64, b uint) bool { return signed(d, b).Cmp(signed(s, b)) < 0 }},
	{"jsle", bpf.JmpJSLE, func(d, s uint64, b uint) bool { return signed(d, b).Cmp(signed(s, b)) <= 0 }},
	{"jset", bpf.JmpJSET, func(d, s uint64, b uint) bool {
		return new(big.Int).And(unsigned(d, b), unsigned(s, b)).Sign() != 0
	}},
}

func TestConditionalJumps(t *testing.T) {
	for _, e := range allEngines(t) {
		t.Run(e.name, func(t *testing.T) {
			for _, c := range condCases {
				for _, cls := range []uint8{bpf.ClassJMP, bpf.ClassJMP32} {
					bits := uint(64)
					if cls == bpf.ClassJMP32 {
						bits = 32
					}
					try := func(in bpf.Insn, bs []uint64, same bool) {
						run, err := e.make(t, program(
							ldx(bpf.SizeDW, 3, 1, 0), ldx(bpf.SizeDW, 4, 1, 8), movK(0, 1), in, movK(0, 0), exit))
						if err != nil {
							t.Fatal(c.name, err)
						}
						for _, a := range edges {
							for _, b := range bs {
								s := b
								if same {
									s = a
								}
								if in.Op&bpf.SrcX == 0 {
									s = uint64(int64(in.Imm))
								}
								want := uint64(0)
								if c.want(a, s, bits) {
									want = 1
								}
								if got, err := run(&block{a, b}); err != nil || got != want {
									t.Fatalf("%s%d %#x, %#x: got %d, want %d, %v", c.name, bits, a, s, got, want, err)
								}
							}
						}
					}
					try(bpf.Insn{Op: cls | c.op | bpf.SrcX, Regs: bpf.Regs(3, 4), Off: 1}, edges, false)
					try(bpf.Insn{Op: cls | c.op | bpf.SrcX, Regs: bpf.Regs(3, 3), Off: 1}, edges[:1], true)
					for _, imm := range []int32{0, 1, -1, 0x7f, 0x80, 0x7fffffff, -0x80000000} {
						try(bpf.Insn{Op: cls | c.op, Regs: 3, Off: 1, Imm: imm}, edges[:1], false)
					}
				}
			}
		})
	}
}

func TestLoadsAndStores(t *testing.T) {
	sizes := []struct {
		size uint8
		bits uint
	}{{bpf.SizeB, 8}, {bpf.SizeH, 16}, {bpf.SizeW, 32}, {bpf.SizeDW, 64}}
	for _, e := range allEngines(t) {
		t.Run(e.name, func(t *testing.T) {
			try := func(name string, insns []bpf.Insn, in, want block, r0 uint64) {
				t.Helper()
				run, err := e.make(t, insns)
				if err != nil {
					t.Fatal(name, err)
				}
				got := in
				r, err := run(&got)
				if err != nil || got != want || r != r0 {
					t.Errorf("%s: got %#x %#x, want %#x %#x, %v", name, r, got, r0, want, err)
				}
			}
			for _, s := range sizes {
				m := mask(s.bits).Uint64()
				for _, v := range []uint64{0, 0x8182_8384_8586_8788, 0x7f7f_7f7f_7f7f_7f7f, 0x0123_4567_89ab_cdef} {
					for _, regs := range [][2]uint8{{0, 1}, {1, 1}, {4, 1}, {6, 7}, {9, 8}} {
						d, b := regs[0], regs[1]
						in := block{0, v, 0x1122334455667788}
						name := fmt.Sprintf("size %d of %#x into r%d from r%d", s.bits, v, d, b)
						try("ldx "+name, program(movX(b, 1), ldx(s.size, d, b, 8), movX(0, d), exit), in, in, v&m)
						if s.bits < 64 {
							sx := ldx(s.size, d, b, 8)
							sx.Op = sx.Op&^0xe0 | bpf.ModeMEMSX
							try("ldxs "+name, program(movX(b, 1), sx, movX(0, d), exit), in, in, cut(signed(v, s.bits), 64))
						}
						if d != b {
							want := in
							want[2] = in[2]&^m | v&m
							try("stx "+name, program(movX(b, 1), ldx(bpf.SizeDW, d, b, 8), stx(s.size, b, 16, d), movK(0, 0), exit), in, want, 0)
						}
					}
				}
				for _, imm := range []int32{0, 1, -1, 0x7fffffff, -0x80000000, 0x1234} {
					in := block{1, 0x1122334455667788}
					want := in
					want[1] = in[1]&^m | uint64(int64(imm))&m
					st := bpf.Insn{Op: bpf.ClassST | bpf.ModeMEM | s.size, Regs: 1, Off: 8, Imm: imm}
					try(fmt.Sprintf("st%d %#x", s.bits, imm), program(st, movK(0, 0), exit), in, want, 0)
					// And on the stack, read back whole.
					st.Regs, st.Off = 10, -16
					try(fmt.Sprintf("st%d %#x on the stack", s.bits, imm), program(
						ldx(bpf.SizeDW, 2, 1, 8), stx(bpf.SizeDW, 10, -16, 2), st, ldx(bpf.SizeDW, 0, 10, -16), exit),
						in, in, want[1])
				}
			}
		})
	}
}

func TestAtomics(t *testing.T) {
	type op struct {
		name string
		imm  int32
		want func(mem, src, r0 uint64) (newMem uint64)
	}
	ops := []op{
		{"add", bpf.AluADD, func(m, s, _ uint64) uint64 { return m + s }},
		{"and", bpf.AluAND, func(m, s, _ uint64) uint64 { return m & s }},
		{"or", bpf.AluOR, func(m, s, _ uint64) uint64 { return m | s }},
		{"xor", bpf.AluXOR, func(m, s, _ uint64) uint64 { return m ^ s }},
		{"xchg", bpf.AtomicXCHG, func(_, s, _ uint64) uint64 { return s }},
	}
	values := []uint64{0, 1, 0xffff_ffff, 0x8000_0000, 0x1234_5678_9abc_def0, 0xffff_ffff_ffff_ffff, 0xfedc_ba98_0000_0001}
	for _, e := range allEngines(t) {
		t.Run(e.name, func(t *testing.T) {
			for _, size := range []uint8{bpf.SizeW, bpf.SizeDW} {
				bits := uint(64)
				if size == bpf.SizeW {
					bits = 32
				}
				m := mask(bits).Uint64()
				at := func(imm int32, d, s uint8) bpf.Insn {
					return bpf.Insn{Op: bpf.ClassSTX | bpf.ModeATOMIC | size, Regs: bpf.Regs(d, s), Off: -8, Imm: imm}
				}
				// The kernel allows no atomics on its context: they work on a copy on the stack.
				in := program(ldx(bpf.SizeDW, 5, 6, 16), stx(bpf.SizeDW, 10, -8, 5))
				out := program(ldx(bpf.SizeDW, 5, 10, -8), stx(bpf.SizeDW, 6, 16, 5))
				for _, o := range ops {
					for _, fetch := range []int32{0, bpf.AtomicFetch} {
						if o.imm == bpf.AtomicXCHG && fetch == 0 {
							continue
						}
						for _, src := range []uint8{0, 2, 3, 4, 7} {
							// word2 op= word0; result register to word 3
							run, err := e.make(t, program(movX(6, 1), ldx(bpf.SizeDW, src, 6, 0), in, at(o.imm|fetch, 10, src),
								out, stx(bpf.SizeDW, 6, 24, src), movK(0, 0), exit))
							if err != nil {
								t.Fatal(o.name, err)
							}
							for _, mem := range values {
								for _, s := range values {
									b := block{s, 0, mem}
									want := block{s, 0, mem&^m | o.want(mem, s, 0)&m, s}
									if fetch != 0 {
										want[3] = mem & m
									}
									if _, err := run(&b); err != nil || b != want {
										t.Fatalf("%s%d fetch %d r%d: got %#x, want %#x, %v", o.name, bits, fetch, src, b, want, err)
									}
								}
							}
						}
					}
				}
				for _, src := range []uint8{2, 4, 7} {
					run, err := e.make(t, program(movX(6, 1), ldx(bpf.SizeDW, src, 6, 0), ldx(bpf.SizeDW, 0, 6, 8),
						in, at(bpf.AtomicCMPXCHG, 10, src), out, stx(bpf.SizeDW, 6, 24, src), exit))
					if err != nil {
						t.Fatal("cmpxchg", err)
					}
					for _, mem := range values {
						for _, r0 := range values {
							s := uint64(0x5555_6666_7777_8888)
							b := block{s, r0, mem}
							want := block{s, r0, mem, s}
							if mem&m == r0&m {
								want[2] = mem&^m | s&m
							}
							if got, err := run(&b); err != nil || b != want || got != mem&m {
								t.Fatalf("cmpxchg%d: got %#x r0 %#x, want %#x r0 %#x, %v", bits, b, got, want, mem&m, err)
							}
						}
					}
				}
			}
			for _, size := range []uint8{bpf.SizeB, bpf.SizeH, bpf.SizeW, bpf.SizeDW} {
				m := mask(uint(bpf.AccessSize(size)) * 8).Uint64()
				run, err := e.make(t, program(
					ldx(bpf.SizeDW, 2, 1, 0), ldx(bpf.SizeDW, 3, 1, 8), stx(bpf.SizeDW, 10, -8, 2),
					bpf.Insn{Op: bpf.ClassSTX | bpf.ModeATOMIC | size, Regs: bpf.Regs(10, 3), Off: -8, Imm: bpf.AtomicStoreREL},
					ldx(bpf.SizeDW, 4, 10, -8), stx(bpf.SizeDW, 1, 16, 4),
					bpf.Insn{Op: bpf.ClassSTX | bpf.ModeATOMIC | size, Regs: bpf.Regs(0, 10), Off: -8, Imm: bpf.AtomicLoadACQ},
					exit))
				if err != nil {
					t.Fatal("load-acquire, store-release", err)
				}
				for _, a := range values {
					for _, v := range values {
						b := block{a, v}
						want := block{a, v, a&^m | v&m}
						if got, err := run(&b); err != nil || b != want || got != v&m {
							t.Fatalf("acquire/release of %d bytes: got %#x r0 %#x, want %#x r0 %#x, %v", bpf.AccessSize(size), b, got, want, v&m, err)
						}
					}
				}
			}
		})
	}
}
