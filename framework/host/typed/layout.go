// SPDX-License-Identifier: Apache-2.0

// Package typed lays kernel objects out in host memory as a profile's BTF says,
// so that programs relocated for that kernel find every field where they expect
// it. The models fill and read such objects from Go by member path; a path is
// resolved once, into a Field, and costs a load or a store from then on.
package typed

import (
	"errors"
	"fmt"
	"math/bits"
	"strconv"
	"strings"
	"sync"

	"github.com/modbpf/modbpf/btf"
	"github.com/modbpf/modbpf/framework/host/mem"
)

// Errors that Layout and Field wrap.
var (
	ErrNoType  = errors.New("the kernel profile's BTF has no such type")
	ErrNoField = errors.New("no such field")
)

// Layout is one struct or union of a BTF.
type Layout struct {
	Spec *btf.Spec
	ID   btf.ID
	Name string
	Size int

	mu     sync.Mutex
	fields map[string]Field
}

// Layouts resolves and keeps the layouts of one BTF.
type Layouts struct {
	spec *btf.Spec
	mu   sync.Mutex
	m    map[string]*Layout
}

// NewLayouts serves layouts from spec (vmlinux or a module).
func NewLayouts(spec *btf.Spec) *Layouts { return &Layouts{spec: spec, m: make(map[string]*Layout)} }

// Spec is the BTF the layouts come from.
func (l *Layouts) Spec() *btf.Spec { return l.spec }

// Of finds the layout of a struct or union by name.
func (l *Layouts) Of(name string) (*Layout, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if o, ok := l.m[name]; ok {
		return o, nil
	}
	if l.spec == nil {
		return nil, fmt.Errorf("lay out struct %s: %w", name, ErrNoType)
	}
	id, ok := l.spec.Find(name, btf.KindStruct, btf.KindUnion)
	if !ok {
		return nil, fmt.Errorf("lay out struct %s: %w", name, ErrNoType)
	}
	o, err := LayoutOf(l.spec, id)
	if err != nil {
		return nil, err
	}
	l.m[name] = o
	return o, nil
}

// Has reports whether the kernel has a struct or union of this name.
func (l *Layouts) Has(name string) bool {
	_, err := l.Of(name)
	return err == nil
}

// LayoutOf is the layout of a struct or union by id.
func LayoutOf(spec *btf.Spec, id btf.ID) (*Layout, error) {
	id = spec.SkipMods(id)
	t := spec.Type(id)
	if t.Kind != btf.KindStruct && t.Kind != btf.KindUnion {
		return nil, fmt.Errorf("lay out type %d (%s): %w", id, t.Kind, ErrNoType)
	}
	return &Layout{Spec: spec, ID: id, Name: spec.Name(id), Size: int(t.Size), fields: make(map[string]Field)}, nil
}

// Field is a member of a struct, at any depth, resolved to its place.
type Field struct {
	Off    int // bytes from the start of the object
	Size   int // bytes; of the containing unit for a bit field
	Bit    uint8
	Bits   uint8 // 0 unless a bit field
	Signed bool
	Type   btf.ID // unresolved type of the member
}

// Field resolves "a.b", "a[3].b", through anonymous members. Pointers are not
// followed: what they point to is another object.
func (l *Layout) Field(path string) (Field, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if f, ok := l.fields[path]; ok {
		return f, nil
	}
	f, err := l.resolve(path)
	if err != nil {
		return Field{}, fmt.Errorf("resolve %s.%s: %w", l.Name, path, err)
	}
	l.fields[path] = f
	return f, nil
}

// Has reports whether the struct has a field of this path on this kernel.
func (l *Layout) Has(path string) bool {
	_, err := l.Field(path)
	return err == nil
}

func (l *Layout) resolve(path string) (Field, error) {
	s, id := l.Spec, l.ID
	bit := uint64(0)
	var last btf.Member
	for rest := path; rest != ""; {
		var part string
		part, rest, _ = strings.Cut(rest, ".")
		name, indexes, _ := strings.Cut(part, "[")
		m, ok := s.FindMember(id, name)
		if !ok {
			return Field{}, fmt.Errorf("%q: %w", name, ErrNoField)
		}
		last = m
		bit += uint64(m.BitOff)
		id = m.Type
		for indexes != "" {
			num, more, ok := strings.Cut(indexes, "]")
			i, err := strconv.ParseUint(num, 0, 32)
			a := s.Type(s.SkipMods(id))
			if err != nil || !ok || a.Kind != btf.KindArray {
				return Field{}, fmt.Errorf("index %q of %q: %w", num, name, ErrNoField)
			}
			arr := s.Array(a.ID)
			size, ok := s.Sizeof(arr.Elem)
			if !ok || i >= uint64(arr.Len) && arr.Len != 0 {
				return Field{}, fmt.Errorf("index %d of %q: %w", i, name, ErrNoField)
			}
			bit += i * uint64(size) * 8
			id = arr.Elem
			last = btf.Member{Type: id}
			indexes = strings.TrimPrefix(more, "[")
		}
	}
	if last.Type == 0 {
		return Field{}, ErrNoField
	}
	size, _ := s.Sizeof(id) // a flexible array has size 0
	f := Field{Off: int(bit / 8), Size: int(size), Type: id}
	if t := s.Type(s.SkipMods(id)); t.Kind == btf.KindInt {
		f.Signed = s.Int(t.ID).Signed
	} else if t.Kind == btf.KindEnum || t.Kind == btf.KindEnum64 {
		f.Signed = t.KindFlag
	}
	if last.BitSize != 0 {
		f.Bits = uint8(last.BitSize)
		unit := uint64(size) * 8
		f.Off = int(bit / unit * uint64(size))
		f.Bit = uint8(bit % unit)
		if uint64(f.Bit)+uint64(f.Bits) > unit {
			return Field{}, fmt.Errorf("bit field crosses its unit: %w", ErrNoField)
		}
	}
	return f, nil
}

// MustField is Field for paths every supported kernel has.
func (l *Layout) MustField(path string) Field {
	f, err := l.Field(path)
	if err != nil {
		panic(err)
	}
	return f
}

// Get reads the field of the object at addr, sign-extended if the type is signed.
func (f Field) Get(addr uintptr) uint64 {
	p := addr + uintptr(f.Off)
	var v uint64
	switch f.Size {
	case 1:
		v = uint64(*mem.U8(p))
	case 2:
		v = uint64(*mem.U16(p))
	case 4:
		v = uint64(*mem.U32(p))
	case 8:
		v = *mem.U64(p)
	default:
		panic("typed: Get of a field that is no integer: use Bytes")
	}
	n := f.Size * 8
	if f.Bits != 0 {
		v >>= f.Bit
		n = int(f.Bits)
		v &= 1<<n - 1
	}
	if f.Signed {
		v = uint64(int64(v<<(64-n)) >> (64 - n))
	}
	return v
}

// Set writes the field of the object at addr; higher bits of v are cut off.
func (f Field) Set(addr uintptr, v uint64) {
	p := addr + uintptr(f.Off)
	if f.Bits != 0 {
		mask := (uint64(1)<<f.Bits - 1) << f.Bit
		whole := Field{Off: f.Off, Size: f.Size}
		v = whole.Get(addr)&^mask | bits.RotateLeft64(v, int(f.Bit))&mask
	}
	switch f.Size {
	case 1:
		*mem.U8(p) = uint8(v)
	case 2:
		*mem.U16(p) = uint16(v)
	case 4:
		*mem.U32(p) = uint32(v)
	case 8:
		*mem.U64(p) = v
	default:
		panic("typed: Set of a field that is no integer: use Bytes")
	}
}

// Addr is where the field lies in the object at addr.
func (f Field) Addr(addr uintptr) uintptr { return addr + uintptr(f.Off) }

// Bytes is the field's memory in the object at addr.
func (f Field) Bytes(addr uintptr) []byte { return mem.Bytes(addr+uintptr(f.Off), f.Size) }

// SetString stores s as a C string, cut to fit with its NUL.
func (f Field) SetString(addr uintptr, s string) {
	b := f.Bytes(addr)
	clear(b)
	if len(b) > 0 {
		copy(b[:len(b)-1], s)
	}
}

// String reads a C string.
func (f Field) String(addr uintptr) string {
	b := f.Bytes(addr)
	for i, c := range b {
		if c == 0 {
			return string(b[:i])
		}
	}
	return string(b)
}
