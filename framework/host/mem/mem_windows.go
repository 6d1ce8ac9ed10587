// SPDX-License-Identifier: Apache-2.0

package mem

import (
	"os"
	"sync"

	"golang.org/x/sys/windows"
)

// PageSize is the granularity of guards and of Map.
var PageSize = sync.OnceValue(os.Getpagesize)

// reserve takes address space without access rights.
func reserve(n int) (uintptr, error) {
	return windows.VirtualAlloc(0, uintptr(n), windows.MEM_RESERVE, windows.PAGE_NOACCESS)
}

// commit makes reserved pages readable and writable; they read as zero.
func commit(p uintptr, n int) error {
	_, err := windows.VirtualAlloc(p, uintptr(n), windows.MEM_COMMIT, windows.PAGE_READWRITE)
	return err
}

func release(p uintptr, _ int) error { return windows.VirtualFree(p, 0, windows.MEM_RELEASE) }
