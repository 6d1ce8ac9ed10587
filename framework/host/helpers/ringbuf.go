// SPDX-License-Identifier: Apache-2.0

package helpers

import (
	"github.com/modbpf/modbpf/framework/host/maps"
	"github.com/modbpf/modbpf/framework/host/mem"
	"github.com/modbpf/modbpf/jit"
)

var ringHelpers = []Helper{
	{130, "ringbuf_output", []string{"bpf_ringbuf_output_proto"}, ringOutput},
	{131, "ringbuf_reserve", []string{"bpf_ringbuf_reserve_proto"}, ringReserve},
	{132, "ringbuf_submit", []string{"bpf_ringbuf_submit_proto"}, ringSubmit},
	{133, "ringbuf_discard", []string{"bpf_ringbuf_discard_proto"}, ringDiscard},
	{134, "ringbuf_query", []string{"bpf_ringbuf_query_proto"}, ringQuery},
	{198, "ringbuf_reserve_dynptr", []string{"bpf_ringbuf_reserve_dynptr_proto"}, ringReserveDynptr},
	{199, "ringbuf_submit_dynptr", []string{"bpf_ringbuf_submit_dynptr_proto"}, ringSubmitDynptr},
	{200, "ringbuf_discard_dynptr", []string{"bpf_ringbuf_discard_dynptr_proto"}, ringDiscardDynptr},
	{209, "user_ringbuf_drain", []string{"bpf_user_ringbuf_drain_proto"}, userRingDrain},
	{25, "perf_event_output", []string{"bpf_perf_event_output_proto_tp", "bpf_perf_event_output_proto_raw_tp", "bpf_event_output_data_proto"}, perfOutput},
}

func ringOf(m uint64) *maps.Ring { return maps.FromHandle(uintptr(m)).(*maps.Ring) }

func ringOutput(_ *jit.Frame, m, data, size, flags, _ uint64) uint64 {
	if e := ringOf(m).Output(mem.Bytes(uintptr(data), int(size)), flags); e != 0 {
		return e.R0()
	}
	return 0
}

func ringReserve(_ *jit.Frame, m, size, flags, _, _ uint64) uint64 {
	if flags != 0 {
		return 0
	}
	return uint64(ringOf(m).Reserve(size))
}

func ringCommit(rec uintptr, discard bool, flags uint64) {
	maps.RingOf(rec).Commit(rec, discard, flags)
}

func ringSubmit(_ *jit.Frame, rec, flags, _, _, _ uint64) uint64 {
	ringCommit(uintptr(rec), false, flags)
	return 0
}

func ringDiscard(_ *jit.Frame, rec, flags, _, _, _ uint64) uint64 {
	ringCommit(uintptr(rec), true, flags)
	return 0
}

func ringQuery(_ *jit.Frame, m, what, _, _, _ uint64) uint64 { return ringOf(m).Query(what) }

func ringReserveDynptr(_ *jit.Frame, m, size, flags, ptr, _ uint64) uint64 {
	d := Dynptr(ptr)
	n := uint32(size)
	switch {
	case flags != 0:
		d.setNull()
		return maps.EINVAL.R0()
	case n > dynSizeMask:
		d.setNull()
		return maps.E2BIG.R0()
	}
	p := ringOf(m).Reserve(uint64(n))
	if p == 0 {
		d.setNull()
		return maps.EINVAL.R0()
	}
	d.set(p, n, dynRingbuf)
	return 0
}

func ringSubmitDynptr(_ *jit.Frame, ptr, flags, _, _, _ uint64) uint64 {
	return ringEndDynptr(Dynptr(ptr), false, flags)
}

func ringDiscardDynptr(_ *jit.Frame, ptr, flags, _, _, _ uint64) uint64 {
	return ringEndDynptr(Dynptr(ptr), true, flags)
}

func ringEndDynptr(d Dynptr, discard bool, flags uint64) uint64 {
	if !d.null() {
		ringCommit(d.data(), discard, flags)
		d.setNull()
	}
	return 0
}

// userRingDrain calls back with a dynptr to each record.
func userRingDrain(f *jit.Frame, m, fn, ctx, flags, _ uint64) uint64 {
	if flags&^(maps.RingNoWakeup|maps.RingForceWakeup) != 0 {
		return maps.EINVAL.R0()
	}
	ring := maps.FromHandle(uintptr(m)).(*maps.UserRing)
	a := run(f).World.Mem
	p, err := a.Alloc(16)
	if err != nil {
		return maps.ENOMEM.R0()
	}
	defer a.Free(p, 16)
	return uint64(ring.Drain(func(rec uintptr, n int) bool {
		Dynptr(p).set(rec, uint32(n), dynLocal)
		r, err := f.Call(fn, uint64(p), ctx, 0, 0, 0)
		return err == nil && r == 0
	}))
}

func perfOutput(f *jit.Frame, _, m, flags, data, size uint64) uint64 {
	p := maps.FromHandle(uintptr(m)).(*maps.PerfEvents)
	if e := p.Output(run(f).CPU, flags, mem.Bytes(uintptr(data), int(size))); e != 0 {
		return e.R0()
	}
	return 0
}
