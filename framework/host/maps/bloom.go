// SPDX-License-Identifier: Apache-2.0

package maps

import (
	"math/bits"
	"math/rand/v2"
	"sync/atomic"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/framework/host/mem"
)

// bloom is BPF_MAP_TYPE_BLOOM_FILTER: values are pushed and asked for; a value
// that was pushed is always found, another one seldom.
type bloom struct {
	*base
	words  uintptr
	mask   uint32
	hashes int
	seed   uint64
}

func newBloom(b *base) (Map, error) {
	s := b.spec
	f := &bloom{base: b, hashes: int(s.Extra & 15)}
	if s.Extra&^15 != 0 {
		return nil, EINVAL
	}
	if f.hashes == 0 {
		f.hashes = 5
	}
	// As many bits as the kernel takes: entries * hashes / ln 2, a power of two.
	n := uint64(s.MaxEntries) * uint64(f.hashes) / 5 * 7
	f.mask = 1<<31 - 1
	if n < 1<<31 {
		f.mask = uint32(1)<<bits.Len32(uint32(max(n, 64))-1) - 1
	}
	if s.Flags&bpf.MapZeroSeed == 0 {
		f.seed = rand.Uint64()
	}
	p, err := b.mem.Map(int(f.mask/8) + 8)
	if err != nil {
		return nil, err
	}
	f.words = p
	return f, nil
}

// each calls fn with the word and bit of every hash of a value until it answers false.
func (f *bloom) each(v []byte, fn func(w *uint64, bit uint64) bool) bool {
	h := f.seed
	for i := 0; i < len(v); i += 8 {
		var w uint64
		for j, c := range v[i:min(i+8, len(v))] {
			w |= uint64(c) << (8 * j)
		}
		h = fold(h ^ w)
	}
	for i := range f.hashes {
		k := uint32(fold(h+uint64(i)*hashMul)) & f.mask
		if !fn(mem.U64(f.words+uintptr(k/64)*8), 1<<(k%64)) {
			return false
		}
	}
	return true
}

func (f *bloom) push(v []byte, flags uint64) Errno {
	if flags != Any {
		return EINVAL
	}
	f.each(v, func(w *uint64, bit uint64) bool { atomic.OrUint64(w, bit); return true })
	return 0
}

func (f *bloom) peek(v []byte) Errno {
	if f.each(v, func(w *uint64, bit uint64) bool { return atomic.LoadUint64(w)&bit != 0 }) {
		return 0
	}
	return ENOENT
}

func (f *bloom) Push(value uintptr, flags uint64) int64 {
	return -int64(f.push(mem.Bytes(value, int(f.spec.ValueSize)), flags))
}

func (f *bloom) Peek(value uintptr) int64 {
	return -int64(f.peek(mem.Bytes(value, int(f.spec.ValueSize))))
}
func (f *bloom) Pop(uintptr) int64 { return -int64(EOPNOTSUP) }

func (f *bloom) Update(_, value []byte, flags uint64) error {
	if err := f.sizes("push to", nil, value); err != nil {
		return err
	}
	if e := f.writable(); e != 0 {
		return f.err("push to", e)
	}
	return f.err("push to", f.push(value, flags))
}

func (f *bloom) Lookup(_, value []byte, flags uint64) error {
	if err := f.sizes("ask", nil, value); err != nil {
		return err
	}
	if flags != 0 {
		return f.err("ask", EINVAL)
	}
	return f.err("ask", f.peek(value))
}

func (f *bloom) Delete([]byte) error       { return f.err("delete from", EOPNOTSUP) }
func (f *bloom) NextKey(_, _ []byte) error { return f.err("walk", EOPNOTSUP) }
