// SPDX-License-Identifier: Apache-2.0

package btf

import (
	"bytes"
	"encoding/binary"
	"errors"
	"iter"
	"slices"
)

// Names are found in two ways. The first few look-ups in a large blob search
// the string section for the name and then the types for its offset: inserting
// a driver asks for fewer than ten names, and hashing all of a vmlinux would take
// longer than the whole insertion. After that, and for small blobs, there is an
// index: it is an open-addressed table of type ids: slot = hash of the
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
	s.indexed.Store(true)
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
	s.indexOnce.Do(func() {
		s.index = tab
		s.indexed.Store(true)
	})
	return nil
}

const (
	fewLookups = 24   // distinct names that are searched for before an index is built
	smallBlob  = 4096 // types; below, the index costs nothing
)

// search finds the ids of a name without the index; ok is false when the index
// is there, or had better be built.
func (s *Spec) search(name string) (ids []ID, ok bool) {
	if len(s.offs) < smallBlob || s.indexed.Load() || name == "" {
		return nil, false
	}
	s.searchMu.Lock()
	defer s.searchMu.Unlock()
	if ids, ok := s.searched[name]; ok {
		return ids, true
	}
	if len(s.searched) >= fewLookups {
		return nil, false
	}
	// A name can be in the section more than once, and a split blob's types may
	// use their base's strings.
	want := append(append([]byte{0}, name...), 0)
	for b := s; b != nil; b = b.base {
		at := 0
		if len(b.strs) > len(name) && string(b.strs[:len(name)]) == name && b.strs[len(name)] == 0 {
			ids = s.withName(b.firstStr, ids)
		}
		for {
			i := bytes.Index(b.strs[at:], want)
			if i < 0 {
				break
			}
			at += i + 1
			ids = s.withName(b.firstStr+uint32(at), ids)
		}
	}
	slices.Sort(ids)
	if s.searched == nil {
		s.searched = map[string][]ID{}
	}
	s.searched[name] = ids
	return ids, true
}

// withName appends the types whose name begins at an offset.
func (s *Spec) withName(off uint32, ids []ID) []ID {
	for i, o := range s.offs {
		if s.u32(int(o)) == off {
			switch Kind(s.u32(int(o)+4) >> 24 & 0x1f) {
			case KindDeclTag, KindTypeTag, KindPtr:
			default:
				ids = append(ids, s.first+ID(i))
			}
		}
	}
	return ids
}

// Named yields the ids of this blob and its bases that carry a name, this
// blob's first; within a blob in rising order of their place in the table.
func (s *Spec) Named(name string) iter.Seq[ID] {
	return func(yield func(ID) bool) {
		for b := s; b != nil; b = b.base {
			if ids, ok := b.search(name); ok {
				for _, id := range ids {
					if !yield(id) {
						return
					}
				}
				continue
			}
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
