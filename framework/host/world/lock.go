// SPDX-License-Identifier: Apache-2.0

package world

import (
	"runtime"
	"slices"
	"sync/atomic"
	"time"

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

// LockFor is Lock that gives up after a time.
func LockFor(p uintptr, d time.Duration) bool {
	var end time.Time
	for spins := 0; !TryLock(p); spins++ {
		if spins == 16 {
			end = time.Now().Add(d)
		}
		if spins > 16 {
			if time.Now().After(end) {
				return false
			}
			runtime.Gosched()
		}
	}
	return true
}

// Holds, Took and Gave keep count of the resilient locks a run holds.
func (r *Run) Holds(l uintptr) bool { return slices.Contains(r.held, l) }
func (r *Run) Took(l uintptr)       { r.held = append(r.held, l) }

func (r *Run) Gave(l uintptr) {
	if i := slices.Index(r.held, l); i >= 0 {
		r.held = slices.Delete(r.held, i, i+1)
	}
}
