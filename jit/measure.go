// SPDX-License-Identifier: Apache-2.0

package jit

import (
	"sync/atomic"
	"time"
)

// Stats are what runs of one executable took.
type Stats struct {
	Runs        uint64
	Errors      uint64
	Nanoseconds uint64 // all runs together
	Slowest     uint64 // the longest run; of a batch the mean of its runs counts
}

// Measured is an executable that counts its runs and their time. Counting costs
// two looks at the clock a run, so it is chosen, not built in.
type Measured struct {
	Executable
	runs, errors, total, slowest atomic.Uint64
}

// Measure wraps an executable.
func Measure(x Executable) *Measured { return &Measured{Executable: x} }

// Stats are the counts so far.
func (m *Measured) Stats() Stats {
	return Stats{Runs: m.runs.Load(), Errors: m.errors.Load(), Nanoseconds: m.total.Load(), Slowest: m.slowest.Load()}
}

// Unwrap is the executable inside: tail calls need the engine's own.
func (m *Measured) Unwrap() Executable { return m.Executable }

// unwrap is the engine's executable behind a wrapper.
func unwrap(x Executable) Executable {
	for {
		u, ok := x.(interface{ Unwrap() Executable })
		if !ok {
			return x
		}
		x = u.Unwrap()
	}
}

func (m *Measured) note(n int, start time.Time, err error) {
	d := uint64(time.Since(start))
	m.runs.Add(uint64(n))
	m.total.Add(d)
	if err != nil {
		m.errors.Add(1)
	}
	if n > 0 {
		d /= uint64(n)
	}
	for {
		old := m.slowest.Load()
		if d <= old || m.slowest.CompareAndSwap(old, d) {
			return
		}
	}
}

// Run counts and runs.
func (m *Measured) Run(ctx uintptr, user any) (uint64, error) {
	start := time.Now()
	r, err := m.Executable.Run(ctx, user)
	m.note(1, start, err)
	return r, err
}

// RunBatch counts and runs.
func (m *Measured) RunBatch(ctxs []uintptr, results []uint64, user any) error {
	start := time.Now()
	err := m.Executable.RunBatch(ctxs, results, user)
	m.note(len(ctxs), start, err)
	return err
}

// RunFunc counts and runs.
func (m *Measured) RunFunc(fn uint64, args [5]uint64, user any) (uint64, error) {
	start := time.Now()
	r, err := m.Executable.RunFunc(fn, args, user)
	m.note(1, start, err)
	return r, err
}
