// SPDX-License-Identifier: Apache-2.0

package amd64

import "encoding/binary"

// layout shortens jumps that reach their target with one byte and fills in all
// offsets. Whether a jump reaches is decided on the long layout, in which every
// distance is at least as large as in the final one.
func (c *compiler) layout() {
	js := c.jumps
	// Offsets move down by what was saved before them.
	short := func(j *jump) bool {
		if j.kind == jumpCall {
			return false
		}
		d := c.slots[j.target] - j.at
		return d <= 127 && d >= -120
	}
	out := c.b[:0]
	prev, saved := int32(0), int32(0)
	saves := grow(c.saves, len(js)+1)
	c.saves = saves
	for k := range js {
		j := &js[k]
		long, n := int32(5), int32(0)
		if j.kind < 0x10 {
			long = 6
		}
		if short(j) {
			n = long - 2
		}
		saves[k] = saved // before this jump
		out = append(out, c.b[prev:j.at]...)
		if n > 0 {
			op := byte(0xeb)
			if j.kind < 0x10 {
				op = 0x70 | j.kind
			}
			out = append(out, op, 0)
		} else {
			out = append(out, c.b[j.at:j.at+long]...)
		}
		prev = j.at + long
		saved += n
	}
	saves[len(js)] = saved
	out = append(out, c.b[prev:]...)
	c.b = out

	c.move(c.slots)
	c.move(c.funcs)
	k := 0
	adjust := func(off int32) int32 { // ascending offsets only
		for k < len(js) && js[k].at < off {
			k++
		}
		return off - c.savedBefore(k)
	}
	for f := range c.faults {
		c.faults[f].Off = adjust(c.faults[f].Off)
		c.faults[f].Next = adjust(c.faults[f].Next)
	}
	k = 0
	for f := range c.fixups {
		c.fixups[f].Off = adjust(c.fixups[f].Off)
	}

	for k := range js {
		j := &js[k]
		at := j.at - saves[k]
		switch {
		case j.kind == jumpCall:
			to := c.funcs[c.p.FuncOf[j.target]]
			binary.LittleEndian.PutUint32(c.b[at+1:], uint32(to-at-5))
		case c.b[at] == 0xeb || c.b[at]&0xf0 == 0x70:
			d := c.slots[j.target] - at - 2
			if int32(int8(d)) != d {
				panic("amd64: short jump does not reach")
			}
			c.b[at+1] = byte(d)
		case j.kind == jumpAlways:
			binary.LittleEndian.PutUint32(c.b[at+1:], uint32(c.slots[j.target]-at-5))
		default:
			binary.LittleEndian.PutUint32(c.b[at+2:], uint32(c.slots[j.target]-at-6))
		}
	}
}

// savedBefore is the number of bytes saved by the first k jumps.
func (c *compiler) savedBefore(k int) int32 { return c.saves[k] }

// move adjusts ascending offsets to the shortened layout.
func (c *compiler) move(offs []int32) {
	k, n := 0, len(c.jumps)
	for i := range offs {
		for k < n && c.jumps[k].at < offs[i] {
			k++
		}
		offs[i] -= c.savedBefore(k)
	}
}
