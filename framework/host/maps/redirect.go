// SPDX-License-Identifier: Apache-2.0

package maps

import (
	"iter"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/jit"
)

// targets are the maps bpf_redirect_map takes: devmap, devmap_hash, cpumap,
// xskmap. They hold what user space stored (an interface index, a queue size, a
// socket's number in the model), and the packet model asks for it; an element
// of zero is no target.
type targets struct{ Map }

// Target is implemented by maps a packet can be redirected through.
type Target interface {
	// Target is the first 32 bits of the value at a key; false if there is none.
	Target(key uint32) (uint32, bool)
	// Keys yields the keys that may have a target.
	Keys() iter.Seq[uint32]
	RedirectKind() bpf.MapType
}

func newTargets(hashed bool) func(*base) (Map, error) {
	return func(b *base) (Map, error) {
		if b.spec.KeySize != 4 || b.spec.ValueSize != 4 && b.spec.ValueSize != 8 {
			return nil, EINVAL
		}
		mk := newArray
		if hashed {
			mk = newHash
		}
		m, err := mk(b)
		return targets{m}, err
	}
}

// Info has no values: programs may read an element but not its neighbours.
func (t targets) Info() jit.MapInfo { return jit.MapInfo{Handle: t.Handle()} }

func (t targets) RedirectKind() bpf.MapType { return t.Spec().Type }

// Delete of an index empties the element.
func (t targets) Delete(key []byte) error {
	if _, ok := t.Map.(*array); !ok {
		return t.Map.Delete(key)
	}
	if len(key) != 4 || u32(key) >= t.Spec().MaxEntries {
		return &OpError{"delete from", t.Spec().Name, EINVAL}
	}
	return t.Map.Update(key, make([]byte, t.Spec().ValueSize), Any)
}

func (t targets) Lookup(key, value []byte, flags uint64) error {
	if err := t.Map.Lookup(key, value, flags); err != nil {
		return err
	}
	if u32(value) == 0 {
		return &OpError{"look up in", t.Spec().Name, ENOENT}
	}
	return nil
}

func (t targets) Target(key uint32) (uint32, bool) {
	var k, v [8]byte
	putU32(k[:], key)
	if t.Map.Lookup(k[:4], v[:t.Spec().ValueSize], 0) != nil {
		return 0, false
	}
	x := u32(v[:])
	return x, x != 0
}

func (t targets) Keys() iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		var key []byte
		next := make([]byte, 4)
		for t.Map.NextKey(key, next) == nil {
			if !yield(u32(next)) {
				return
			}
			key = append(key[:0], next...)
		}
	}
}
