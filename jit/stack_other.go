// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package jit

import "unsafe"

// newStackBlock takes a block from the Go heap, which does not move objects, and
// the free list keeps it alive. There is no guard: the interpreter checks.
func newStackBlock() (*stackBlock, error) {
	mem := make([]byte, stackBlockSize)
	lo := uintptr(unsafe.Pointer(unsafe.SliceData(mem)))
	return &stackBlock{lo: (lo + 15) &^ 15, hi: (lo + stackBlockSize) &^ 15, mem: mem}, nil
}
