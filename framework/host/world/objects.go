// SPDX-License-Identifier: Apache-2.0

package world

import (
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/modbpf/modbpf/btf"
	"github.com/modbpf/modbpf/framework/host/fields"
	"github.com/modbpf/modbpf/framework/host/mem"
)

// Objects are what programs own by reference: objects of their own types
// (bpf_obj_new), and kernel objects that a model lent them. A program's object
// carries a header before it, so that dropping needs nothing but its address:
//
//	addr-16  index of its type
//	addr-8   number of per-CPU copies, 0 for a plain object
//	addr     the object
//
// A per-CPU object's address is that of CPU 0's copy; the others follow at
// Type.Stride.
type Objects struct {
	w     *World
	mu    sync.RWMutex
	types atomic.Pointer[[]*Type]
	byID  map[typeKey]*Type
	quick [64]atomic.Pointer[Type] // by the lower bits of the id
	dtor  map[string]func(addr uintptr)
	live  atomic.Int64

	// DropTimers disposes of timers, work queues and the like in freed memory.
	DropTimers func(rec *fields.Record, addr uintptr)
}

const header = 16

type typeKey struct {
	spec *btf.Spec
	id   btf.ID
}

// Type is a program's type of which objects are allocated.
type Type struct {
	Name     string
	Size     int
	Stride   int
	Record   *fields.Record
	Refcount int // offset of the bpf_refcount, -1 without
	index    uint64
	key      typeKey
}

func newObjects(w *World) *Objects {
	o := &Objects{w: w, byID: make(map[typeKey]*Type), dtor: make(map[string]func(uintptr))}
	o.types.Store(&[]*Type{nil})
	return o
}

// Type resolves a type of a program's BTF.
func (o *Objects) Type(s *btf.Spec, id btf.ID) (*Type, error) {
	k := typeKey{s, id}
	if t := o.quick[id&63].Load(); t != nil && t.key == k {
		return t, nil
	}
	o.mu.RLock()
	t := o.byID[k]
	o.mu.RUnlock()
	if t != nil {
		o.quick[id&63].Store(t)
		return t, nil
	}
	size, ok := s.Sizeof(id)
	if !ok || size == 0 {
		return nil, fmt.Errorf("allocate type %d: it has no size", id)
	}
	rec, err := fields.Of(s, id)
	if err != nil {
		return nil, err
	}
	t = &Type{Name: s.Name(s.SkipMods(id)), Size: int(size), Stride: (int(size) + 63) &^ 63, Record: rec, Refcount: -1, key: k}
	if f := rec.First("bpf_refcount"); f != nil {
		t.Refcount = f.Off
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if have := o.byID[k]; have != nil {
		return have, nil
	}
	o.number(t)
	o.byID[k] = t
	return t, nil
}

// number gives a type the index that its objects carry; o.mu is held.
func (o *Objects) number(t *Type) {
	old := *o.types.Load()
	t.index = uint64(len(old))
	all := append(append(make([]*Type, 0, len(old)+1), old...), t)
	o.types.Store(&all)
}

// PercpuVar allocates a per-CPU kernel variable of a size; PerCPU finds a CPU's copy.
func (o *Objects) PercpuVar(name string, size int) uintptr {
	t := &Type{Name: name, Size: size, Stride: (size + 63) &^ 63, Refcount: -1}
	o.mu.Lock()
	o.number(t)
	o.mu.Unlock()
	return o.NewPercpu(t)
}

// New allocates an object with a reference count of one; 0 without memory.
func (o *Objects) New(t *Type) uintptr {
	p, err := o.w.Mem.Alloc(header + t.Size)
	if err != nil {
		return 0
	}
	*mem.U64(p) = t.index
	p += header
	if t.Refcount >= 0 {
		*mem.U32(p + uintptr(t.Refcount)) = 1
	}
	o.InitLists(t.Record, p)
	o.live.Add(1)
	return p
}

// NewPercpu allocates a copy for each CPU.
func (o *Objects) NewPercpu(t *Type) uintptr {
	n := o.w.CPUs()
	p, err := o.w.Mem.Alloc(header + t.Stride*n)
	if err != nil {
		return 0
	}
	*mem.U64(p) = t.index
	*mem.U64(p + 8) = uint64(n)
	o.live.Add(1)
	return p + header
}

// TypeOf is the type of a program's object.
func (o *Objects) TypeOf(p uintptr) *Type {
	return (*o.types.Load())[*mem.U64(p - header)]
}

// PerCPU is the copy of a per-CPU object on a CPU.
func (o *Objects) PerCPU(p uintptr, cpu int) uintptr {
	return p + uintptr(cpu*o.TypeOf(p).Stride)
}

// Live is the number of program objects not yet dropped.
func (o *Objects) Live() int64 { return o.live.Load() }

// Acquire takes one more reference to a refcounted object.
func (o *Objects) Acquire(p uintptr) {
	t := o.TypeOf(p)
	atomic.AddUint32(mem.U32(p+uintptr(t.Refcount)), 1)
}

// Drop gives a reference up; the last one frees the object, what it owns
// first, its memory once no program can see it.
func (o *Objects) Drop(p uintptr) {
	t := o.TypeOf(p)
	if t.Refcount >= 0 && atomic.AddUint32(mem.U32(p+uintptr(t.Refcount)), ^uint32(0)) != 0 {
		return
	}
	o.FreeFields(t.Record, p)
	size := header + t.Size
	if n := *mem.U64(p - 8); n != 0 {
		size = header + t.Stride*int(n)
	}
	o.live.Add(-1)
	if t.Refcount < 0 {
		o.w.Mem.Free(p-header, size) // nobody else can hold it: the kernel, too, reuses it at once
		return
	}
	o.w.retire(retired{addr: p - header, size: size})
}

// Base finds the object that an address lies in, by the size class it was
// allocated from; 0 if it is in none.
func (o *Objects) Base(p uintptr) uintptr {
	if b := o.w.Mem.Base(p); b != 0 {
		return b + header
	}
	return 0
}

// OnDrop registers how references to a kernel type are given up.
func (o *Objects) OnDrop(typ string, fn func(addr uintptr)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.dtor[typ] = fn
}

// DropKptr gives up what a pointer field owned: a kernel object by its
// destructor, a program's own otherwise.
func (o *Objects) DropKptr(f *fields.Field, p uintptr) {
	if p == 0 || f.Tag == "kptr_untrusted" || f.Tag == "uptr" {
		return
	}
	o.mu.RLock()
	fn := o.dtor[f.Type]
	o.mu.RUnlock()
	if fn != nil {
		fn(p)
		return
	}
	o.Drop(p)
}

// InitLists makes the list heads of fresh memory empty lists, as the kernel
// does; all other special fields begin as zero.
func (o *Objects) InitLists(r *fields.Record, p uintptr) {
	if !r.Has(fields.ListHead | fields.ListNode | fields.RBNode) {
		return
	}
	for i := range r.Fields {
		f := &r.Fields[i]
		at := p + uintptr(f.Off)
		switch f.Kind {
		case fields.ListHead, fields.ListNode:
			ListInit(at)
		case fields.RBNode:
			*mem.U64(at) = uint64(at) // RB_CLEAR_NODE: a node that is its own parent is in no tree
		}
	}
}

// FreeFields disposes of what the special fields of freed memory own.
func (o *Objects) FreeFields(r *fields.Record, p uintptr) {
	if r.Empty() {
		return
	}
	timers := false
	for i := range r.Fields {
		f := &r.Fields[i]
		at := p + uintptr(f.Off)
		switch f.Kind {
		case fields.Kptr:
			old := atomic.SwapUint64(mem.U64(at), 0)
			o.DropKptr(f, uintptr(old))
		case fields.ListHead:
			for n := ListPop(at, true); n != 0; n = ListPop(at, true) {
				*mem.U64(n + 16) = 0
				o.Drop(n - uintptr(f.NodeOff))
			}
		case fields.Root:
			for n := TreeFirst(at); n != 0; n = TreeFirst(at) {
				TreeRemove(at, n)
				*mem.U64(n + 24) = 0
				o.Drop(n - uintptr(f.NodeOff))
			}
		case fields.Timer, fields.Other:
			timers = true
		case fields.SpinLock:
			atomic.StoreUint32(mem.U32(at), 0)
		}
	}
	if timers && o.DropTimers != nil {
		o.DropTimers(r, p)
	}
}
