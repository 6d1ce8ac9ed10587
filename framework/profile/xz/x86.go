// SPDX-License-Identifier: Apache-2.0

package xz

import "encoding/binary"

// x86 undoes the branch filter: the packer turned the relative targets of call
// and jmp into absolute ones, which repeat more often. Which ones it turned is
// decided by the bytes around, exactly as the packer decided it.
type x86 struct {
	buf      []byte // filtered bytes, then up to four pending ones
	done     int    // buf[:done] is filtered
	seen     int    // buf[:seen] was handed to the check
	pos      uint32 // offset in the block of buf[0]
	prevMask uint32
	prevPos  uint32
	started  bool
}

func (x *x86) feed(b []byte) {
	x.buf = append(x.buf, b...)
	x.filter()
}

// finish releases the last bytes: too few for a branch.
func (x *x86) finish() { x.done = len(x.buf) }

func (x *x86) fresh() []byte {
	f := x.buf[x.seen:x.done]
	x.seen = x.done
	return f
}

func (x *x86) take(b []byte) {
	copy(b, x.buf[:len(b)])
	x.buf = x.buf[len(b):]
	x.done -= len(b)
	x.seen -= len(b)
	x.pos += uint32(len(b))
}

func msByte(b byte) bool { return b == 0 || b == 0xff }

var (
	maskAllowed = [8]bool{true, true, true, false, true, false, false, false}
	maskBit     = [8]uint32{0, 1, 2, 2, 3, 3, 3, 3}
)

func (x *x86) filter() {
	if !x.started {
		x.prevPos = ^uint32(4) // -5
		x.started = true
	}
	i := x.done
	for ; i+5 <= len(x.buf); i++ {
		if x.buf[i]&0xfe != 0xe8 {
			continue
		}
		at := x.pos + uint32(i)
		off := at - x.prevPos
		x.prevPos = at
		if off > 5 {
			x.prevMask = 0
		} else {
			for range off {
				x.prevMask = x.prevMask & 0x77 << 1
			}
		}
		b := x.buf[i+4]
		if !msByte(b) || !maskAllowed[x.prevMask>>1&7] || x.prevMask>>1 >= 0x10 {
			x.prevMask |= 1
			if msByte(b) {
				x.prevMask |= 0x10
			}
			continue
		}
		src := binary.LittleEndian.Uint32(x.buf[i+1:])
		var dest uint32
		for {
			dest = src - (at + 5)
			if x.prevMask == 0 {
				break
			}
			j := maskBit[x.prevMask>>1&7]
			if !msByte(byte(dest >> (24 - j*8))) {
				break
			}
			src = dest ^ (1<<(32-j*8) - 1)
		}
		dest &= 0x01ffffff
		dest |= 0 - dest&0x01000000
		binary.LittleEndian.PutUint32(x.buf[i+1:], dest)
		i += 4
		x.prevMask = 0
	}
	x.done = i
}
