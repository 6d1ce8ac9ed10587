// SPDX-License-Identifier: Apache-2.0

package world

import (
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func newWorld(t *testing.T, cpus int) *World {
	t.Helper()
	w, err := New(nil, cpus)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// TestEpochs: what is retired while a run is inside goes only when that run has
// left, and runs that came later do not hold it up.
func TestEpochs(t *testing.T) {
	w := newWorld(t, 2)
	early := w.Enter(nil)
	freed := false
	w.Defer(func() { freed = true })
	late := w.Enter(nil)
	w.reclaim()
	if freed {
		t.Fatal("freed while a run may see it")
	}
	early.Exit()
	w.reclaim()
	if !freed {
		t.Fatal("a run that came later holds it up")
	}
	late.Exit()
	n := 0
	w.Defer(func() { n++; w.Defer(func() { n++ }) })
	w.Synchronize()
	if n != 2 {
		t.Errorf("%d of 2 freed", n)
	}
	if err := w.Close(); err != nil || w.Mem.Mapped() != 0 {
		t.Errorf("close: %v, %d bytes mapped", err, w.Mem.Mapped())
	}
}

// TestEpochsConcurrent poisons what it retires: nobody who found it while it was
// published may see the poison.
func TestEpochsConcurrent(t *testing.T) {
	w := newWorld(t, 4)
	type thing struct{ poisoned atomic.Bool }
	var shared atomic.Pointer[thing]
	shared.Store(&thing{})
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				r := w.Enter(nil)
				p := shared.Load()
				for range 50 {
					if p.poisoned.Load() {
						t.Error("freed under a reader")
					}
				}
				r.Exit()
			}
		})
	}
	for range 5000 {
		old := shared.Swap(&thing{})
		w.Defer(func() { old.poisoned.Store(true) })
	}
	w.Synchronize()
	close(stop)
	wg.Wait()
	if err := w.Close(); err != nil {
		t.Error(err)
	}
}

func TestCPUsAreExclusive(t *testing.T) {
	w := newWorld(t, 2)
	a, b, c := w.Enter(nil), w.Enter(nil), w.Enter(nil)
	if a.CPU == b.CPU || c.CPU > 1 {
		t.Errorf("CPUs %d, %d and %d", a.CPU, b.CPU, c.CPU)
	}
	a.Exit()
	if d := w.Enter(nil); d.CPU != a.CPU {
		t.Errorf("free CPU %d not taken but %d", a.CPU, d.CPU)
	} else {
		d.Exit()
	}
	b.Exit()
	c.Exit()
	if _, err := w.EnterCPU(2, nil); err == nil {
		t.Error("CPU 2 of 2 entered")
	}
}

func TestSimulatedTimers(t *testing.T) {
	w := newWorld(t, 1)
	w.Clock.Simulate(100)
	var fired []uint64
	var tm *Timer
	tm = w.Clock.NewTimer(func() {
		fired = append(fired, w.Clock.Now())
		if len(fired) < 3 {
			tm.Start(w.Clock.Now() + 50)
		}
	})
	other := w.Clock.NewTimer(func() { fired = append(fired, 0) })
	other.Start(130)
	tm.Start(120)
	if n, ok := w.Clock.Next(); !ok || n != 120 {
		t.Errorf("next at %d, %v", n, ok)
	}
	if !other.Cancel() || other.Cancel() {
		t.Error("cancel twice")
	}
	w.Clock.Advance(1000)
	if !slices.Equal(fired, []uint64{120, 170, 220}) || w.Clock.Now() != 1000 {
		t.Errorf("fired at %v, now %d", fired, w.Clock.Now())
	}
}

func TestRealTimers(t *testing.T) {
	w := newWorld(t, 1)
	done := make(chan struct{})
	tm := w.Clock.NewTimer(func() { close(done) })
	tm.Start(w.Clock.Now() + 1_000_000)
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("timer did not fire")
	}
	// A killed timer waits for its function and never fires again.
	started, release := make(chan struct{}), make(chan struct{})
	var ended atomic.Bool
	slow := w.Clock.NewTimer(func() { close(started); <-release; ended.Store(true) })
	slow.Start(0)
	<-started
	go close(release)
	slow.Kill(true)
	if !ended.Load() {
		t.Error("killed while its function ran")
	}
	slow.Start(0)
	if slow.Running() || slow.armed {
		t.Error("a killed timer was armed")
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
}

func TestTrace(t *testing.T) {
	tr := newTrace()
	n := 0
	tr.SetSink(func(Line) { n++ })
	for i := range traceKeep + 10 {
		tr.Print(Line{Time: uint64(i)})
	}
	lines, lost := tr.Lines()
	if n != traceKeep+10 || lost != 10 || len(lines) != traceKeep || lines[0].Time != 10 || lines[traceKeep-1].Time != traceKeep+9 {
		t.Errorf("%d lines, %d lost, sink got %d", len(lines), lost, n)
	}
}

func TestRandIsRepeatable(t *testing.T) {
	draw := func() []uint64 {
		w := newWorld(t, 1)
		w.Seed = 42
		r := w.Enter(nil)
		defer r.Exit()
		return []uint64{r.Rand(), r.Rand(), r.Rand()}
	}
	if a, b := draw(), draw(); !slices.Equal(a, b) || a[0] == a[1] {
		t.Errorf("%v and %v", a, b)
	}
}
