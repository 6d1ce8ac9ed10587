// SPDX-License-Identifier: Apache-2.0

package scalar

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"math/rand/v2"
	"testing"

	"github.com/modbpf/modbpf/bpf"
)

var aluOps = []uint8{
	bpf.AluADD, bpf.AluSUB, bpf.AluMUL, bpf.AluDIV, bpf.AluMOD, bpf.AluOR, bpf.AluAND, bpf.AluXOR,
	bpf.AluLSH, bpf.AluRSH, bpf.AluARSH, bpf.AluNEG,
}

var jmpOps = []uint8{
	bpf.JmpJEQ, bpf.JmpJNE, bpf.JmpJGT, bpf.JmpJGE, bpf.JmpJLT, bpf.JmpJLE, bpf.JmpJSET,
	bpf.JmpJSGT, bpf.JmpJSGE, bpf.JmpJSLT, bpf.JmpJSLE,
}

// concrete is RFC 9669's meaning of an ALU instruction; false where the verifier forbids it.
func concrete(op uint8, off int16, is32 bool, a, b uint64) (uint64, bool) {
	if is32 {
		x, y := uint32(a), uint32(b)
		var z uint32
		switch op {
		case bpf.AluADD:
			z = x + y
		case bpf.AluSUB:
			z = x - y
		case bpf.AluMUL:
			z = x * y
		case bpf.AluDIV:
			switch {
			case y == 0:
			case off == 0:
				z = x / y
			case y == math.MaxUint32:
				z = -x
			default:
				z = uint32(int32(x) / int32(y))
			}
		case bpf.AluMOD:
			switch {
			case y == 0:
				z = x
			case off == 0:
				z = x % y
			case y == math.MaxUint32:
			default:
				z = uint32(int32(x) % int32(y))
			}
		case bpf.AluOR:
			z = x | y
		case bpf.AluAND:
			z = x & y
		case bpf.AluXOR:
			z = x ^ y
		case bpf.AluLSH:
			z = x << (y & 31)
		case bpf.AluRSH:
			z = x >> (y & 31)
		case bpf.AluARSH:
			z = uint32(int32(x) >> (y & 31))
		case bpf.AluNEG:
			z = -x
		}
		return uint64(z), true
	}
	switch op {
	case bpf.AluADD:
		return a + b, true
	case bpf.AluSUB:
		return a - b, true
	case bpf.AluMUL:
		return a * b, true
	case bpf.AluDIV:
		switch {
		case b == 0:
			return 0, true
		case off == 0:
			return a / b, true
		case b == math.MaxUint64:
			return -a, true
		}
		return uint64(int64(a) / int64(b)), true
	case bpf.AluMOD:
		switch {
		case b == 0:
			return a, true
		case off == 0:
			return a % b, true
		case b == math.MaxUint64:
			return 0, true
		}
		return uint64(int64(a) % int64(b)), true
	case bpf.AluOR:
		return a | b, true
	case bpf.AluAND:
		return a & b, true
	case bpf.AluXOR:
		return a ^ b, true
	case bpf.AluLSH:
		return a << (b & 63), true
	case bpf.AluRSH:
		return a >> (b & 63), true
	case bpf.AluARSH:
		return uint64(int64(a) >> (b & 63)), true
	case bpf.AluNEG:
		return -a, true
	}
	return 0, false
}

func holds(op uint8, is32 bool, a, b uint64) bool {
	s, t := int64(a), int64(b)
	if is32 {
		a, b = uint64(uint32(a)), uint64(uint32(b))
		s, t = int64(int32(a)), int64(int32(b))
	}
	switch op {
	case bpf.JmpJEQ:
		return a == b
	case bpf.JmpJNE:
		return a != b
	case bpf.JmpJGT:
		return a > b
	case bpf.JmpJGE:
		return a >= b
	case bpf.JmpJLT:
		return a < b
	case bpf.JmpJLE:
		return a <= b
	case bpf.JmpJSET:
		return a&b != 0
	case bpf.JmpJSGT:
		return s > t
	case bpf.JmpJSGE:
		return s >= t
	case bpf.JmpJSLT:
		return s < t
	case bpf.JmpJSLE:
		return s <= t
	}
	panic("no such jump")
}

// ruleSets are the precision of the oldest, a middle and the newest kernel.
var ruleSets = []Rules{0, MulSigned | MulUnion | WrapAdd | NegRange, Newest}

// checkPair proves soundness of everything that takes two operands, on the
// given members of each.
func checkPair(t *testing.T, r Rules, a, b Value, as, bs []uint64) {
	t.Helper()
	for _, op := range aluOps {
		for _, is32 := range []bool{false, true} {
			for off := int16(0); off <= 1; off++ {
				if off == 1 && op != bpf.AluDIV && op != bpf.AluMOD {
					continue
				}
				res := ALU(op, off, is32, a, b, r)
				for _, x := range as {
					for _, y := range bs {
						if z, ok := concrete(op, off, is32, x, y); ok && !res.Has(z) {
							t.Fatalf("rules %#x op %#x off %d is32 %v: %v (%+v), %v (%+v): %#x op %#x = %#x is not in %v (%+v)", r, op, off, is32, a, a, b, b, x, y, z, res, res)
						}
					}
				}
			}
		}
	}
	for _, op := range jmpOps {
		for _, is32 := range []bool{false, true} {
			taken, ya, yb, na, nb := Branch(op, is32, &a, &b, r)
			for _, x := range as {
				for _, y := range bs {
					yes := holds(op, is32, x, y)
					if taken >= 0 && yes != (taken == 1) {
						t.Fatalf("rules %#x jump %#x is32 %v: %v, %v: decided %d but %#x, %#x", r, op, is32, a, b, taken, x, y)
					}
					if yes && taken != 0 && !(ya.Has(x) && yb.Has(y)) || !yes && taken != 1 && !(na.Has(x) && nb.Has(y)) {
						t.Fatalf("rules %#x jump %#x is32 %v: %+v, %+v: %#x, %#x lost: taken %+v, %+v, not %+v, %+v", r, op, is32, a, b, x, y, ya, yb, na, nb)
					}
				}
			}
		}
	}
	j := a.Join(&b)
	in := a.Intersect(&b)
	for _, x := range as {
		if !j.Has(x) {
			t.Fatalf("join of %+v and %+v lost %#x: %+v", a, b, x, j)
		}
		if b.Has(x) && !in.Has(x) {
			t.Fatalf("intersection of %+v and %+v lost %#x: %+v", a, b, x, in)
		}
	}
	if a.Subsumes(&b) {
		for _, y := range bs {
			if !a.Has(y) {
				t.Fatalf("%+v subsumes %+v, but not its %#x", a, b, y)
			}
		}
	}
}

// checkOne proves soundness of what takes one operand.
func checkOne(t *testing.T, r Rules, a Value, as []uint64) {
	t.Helper()
	s := a
	s.Sync(r)
	for _, x := range as {
		want := func(what string, v Value, z uint64) {
			if !v.Has(z) {
				t.Fatalf("rules %#x %s of %+v: %#x gives %#x, not in %+v", r, what, a, x, z, v)
			}
		}
		want("sync", s, x)
		want("zext", ZExt32(a, r), uint64(uint32(x)))
		want("sext8", SExt(a, 1), uint64(int8(x)))
		want("sext16", SExt(a, 2), uint64(int16(x)))
		want("sext32", SExt(a, 4), uint64(int32(x)))
		want("w sext8", SExt32(a, 1, r), uint64(uint32(int8(x))))
		want("w sext16", SExt32(a, 2, r), uint64(uint32(int16(x))))
		want("truncate 1", Truncate(a, 1, r), uint64(uint8(x)))
		want("truncate 2", Truncate(a, 2, r), uint64(uint16(x)))
		want("truncate 4", Truncate(a, 4, r), uint64(uint32(x)))
		want("swap 16", Swap(a, 16, true, r), uint64(bits.ReverseBytes16(uint16(x))))
		want("swap 32", Swap(a, 32, true, r), uint64(bits.ReverseBytes32(uint32(x))))
		want("swap 64", Swap(a, 64, true, r), bits.ReverseBytes64(x))
		want("le 16", Swap(a, 16, false, r), uint64(uint16(x)))
	}
}

// TestExhaustiveSmall walks every signed and unsigned interval and tnum of a
// few small numbers around 0, around the signed and around the 32-bit limits,
// and every pair of their members.
func TestExhaustiveSmall(t *testing.T) {
	for _, origin := range []uint64{0, 1 << 31, 1 << 32, 1 << 63} {
		var vals []Value
		n := int64(3)
		for lo := -n; lo <= n; lo++ {
			for size := int64(0); lo+size <= n; size++ {
				v := Unknown()
				v.R64 = Arc[uint64]{origin + uint64(lo), uint64(size)}
				vals = append(vals, v)
				w := Unknown()
				w.R32 = Arc[uint32]{uint32(origin) + uint32(lo), uint32(size)}
				vals = append(vals, w)
			}
		}
		for mask := range uint64(8) {
			for v := range uint64(8) {
				if v&mask == 0 {
					b := Unknown()
					b.Bits = Tnum{origin | v, mask}
					vals = append(vals, b)
				}
			}
		}
		var words []uint64
		for d := -n - 1; d <= n+5; d++ {
			words = append(words, origin+uint64(d), uint64(uint32(origin+uint64(d))))
		}
		members := func(v Value) (in []uint64) {
			for _, w := range words {
				if v.Has(w) {
					in = append(in, w)
				}
			}
			return in
		}
		step := 1
		if testing.Short() {
			step = 7
		}
		for _, r := range ruleSets {
			for i := 0; i < len(vals); i++ {
				a := vals[i]
				a.Sync(r)
				as := members(vals[i])
				checkOne(t, r, a, as)
				for k := i % step; k < len(vals); k += step {
					b := vals[k]
					b.Sync(r)
					checkPair(t, r, a, b, as, members(vals[k]))
				}
			}
		}
	}
}

// TestArcs proves the circle's operators on every pair of 8-bit arcs of a
// sample against every word.
func TestArcs(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	set := func(a Arc[uint8]) (s [256]bool) {
		for v := range 256 {
			s[v] = a.has(uint8(v))
		}
		return s
	}
	for range 60000 {
		a := Arc[uint8]{uint8(rnd.Uint32()), uint8(rnd.Uint32())}.norm()
		b := Arc[uint8]{uint8(rnd.Uint32()), uint8(rnd.Uint32())}.norm()
		sa, sb := set(a), set(b)
		si, sh, sum, neg := set(a.intersect(b)), set(a.hull(b)), set(a.add(b)), set(a.neg())
		sub := true
		for v := range 256 {
			if sa[v] && sb[v] && !si[v] {
				t.Fatalf("intersect %v %v loses %d", a, b, v)
			}
			if (sa[v] || sb[v]) && !sh[v] {
				t.Fatalf("hull %v %v = %v loses %d", a, b, a.hull(b), v)
			}
			if sb[v] && !sa[v] {
				sub = false
			}
			if sa[v] {
				if !neg[uint8(-v)] || uint8(v) < a.umin() || uint8(v) > a.umax() ||
					slt(uint8(v), a.smin()) || slt(a.smax(), uint8(v)) {
					t.Fatalf("bounds of %v miss %d", a, v)
				}
				if w := b.Base + b.Size/2; !sum[uint8(v)+w] {
					t.Fatalf("sum %v %v misses %d+%d", a, b, v, w)
				}
			}
		}
		if sub != a.holds(b) {
			t.Fatalf("%v holds %v: got %v, want %v", a, b, a.holds(b), sub)
		}
	}
}

// interesting draws words near limits as often as any others.
func interesting(rnd *rand.Rand) uint64 {
	v := rnd.Uint64() >> (rnd.Uint32() % 64)
	switch rnd.Uint32() % 6 {
	case 0:
		return uint64(1)<<(rnd.Uint32()%64) + uint64(rnd.Int32N(5)) - 2
	case 1:
		return -v
	case 2:
		return uint64(int64(int32(v)))
	}
	return v
}

// draw makes a value that holds x.
func draw(rnd *rand.Rand, x uint64, r Rules) Value {
	v := Unknown()
	if rnd.Uint32()%3 != 0 {
		d := interesting(rnd) >> 1
		v.R64 = Arc[uint64]{x - d, 0}
		if s := interesting(rnd) >> 1; d+s >= d {
			v.R64.Size = d + s
		} else {
			v.R64 = full[uint64]()
		}
	}
	if rnd.Uint32()%3 == 0 {
		d := uint32(interesting(rnd)) >> 1
		v.R32 = Arc[uint32]{uint32(x) - d, d + uint32(interesting(rnd))>>1}
	}
	if rnd.Uint32()%2 == 0 {
		m := interesting(rnd)
		v.Bits = Tnum{x &^ m, m}
	}
	if rnd.Uint32()%8 == 0 {
		return Const(x)
	}
	v.Sync(r)
	return v
}

// near draws members of v.
func near(rnd *rand.Rand, v *Value, x uint64) []uint64 {
	in := []uint64{x}
	for _, y := range []uint64{v.UMin(), v.UMax(), uint64(v.SMin()), uint64(v.SMax()), v.Bits.Value, v.Bits.Value | v.Bits.Mask, v.Bits.Value | v.Bits.Mask&rnd.Uint64()} {
		if v.Has(y) {
			in = append(in, y)
		}
	}
	return in
}

// TestProperties checks soundness at full width on random values.
func TestProperties(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	n := 60000
	if testing.Short() {
		n = 6000
	}
	for i := range n {
		r := ruleSets[i%len(ruleSets)]
		x, y := interesting(rnd), interesting(rnd)
		if rnd.Uint32()%4 == 0 {
			y %= 64
		}
		a, b := draw(rnd, x, r), draw(rnd, y, r)
		if !a.Has(x) || !b.Has(y) {
			t.Fatalf("sync lost %#x of %+v or %#x of %+v", x, a, y, b)
		}
		as, bs := near(rnd, &a, x), near(rnd, &b, y)
		checkOne(t, r, a, as)
		checkPair(t, r, a, b, as, bs)
	}
}

// TestPrecision pins results the kernel's own tests rely on.
func TestPrecision(t *testing.T) {
	r := Newest
	div := ALU(bpf.AluDIV, 0, false, URange(10, 100), Const(10), r)
	mod := ALU(bpf.AluMOD, 0, false, Unknown(), Const(8), r)
	and := ALU(bpf.AluAND, 0, false, Unknown(), Const(0xff), r)
	shl := ALU(bpf.AluLSH, 0, false, URange(0, 7), Const(3), r)
	sub := ALU(bpf.AluSUB, 0, false, URange(5, 9), URange(1, 2), r)
	for _, c := range []struct {
		name   string
		v      Value
		lo, hi uint64
	}{
		{"div", div, 1, 10}, {"mod", mod, 0, 7}, {"and", and, 0, 255}, {"shl", shl, 0, 56}, {"sub", sub, 3, 8},
	} {
		if c.v.UMin() != c.lo || c.v.UMax() != c.hi {
			t.Errorf("%s: %v, want %d..%d", c.name, c.v, c.lo, c.hi)
		}
	}
	if shl.Bits.Mask != 56 {
		t.Errorf("shl bits %v", shl.Bits)
	}
	a, b := Unknown(), Const(7)
	if taken, ya, _, na, _ := Branch(bpf.JmpJGT, false, &a, &b, r); taken != -1 || na.UMax() != 7 || ya.UMin() != 8 {
		t.Errorf("branch: %d %v %v", taken, ya, na)
	}
	// A sign-extended 32-bit number that is known non-negative in its low half.
	v := SExt(Unknown(), 4)
	v.LimitS32(0, math.MaxInt32)
	v.Sync(r)
	if v.UMax() != math.MaxInt32 {
		t.Errorf("sign extension: %v", v)
	}
	if got := fmt.Sprint(Unknown(), Const(5), URange(1, 9), SRange(-4, 4)); got != "any number 5 1..9 signed -4..4" {
		t.Errorf("strings: %s", got)
	}
}

func FuzzSound(f *testing.F) {
	f.Add(make([]byte, 40))
	f.Fuzz(func(t *testing.T, seed []byte) {
		var s [2]uint64
		for i := range s {
			if len(seed) >= 8*i+8 {
				s[i] = binary.LittleEndian.Uint64(seed[8*i:])
			}
		}
		rnd := rand.New(rand.NewPCG(s[0], s[1]))
		r := Rules(rnd.Uint32()) & Newest
		x, y := interesting(rnd), interesting(rnd)
		a, b := draw(rnd, x, r), draw(rnd, y, r)
		if !a.Has(x) || !b.Has(y) {
			t.Fatalf("sync lost %#x of %+v or %#x of %+v", x, a, y, b)
		}
		checkOne(t, r, a, near(rnd, &a, x))
		checkPair(t, r, a, b, near(rnd, &a, x), near(rnd, &b, y))
	})
}

func BenchmarkALU(b *testing.B) {
	x, y := URange(3, 100), URange(0, 1<<20)
	for b.Loop() {
		x = ALU(bpf.AluADD, 0, false, x, y, Newest)
		x = ALU(bpf.AluAND, 0, false, x, Const(0xff), Newest)
	}
}

func BenchmarkBranch(b *testing.B) {
	x, y := URange(3, 100), Const(50)
	for b.Loop() {
		Branch(bpf.JmpJGT, false, &x, &y, Newest)
	}
}
