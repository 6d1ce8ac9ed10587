// SPDX-License-Identifier: Apache-2.0

package world

import "sync"

// Line is one message a program printed.
type Line struct {
	Time uint64 // nanoseconds of the world's clock
	CPU  int
	Text string
}

// Trace is the stream programs print to with bpf_printk; the newest lines are
// kept for whoever asks later.
type Trace struct {
	mu   sync.Mutex
	ring []Line
	next int
	lost uint64
	sink func(Line)
}

// traceKeep is how many lines are kept.
const traceKeep = 1024

func newTrace() *Trace { return &Trace{} }

// SetSink has fn called for each line, in order, under the stream's lock.
func (t *Trace) SetSink(fn func(Line)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sink = fn
}

// Print adds a line.
func (t *Trace) Print(l Line) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.ring) < traceKeep {
		t.ring = append(t.ring, l)
	} else {
		t.ring[t.next] = l
		t.next = (t.next + 1) % traceKeep
		t.lost++
	}
	if t.sink != nil {
		t.sink(l)
	}
}

// Lines are the newest lines, oldest first, and how many were lost before them.
func (t *Trace) Lines() ([]Line, uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append(append([]Line(nil), t.ring[t.next:]...), t.ring[:t.next]...), t.lost
}
