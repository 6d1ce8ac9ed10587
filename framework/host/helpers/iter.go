// SPDX-License-Identifier: Apache-2.0

package helpers

import (
	"math/bits"

	"github.com/modbpf/modbpf/framework/host/maps"
	"github.com/modbpf/modbpf/framework/host/mem"
	"github.com/modbpf/modbpf/jit"
)

var iterKfuncs = []Kfunc{
	{"bpf_iter_num_new", iterNumNew},
	{"bpf_iter_num_next", iterNumNext},
	{"bpf_iter_num_destroy", iterNumDestroy},
	{"bpf_iter_bits_new", iterBitsNew},
	{"bpf_iter_bits_next", iterBitsNext},
	{"bpf_iter_bits_destroy", iterBitsDestroy},
}

// A number iterator is {current, end}, 32 bits each; next answers its address.
func iterNumNew(_ *jit.Frame, it, start, end, _, _ uint64) uint64 {
	cur, last := (*int32)(mem.Ptr(uintptr(it))), (*int32)(mem.Ptr(uintptr(it)+4))
	s, e := int32(start), int32(end)
	*cur, *last = 0, 0
	switch {
	case s > e:
		return maps.EINVAL.R0()
	case int64(e)-int64(s) > maxLoops:
		return maps.E2BIG.R0()
	}
	*cur, *last = s-1, e
	return 0
}

func iterNumNext(_ *jit.Frame, it, _, _, _, _ uint64) uint64 {
	cur, last := (*int32)(mem.Ptr(uintptr(it))), (*int32)(mem.Ptr(uintptr(it)+4))
	if int64(*cur)+1 >= int64(*last) {
		*cur, *last = 0, 0
		return 0
	}
	*cur++
	return it
}

func iterNumDestroy(_ *jit.Frame, it, _, _, _, _ uint64) uint64 {
	*mem.U64(uintptr(it)) = 0
	return 0
}

// A bit iterator is {bits or their address (64 bits), number of bits, current bit}.
const (
	bitsN   = 8
	bitsCur = 12

	maxBitWords = 511
)

func iterBitsNew(f *jit.Frame, it, src, n, _, _ uint64) uint64 {
	p := uintptr(it)
	words := int(uint32(n))
	*mem.U64(p), *mem.U32(p + bitsN), *mem.U32(p + bitsCur) = 0, 0, ^uint32(0)
	switch {
	case src == 0 || words == 0:
		return maps.EINVAL.R0()
	case words > maxBitWords:
		return maps.E2BIG.R0()
	case words == 1:
		var b [8]byte
		if probeRead(b[:], uintptr(src)) != nil {
			return maps.EFAULT.R0()
		}
		copy(mem.Bytes(p, 8), b[:])
	default:
		a := run(f).World.Mem
		q, err := a.Alloc(8 * words)
		if err != nil {
			return maps.ENOMEM.R0()
		}
		if probeRead(mem.Bytes(q, 8*words), uintptr(src)) != nil {
			a.Free(q, 8*words)
			return maps.EFAULT.R0()
		}
		*mem.U64(p) = uint64(q)
	}
	*mem.U32(p + bitsN) = uint32(words) * 64
	return 0
}

func iterBitsNext(_ *jit.Frame, it, _, _, _, _ uint64) uint64 {
	p := uintptr(it)
	n, cur := *mem.U32(p + bitsN), mem.U32(p+bitsCur)
	word := func(i uint32) uint64 {
		if n == 64 {
			return *mem.U64(p)
		}
		return *mem.U64(uintptr(*mem.U64(p)) + uintptr(8*i))
	}
	for i := *cur + 1; i < n; {
		if w := word(i/64) >> (i % 64); w != 0 {
			*cur = i + uint32(bits.TrailingZeros64(w))
			return uint64(p + bitsCur)
		}
		i = (i/64 + 1) * 64
	}
	if n != 0 {
		*cur = n
	}
	return 0
}

func iterBitsDestroy(f *jit.Frame, it, _, _, _, _ uint64) uint64 {
	p := uintptr(it)
	if n := int(*mem.U32(p + bitsN)); n > 64 {
		run(f).World.Mem.Free(uintptr(*mem.U64(p)), n/8)
		*mem.U32(p + bitsN) = 0
	}
	return 0
}
