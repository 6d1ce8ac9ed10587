// SPDX-License-Identifier: Apache-2.0

package world

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// Delayed free, after epoch-based reclamation (Fraser, "Practical lock
// freedom", 2004): each run notes the global epoch when it enters. Retiring
// something unlinks it first, then advances the epoch and tags it with the new
// value; whoever entered at that value or later cannot have seen it, so it goes
// once no run with an older note is left.

// retireBatch is how many retired things wait before a run's exit looks.
const retireBatch = 32

type retireList struct {
	pending atomic.Int64
	mu      sync.Mutex
	items   []retired
}

// retired is something to be freed: by a function, or memory of the world.
type retired struct {
	epoch uint64
	free  func()
	addr  uintptr
	size  int
}

// Defer runs free once no program can still see what the caller unlinked.
func (w *World) Defer(free func()) { w.retire(retired{free: free}) }

func (w *World) retire(it retired) {
	it.epoch = w.epoch.Add(1)
	w.retired.mu.Lock()
	w.retired.items = append(w.retired.items, it)
	w.retired.mu.Unlock()
	w.retired.pending.Add(1)
}

// oldest is the oldest epoch any run entered at.
func (w *World) oldest() uint64 {
	low := ^uint64(0)
	for _, r := range *w.all.Load() {
		if a := r.active.Load(); a != 0 && a < low {
			low = a
		}
	}
	return low
}

// reclaim frees what no run can see any more.
func (w *World) reclaim() {
	w.retired.mu.Lock()
	low := w.oldest()
	var ready []retired
	keep := w.retired.items[:0]
	for _, it := range w.retired.items {
		if it.epoch <= low {
			ready = append(ready, it)
		} else {
			keep = append(keep, it)
		}
	}
	clear(w.retired.items[len(keep):])
	w.retired.items = keep
	w.retired.mu.Unlock()
	w.retired.pending.Add(-int64(len(ready)))
	for _, it := range ready {
		if it.free == nil {
			w.Mem.Free(it.addr, it.size)
			continue
		}
		it.free() // may retire more
	}
}

// Synchronize waits until every run that is inside now has left, then frees
// all that was retired before. It must not be called from inside a run.
func (w *World) Synchronize() {
	for {
		e := w.epoch.Add(1)
		for pause := time.Microsecond; w.oldest() < e; pause = min(2*pause, time.Millisecond) {
			time.Sleep(pause)
		}
		w.reclaim()
		if w.retired.pending.Load() == 0 {
			return
		}
	}
}

func randomSeed() uint64 { return rand.Uint64() }
