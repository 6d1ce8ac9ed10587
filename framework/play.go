// SPDX-License-Identifier: Apache-2.0

package framework

import (
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"sort"

	"github.com/modbpf/modbpf/framework/exitcode"
	"github.com/modbpf/modbpf/framework/host"
	"github.com/modbpf/modbpf/framework/host/hid"
	"github.com/modbpf/modbpf/framework/host/hid/descriptor"
	"github.com/modbpf/modbpf/framework/host/hid/play"
	"github.com/modbpf/modbpf/framework/host/hid/recording"
	"github.com/modbpf/modbpf/framework/object"
	"github.com/modbpf/modbpf/verifier"
)

// HostSpec is the driver as the host takes it. Only what our verifier proved
// goes there.
func (c *Checked) HostSpec() (host.Spec, error) {
	s := host.Spec{Name: c.bound.Driver.Name()}
	names := make([]string, 0, len(c.programs))
	for n, p := range c.programs {
		if p.Judge() != verifier.JudgeVerifier {
			return s, ErrHostRefuses
		}
		names = append(names, n)
	}
	sort.Strings(names)
	for _, n := range names {
		s.Programs = append(s.Programs, c.programs[n])
	}
	b := c.bound.Object
	for _, m := range b.Maps {
		if so := m.StructOps; so != nil && c.places(m.Spec.Name) {
			t := host.TableSpec{
				Variable: m.Spec.Name, Table: so.Table, Slots: map[string]string{},
				Value: so.Value, Offset: int(so.DataOff), BTF: so.BTF, Type: so.Type,
			}
			for _, f := range so.Members {
				t.Slots[f.Name] = f.Program
			}
			s.Tables = append(s.Tables, t)
		}
		for _, slot := range m.Slots {
			f := host.Fill{Map: m.Map, Key: binary.LittleEndian.AppendUint32(nil, slot.Index)}
			switch {
			case slot.Prog != "":
				if c.programs[slot.Prog] == nil {
					continue
				}
				f.Program = slot.Prog
			case b.Map(slot.Map) != nil:
				f.Inner = b.Map(slot.Map).Map
			default:
				return s, exitcode.Object.Errorf("fill map %s: no map %s: %w", m.Map.Name, slot.Map, object.ErrNotFound)
			}
			s.Fill = append(s.Fill, f)
		}
	}
	return s, nil
}

// places reports whether a struct_ops variable is one of the driver's extension points.
func (c *Checked) places(variable string) bool {
	for i := range c.bound.points {
		if c.bound.points[i].Variable == variable {
			return true
		}
	}
	return false
}

// silentDevice is the hardware of a recording: it takes what it is sent and has
// no answers.
type silentDevice struct{}

func (silentDevice) RawRequest(_ uint8, buf []byte, _ descriptor.ReportType, reqtype uint32) int {
	const setReport = 0x09
	if reqtype == setReport {
		return len(buf)
	}
	return -int(hid.EIO)
}

func (silentDevice) OutputReport(buf []byte) int { return len(buf) }

// ErrDeclined: the driver's probe does not want the device.
var ErrDeclined = errors.New("the driver's probe declines the device")

// Play sends a recording through the host's HID device model with the driver
// attached. engine is what ran the programs.
func (c *Checked) Play(rec *recording.Device) (r *play.Result, engine string, err error) {
	if !c.bound.bindsHID() {
		return nil, "", exitcode.Unsupported.Errorf("play a recording through %s: it is no HID driver", c.bound.Driver.Name())
	}
	spec, err := c.HostSpec()
	if err != nil {
		return nil, "", err
	}
	h, err := host.New(c.bound.Kernel, host.Options{Seed: 1})
	if err != nil {
		return nil, "", hostError(err)
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	bus, err := hid.New(h)
	if err != nil {
		return nil, "", hostError(err)
	}
	d, err := h.Insert(spec)
	if err != nil {
		return nil, "", hostError(err)
	}
	dev, err := c.recordedDevice(bus, d, rec)
	if err != nil {
		if errors.Is(err, ErrDeclined) {
			return nil, "", exitcode.NotFound.Errorf("play a recording of %s: %w", rec.Name, err)
		}
		return nil, "", hostError(err)
	}
	defer dev.Remove()
	r, err = play.Run(dev, rec)
	return r, d.Engine(), err
}

// recordedDevice makes the device of a recording and attaches the driver to it.
// The error is ErrDeclined itself when the driver's probe does not want it.
func (c *Checked) recordedDevice(bus *hid.Bus, d *host.Driver, rec *recording.Device) (dev *hid.Device, err error) {
	if dev, err = bus.Add(hid.Info{
		Bus: rec.Bus, Group: 1, Vendor: rec.Vendor, Product: rec.Product, Name: rec.Name, Phys: rec.Phys,
	}, rec.Descriptor, silentDevice{}); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			dev.Remove()
			dev = nil
		}
	}()
	if name := c.bound.probe(); name != "" {
		if wants, err := dev.Probe(d.Program(name)); err != nil {
			return dev, err
		} else if !wants {
			return dev, ErrDeclined
		}
	}
	for _, o := range hid.OpsOf(d) {
		if err := dev.Attach(o); err != nil {
			return dev, err
		}
	}
	return dev, nil
}

// hostError gives the host's errors their exit codes.
func hostError(err error) error {
	switch {
	case errors.Is(err, host.ErrNotBuilt):
		return exitcode.NotJudged.With(err)
	case errors.Is(err, host.ErrNotProven):
		return exitcode.NotJudged.With(err)
	case errors.Is(err, hid.ErrNoProfile):
		return exitcode.Unsupported.With(err)
	case errors.Is(err, hid.ErrHasFixup), errors.Is(err, hid.ErrTooMany):
		return exitcode.Busy.With(err)
	}
	return exitcode.Internal.With(err)
}

// Recordings are the recordings a driver ships: recordings/*.rec beside its object.
func (d *Driver) Recordings() ([]string, error) {
	files, err := filepath.Glob(filepath.Join(filepath.Dir(d.ObjectPath), "recordings", "*.rec"))
	if err != nil {
		return nil, fmt.Errorf("find recordings of %s: %w", d.Name(), err)
	}
	return files, nil
}

// Matches reports whether the driver binds to a recorded device. One that does
// not say which devices it is for takes any.
func (d *Driver) Matches(rec *recording.Device) bool {
	matches, err := d.matches()
	if err != nil || len(matches) == 0 {
		return true
	}
	// The group is the kernel's guess from the descriptor; a recording has none.
	for i := range matches {
		m := &matches[i]
		if h := m.HID; h != nil {
			if h.Bus.Accepts(uint32(rec.Bus)) && h.Vendor.Accepts(rec.Vendor) && h.Product.Accepts(rec.Product) {
				return true
			}
		} else if m.Accepts(fmt.Sprintf("hid:b%04Xg0001v%08Xp%08X", rec.Bus, rec.Vendor, rec.Product)) {
			return true
		}
	}
	return false
}
