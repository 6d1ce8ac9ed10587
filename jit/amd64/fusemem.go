// SPDX-License-Identifier: Apache-2.0

package amd64

import (
	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/jit/prog"
	"github.com/modbpf/modbpf/verifier"
)

// Groups around memory: read-modify-write, halves of a wider load, and the keys
// of map look-ups.

// isLoad reports whether slot v is a plain load that nothing took in yet.
func (c *compiler) isLoad(v int32) (*prog.Insn, bool) {
	if v == before || c.marks[v].kind != markNone {
		return nil, false
	}
	in := &c.p.Insns[v]
	return in, in.Kind == prog.Plain && in.Class() == bpf.ClassLDX && in.Op&0xe0 == bpf.ModeMEM &&
		in.Mem != verifier.MemArena && in.Mem != verifier.MemProbe
}

// fuseUpdate: t = [m]; t op= x; [m] = t, where nothing needs t afterwards.
func (c *compiler) fuseUpdate(i int32, in *prog.Insn, b *block) {
	t := in.Src()
	if in.Op&0xe0 != bpf.ModeMEM || i-2 < b.start || t == in.Dst() || t == bpf.RegFP || c.live[i]&bit(t) != 0 ||
		in.Mem == verifier.MemArena || in.Mem == verifier.MemProbe {
		return
	}
	ld, ok := c.isLoad(i - 2)
	op := &c.p.Insns[i-1]
	if !ok || ld.Dst() != t || ld.Src() != in.Dst() || ld.Off != in.Off || ld.Op&0x18 != in.Op&0x18 ||
		c.marks[i-1].kind != markNone || op.Kind != prog.Plain || op.Dst() != t ||
		op.Class() != bpf.ClassALU && op.Class() != bpf.ClassALU64 ||
		in.Op&0x18 == bpf.SizeDW && !wideOp(op) {
		return
	}
	switch op.Op & 0xf0 {
	case bpf.AluADD, bpf.AluSUB, bpf.AluAND, bpf.AluOR, bpf.AluXOR:
	default:
		return
	}
	if op.Op&bpf.SrcX != 0 && (op.Src() == t || op.Src() == bpf.RegFP) {
		return
	}
	if in.Op&0x18 == bpf.SizeH && op.Op&bpf.SrcX == 0 && !isInt8(op.Imm) {
		return // a 16-bit immediate stalls the decoder
	}
	c.marks[i-2].kind, c.marks[i-1].kind = markSkip, markSkip
	c.marks[i] = mark{kind: markUpdate, other: i - 1}
}

// groups of the arithmetic a memory operand can have.
func group(op uint8) byte {
	switch op & 0xf0 {
	case bpf.AluSUB:
		return grpSUB
	case bpf.AluAND:
		return grpAND
	case bpf.AluOR:
		return grpOR
	case bpf.AluXOR:
		return grpXOR
	}
	return grpADD
}

func (c *compiler) update(i int, m *mark) {
	st, op := &c.p.Insns[i], &c.p.Insns[m.other]
	a, g, size := c.mem(st.Dst(), int32(st.Off)), group(op.Op), st.Op&0x18
	if op.Op&bpf.SrcX != 0 {
		s := c.r(op.Src())
		switch size {
		case bpf.SizeB:
			c.rm8(g<<3, s, a)
		case bpf.SizeH:
			c.bytes(0x66)
			c.rm(g<<3|1, false, s, a)
		default:
			c.rm(g<<3|1, size == bpf.SizeDW, s, a)
		}
		return
	}
	switch size {
	case bpf.SizeB:
		c.rm(0x80, false, reg(g), a)
		c.bytes(byte(op.Imm))
	case bpf.SizeH:
		c.bytes(0x66)
		c.rm(0x83, false, reg(g), a)
		c.bytes(byte(op.Imm))
	default:
		c.arithMemImm(g, size == bpf.SizeDW, a, op.Imm)
	}
}

// fuseHalves: a = [m+1]; a <<= 8; b = [m]; a |= b is one load of two bytes, and
// with the bytes the other way around one that is then swapped.
func (c *compiler) fuseHalves(i int32, in *prog.Insn, s *scan) bool {
	a, b := in.Dst(), in.Src()
	if a == b || b == bpf.RegFP || c.live[i]&bit(b) != 0 || s.used[a] > s.def[a] || s.used[b] > s.def[b] {
		return false
	}
	sh, whole := s.def[a], s.def[b]
	if _, ok := c.isImm(sh, bpf.AluLSH); !ok {
		sh, whole = whole, sh
		if _, ok := c.isImm(sh, bpf.AluLSH); !ok {
			return false
		}
	}
	part := c.prev[sh]
	hi, ok1 := c.isLoad(part)
	lo, ok2 := c.isLoad(whole)
	if !ok1 || !ok2 || c.prevUse[sh] > part || c.p.Insns[sh].Imm != 8 || hi.Op&0x18 != bpf.SizeB || lo.Op&0x18 != bpf.SizeB ||
		hi.Src() != lo.Src() || c.srcVer[part] != c.srcVer[whole] || s.def[lo.Src()] != c.srcVer[whole] {
		return false
	}
	m := mark{kind: markHalves, d: a, s: lo.Src()}
	switch {
	case hi.Off == lo.Off+1:
		m.imm = int32(lo.Off)
	case lo.Off == hi.Off+1:
		m.imm, m.shift = int32(hi.Off), 8
	default:
		return false
	}
	for j := min(part, whole) + 1; j < i; j++ {
		n := &c.p.Insns[j]
		if cls := n.Class(); n.Kind != prog.Plain && n.Kind != prog.LdImm64 && n.Kind != prog.Wide || cls == bpf.ClassST || cls == bpf.ClassSTX {
			return false
		}
	}
	c.marks[part].kind, c.marks[whole].kind, c.marks[sh].kind = markSkip, markSkip, markSkip
	c.marks[i] = m
	return true
}

func (c *compiler) halves(m *mark) {
	d := c.r(m.d)
	c.rm0f(0xb7, false, d, c.mem(m.s, m.imm), false)
	if m.shift != 0 {
		c.bytes(0x66)
		c.ext(0xc1, false, extROL, d)
		c.bytes(8)
	}
}

// Where the key of a look-up is.
const (
	keyInMemory = 0xff // R2 points to it
	keyConst    = 0xfe // mark.imm
)

// fuseLookup finds the look-ups that need no call: the map is known, because its
// handle is loaded in this block. The key is taken from the register that was
// stored where R2 points to, if that can be seen. A branch on the result is
// taken in too where R0 does not matter at its target.
func (c *compiler) fuseLookup(i int32, in *prog.Insn, b *block, s *scan) {
	if in.Callee != c.t.Lookup || in.Callee < 0 {
		return
	}
	v1 := s.def[1]
	if v1 == before || c.marks[v1].kind != markNone {
		return
	}
	ld := &c.p.Insns[v1]
	if ld.Kind != prog.LdImm64 || ld.Ref.Pseudo != bpf.PseudoMapFD {
		return
	}
	size := uint32(4)
	array, isArray := c.t.Inline[ld.Val]
	hash, isHash := c.t.Hashes[ld.Val]
	switch {
	case isHash:
		size = hash.KeySize
	case !isArray || array.Stride == 0:
		return
	}
	m := mark{kind: markLookup, other: v1, s: keyInMemory}
	skip1 := s.used[1] <= v1
	if v2 := s.def[2]; v2 != before && c.marks[v2].kind == markLea && c.marks[v2].s == bpf.RegFP && c.marks[v2].wide && size <= 8 {
		c.findKey(i, b, s, &m, c.marks[v2].imm, int32(size), skip1, v1, v2)
		if m.s != keyInMemory && s.used[2] <= v2 {
			c.marks[v2].kind = markSkip
		}
	}
	if skip1 {
		c.marks[v1].kind = markSkip
	}
	if n := i + 1; isArray && n < b.end {
		j := &c.p.Insns[n]
		m.wide = j.Kind == prog.Plain && j.Op == bpf.ClassJMP|bpf.JmpJEQ && j.Dst() == 0 && j.Imm == 0 &&
			c.blockList[c.blockOf[j.Target]].in&1 == 0
	}
	c.marks[i] = m
}

// findKey looks back for the store of the key at R10+off.
func (c *compiler) findKey(i int32, b *block, s *scan, m *mark, off, size int32, skip1 bool, v1, v2 int32) {
	for j := i - 1; j >= b.start && i-j < 24; j-- {
		in := &c.p.Insns[j]
		switch in.Kind {
		case prog.Wide, prog.LdImm64:
			continue
		case prog.Plain:
		default:
			return
		}
		cls := in.Class()
		if cls != bpf.ClassST && cls != bpf.ClassSTX {
			continue
		}
		if in.Dst() != bpf.RegFP || in.Op&0xe0 != bpf.ModeMEM {
			return // it may write to the stack
		}
		at, n := int32(in.Off), int32(bpf.AccessSize(in.Op))
		if at+n <= off || off+size <= at {
			continue
		}
		if at != off || n != size || c.marks[j].kind != markNone {
			return
		}
		if cls == bpf.ClassST {
			m.s, m.imm = keyConst, in.Imm
			return
		}
		r, ver := in.Src(), c.srcVer[j]
		// Registers whose present writer is skipped still hold what they held.
		if s.def[r] == ver || r == 1 && skip1 && c.prev[v1] == ver ||
			r == 2 && s.used[2] <= v2 && c.prev[v2] != before && c.prev[c.prev[v2]] == ver {
			m.s = r
		}
		return
	}
}

// deadStores skips stores to the stack that nothing reads, in functions that
// give no address of their stack away. It also finds what stack is left to use.
func (c *compiler) deadStores() {
	c.depth = grow(c.depth, len(c.p.Funcs))
	for k := range c.p.Funcs {
		f := &c.p.Funcs[k]
		c.depth[k] = f.Depth
		if f.Depth == 0 || c.stackEscapes(f) {
			continue
		}
		var read [prog.MaxStack + 8]bool // by distance below R10
		for i := f.Start; i < f.End; i++ {
			in := &c.p.Insns[i]
			if in.Kind != prog.Plain {
				continue
			}
			base := -1
			switch cls := in.Class(); {
			case cls == bpf.ClassLDX:
				base = int(in.Src())
			case cls == bpf.ClassSTX && in.Op&0xe0 == bpf.ModeATOMIC:
				base = int(in.Dst())
				if in.Imm == bpf.AtomicLoadACQ {
					base = int(in.Src())
				}
			}
			if base == bpf.RegFP {
				note(read[:], in)
			}
		}
		used := 0
		for i := f.Start; i < f.End; i++ {
			in := &c.p.Insns[i]
			if in.Kind != prog.Plain {
				continue
			}
			cls := in.Class()
			if st := cls == bpf.ClassST || cls == bpf.ClassSTX; st && in.Op&0xe0 == bpf.ModeMEM && in.Dst() == bpf.RegFP &&
				c.marks[i].kind == markNone && !overlaps(read[:], in) {
				c.marks[i].kind = markSkip
				continue
			}
			if cls == bpf.ClassLDX && in.Src() == bpf.RegFP || (cls == bpf.ClassST || cls == bpf.ClassSTX) && (in.Dst() == bpf.RegFP || in.Src() == bpf.RegFP) {
				used = max(used, -int(in.Off))
			}
		}
		c.depth[k] = min(f.Depth, (used+7)&^7)
	}
}

func note(read []bool, in *prog.Insn) {
	for o := -int(in.Off); o > -int(in.Off)-bpf.AccessSize(in.Op); o-- {
		if o >= 0 && o < len(read) {
			read[o] = true
		}
	}
}

func overlaps(read []bool, in *prog.Insn) bool {
	for o := -int(in.Off); o > -int(in.Off)-bpf.AccessSize(in.Op); o-- {
		if o < 0 || o >= len(read) || read[o] {
			return true
		}
	}
	return false
}

// stackEscapes reports whether an address of the stack reaches a register, or
// an instruction of a group that is not looked into.
func (c *compiler) stackEscapes(f *prog.Func) bool {
	for i := f.Start; i < f.End; i++ {
		in, m := &c.p.Insns[i], &c.marks[i]
		switch m.kind {
		case markSkip:
			continue
		case markLea, markLeaIndex, markRotate, markZero, markSign, markMask, markTest:
			if m.s == bpf.RegFP {
				return true
			}
			continue
		}
		if in.Kind == prog.CastKern || in.Kind == prog.CastUser || in.Kind == prog.CallX || in.Kind == prog.LdPacket {
			if in.Src() == bpf.RegFP || in.Dst() == bpf.RegFP {
				return true
			}
			continue
		}
		if in.Kind != prog.Plain {
			continue
		}
		switch in.Class() {
		case bpf.ClassALU, bpf.ClassALU64:
			if in.Op&bpf.SrcX != 0 && in.Op&0xf0 != bpf.AluEND && in.Src() == bpf.RegFP {
				return true
			}
		case bpf.ClassSTX:
			if in.Src() == bpf.RegFP && !(in.Op&0xe0 == bpf.ModeATOMIC && in.Imm == bpf.AtomicLoadACQ) {
				return true
			}
		}
	}
	return false
}
