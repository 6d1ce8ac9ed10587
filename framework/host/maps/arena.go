// SPDX-License-Identifier: Apache-2.0

package maps

import (
	"math/bits"
	"sync"

	"github.com/modbpf/modbpf/framework/host/mem"
	"github.com/modbpf/modbpf/framework/host/world"
	"github.com/modbpf/modbpf/jit"
)

// Arena is BPF_MAP_TYPE_ARENA: a window of 4 GiB that programs and user space
// share. The kernel turns a program's access to a page that was not allocated
// into 0 or nothing. Here the whole window is mapped, so such an access cannot
// fault and reads 0 too; what is stored there is forgotten when the page is
// allocated or freed. Go code reads and writes the window through Bytes.
type Arena struct {
	*base
	window uintptr // where arena address 0 (of 32 bits) lies
	user   uint64  // arena address of the first page
	pages  uint32
	mu     sync.Mutex
	used   []uint64 // a bit for each page
}

const (
	arenaWindow = 4 << 30
	arenaGuard  = 64 << 10 // offsets of loads and stores reach 32 KiB either way
)

func newArena(b *base) (Map, error) {
	s := b.spec
	page := uint64(mem.PageSize())
	if s.KeySize != 0 || s.ValueSize != 0 || s.MaxEntries == 0 || uint64(s.MaxEntries)*page > arenaWindow || s.Extra%page != 0 {
		return nil, EINVAL
	}
	a := &Arena{base: b, pages: s.MaxEntries, used: make([]uint64, (s.MaxEntries+63)/64)}
	// Twice the window, so that one aligned to 4 GiB fits: then a program's arena
	// pointer and the process's address of the same byte are equal.
	p, err := b.mem.Map(2*arenaWindow + 2*arenaGuard)
	if err != nil {
		return nil, err
	}
	base := (p + arenaGuard + arenaWindow - 1) &^ (arenaWindow - 1)
	a.window, a.user = base, uint64(base)
	if s.Extra != 0 {
		a.user = s.Extra
		if (a.user+uint64(a.pages)*page-1)>>32 != a.user>>32 {
			return nil, ERANGE
		}
	}
	return a, nil
}

// Info says where the window lies: the byte of arena address x at ArenaKernel + uint32(x).
func (a *Arena) Info() jit.MapInfo {
	return jit.MapInfo{Handle: a.handle, ArenaUser: a.user, ArenaKernel: a.window}
}

// Alloc is bpf_arena_alloc_pages: the arena address of n zeroed pages in a row,
// at addr if that is not 0, or 0.
func (a *Arena) Alloc(addr uint64, n uint32) uint64 {
	page := uint64(mem.PageSize())
	if n == 0 || n > a.pages || addr%page != 0 {
		return 0
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if addr != 0 {
		off := uint64(uint32(addr) - uint32(a.user))
		first := off / page
		if addr>>32 != a.user>>32 && addr>>32 != 0 || first+uint64(n) > uint64(a.pages) || !a.free(uint32(first), n) {
			return 0
		}
		return a.take(uint32(first), n)
	}
	for i := uint32(0); i+n <= a.pages; {
		if a.free(i, n) {
			return a.take(i, n)
		}
		i += a.skip(i, n)
	}
	return 0
}

func (a *Arena) bit(i uint32) bool { return a.used[i/64]>>(i%64)&1 != 0 }

func (a *Arena) free(first, n uint32) bool {
	for i := first; i < first+n; i++ {
		if a.bit(i) {
			return false
		}
	}
	return true
}

// skip is how far the next place to try is, past the last used page in sight.
func (a *Arena) skip(first, n uint32) uint32 {
	if w := a.used[first/64] >> (first % 64); w != 0 && n <= 64 {
		if z := uint32(bits.TrailingZeros64(w)); z < n {
			return z + 1
		}
	}
	for i := first + n; i > first; i-- {
		if a.bit(i - 1) {
			return i - first
		}
	}
	return 1
}

func (a *Arena) at(i uint32) (kern uintptr, user uint64) {
	page := uint64(mem.PageSize())
	user = a.user + uint64(i)*page
	return a.window + uintptr(uint32(user)), user
}

func (a *Arena) take(first, n uint32) uint64 {
	for i := first; i < first+n; i++ {
		a.used[i/64] |= 1 << (i % 64)
	}
	kern, user := a.at(first)
	clear(mem.Bytes(kern, int(n)*mem.PageSize()))
	return user
}

// Free is bpf_arena_free_pages.
func (a *Arena) Free(addr uint64, n uint32) {
	page := uint64(mem.PageSize())
	off := uint64(uint32(addr)-uint32(a.user)) &^ (page - 1)
	first := off / page
	if first >= uint64(a.pages) {
		return
	}
	n = min(n, a.pages-uint32(first))
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := uint32(first); i < uint32(first)+n; i++ {
		if !a.bit(i) {
			continue
		}
		a.used[i/64] &^= 1 << (i % 64)
		kern, _ := a.at(i)
		clear(mem.Bytes(kern, int(page)))
	}
}

// Bytes is n bytes of the arena at an arena address, nil if they leave it.
func (a *Arena) Bytes(addr uint64, n int) []byte {
	off := uint64(uint32(addr) - uint32(a.user))
	if n < 0 || off+uint64(n) > uint64(a.pages)*uint64(mem.PageSize()) {
		return nil
	}
	return mem.Bytes(a.window+uintptr(uint32(addr)), n)
}

func (a *Arena) At(*world.Run, uintptr) uintptr { return 0 }
