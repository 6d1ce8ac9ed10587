// SPDX-License-Identifier: Apache-2.0

package typed

import (
	"fmt"

	"github.com/modbpf/modbpf/framework/host/mem"
)

// Object is one kernel object in host memory. The methods that take a path
// panic on one the layout lacks: models ask Layout.Has for what may be missing
// on some kernel, everything else is an error of the model.
type Object struct {
	Addr   uintptr
	Layout *Layout
	size   int
	arena  *mem.Arena
}

// New allocates a zeroed object, with extra bytes behind it (private areas,
// flexible arrays).
func (l *Layout) New(a *mem.Arena, extra int) (*Object, error) {
	p, err := a.Alloc(max(l.Size+extra, 1))
	if err != nil {
		return nil, fmt.Errorf("allocate struct %s: %w", l.Name, err)
	}
	return &Object{Addr: p, Layout: l, size: max(l.Size+extra, 1), arena: a}, nil
}

// At views memory that already holds such an object.
func (l *Layout) At(addr uintptr) *Object { return &Object{Addr: addr, Layout: l, size: l.Size} }

// Free gives the object's memory back.
func (o *Object) Free() {
	if o.arena != nil {
		o.arena.Free(o.Addr, o.size)
	}
	o.Addr = 0
}

// Get, Set, Bytes, String and SetString work on a field by its path.
func (o *Object) Get(path string) uint64        { return o.Layout.MustField(path).Get(o.Addr) }
func (o *Object) Set(path string, v uint64)     { o.Layout.MustField(path).Set(o.Addr, v) }
func (o *Object) Bytes(path string) []byte      { return o.Layout.MustField(path).Bytes(o.Addr) }
func (o *Object) String(path string) string     { return o.Layout.MustField(path).String(o.Addr) }
func (o *Object) SetString(path, s string)      { o.Layout.MustField(path).SetString(o.Addr, s) }
func (o *Object) FieldAddr(path string) uintptr { return o.Layout.MustField(path).Addr(o.Addr) }
func (o *Object) Point(path string, to *Object) { o.Set(path, uint64(to.Addr)) }
func (o *Object) SetIfHas(path string, v uint64) {
	if o.Layout.Has(path) {
		o.Set(path, v)
	}
}
