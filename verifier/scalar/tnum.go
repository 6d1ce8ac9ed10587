// SPDX-License-Identifier: Apache-2.0

package scalar

import (
	"fmt"
	"math/bits"
)

// Tnum is a tristate number: a bit is known where Mask is 0, and then has
// Value's bit. Value and Mask have no bit in common. The operators are those
// of "Sound, Precise, and Fast Abstract Interpretation with Tristate Numbers"
// (CGO 2022) and of the kernel's lib.
type Tnum struct {
	Value, Mask uint64
}

// unknownBits knows nothing.
var unknownBits = Tnum{0, ^uint64(0)}

func constBits(v uint64) Tnum { return Tnum{v, 0} }

// IsConst reports whether every bit is known.
func (a Tnum) IsConst() bool { return a.Mask == 0 }

func (a Tnum) subreg() Tnum { return Tnum{uint64(uint32(a.Value)), uint64(uint32(a.Mask))} }

func (a Tnum) withSubreg(b Tnum) Tnum {
	return Tnum{a.Value&^lo32 | b.Value&lo32, a.Mask&^lo32 | b.Mask&lo32}
}

const lo32 = 1<<32 - 1

// rangeBits is the best tnum that holds every value of [min, max].
func rangeBits(min, max uint64) Tnum {
	n := bits.Len64(min ^ max)
	if n > 63 {
		return unknownBits
	}
	delta := uint64(1)<<n - 1
	return Tnum{min &^ delta, delta}
}

func (a Tnum) shl(n uint8) Tnum { return Tnum{a.Value << n, a.Mask << n} }
func (a Tnum) shr(n uint8) Tnum { return Tnum{a.Value >> n, a.Mask >> n} }

// sar shifts arithmetically; an unknown sign bit is copied as unknown.
func (a Tnum) sar(n uint8, is32 bool) Tnum {
	if is32 {
		return Tnum{uint64(uint32(int32(a.Value) >> n)), uint64(uint32(int32(a.Mask) >> n))}
	}
	return Tnum{uint64(int64(a.Value) >> n), uint64(int64(a.Mask) >> n)}
}

func (a Tnum) add(b Tnum) Tnum {
	sv := a.Value + b.Value
	chi := (a.Mask + b.Mask + sv) ^ sv
	mu := chi | a.Mask | b.Mask
	return Tnum{sv &^ mu, mu}
}

func (a Tnum) sub(b Tnum) Tnum {
	dv := a.Value - b.Value
	chi := (dv + a.Mask) ^ (dv - b.Mask)
	mu := chi | a.Mask | b.Mask
	return Tnum{dv &^ mu, mu}
}

func (a Tnum) and(b Tnum) Tnum {
	v := a.Value & b.Value
	return Tnum{v, (a.Value | a.Mask) & (b.Value | b.Mask) &^ v}
}

func (a Tnum) or(b Tnum) Tnum {
	v := a.Value | b.Value
	return Tnum{v, (a.Mask | b.Mask) &^ v}
}

func (a Tnum) xor(b Tnum) Tnum {
	mu := a.Mask | b.Mask
	return Tnum{(a.Value ^ b.Value) &^ mu, mu}
}

// mul is long multiplication; an unknown bit of a joins the sums with and
// without its partial product (union, Linux 6.18).
func (a Tnum) mul(b Tnum) Tnum {
	var acc Tnum
	for a.Value|a.Mask != 0 {
		switch {
		case a.Value&1 != 0:
			acc = acc.add(b)
		case a.Mask&1 != 0:
			acc = acc.union(acc.add(b))
		}
		a, b = a.shr(1), b.shl(1)
	}
	return acc
}

// mulMasks is the older multiplication: it adds up what is unknown apart from
// the product of the known bits.
func (a Tnum) mulMasks(b Tnum) Tnum {
	v := a.Value * b.Value
	acc := Tnum{}
	for a.Value|a.Mask != 0 {
		switch {
		case a.Value&1 != 0:
			acc = acc.add(Tnum{0, b.Mask})
		case a.Mask&1 != 0:
			acc = acc.add(Tnum{0, b.Value | b.Mask})
		}
		a, b = a.shr(1), b.shl(1)
	}
	return constBits(v).add(acc)
}

func (a Tnum) overlaps(b Tnum) bool {
	known := ^a.Mask & ^b.Mask
	return a.Value&known == b.Value&known
}

// intersect joins what both know; where they contradict, the bit reads 1.
func (a Tnum) intersect(b Tnum) Tnum {
	mu := a.Mask & b.Mask
	return Tnum{(a.Value | b.Value) &^ mu, mu}
}

func (a Tnum) union(b Tnum) Tnum {
	mu := (a.Value ^ b.Value) | a.Mask | b.Mask
	return Tnum{a.Value & b.Value &^ mu, mu}
}

func (a Tnum) cast(size int) Tnum {
	if size >= 8 {
		return a
	}
	m := uint64(1)<<(8*size) - 1
	return Tnum{a.Value & m, a.Mask & m}
}

// Aligned reports whether every value is a multiple of size, a power of two.
func (a Tnum) Aligned(size uint64) bool {
	return size == 0 || (a.Value|a.Mask)&(size-1) == 0
}

// Holds reports whether every value of b is one of a.
func (a Tnum) Holds(b Tnum) bool {
	return b.Mask&^a.Mask == 0 && b.Value&^a.Mask == a.Value
}

// Has reports whether v is a possible value.
func (a Tnum) Has(v uint64) bool { return v&^a.Mask == a.Value }

// Add and Or are for offsets kept as bare tnums.
func (a Tnum) Add(b Tnum) Tnum { return a.add(b) }

func (a Tnum) bswap(width int) Tnum {
	switch width {
	case 16:
		return Tnum{uint64(bits.ReverseBytes16(uint16(a.Value))), uint64(bits.ReverseBytes16(uint16(a.Mask)))}
	case 32:
		return Tnum{uint64(bits.ReverseBytes32(uint32(a.Value))), uint64(bits.ReverseBytes32(uint32(a.Mask)))}
	}
	return Tnum{bits.ReverseBytes64(a.Value), bits.ReverseBytes64(a.Mask)}
}

// next is the smallest possible value above z, or the largest one if there is none.
func (a Tnum) next(z uint64) uint64 {
	if z >= a.Value|a.Mask {
		return a.Value | a.Mask
	}
	if z < a.Value {
		return a.Value
	}
	// Count up inside the mask: ones between the mask's bits, and below the
	// highest bit of the distance that lies outside it, carry the increment.
	d := z - a.Value
	carry := uint64(1)<<bits.Len64(d&^a.Mask) - 1
	return a.Value | ((d|carry|^a.Mask)+1)&a.Mask
}

func (a Tnum) String() string { return fmt.Sprintf("(%#x; %#x)", a.Value, a.Mask) }
