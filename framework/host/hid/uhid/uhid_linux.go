// SPDX-License-Identifier: Apache-2.0

// Package uhid makes HID devices out of user space (Documentation/hid/uhid.rst):
// the host presents fixed devices with it, and tests make the devices that
// drivers are tried on.
package uhid

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/modbpf/modbpf/framework/host/hid/descriptor"
)

// Event types of struct uhid_event (include/uapi/linux/uhid.h).
const (
	evDestroy        = 1
	evStart          = 2
	evStop           = 3
	evOpen           = 4
	evClose          = 5
	evOutput         = 6
	evGetReport      = 9
	evGetReportReply = 10
	evCreate2        = 11
	evInput2         = 12
	evSetReport      = 13
	evSetReportReply = 14
)

const (
	dataMax   = 4096
	eventSize = 4380 // sizeof(struct uhid_event): type and the largest member, uhid_create2_req
)

// Info is what the kernel is told of a device.
type Info struct {
	Name, Phys, Uniq string
	Bus              uint16
	Vendor, Product  uint32
	Version, Country uint32
	Descriptor       []byte
}

// Handler answers what the kernel asks of the device. Results are byte counts
// or negative error numbers. A nil Handler refuses requests with EIO and
// swallows output reports.
type Handler interface {
	GetReport(id uint8, rtype descriptor.ReportType, buf []byte) int
	SetReport(id uint8, rtype descriptor.ReportType, data []byte) int
	Output(data []byte, rtype descriptor.ReportType)
}

// Device is one device made through /dev/uhid.
type Device struct {
	f       *os.File
	started chan struct{}
	once    sync.Once
	done    chan struct{}
	buf     [eventSize]byte // of Input, guarded by mu
	mu      sync.Mutex
}

// Create makes a device. It exists until Close.
func Create(i Info, h Handler) (*Device, error) {
	if len(i.Descriptor) == 0 || len(i.Descriptor) > dataMax {
		return nil, fmt.Errorf("create uhid device: descriptor of %d bytes, want 1 to %d", len(i.Descriptor), dataMax)
	}
	f, err := os.OpenFile("/dev/uhid", os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("create uhid device (is the uhid module loaded, and may you write /dev/uhid?): %w", err)
	}
	var b [eventSize]byte
	le := binary.LittleEndian
	le.PutUint32(b[0:], evCreate2)
	copy(b[4:4+127], i.Name)
	copy(b[132:132+63], i.Phys)
	copy(b[196:196+63], i.Uniq)
	le.PutUint16(b[260:], uint16(len(i.Descriptor)))
	le.PutUint16(b[262:], i.Bus)
	le.PutUint32(b[264:], i.Vendor)
	le.PutUint32(b[268:], i.Product)
	le.PutUint32(b[272:], i.Version)
	le.PutUint32(b[276:], i.Country)
	copy(b[280:], i.Descriptor)
	if _, err := f.Write(b[:]); err != nil {
		return nil, errors.Join(fmt.Errorf("create uhid device: %w", err), f.Close())
	}
	d := &Device{f: f, started: make(chan struct{}), done: make(chan struct{})}
	go d.serve(h)
	return d, nil
}

// serve answers the kernel until the file is closed. Requests must be answered
// promptly: the kernel waits for them while it probes.
func (d *Device) serve(h Handler) {
	defer close(d.done)
	var b [eventSize]byte
	le := binary.LittleEndian
	for {
		n, err := d.f.Read(b[:])
		if err != nil || n < 4 {
			return
		}
		switch le.Uint32(b[:]) {
		case evStart:
			d.once.Do(func() { close(d.started) })
		case evOutput:
			size := min(int(le.Uint16(b[4+dataMax:])), dataMax)
			if h != nil {
				h.Output(append([]byte(nil), b[4:4+size]...), descriptor.ReportType(b[4+dataMax+2]))
			}
		case evGetReport:
			// struct uhid_get_report_req: u32 id; u8 rnum; u8 rtype
			id, rnum, rtype := le.Uint32(b[4:]), b[8], descriptor.ReportType(b[9])
			var r [eventSize]byte
			le.PutUint32(r[0:], evGetReportReply)
			le.PutUint32(r[4:], id)
			n := -5
			if h != nil {
				n = h.GetReport(rnum, rtype, r[12:12+dataMax])
			}
			if n < 0 {
				le.PutUint16(r[8:], uint16(-n))
			} else {
				le.PutUint16(r[10:], uint16(min(n, dataMax)))
			}
			if _, err := d.f.Write(r[:]); err != nil {
				return
			}
		case evSetReport:
			// struct uhid_set_report_req: u32 id; u8 rnum; u8 rtype; u16 size; data
			id, rnum, rtype := le.Uint32(b[4:]), b[8], descriptor.ReportType(b[9])
			size := min(int(le.Uint16(b[10:])), dataMax)
			var r [12]byte
			le.PutUint32(r[0:], evSetReportReply)
			le.PutUint32(r[4:], id)
			n := -5
			if h != nil {
				n = h.SetReport(rnum, rtype, append([]byte(nil), b[12:12+size]...))
			}
			if n < 0 {
				le.PutUint16(r[8:], uint16(-n))
			}
			if _, err := d.f.Write(r[:]); err != nil {
				return
			}
		}
	}
}

// WaitStart waits until a driver started the device.
func (d *Device) WaitStart(timeout time.Duration) error {
	select {
	case <-d.started:
		return nil
	case <-time.After(timeout):
		return fmt.Errorf("wait for uhid device: no driver started it in %v", timeout)
	}
}

// Input sends one report as if the hardware had. It returns when the kernel
// has processed it.
func (d *Device) Input(report []byte) error {
	if len(report) > dataMax {
		return fmt.Errorf("send report: %d bytes, at most %d", len(report), dataMax)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	binary.LittleEndian.PutUint32(d.buf[0:], evInput2)
	binary.LittleEndian.PutUint16(d.buf[4:], uint16(len(report)))
	copy(d.buf[6:], report)
	if _, err := d.f.Write(d.buf[:6+len(report)]); err != nil {
		return fmt.Errorf("send report: %w", err)
	}
	return nil
}

// Close removes the device.
func (d *Device) Close() error {
	var b [4]byte
	binary.LittleEndian.PutUint32(b[:], evDestroy)
	_, werr := d.f.Write(b[:])
	err := errors.Join(werr, d.f.Close())
	<-d.done
	if err != nil {
		return fmt.Errorf("remove uhid device: %w", err)
	}
	return nil
}
