// SPDX-License-Identifier: Apache-2.0

package world

import (
	"container/heap"
	"sync"
	"sync/atomic"
	"time"
)

// Clock is the host's time. It follows the machine's monotonic clock until
// Simulate makes it a number that only the model advances; timers follow
// whichever it is.
type Clock struct {
	base time.Time
	boot uint64 // what the clock read at base
	hz   uint64

	simulated atomic.Bool
	now       atomic.Uint64

	mu      sync.Mutex
	timers  timerHeap
	seq     uint64
	live    map[*Timer]struct{} // armed on the machine's clock
	stopped bool
}

// defaultHZ is what most distributions build with.
const defaultHZ = 250

func newClock(hz uint64) *Clock {
	if hz == 0 || hz > 1_000_000 {
		hz = defaultHZ
	}
	return &Clock{hz: hz, base: time.Now(), boot: 1_000_000_000, live: make(map[*Timer]struct{})}
}

// Now is nanoseconds since the world began, never 0.
func (c *Clock) Now() uint64 {
	if c.simulated.Load() {
		return c.now.Load()
	}
	return c.boot + uint64(time.Since(c.base))
}

// HZ is the tick rate jiffies count at: the profile's CONFIG_HZ.
func (c *Clock) HZ() uint64 { return c.hz }

// Jiffies is the tick counter, as jiffies64.
func (c *Clock) Jiffies() uint64 { return c.Now() / (1_000_000_000 / c.hz) }

// Wall is nanoseconds since 1970.
func (c *Clock) Wall() uint64 {
	return uint64(c.base.UnixNano()) + c.Now() - c.boot
}

// Simulate stops the clock at t; from then on Advance alone moves it.
func (c *Clock) Simulate(t uint64) {
	c.now.Store(t)
	c.simulated.Store(true)
}

// Simulated reports whether the model moves the clock.
func (c *Clock) Simulated() bool { return c.simulated.Load() }

// Advance moves a simulated clock to t and runs the timers that fall due on
// the way, each at its own time.
func (c *Clock) Advance(t uint64) {
	for {
		c.mu.Lock()
		if len(c.timers) == 0 || c.timers[0].when > t {
			c.mu.Unlock()
			if t > c.now.Load() {
				c.now.Store(t)
			}
			return
		}
		tm := heap.Pop(&c.timers).(*Timer)
		tm.armed = false
		if tm.when > c.now.Load() {
			c.now.Store(tm.when)
		}
		tm.running++
		c.mu.Unlock()
		tm.fire()
	}
}

// Next is when the next simulated timer falls due.
func (c *Clock) Next() (uint64, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.timers) == 0 {
		return 0, false
	}
	return c.timers[0].when, true
}

// Timer is one timer of the world. The function runs on a goroutine of its own
// (or inside Advance) and may arm the timer again.
type Timer struct {
	c       *Clock
	fn      func()
	when    uint64
	seq     uint64
	index   int
	armed   bool
	gen     uint64
	running int
	idle    *sync.Cond
	real    *time.Timer
	dead    bool
}

// NewTimer makes an unarmed timer.
func (c *Clock) NewTimer(fn func()) *Timer {
	return &Timer{c: c, fn: fn, index: -1, idle: sync.NewCond(&c.mu)}
}

// Start arms the timer for the time at; an armed timer is moved.
func (t *Timer) Start(at uint64) {
	c := t.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if t.dead || c.stopped {
		return
	}
	t.disarm()
	t.when, t.armed = at, true
	c.seq++
	t.seq = c.seq
	if c.simulated.Load() {
		heap.Push(&c.timers, t)
		return
	}
	t.gen++
	gen := t.gen
	c.live[t] = struct{}{}
	d := time.Duration(0)
	if now := c.Now(); at > now {
		d = time.Duration(at - now)
	}
	t.real = time.AfterFunc(d, func() {
		c.mu.Lock()
		if !t.armed || t.gen != gen || c.stopped {
			c.mu.Unlock()
			return
		}
		t.armed = false
		delete(c.live, t)
		t.running++
		c.mu.Unlock()
		t.fire()
	})
}

func (t *Timer) fire() {
	t.fn()
	t.c.mu.Lock()
	t.running--
	t.idle.Broadcast()
	t.c.mu.Unlock()
}

// disarm takes the timer off the queue; c.mu is held.
func (t *Timer) disarm() bool {
	was := t.armed
	t.armed = false
	if t.index >= 0 {
		heap.Remove(&t.c.timers, t.index)
	}
	if t.real != nil {
		t.real.Stop()
		t.real = nil
	}
	delete(t.c.live, t)
	return was
}

// Cancel disarms the timer and says whether it was armed. It does not wait for
// a function that runs already.
func (t *Timer) Cancel() bool {
	t.c.mu.Lock()
	defer t.c.mu.Unlock()
	return t.disarm()
}

// Running reports whether the function runs at the moment.
func (t *Timer) Running() bool {
	t.c.mu.Lock()
	defer t.c.mu.Unlock()
	return t.running > 0
}

// Kill disarms the timer for good; with wait it returns only when the function
// does not run any more, so it must not be called from it.
func (t *Timer) Kill(wait bool) {
	t.c.mu.Lock()
	defer t.c.mu.Unlock()
	t.dead = true
	t.disarm()
	for wait && t.running > 0 {
		t.idle.Wait()
	}
}

// wait returns when the function does not run.
func (t *Timer) wait() {
	t.c.mu.Lock()
	defer t.c.mu.Unlock()
	for t.running > 0 {
		t.idle.Wait()
	}
}

func (c *Clock) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped = true
	for t := range c.live {
		t.disarm()
	}
	c.timers = nil
}

type timerHeap []*Timer

func (h timerHeap) Len() int { return len(h) }
func (h timerHeap) Less(i, j int) bool {
	return h[i].when < h[j].when || h[i].when == h[j].when && h[i].seq < h[j].seq
}

func (h timerHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h *timerHeap) Push(x any) {
	t := x.(*Timer)
	t.index = len(*h)
	*h = append(*h, t)
}

func (h *timerHeap) Pop() any {
	old := *h
	t := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	t.index = -1
	return t
}
