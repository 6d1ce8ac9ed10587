// SPDX-License-Identifier: Apache-2.0

//go:build unix

package mem

import (
	"os"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// PageSize is the granularity of guards and of Map.
var PageSize = sync.OnceValue(os.Getpagesize)

// reserve takes address space without access rights.
func reserve(n int) (uintptr, error) {
	p, err := unix.MmapPtr(-1, 0, nil, uintptr(n), unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON|noReserve)
	return uintptr(p), err
}

// commit makes reserved pages readable and writable; they read as zero.
func commit(p uintptr, n int) error {
	return unix.Mprotect(unsafe.Slice((*byte)(Ptr(p)), n), unix.PROT_READ|unix.PROT_WRITE)
}

func release(p uintptr, n int) error { return unix.MunmapPtr(Ptr(p), uintptr(n)) }
