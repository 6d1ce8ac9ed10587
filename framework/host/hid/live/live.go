// SPDX-License-Identifier: Apache-2.0

// Package live runs a HID driver in the host on a real device, for kernels
// without hid_bpf_ops. The device is read through hidraw, its event nodes are
// grabbed so that user programs do not see it twice, and the device as the
// driver makes it is presented through uhid:
//
//	device -> hidraw -> driver in the host -> uhid -> hid-generic -> evdev
//	                 <- output and feature reports <-
//
// The presented device has the original's vendor, product and name, but the
// virtual bus and a phys that begins with Phys: so neither the kernel module
// made for the original nor a rule of modbpf takes it.
package live

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/modbpf/modbpf/framework/host"
	"github.com/modbpf/modbpf/framework/host/hid"
	"github.com/modbpf/modbpf/framework/host/hid/descriptor"
)

// Phys begins the phys of every device presented by the host.
const Phys = "modbpf/"

// BusVirtual is the bus of presented devices (BUS_VIRTUAL).
const BusVirtual = 0x06

// ErrNoDevice says that nothing the driver matches is present.
var ErrNoDevice = errors.New("no device that the driver matches is present")

// Source is a device as the host reads it.
type Source interface {
	hid.Transport
	Info() hid.Info
	Descriptor() []byte
	// Read waits for a report; io.EOF when the device is gone.
	Read(buf []byte) (int, error)
	Close() error
}

// Sink takes the reports of the presented device.
type Sink interface {
	Input(report []byte) error
	Close() error
}

// Present makes a sink for a device with this identity and descriptor. What
// the kernel asks of it goes to dev.
type Present func(info hid.Info, descriptor []byte, dev *hid.Device) (Sink, error)

// Session is one device under one driver.
type Session struct {
	Device *hid.Device
	source Source
	sink   Sink
	ops    []*hid.Ops
	err    error // of the sink, seen while delivering
	buf    [hid.MaxReport]byte
}

// Declined says that the driver's probe program does not want the device.
type Declined struct{ Device string }

func (e *Declined) Error() string { return fmt.Sprintf("the driver's probe declines %s", e.Device) }

// Start attaches a driver of the host to a source and presents the result. It
// owns the source from then on, also when it fails.
func Start(bus *hid.Bus, d *host.Driver, src Source, present Present) (s *Session, err error) {
	s = &Session{source: src}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
			s = nil
		}
	}()
	info := src.Info()
	if s.Device, err = bus.Add(info, src.Descriptor(), src); err != nil {
		return s, err
	}
	if p := d.Program("probe"); p != nil {
		want, err := s.Device.Probe(p)
		if err != nil {
			return s, err
		}
		if !want {
			return s, &Declined{info.Name}
		}
	}
	for _, o := range hid.OpsOf(d) {
		if err := s.Device.Attach(o); err != nil {
			return s, err
		}
		s.ops = append(s.ops, o)
	}
	if len(s.ops) == 0 {
		return s, fmt.Errorf("driver %s fills no %s", d.Name, hid.Table)
	}
	desc, err := s.Device.Current()
	if err != nil {
		return s, fmt.Errorf("the kernel would refuse the descriptor as %s makes it: %w", d.Name, err)
	}
	out := info
	out.Bus, out.Name, out.Phys = BusVirtual, s.Device.Name(), Phys+info.Phys
	if s.sink, err = present(out, desc, s.Device); err != nil {
		return s, err
	}
	s.Device.Deliver = func(report []byte) {
		if err := s.sink.Input(report); err != nil && s.err == nil {
			s.err = err
		}
	}
	return s, nil
}

// Step passes one report on. io.EOF says that the device is gone; a report the
// driver dropped is no error.
func (s *Session) Step() error {
	n, err := s.source.Read(s.buf[:])
	if err != nil {
		return err
	}
	err = s.Device.Input(descriptor.Input, s.buf[:n])
	if no := hid.Errno(0); err != nil && !errors.As(err, &no) {
		return err
	}
	return s.err
}

// Run passes reports on until the device is gone (nil) or something breaks.
func (s *Session) Run() error {
	for {
		if err := s.Step(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// Close takes the presented device away and lets go of the source.
func (s *Session) Close() error {
	var errs []error
	if s.Device != nil {
		s.Device.Remove()
	}
	if s.sink != nil {
		errs = append(errs, s.sink.Close())
		s.sink = nil
	}
	if s.source != nil {
		errs = append(errs, s.source.Close())
		s.source = nil
	}
	return errors.Join(errs...)
}

// Presented reports whether a device is one that a host presents.
func Presented(phys string) bool { return strings.HasPrefix(phys, Phys) }
