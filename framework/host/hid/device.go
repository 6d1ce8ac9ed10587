// SPDX-License-Identifier: Apache-2.0

package hid

import (
	"fmt"
	"slices"
	"sync"

	"github.com/modbpf/modbpf/framework/host/hid/descriptor"
	"github.com/modbpf/modbpf/framework/host/mem"
	"github.com/modbpf/modbpf/framework/host/typed"
	"github.com/modbpf/modbpf/framework/host/world"
)

// Info identifies a device.
type Info struct {
	Bus, Group      uint16
	Vendor, Product uint32
	Name, Phys      string
	Uniq            string
}

// Slot runs one callback: ctx is the address of its argument words. host.Prog
// is one.
type Slot interface {
	Run(r *world.Run, ctx uintptr) (uint64, error)
}

// Ops is a driver's hid_bpf_ops table; slots it does not fill are nil.
type Ops struct {
	Name           string
	Flags          uint32 // 0 or BeforeFlag
	DeviceEvent    Slot
	RdescFixup     Slot
	HWRequest      Slot
	HWOutputReport Slot
}

// Transport is the hardware behind a device, for requests from drivers and
// user space. Results are byte counts or negative error numbers.
type Transport interface {
	RawRequest(reportnum uint8, buf []byte, rtype descriptor.ReportType, reqtype uint32) int
	OutputReport(buf []byte) int
}

// Device is one HID device and the drivers attached to it.
type Device struct {
	ID   uint32
	Info Info
	// Deliver receives every input report that reached the end of the chain,
	// injected ones included. The slice is only valid during the call.
	Deliver func(report []byte)

	bus       *Bus
	obj       *typed.Object
	transport Transport
	stock     []byte

	input sync.Mutex // driver_input_lock
	mu    sync.Mutex // the list of drivers and the descriptor

	ops    []*Ops
	fixup  *Ops
	desc   *descriptor.Descriptor
	fixed  []byte
	failed error // why the current descriptor could not be parsed

	data      uintptr // event buffer, 0 while no driver has a device_event slot
	dataSize  int
	frames    [3]frame // one for an event, one for an injected report, one for requests
	inEvent   bool
	scratch   []byte // the report when there is no event buffer
	destroyed bool
}

// frame is the memory of one running callback: its context with what the
// kernel keeps behind it (struct hid_bpf_ctx_kern), and its argument words.
type frame struct {
	ctx  uintptr
	args uintptr
}

// Behind struct hid_bpf_ctx, at ctx+size: data pointer, then from_bpf.
const (
	kernData  = 0
	kernBPF   = 8
	kernBytes = 16
)

// Add creates a device with its stock descriptor, as probing does. A
// descriptor that the kernel could not parse gives a device without reports;
// a driver may still repair it.
func (b *Bus) Add(info Info, stock []byte, tr Transport) (*Device, error) {
	if len(stock) == 0 || len(stock) > descriptor.MaxSize {
		return nil, fmt.Errorf("add HID device: descriptor of %d bytes, want 1 to %d: %w", len(stock), descriptor.MaxSize, descriptor.ErrInvalid)
	}
	obj, err := b.device.New(b.arena, 0)
	if err != nil {
		return nil, fmt.Errorf("add HID device: %w", err)
	}
	d := &Device{Info: info, bus: b, obj: obj, transport: tr, stock: slices.Clone(stock)}
	for i := range d.frames {
		if d.frames[i], err = b.newFrame(); err != nil {
			d.free()
			return nil, fmt.Errorf("add HID device: %w", err)
		}
	}
	b.mu.Lock()
	b.next++
	d.ID = b.next
	b.devices[d.ID] = d
	b.mu.Unlock()
	for path, v := range map[string]uint64{
		"id": uint64(d.ID), "bus": uint64(info.Bus), "group": uint64(info.Group),
		"vendor": uint64(info.Vendor), "product": uint64(info.Product), "dev_rsize": uint64(len(stock)),
	} {
		obj.SetIfHas(path, v)
	}
	obj.SetString("name", info.Name)
	obj.SetString("phys", info.Phys)
	obj.SetString("uniq", info.Uniq)
	d.probe()
	return d, nil
}

func (b *Bus) newFrame() (frame, error) {
	ctx, err := b.arena.Alloc(b.ctx.Size + kernBytes)
	if err != nil {
		return frame{}, err
	}
	args, err := b.arena.Alloc(8 * 8)
	if err != nil {
		b.arena.Free(ctx, b.ctx.Size+kernBytes)
		return frame{}, err
	}
	return frame{ctx, args}, nil
}

func (b *Bus) freeFrame(f frame) {
	if f.ctx != 0 {
		b.arena.Free(f.ctx, b.ctx.Size+kernBytes)
		b.arena.Free(f.args, 8*8)
	}
}

// fill prepares a context as the kernel does before it calls a driver.
func (d *Device) fill(f frame, data uintptr, allocated, size int, fromBPF bool) {
	b := d.bus
	b.fHid.Set(f.ctx, uint64(d.obj.Addr))
	b.fAllocated.Set(f.ctx, uint64(uint32(allocated)))
	b.fSize.Set(f.ctx, uint64(uint32(size)))
	kern := f.ctx + uintptr(b.ctx.Size)
	*mem.U64(kern + kernData) = uint64(data)
	*mem.U64(kern + kernBPF) = 0
	if fromBPF {
		*mem.U64(kern + kernBPF) = 1
	}
	*mem.U64(f.args) = uint64(f.ctx)
}

// Attach adds a driver, as hid_bpf_reg does, and probes again when it rewrites
// the descriptor.
func (d *Device) Attach(o *Ops) error {
	d.input.Lock()
	defer d.input.Unlock()
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.destroyed:
		return fmt.Errorf("attach %s: %w", o.Name, ErrGone)
	case len(d.ops) >= MaxDrivers:
		return fmt.Errorf("attach %s: %w", o.Name, ErrTooMany)
	case o.Flags&^BeforeFlag != 0:
		return fmt.Errorf("attach %s: flags %#x, only BPF_F_BEFORE is known: %w", o.Name, o.Flags, EINVAL)
	case o.RdescFixup != nil && d.fixup != nil:
		return fmt.Errorf("attach %s: %s holds hid_rdesc_fixup: %w", o.Name, d.fixup.Name, ErrHasFixup)
	}
	if o.DeviceEvent != nil {
		if err := d.allocateEventData(); err != nil {
			return fmt.Errorf("attach %s: %w", o.Name, err)
		}
	}
	if o.Flags&BeforeFlag != 0 {
		d.ops = slices.Insert(slices.Clone(d.ops), 0, o)
	} else {
		d.ops = append(slices.Clone(d.ops), o)
	}
	if o.RdescFixup != nil {
		d.fixup = o
		d.probe()
	}
	return nil
}

// Detach removes a driver; the stock descriptor comes back if it rewrote it.
func (d *Device) Detach(o *Ops) error {
	d.input.Lock()
	defer d.input.Unlock()
	d.mu.Lock()
	defer d.mu.Unlock()
	i := slices.Index(d.ops, o)
	if i < 0 {
		return fmt.Errorf("detach %s: not attached: %w", o.Name, ENOENT)
	}
	d.ops = slices.Delete(slices.Clone(d.ops), i, i+1)
	if d.fixup == o {
		d.fixup = nil
		d.probe()
	}
	return nil
}

// Remove takes the device away; drivers lose it.
func (d *Device) Remove() {
	d.input.Lock()
	defer d.input.Unlock()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.destroyed {
		return
	}
	d.destroyed = true
	d.ops, d.fixup = nil, nil
	d.bus.mu.Lock()
	delete(d.bus.devices, d.ID)
	d.bus.mu.Unlock()
	d.free()
}

func (d *Device) free() {
	d.freeEventData()
	for i := range d.frames {
		d.bus.freeFrame(d.frames[i])
		d.frames[i] = frame{}
	}
	d.obj.Free()
}

// Drivers lists the attached drivers in the order they see events.
func (d *Device) Drivers() []*Ops {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.ops)
}

// Stock is the descriptor the device itself reports.
func (d *Device) Stock() []byte { return d.stock }

// Current is the descriptor in force, and why it cannot be parsed if it cannot.
func (d *Device) Current() ([]byte, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.fixed, d.failed
}

// Parsed is the descriptor in force, nil if it cannot be parsed.
func (d *Device) Parsed() *descriptor.Descriptor {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.desc
}

// Name is the device's name as drivers may have rewritten it.
func (d *Device) Name() string { return d.obj.String("name") }

// allocateEventData sizes the buffer for the longest report, rounded up to 64
// bytes, as __hid_bpf_allocate_data does.
func (d *Device) allocateEventData() error {
	if d.data != 0 {
		return nil
	}
	n := 0
	if d.desc != nil {
		n = d.desc.MaxLen()
	}
	n = (n + 63) / 64 * 64
	if n == 0 {
		return nil // nothing to report: the kernel's buffer is empty and no event passes
	}
	p, err := d.bus.arena.Alloc(n)
	if err != nil {
		return err
	}
	d.data, d.dataSize = p, n
	return nil
}

func (d *Device) freeEventData() {
	if d.data != 0 {
		d.bus.arena.Free(d.data, d.dataSize)
		d.data, d.dataSize = 0, 0
	}
}
