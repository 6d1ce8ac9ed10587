// SPDX-License-Identifier: Apache-2.0

package helpers

import (
	"github.com/modbpf/modbpf/framework/host/maps"
	"github.com/modbpf/modbpf/framework/host/world"
	"github.com/modbpf/modbpf/jit"
)

var timerHelpers = []Helper{
	{169, "timer_init", []string{"bpf_timer_init_proto"}, timerInit},
	{170, "timer_set_callback", []string{"bpf_timer_set_callback_proto"}, timerSetCallback},
	{171, "timer_start", []string{"bpf_timer_start_proto"}, timerStart},
	{172, "timer_cancel", []string{"bpf_timer_cancel_proto"}, timerCancel},
}

var workKfuncs = []Kfunc{
	{"bpf_wq_init", workInit},
	{"bpf_wq_set_callback_impl", workSetCallback},
	{"bpf_wq_set_callback", workSetCallback},
	{"bpf_wq_start", workStart},
	{"bpf_timer_cancel_async", timerCancelAsync},
}

const (
	timerAbs = 1
	timerPin = 2
)

// timerInit makes the timer of a field. Clocks 0, 1 and 7 are the kernel's
// CLOCK_REALTIME, CLOCK_MONOTONIC and CLOCK_BOOTTIME; here all follow one.
func timerInit(f *jit.Frame, at, m, flags, _, _ uint64) uint64 {
	if c := flags & 15; flags&^15 != 0 || c != 0 && c != 1 && c != 7 {
		return maps.EINVAL.R0()
	}
	return asyncInit(f, at, m, false)
}

func asyncInit(f *jit.Frame, at, m uint64, work bool) uint64 {
	if !run(f).World.Timers.New(uintptr(at), maps.FromHandle(uintptr(m)), work) {
		return maps.EBUSY.R0()
	}
	return 0
}

func timerSetCallback(f *jit.Frame, at, fn, _, _, _ uint64) uint64 {
	w := run(f).World
	t := w.Timers.At(uintptr(at))
	if t == nil {
		return maps.EINVAL.R0()
	}
	m, ok := t.Owner.(maps.Map)
	if !ok {
		return maps.EINVAL.R0()
	}
	value, key := m.Element(uintptr(at))
	if value == 0 {
		return maps.EINVAL.R0()
	}
	code, handle := f.Code, uint64(m.Handle())
	t.SetCallback(func(r *world.Run) {
		// A callback's failure ends that callback alone; it is counted as the
		// program's and printed, because nobody waits for its result.
		if _, err := code.RunFunc(fn, [5]uint64{handle, uint64(key), uint64(value)}, r); err != nil {
			r.World.Trace.Print(world.Line{Time: r.World.Clock.Now(), CPU: r.CPU, Text: "callback failed: " + err.Error()})
		}
	})
	return 0
}

func timerStart(f *jit.Frame, at, nsecs, flags, _, _ uint64) uint64 {
	w := run(f).World
	t := w.Timers.At(uintptr(at))
	if flags&^(timerAbs|timerPin) != 0 || t == nil || !t.HasCallback() {
		return maps.EINVAL.R0()
	}
	if flags&timerAbs == 0 {
		nsecs += w.Clock.Now()
	}
	t.Start(nsecs)
	return 0
}

// timerCancel waits for the callback if it runs; from a callback that would
// wait for itself or for one that may wait for us, so that is refused.
func timerCancel(f *jit.Frame, at, _, _, _, _ uint64) uint64 {
	r := run(f)
	t := r.World.Timers.At(uintptr(at))
	if t == nil {
		return maps.EINVAL.R0()
	}
	if r.Timer == t || r.Timer != nil && t.Running() {
		return maps.EDEADLK.R0()
	}
	was := t.Cancel()
	t.Wait()
	return Bool(was)
}

func timerCancelAsync(f *jit.Frame, at, _, _, _, _ uint64) uint64 {
	t := run(f).World.Timers.At(uintptr(at))
	if t == nil {
		return maps.EINVAL.R0()
	}
	return Bool(t.Cancel())
}

func workInit(f *jit.Frame, at, m, flags, _, _ uint64) uint64 {
	if uint32(flags) != 0 {
		return maps.EINVAL.R0()
	}
	return asyncInit(f, at, m, true)
}

func workSetCallback(f *jit.Frame, at, fn, flags, _, _ uint64) uint64 {
	if uint32(flags) != 0 {
		return maps.EINVAL.R0()
	}
	return timerSetCallback(f, at, fn, 0, 0, 0)
}

func workStart(f *jit.Frame, at, flags, _, _, _ uint64) uint64 {
	if uint32(flags) != 0 {
		return maps.EINVAL.R0()
	}
	return timerStart(f, at, 0, 0, 0, 0)
}
