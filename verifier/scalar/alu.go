// SPDX-License-Identifier: Apache-2.0

package scalar

import (
	"math"
	"math/bits"

	"github.com/modbpf/modbpf/bpf"
)

// ALU is the result of one arithmetic instruction other than a move: op is a
// bpf.Alu* code, is32 the class, off the instruction's offset field (1 makes
// division and remainder signed). For AluEND, Swap is to be used.
func ALU(op uint8, off int16, is32 bool, a, b Value, r Rules) Value {
	if a.Bits.Mask|b.Bits.Mask == 0 {
		if c, ok := constALU(op, is32, a.Bits.Value, b.Bits.Value); ok {
			return Const(c)
		}
	}
	if !computable(op, is32, &b, r) {
		return Unknown()
	}
	switch op {
	case bpf.AluADD:
		a.R32, a.R64 = addArc(a.R32, b.R32, r), addArc(a.R64, b.R64, r)
		a.Bits = a.Bits.add(b.Bits)
	case bpf.AluSUB:
		a.R32, a.R64 = subArc(a.R32, b.R32, r), subArc(a.R64, b.R64, r)
		a.Bits = a.Bits.sub(b.Bits)
	case bpf.AluNEG:
		a.R32, a.R64 = a.R32.neg(), a.R64.neg()
		a.Bits = constBits(0).sub(a.Bits)
	case bpf.AluMUL:
		if r&MulUnion != 0 {
			a.Bits = a.Bits.mul(b.Bits)
		} else {
			a.Bits = a.Bits.mulMasks(b.Bits)
		}
		a.R32, a.R64 = mul32(a.R32, b.R32, r), mul64(a.R64, b.R64, r)
	case bpf.AluDIV, bpf.AluMOD:
		divide(&a, &b, op == bpf.AluMOD, off == 1, is32)
	case bpf.AluAND:
		a.Bits = a.Bits.and(b.Bits)
		a.and(&b, r)
	case bpf.AluOR:
		a.Bits = a.Bits.or(b.Bits)
		a.or(&b, r)
	case bpf.AluXOR:
		a.Bits = a.Bits.xor(b.Bits)
		a.xor()
	case bpf.AluLSH:
		a.shl(&b, is32, r)
	case bpf.AluRSH:
		a.shr(&b, is32, r)
	case bpf.AluARSH:
		a.sar(&b, is32, r)
	default:
		return Unknown()
	}
	if is32 {
		a.zext32()
	}
	a.Sync(r)
	return a
}

// constALU computes what needs no abstraction.
func constALU(op uint8, is32 bool, a, b uint64) (uint64, bool) {
	switch op {
	case bpf.AluADD:
		a += b
	case bpf.AluSUB:
		a -= b
	case bpf.AluMUL:
		a *= b
	case bpf.AluAND:
		a &= b
	case bpf.AluOR:
		a |= b
	case bpf.AluXOR:
		a ^= b
	case bpf.AluLSH, bpf.AluRSH, bpf.AluARSH:
		width := uint64(64)
		if is32 {
			width = 32
		}
		if b >= width {
			return 0, false
		}
		switch {
		case op == bpf.AluLSH:
			a <<= b
		case op == bpf.AluRSH && is32:
			a = uint64(uint32(a) >> b)
		case op == bpf.AluRSH:
			a >>= b
		case is32:
			a = uint64(uint32(int32(a) >> b))
		default:
			a = uint64(int64(a) >> b)
		}
	default:
		return 0, false
	}
	if is32 {
		a = uint64(uint32(a))
	}
	return a, true
}

// computable reports whether the result of an operation is tracked at all:
// shifts and divisions only by a constant, shifts only within the width.
func computable(op uint8, is32 bool, b *Value, r Rules) bool {
	known := func() bool {
		if is32 {
			return b.IsConst32() && b.R32.isConst()
		}
		return b.IsConst() && b.R64.isConst()
	}
	switch op {
	case bpf.AluADD, bpf.AluSUB, bpf.AluMUL, bpf.AluAND, bpf.AluOR, bpf.AluXOR:
		return true
	case bpf.AluNEG:
		return r&NegRange != 0
	case bpf.AluDIV, bpf.AluMOD:
		return r&DivMod != 0 && known()
	case bpf.AluLSH, bpf.AluRSH, bpf.AluARSH:
		width := uint64(64)
		if is32 {
			width = 32
		}
		return known() && b.R64.umax() < width
	}
	return false
}

// addArc adds ranges. Before WrapAdd a sum that might overflow in unsigned
// order kept only what did not overflow in signed order, and the reverse.
func addArc[T word](a, b Arc[T], r Rules) Arc[T] {
	if r&WrapAdd != 0 {
		return a.add(b)
	}
	s := a.add(b)
	lo, hi := a.umin()+b.umin(), a.umax()+b.umax()
	uok := lo >= a.umin() && hi >= a.umax()
	sok := saddOK(a.smin(), b.smin()) && saddOK(a.smax(), b.smax())
	switch {
	case uok && sok:
		return urange(lo, hi).intersect(srange(a.smin()+b.smin(), a.smax()+b.smax()))
	case uok:
		return urange(lo, hi)
	case sok:
		return srange(a.smin()+b.smin(), a.smax()+b.smax())
	}
	if s.isEmpty() {
		return s
	}
	return full[T]()
}

func saddOK[T word](a, b T) bool { c := a + b; return (a^c)&(b^c)&signBit[T]() == 0 }
func ssubOK[T word](a, b T) bool { c := a - b; return (a^b)&(a^c)&signBit[T]() == 0 }

func subArc[T word](a, b Arc[T], r Rules) Arc[T] {
	if r&WrapAdd != 0 {
		return a.add(b.neg())
	}
	if a.isEmpty() || b.isEmpty() {
		return empty[T]()
	}
	u, s := full[T](), full[T]()
	if a.umin() >= b.umax() {
		u = urange(a.umin()-b.umax(), a.umax()-b.umin())
	}
	if ssubOK(a.smin(), b.smax()) && ssubOK(a.smax(), b.smin()) {
		s = srange(a.smin()-b.smax(), a.smax()-b.smin())
	}
	return u.intersect(s)
}

func mul32(a, b Arc[uint32], r Rules) Arc[uint32] {
	if a.isEmpty() || b.isEmpty() {
		return empty[uint32]()
	}
	if r&MulSigned == 0 {
		if int32(a.smin()) < 0 || int32(b.smin()) < 0 || a.umax() > math.MaxUint16 || b.umax() > math.MaxUint16 {
			return full[uint32]()
		}
		return urange(a.umin()*b.umin(), a.umax()*b.umax())
	}
	u := full[uint32]()
	if hi := uint64(a.umax()) * uint64(b.umax()); hi <= math.MaxUint32 {
		u = urange(a.umin()*b.umin(), uint32(hi))
	}
	lo, hi := int64(math.MaxInt64), int64(math.MinInt64)
	for _, x := range [2]uint32{a.smin(), a.smax()} {
		for _, y := range [2]uint32{b.smin(), b.smax()} {
			p := int64(int32(x)) * int64(int32(y))
			lo, hi = min(lo, p), max(hi, p)
		}
	}
	if lo < math.MinInt32 || hi > math.MaxInt32 {
		return u
	}
	return u.intersect(srange(uint32(lo), uint32(hi)))
}

func mul64(a, b Arc[uint64], r Rules) Arc[uint64] {
	if a.isEmpty() || b.isEmpty() {
		return empty[uint64]()
	}
	if r&MulSigned == 0 {
		if int64(a.smin()) < 0 || int64(b.smin()) < 0 || a.umax() > math.MaxUint32 || b.umax() > math.MaxUint32 {
			return full[uint64]()
		}
		return urange(a.umin()*b.umin(), a.umax()*b.umax())
	}
	u := full[uint64]()
	if over, hi := bits.Mul64(a.umax(), b.umax()); over == 0 {
		u = urange(a.umin()*b.umin(), hi)
	}
	lo, hi := int64(math.MaxInt64), int64(math.MinInt64)
	for _, x := range [2]uint64{a.smin(), a.smax()} {
		for _, y := range [2]uint64{b.smin(), b.smax()} {
			p, ok := smul64(int64(x), int64(y))
			if !ok {
				return u
			}
			lo, hi = min(lo, p), max(hi, p)
		}
	}
	return u.intersect(srange(uint64(lo), uint64(hi)))
}

// smul64 multiplies and reports whether the product fits.
func smul64(x, y int64) (int64, bool) {
	if x == 0 || y == 0 {
		return 0, true
	}
	p := x * y
	if x == -1 && y == math.MinInt64 || y == -1 && x == math.MinInt64 || p/y != x {
		return 0, false
	}
	return p, true
}

// divide is division or remainder by a constant: x/0 is 0 and x%0 is x.
// The half or whole that the operation does not compute is forgotten.
func divide(a, b *Value, mod, signed, is32 bool) {
	if is32 {
		c := b.R32.umin()
		if c == 0 {
			if !mod {
				*a = Const(0)
			}
			return
		}
		if arc, changed := divArc(a.R32, c, mod, signed); changed {
			a.R32, a.R64, a.Bits = arc, full[uint64](), unknownBits
		}
		return
	}
	c := b.R64.umin()
	if c == 0 {
		if !mod {
			*a = Const(0)
		}
		return
	}
	if arc, changed := divArc(a.R64, c, mod, signed); changed {
		a.R64, a.R32, a.Bits = arc, full[uint32](), unknownBits
	}
}

// divArc divides a range by a constant that is not 0; false when the range is
// below the divisor and a remainder changes nothing.
func divArc[T word](a Arc[T], c T, mod, signed bool) (Arc[T], bool) {
	s := signBit[T]()
	neg := func(x T) bool { return x&s != 0 }
	abs := func(x T) T {
		if neg(x) {
			return -x
		}
		return x
	}
	switch {
	case !signed && !mod:
		return urange(a.umin()/c, a.umax()/c), true
	case !signed:
		if a.umax() < c {
			return a, false
		}
		return urange(0, c-1), true
	case !mod:
		lo, hi := a.smin(), a.smax()
		if lo == s && c == ^T(0) {
			// The smallest number divided by -1 is itself; with others beside it nothing is known.
			if hi != s {
				return full[T](), true
			}
			return srange(s, s), true
		}
		quot := func(x T) T {
			q := abs(x) / abs(c)
			if neg(x) != neg(c) {
				q = -q
			}
			return q
		}
		p, q := quot(lo), quot(hi)
		return srange(smin(p, q), smax(p, q)), true
	}
	m := abs(c) - 1 // largest absolute remainder; fits even for the smallest number
	lo, hi := a.smin(), a.smax()
	if !slt(lo, -m) && !slt(m, hi) {
		return a, false
	}
	switch {
	case !neg(lo):
		return srange(0, smin(hi, m)), true
	case neg(hi) || hi == 0:
		return srange(smax(lo, -m), 0), true
	}
	return srange(-m, m), true
}

// and, or and xor run after the bits were computed.
func (a *Value) and(b *Value, r Rules) {
	if a.bothKnown(b) {
		return
	}
	if !a.IsConst32() || !b.IsConst32() {
		a.R32 = urange(uint32(a.Bits.Value), min(a.R32.umax(), b.R32.umax()))
	} else {
		a.R32 = Arc[uint32]{uint32(a.Bits.Value), 0}
	}
	a.R64 = urange(a.Bits.Value, min(a.R64.umax(), b.R64.umax()))
	a.rangesFromBits(r)
}

func (a *Value) or(b *Value, r Rules) {
	if a.bothKnown(b) {
		return
	}
	if !a.IsConst32() || !b.IsConst32() {
		a.R32 = urange(max(a.R32.umin(), b.R32.umin()), uint32(a.Bits.Value|a.Bits.Mask))
	} else {
		a.R32 = Arc[uint32]{uint32(a.Bits.Value), 0}
	}
	a.R64 = urange(max(a.R64.umin(), b.R64.umin()), a.Bits.Value|a.Bits.Mask)
	a.rangesFromBits(r)
}

func (a *Value) xor() {
	a.R32 = urange(uint32(a.Bits.Value), uint32(a.Bits.Value|a.Bits.Mask))
	a.R64 = urange(a.Bits.Value, a.Bits.Value|a.Bits.Mask)
}

// bothKnown sets a to its bits when they are all known and so are b's.
func (a *Value) bothKnown(b *Value) bool {
	if a.Bits.Mask|b.Bits.Mask != 0 {
		return false
	}
	*a = Const(a.Bits.Value)
	return true
}

func (a *Value) shl32Range(n uint64) {
	if n > 31 || uint64(a.R32.umax()) > 1<<(31-n) {
		a.R32 = full[uint32]() // the top bit might be shifted out
	} else {
		a.R32 = urange(a.R32.umin()<<n, a.R32.umax()<<n)
	}
}

func (a *Value) shl(b *Value, is32 bool, r Rules) {
	if is32 {
		n := uint64(b.R32.umin())
		a.shl32Range(n)
		a.Bits = a.Bits.subreg().shl(uint8(n)).subreg()
		a.R64 = full[uint64]()
		a.R32 = a.R32.intersect(arc32OfBits(a.Bits))
		return
	}
	n := b.R64.umin()
	u, s := full[uint64](), full[uint64]()
	if n == 32 { // compilers sign extend by << 32, s>> 32
		s = srange(uint64(int64(a.S32Min())<<32), uint64(int64(a.S32Max())<<32))
	}
	if a.R64.umax() <= 1<<(63-n) {
		u = urange(a.R64.umin()<<n, a.R64.umax()<<n)
	}
	a.R64 = u.intersect(s)
	a.shl32Range(n)
	a.Bits = a.Bits.shl(uint8(n))
	a.rangesFromBits(r)
}

func (a *Value) shr(b *Value, is32 bool, r Rules) {
	if is32 {
		n := b.R32.umin()
		a.Bits = a.Bits.subreg().shr(uint8(n))
		a.R32 = urange(a.R32.umin()>>n, a.R32.umax()>>n)
		a.R64 = full[uint64]()
		a.R32 = a.R32.intersect(arc32OfBits(a.Bits))
		return
	}
	n := b.R64.umin()
	a.Bits = a.Bits.shr(uint8(n))
	a.R64 = urange(a.R64.umin()>>n, a.R64.umax()>>n)
	a.R32 = full[uint32]()
	a.rangesFromBits(r)
}

func (a *Value) sar(b *Value, is32 bool, r Rules) {
	if is32 {
		n := b.R32.umin()
		a.R32 = srange(uint32(a.S32Min()>>n), uint32(a.S32Max()>>n))
		a.Bits = a.Bits.subreg().sar(uint8(n), true)
		a.R64 = full[uint64]()
		a.R32 = a.R32.intersect(arc32OfBits(a.Bits))
		return
	}
	n := b.R64.umin()
	a.R64 = srange(uint64(a.SMin()>>n), uint64(a.SMax()>>n))
	a.Bits = a.Bits.sar(uint8(n), false)
	a.R32 = full[uint32]()
	a.rangesFromBits(r)
}

// Swap is AluEND: with swap the width's bytes are reversed, without (to the
// machine's own order, little endian) the number is only cut to the width.
func Swap(v Value, width int, swap bool, r Rules) Value {
	if r&SwapBits == 0 {
		return Unknown()
	}
	if swap {
		t := v.Bits.bswap(width)
		v = Unknown()
		v.Bits = t
	}
	if width < 64 {
		return Truncate(v, width/8, r)
	}
	v.Sync(r)
	return v
}
