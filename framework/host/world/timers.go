// SPDX-License-Identifier: Apache-2.0

package world

import (
	"sync"

	"github.com/modbpf/modbpf/framework/host/fields"
)

// ProgTimers are the timers and work items (bpf_timer, bpf_wq) that lie in map
// values, by the address of the field.
type ProgTimers struct {
	w  *World
	mu sync.Mutex
	m  map[uintptr]*ProgTimer
}

// ProgTimer is one of them. Owner is who its callbacks belong to: they end with it.
type ProgTimer struct {
	Owner any
	Work  bool // a work item
	ts    *ProgTimers
	at    uintptr
	timer *Timer
	mu    sync.Mutex
	fn    func(*Run)
}

func newProgTimers(w *World) *ProgTimers {
	ts := &ProgTimers{w: w, m: make(map[uintptr]*ProgTimer)}
	w.Objects.DropTimers = ts.drop
	return ts
}

// New makes the timer of a field; false if it has one.
func (ts *ProgTimers) New(at uintptr, owner any, work bool) bool {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if ts.m[at] != nil {
		return false
	}
	t := &ProgTimer{Owner: owner, Work: work, ts: ts, at: at}
	t.timer = ts.w.Clock.NewTimer(t.fire)
	ts.m[at] = t
	return true
}

// At is the timer of a field, nil if it was not made.
func (ts *ProgTimers) At(at uintptr) *ProgTimer {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	return ts.m[at]
}

// SetCallback says what runs when the timer fires.
func (t *ProgTimer) SetCallback(fn func(*Run)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.fn = fn
}

// HasCallback reports whether there is something to run.
func (t *ProgTimer) HasCallback() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.fn != nil
}

// Start arms the timer.
func (t *ProgTimer) Start(when uint64) { t.timer.Start(when) }

// Cancel disarms the timer and says whether it was armed.
func (t *ProgTimer) Cancel() bool { return t.timer.Cancel() }

// Running reports whether its callback runs at the moment.
func (t *ProgTimer) Running() bool { return t.timer.Running() }

// Wait returns when the callback does not run any more.
func (t *ProgTimer) Wait() { t.timer.wait() }

func (t *ProgTimer) fire() {
	t.mu.Lock()
	fn := t.fn
	t.mu.Unlock()
	if fn == nil {
		return
	}
	r := t.ts.w.Enter(nil)
	defer r.Exit()
	r.Timer = t
	// The element may have gone while this one waited for a CPU.
	if t.ts.At(t.at) == t {
		fn(r)
	}
}

// drop ends the timers of freed memory. It does not wait: it may be called from
// a callback of one of them.
func (ts *ProgTimers) drop(rec *fields.Record, addr uintptr) {
	for i := range rec.Fields {
		f := &rec.Fields[i]
		if f.Kind != fields.Timer && f.Kind != fields.Other {
			continue
		}
		at := addr + uintptr(f.Off)
		ts.mu.Lock()
		t := ts.m[at]
		delete(ts.m, at)
		ts.mu.Unlock()
		if t != nil {
			t.timer.Kill(false)
		}
	}
}

// DropOwner ends the timers of an owner and waits for those that run.
func (ts *ProgTimers) DropOwner(owner any) {
	ts.mu.Lock()
	var gone []*ProgTimer
	for at, t := range ts.m {
		if t.Owner == owner {
			gone = append(gone, t)
			delete(ts.m, at)
		}
	}
	ts.mu.Unlock()
	for _, t := range gone {
		t.timer.Kill(true)
	}
}

// Live is the number of timers there are.
func (ts *ProgTimers) Live() int {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	return len(ts.m)
}
