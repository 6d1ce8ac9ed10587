// SPDX-License-Identifier: Apache-2.0

package maps

import (
	"sync"

	"github.com/modbpf/modbpf/framework/host/mem"
	"github.com/modbpf/modbpf/framework/host/world"
	"github.com/modbpf/modbpf/jit"
)

// array is BPF_MAP_TYPE_ARRAY: all values in one mapping, so that machine code
// turns a look-up into a comparison and address arithmetic.
type array struct {
	*base
	values uintptr
	stride int
	n      uint32

	keysOnce sync.Once
	keys     uintptr
}

func newArray(b *base) (Map, error) {
	a := &array{base: b, stride: round8(b.spec.ValueSize), n: b.spec.MaxEntries}
	p, err := a.mem.Map(a.stride * int(a.n))
	if err != nil {
		return nil, err
	}
	a.values = p
	if c := b.spec.Contents; c != nil {
		copy(mem.Bytes(p, int(b.spec.ValueSize)), c)
	}
	if b.spec.Frozen {
		a.frozen.Store(true)
	}
	return a, nil
}

func (a *array) Info() jit.MapInfo {
	return jit.MapInfo{Handle: a.handle, Value: a.values, Inline: true, Entries: a.n, Stride: uint32(a.stride)}
}

func (a *array) elem(i uint32) uintptr { return a.values + uintptr(i)*uintptr(a.stride) }

func (a *array) Lookup(key, value []byte, flags uint64) error {
	if err := a.sizes("look up in", key, value); err != nil {
		return err
	}
	if e := a.checkFlags(flags, WithLock); e != 0 {
		return a.err("look up in", e)
	}
	i := u32(key)
	if i >= a.n {
		return a.err("look up in", ENOENT)
	}
	a.load(value, a.elem(i), flags)
	return nil
}

func (a *array) Update(key, value []byte, flags uint64) error {
	if err := a.sizes("update", key, value); err != nil {
		return err
	}
	if e := a.writable(); e != 0 {
		return a.err("update", e)
	}
	return a.err("update", a.update(u32(key), value, flags))
}

func (a *array) update(i uint32, value []byte, flags uint64) Errno {
	switch e := a.checkFlags(flags, NoExist|Exist|WithLock); {
	case e != 0:
		return e
	case i >= a.n:
		return E2BIG
	case flags&NoExist != 0:
		return EEXIST
	}
	p := a.elem(i)
	a.store(p, value, flags)
	if flags&WithLock == 0 {
		a.w.Objects.FreeFields(a.rec, p)
	}
	return 0
}

func (a *array) Delete(key []byte) error {
	if err := a.sizes("delete from", key, nil); err != nil {
		return err
	}
	if e := a.writable(); e != 0 {
		return a.err("delete from", e)
	}
	return a.err("delete from", EINVAL)
}

func (a *array) NextKey(key, next []byte) error {
	if err := a.sizes("walk", key, nil); err != nil {
		return err
	}
	return a.err("walk", nextIndex(key, next, a.n))
}

// nextIndex is get_next_key of every map whose keys are 0 to n-1.
func nextIndex(key, next []byte, n uint32) Errno {
	i := uint32(0)
	if key != nil {
		switch k := u32(key); {
		case k == n-1:
			return ENOENT
		case k < n:
			i = k + 1
		}
	}
	putU32(next, i)
	return 0
}

func (a *array) At(_ *world.Run, key uintptr) uintptr {
	if i := *mem.U32(key); i < a.n {
		return a.elem(i)
	}
	return 0
}

func (a *array) Put(_ *world.Run, key, value uintptr, flags uint64) int64 {
	return -int64(a.update(*mem.U32(key), mem.Bytes(value, int(a.spec.ValueSize)), flags))
}

func (a *array) Remove(*world.Run, uintptr) int64 { return -int64(EINVAL) }

func (a *array) Each(_ *world.Run, fn func(key, value uintptr) bool) int64 {
	k, err := a.mem.Alloc(4)
	if err != nil {
		return -int64(ENOMEM)
	}
	defer a.mem.Free(k, 4)
	for i := range a.n {
		*mem.U32(k) = i
		if !fn(k, a.elem(i)) {
			return int64(i) + 1
		}
	}
	return int64(a.n)
}

// Element finds the element by arithmetic. Its key is written where callbacks
// read it, in a table made when first asked for.
func (a *array) Element(p uintptr) (value, key uintptr) {
	if p < a.values || p >= a.elem(a.n) {
		return 0, 0
	}
	i := (p - a.values) / uintptr(a.stride)
	a.keysOnce.Do(func() {
		keys, err := a.mem.Map(4 * int(a.n))
		if err != nil {
			return
		}
		for i := range a.n {
			*mem.U32(keys + uintptr(4*i)) = i
		}
		a.keys = keys
	})
	if a.keys == 0 {
		return 0, 0
	}
	return a.values + i*uintptr(a.stride), a.keys + 4*i
}

func (a *array) destroy() {
	if a.rec.Empty() {
		return
	}
	for i := range a.n {
		a.w.Objects.FreeFields(a.rec, a.elem(i))
	}
}

// percpuArray is BPF_MAP_TYPE_PERCPU_ARRAY: CPU c's value of element i lies at
// values + c*area + i*stride, so that each CPU keeps to its own pages.
type percpuArray struct {
	*base
	values uintptr
	stride int
	area   int
	n      uint32
}

func newPercpuArray(b *base) (Map, error) {
	a := &percpuArray{base: b, stride: round8(b.spec.ValueSize), n: b.spec.MaxEntries}
	page := mem.PageSize()
	a.area = (a.stride*int(a.n) + page - 1) / page * page
	p, err := a.mem.Map(a.area * b.w.CPUs())
	if err != nil {
		return nil, err
	}
	a.values = p
	if c := b.spec.Contents; c != nil {
		for cpu := range b.w.CPUs() {
			copy(mem.Bytes(a.elem(cpu, 0), int(b.spec.ValueSize)), c)
		}
	}
	return a, nil
}

func (a *percpuArray) elem(cpu int, i uint32) uintptr {
	return a.values + uintptr(cpu*a.area) + uintptr(i)*uintptr(a.stride)
}

func (a *percpuArray) ValueLen() int { return a.stride * a.w.CPUs() }

func (a *percpuArray) Lookup(key, value []byte, flags uint64) error {
	if err := a.sizes("look up in", key, value); err != nil {
		return err
	}
	if flags != 0 {
		return a.err("look up in", EINVAL)
	}
	i := u32(key)
	if i >= a.n {
		return a.err("look up in", ENOENT)
	}
	clear(value)
	for cpu := range a.w.CPUs() {
		a.load(value[cpu*a.stride:][:a.spec.ValueSize], a.elem(cpu, i), 0)
	}
	return nil
}

func (a *percpuArray) Update(key, value []byte, flags uint64) error {
	if err := a.sizes("update", key, value); err != nil {
		return err
	}
	if e := a.writable(); e != 0 {
		return a.err("update", e)
	}
	i := u32(key)
	if e := a.mayUpdate(i, flags); e != 0 {
		return a.err("update", e)
	}
	for cpu := range a.w.CPUs() {
		p := a.elem(cpu, i)
		a.store(p, value[cpu*a.stride:][:a.spec.ValueSize], 0)
		a.w.Objects.FreeFields(a.rec, p)
	}
	return nil
}

func (a *percpuArray) mayUpdate(i uint32, flags uint64) Errno {
	switch {
	case flags > Exist:
		return EINVAL
	case i >= a.n:
		return E2BIG
	case flags == NoExist:
		return EEXIST
	}
	return 0
}

func (a *percpuArray) Delete(key []byte) error {
	if err := a.sizes("delete from", key, nil); err != nil {
		return err
	}
	return a.err("delete from", EINVAL)
}

func (a *percpuArray) NextKey(key, next []byte) error {
	if err := a.sizes("walk", key, nil); err != nil {
		return err
	}
	return a.err("walk", nextIndex(key, next, a.n))
}

func (a *percpuArray) At(r *world.Run, key uintptr) uintptr { return a.AtCPU(r.CPU, key) }

// AtCPU is bpf_map_lookup_percpu_elem.
func (a *percpuArray) AtCPU(cpu int, key uintptr) uintptr {
	if i := *mem.U32(key); i < a.n && uint(cpu) < uint(a.w.CPUs()) {
		return a.elem(cpu, i)
	}
	return 0
}

func (a *percpuArray) Put(r *world.Run, key, value uintptr, flags uint64) int64 {
	i := *mem.U32(key)
	if e := a.mayUpdate(i, flags); e != 0 {
		return -int64(e)
	}
	p := a.elem(r.CPU, i)
	a.store(p, mem.Bytes(value, int(a.spec.ValueSize)), 0)
	a.w.Objects.FreeFields(a.rec, p)
	return 0
}

func (a *percpuArray) Remove(*world.Run, uintptr) int64 { return -int64(EINVAL) }

func (a *percpuArray) Each(r *world.Run, fn func(key, value uintptr) bool) int64 {
	k, err := a.mem.Alloc(4)
	if err != nil {
		return -int64(ENOMEM)
	}
	defer a.mem.Free(k, 4)
	for i := range a.n {
		*mem.U32(k) = i
		if !fn(k, a.elem(r.CPU, i)) {
			return int64(i) + 1
		}
	}
	return int64(a.n)
}

func (a *percpuArray) destroy() {
	if a.rec.Empty() {
		return
	}
	for cpu := range a.w.CPUs() {
		for i := range a.n {
			a.w.Objects.FreeFields(a.rec, a.elem(cpu, i))
		}
	}
}

// PerCPU is implemented by per-CPU maps.
type PerCPU interface {
	AtCPU(cpu int, key uintptr) uintptr
}
