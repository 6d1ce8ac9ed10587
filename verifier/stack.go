// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	mathbits "math/bits"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/verifier/scalar"
)

// The stack: spills and fills, byte by byte where nothing better is known.

// clearScalarID unlinks a scalar from those it shares a value with.
func clearScalarID(r *Reg) { r.ID, r.Off = 0, 0 }

// linkScalar gives a scalar an id before it is copied, so that what is learnt
// of one copy holds for all.
func (e *env) linkScalar(r *Reg) {
	if r.Type != scalarValue {
		return
	}
	if r.ID&addConst != 0 {
		clearScalarID(r)
	}
	if r.ID == 0 && !r.Val.IsConst() {
		r.ID = e.newID()
	}
}

// width is the number of low bits a scalar may have set.
func width(r *Reg) int { return mathbits.Len64(r.Val.UMax()) }

// checkStackBounds judges that an access stays inside the 512 bytes, and makes
// the frame's state cover it.
func (e *env) checkStackBounds(reg *Reg, regno, off, size int, acc access) *Diagnostic {
	f := e.funcOf(reg)
	var lo, hi int64
	fixed := reg.Val.IsConst()
	if fixed {
		lo = int64(reg.Val.Const()) + int64(off)
		hi = lo + int64(size)
	} else {
		if reg.Val.SMax() >= maxVarOff || reg.Val.SMin() <= -maxVarOff {
			return e.errf(CodeStackUnbounded, "R%d: the stack is accessed at an offset without bounds (%v)", regno, reg.Val)
		}
		lo = reg.Val.SMin() + int64(off)
		hi = reg.Val.SMax() + int64(off) + int64(size)
	}
	if lo < -maxStack || lo > -1 || hi > 0 || size < 0 {
		if fixed {
			return e.errf(CodeStackRange, "access of %d bytes at R%d, fp%+d, leaves the stack", size, regno, lo)
		}
		return e.errf(CodeStackUnbounded, "access of %d bytes at R%d, between fp%+d and fp%+d, leaves the stack", size, regno, lo, hi-int64(size))
	}
	f.grow(int(-lo))
	if s, n := &e.subs[f.Subprog], (int(-lo)+slotSize-1)&^(slotSize-1); n > s.stackDepth {
		s.stackDepth = n
	}
	return nil
}

// fastcallContract gives up a function's fastcall patterns if their stack area
// is used for anything else.
func (e *env) fastcallContract(f *Frame, insn, off int) {
	s := &e.subs[f.Subprog]
	if s.fastcallOff <= off || e.aux[insn].fastcall {
		return
	}
	s.fastcallOff = -1 << 15
	for i := s.start; i < s.end; i++ {
		e.aux[i].fastcall, e.aux[i].fastSpills = false, 0
	}
}

func (e *env) stackWrite(regno, off, size, valueReg int) *Diagnostic {
	reg := &e.cur.regs()[regno]
	f := e.funcOf(reg)
	if reg.Val.IsConst() {
		return e.stackWriteAt(f, off+int(int64(reg.Val.Const())), size, valueReg)
	}
	return e.stackWriteVar(f, reg, off, size, valueReg)
}

// save spills a register into the last size bytes of a slot.
func (f *Frame) save(spi int, r *Reg, size int) {
	s := &f.Stack[spi]
	s.Reg = *r
	i := slotSize
	for ; i > slotSize-size; i-- {
		s.Types[i-1] = slotSpill
	}
	for ; i > 0; i-- {
		if s.Types[i-1] != slotZero && s.Types[i-1] != slotInvalid {
			s.Types[i-1] = slotMisc
		}
	}
}

// scrub turns a spilled register or special slot into plain bytes.
func (s *Slot) scrub() {
	s.Reg.Type = notInit
	if s.special() {
		for i, t := range s.Types {
			if t != slotInvalid {
				s.Types[i] = slotMisc
			}
		}
	}
}

// storesConst reports a store of a constant.
func storesConst(in bpf.Insn) bool {
	return in.Class() == bpf.ClassST && in.Op&0xe0 == bpf.ModeMEM
}

func (e *env) stackWriteAt(f *Frame, off, size, valueReg int) *Diagnostic {
	slot := -off - 1
	spi := slot / slotSize
	cur := e.cur.frame()
	in := e.insns[e.insn]
	var reg *Reg
	if valueReg >= 0 {
		reg = &cur.Regs[valueReg]
	}
	if f.Stack[spi].Types[slotSize-1] == slotDynptr {
		if d := e.destroyDynptrAt(f, spi); d != nil {
			return d
		}
	}
	e.fastcallContract(f, e.insn, off)
	aligned := off%slotSize == 0
	if aligned && size == slotSize {
		e.markStackWrite(f, 1<<spi)
	}
	switch {
	case reg != nil && aligned && reg.Type == scalarValue:
		fits := width(reg) <= 8*size
		if fits {
			e.linkScalar(reg)
		}
		f.save(spi, reg, size)
		if !fits {
			f.Stack[spi].Reg.ID = 0
			f.Stack[spi].Reg.Off = 0
		}
	case reg == nil && aligned && storesConst(in):
		var tmp Reg
		tmp.markKnown(uint64(int64(in.Imm)))
		f.save(spi, &tmp, size)
	case reg != nil && reg.Type != scalarValue && spillable(reg.Type):
		if size != slotSize {
			return e.errf(CodeStackSpillSize, "R%d (%s) is stored in %d bytes; a pointer takes eight", valueReg, reg.Type, size)
		}
		if f != cur && reg.Type == ptrToStack {
			return e.errf(CodeStackCaller, "R%d points to this function's stack and is stored in its caller's", valueReg)
		}
		f.save(spi, reg, size)
	default:
		t := slotMisc
		s := &f.Stack[spi]
		s.scrub()
		if reg != nil && reg.isNull() || reg == nil && storesConst(in) && in.Imm == 0 {
			if reg != nil {
				if d := e.markPrecise(valueReg); d != nil {
					return d
				}
			}
			t = slotZero
		}
		for i := range size {
			s.Types[(slot-i)%slotSize] = t
		}
		return nil
	}
	e.pushHistory(e.cur, histStack, int(f.FrameNo), spi, nil)
	return nil
}

// spillable reports kinds of pointers that may be kept on the stack.
func spillable(t RegType) bool {
	switch t.base() {
	case ptrToMapValue, ptrToStack, ptrToCtx, ptrToPacket, ptrToPacketMeta, ptrToPacketEnd, ptrToFlowKeys,
		constPtrToMap, ptrToSocket, ptrToSockCommon, ptrToTCPSock, ptrToXDPSock, ptrToBTFID, ptrToBuf,
		ptrToMem, ptrToFunc, ptrToMapKey, ptrToArena:
		return true
	}
	return false
}

func (e *env) stackWriteVar(f *Frame, ptr *Reg, off, size, valueReg int) *Diagnostic {
	cur := e.cur.frame()
	in := e.insns[e.insn]
	lo := int(ptr.Val.SMin()) + off
	hi := int(ptr.Val.SMax()) + off + size
	var value *Reg
	if valueReg >= 0 {
		value = &cur.Regs[valueReg]
	}
	zero := value != nil && value.isNull() || value == nil && storesConst(in) && in.Imm == 0
	zeroUsed := false
	for i := lo; i < hi; i++ {
		spi := slotIndex(i)
		if f.Stack[spi].Types[slotSize-1] == slotDynptr {
			if d := e.destroyDynptrAt(f, spi); d != nil {
				return d
			}
		}
	}
	e.fastcallContract(f, e.insn, lo)
	for i := lo; i < hi; i++ {
		slot := -i - 1
		s := &f.Stack[slot/slotSize]
		t := &s.Types[slot%slotSize]
		if zero && *t == slotSpill && s.isScalarSpill() && s.Reg.isNull() {
			zeroUsed = true
			continue
		}
		s.scrub()
		n := slotMisc
		if zero && *t == slotZero {
			n = slotZero
			zeroUsed = true
		}
		*t = n
	}
	if zeroUsed && valueReg >= 0 {
		return e.markPrecise(valueReg)
	}
	return nil
}

func (e *env) stackRead(regno, off, size, dst int) *Diagnostic {
	reg := &e.cur.regs()[regno]
	f := e.funcOf(reg)
	if reg.Val.IsConst() {
		return e.stackReadAt(f, off+int(int64(reg.Val.Const())), size, dst)
	}
	if dst < 0 {
		return e.errf(CodeStackUnbounded, "R%d: this access needs a constant stack offset (%v)", regno, reg.Val)
	}
	if d := e.checkStackInit(reg, regno, off, size, false, false, nil); d != nil {
		return d
	}
	lo := int(reg.Val.SMin()) + off
	e.markReadBytes(f, lo, int(reg.Val.SMax())+off+size, dst)
	e.fastcallContract(f, e.insn, lo)
	return nil
}

// markReadBytes makes dst what bytes [lo, hi) of a frame hold: zero or anything.
func (e *env) markReadBytes(f *Frame, lo, hi, dst int) {
	r := &e.cur.regs()[dst]
	for i := lo; i < hi; i++ {
		slot := -i - 1
		if f.Stack[slot/slotSize].Types[slot%slotSize] != slotZero {
			r.markUnknown()
			return
		}
	}
	// Zero bytes were marked precise when they were written.
	r.markKnown(0)
	r.Precise = false
}

func (e *env) stackReadAt(f *Frame, off, size, dst int) *Diagnostic {
	slot := -off - 1
	spi := slot / slotSize
	s := &f.Stack[spi]
	regs := e.cur.regs()
	e.fastcallContract(e.cur.frame(), e.insn, off)
	e.markStackRead(f, 1<<spi)
	history := true
	switch {
	case s.isSpill():
		spill := 1
		for i := slotSize - 1; i > 0 && s.Types[i-1] == slotSpill; i-- {
			spill++
		}
		if size == slotSize && spill == slotSize {
			if dst >= 0 {
				regs[dst] = s.Reg
			}
			break
		}
		if s.Reg.Type != scalarValue {
			return e.errf(CodeStackFillSize, "a stored %s is loaded in part: %d bytes at fp%+d", s.Reg.Type, size, off)
		}
		if dst < 0 {
			return nil
		}
		r := &regs[dst]
		if size <= spill && off%spill == 0 {
			*r = s.Reg
			if width(&s.Reg) > 8*size {
				clearScalarID(r)
			}
			break
		}
		spilled, zeros := 0, 0
		for i := range size {
			switch s.Types[(slot-i)%slotSize] {
			case slotSpill:
				spilled++
			case slotZero:
				zeros++
			case slotMisc, slotInvalid:
			default:
				return e.errf(CodeStackRead, "byte %d of the %d at fp%+d cannot be read", i, size, off)
			}
		}
		switch {
		case spilled == size && s.Reg.isNull():
			r.markKnown(0)
		case zeros == size:
			r.markKnown(0)
			history = false
		default:
			r.markUnknown()
			history = false
		}
	default:
		for i := range size {
			switch s.Types[(slot-i)%slotSize] {
			case slotMisc, slotZero, slotInvalid:
			default:
				return e.errf(CodeStackRead, "byte %d of the %d at fp%+d cannot be read", i, size, off)
			}
		}
		if dst >= 0 {
			e.markReadBytes(f, off, off+size, dst)
		}
		history = false
	}
	if history {
		e.pushHistory(e.cur, histStack, int(f.FrameNo), spi, nil)
	}
	return nil
}

// checkStackInit judges a memory argument on the stack, or a load at a variable
// offset. Where it may be written to, what was spilled becomes plain bytes.
func (e *env) checkStackInit(reg *Reg, regno, off, size int, zeroOK, writes bool, call *helperCall) *Diagnostic {
	f := e.funcOf(reg)
	if size == 0 && !zeroOK {
		return e.errf(CodeStackZeroSize, "R%d: zero bytes are accessed", regno)
	}
	acc := accRead
	if writes {
		acc = accWrite
	}
	if d := e.checkStackBounds(reg, regno, off, size, acc); d != nil {
		return d
	}
	var lo, hi int
	if reg.Val.IsConst() {
		lo = int(int64(reg.Val.Const())) + off
		hi = lo
	} else {
		if call != nil && call.raw {
			call = nil // the helper may leave part of the range as it was
		}
		lo, hi = int(reg.Val.SMin())+off, int(reg.Val.SMax())+off
	}
	if call != nil && call.raw {
		for i := lo; i < hi+size; i++ {
			slot := -i - 1
			if slot/slotSize < len(f.Stack) && f.Stack[slot/slotSize].Types[slot%slotSize] == slotDynptr {
				return e.errf(CodeStackDynptr, "R%d: the helper would write over the dynptr at fp%+d", regno, i)
			}
		}
		call.access = size
		call.regno = regno
		return nil
	}
	for i := lo; i < hi+size; i++ {
		slot := -i - 1
		spi := slot / slotSize
		s := &f.Stack[spi]
		t := &s.Types[slot%slotSize]
		switch {
		case *t == slotMisc:
		case *t == slotZero, *t == slotInvalid:
			if writes {
				*t = slotMisc
			}
		case s.isSpill():
			if writes {
				s.Reg.markUnknown()
				for j, x := range s.Types {
					if x != slotInvalid {
						s.Types[j] = slotMisc
					}
				}
			}
		default:
			return e.errf(CodeStackRead, "R%d: byte %d of the %d at fp%+d holds a dynptr, iterator or saved flags", regno, i-lo, size, lo)
		}
		e.markStackRead(f, 1<<spi)
	}
	return nil
}

// checkLdImm judges a 64-bit load.
func (e *env) checkLdImm(in bpf.Insn) *Diagnostic {
	dst := in.Dst()
	if d := e.writable(dst); d != nil {
		return d
	}
	r := &e.cur.regs()[dst]
	next := e.insns[e.insn+1]
	switch in.Src() {
	case 0:
		r.markKnown(uint64(uint32(in.Imm)) | uint64(uint32(next.Imm))<<32)
	case bpf.PseudoMapFD:
		r.markPtr(constPtrToMap)
		r.Map = mapRef(in.Imm + 1)
	case bpf.PseudoMapValue:
		m := e.prog.Maps[in.Imm]
		if m.Type == bpf.MapArena {
			r.markUnknown()
			return nil
		}
		r.markPtr(ptrToMapValue)
		r.Map = mapRef(in.Imm + 1)
		r.Off = next.Imm
	case bpf.PseudoBTFID:
		r.reset()
		r.Val = scalar.Const(0)
		return e.checkPseudoBTFID(e.insn, r)
	case bpf.PseudoFunc:
		sub := e.findSubprog(e.insn + int(in.Imm) + 1)
		if len(e.prog.Funcs) == 0 || sub < 0 {
			return e.errf(CodeFuncInfo, "a function's address needs its BTF")
		}
		if e.subs[sub].global {
			return e.errf(CodeCallbackStatic, "callback %s is not static", e.subName(sub))
		}
		if sub == 0 {
			return e.errf(CodeCallbackMain, "the main program cannot be a callback")
		}
		r.markPtr(ptrToFunc)
		r.N = int32(sub)
	default:
		return e.errf(CodeLdImm64, "64-bit load of an unknown kind (%d)", in.Src())
	}
	return nil
}
