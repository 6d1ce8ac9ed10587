// SPDX-License-Identifier: Apache-2.0

//go:build unix

package jit

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// newStackBlock maps a block aligned to its size, so that machine code and the
// fault handler find a block's start from any stack pointer inside it.
func newStackBlock() (*stackBlock, error) {
	mem, err := unix.Mmap(-1, 0, 2*stackBlockSize, unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return nil, fmt.Errorf("map program stack: %w", err)
	}
	base := uintptr(unsafe.Pointer(unsafe.SliceData(mem)))
	skip := (stackBlockSize - base%stackBlockSize) % stackBlockSize
	block := mem[skip : skip+stackBlockSize : skip+stackBlockSize]
	lo := base + skip
	if err := unix.Mprotect(block[:stackHead], unix.PROT_READ|unix.PROT_WRITE); err != nil {
		return nil, fmt.Errorf("protect program stack: %w", err)
	}
	if err := unix.Mprotect(block[stackHead+stackGuard:], unix.PROT_READ|unix.PROT_WRITE); err != nil {
		return nil, fmt.Errorf("protect program stack: %w", err)
	}
	return &stackBlock{lo: lo + stackHead + stackGuard, hi: lo + stackBlockSize, mem: mem}, nil
}

// stackHead is room at the start of a block for the machine state of a run,
// below the guard.
const stackHead = 4 << 10
