// SPDX-License-Identifier: Apache-2.0

package scalar

import (
	"math/bits"

	"github.com/modbpf/modbpf/bpf"
)

// jsetNot is the outcome "no bit in common" of AluJSET, which has no opcode of its own.
const jsetNot = bpf.JmpJSET | bpf.SrcX

// Reverse is the comparison that holds when op does not.
func Reverse(op uint8) uint8 {
	switch op {
	case bpf.JmpJEQ:
		return bpf.JmpJNE
	case bpf.JmpJNE:
		return bpf.JmpJEQ
	case bpf.JmpJSET:
		return jsetNot
	case jsetNot:
		return bpf.JmpJSET
	case bpf.JmpJGE:
		return bpf.JmpJLT
	case bpf.JmpJGT:
		return bpf.JmpJLE
	case bpf.JmpJLE:
		return bpf.JmpJGT
	case bpf.JmpJLT:
		return bpf.JmpJGE
	case bpf.JmpJSGE:
		return bpf.JmpJSLT
	case bpf.JmpJSGT:
		return bpf.JmpJSLE
	case bpf.JmpJSLE:
		return bpf.JmpJSGT
	case bpf.JmpJSLT:
		return bpf.JmpJSGE
	}
	return 0
}

// Flip is the comparison of b with a that says what op says of a with b.
func Flip(op uint8) uint8 {
	switch op {
	case bpf.JmpJGE:
		return bpf.JmpJLE
	case bpf.JmpJGT:
		return bpf.JmpJLT
	case bpf.JmpJLE:
		return bpf.JmpJGE
	case bpf.JmpJLT:
		return bpf.JmpJGT
	case bpf.JmpJSGE:
		return bpf.JmpJSLE
	case bpf.JmpJSGT:
		return bpf.JmpJSLT
	case bpf.JmpJSLE:
		return bpf.JmpJSGE
	case bpf.JmpJSLT:
		return bpf.JmpJSGT
	}
	return op
}

// BranchTaken decides "a op b" without refinement: 1 always, 0 never, -1 unknown.
func BranchTaken(op uint8, is32 bool, a, b *Value) int {
	if is32 {
		return taken(op, a.Bits.subreg(), b.Bits.subreg(), a.R32, b.R32)
	}
	t := taken(op, a.Bits, b.Bits, a.R64, b.R64)
	if t < 0 && (op == bpf.JmpJEQ || op == bpf.JmpJNE) && disjoint(a.R32, b.R32) {
		return int(b2u(op == bpf.JmpJNE))
	}
	return t
}

// SameTaken decides a comparison of a register with itself.
func SameTaken(op uint8, is32 bool, a *Value) int {
	switch op {
	case bpf.JmpJGE, bpf.JmpJLE, bpf.JmpJSGE, bpf.JmpJSLE, bpf.JmpJEQ:
		return 1
	case bpf.JmpJGT, bpf.JmpJLT, bpf.JmpJSGT, bpf.JmpJSLT, bpf.JmpJNE:
		return 0
	case bpf.JmpJSET:
		t, lo, hi := a.Bits, a.SMin(), a.SMax()
		if is32 {
			t, lo, hi = t.subreg(), int64(a.S32Min()), int64(a.S32Max())
		}
		if t.IsConst() {
			return int(b2u(t.Value != 0))
		}
		if lo > 0 || hi < 0 {
			return 1
		}
	}
	return -1
}

func b2u(b bool) uint8 {
	if b {
		return 1
	}
	return 0
}

func disjoint[T word](a, b Arc[T]) bool {
	return a.umin() > b.umax() || a.umax() < b.umin() || slt(b.smax(), a.smin()) || slt(a.smax(), b.smin())
}

func taken[T word](op uint8, t1, t2 Tnum, a, b Arc[T]) int {
	// less decides x < y given that it is surely so, or surely not.
	decide := func(yes, no bool) int {
		if yes {
			return 1
		}
		if no {
			return 0
		}
		return -1
	}
	switch op {
	case bpf.JmpJEQ, bpf.JmpJNE:
		eq := -1
		switch {
		case t1.IsConst() && t2.IsConst():
			eq = int(b2u(t1.Value == t2.Value))
		case !t1.overlaps(t2) || disjoint(a, b):
			eq = 0
		}
		if op == bpf.JmpJNE && eq >= 0 {
			eq = 1 - eq
		}
		return eq
	case bpf.JmpJSET:
		if !t2.IsConst() {
			t1, t2 = t2, t1
		}
		if !t2.IsConst() {
			return -1
		}
		return decide(t1.Value&t2.Value != 0, (t1.Mask|t1.Value)&t2.Value == 0)
	case bpf.JmpJGT:
		return decide(a.umin() > b.umax(), a.umax() <= b.umin())
	case bpf.JmpJGE:
		return decide(a.umin() >= b.umax(), a.umax() < b.umin())
	case bpf.JmpJLT:
		return decide(a.umax() < b.umin(), a.umin() >= b.umax())
	case bpf.JmpJLE:
		return decide(a.umax() <= b.umin(), a.umin() > b.umax())
	case bpf.JmpJSGT:
		return decide(slt(b.smax(), a.smin()), !slt(b.smin(), a.smax()))
	case bpf.JmpJSGE:
		return decide(!slt(a.smin(), b.smax()), slt(a.smax(), b.smin()))
	case bpf.JmpJSLT:
		return decide(slt(a.smax(), b.smin()), !slt(a.smin(), b.smax()))
	case bpf.JmpJSLE:
		return decide(!slt(b.smin(), a.smax()), slt(b.smax(), a.smin()))
	}
	return -1
}

// Refine sharpens a and b by the outcome of "a op b". A result that is Empty
// means that the outcome is impossible.
func Refine(op uint8, is32 bool, a, b *Value, taken bool, r Rules) {
	if !taken {
		op = Reverse(op)
	}
	refine(op, is32, a, b, r)
	a.Sync(r)
	b.Sync(r)
}

// Branch does all a conditional jump needs: it decides (1 always, 0 never, -1
// unknown) and, if unknown, leaves the refined operands of both outcomes.
func Branch(op uint8, is32 bool, a, b *Value, r Rules) (taken int, yesA, yesB, noA, noB Value) {
	if t := BranchTaken(op, is32, a, b); t >= 0 {
		return t, *a, *b, *a, *b
	}
	yesA, yesB, noA, noB = *a, *b, *a, *b
	Refine(op, is32, &noA, &noB, false, r)
	if r&Probe != 0 && (noA.Empty() || noB.Empty()) {
		return 1, *a, *b, *a, *b
	}
	Refine(op, is32, &yesA, &yesB, true, r)
	if r&Probe != 0 && (yesA.Empty() || yesB.Empty()) {
		return 0, *a, *b, *a, *b
	}
	return -1, yesA, yesB, noA, noB
}

func refine(op uint8, is32 bool, a, b *Value, r Rules) {
	switch op {
	case bpf.JmpJGE, bpf.JmpJGT, bpf.JmpJSGE, bpf.JmpJSGT:
		op = Flip(op)
		a, b = b, a
	case bpf.JmpJNE, bpf.JmpJSET, jsetNot:
		if !b.known(is32) {
			a, b = b, a
		}
		if !b.known(is32) {
			return
		}
	}
	switch op {
	case bpf.JmpJEQ:
		if is32 {
			a.R32 = a.R32.intersect(b.R32)
			b.R32 = a.R32
			t := a.Bits.subreg().intersect(b.Bits.subreg())
			a.Bits, b.Bits = a.Bits.withSubreg(t), b.Bits.withSubreg(t)
		} else {
			a.R64 = a.R64.intersect(b.R64)
			b.R64 = a.R64
			a.Bits = a.Bits.intersect(b.Bits)
			b.Bits = a.Bits
		}
	case bpf.JmpJSET:
		c := b.constant(is32)
		if bits.OnesCount64(c) == 1 { // of several bits we would not know which
			a.Bits = a.Bits.or(constBits(c))
		}
	case jsetNot:
		c := b.constant(is32)
		a.R32, a.R64 = full[uint32](), full[uint64]()
		a.Bits = a.Bits.and(constBits(^c))
	default:
		if is32 {
			refineArcs(op, &a.R32, &b.R32, r)
		} else {
			refineArcs(op, &a.R64, &b.R64, r)
		}
	}
}

// known reports whether the compared part is constant.
func (v *Value) known(is32 bool) bool {
	if is32 {
		return v.IsConst32()
	}
	return v.IsConst()
}

func (v *Value) constant(is32 bool) uint64 {
	if is32 {
		return uint64(uint32(v.Bits.Value))
	}
	return v.Bits.Value
}

// refineArcs refines ranges by a (in)equality; op is one of the "less" forms or
// JNE with b a constant.
func refineArcs[T word](op uint8, a, b *Arc[T], r Rules) {
	top, s := ^T(0), signBit[T]()
	switch op {
	case bpf.JmpJNE:
		if r&Circle == 0 {
			*a = a.without(b.Base)
			return
		}
		*a = a.intersect(Arc[T]{b.Base + 1, top - 1})
	case bpf.JmpJLE:
		*a = a.intersect(urange(0, b.umax()))
		*b = b.intersect(urange(a.umin(), top))
	case bpf.JmpJLT:
		*a = a.intersect(urange(0, b.umax()-1))
		*b = b.intersect(urange(a.umin()+1, top))
	case bpf.JmpJSLE:
		*a = a.intersect(srange(s, b.smax()))
		*b = b.intersect(srange(a.smin(), s-1))
	case bpf.JmpJSLT:
		*a = a.intersect(srange(s, b.smax()-1))
		*b = b.intersect(srange(a.smin()+1, s-1))
	}
}
