// SPDX-License-Identifier: Apache-2.0

package world

import (
	"runtime"
	"sync/atomic"

	"github.com/modbpf/modbpf/framework/host/mem"
)

// Lock takes the spin lock at p: a 32-bit word, 0 when free. Whoever holds it
// may lose the processor, so waiting yields after a short spin.
func Lock(p uintptr) {
	w := mem.U32(p)
	for spins := 0; !atomic.CompareAndSwapUint32(w, 0, 1); spins++ {
		if spins > 16 {
			runtime.Gosched()
		}
	}
}

// TryLock is Lock that gives up at once.
func TryLock(p uintptr) bool { return atomic.CompareAndSwapUint32(mem.U32(p), 0, 1) }

// Unlock frees the spin lock at p.
func Unlock(p uintptr) { atomic.StoreUint32(mem.U32(p), 0) }
