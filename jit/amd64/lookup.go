// SPDX-License-Identifier: Apache-2.0

package amd64

import (
	"math/bits"
)

// lookup compiles a map look-up without a call. R1 to R5 may be used, as a call
// leaves nothing in them.
func (c *compiler) lookup(i int, m *mark) {
	h := c.p.Insns[m.other].Val
	if a, ok := c.t.Inline[h]; ok {
		c.arrayLookup(i, m, &a)
		return
	}
	t := c.t.Hashes[h]
	c.hashLookup(m, &t)
}

// arrayLookup is an element's address by arithmetic, 0 when the index is too large.
func (c *compiler) arrayLookup(i int, m *mark, a *Array) {
	if m.s == keyConst {
		c.arrayConst(i, m, a)
		return
	}
	if m.s == keyInMemory {
		c.rm(0x8b, false, rax, at(rsi, 0))
	} else {
		c.mov(false, rax, c.r(m.s))
	}
	c.arithImm(grpCMP, false, rax, int32(a.Entries))
	none := -1
	if m.wide {
		c.jcc(ccAE, c.p.Insns[i+1].Target)
		c.marks[i+1].kind = markSkip
	} else {
		none = c.jccShort(ccAE)
	}
	shift := uint8(bits.TrailingZeros32(a.Stride))
	switch {
	case a.Stride&(a.Stride-1) != 0:
		c.imulImm(true, rax, rax, int32(a.Stride))
		shift = 0
	case shift > 3:
		c.shiftImm(extSHL, true, rax, shift)
		shift = 0
	}
	if a.Base <= 0x7fff_ffff {
		c.lea(true, rax, mem{noReg, rax, shift, int32(a.Base)})
	} else {
		c.movImm(tmp, a.Base)
		c.lea(true, rax, mem{tmp, rax, shift, 0})
	}
	if none >= 0 {
		done := c.jmpShort()
		c.here(none)
		c.zero(rax)
		c.here(done)
	}
}

// arrayConst is a look-up with a constant index: a constant address.
func (c *compiler) arrayConst(i int, m *mark, a *Array) {
	k := uint32(m.imm)
	if m.wide {
		c.marks[i+1].kind = markSkip
	}
	switch {
	case k < a.Entries:
		c.movImm(rax, a.Base+uint64(k)*uint64(a.Stride))
	case m.wide:
		c.jmp(c.p.Insns[i+1].Target)
	default:
		c.zero(rax)
	}
}

// hashLookup walks a bucket without a lock. A writer publishes an element with
// one store after filling it, loads of this machine are not reordered with
// each other, and a walk that was carried off to another bucket by an element's
// reuse ends at that bucket's mark and starts again.
func (c *compiler) hashLookup(m *mark, t *Hash) {
	const (
		key, word   = tmp3, tmp2 // the key if it is one word, else a word of it
		hash, elem  = rax, rdx
		bucket      = rcx
		table, from = rdi, rsi

		elemHash, elemUsed, elemKey = 8, 12, 16
	)
	words := int32(t.KeySize+7) / 8
	wide := func(k int32) bool { return uint32(8*k+8) <= t.KeySize }
	if words > 1 {
		c.movImm(tmp, t.Mul)
	}
	for k := range words {
		switch m.s {
		case keyInMemory:
			c.rm(0x8b, wide(k), key, at(from, 8*k))
		case keyConst:
			v := uint64(int64(m.imm)) // as the store extended it
			if !wide(k) {
				v = uint64(uint32(m.imm))
			}
			c.movImm(key, v)
		default:
			c.mov(wide(k), key, c.r(m.s))
		}
		if k == 0 {
			c.movImm(hash, t.Seed) // not before: the key may have been in rax
		}
		c.arith(grpXOR, true, hash, key)
		if words > 1 {
			c.ext(0xf7, true, 4, tmp) // mul: rdx:rax = rax * tmp
		} else {
			c.movImm(rdx, t.Mul)
			c.ext(0xf7, true, 4, rdx)
		}
		c.arith(grpXOR, k+1 < words, hash, rdx)
	}
	c.mov(false, bucket, hash)
	c.arithImm(grpAND, false, bucket, int32(t.Mask))
	c.movImm(table, t.Buckets)
	again := c.pos()
	c.rm(0x8b, true, elem, mem{table, bucket, 3, 0})
	c.test(true, elem, elem)
	empty := c.jccShort(ccE)
	walk := c.pos()
	c.ext8(0xf6, 0, elem) // test dl, 1: an end mark
	c.bytes(1)
	end := c.jccShort(ccNE)
	var others [8]int
	n := 0
	differs := func() {
		others[n] = c.jccShort(ccNE)
		n++
	}
	c.rm(0x39, false, hash, at(elem, elemHash))
	differs()
	found := 0
	for k := range words {
		r := key
		if words > 1 {
			r = word
			c.rm(0x8b, wide(k), word, at(from, 8*k))
		}
		c.rm(0x39, wide(k), r, at(elem, elemKey+8*k))
		if k+1 < words {
			differs()
		}
	}
	found = c.jccShort(ccE)
	for _, o := range others[:n] {
		c.here(o)
	}
	c.rm(0x8b, true, elem, at(elem, 0))
	c.bytes(0xeb, byte(walk-c.pos()-2))
	c.here(end)
	c.shiftImm(extSHR, true, elem, 1)
	c.arith(grpCMP, false, elem, bucket)
	c.bytes(0x70|ccNE, byte(again-c.pos()-2))
	c.here(empty)
	c.zero(rax)
	done := c.jmpShort()
	c.here(found)
	if t.LRU {
		c.arithMemImm(grpCMP, false, at(elem, elemUsed), 0)
		used := c.jccShort(ccNE)
		c.rm(0xc7, false, 0, at(elem, elemUsed))
		c.imm32(1)
		c.here(used)
	}
	c.lea(true, rax, at(elem, int32(t.Value)))
	c.here(done)
}
