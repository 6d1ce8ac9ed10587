// SPDX-License-Identifier: Apache-2.0

package xz

// The LZMA decoder: a range coder whose probabilities adapt, feeding literals
// and (distance, length) matches. Names and numbers follow Igor Pavlov's LZMA
// specification (7-Zip's SDK, lzma-specification).

const (
	numStates   = 12
	numPosBits  = 4
	probInit    = 1 << 10
	matchMinLen = 2
	endPosModel = 14
	numAlign    = 4
)

// rangeCoder reads bits from one LZMA2 chunk, all of which is in memory. Past
// its end it reads zeros and counts on: the caller compares pos at the end.
type rangeCoder struct {
	in        []byte
	pos       int
	rng, code uint32
}

func (r *rangeCoder) init(in []byte) bool {
	if len(in) < 5 || in[0] != 0 {
		return false
	}
	r.in, r.pos, r.rng = in, 5, 0xffffffff
	r.code = uint32(in[1])<<24 | uint32(in[2])<<16 | uint32(in[3])<<8 | uint32(in[4])
	return true
}

func (r *rangeCoder) normalize() {
	if r.rng < 1<<24 {
		r.rng <<= 8
		r.code <<= 8
		if r.pos < len(r.in) {
			r.code |= uint32(r.in[r.pos])
		}
		r.pos++
	}
}

func (r *rangeCoder) bit(p *uint16) uint32 {
	r.normalize()
	v := uint32(*p)
	bound := (r.rng >> 11) * v
	if r.code < bound {
		r.rng = bound
		*p = uint16(v + (1<<11-v)>>5)
		return 0
	}
	r.rng -= bound
	r.code -= bound
	*p = uint16(v - v>>5)
	return 1
}

// direct reads n bits of equal probability.
func (r *rangeCoder) direct(n uint32) uint32 {
	var v uint32
	for ; n > 0; n-- {
		r.normalize()
		r.rng >>= 1
		r.code -= r.rng
		t := 0 - r.code>>31
		r.code += r.rng & t
		v = v<<1 + t + 1
	}
	return v
}

// tree reads a number of n bits, the highest first.
func (r *rangeCoder) tree(p []uint16, n uint) uint32 {
	m := uint32(1)
	for range n {
		m = m<<1 | r.bit(&p[m])
	}
	return m - 1<<n
}

// reverse reads a number of n bits, the lowest first.
func (r *rangeCoder) reverse(p []uint16, n uint32) uint32 {
	m, v := uint32(1), uint32(0)
	for i := range n {
		b := r.bit(&p[m])
		m = m<<1 | b
		v |= b << i
	}
	return v
}

type lenCoder struct {
	choice, choice2 uint16
	low, mid        [1 << numPosBits][8]uint16
	high            [256]uint16
}

func (l *lenCoder) reset() {
	l.choice, l.choice2 = probInit, probInit
	for i := range l.low {
		fill(l.low[i][:])
		fill(l.mid[i][:])
	}
	fill(l.high[:])
}

func (l *lenCoder) decode(r *rangeCoder, posState uint32) uint32 {
	if r.bit(&l.choice) == 0 {
		return r.tree(l.low[posState][:], 3)
	}
	if r.bit(&l.choice2) == 0 {
		return 8 + r.tree(l.mid[posState][:], 3)
	}
	return 16 + r.tree(l.high[:], 8)
}

func fill(p []uint16) {
	for i := range p {
		p[i] = probInit
	}
}

// lzma is the state that lasts from chunk to chunk.
type lzma struct {
	lc, lp, pb uint
	state      uint32
	rep        [4]uint32

	isMatch, isRep0Long           [numStates][1 << numPosBits]uint16
	isRep, isRep0, isRep1, isRep2 [numStates]uint16
	posSlot                       [4][64]uint16
	posSpecial                    [1 << (endPosModel / 2)]uint16
	align                         [1 << numAlign]uint16
	matchLen, repLen              lenCoder
	literal                       []uint16
}

// setProps takes the byte that holds lc, lp and pb.
func (l *lzma) setProps(b byte) bool {
	if b >= 9*5*5 {
		return false
	}
	l.lc, l.lp, l.pb = uint(b%9), uint(b/9%5), uint(b/45)
	if l.lc+l.lp > 4 { // LZMA2's limit
		return false
	}
	if n := 0x300 << (l.lc + l.lp); len(l.literal) != n {
		l.literal = make([]uint16, n)
	}
	return true
}

func (l *lzma) reset() {
	l.state, l.rep = 0, [4]uint32{}
	for i := range numStates {
		fill(l.isMatch[i][:])
		fill(l.isRep0Long[i][:])
	}
	for _, p := range [][]uint16{l.isRep[:], l.isRep0[:], l.isRep1[:], l.isRep2[:], l.posSpecial[:], l.align[:], l.literal} {
		fill(p)
	}
	for i := range l.posSlot {
		fill(l.posSlot[i][:])
	}
	l.matchLen.reset()
	l.repLen.reset()
}

// decode appends exactly want bytes to w, which begins its dictionary at base.
// It reports false when the data is corrupt.
func (l *lzma) decode(r *rangeCoder, w *window, want int) bool {
	buf, n := w.buf, w.end
	limit := n + want
	pbMask, lpMask := uint32(1)<<l.pb-1, uint32(1)<<l.lp-1
	total := w.total
	for n < limit {
		posState := uint32(total) & pbMask
		if r.bit(&l.isMatch[l.state][posState]) == 0 {
			prev := byte(0)
			if total > 0 {
				prev = buf[n-1]
			}
			lit := l.literal[0x300*(((uint32(total)&lpMask)<<l.lc)+uint32(prev)>>(8-l.lc)):][:0x300]
			sym := uint32(1)
			if l.state >= 7 {
				d := int(l.rep[0]) + 1
				if d > n-w.start {
					return false
				}
				match := uint32(buf[n-d])
				for sym < 0x100 {
					mb := match >> 7 & 1
					match <<= 1
					b := r.bit(&lit[(1+mb)<<8+sym])
					sym = sym<<1 | b
					if mb != b {
						break
					}
				}
			}
			sym = r.literal(lit, sym)
			buf[n] = byte(sym)
			n++
			total++
			switch {
			case l.state < 4:
				l.state = 0
			case l.state < 10:
				l.state -= 3
			default:
				l.state -= 6
			}
			continue
		}
		var length uint32
		if r.bit(&l.isRep[l.state]) == 0 {
			l.rep[3], l.rep[2], l.rep[1] = l.rep[2], l.rep[1], l.rep[0]
			length = l.matchLen.decode(r, posState)
			l.state = pick(l.state < 7, 7, 10)
			l.rep[0] = l.distance(r, length)
		} else {
			if r.bit(&l.isRep0[l.state]) == 0 {
				if r.bit(&l.isRep0Long[l.state][posState]) == 0 {
					l.state = pick(l.state < 7, 9, 11)
					d := int(l.rep[0]) + 1
					if d > n-w.start {
						return false
					}
					buf[n] = buf[n-d]
					n++
					total++
					continue
				}
			} else {
				d := l.rep[1]
				if r.bit(&l.isRep1[l.state]) != 0 {
					d = l.rep[2]
					if r.bit(&l.isRep2[l.state]) != 0 {
						d, l.rep[3] = l.rep[3], l.rep[2]
					}
					l.rep[2] = l.rep[1]
				}
				l.rep[1], l.rep[0] = l.rep[0], d
			}
			length = l.repLen.decode(r, posState)
			l.state = pick(l.state < 7, 8, 11)
		}
		size := int(length) + matchMinLen
		d := int(l.rep[0]) + 1
		if d > n-w.start || size > limit-n {
			return false
		}
		if d >= size {
			copy(buf[n:n+size], buf[n-d:])
		} else {
			for i := n; i < n+size; i++ {
				buf[i] = buf[i-d]
			}
		}
		n += size
		total += uint64(size)
	}
	r.normalize()
	w.end, w.total = n, total
	return r.pos == len(r.in) && r.code == 0
}

// literal reads the rest of a literal whose first bits are in sym. It is bit()
// unrolled by hand: half of all time is spent here.
func (r *rangeCoder) literal(p []uint16, sym uint32) uint32 {
	rng, code, pos, in := r.rng, r.code, r.pos, r.in
	_ = p[0x2ff]
	for sym < 0x100 {
		if rng < 1<<24 {
			rng <<= 8
			code <<= 8
			if pos < len(in) {
				code |= uint32(in[pos])
			}
			pos++
		}
		v := uint32(p[sym])
		bound := (rng >> 11) * v
		if code < bound {
			rng = bound
			p[sym] = uint16(v + (1<<11-v)>>5)
			sym <<= 1
		} else {
			rng -= bound
			code -= bound
			p[sym] = uint16(v - v>>5)
			sym = sym<<1 | 1
		}
	}
	r.rng, r.code, r.pos = rng, code, pos
	return sym
}

func pick(c bool, a, b uint32) uint32 {
	if c {
		return a
	}
	return b
}

// distance reads a match's distance, less one.
func (l *lzma) distance(r *rangeCoder, length uint32) uint32 {
	slot := r.tree(l.posSlot[min(length, 3)][:], 6)
	if slot < 4 {
		return slot
	}
	n := slot>>1 - 1
	d := (2 | slot&1) << n
	if slot < endPosModel {
		// The models of all slots lie behind one another; index 0 is not used.
		return d + r.reverse(l.posSpecial[d-slot:], n)
	}
	d += r.direct(n-numAlign) << numAlign
	return d + r.reverse(l.align[:], numAlign)
}
