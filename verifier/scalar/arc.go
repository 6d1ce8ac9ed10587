// SPDX-License-Identifier: Apache-2.0

package scalar

// An Arc is a range of machine words on the circle of all words of a width:
// Base and the Size words after it, wrapping past the largest to 0. One arc
// says what an unsigned and a signed interval say together, because both are
// cuts of the same circle: unsigned order begins at 0, signed order half way
// round. Linux tracks ranges so since 7.2; older kernels keep the two
// intervals apart, which is nearly always the same knowledge.
type Arc[T word] struct {
	Base, Size T
}

type word interface {
	~uint8 | ~uint16 | ~uint32 | ~uint64
}

func full[T word]() Arc[T]  { return Arc[T]{0, ^T(0)} }
func empty[T word]() Arc[T] { return Arc[T]{^T(0), ^T(0)} }

func signBit[T word]() T { return ^(^T(0) >> 1) }

// slt is signed less-than on words.
func slt[T word](a, b T) bool { s := signBit[T](); return a^s < b^s }

func smin[T word](a, b T) T {
	if slt(a, b) {
		return a
	}
	return b
}

func smax[T word](a, b T) T {
	if slt(a, b) {
		return b
	}
	return a
}

// urange is [lo, hi] in unsigned order.
func urange[T word](lo, hi T) Arc[T] { return Arc[T]{lo, hi - lo} }

// srange is [lo, hi] in signed order.
func srange[T word](lo, hi T) Arc[T] {
	if hi-lo == ^T(0) {
		return full[T]()
	}
	return Arc[T]{lo, hi - lo}
}

func (a Arc[T]) isEmpty() bool { return a == empty[T]() }
func (a Arc[T]) isConst() bool { return a.Size == 0 }

// wraps reports whether the arc passes from the largest word to 0.
func (a Arc[T]) wraps() bool { return a.Size > ^T(0)-a.Base }

// swraps reports whether the arc passes from the largest to the smallest signed word.
func (a Arc[T]) swraps() bool {
	s := signBit[T]()
	return s-1-a.Base < a.Size // distance from Base to max signed leaves room for one more
}

func (a Arc[T]) umin() T {
	if a.wraps() {
		return 0
	}
	return a.Base
}

func (a Arc[T]) umax() T {
	if a.wraps() {
		return ^T(0)
	}
	return a.Base + a.Size
}

func (a Arc[T]) smin() T {
	if a.swraps() {
		return signBit[T]()
	}
	return a.Base
}

func (a Arc[T]) smax() T {
	if a.swraps() {
		return signBit[T]() - 1
	}
	return a.Base + a.Size
}

func (a Arc[T]) has(v T) bool { return !a.isEmpty() && v-a.Base <= a.Size }

// intersect is the common part of two arcs; where that would be two arcs, the
// smaller operand stands for it.
func (a Arc[T]) intersect(b Arc[T]) Arc[T] {
	if a.isEmpty() || b.isEmpty() {
		return empty[T]()
	}
	if a.Base > b.Base {
		a, b = b, a
	}
	d := b.Base - a.Base // b begins d words after a
	if b.Size > ^T(0)-d {
		// b runs past a's beginning.
		tail := d + b.Size // last word of that run, counted from a.Base
		if d <= a.Size {
			if a.Size <= b.Size {
				return a
			}
			return b
		}
		return Arc[T]{a.Base, min(a.Size, tail)}
	}
	if d <= a.Size {
		return Arc[T]{b.Base, min(a.Size-d, b.Size)}
	}
	return empty[T]()
}

// hull is the smallest arc that holds both.
func (a Arc[T]) hull(b Arc[T]) Arc[T] {
	switch {
	case a.isEmpty() || b.holds(a):
		return b
	case b.isEmpty() || a.holds(b):
		return a
	}
	ab, ba := b.Base+b.Size-a.Base, a.Base+a.Size-b.Base // from a's start to b's end, and the other way round
	abOK, baOK := a.Size <= ab && b.Base-a.Base <= ab, b.Size <= ba && a.Base-b.Base <= ba
	switch {
	case abOK && (!baOK || ab <= ba):
		return Arc[T]{a.Base, ab}.norm()
	case baOK:
		return Arc[T]{b.Base, ba}.norm()
	}
	return full[T]()
}

// holds reports whether b is part of a.
func (a Arc[T]) holds(b Arc[T]) bool {
	if b.isEmpty() {
		return true
	}
	if a.isEmpty() {
		return false
	}
	d := b.Base - a.Base
	if b.Size > ^T(0)-d && a.Size < ^T(0) {
		return false
	}
	return a.Size == ^T(0) || d+b.Size <= a.Size
}

// without takes a word away if it is an end of the unsigned or signed interval.
func (a Arc[T]) without(c T) Arc[T] {
	if a.isEmpty() || a.Size == 0 {
		return a.intersect(Arc[T]{c + 1, ^T(0) - 1})
	}
	ulo, uhi, slo, shi := a.umin(), a.umax(), a.smin(), a.smax()
	if ulo == c {
		ulo++
	}
	if uhi == c {
		uhi--
	}
	if slo == c {
		slo++
	}
	if shi == c {
		shi--
	}
	return a.intersect(urange(ulo, uhi)).intersect(srange(slo, shi))
}

// norm gives the whole circle one name.
func (a Arc[T]) norm() Arc[T] {
	if a.Size == ^T(0) {
		a.Base = 0
	}
	return a
}

func (a Arc[T]) add(b Arc[T]) Arc[T] {
	if a.isEmpty() || b.isEmpty() {
		return empty[T]()
	}
	if a.Size > ^T(0)-b.Size {
		return full[T]()
	}
	return Arc[T]{a.Base + b.Base, a.Size + b.Size}.norm()
}

func (a Arc[T]) neg() Arc[T] {
	if a.isEmpty() {
		return a
	}
	return Arc[T]{-(a.Base + a.Size), a.Size}.norm()
}

// arc32 is the arc of the low halves of a 64-bit arc.
func arc32(a Arc[uint64]) Arc[uint32] {
	if a.isEmpty() {
		return empty[uint32]()
	}
	if a.Size >= lo32 {
		return full[uint32]()
	}
	return Arc[uint32]{uint32(a.Base), uint32(a.Size)}
}

// trimTo32 shortens a at both ends to words whose low half lies in b: on the
// circle turned so that a begins at 0, b repeats every 2^32 words, and the ends
// of a move to the nearest repetition.
func trimTo32(a Arc[uint64], b Arc[uint32]) Arc[uint64] {
	if a.isEmpty() || b.isEmpty() {
		return empty[uint64]()
	}
	off := b.Base - uint32(a.Base) // where b begins in the turned circle
	end := off + b.Size            // where it ends, wrapping
	last := uint32(a.Size)         // low half of a's last word
	if b.Size > ^uint32(0)-off {
		// b wraps: 0 is in b, so a's beginning stays; only the end may lie in the gap.
		if last > end && last < off {
			a.Size -= uint64(last - end)
		}
		return a
	}
	if a.Size < uint64(off) {
		return empty[uint64]()
	}
	var cut uint64
	switch {
	case last < off:
		cut = uint64(last) + 1<<32 - uint64(end)
	case last >= end:
		cut = uint64(last - end)
	}
	a.Base += uint64(off)
	a.Size -= uint64(off)
	if a.Size < cut {
		return empty[uint64]()
	}
	a.Size -= cut
	return a
}
