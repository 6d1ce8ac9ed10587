// SPDX-License-Identifier: Apache-2.0

package jit

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// codeArena is the executable memory of the process: one anonymous file mapped
// twice, once to write and once to execute. No page is ever both, and adding a
// program costs a copy, not a system call. It lies in the low 2 GiB, within
// reach of 32-bit offsets and constants.
type codeArena struct {
	mu   sync.Mutex
	w    []byte  // the writable view
	x    uintptr // where the executable view begins
	free []span  // ascending, never adjacent
}

type span struct{ off, len int }

// arenaSize is address space, not memory: pages come with use.
const arenaSize = 64 << 20

const codeAlign = 64

// ErrCodeMemory means that programs loaded at once take more than the arena.
var ErrCodeMemory = errors.New("out of executable memory")

func newCodeArena() (*codeArena, error) {
	const mfdExec = 0x10
	fd, err := unix.MemfdCreate("modbpf-jit", unix.MFD_CLOEXEC|mfdExec)
	if errors.Is(err, unix.EINVAL) { // before Linux 6.3
		fd, err = unix.MemfdCreate("modbpf-jit", unix.MFD_CLOEXEC)
	}
	if err != nil {
		return nil, fmt.Errorf("create code arena: %w: %w", ErrNoJIT, err)
	}
	defer unix.Close(fd)
	if err := unix.Ftruncate(fd, arenaSize); err != nil {
		return nil, fmt.Errorf("size code arena: %w: %w", ErrNoJIT, err)
	}
	w, err := unix.Mmap(fd, 0, arenaSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map code arena to write: %w: %w", ErrNoJIT, err)
	}
	x, err := unix.MmapPtr(fd, 0, nil, arenaSize, unix.PROT_READ|unix.PROT_EXEC, unix.MAP_SHARED|unix.MAP_32BIT)
	if err != nil {
		x, err = unix.MmapPtr(fd, 0, nil, arenaSize, unix.PROT_READ|unix.PROT_EXEC, unix.MAP_SHARED)
	}
	if err != nil {
		err = fmt.Errorf("map code arena to execute: %w: %w", ErrNoJIT, err)
		return nil, errors.Join(err, unix.Munmap(w))
	}
	return &codeArena{w: w, x: uintptr(x), free: []span{{0, arenaSize}}}, nil
}

// alloc takes n bytes and returns their offset.
func (a *codeArena) alloc(n int) (int, error) {
	n = (n + codeAlign - 1) &^ (codeAlign - 1)
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := range a.free {
		s := &a.free[i]
		if s.len < n {
			continue
		}
		off := s.off
		s.off += n
		s.len -= n
		if s.len == 0 {
			a.free = slices.Delete(a.free, i, i+1)
		}
		return off, nil
	}
	return 0, ErrCodeMemory
}

// release gives n bytes at off back. What is left there traps.
func (a *codeArena) release(off, n int) {
	n = (n + codeAlign - 1) &^ (codeAlign - 1)
	b := a.w[off : off+n]
	for i := range b {
		b[i] = 0xcc
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	i, _ := slices.BinarySearchFunc(a.free, off, func(s span, off int) int { return s.off - off })
	a.free = slices.Insert(a.free, i, span{off, n})
	if i+1 < len(a.free) && a.free[i].off+a.free[i].len == a.free[i+1].off {
		a.free[i].len += a.free[i+1].len
		a.free = slices.Delete(a.free, i+1, i+2)
	}
	if i > 0 && a.free[i-1].off+a.free[i-1].len == a.free[i].off {
		a.free[i-1].len += a.free[i].len
		a.free = slices.Delete(a.free, i, i+1)
	}
}

func (a *codeArena) addr(off int) uintptr { return a.x + uintptr(off) }

// sizeOfPtr documents an assumption of everything here.
var _ [unsafe.Sizeof(uintptr(0)) - 8]struct{}
