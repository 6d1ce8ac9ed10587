// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"math"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/verifier/scalar"
)

// Arithmetic: numbers go to the scalar domain, pointers have their own rules.

// setRules picks the precision of the kernel's scalar domain.
func (e *env) setRules() {
	r := scalar.Rules(0)
	for _, x := range []struct {
		f Feature
		r scalar.Rules
	}{
		{FeatDivMod, scalar.DivMod},
		{FeatStepBits, scalar.StepBits},
		{FeatCircle, scalar.Circle},
		{FeatSwapBits, scalar.SwapBits},
		{FeatProbe, scalar.Probe},
		{FeatNegRange, scalar.NegRange | scalar.WrapAdd},
		{FeatMulSigned, scalar.MulSigned},
		{FeatRangeBoth, scalar.MulUnion},
		{FeatSameReg, scalar.SameReg},
		{FeatScalarFork, scalar.RangeAnd},
	} {
		if e.feat[x.f] {
			r |= x.r
		}
	}
	e.rules = r
}

// settle ends a computation on a register: a value that contradicts itself is forgotten.
func (e *env) settle(r *Reg) *Diagnostic {
	if r.Type != scalarValue || r.Val.Sane() {
		return nil
	}
	if e.prog.Flags&bpf.ProgTestRegInvariants != 0 {
		return e.errf(CodeRegInvariant, "what is known of a register contradicts itself: %+v", r.Val)
	}
	r.Val = scalar.Unknown()
	return nil
}

// checkALU judges an arithmetic instruction.
func (e *env) checkALU(in bpf.Insn) *Diagnostic {
	dst := in.Dst()
	regs := e.cur.regs()
	op := in.Op & 0xf0
	isX := in.Op&bpf.SrcX != 0
	is32 := in.Class() == bpf.ClassALU
	switch op {
	case bpf.AluEND, bpf.AluNEG:
		if d := e.readable(dst); d != nil {
			return d
		}
		if d := e.writable(dst); d != nil {
			return d
		}
		r := &regs[dst]
		if r.Type != scalarValue {
			r.markUnknown()
			return nil
		}
		if op == bpf.AluNEG {
			precise := r.Precise
			v := scalar.ALU(op, 0, is32, r.Val, r.Val, e.rules)
			r.markUnknown()
			r.Val, r.Precise = v, precise && e.rules&scalar.NegRange != 0
			return e.settle(r)
		}
		swap := !is32 || isX
		v := scalar.Swap(r.Val, int(in.Imm), swap, e.rules)
		r.markUnknown()
		r.Val = v
		return e.settle(r)
	case bpf.AluMOV:
		return e.checkMov(in, dst, is32, isX)
	}
	if isX {
		if d := e.readable(in.Src()); d != nil {
			return d
		}
	}
	if d := e.readable(dst); d != nil {
		return d
	}
	if d := e.writable(dst); d != nil {
		return d
	}
	r := &regs[dst]
	if !isX && r.Type == scalarValue {
		// The common case: a number and a constant.
		return e.scalarALU(in, r, op, is32, scalar.Const(uint64(int64(in.Imm))), false)
	}
	if d := e.regALU(in, dst, op, is32, isX); d != nil {
		return d
	}
	return e.settle(r)
}

// scalarALU computes on a number; same says that both operands are one register.
func (e *env) scalarALU(in bpf.Insn, r *Reg, op uint8, is32 bool, v scalar.Value, same bool) *Diagnostic {
	if (op == bpf.AluAND || op == bpf.AluOR) && e.rules&scalar.RangeAnd != 0 && v.IsConst() {
		if d := e.forkSign(r); d != nil {
			return d
		}
	}
	before := r.Val.UMax()
	r.Val = scalar.ALU(op, in.Off, is32, r.Val, v, e.rules)
	if r.ID != 0 && !same && e.link(r, op, is32, &v, before) {
		return e.settle(r)
	}
	clearScalarID(r)
	return e.settle(r)
}

// link keeps a scalar linked after a constant was added to it, if it can be.
func (e *env) link(r *Reg, op uint8, is32 bool, v *scalar.Value, before uint64) bool {
	if r.ID&addConst != 0 {
		return false
	}
	if !e.has(FeatLinkDelta) {
		if op != bpf.AluADD || is32 || !v.IsConst() || v.Const() > math.MaxInt32 {
			return false
		}
		r.ID |= addConst64
		r.Off = int32(v.Const())
		return true
	}
	if op != bpf.AluADD && op != bpf.AluSUB || is32 && !v.IsConst32() || !is32 && !v.IsConst() {
		return false
	}
	c := int64(v.Const())
	if is32 {
		c = int64(int32(c))
	}
	if c != int64(int32(c)) || is32 && before > math.MaxUint32 || op == bpf.AluSUB && c == math.MinInt32 {
		return false
	}
	if op == bpf.AluSUB {
		c = -c
	}
	r.Off = int32(c)
	if is32 {
		r.ID |= addConst32
	} else {
		r.ID |= addConst64
	}
	return true
}

// forkSign splits the path when a number is 0 or -1, as after a shift of the sign.
func (e *env) forkSign(r *Reg) *Diagnostic {
	var zero, ones scalar.Value
	switch {
	case r.Val.SMin() == -1 && r.Val.SMax() == 0:
		zero, ones = scalar.Const(0), scalar.Const(math.MaxUint64)
	case r.Val.S32Min() == -1 && r.Val.S32Max() == 0:
		zero, ones = r.Val, r.Val
		zero.LimitS32(0, 0)
		zero.Sync(e.rules)
		ones.LimitS32(-1, -1)
		ones.Sync(e.rules)
	default:
		return nil
	}
	dst := e.insns[e.insn].Dst()
	other, d := e.pushState(e.insn, e.insn)
	if d != nil {
		return d
	}
	other.regs()[dst].Val = zero
	r.Val = ones
	return nil
}

// regALU computes where the operand is a register or the target a pointer.
func (e *env) regALU(in bpf.Insn, dst uint8, op uint8, is32, isX bool) *Diagnostic {
	regs := e.cur.regs()
	d := &regs[dst]
	src := in.Src()
	if d.Type == ptrToArena || isX && regs[src].Type == ptrToArena {
		if d.Type != ptrToArena {
			*d = regs[src]
		}
		return nil
	}
	if !isX {
		var off Reg
		off.markKnown(uint64(int64(in.Imm)))
		return e.ptrALU(in, dst, d, &off)
	}
	s := &regs[src]
	switch {
	case s.Type != scalarValue && d.Type != scalarValue:
		if op == bpf.AluSUB {
			d.markUnknown()
			return nil
		}
		return e.errf(CodePtrPtr, "R%d (%s) and R%d (%s) are both pointers; pointers are only subtracted", dst, d.Type, src, s.Type)
	case s.Type != scalarValue:
		if x := e.markPrecise(int(dst)); x != nil {
			return x
		}
		off := *d
		return e.ptrALU(in, dst, s, &off)
	case d.Type != scalarValue:
		if x := e.markPrecise(int(src)); x != nil {
			return x
		}
		return e.ptrALU(in, dst, d, s)
	}
	if d.Precise {
		if x := e.markPrecise(int(src)); x != nil {
			return x
		}
	}
	return e.scalarALU(in, d, op, is32, s.Val, src == dst)
}

// sane judges numbers and offsets before they are added to pointers.
func (e *env) saneOffset(r *Reg, t RegType) *Diagnostic {
	if r.Val.IsConst() {
		if v := int64(r.Val.Const()); v >= maxVarOff || v <= -maxVarOff {
			return e.errf(CodePtrBounds, "adding %d to a %s pointer leaves what can be judged", v, t)
		}
	}
	if t != scalarValue && r.Type != scalarValue && (r.Off >= maxVarOff || r.Off <= -maxVarOff) {
		return e.errf(CodePtrBounds, "a %s pointer at offset %d leaves what can be judged", t, r.Off)
	}
	lo := r.Val.SMin()
	if lo == math.MinInt64 {
		return e.errf(CodePtrBounds, "a number without a lower bound is added to a %s pointer", t)
	}
	if lo >= maxVarOff || lo <= -maxVarOff {
		return e.errf(CodePtrBounds, "adding %d or more to a %s pointer leaves what can be judged", lo, t)
	}
	return nil
}

// ptrALU adds a number to a pointer or subtracts it.
func (e *env) ptrALU(in bpf.Insn, dst uint8, p, off *Reg) *Diagnostic {
	regs := e.cur.regs()
	d := &regs[dst]
	op := in.Op & 0xf0
	known := off.Val.IsConst()
	if off.Val.Empty() || !off.Val.Sane() {
		d.markUnknown()
		return nil
	}
	if in.Class() != bpf.ClassALU64 {
		if op == bpf.AluSUB {
			d.markUnknown()
			return nil
		}
		return e.errf(CodePtrArith32, "R%d: pointers are not computed with in 32 bits", dst)
	}
	if p.Type.maybeNull() {
		return e.errf(CodePtrNull, "R%d (%s) may be NULL; test it before computing with it", dst, p.Type)
	}
	zeroAdd := known && off.Val.Const() == 0 && op == bpf.AluADD
	switch p.Type.base() {
	case ptrToCtx, ptrToMapValue, ptrToMapKey, ptrToStack, ptrToPacketMeta, ptrToPacket, ptrToTPBuffer,
		ptrToBTFID, ptrToMem, ptrToBuf, ptrToFunc, constPtrToDynptr, ptrToInsn:
	case ptrToFlowKeys:
		if !known {
			return e.errf(CodePtrArith, "R%d: a variable offset cannot be added to a %s pointer", dst, p.Type)
		}
	default:
		if p.Type.base() == constPtrToMap && zeroAdd {
			break
		}
		return e.errf(CodePtrArith, "R%d: %s pointers are not computed with", dst, p.Type)
	}
	ptr := *p
	fromDst := p == d
	if !fromDst && ptr.Type.has(ptrUntrusted) && ptr.Type.base() == ptrToMem && !e.has(FeatCommutedProbe) {
		return nil
	}
	*d = ptr
	if ptr.Type.has(ptrUntrusted) && ptr.Type.base() == ptrToMem {
		// Followed by loads that may fault: any offset will do.
		return nil
	}
	if x := e.saneOffset(off, ptr.Type); x != nil {
		return x
	}
	if x := e.saneOffset(&ptr, ptr.Type); x != nil {
		return x
	}
	c := int64(off.Val.Const())
	switch op {
	case bpf.AluADD:
		if known {
			if n := int64(ptr.Off) + c; n == int64(int32(n)) {
				d.Off = int32(n)
				if ptr.Type.isPacket() && d.N < 0 { // no longer at the end or beyond
					d.N = 0
				}
				break
			}
		}
		d.Val = scalar.ALU(bpf.AluADD, 0, false, ptr.Val, off.Val, e.rules)
		if ptr.Type.isPacket() {
			d.ID = e.newID()
			d.N = 0
		}
	case bpf.AluSUB:
		if !fromDst {
			return e.errf(CodePtrSub, "R%d is a number; a pointer cannot be subtracted from it", dst)
		}
		if ptr.Type == ptrToStack {
			return e.errf(CodePtrSub, "R%d: nothing is subtracted from a stack pointer; add a negative number", dst)
		}
		if known {
			if n := int64(ptr.Off) - c; n == int64(int32(n)) {
				d.Off = int32(n)
				if ptr.Type.isPacket() && d.N < 0 { // no longer at the end or beyond
					d.N = 0
				}
				break
			}
		}
		lo := off.Val.SMin()
		d.Val = scalar.ALU(bpf.AluSUB, 0, false, ptr.Val, off.Val, e.rules)
		if ptr.Type.isPacket() {
			d.ID = e.newID()
			if lo < 0 || d.N < 0 {
				d.N = 0
			}
		}
	case bpf.AluAND, bpf.AluOR, bpf.AluXOR:
		return e.errf(CodePtrOp, "R%d: bits of a %s pointer are not changed", dst, ptr.Type)
	default:
		return e.errf(CodePtrOp, "R%d: a %s pointer is only added to and subtracted from", dst, ptr.Type)
	}
	if x := e.saneOffset(d, ptr.Type); x != nil {
		return x
	}
	return nil
}

// checkMov judges moves, with and without sign extension.
func (e *env) checkMov(in bpf.Insn, dst uint8, is32, isX bool) *Diagnostic {
	if isX {
		if d := e.readable(in.Src()); d != nil {
			return d
		}
	}
	if d := e.writable(dst); d != nil {
		return d
	}
	regs := e.cur.regs()
	d := &regs[dst]
	if !isX {
		v := uint64(int64(in.Imm))
		if is32 {
			v = uint64(uint32(in.Imm))
		}
		d.markKnown(v)
		return nil
	}
	s := &regs[in.Src()]
	if !is32 {
		switch {
		case in.Off == 1:
			return e.addrSpaceCast()
		case in.Off == 0:
			e.linkScalar(s)
			*d = *s
			return nil
		case s.Type != scalarValue:
			d.markUnknown()
			return nil
		}
		same := s.Val.UMax() < 1<<(in.Off-1)
		if same {
			e.linkScalar(s)
		}
		*d = *s
		if !same {
			clearScalarID(d)
		}
		d.Val = scalar.SExt(d.Val, int(in.Off)/8)
		return e.settle(d)
	}
	if s.Type != scalarValue {
		d.markUnknown()
		d.Val = scalar.ZExt32(d.Val, e.rules)
		return nil
	}
	if in.Off == 0 {
		same := width(s) <= 32
		if same {
			e.linkScalar(s)
		}
		*d = *s
		if !same {
			clearScalarID(d)
			d.Val = scalar.ZExt32(d.Val, e.rules)
		}
		return e.settle(d)
	}
	same := s.Val.UMax() < 1<<(in.Off-1)
	if same {
		e.linkScalar(s)
	}
	*d = *s
	if !same {
		clearScalarID(d)
	}
	d.Val = scalar.SExt32(d.Val, int(in.Off)/8, e.rules)
	return e.settle(d)
}
