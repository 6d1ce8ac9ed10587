// SPDX-License-Identifier: Apache-2.0

// Package maps holds the host's BPF maps. User space gets the kernel's API and
// errors; programs get addresses, of values that lie outside the Go heap and
// stay where they are. Each map type is a row of the kinds table and a file.
package maps

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/framework/host/fields"
	"github.com/modbpf/modbpf/framework/host/mem"
	"github.com/modbpf/modbpf/framework/host/world"
	"github.com/modbpf/modbpf/jit"
	"github.com/modbpf/modbpf/verifier"
)

// Flags of Update and Lookup (include/uapi/linux/bpf.h).
const (
	Any      = 0
	NoExist  = 1
	Exist    = 2
	WithLock = 4
	OnCPU    = 8 // the CPU in the upper 32 bits
	AllCPUs  = 16
)

// ErrUnsupported is wrapped when the host has no map of a type.
var ErrUnsupported = errors.New("not in the host")

// Map is one map. User space uses the methods that take slices; they answer
// *OpError. Programs use those that take addresses; they answer 0 or a negative
// error number as the helper of that name does.
type Map interface {
	Spec() *verifier.Map
	// Handle is the address of the map's struct bpf_map, which programs pass to helpers.
	Handle() uintptr
	// Info is what machine code may know.
	Info() jit.MapInfo
	// ValueLen is the number of bytes user space reads and writes for one
	// element: for per-CPU maps the values of all CPUs, each rounded up to 8.
	ValueLen() int

	Lookup(key, value []byte, flags uint64) error
	Update(key, value []byte, flags uint64) error
	Delete(key []byte) error
	// NextKey stores the key after key, the first one if key is nil or gone.
	NextKey(key, next []byte) error
	LookupAndDelete(key, value []byte, flags uint64) error
	// Freeze ends changes from user space.
	Freeze() error

	At(r *world.Run, key uintptr) uintptr
	Put(r *world.Run, key, value uintptr, flags uint64) int64
	Remove(r *world.Run, key uintptr) int64
	Push(value uintptr, flags uint64) int64
	Pop(value uintptr) int64
	Peek(value uintptr) int64
	// Each calls fn for every element until it answers false, and returns the
	// number of calls or a negative error number.
	Each(r *world.Run, fn func(key, value uintptr) bool) int64

	// Element finds the value that an address lies in, and an address that holds
	// its key; 0 if it is not this map's.
	Element(p uintptr) (value, key uintptr)

	// Retain and Release count owners; the last Release frees the map once no
	// program can see it.
	Retain()
	Release()
}

// base is what all maps share; methods a type lacks answer as the kernel does
// for an operation the map type does not have.
type base struct {
	w      *world.World
	spec   *verifier.Map
	mem    *mem.Arena
	rec    *fields.Record
	lock   int // offset of the value's bpf_spin_lock, -1 without
	handle uintptr
	frozen atomic.Bool
	refs   atomic.Int32
	self   Map
}

const (
	handlePad  = 64   // before the struct bpf_map; its last word is the registry index
	handleSize = 1024 // room for the largest map object a program may read
)

// New creates a map in an arena of its own.
func New(w *world.World, spec *verifier.Map) (Map, error) {
	k, ok := kinds[spec.Type]
	if !ok {
		return nil, fmt.Errorf("create map %s of type %s: %w", spec.Name, spec.Type, ErrUnsupported)
	}
	if !k.check(spec) {
		return nil, fmt.Errorf("create map %s of type %s: key %d, value %d bytes, %d entries: %w",
			spec.Name, spec.Type, spec.KeySize, spec.ValueSize, spec.MaxEntries, EINVAL)
	}
	rec, err := fields.Of(spec.BTF, spec.Value)
	if err != nil {
		return nil, fmt.Errorf("create map %s: %w", spec.Name, err)
	}
	b := &base{w: w, spec: spec, mem: mem.New(0), rec: rec, lock: -1}
	if f := rec.First("bpf_spin_lock"); f != nil {
		b.lock = f.Off
	}
	b.refs.Store(1)
	m, err := k.make(b)
	if err == nil {
		b.self = m
		err = b.publish()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("create map %s: %w", spec.Name, err), b.mem.Close())
	}
	return m, nil
}

// publish makes the struct bpf_map that programs hold.
func (b *base) publish() error {
	p, err := b.mem.Alloc(handlePad + handleSize)
	if err != nil {
		return err
	}
	b.handle = p + handlePad
	id := register(b.self)
	*mem.U64(b.handle - 8) = id
	if l, err := b.w.Layouts.Of("bpf_map"); err == nil {
		o := l.At(b.handle)
		s := b.spec
		for path, v := range map[string]uint64{
			"map_type": uint64(s.Type), "key_size": uint64(s.KeySize), "value_size": uint64(s.ValueSize),
			"max_entries": uint64(s.MaxEntries), "map_flags": uint64(s.Flags), "map_extra": s.Extra, "id": id,
		} {
			o.SetIfHas(path, v)
		}
		if l.Has("name") {
			o.SetString("name", s.Name)
		}
	}
	return nil
}

// registry turns handles back into maps: one table for the process.
var registry struct {
	mu   sync.Mutex
	tab  atomic.Pointer[[]Map]
	free []uint64
}

func register(m Map) uint64 {
	registry.mu.Lock()
	defer registry.mu.Unlock()
	var old []Map
	if p := registry.tab.Load(); p != nil {
		old = *p
	} else {
		old = []Map{nil}
	}
	if n := len(registry.free); n > 0 {
		i := registry.free[n-1]
		registry.free = registry.free[:n-1]
		tab := append([]Map(nil), old...)
		tab[i] = m
		registry.tab.Store(&tab)
		return i
	}
	tab := append(append(make([]Map, 0, len(old)+1), old...), m)
	registry.tab.Store(&tab)
	return uint64(len(tab) - 1)
}

func unregister(i uint64) {
	registry.mu.Lock()
	defer registry.mu.Unlock()
	tab := append([]Map(nil), *registry.tab.Load()...)
	tab[i] = nil
	registry.tab.Store(&tab)
	registry.free = append(registry.free, i)
}

// FromHandle is the map whose handle a program holds.
func FromHandle(h uintptr) Map { return (*registry.tab.Load())[*mem.U64(h - 8)] }

func (b *base) Spec() *verifier.Map { return b.spec }
func (b *base) Handle() uintptr     { return b.handle }
func (b *base) ValueLen() int       { return int(b.spec.ValueSize) }
func (b *base) Retain()             { b.refs.Add(1) }
func (b *base) Info() jit.MapInfo   { return jit.MapInfo{Handle: b.handle} }

// Release gives up one owner's hold.
func (b *base) Release() {
	if b.refs.Add(-1) != 0 {
		return
	}
	b.w.Defer(func() {
		if d, ok := b.self.(interface{ destroy() }); ok {
			d.destroy()
		}
		unregister(*mem.U64(b.handle - 8))
		// What elements owned is freed by callbacks that were retired just now and
		// do not touch the map's own memory.
		if err := b.mem.Close(); err != nil {
			panic(fmt.Sprintf("maps: free %s: %v", b.spec.Name, err))
		}
	})
}

func (b *base) err(op string, e Errno) error {
	if e == 0 {
		return nil
	}
	return &OpError{Op: op, Map: b.spec.Name, Err: e}
}

func (b *base) Freeze() error {
	b.frozen.Store(true)
	return nil
}

// writable reports what stops user space from changing the map.
func (b *base) writable() Errno {
	if b.frozen.Load() || b.spec.Flags&bpf.MapRdonly != 0 {
		return EPERM
	}
	return 0
}

// sizes checks what user space passed; a nil key or value is not checked.
func (b *base) sizes(op string, key, value []byte) error {
	if key != nil && len(key) != int(b.spec.KeySize) {
		return fmt.Errorf("%s: key of %d bytes, the map has %d: %w", op, len(key), b.spec.KeySize, b.err(op, EINVAL))
	}
	if value != nil && len(value) != b.self.ValueLen() {
		return fmt.Errorf("%s: value of %d bytes, the map has %d: %w", op, len(value), b.self.ValueLen(), b.err(op, EINVAL))
	}
	return nil
}

// The operations a map type does not have.

func (b *base) Lookup(_, _ []byte, _ uint64) error { return b.err("look up in", ENOTSUPP) }
func (b *base) Update(_, _ []byte, _ uint64) error { return b.err("update", ENOTSUPP) }
func (b *base) Delete([]byte) error                { return b.err("delete from", ENOTSUPP) }
func (b *base) NextKey(_, _ []byte) error          { return b.err("walk", ENOTSUPP) }
func (b *base) LookupAndDelete(_, _ []byte, _ uint64) error {
	return b.err("look up and delete in", ENOTSUPP)
}
func (b *base) At(*world.Run, uintptr) uintptr { return 0 }
func (b *base) Put(*world.Run, uintptr, uintptr, uint64) int64 {
	return -int64(ENOTSUPP)
}
func (b *base) Remove(*world.Run, uintptr) int64 { return -int64(ENOTSUPP) }
func (b *base) Push(uintptr, uint64) int64       { return -int64(ENOTSUPP) }
func (b *base) Pop(uintptr) int64                { return -int64(ENOTSUPP) }
func (b *base) Peek(uintptr) int64               { return -int64(ENOTSUPP) }
func (b *base) Each(*world.Run, func(key, value uintptr) bool) int64 {
	return -int64(EINVAL)
}

func (b *base) Element(uintptr) (value, key uintptr) { return 0, 0 }

// checkFlags applies the rules every element update shares.
func (b *base) checkFlags(flags, allowed uint64) Errno {
	if flags&^allowed != 0 || flags&3 == 3 || flags&WithLock != 0 && b.lock < 0 {
		return EINVAL
	}
	return 0
}

// store copies a value over an element: under the value's lock when asked, its
// special fields left alone.
func (b *base) store(dst uintptr, src []byte, flags uint64) {
	if flags&WithLock != 0 {
		world.Lock(dst + uintptr(b.lock))
		defer world.Unlock(dst + uintptr(b.lock))
	}
	b.rec.Copy(mem.Bytes(dst, int(b.spec.ValueSize)), src)
}

// load is the way out, for user space.
func (b *base) load(dst []byte, src uintptr, flags uint64) {
	if flags&WithLock != 0 {
		world.Lock(src + uintptr(b.lock))
		defer world.Unlock(src + uintptr(b.lock))
	}
	b.rec.CopyOut(dst, mem.Bytes(src, int(b.spec.ValueSize)))
}

func round8(n uint32) int { return (int(n) + 7) &^ 7 }

func u32(b []byte) uint32 {
	return uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24
}

func putU32(b []byte, v uint32) {
	b[0], b[1], b[2], b[3] = byte(v), byte(v>>8), byte(v>>16), byte(v>>24)
}
