// SPDX-License-Identifier: Apache-2.0

package btf

import (
	"encoding/binary"
	"errors"
	"iter"
)

// The name index is an open-addressed table of type ids: slot = hash of the
// name, linear probing, 0 is empty. It is built on the first look-up, or taken
// ready made from a profile (SetIndex), because hashing all names of a vmlinux
// takes longer than a whole check is allowed to.

var errIndex = errors.New("BTF name index does not fit the blob")

func hashName(b []byte) uint32 {
	h := uint32(2166136261)
	for _, c := range b {
		h = (h ^ uint32(c)) * 16777619
	}
	return h ^ h>>15
}

func (s *Spec) nameBytes(off uint32) []byte {
	b := s
	for b.base != nil && off < b.firstStr {
		b = b.base
	}
	off -= b.firstStr
	if uint64(off) >= uint64(len(b.strs)) {
		return nil
	}
	r := b.strs[off:]
	for i, c := range r {
		if c == 0 {
			return r[:i]
		}
	}
	return nil
}

func (s *Spec) buildIndex() {
	n := 16
	for n < 2*len(s.offs) {
		n *= 2
	}
	tab := make([]uint32, n)
	mask := uint32(n - 1)
	for i, o := range s.offs {
		k := Kind(s.u32(int(o)+4) >> 24 & 0x1f)
		if k == KindDeclTag || k == KindTypeTag || k == KindPtr {
			continue
		}
		off := s.u32(int(o))
		if off == 0 {
			continue
		}
		name := s.nameBytes(off)
		if len(name) == 0 {
			continue
		}
		h := hashName(name) & mask
		for tab[h] != 0 {
			h = (h + 1) & mask
		}
		tab[h] = uint32(s.first) + uint32(i)
	}
	s.index = tab
}

// Index returns the name index as bytes, to be stored beside the blob.
func (s *Spec) Index() []byte {
	s.indexOnce.Do(s.buildIndex)
	out := make([]byte, 4*len(s.index))
	for i, v := range s.index {
		binary.LittleEndian.PutUint32(out[4*i:], v)
	}
	return out
}

// SetIndex takes an index made by Index of the same blob; to be called before
// the Spec is shared. An index that cannot belong to the blob is refused.
func (s *Spec) SetIndex(raw []byte) error {
	n := len(raw) / 4
	if n < 16 || n&(n-1) != 0 || len(raw)%4 != 0 || n < len(s.offs) {
		return errIndex
	}
	tab := make([]uint32, n)
	empty := false
	for i := range tab {
		v := binary.LittleEndian.Uint32(raw[4*i:])
		if v != 0 && (v < uint32(s.first) || v >= uint32(s.NumTypes())) {
			return errIndex
		}
		empty = empty || v == 0
		tab[i] = v
	}
	if !empty {
		return errIndex
	}
	s.indexOnce.Do(func() { s.index = tab })
	return nil
}

// Named yields the ids of this blob and its bases that carry a name, this
// blob's first; within a blob in rising order of their place in the table.
func (s *Spec) Named(name string) iter.Seq[ID] {
	return func(yield func(ID) bool) {
		for b := s; b != nil; b = b.base {
			b.indexOnce.Do(b.buildIndex)
			mask := uint32(len(b.index) - 1)
			for h := hashName([]byte(name)) & mask; b.index[h] != 0; h = (h + 1) & mask {
				id := ID(b.index[h])
				if b.Name(id) == name && !yield(id) {
					return
				}
			}
		}
	}
}

// Find is the first type of a name that is of one of the kinds (of any kind
// but a forward declaration when none is given).
func (s *Spec) Find(name string, kinds ...Kind) (ID, bool) {
	for id := range s.Named(name) {
		k := s.Kind(id)
		if len(kinds) == 0 && k != KindFwd {
			return id, true
		}
		for _, want := range kinds {
			if k == want {
				return id, true
			}
		}
	}
	return 0, false
}

// All yields every id that this blob itself defines.
func (s *Spec) All() iter.Seq[ID] {
	return func(yield func(ID) bool) {
		for i := range s.offs {
			if !yield(s.first + ID(i)) {
				return
			}
		}
	}
}
