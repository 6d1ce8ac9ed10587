// SPDX-License-Identifier: Apache-2.0

package amd64

import "encoding/binary"

// Instruction encoding (Intel SDM vol. 2, ch. 2): optional prefixes, REX,
// opcode, ModRM, SIB, displacement, immediate. Only the forms the selector uses
// exist here.

// reg is a general register by its number in the encoding.
type reg uint8

const (
	rax reg = iota
	rcx
	rdx
	rbx
	rsp
	rbp
	rsi
	rdi
	r8
	r9
	r10
	r11
	r12
	r13
	r14
	r15
	noReg reg = 0xff
)

// mem is a memory operand: base + index*scale + disp.
type mem struct {
	base, index reg
	shift       uint8 // scale is 1 << shift
	disp        int32
}

func at(base reg, disp int32) mem { return mem{base: base, index: noReg, disp: disp} }

// asm is a growing piece of machine code.
type asm struct{ b []byte }

func (a *asm) pos() int        { return len(a.b) }
func (a *asm) bytes(v ...byte) { a.b = append(a.b, v...) }
func (a *asm) imm32(v int32)   { a.b = binary.LittleEndian.AppendUint32(a.b, uint32(v)) }
func (a *asm) imm64(v uint64)  { a.b = binary.LittleEndian.AppendUint64(a.b, v) }
func isInt8(v int32) bool      { return int32(int8(v)) == v }
func low(r reg) byte           { return byte(r) & 7 }
func hi(r reg) byte            { return byte(r) >> 3 & 1 }
func w(wide bool) byte {
	if wide {
		return 1
	}
	return 0
}

// rex appends a REX prefix if one of its bits is set or it is forced (byte
// registers spl to dil exist only with one).
func (a *asm) rex(wide bool, r, x, b byte, force bool) {
	if v := w(wide)<<3 | r<<2 | x<<1 | b; v != 0 || force {
		a.b = append(a.b, 0x40|v)
	}
}

// rr encodes op with two registers: r in ModRM.reg, m in ModRM.rm.
func (a *asm) rr(op byte, wide bool, r, m reg) {
	a.rex(wide, hi(r), 0, hi(m), false)
	a.b = append(a.b, op, 0xc0|low(r)<<3|low(m))
}

// rr0f is rr for two-byte opcodes.
func (a *asm) rr0f(op byte, wide bool, r, m reg, force bool) {
	a.rex(wide, hi(r), 0, hi(m), force)
	a.b = append(a.b, 0x0f, op, 0xc0|low(r)<<3|low(m))
}

// ext encodes op with an opcode extension in ModRM.reg.
func (a *asm) ext(op byte, wide bool, ext byte, m reg) {
	a.rex(wide, 0, 0, hi(m), false)
	a.b = append(a.b, op, 0xc0|ext<<3|low(m))
}

// modrm appends ModRM, SIB and displacement of a memory operand.
func (a *asm) modrm(r byte, m mem) {
	r = r & 7 << 3
	if m.base == noReg {
		// No base: absolute, or index*scale+disp32. Mod 00 with base 101 in the SIB.
		x := byte(4)
		if m.index != noReg {
			x = low(m.index)
		}
		a.b = append(a.b, r|4, m.shift<<6|x<<3|5)
		a.imm32(m.disp)
		return
	}
	mod := byte(0x80)
	switch {
	case m.disp == 0 && low(m.base) != 5:
		mod = 0
	case isInt8(m.disp):
		mod = 0x40
	}
	if m.index != noReg || low(m.base) == 4 {
		x := byte(4)
		if m.index != noReg {
			x = low(m.index)
		}
		a.b = append(a.b, mod|r|4, m.shift<<6|x<<3|low(m.base))
	} else {
		a.b = append(a.b, mod|r|low(m.base))
	}
	switch mod {
	case 0x40:
		a.b = append(a.b, byte(m.disp))
	case 0x80:
		a.imm32(m.disp)
	}
}

func (a *asm) rexMem(wide bool, r reg, m mem, force bool) {
	var x, b byte
	if m.index != noReg {
		x = hi(m.index)
	}
	if m.base != noReg {
		b = hi(m.base)
	}
	a.rex(wide, hi(r), x, b, force)
}

// rm encodes op with a register and memory.
func (a *asm) rm(op byte, wide bool, r reg, m mem) {
	a.rexMem(wide, r, m, false)
	a.b = append(a.b, op)
	a.modrm(byte(r), m)
}

// rm8 is rm for byte operations.
func (a *asm) rm8(op byte, r reg, m mem) {
	a.rexMem(false, r, m, r >= rsp && r <= rdi)
	a.b = append(a.b, op)
	a.modrm(byte(r), m)
}

// rm0f is rm for two-byte opcodes.
func (a *asm) rm0f(op byte, wide bool, r reg, m mem, force bool) {
	a.rexMem(wide, r, m, force)
	a.b = append(a.b, 0x0f, op)
	a.modrm(byte(r), m)
}

// vex encodes a three-byte VEX instruction of the 0F38 or 0F3A map: r in
// ModRM.reg, v in VEX.vvvv, m in ModRM.rm.
func (a *asm) vex(mmap, pp byte, wide bool, op byte, r, v, m reg) {
	a.b = append(a.b, 0xc4, (1-hi(r))<<7|1<<6|(1-hi(m))<<5|mmap, w(wide)<<7|(^byte(v)&0xf)<<3|pp, op, 0xc0|low(r)<<3|low(m))
}

// Moves.

func (a *asm) mov(wide bool, d, s reg) { a.rr(0x89, wide, s, d) }

// movImm loads a constant in the shortest form that leaves flags alone.
func (a *asm) movImm(d reg, v uint64) {
	switch {
	case v == uint64(uint32(v)):
		a.rex(false, 0, 0, hi(d), false)
		a.b = append(a.b, 0xb8|low(d))
		a.imm32(int32(v))
	case int64(v) == int64(int32(v)):
		a.ext(0xc7, true, 0, d)
		a.imm32(int32(v))
	default:
		a.rex(true, 0, 0, hi(d), false)
		a.b = append(a.b, 0xb8|low(d))
		a.imm64(v)
	}
}

// zero clears a register (and changes flags).
func (a *asm) zero(d reg) { a.rr(0x31, false, d, d) }

func (a *asm) lea(wide bool, d reg, m mem) { a.rm(0x8d, wide, d, m) }

func (a *asm) movzx8(d, s reg)             { a.rr0f(0xb6, false, d, s, s >= rsp && s <= rdi) }
func (a *asm) movzx16(d, s reg)            { a.rr0f(0xb7, false, d, s, false) }
func (a *asm) movsx8(wide bool, d, s reg)  { a.rr0f(0xbe, wide, d, s, s >= rsp && s <= rdi) }
func (a *asm) movsx16(wide bool, d, s reg) { a.rr0f(0xbf, wide, d, s, false) }
func (a *asm) movsxd(d, s reg)             { a.rr(0x63, true, d, s) }

// Arithmetic groups: the number is both the opcode's row (op r/m, r is 8*n+1)
// and the extension of the immediate form.
const (
	grpADD = 0
	grpOR  = 1
	grpAND = 4
	grpSUB = 5
	grpXOR = 6
	grpCMP = 7
)

func (a *asm) arith(g byte, wide bool, d, s reg)        { a.rr(g<<3|1, wide, s, d) }
func (a *asm) arithMem(g byte, wide bool, d reg, m mem) { a.rm(g<<3|3, wide, d, m) }

func (a *asm) arithImm(g byte, wide bool, d reg, v int32) {
	switch {
	case isInt8(v):
		a.ext(0x83, wide, g, d)
		a.b = append(a.b, byte(v))
	case d == rax:
		a.rex(wide, 0, 0, 0, false)
		a.b = append(a.b, g<<3|5)
		a.imm32(v)
	default:
		a.ext(0x81, wide, g, d)
		a.imm32(v)
	}
}

// arithMemImm is op [m], imm on 4 or 8 bytes.
func (a *asm) arithMemImm(g byte, wide bool, m mem, v int32) {
	a.rexMem(wide, 0, m, false)
	if isInt8(v) {
		a.b = append(a.b, 0x83)
		a.modrm(g, m)
		a.b = append(a.b, byte(v))
		return
	}
	a.b = append(a.b, 0x81)
	a.modrm(g, m)
	a.imm32(v)
}

func (a *asm) test(wide bool, x, y reg) { a.rr(0x85, wide, y, x) }

func (a *asm) testImm(wide bool, x reg, v int32) {
	if x == rax {
		a.rex(wide, 0, 0, 0, false)
		a.b = append(a.b, 0xa9)
	} else {
		a.ext(0xf7, wide, 0, x)
	}
	a.imm32(v)
}

func (a *asm) imul(wide bool, d, s reg) { a.rr0f(0xaf, wide, d, s, false) }

func (a *asm) imulImm(wide bool, d, s reg, v int32) {
	if isInt8(v) {
		a.rr(0x6b, wide, d, s)
		a.b = append(a.b, byte(v))
		return
	}
	a.rr(0x69, wide, d, s)
	a.imm32(v)
}

// Group 3 and shift extensions.
const (
	extNOT  = 2
	extNEG  = 3
	extDIV  = 6
	extIDIV = 7
	extROL  = 0
	extROR  = 1
	extSHL  = 4
	extSHR  = 5
	extSAR  = 7
)

func (a *asm) grp3(ext byte, wide bool, r reg) { a.ext(0xf7, wide, ext, r) }

func (a *asm) shiftImm(ext byte, wide bool, r reg, n byte) {
	if n == 1 {
		a.ext(0xd1, wide, ext, r)
		return
	}
	a.ext(0xc1, wide, ext, r)
	a.b = append(a.b, n)
}

func (a *asm) shiftCL(ext byte, wide bool, r reg) { a.ext(0xd3, wide, ext, r) }

func (a *asm) bswap(wide bool, r reg) {
	a.rex(wide, 0, 0, hi(r), false)
	a.b = append(a.b, 0x0f, 0xc8|low(r))
}

func (a *asm) push(r reg) {
	a.rex(false, 0, 0, hi(r), false)
	a.b = append(a.b, 0x50|low(r))
}

func (a *asm) pop(r reg) {
	a.rex(false, 0, 0, hi(r), false)
	a.b = append(a.b, 0x58|low(r))
}

func (a *asm) ret() { a.b = append(a.b, 0xc3) }

// Condition codes.
const (
	ccB  = 0x2
	ccAE = 0x3
	ccE  = 0x4
	ccNE = 0x5
	ccBE = 0x6
	ccA  = 0x7
	ccL  = 0xc
	ccGE = 0xd
	ccLE = 0xe
	ccG  = 0xf
)

// jccShort emits a short conditional jump with an unset offset and returns
// where the offset is; here sets it to the present position.
func (a *asm) jccShort(cc byte) int {
	a.b = append(a.b, 0x70|cc, 0)
	return len(a.b) - 1
}

func (a *asm) jmpShort() int {
	a.b = append(a.b, 0xeb, 0)
	return len(a.b) - 1
}

func (a *asm) here(at int) {
	d := len(a.b) - at - 1
	if d > 127 {
		panic("amd64: short jump too long")
	}
	a.b[at] = byte(d)
}
