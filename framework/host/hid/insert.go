// SPDX-License-Identifier: Apache-2.0

package hid

import (
	"encoding/binary"
	"fmt"

	"github.com/modbpf/modbpf/framework/host"
	"github.com/modbpf/modbpf/framework/host/hid/descriptor"
	"github.com/modbpf/modbpf/framework/host/mem"
)

// Table is the struct_ops type of HID drivers.
const Table = "hid_bpf_ops"

// New makes the HID bus of a host and gives drivers inserted from now on its
// kfuncs.
func New(h *host.Host) (*Bus, error) {
	b, err := NewBus(h.World)
	if err != nil {
		return nil, err
	}
	for name, fn := range b.Kfuncs() {
		h.Kfunc(name, fn)
	}
	return b, nil
}

// OpsOf lists the hid_bpf_ops variables of a driver in the host, ready to be
// attached to devices.
func OpsOf(d *host.Driver) []*Ops {
	var all []*Ops
	for _, t := range d.Tables {
		if t.Name != Table {
			continue
		}
		o := &Ops{Name: d.Name + "/" + t.Variable}
		if f, ok := t.Field("flags"); ok {
			o.Flags = uint32(f)
		}
		for member, to := range map[string]*Slot{
			"hid_device_event": &o.DeviceEvent, "hid_rdesc_fixup": &o.RdescFixup,
			"hid_hw_request": &o.HWRequest, "hid_hw_output_report": &o.HWOutputReport,
		} {
			if s := t.Slot(member); s != nil {
				*to = s.Prog
			}
		}
		all = append(all, o)
	}
	return all
}

// Offsets in struct hid_bpf_probe_args, the context of a driver's probe program.
const (
	probeHID    = 0
	probeSize   = 4
	probeRdesc  = 8
	probeRetval = probeRdesc + descriptor.MaxSize
	probeBytes  = probeRetval + 4
)

// Probe runs a driver's SEC("syscall") probe program for a device and reports
// whether the driver wants it; a driver without one wants every device it
// matches.
func (d *Device) Probe(p *host.Prog) (bool, error) {
	ctx, err := d.bus.arena.Alloc(probeBytes)
	if err != nil {
		return false, fmt.Errorf("probe %s: %w", d.Info.Name, err)
	}
	defer d.bus.arena.Free(ctx, probeBytes)
	b := mem.Bytes(ctx, probeBytes)
	binary.LittleEndian.PutUint32(b[probeHID:], d.ID)
	rdesc, _ := d.Current() // one that cannot be parsed is probed all the same
	binary.LittleEndian.PutUint32(b[probeSize:], uint32(len(rdesc)))
	copy(b[probeRdesc:probeRetval], rdesc)
	binary.LittleEndian.PutUint32(b[probeRetval:], ^uint32(0))
	run, exit := d.bus.enter()
	defer exit()
	if _, err := p.Run(run, ctx); err != nil {
		return false, fmt.Errorf("run probe program %s: %w", p.Name, err)
	}
	return binary.LittleEndian.Uint32(b[probeRetval:]) == 0, nil
}
