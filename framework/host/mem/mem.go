// SPDX-License-Identifier: Apache-2.0

// Package mem is the memory that driver programs see: map values, typed kernel
// objects, contexts, packets. It lies outside the Go heap, at addresses that
// stay put, so that machine code may hold them; it is handed out by size
// classes from guarded slabs and given back as a whole when its Arena closes.
//
// The Go race detector and checkptr know nothing of such memory, so Go code may
// turn these addresses into pointers freely. Programs race on it as they do in
// a kernel; Go code that shares a word with them uses the atomic accessors.
package mem

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"unsafe"
)

// Errors that Alloc and Map wrap.
var (
	ErrLimit  = errors.New("host memory limit reached")
	ErrSize   = errors.New("size is not positive")
	ErrClosed = errors.New("arena is closed")
)

// DefaultLimit bounds the address space one Arena takes: a driver whose maps
// ask for more is refused instead of bringing the process down.
const DefaultLimit = 16 << 30

const (
	slabSize = 256 << 10
	maxClass = 32 << 10
)

// classes are the sizes Alloc rounds up to: steps of 16, then four per octave,
// so at most a fifth of an object is lost. Classes of 64 and more that are
// multiples of 64 begin on a cache line.
var classes = func() (c []int) {
	for n := 16; n <= 128; n += 16 {
		c = append(c, n)
	}
	for base := 128; base < maxClass; base *= 2 {
		for i := 1; i <= 4; i++ {
			c = append(c, base+base/4*i)
		}
	}
	return c
}()

// classOf[(n+15)/16] is the index of the smallest class that holds n bytes.
var classOf = func() (t [maxClass/16 + 1]uint8) {
	c := 0
	for i := range t {
		for classes[c] < i*16 {
			c++
		}
		t[i] = uint8(c)
	}
	return t
}()

// Arena is the memory of one owner. Its methods may be used concurrently.
type Arena struct {
	limit  int64
	mapped atomic.Int64
	inUse  atomic.Int64

	free []class

	mu      sync.Mutex
	regions map[uintptr]region // by the address handed out
	closed  bool
}

type class struct {
	mu   sync.Mutex
	head uintptr // free objects, linked through their first word
	next uintptr // rest of the newest slab
	end  uintptr
}

type region struct {
	base uintptr // where the mapping with its guard pages begins
	size int     // of that mapping
	elem int     // slabs: the size of the objects in it
}

// New makes an empty arena; limit 0 means DefaultLimit.
func New(limit int64) *Arena {
	if limit == 0 {
		limit = DefaultLimit
	}
	return &Arena{limit: limit, free: make([]class, len(classes)), regions: make(map[uintptr]region)}
}

// Alloc returns n zeroed bytes, aligned to 16, or to 64 when the rounded size
// is a multiple of 64.
func (a *Arena) Alloc(n int) (uintptr, error) {
	if n <= 0 {
		return 0, fmt.Errorf("allocate %d bytes: %w", n, ErrSize)
	}
	if n > maxClass {
		return a.Map(n)
	}
	ci := classOf[(n+15)/16]
	size := classes[ci]
	c := &a.free[ci]
	c.mu.Lock()
	p := c.head
	switch {
	case p != 0:
		c.head = *Word(p)
		c.mu.Unlock()
		clear(Bytes(p, size))
	default:
		if c.end-c.next < uintptr(size) {
			slab, err := a.mapPages(slabSize, size)
			if err != nil {
				c.mu.Unlock()
				return 0, err
			}
			c.next, c.end = slab, slab+slabSize
		}
		p = c.next
		c.next += uintptr(size)
		c.mu.Unlock()
	}
	a.inUse.Add(int64(size))
	return p, nil
}

// Free gives back what Alloc returned for the same n.
func (a *Arena) Free(p uintptr, n int) {
	if p == 0 {
		return
	}
	if n > maxClass {
		a.Unmap(p)
		return
	}
	ci := classOf[(n+15)/16]
	c := &a.free[ci]
	c.mu.Lock()
	*Word(p) = c.head
	c.head = p
	c.mu.Unlock()
	a.inUse.Add(-int64(classes[ci]))
}

// Map returns whole zeroed pages with an inaccessible page on either side. The
// pages take no memory until they are touched.
func (a *Arena) Map(n int) (uintptr, error) { return a.mapPages(n, 0) }

func (a *Arena) mapPages(n, elem int) (uintptr, error) {
	if n <= 0 {
		return 0, fmt.Errorf("map %d bytes: %w", n, ErrSize)
	}
	page := PageSize()
	if n > int(a.limit) {
		return 0, fmt.Errorf("map %d bytes: %w", n, ErrLimit)
	}
	size := (n+page-1)/page*page + 2*page
	if a.mapped.Add(int64(size)) > a.limit {
		a.mapped.Add(-int64(size))
		return 0, fmt.Errorf("map %d bytes: %w", n, ErrLimit)
	}
	base, err := reserve(size)
	if err == nil {
		err = commit(base+uintptr(page), size-2*page)
		if err != nil {
			err = errors.Join(err, release(base, size))
		}
	}
	if err != nil {
		a.mapped.Add(-int64(size))
		return 0, fmt.Errorf("map %d bytes: %w", n, err)
	}
	p := base + uintptr(page)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return 0, errors.Join(fmt.Errorf("map %d bytes: %w", n, ErrClosed), release(base, size))
	}
	a.regions[p] = region{base, size, elem}
	return p, nil
}

// Unmap gives back what Map returned.
func (a *Arena) Unmap(p uintptr) {
	a.mu.Lock()
	r, ok := a.regions[p]
	delete(a.regions, p)
	a.mu.Unlock()
	if !ok {
		panic(fmt.Sprintf("mem: unmap of %#x, which is not mapped", p))
	}
	if err := release(r.base, r.size); err != nil {
		panic(fmt.Sprintf("mem: unmap %#x: %v", p, err))
	}
	a.mapped.Add(-int64(r.size))
}

// InUse is the number of bytes Alloc has handed out from slabs and not got
// back; Mapped is the address space taken from the system.
func (a *Arena) InUse() int64  { return a.inUse.Load() }
func (a *Arena) Mapped() int64 { return a.mapped.Load() }

// Holds reports whether [p, p+n) lies inside memory of this arena.
func (a *Arena) Holds(p uintptr, n int) bool {
	page := uintptr(PageSize())
	a.mu.Lock()
	defer a.mu.Unlock()
	for base, r := range a.regions {
		if p >= base && p+uintptr(n) >= p && p+uintptr(n) <= r.base+uintptr(r.size)-page {
			return true
		}
	}
	return false
}

// Base finds the object that Alloc handed out from a slab and that p lies in; 0
// if p is in no slab. It is slow: for error paths.
func (a *Arena) Base(p uintptr) uintptr {
	a.mu.Lock()
	defer a.mu.Unlock()
	for base, r := range a.regions {
		if r.elem != 0 && p >= base && p < base+slabSize {
			return p - (p-base)%uintptr(r.elem)
		}
	}
	return 0
}

// Close gives all memory back. Nothing may use it any more.
func (a *Arena) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.closed = true
	var errs []error
	for p, r := range a.regions {
		if err := release(r.base, r.size); err != nil {
			errs = append(errs, fmt.Errorf("unmap %#x: %w", p, err))
			continue
		}
		a.mapped.Add(-int64(r.size))
		delete(a.regions, p)
	}
	for i := range a.free {
		a.free[i] = class{}
	}
	a.inUse.Store(0)
	return errors.Join(errs...)
}

// Ptr is the pointer to an address outside the Go heap.
func Ptr(p uintptr) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&p)) }

// Word is the 64-bit word at an address.
func Word(p uintptr) *uintptr { return (*uintptr)(Ptr(p)) }

// Bytes is the memory at an address as a slice; it must not outlive it.
func Bytes(p uintptr, n int) []byte { return unsafe.Slice((*byte)(Ptr(p)), n) }

// U8 and the like are pointers to integers at an address.
func U8(p uintptr) *uint8   { return (*uint8)(Ptr(p)) }
func U16(p uintptr) *uint16 { return (*uint16)(Ptr(p)) }
func U32(p uintptr) *uint32 { return (*uint32)(Ptr(p)) }
func U64(p uintptr) *uint64 { return (*uint64)(Ptr(p)) }

// Copy moves n bytes between addresses; the ranges may overlap.
func Copy(dst, src uintptr, n int) { copy(Bytes(dst, n), Bytes(src, n)) }
