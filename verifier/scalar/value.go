// SPDX-License-Identifier: Apache-2.0

// Package scalar is the abstract domain of numbers: what is known of a
// register that holds no pointer. A Value is the conjunction of three facts:
// which bits are known (Tnum), and the ranges of the 64-bit word and of its low
// half (Arc, signed and unsigned at once). Sync lets each fact sharpen the
// others. The rules are those of the kernel's verifier, so that precision is
// the kernel's precision; what changed between releases is in Rules.
//
// Every operator is sound: if the operands' concrete values lie in the
// abstract ones, so does the result. The tests prove it exhaustively for small
// numbers and by sampling for all.
package scalar

import (
	"fmt"
	"math"
	"math/bits"
	"strings"
)

// Rules are the precision rules that differ between kernel releases.
type Rules uint16

// Rules.
const (
	DivMod    Rules = 1 << iota // division and remainder by constants keep ranges (7.0)
	Probe                       // a branch whose refinement is contradictory is dead (7.1)
	StepBits                    // a range that meets the bits in one value is that value (7.0)
	SwapBits                    // byte swaps keep known bits (7.0)
	NegRange                    // negation keeps range and bits (6.17)
	MulSigned                   // multiplication tracks signed ranges (6.14)
	MulUnion                    // the newer multiplication of bits (6.18)
	WrapAdd                     // sums that overflow on every value keep their range (6.17)
	SameReg                     // a register compared with itself decides the branch (6.19)
	RangeAnd                    // unused by operators: AND/OR with a constant forks a 0/-1 mask (7.0)
	Circle                      // ranges are arcs: trimmed across blocks of 2^32, and without inner points (7.2)

	Newest = DivMod | Probe | StepBits | SwapBits | NegRange | MulSigned | MulUnion | WrapAdd | SameReg | RangeAnd | Circle
)

// Value is what is known of one number.
type Value struct {
	R64  Arc[uint64]
	R32  Arc[uint32]
	Bits Tnum
}

// Unknown is any number.
func Unknown() Value {
	return Value{Arc[uint64]{0, math.MaxUint64}, Arc[uint32]{0, math.MaxUint32}, unknownBits}
}

// Const is exactly c.
func Const(c uint64) Value {
	return Value{Arc[uint64]{c, 0}, Arc[uint32]{uint32(c), 0}, Tnum{c, 0}}
}

// URange is any number of [lo, hi], unsigned.
func URange(lo, hi uint64) Value {
	v := Unknown()
	v.R64 = urange(lo, hi)
	v.Sync(Newest)
	return v
}

// SRange is any number of [lo, hi], signed.
func SRange(lo, hi int64) Value {
	v := Unknown()
	v.R64 = srange(uint64(lo), uint64(hi))
	v.Sync(Newest)
	return v
}

// FromBits is any number with these bits.
func FromBits(t Tnum) Value {
	v := Unknown()
	v.Bits = t
	v.Sync(Newest)
	return v
}

// Bounds of the 64-bit word.
func (v *Value) UMin() uint64 { return v.R64.umin() }
func (v *Value) UMax() uint64 { return v.R64.umax() }
func (v *Value) SMin() int64  { return int64(v.R64.smin()) }
func (v *Value) SMax() int64  { return int64(v.R64.smax()) }

// Bounds of the low half.
func (v *Value) U32Min() uint32 { return v.R32.umin() }
func (v *Value) U32Max() uint32 { return v.R32.umax() }
func (v *Value) S32Min() int32  { return int32(v.R32.smin()) }
func (v *Value) S32Max() int32  { return int32(v.R32.smax()) }

// IsConst reports whether one value is left.
func (v *Value) IsConst() bool { return v.Bits.Mask == 0 }

// Const is that value; to be asked only of constants.
func (v *Value) Const() uint64 { return v.Bits.Value }

// IsConst32 reports whether the low half is known.
func (v *Value) IsConst32() bool { return uint32(v.Bits.Mask) == 0 }

// IsUnknown reports whether nothing is known.
func (v *Value) IsUnknown() bool {
	return v.Bits.Mask == math.MaxUint64 && v.R64.Size == math.MaxUint64 && v.R32.Size == math.MaxUint32
}

// Empty reports whether the facts contradict each other: no number is left.
func (v *Value) Empty() bool { return v.R64.isEmpty() || v.R32.isEmpty() }

// Sane reports whether the facts agree: not empty, and a constant is one in
// every part. The kernel forgets everything about a value that is not sane.
func (v *Value) Sane() bool {
	if v.Empty() {
		return false
	}
	if v.Bits.Mask == 0 && v.R64 != (Arc[uint64]{v.Bits.Value, 0}) {
		return false
	}
	return uint32(v.Bits.Mask) != 0 || v.R32 == Arc[uint32]{uint32(v.Bits.Value), 0}
}

// Has reports whether c is one of the values.
func (v *Value) Has(c uint64) bool {
	return v.Bits.Has(c) && v.R64.has(c) && v.R32.has(uint32(c))
}

// Subsumes reports whether every value of w is one of v.
func (v *Value) Subsumes(w *Value) bool {
	return v.R64.holds(w.R64) && v.R32.holds(w.R32) && v.Bits.Holds(w.Bits)
}

// RangeSubsumes is Subsumes without the bits.
func (v *Value) RangeSubsumes(w *Value) bool {
	return v.R64.holds(w.R64) && v.R32.holds(w.R32)
}

// Join is the best Value that holds both.
func (v *Value) Join(w *Value) Value {
	return Value{v.R64.hull(w.R64), v.R32.hull(w.R32), v.Bits.union(w.Bits)}
}

// Intersect keeps what both know.
func (v *Value) Intersect(w *Value) Value {
	r := Value{v.R64.intersect(w.R64), v.R32.intersect(w.R32), v.Bits.intersect(w.Bits)}
	if !v.Bits.overlaps(w.Bits) {
		r.R64, r.R32 = empty[uint64](), empty[uint32]()
	}
	r.Sync(Newest)
	return r
}

// LimitU, LimitS, LimitU32 and LimitS32 intersect with an interval; Sync is the
// caller's.
func (v *Value) LimitU(lo, hi uint64) { v.R64 = v.R64.intersect(urange(lo, hi)) }
func (v *Value) LimitS(lo, hi int64)  { v.R64 = v.R64.intersect(srange(uint64(lo), uint64(hi))) }
func (v *Value) LimitU32(lo, hi uint32) {
	v.R32 = v.R32.intersect(urange(lo, hi))
}

func (v *Value) LimitS32(lo, hi int32) {
	v.R32 = v.R32.intersect(srange(uint32(lo), uint32(hi)))
}

func arcOfBits(t Tnum) Arc[uint64] {
	if (t.Mask|t.Value)>>63 != 0 {
		return srange(t.Value|t.Mask&(1<<63), t.Value|t.Mask&(1<<63-1))
	}
	return urange(t.Value, t.Value|t.Mask)
}

func arc32OfBits(t Tnum) Arc[uint32] {
	v, m := uint32(t.Value), uint32(t.Mask)
	if (m|v)>>31 != 0 {
		return srange(v|m&(1<<31), v|m&(1<<31-1))
	}
	return urange(v, v|m)
}

// rangesFromBits sharpens the ranges by the known bits.
func (v *Value) rangesFromBits(r Rules) {
	v.R32 = v.R32.intersect(arc32OfBits(v.Bits))
	v.R64 = v.R64.intersect(arcOfBits(v.Bits))
	if r&StepBits == 0 {
		return
	}
	// Does the range meet the bits in a single value: its smallest, the
	// bits' largest, or one in between?
	lo, hi := v.R64.umin(), v.R64.umax()
	next, top := v.Bits.next(lo), v.Bits.Value|v.Bits.Mask
	switch in := v.Bits.Has(lo); {
	case in && next > hi:
		*v = Const(lo)
	case !in && next == top:
		*v = Const(top)
	case !in && next <= hi && v.Bits.next(next) > hi:
		*v = Const(next)
	}
}

// Sync lets bits, range and half range sharpen each other.
func (v *Value) Sync(r Rules) {
	if v.Empty() {
		return
	}
	v.rangesFromBits(r)
	for range 2 {
		v.R32 = v.R32.intersect(arc32(v.R64))
		if r&Circle != 0 {
			v.R64 = trimTo32(v.R64, v.R32)
		} else {
			v.trimBlocks()
		}
	}
	t := v.Bits.intersect(rangeBits(v.R64.umin(), v.R64.umax()))
	lo := t.subreg().intersect(rangeBits(uint64(v.R32.umin()), uint64(v.R32.umax())))
	v.Bits = t.withSubreg(lo)
	v.rangesFromBits(r)
}

// trimBlocks is the older way from half to whole: the ends of the signed and of
// the unsigned interval move within their block of 2^32, and a number that was
// sign extended and is not negative below is not negative at all.
func (v *Value) trimBlocks() {
	if v.R64.isEmpty() || v.R32.isEmpty() {
		return
	}
	lo32b, hi32b := uint64(v.R32.umin()), uint64(v.R32.umax())
	ulo, uhi := v.R64.umin(), v.R64.umax()
	slo, shi := v.R64.smin(), v.R64.smax()
	ulo, uhi = max(ulo, ulo&^lo32|lo32b), min(uhi, uhi&^lo32|hi32b)
	slo, shi = smax(slo, slo&^lo32|lo32b), smin(shi, shi&^lo32|hi32b)
	if ulo > uhi || slt(shi, slo) {
		v.R64 = empty[uint64]()
		return
	}
	v.R64 = v.R64.intersect(urange(ulo, uhi)).intersect(srange(slo, shi))
	if v.S32Min() >= 0 && !v.R64.isEmpty() && v.SMin() >= math.MinInt32 && v.SMax() <= math.MaxInt32 {
		v.R64 = v.R64.intersect(urange(uint64(v.U32Min()), uint64(v.U32Max())))
	}
}

// ZExt32 is the number a 32-bit operation leaves: the upper half becomes 0.
// Sync is the caller's.
func (v *Value) zext32() {
	v.Bits = v.Bits.subreg()
	v.R64 = urange(uint64(v.R32.umin()), uint64(v.R32.umax()))
}

// ZExt32 is uint64(uint32(v)).
func ZExt32(v Value, r Rules) Value {
	v.zext32()
	v.Sync(r)
	return v
}

// Truncate is v cut to size bytes and zero extended, as narrow loads do.
func Truncate(v Value, size int, r Rules) Value {
	if size >= 8 {
		return v
	}
	v.Bits = v.Bits.cast(size)
	mask := uint64(1)<<(8*size) - 1
	if lo, hi := v.R64.umin(), v.R64.umax(); lo&^mask == hi&^mask {
		v.R64 = urange(lo&mask, hi&mask)
	} else {
		v.R64 = urange(0, mask)
	}
	if size < 4 {
		v.R32 = full[uint32]()
	}
	v.Sync(r)
	return v
}

// SExt is v's low size bytes sign extended to 64 bits (movsx, sign-extending loads).
func SExt(v Value, size int) Value {
	sh := 64 - 8*uint(size)
	ext := func(x uint64) int64 { return int64(x<<sh) >> sh }
	if v.IsConst() {
		return Const(uint64(ext(v.Const())))
	}
	n := 8 * uint(size)
	lo, hi := v.R64.smin(), v.R64.smax()
	if lo>>n == hi>>n {
		a, b := ext(lo), ext(hi)
		a, b = min(a, b), max(a, b)
		if (a >= 0) == (b >= 0) {
			return Value{srange(uint64(a), uint64(b)), srange(uint32(a), uint32(b)), rangeBits(uint64(a), uint64(b))}
		}
	}
	a, b := -int64(1)<<(n-1), int64(1)<<(n-1)-1
	return Value{srange(uint64(a), uint64(b)), srange(uint32(a), uint32(b)), unknownBits}
}

// SExt32 is the low size bytes sign extended to 32 bits, upper half 0.
func SExt32(v Value, size int, r Rules) Value {
	sh := 32 - 8*uint(size)
	ext := func(x uint32) int32 { return int32(x<<sh) >> sh }
	n := 8 * uint(size)
	lo, hi := v.R32.smin(), v.R32.smax()
	a, b := -int32(1)<<(n-1), int32(1)<<(n-1)-1
	switch {
	case v.IsConst():
		return Const(uint64(uint32(ext(uint32(v.Const())))))
	case lo>>n == hi>>n && (ext(lo) >= 0) == (ext(hi) >= 0):
		a, b = min(ext(lo), ext(hi)), max(ext(lo), ext(hi))
		v.Bits = rangeBits(uint64(int64(a)), uint64(int64(b))).subreg()
	default:
		v.Bits = unknownBits.subreg()
	}
	v.R32 = srange(uint32(a), uint32(b))
	return ZExt32(v, r)
}

func (v Value) String() string {
	if v.Empty() {
		return "none"
	}
	if v.IsConst() {
		if s := int64(v.Const()); s > -1<<20 && s < 1<<20 {
			return fmt.Sprint(s)
		}
		return fmt.Sprintf("%#x", v.Const())
	}
	var p []string
	add := func(s string, a ...any) { p = append(p, fmt.Sprintf(s, a...)) }
	if lo, hi := v.UMin(), v.UMax(); lo == uint64(v.SMin()) && hi == uint64(v.SMax()) {
		add("%d..%d", lo, hi)
	} else {
		if v.SMin() != math.MinInt64 || v.SMax() != math.MaxInt64 {
			add("signed %d..%d", v.SMin(), v.SMax())
		}
		if lo != 0 || hi != math.MaxUint64 {
			add("%d..%#x", lo, hi)
		}
	}
	if v.R32.Size != math.MaxUint32 && v.R32 != arc32(v.R64) && v.UMax() > math.MaxUint32 {
		if v.R32.wraps() {
			add("low half signed %d..%d", v.S32Min(), v.S32Max())
		} else {
			add("low half %d..%d", v.U32Min(), v.U32Max())
		}
	}
	if v.Bits != rangeBits(v.UMin(), v.UMax()) && bits.OnesCount64(v.Bits.Mask) < 64 {
		add("bits %v", v.Bits)
	}
	if p == nil {
		return "any number"
	}
	return strings.Join(p, ", ")
}
