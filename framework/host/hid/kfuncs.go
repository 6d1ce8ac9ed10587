// SPDX-License-Identifier: Apache-2.0

package hid

import (
	"slices"

	"github.com/modbpf/modbpf/framework/host/hid/descriptor"
	"github.com/modbpf/modbpf/framework/host/mem"
	"github.com/modbpf/modbpf/framework/host/world"
	"github.com/modbpf/modbpf/jit"
)

// Kfuncs are the functions HID drivers may call, by name, as
// hid_bpf_dispatch.c defines them. Contexts are trusted: the verifier has seen
// to it that they came from a slot or from hid_bpf_allocate_context.
func (b *Bus) Kfuncs() map[string]jit.Func {
	return map[string]jit.Func{
		"hid_bpf_get_data":         b.getData,
		"hid_bpf_allocate_context": b.allocateContext,
		"hid_bpf_release_context":  b.releaseContext,
		"hid_bpf_hw_request":       b.hwRequest,
		"hid_bpf_hw_output_report": b.hwOutputReport,
		"hid_bpf_input_report":     b.inputReport,
		"hid_bpf_try_input_report": b.tryInputReport,
	}
}

// runOf is the run a callee was called in, nil in tests without a world.
func runOf(f *jit.Frame) *world.Run {
	if f == nil {
		return nil
	}
	r, _ := f.User.(*world.Run)
	return r
}

func neg(e Errno) uint64 { return uint64(int64(-e)) }

func (b *Bus) getData(_ *jit.Frame, ctx, offset, size, _, _ uint64) uint64 {
	end := uint64(uint32(offset)) + size
	if end < size || end > uint64(uint32(b.fAllocated.Get(uintptr(ctx)))) {
		return 0
	}
	data := *mem.U64(uintptr(ctx) + uintptr(b.ctx.Size) + kernData)
	if data == 0 {
		return 0
	}
	return data + uint64(uint32(offset))
}

func (b *Bus) fromBPF(ctx uint64) bool {
	return *mem.U64(uintptr(ctx) + uintptr(b.ctx.Size) + kernBPF) != 0
}

func (b *Bus) deviceOf(ctx uint64) *Device { return b.deviceAt(uintptr(b.fHid.Get(uintptr(ctx)))) }

func (b *Bus) allocateContext(_ *jit.Frame, id, _, _, _, _ uint64) uint64 {
	d := b.Device(uint32(id))
	if d == nil {
		return 0
	}
	p, err := b.arena.Alloc(b.ctx.Size + kernBytes)
	if err != nil {
		return 0
	}
	b.fHid.Set(p, uint64(d.obj.Addr))
	return uint64(p)
}

func (b *Bus) releaseContext(_ *jit.Frame, ctx, _, _, _, _ uint64) uint64 {
	b.arena.Free(uintptr(ctx), b.ctx.Size+kernBytes)
	return 0
}

// params checks type and report id and caps the size at the report's length,
// as __hid_bpf_hw_check_params does.
func (d *Device) params(t descriptor.ReportType, buf uint64, size uint64, request bool) (int, Errno) {
	if t > descriptor.Feature || size < 1 || d.desc == nil {
		return 0, EINVAL
	}
	r := d.desc.Report(t, mem.Bytes(uintptr(buf), 1))
	if r == nil {
		return 0, EINVAL
	}
	n := r.Len()
	if request && !d.desc.Numbered[t] {
		n++ // the first byte is kept for a report id
	}
	return int(min(size, uint64(n))), 0
}

func (b *Bus) hwRequest(f *jit.Frame, ctx, buf, size, rtype, reqtype uint64) uint64 {
	if b.fromBPF(ctx) {
		return neg(EDEADLOCK)
	}
	d := b.deviceOf(ctx)
	if d == nil {
		return neg(ENODEV)
	}
	t := descriptor.ReportType(min(rtype, 255))
	n, e := d.params(t, buf, size, true)
	if e != 0 {
		return neg(e)
	}
	switch reqtype {
	case 1, 2, 3, 9, 10, 11: // GET_REPORT, GET_IDLE, GET_PROTOCOL, SET_...
	default:
		return neg(EINVAL)
	}
	tmp := slices.Clone(mem.Bytes(uintptr(buf), n))
	ret := d.request(runOf(f), tmp[0], tmp, t, uint32(reqtype), ctx, true)
	if ret > n {
		ret = n
	}
	if ret > 0 {
		copy(mem.Bytes(uintptr(buf), ret), tmp)
	}
	return uint64(int64(ret))
}

func (b *Bus) hwOutputReport(f *jit.Frame, ctx, buf, size, _, _ uint64) uint64 {
	if b.fromBPF(ctx) {
		return neg(EDEADLOCK)
	}
	d := b.deviceOf(ctx)
	if d == nil {
		return neg(ENODEV)
	}
	n, e := d.params(descriptor.Output, buf, size, true)
	if e != 0 {
		return neg(e)
	}
	return uint64(int64(d.output(runOf(f), slices.Clone(mem.Bytes(uintptr(buf), n)), ctx, true)))
}

// inject is __hid_bpf_input_report. locked says that the caller runs inside the
// device's event already.
func (b *Bus) inject(f *jit.Frame, ctx, rtype, buf, size uint64, locked bool) uint64 {
	if b.fromBPF(ctx) {
		return neg(EDEADLOCK)
	}
	d := b.deviceOf(ctx)
	if d == nil {
		return neg(ENODEV)
	}
	t := descriptor.ReportType(min(rtype, 255))
	n, e := d.params(t, buf, size, false)
	if e != 0 {
		return neg(e)
	}
	if locked != d.inEvent {
		if locked {
			return neg(EINVAL)
		}
		return neg(Errno(16)) // EBUSY
	}
	report := slices.Clone(mem.Bytes(uintptr(buf), n))
	err := d.inputLocked(runOf(f), t, report, ctx, true)
	if err == nil {
		return 0
	}
	if e, ok := err.(Errno); ok {
		return neg(e)
	}
	return neg(EIO)
}

func (b *Bus) tryInputReport(f *jit.Frame, ctx, rtype, buf, size, _ uint64) uint64 {
	d := b.deviceOf(ctx)
	data := *mem.U64(uintptr(ctx) + uintptr(b.ctx.Size) + kernData)
	locked := d != nil && data != 0 && uintptr(data) == d.data
	if d != nil && !locked && !d.inEvent {
		// From a timer or work item: the device is free, so take it.
		if !d.input.TryLock() {
			return neg(Errno(16))
		}
		defer d.input.Unlock()
	}
	return b.inject(f, ctx, rtype, buf, size, locked)
}

func (b *Bus) inputReport(f *jit.Frame, ctx, rtype, buf, size, _ uint64) uint64 {
	d := b.deviceOf(ctx)
	if d == nil {
		return neg(ENODEV)
	}
	d.input.Lock()
	defer d.input.Unlock()
	d.inEvent = true
	defer func() { d.inEvent = false }()
	return b.inject(f, ctx, rtype, buf, size, true)
}
