// SPDX-License-Identifier: Apache-2.0

package jit

import "sync"

// A stackBlock is memory for the stacks of one run, outside the Go heap: its
// addresses are handed to callees and may be kept in registers of machine code.
// Blocks are kept for reuse and never returned; there are as many as runs were
// ever going on at once.
type stackBlock struct {
	lo, hi uintptr // usable part; a guard lies below lo
	mem    []byte
}

// stackBlockSize is the size of a block with its guard, and its alignment.
const stackBlockSize = 256 << 10

// stackGuard is inaccessible memory at the low end of a block where the
// platform can give it. It is larger than any one frame.
const stackGuard = 16 << 10

var freeStacks struct {
	sync.Mutex
	list []*stackBlock
}

func getStack() (*stackBlock, error) {
	freeStacks.Lock()
	if n := len(freeStacks.list); n > 0 {
		b := freeStacks.list[n-1]
		freeStacks.list = freeStacks.list[:n-1]
		freeStacks.Unlock()
		return b, nil
	}
	freeStacks.Unlock()
	return newStackBlock()
}

func putStack(b *stackBlock) {
	freeStacks.Lock()
	freeStacks.list = append(freeStacks.list, b)
	freeStacks.Unlock()
}
