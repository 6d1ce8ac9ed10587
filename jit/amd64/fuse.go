// SPDX-License-Identifier: Apache-2.0

package amd64

import (
	"math/bits"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/jit/prog"
	"github.com/modbpf/modbpf/verifier"
)

// BPF has two-operand instructions, no rotates, no memory operands and no
// flags, so compilers spell out in several instructions what this machine does
// in one. fuse finds these groups inside basic blocks: the last instruction of a
// group is replaced, the others are skipped. A group is sound when nothing else
// reads what the skipped ones would have written, and what they would have read
// is still there at the end.

// mark says what to emit for a slot instead of its own instruction.
type mark struct {
	kind  markKind
	wide  bool
	d, s  uint8 // BPF registers
	x     uint8 // index register
	shift uint8
	other int32 // slot of the load a group takes in; markMask: version of s
	imm   int32
}

type markKind uint8

const (
	markNone     markKind = iota
	markSkip              // covered by a later slot
	markRotate            // d = s rotated left by shift
	markLea               // d = s + imm
	markLeaIndex          // d = s + x << shift
	markZero              // d = s cut to shift bits
	markSign              // d = s sign-extended from shift bits
	markMask              // d = s & imm
	markCmpMem            // branch on the comparison of the load in other with imm
	markTest              // branch on s & imm
	markOpMem             // d op= the load in other
	markLookup            // a look-up without a call: s and imm say where the key is; wide: the next slot's branch is taken in
	markUpdate            // [m] op= x, the operation in other
	markHalves            // d = the two bytes at s + imm, swapped if shift is not 0
)

// scan is what fuse knows while it goes through a block. A version is the slot
// that wrote a register, or before for its value at the start of the block.
type scan struct {
	def  [16]int32 // version of each register
	used [16]int32 // last slot that read it
}

const before = -1

// fuse goes through each block once.
func (c *compiler) fuse() {
	n := len(c.p.Insns)
	c.marks = grow(c.marks, n)
	c.prev = grow(c.prev, n)
	c.prevUse = grow(c.prevUse, n)
	c.srcVer = grow(c.srcVer, n)
	for k := range c.blockList {
		b := &c.blockList[k]
		var s scan
		for r := range s.def {
			s.def[r], s.used[r] = before, before
		}
		for i := b.start; i < b.end; i++ {
			in := &c.p.Insns[i]
			if in.Kind == prog.Wide {
				continue
			}
			if in.Kind == prog.Plain {
				c.fuseAt(i, in, b, &s)
			} else if in.Kind == prog.Call {
				c.fuseLookup(i, in, b, &s)
			}
			e := c.effects[i]
			c.srcVer[i] = s.def[in.Src()]
			for u := e.uses; u != 0; u &= u - 1 {
				s.used[bits.TrailingZeros16(uint16(u))] = i
			}
			if e.defs == 0 {
				continue
			}
			if d := in.Dst(); e.defs == bit(d) {
				c.prev[i], c.prevUse[i] = s.def[d], s.used[d]
				if e.uses&bit(d) != 0 {
					// The instruction's own read does not count as one in between.
					c.prevUse[i] = c.lastUse(i, d, &s)
				}
			}
			for d := e.defs; d != 0; d &= d - 1 {
				s.def[bits.TrailingZeros16(uint16(d))] = i
			}
		}
	}
}

// lastUse is the slot before i that last read r after it was written, found by
// looking back: in most cases that is the slot right before.
func (c *compiler) lastUse(i int32, r uint8, s *scan) int32 {
	for j := i - 1; j > s.def[r]; j-- {
		if c.effects[j].uses&bit(r) != 0 {
			return j
		}
	}
	return before
}

func (c *compiler) fuseAt(i int32, in *prog.Insn, b *block, s *scan) {
	switch in.Class() {
	case bpf.ClassALU, bpf.ClassALU64:
		x := in.Op&bpf.SrcX != 0
		switch in.Op & 0xf0 {
		case bpf.AluOR, bpf.AluXOR, bpf.AluADD:
			if x && (c.fuseRotate(i, in, s) || c.fuseHalves(i, in, s) || c.fuseOpMem(i, in, b, s)) {
				return
			}
			if in.Op&0xf0 == bpf.AluADD {
				c.fuseLea(i, in, s)
			}
		case bpf.AluSUB:
			if x {
				c.fuseOpMem(i, in, b, s)
			}
		case bpf.AluAND:
			if x {
				c.fuseOpMem(i, in, b, s)
			} else {
				c.fuseMask(i, in, s)
			}
		case bpf.AluRSH, bpf.AluARSH:
			if !x {
				c.fuseExtend(i, in, s)
			}
		}
	case bpf.ClassSTX:
		c.fuseUpdate(i, in, b)
	case bpf.ClassJMP, bpf.ClassJMP32:
		if in.IsCond() && in.Op&bpf.SrcX == 0 {
			if !c.fuseTest(i, in, s) {
				c.fuseCmpMem(i, in, b, s)
			}
		}
	}
}

func wideOp(in *prog.Insn) bool { return in.Class() == bpf.ClassALU64 }

// isImm reports whether slot v is the ALU operation op with an immediate, as its
// compiler wrote it: not yet part of a group.
func (c *compiler) isImm(v int32, op uint8) (*prog.Insn, bool) {
	if v == before || c.marks[v].kind != markNone {
		return nil, false
	}
	in := &c.p.Insns[v]
	return in, in.Kind == prog.Plain && in.Class()&^3 == bpf.ClassALU &&
		(in.Class() == bpf.ClassALU || in.Class() == bpf.ClassALU64) && in.Op&0xf8 == op
}

// isMove reports whether slot v is a plain register copy at least as wide as asked.
func (c *compiler) isMove(v int32, wide bool) (*prog.Insn, bool) {
	if v == before || c.marks[v].kind != markNone {
		return nil, false
	}
	in := &c.p.Insns[v]
	cls := in.Class()
	return in, in.Kind == prog.Plain && in.Off == 0 && in.Op&0xf8 == bpf.AluMOV|bpf.SrcX &&
		(cls == bpf.ClassALU64 || cls == bpf.ClassALU && !wide)
}

// origin is where the operand of the instruction in slot v, which changes
// register r in place, comes from: another register if a copy precedes that
// nothing else reads, else r itself. ver is its version there, move the copy.
func (c *compiler) origin(v int32, r uint8, wide bool) (from uint8, ver, move int32) {
	p := c.prev[v]
	if m, ok := c.isMove(p, wide); ok && c.prevUse[v] <= p && m.Src() != r {
		// The version of the copy's source at the copy.
		return m.Src(), c.srcVer[p], p
	}
	return r, p, before
}

// fuseRotate: a = x << k; b = x >> (width-k); a |= b.
func (c *compiler) fuseRotate(i int32, in *prog.Insn, s *scan) bool {
	a, b := in.Dst(), in.Src()
	if a == b || b == bpf.RegFP || c.live[i]&bit(b) != 0 {
		return false
	}
	va, vb := s.def[a], s.def[b]
	l, r := va, vb
	left, ok := c.isImm(l, bpf.AluLSH)
	if !ok {
		l, r = vb, va
		if left, ok = c.isImm(l, bpf.AluLSH); !ok {
			return false
		}
	}
	right, ok := c.isImm(r, bpf.AluRSH)
	if !ok || left.Class() != right.Class() {
		return false
	}
	wide, width := wideOp(left), int32(32)
	if wide {
		width = 64
	}
	if left.Imm <= 0 || left.Imm >= width || left.Imm+right.Imm != width || wide && !wideOp(in) {
		return false
	}
	if s.used[a] > va || s.used[b] > vb { // read by something else in between
		return false
	}
	xa, vera, mova := c.origin(va, a, wide)
	xb, verb, movb := c.origin(vb, b, wide)
	if xa != xb || vera != verb || xa == bpf.RegFP {
		return false
	}
	// Is x still there? Its last writer is what it was then, or a skipped shift.
	if now := s.def[xa]; now != vera && !(xa == a && mova == before) && !(xa == b && movb == before) {
		return false
	}
	for _, v := range []int32{va, vb, mova, movb} {
		if v != before {
			c.marks[v].kind = markSkip
		}
	}
	c.marks[i] = mark{kind: markRotate, wide: wide, d: a, s: xa, shift: uint8(left.Imm)}
	return true
}

// fuseLea: a = b; a += c, and a = b; a <<= 1..3; a += c.
func (c *compiler) fuseLea(i int32, in *prog.Insn, s *scan) {
	a, wide := in.Dst(), wideOp(in)
	v := s.def[a]
	if s.used[a] > v {
		return
	}
	if m, ok := c.isMove(v, wide); ok && m.Src() != a && s.def[m.Src()] == c.srcVer[v] {
		mk := mark{wide: wide, d: a, s: m.Src()}
		switch {
		case in.Op&bpf.SrcX == 0:
			mk.kind, mk.imm = markLea, in.Imm
		case m.Src() == bpf.RegFP:
			if in.Src() == bpf.RegFP || in.Src() == a {
				return
			}
			mk.kind, mk.x = markLeaIndex, in.Src()
		case in.Src() == a:
			mk.kind, mk.x = markLeaIndex, m.Src()
		case in.Src() == bpf.RegFP:
			mk.kind, mk.s, mk.x = markLeaIndex, bpf.RegFP, m.Src()
		default:
			mk.kind, mk.x = markLeaIndex, in.Src()
		}
		c.marks[v].kind = markSkip
		c.marks[i] = mk
		return
	}
	sh, ok := c.isImm(v, bpf.AluLSH)
	if !ok || in.Op&bpf.SrcX == 0 || in.Src() == a || sh.Imm < 1 || sh.Imm > 3 || wideOp(sh) != wide {
		return
	}
	x, ver, mov := c.origin(v, a, wide)
	if x == bpf.RegFP || mov == before && x != a || mov != before && s.def[x] != ver {
		return
	}
	if mov != before {
		c.marks[mov].kind = markSkip
	}
	c.marks[v].kind = markSkip
	c.marks[i] = mark{kind: markLeaIndex, wide: wide, d: a, s: in.Src(), x: x, shift: uint8(sh.Imm)}
}

// fuseExtend: a <<= k; a >>= k with k of 32, 48, 56: a move that extends.
func (c *compiler) fuseExtend(i int32, in *prog.Insn, s *scan) {
	a := in.Dst()
	v := s.def[a]
	l, ok := c.isImm(v, bpf.AluLSH)
	if !ok || !wideOp(in) || !wideOp(l) || l.Imm != in.Imm || s.used[a] > v {
		return
	}
	if in.Imm != 32 && in.Imm != 48 && in.Imm != 56 {
		return
	}
	x, ver, mov := c.origin(v, a, false)
	if x == bpf.RegFP || mov != before && s.def[x] != ver {
		x, mov = a, before
	}
	if mov != before {
		c.marks[mov].kind = markSkip
	}
	c.marks[v].kind = markSkip
	kind := markZero
	if in.Op&0xf0 == bpf.AluARSH {
		kind = markSign
	}
	c.marks[i] = mark{kind: kind, d: a, s: x, shift: uint8(64 - in.Imm)}
}

// fuseMask: a = b; a &= mask.
func (c *compiler) fuseMask(i int32, in *prog.Insn, s *scan) {
	a := in.Dst()
	v := s.def[a]
	wide := wideOp(in) && in.Imm < 0
	m, ok := c.isMove(v, wide)
	if !ok || m.Src() == a || m.Src() == bpf.RegFP || s.used[a] > v || s.def[m.Src()] != c.srcVer[v] {
		return
	}
	c.marks[v].kind = markSkip
	c.marks[i] = mark{kind: markMask, wide: wideOp(in), d: a, s: m.Src(), other: c.srcVer[v], imm: in.Imm}
}

// fuseTest: a &= mask; if a == 0, where nothing needs a afterwards.
func (c *compiler) fuseTest(i int32, in *prog.Insn, s *scan) bool {
	a := in.Dst()
	if op := in.Op & 0xf0; in.Imm != 0 || op != bpf.JmpJEQ && op != bpf.JmpJNE || a == bpf.RegFP || c.live[i]&bit(a) != 0 {
		return false
	}
	v := s.def[a]
	if v == before || s.used[a] > v {
		return false
	}
	and := &c.p.Insns[v]
	if and.Kind != prog.Plain || and.Op&0xf8 != bpf.AluAND || and.Class() != bpf.ClassALU && and.Class() != bpf.ClassALU64 {
		return false
	}
	from := a
	switch mk := &c.marks[v]; mk.kind {
	case markNone:
	case markMask:
		// The copy before the mask is skipped already; its source must have lasted.
		if s.def[mk.s] != mk.other {
			return false
		}
		from = mk.s
	default:
		return false
	}
	c.marks[v].kind = markSkip
	wide := in.Class() == bpf.ClassJMP && wideOp(and)
	c.marks[i] = mark{kind: markTest, wide: wide, s: from, imm: and.Imm}
	return true
}

// loadBefore is the plain load in the slot before i that writes register r, if
// nothing needs r after i.
func (c *compiler) loadBefore(i int32, r uint8, b *block) (*prog.Insn, bool) {
	if i == b.start || c.live[i]&bit(r) != 0 || c.marks[i-1].kind != markNone {
		return nil, false
	}
	in := &c.p.Insns[i-1]
	return in, in.Kind == prog.Plain && in.Class() == bpf.ClassLDX && in.Op&0xe0 == bpf.ModeMEM && in.Dst() == r &&
		in.Mem != verifier.MemArena && in.Mem != verifier.MemProbe
}

// fuseOpMem: t = [m]; a op= t.
func (c *compiler) fuseOpMem(i int32, in *prog.Insn, b *block, s *scan) bool {
	t := in.Src()
	if t == in.Dst() {
		return false
	}
	ld, ok := c.loadBefore(i, t, b)
	if !ok || wideOp(in) != (ld.Op&0x18 == bpf.SizeDW) || !wideOp(in) && ld.Op&0x18 != bpf.SizeW {
		return false
	}
	c.marks[i-1].kind = markSkip
	c.marks[i] = mark{kind: markOpMem, wide: wideOp(in), d: in.Dst(), other: i - 1}
	return true
}

// fuseCmpMem: t = [m]; if t == imm. The comparison has the load's width, so the
// immediate must fit there and the order must not depend on the sign.
func (c *compiler) fuseCmpMem(i int32, in *prog.Insn, b *block, _ *scan) {
	ld, ok := c.loadBefore(i, in.Dst(), b)
	if !ok {
		return
	}
	op, v := in.Op&0xf0, in.Imm
	signed := op == bpf.JmpJSGT || op == bpf.JmpJSGE || op == bpf.JmpJSLT || op == bpf.JmpJSLE
	switch ld.Op & 0x18 {
	case bpf.SizeB:
		ok = !signed && v >= 0 && v <= 0xff
	case bpf.SizeH:
		ok = !signed && v >= 0 && v <= 0x7f && op != bpf.JmpJSET
	case bpf.SizeW:
		ok = in.Class() == bpf.ClassJMP32 || !signed && v >= 0
	default:
		ok = in.Class() == bpf.ClassJMP
	}
	if !ok {
		return
	}
	c.marks[i-1].kind = markSkip
	c.marks[i] = mark{kind: markCmpMem, other: i - 1, imm: v}
}

// marked emits what a mark says.
func (c *compiler) marked(i int, m *mark) {
	switch m.kind {
	case markRotate:
		c.rotate(m.wide, c.r(m.d), c.r(m.s), m.shift)
	case markLea:
		c.leaConst(m)
	case markLeaIndex:
		a := mem{index: c.r(m.x), shift: m.shift}
		if m.s == bpf.RegFP {
			a.base, a.disp = rsp, c.fr.fp
		} else {
			a.base = c.r(m.s)
		}
		c.lea(m.wide, c.r(m.d), a)
	case markZero:
		switch m.shift {
		case 8:
			c.movzx8(c.r(m.d), c.r(m.s))
		case 16:
			c.movzx16(c.r(m.d), c.r(m.s))
		default:
			c.mov(false, c.r(m.d), c.r(m.s))
		}
	case markSign:
		c.extend(int16(m.shift), true, c.r(m.d), c.r(m.s))
	case markMask:
		c.andImm(m.wide, c.r(m.d), c.r(m.s), m.imm)
	case markOpMem:
		in, ld := &c.p.Insns[i], &c.p.Insns[m.other]
		g := group(in.Op)
		c.arithMem(g, m.wide, c.r(m.d), c.mem(ld.Src(), int32(ld.Off)))
	case markCmpMem:
		c.branchOnMem(i, m)
	case markUpdate:
		c.update(i, m)
	case markHalves:
		c.halves(m)
	case markLookup:
		c.lookup(i, m)
	case markTest:
		in := &c.p.Insns[i]
		if m.s == bpf.RegFP {
			c.fail(i, "test of the frame pointer")
			return
		}
		c.testConst(m.wide, c.r(m.s), m.imm)
		c.jcc(condCodes[in.Op>>4], in.Target)
	}
}

func (c *compiler) leaConst(m *mark) {
	if m.s == bpf.RegFP {
		c.lea(m.wide, c.r(m.d), at(rsp, c.fr.fp+m.imm))
		return
	}
	c.lea(m.wide, c.r(m.d), at(c.r(m.s), m.imm))
}

func (c *compiler) branchOnMem(i int, m *mark) {
	in, ld := &c.p.Insns[i], &c.p.Insns[m.other]
	a := c.mem(ld.Src(), int32(ld.Off))
	set := in.Op&0xf0 == bpf.JmpJSET
	switch ld.Op & 0x18 {
	case bpf.SizeB:
		if set {
			c.rm(0xf6, false, 0, a)
		} else {
			c.rm(0x80, false, grpCMP, a)
		}
		c.bytes(byte(m.imm))
	case bpf.SizeH:
		c.bytes(0x66)
		c.rm(0x83, false, grpCMP, a)
		c.bytes(byte(m.imm))
	default:
		wide := ld.Op&0x18 == bpf.SizeDW
		if set {
			c.rm(0xf7, wide, 0, a)
			c.imm32(m.imm)
		} else {
			c.arithMemImm(grpCMP, wide, a, m.imm)
		}
	}
	c.jcc(condCodes[in.Op>>4], in.Target)
}
