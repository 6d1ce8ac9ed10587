// SPDX-License-Identifier: Apache-2.0

package hid

import (
	"fmt"

	"github.com/modbpf/modbpf/framework/host/hid/descriptor"
	"github.com/modbpf/modbpf/framework/host/mem"
	"github.com/modbpf/modbpf/framework/host/world"
)

// probe lets the driver that rewrites the descriptor do so and parses the
// result, as hid_open_report does after call_hid_bpf_rdesc_fixup. The event
// buffer is sized anew. Called with mu held.
func (d *Device) probe() {
	d.freeEventData()
	d.fixed, d.failed = d.runFixup()
	d.desc = nil
	desc, err := descriptor.Parse(d.fixed)
	if err != nil {
		d.failed = firstErr(d.failed, err)
	} else {
		d.desc = desc
	}
	for _, o := range d.ops {
		if o.DeviceEvent != nil {
			d.failed = firstErr(d.failed, d.allocateEventData())
			break
		}
	}
}

func firstErr(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// runFixup returns the descriptor after the driver's turn. What the driver got
// wrong (a negative result, a size beyond the buffer) leaves the stock one.
func (d *Device) runFixup() ([]byte, error) {
	if d.fixup == nil {
		return d.stock, nil
	}
	buf, err := d.bus.arena.Alloc(descriptor.MaxSize)
	if err != nil {
		return d.stock, fmt.Errorf("rewrite descriptor: %w", err)
	}
	defer d.bus.arena.Free(buf, descriptor.MaxSize)
	copy(mem.Bytes(buf, descriptor.MaxSize), d.stock)
	f := d.frames[2]
	d.fill(f, buf, descriptor.MaxSize, len(d.stock), false)
	run, exit := d.bus.enter()
	defer exit()
	r, err := d.fixup.RdescFixup.Run(run, f.args)
	if err != nil {
		return d.stock, fmt.Errorf("run hid_rdesc_fixup of %s: %w", d.fixup.Name, err)
	}
	n := len(d.stock)
	switch ret := int32(r); {
	case ret < 0 || ret > descriptor.MaxSize:
		return d.stock, nil
	case ret > 0:
		n = int(ret)
	}
	return append([]byte(nil), mem.Bytes(buf, n)...), nil
}

// Input is a report from the hardware (__hid_input_report). What is left of it
// after the drivers goes to Deliver. The result is what the kernel would
// return: nil, or the error number that dropped the report.
func (d *Device) Input(t descriptor.ReportType, report []byte) error {
	d.input.Lock()
	defer d.input.Unlock()
	if d.destroyed {
		return ErrGone
	}
	d.inEvent = true
	defer func() { d.inEvent = false }()
	run, exit := d.bus.enter()
	defer exit()
	return d.inputLocked(run, t, report, 0, false)
}

func (d *Device) inputLocked(run *world.Run, t descriptor.ReportType, report []byte, source uint64, fromBPF bool) error {
	if d.desc == nil {
		return ENODEV // no driver could bind
	}
	data, n, err := d.dispatchEvent(run, t, report, source, fromBPF)
	if err != nil {
		return err
	}
	if n == 0 {
		return Errno(1)
	}
	r := d.desc.Report(t, data[:n])
	if r == nil {
		return Errno(1)
	}
	size := min((r.Bits+7)/8, MaxReport)
	if r.ID != 0 {
		size = min(size, MaxReport-1) + 1
	}
	if len(data) < size {
		return EINVAL // too short, and no room to pad it
	}
	for i := n; i < size; i++ {
		data[i] = 0
	}
	if d.Deliver != nil {
		d.Deliver(data[:n])
	}
	return nil
}

// dispatchEvent runs the device_event slots (dispatch_hid_bpf_device_event). It
// returns the buffer and how much of it is the report.
func (d *Device) dispatchEvent(run *world.Run, t descriptor.ReportType, report []byte, source uint64, fromBPF bool) ([]byte, int, error) {
	if d.data == 0 {
		// The transport's own buffer, which has room to pad a short report.
		if d.scratch == nil {
			d.scratch = make([]byte, MaxReport)
		}
		if len(report) > len(d.scratch) {
			return nil, 0, EINVAL
		}
		return d.scratch, copy(d.scratch, report), nil
	}
	if len(report) > d.dataSize {
		return nil, 0, EINVAL
	}
	buf := mem.Bytes(d.data, d.dataSize)
	n := copy(buf, report)
	clear(buf[n:])
	f := d.frames[0]
	if fromBPF {
		f = d.frames[1]
	}
	d.fill(f, d.data, d.dataSize, n, fromBPF)
	*mem.U64(f.args + 8) = uint64(t)
	*mem.U64(f.args + 16) = source
	size := d.bus.fSize
	for _, o := range d.ops {
		if o.DeviceEvent == nil {
			continue
		}
		r, err := o.DeviceEvent.Run(run, f.args)
		if err != nil {
			return nil, 0, fmt.Errorf("run hid_device_event of %s: %w", o.Name, err)
		}
		if ret := int32(r); ret < 0 {
			return nil, 0, Errno(-ret)
		} else if ret > 0 {
			size.Set(f.ctx, uint64(ret))
		}
	}
	if got := uint32(size.Get(f.ctx)); got != 0 {
		if got > uint32(d.dataSize) {
			return nil, 0, EINVAL
		}
		n = int(got)
	}
	return buf, n, nil
}

// Request is a GET_REPORT or SET_REPORT from user space or a driver
// (__hid_hw_raw_request). The result is a byte count or a negative error number.
func (d *Device) Request(reportnum uint8, buf []byte, rtype descriptor.ReportType, reqtype uint32) int {
	d.input.Lock()
	defer d.input.Unlock()
	run, exit := d.bus.enter()
	defer exit()
	return d.request(run, reportnum, buf, rtype, reqtype, 0, false)
}

func (d *Device) request(run *world.Run, reportnum uint8, buf []byte, rtype descriptor.ReportType, reqtype uint32, source uint64, fromBPF bool) int {
	if d.destroyed {
		return -int(ENODEV)
	}
	if len(buf) < 1 || len(buf) > MaxReport || rtype > descriptor.Feature {
		return -int(EINVAL)
	}
	ret := d.each(run, buf, fromBPF, func(o *Ops) Slot { return o.HWRequest }, func(args uintptr) {
		*mem.U64(args + 8) = uint64(reportnum)
		*mem.U64(args + 16) = uint64(rtype)
		*mem.U64(args + 24) = uint64(reqtype)
		*mem.U64(args + 32) = source
	})
	if ret != 0 {
		return ret
	}
	if d.transport == nil {
		return -int(ENOSYS)
	}
	return d.transport.RawRequest(reportnum, buf, rtype, reqtype)
}

// Output sends an output report (__hid_hw_output_report).
func (d *Device) Output(buf []byte) int {
	d.input.Lock()
	defer d.input.Unlock()
	run, exit := d.bus.enter()
	defer exit()
	return d.output(run, buf, 0, false)
}

func (d *Device) output(run *world.Run, buf []byte, source uint64, fromBPF bool) int {
	if d.destroyed {
		return -int(ENODEV)
	}
	if len(buf) < 1 || len(buf) > MaxReport {
		return -int(EINVAL)
	}
	ret := d.each(run, buf, fromBPF, func(o *Ops) Slot { return o.HWOutputReport }, func(args uintptr) {
		*mem.U64(args + 8) = source
	})
	if ret != 0 {
		return ret
	}
	if d.transport == nil {
		return -int(ENOSYS)
	}
	return d.transport.OutputReport(buf)
}

// each offers a request to the drivers that have the slot; the first result
// that is not zero ends it. The driver works on buf itself, so it is mirrored
// in host memory for the calls.
func (d *Device) each(run *world.Run, buf []byte, fromBPF bool, slot func(*Ops) Slot, args func(uintptr)) int {
	var p uintptr
	var f frame
	defer func() {
		if p != 0 {
			copy(buf, mem.Bytes(p, len(buf)))
			d.bus.arena.Free(p, len(buf))
			d.bus.freeFrame(f)
		}
	}()
	for _, o := range d.ops {
		s := slot(o)
		if s == nil {
			continue
		}
		if p == 0 {
			var err error
			if p, err = d.bus.arena.Alloc(len(buf)); err != nil {
				return -int(ENOMEM)
			}
			if f, err = d.bus.newFrame(); err != nil {
				return -int(ENOMEM)
			}
			copy(mem.Bytes(p, len(buf)), buf)
			d.fill(f, p, len(buf), len(buf), fromBPF)
			args(f.args)
		}
		r, err := s.Run(run, f.args)
		if err != nil {
			return -int(EIO)
		}
		if ret := int(int32(r)); ret != 0 {
			return ret
		}
	}
	return 0
}
