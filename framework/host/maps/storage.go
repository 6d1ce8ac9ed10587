// SPDX-License-Identifier: Apache-2.0

package maps

import (
	"sync"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/framework/host/mem"
)

// Storage is BPF_MAP_TYPE_{TASK,SK,INODE,CGRP}_STORAGE: a value for each kernel
// object, which goes with the object or with the map. User space of the host
// names objects by their address.
type Storage struct {
	*base
	mu    sync.RWMutex
	elems map[uintptr]uintptr
	stop  func()
}

// StorageCreate asks StorageGet to make the value if there is none.
const StorageCreate = 1

func newStorage(b *base) (Map, error) {
	s := b.spec
	if s.KeySize != 4 || s.ValueSize == 0 || s.MaxEntries != 0 || s.Flags&bpf.MapNoPrealloc == 0 {
		return nil, EINVAL
	}
	m := &Storage{base: b, elems: make(map[uintptr]uintptr)}
	m.stop = b.w.OnFree(func(obj uintptr) { m.DeleteOf(obj) })
	return m, nil
}

// Get is bpf_*_storage_get: the address of an object's value; init is the
// address of what a new one begins with, or 0.
func (s *Storage) Get(obj, init uintptr, flags uint64) uintptr {
	if obj == 0 || flags&^StorageCreate != 0 {
		return 0
	}
	s.mu.RLock()
	v := s.elems[obj]
	s.mu.RUnlock()
	if v != 0 || flags&StorageCreate == 0 {
		return v
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if v = s.elems[obj]; v != 0 {
		return v
	}
	v, err := s.mem.Alloc(int(s.spec.ValueSize))
	if err != nil {
		return 0
	}
	s.w.Objects.InitLists(s.rec, v)
	if init != 0 {
		s.rec.Copy(mem.Bytes(v, int(s.spec.ValueSize)), mem.Bytes(init, int(s.spec.ValueSize)))
	}
	s.elems[obj] = v
	return v
}

// DeleteOf is bpf_*_storage_delete.
func (s *Storage) DeleteOf(obj uintptr) Errno {
	s.mu.Lock()
	v := s.elems[obj]
	delete(s.elems, obj)
	s.mu.Unlock()
	if v == 0 {
		return ENOENT
	}
	s.w.Defer(func() {
		if s.refs.Load() > 0 {
			s.w.Objects.FreeFields(s.rec, v)
			s.mem.Free(v, int(s.spec.ValueSize))
		}
	})
	return 0
}

// Len is the number of objects that have a value.
func (s *Storage) Len() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.elems)
}

// Element finds the value an address lies in; storage has no keys to show.
func (s *Storage) Element(p uintptr) (value, key uintptr) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, v := range s.elems {
		if p >= v && p < v+uintptr(s.spec.ValueSize) {
			return v, v
		}
	}
	return 0, 0
}

func (s *Storage) destroy() {
	s.stop()
	for _, v := range s.elems {
		s.w.Objects.FreeFields(s.rec, v)
	}
}
