// SPDX-License-Identifier: Apache-2.0

package maps

import (
	"sync/atomic"

	"github.com/modbpf/modbpf/framework/host/mem"
	"github.com/modbpf/modbpf/framework/host/world"
	"github.com/modbpf/modbpf/jit"
)

// Programs is implemented by maps of programs. User space of the host refers to
// programs by the executable, where the kernel's uses file descriptors.
type Programs interface {
	Program(i uint32) jit.Executable
	SetProgram(i uint32, x jit.Executable) error
}

// progArray is BPF_MAP_TYPE_PROG_ARRAY.
type progArray struct {
	*base
	progs []atomic.Pointer[jit.Executable]
}

func newProgArray(b *base) (Map, error) {
	if b.spec.ValueSize != 4 {
		return nil, EINVAL
	}
	return &progArray{base: b, progs: make([]atomic.Pointer[jit.Executable], b.spec.MaxEntries)}, nil
}

// Program is the program at an index, nil if there is none.
func (a *progArray) Program(i uint32) jit.Executable {
	if i >= uint32(len(a.progs)) {
		return nil
	}
	if p := a.progs[i].Load(); p != nil {
		return *p
	}
	return nil
}

// SetProgram puts a program at an index; nil takes it away.
func (a *progArray) SetProgram(i uint32, x jit.Executable) error {
	switch {
	case i >= uint32(len(a.progs)):
		return a.err("update", E2BIG)
	case x == nil:
		if a.progs[i].Swap(nil) == nil {
			return a.err("delete from", ENOENT)
		}
	default:
		a.progs[i].Store(&x)
	}
	return nil
}

func (a *progArray) Delete(key []byte) error {
	if err := a.sizes("delete from", key, nil); err != nil {
		return err
	}
	if i := u32(key); i < uint32(len(a.progs)) {
		return a.SetProgram(i, nil)
	}
	return a.err("delete from", E2BIG)
}

func (a *progArray) NextKey(key, next []byte) error {
	if err := a.sizes("walk", key, nil); err != nil {
		return err
	}
	return a.err("walk", nextIndex(key, next, a.spec.MaxEntries))
}

// mapOfMaps is BPF_MAP_TYPE_ARRAY_OF_MAPS and HASH_OF_MAPS: an array or a hash
// whose 8-byte values are handles of the maps inside. User space refers to those
// by the Map.
type mapOfMaps struct {
	Map   // the array or hash that holds the handles
	outer *base
}

// Maps is implemented by maps of maps.
type Maps interface {
	Inner(key []byte) (Map, error)
	SetInner(key []byte, m Map, flags uint64) error
}

func newMapOfMaps(hashed bool) func(*base) (Map, error) {
	return func(b *base) (Map, error) {
		if b.spec.ValueSize != 4 || b.spec.Inner == nil {
			return nil, EINVAL
		}
		s := *b.spec
		s.ValueSize, s.Value, s.Contents = 8, 0, nil
		in := &base{w: b.w, spec: &s, mem: b.mem, lock: -1}
		mk := newArray
		if hashed {
			mk = newHash
		}
		m, err := mk(in)
		if err != nil {
			return nil, err
		}
		in.self = m
		in.refs.Store(1)
		return &mapOfMaps{Map: m, outer: b}, nil
	}
}

func (o *mapOfMaps) Handle() uintptr   { return o.outer.handle }
func (o *mapOfMaps) Retain()           { o.outer.Retain() }
func (o *mapOfMaps) Release()          { o.outer.Release() }
func (o *mapOfMaps) ValueLen() int     { return 4 }
func (o *mapOfMaps) Info() jit.MapInfo { return jit.MapInfo{Handle: o.outer.handle} }

// Lookup answers the number of the inner map, as the kernel answers its id.
func (o *mapOfMaps) Lookup(key, value []byte, flags uint64) error {
	m, err := o.Inner(key)
	if err != nil {
		return err
	}
	putU32(value, uint32(*mem.U64(m.Handle() - 8)))
	return nil
}

// Update takes no bytes: use SetInner.
func (o *mapOfMaps) Update(_, _ []byte, _ uint64) error { return o.outer.err("update", EBADF) }

// Inner is the map at a key.
func (o *mapOfMaps) Inner(key []byte) (Map, error) {
	var v [8]byte
	if err := o.Map.Lookup(key, v[:], 0); err != nil {
		return nil, err
	}
	h := uintptr(u32(v[:4])) | uintptr(u32(v[4:]))<<32
	if h == 0 {
		return nil, o.outer.err("look up in", ENOENT)
	}
	return FromHandle(h), nil
}

// SetInner puts a map at a key; it must be of the kind the outer map was made for.
func (o *mapOfMaps) SetInner(key []byte, m Map, flags uint64) error {
	t, s := o.outer.spec.Inner, m.Spec()
	if t.Type != s.Type || t.KeySize != s.KeySize || t.ValueSize != s.ValueSize || t.Flags != s.Flags ||
		t.MaxEntries != s.MaxEntries && s.Flags&innerMap == 0 && indexedType(s.Type) {
		return o.outer.err("update", EINVAL)
	}
	old, _ := o.Inner(key)
	m.Retain()
	h := m.Handle()
	v := make([]byte, 8)
	putU32(v, uint32(h))
	putU32(v[4:], uint32(h>>32))
	if err := o.Map.Update(key, v, flags); err != nil {
		m.Release()
		return err
	}
	if old != nil {
		old.Release()
	}
	return nil
}

// Delete takes a map out.
func (o *mapOfMaps) Delete(key []byte) error {
	old, err := o.Inner(key)
	if err != nil {
		return err
	}
	if a, ok := o.Map.(*array); ok {
		storeWord(a.elem(u32(key)), 0)
	} else if err := o.Map.Delete(key); err != nil {
		return err
	}
	old.Release()
	return nil
}

func (o *mapOfMaps) LookupAndDelete(_, _ []byte, _ uint64) error {
	return o.outer.err("look up and delete in", ENOTSUPP)
}

// At answers the inner map's handle: what a program gets is a map pointer.
func (o *mapOfMaps) At(r *world.Run, key uintptr) uintptr {
	p := o.Map.At(r, key)
	if p == 0 {
		return 0
	}
	return loadWord(p)
}

func (o *mapOfMaps) Put(*world.Run, uintptr, uintptr, uint64) int64 { return -int64(ENOTSUPP) }
func (o *mapOfMaps) Remove(*world.Run, uintptr) int64               { return -int64(ENOTSUPP) }

func (o *mapOfMaps) destroy() {
	o.Map.Each(&world.Run{}, func(_, v uintptr) bool {
		if h := loadWord(v); h != 0 {
			FromHandle(h).Release()
		}
		return true
	})
}
