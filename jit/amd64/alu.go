// SPDX-License-Identifier: Apache-2.0

package amd64

import (
	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/jit/prog"
)

func (c *compiler) alu(i int, n *prog.Insn, wide bool) {
	d := c.r(n.Dst())
	op := n.Op & 0xf0
	switch op {
	case bpf.AluEND:
		c.swap(n, d, wide)
		return
	case bpf.AluNEG:
		c.grp3(extNEG, wide, d)
		return
	case bpf.AluDIV, bpf.AluMOD:
		c.div(i, n, wide)
		return
	}
	if n.Op&bpf.SrcX == 0 {
		c.aluImm(n, op, wide, d)
		return
	}
	if op == bpf.AluMOV && n.Src() == bpf.RegFP && n.Off == 0 && wide {
		c.lea(true, d, at(rsp, c.fr.fp))
		return
	}
	s := c.src(n.Src())
	switch op {
	case bpf.AluMOV:
		c.extend(n.Off, wide, d, s)
	case bpf.AluADD:
		c.arith(grpADD, wide, d, s)
	case bpf.AluSUB:
		c.arith(grpSUB, wide, d, s)
	case bpf.AluOR:
		c.arith(grpOR, wide, d, s)
	case bpf.AluAND:
		c.arith(grpAND, wide, d, s)
	case bpf.AluXOR:
		c.arith(grpXOR, wide, d, s)
	case bpf.AluMUL:
		c.imul(wide, d, s)
	case bpf.AluLSH:
		c.shift(extSHL, wide, d, s)
	case bpf.AluRSH:
		c.shift(extSHR, wide, d, s)
	case bpf.AluARSH:
		c.shift(extSAR, wide, d, s)
	}
}

// extend is MOV with its sign extensions. A narrow MOV zero-extends.
func (c *compiler) extend(width int16, wide bool, d, s reg) {
	switch width {
	case 8:
		c.movsx8(wide, d, s)
	case 16:
		c.movsx16(wide, d, s)
	case 32:
		c.movsxd(d, s)
	default:
		if d != s || !wide {
			c.mov(wide, d, s)
		}
	}
}

func (c *compiler) aluImm(n *prog.Insn, op uint8, wide bool, d reg) {
	v := n.Imm
	switch op {
	case bpf.AluMOV:
		k := uint64(uint32(v))
		if wide {
			k = uint64(int64(v))
		}
		c.constant(n.Dst(), k)
	case bpf.AluADD:
		c.addImm(wide, d, v)
	case bpf.AluSUB:
		if v == 128 {
			c.arithImm(grpADD, wide, d, -128)
		} else {
			c.arithImm(grpSUB, wide, d, v)
		}
	case bpf.AluOR:
		c.arithImm(grpOR, wide, d, v)
	case bpf.AluXOR:
		if v == -1 && wide {
			c.grp3(extNOT, true, d)
		} else {
			c.arithImm(grpXOR, wide, d, v)
		}
	case bpf.AluAND:
		c.andImm(wide, d, d, v)
	case bpf.AluMUL:
		c.imulImm(wide, d, d, v)
	case bpf.AluLSH:
		c.shiftConst(extSHL, wide, d, v)
	case bpf.AluRSH:
		c.shiftConst(extSHR, wide, d, v)
	case bpf.AluARSH:
		c.shiftConst(extSAR, wide, d, v)
	}
}

func (c *compiler) addImm(wide bool, d reg, v int32) {
	switch v {
	case 1:
		c.ext(0xff, wide, 0, d)
	case -1:
		c.ext(0xff, wide, 1, d)
	case 128:
		c.arithImm(grpSUB, wide, d, -128)
	default:
		c.arithImm(grpADD, wide, d, v)
	}
}

// andImm is d = s & v: masks of whole bytes are moves, and a mask without its
// sign bit makes the upper half zero by itself.
func (c *compiler) andImm(wide bool, d, s reg, v int32) {
	switch {
	case v == 0xff:
		c.movzx8(d, s)
		return
	case v == 0xffff:
		c.movzx16(d, s)
		return
	case v == -1 && !wide:
		c.mov(false, d, s)
		return
	}
	if d != s {
		c.mov(wide && v < 0, d, s)
	}
	c.arithImm(grpAND, wide && v < 0, d, v)
}

func (c *compiler) shiftConst(ext byte, wide bool, d reg, v int32) {
	if wide {
		v &= 63
	} else {
		v &= 31
	}
	switch {
	case v != 0:
		c.shiftImm(ext, wide, d, byte(v))
	case !wide:
		c.mov(false, d, d)
	}
}

// shift shifts by a register. Without BMI2 the count must be in cl.
func (c *compiler) shift(ext byte, wide bool, d, s reg) {
	if c.t.BMI2 {
		c.shiftx(ext, wide, d, d, s)
		return
	}
	switch {
	case s == rcx && d != rcx:
		c.shiftCL(ext, wide, d)
	case d == rcx:
		c.mov(true, tmp2, rcx)
		c.mov(true, rcx, s)
		c.shiftCL(ext, wide, tmp2)
		c.mov(true, rcx, tmp2)
	default:
		c.mov(true, tmp2, rcx)
		c.mov(true, rcx, s)
		c.shiftCL(ext, wide, d)
		c.mov(true, rcx, tmp2)
	}
}

// shiftx is shlx, shrx, sarx: d = s shifted by n.
func (c *compiler) shiftx(ext byte, wide bool, d, s, n reg) {
	pp := byte(1) // shlx
	switch ext {
	case extSHR:
		pp = 3
	case extSAR:
		pp = 2
	}
	c.vex(2, pp, wide, 0xf7, d, n, s)
}

// rotate is d = s rotated left by k.
func (c *compiler) rotate(wide bool, d, s reg, k byte) {
	if d != s && c.t.BMI2 {
		width := byte(32)
		if wide {
			width = 64
		}
		c.vex(3, 3, wide, 0xf0, d, rax, s) // rorx; vvvv must be 1111b
		c.b[len(c.b)-3] |= 0x78
		c.bytes(width - k)
		return
	}
	if d != s {
		c.mov(wide, d, s)
	}
	c.shiftImm(extROL, wide, d, k)
}

func (c *compiler) swap(n *prog.Insn, d reg, always bool) {
	if !always && n.Op&bpf.SrcX == 0 { // to little-endian
		switch n.Imm {
		case 16:
			c.movzx16(d, d)
		case 32:
			c.mov(false, d, d)
		}
		return
	}
	c.swapTo(d, d, n.Imm)
}

// swapTo is d = byte-swapped low bits of s.
func (c *compiler) swapTo(d, s reg, bits int32) {
	if d != s {
		c.mov(bits == 64, d, s)
	}
	switch bits {
	case 16:
		c.bytes(0x66)
		c.ext(0xc1, false, extROL, d)
		c.bytes(8)
		c.movzx16(d, d)
	case 32:
		c.bswap(false, d)
	default:
		c.bswap(true, d)
	}
}

// div is division and remainder. The machine divides rdx:rax and leaves the
// quotient in rax, the remainder in rdx; what else lives there is put aside.
func (c *compiler) div(i int, n *prog.Insn, wide bool) {
	d, mod, sgn := c.r(n.Dst()), n.Op&0xf0 == bpf.AluMOD, n.Off == 1
	known := n.Op&bpf.SrcX == 0
	byZero := func() {
		switch {
		case !mod:
			c.zero(d)
		case !wide:
			c.mov(false, d, d)
		}
	}
	byMinusOne := func() {
		if mod {
			c.zero(d)
		} else {
			c.grp3(extNEG, wide, d)
		}
	}
	var by reg
	switch {
	case known && n.Imm == 0:
		byZero()
		return
	case known && sgn && n.Imm == -1:
		byMinusOne()
		return
	case known && !sgn && c.divConst(i, n, wide, mod):
		return
	case known:
		by = tmp
		c.movImm(tmp, uint64(int64(n.Imm)))
	default:
		if by = c.src(n.Src()); by == rax || by == rdx {
			c.mov(true, tmp, by)
			by = tmp
		}
	}
	zero, minus := -1, -1
	if !known {
		c.test(wide, by, by)
		zero = c.jccShort(ccE)
		if sgn {
			c.arithImm(grpCMP, wide, by, -1)
			minus = c.jccShort(ccE)
		}
	}
	live := c.live[i]
	keepA, keepD := d != rax && live&bit(0) != 0, d != rdx && live&bit(3) != 0
	if keepA {
		c.mov(true, tmp2, rax)
	}
	if keepD {
		c.mov(true, tmp3, rdx)
	}
	if d != rax {
		c.mov(wide, rax, d)
	}
	if sgn {
		c.rex(wide, 0, 0, 0, false)
		c.bytes(0x99) // cdq, cqo
		c.grp3(extIDIV, wide, by)
	} else {
		c.zero(rdx)
		c.grp3(extDIV, wide, by)
	}
	res := rax
	if mod {
		res = rdx
	}
	if d != res {
		c.mov(wide, d, res)
	}
	if keepA {
		c.mov(true, rax, tmp2)
	}
	if keepD {
		c.mov(true, rdx, tmp3)
	}
	if known {
		return
	}
	done, done2 := c.jmpShort(), -1
	c.here(zero)
	byZero()
	if sgn {
		done2 = c.jmpShort()
		c.here(minus)
		byMinusOne()
		c.here(done2)
	}
	c.here(done)
}

// divConst divides by a constant without dividing, where that is simple.
func (c *compiler) divConst(_ int, n *prog.Insn, wide, mod bool) bool {
	v := uint64(uint32(n.Imm))
	if wide {
		v = uint64(int64(n.Imm))
	}
	if v&(v-1) != 0 {
		return false
	}
	k := byte(0)
	for v>>k != 1 {
		k++
	}
	d := c.r(n.Dst())
	switch {
	case !mod:
		c.shiftConst(extSHR, wide, d, int32(k))
	case k == 0:
		c.zero(d)
	case k < 32:
		c.andImm(wide, d, d, int32(1<<k-1))
	default: // a power that only a negative immediate gives: 1 << 63
		return false
	}
	return true
}
