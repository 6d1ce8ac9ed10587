// SPDX-License-Identifier: Apache-2.0

package live

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/modbpf/modbpf/framework/host/hid"
	"github.com/modbpf/modbpf/framework/host/hid/descriptor"
	"github.com/modbpf/modbpf/framework/host/hid/evdev"
	"github.com/modbpf/modbpf/framework/host/hid/uhid"
)

// Found is a device in sysfs.
type Found struct {
	Name     string // 0003:256C:0060.0001
	Modalias string
	Info     hid.Info
	path     string
}

// Devices lists the HID devices of the running kernel, without those a host
// presents. sysfs is normally "/sys".
func Devices(sysfs string) ([]Found, error) {
	dir := filepath.Join(sysfs, "bus/hid/devices")
	names, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list HID devices: %w", err)
	}
	var out []Found
	for _, n := range names {
		f, err := find(filepath.Join(dir, n.Name()))
		if err != nil || Presented(f.Info.Phys) {
			continue // gone meanwhile, or one of ours
		}
		out = append(out, *f)
	}
	return out, nil
}

func find(path string) (*Found, error) {
	b, err := os.ReadFile(filepath.Join(path, "uevent"))
	if err != nil {
		return nil, err
	}
	f := &Found{Name: filepath.Base(path), path: path}
	sc := bufio.NewScanner(bytes.NewReader(b))
	for sc.Scan() {
		key, val, _ := strings.Cut(sc.Text(), "=")
		switch key {
		case "HID_ID":
			parts := strings.Split(val, ":")
			if len(parts) != 3 {
				return nil, fmt.Errorf("read %s: HID_ID %q", path, val)
			}
			var v [3]uint64
			for i := range parts {
				if v[i], err = strconv.ParseUint(parts[i], 16, 32); err != nil {
					return nil, fmt.Errorf("read %s: HID_ID %q", path, val)
				}
			}
			f.Info.Bus, f.Info.Vendor, f.Info.Product = uint16(v[0]), uint32(v[1]), uint32(v[2])
		case "HID_NAME":
			f.Info.Name = val
		case "HID_PHYS":
			f.Info.Phys = val
		case "HID_UNIQ":
			f.Info.Uniq = val
		case "MODALIAS":
			f.Modalias = val
			if _, g, ok := strings.Cut(val, "g"); ok && len(g) >= 4 { // hid:b0003g0001v...
				if v, err := strconv.ParseUint(g[:4], 16, 16); err == nil {
					f.Info.Group = uint16(v)
				}
			}
		}
	}
	return f, sc.Err()
}

// Raw is a device read through hidraw, hidden from everybody else.
type Raw struct {
	f     *os.File
	found Found
	desc  []byte
	nodes []*evdev.Node
}

// Listen opens a device's hidraw node and lets everybody else go on reading it.
func Listen(f Found) (*Raw, error) {
	raws, err := filepath.Glob(filepath.Join(f.path, "hidraw", "hidraw*"))
	if err != nil || len(raws) == 0 {
		return nil, fmt.Errorf("open %s: it has no hidraw node: no kernel driver is bound to it", f.Name)
	}
	dev := "/dev/" + filepath.Base(raws[0])
	fd, err := unix.Open(dev, unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		if errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM) {
			return nil, fmt.Errorf("open %s: only root may unless a udev rule gives %s to your group or seat (TAG+=\"uaccess\"): %w", f.Name, dev, err)
		}
		return nil, fmt.Errorf("open %s (%s): %w", f.Name, dev, err)
	}
	r := &Raw{f: os.NewFile(uintptr(fd), dev), found: f}
	if err := r.describe(); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// Open is Listen, and grabs the device's event nodes.
func Open(f Found) (*Raw, error) {
	r, err := Listen(f)
	if err != nil {
		return nil, err
	}
	events, err := filepath.Glob(filepath.Join(f.path, "input", "input*", "event*"))
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	for _, e := range events {
		n, err := evdev.Open("/dev/input/" + filepath.Base(e))
		if err != nil {
			return nil, errors.Join(fmt.Errorf("hide %s: %w", f.Name, err), r.Close())
		}
		r.nodes = append(r.nodes, n)
		if err := n.Grab(true); err != nil {
			return nil, errors.Join(fmt.Errorf("hide %s: another program has it: %w", f.Name, err), r.Close())
		}
	}
	return r, nil
}

func hidioc(dir, nr, size uintptr) uintptr { return dir<<30 | size<<16 | 'H'<<8 | nr }

func (r *Raw) ioctl(req uintptr, p unsafe.Pointer) (int, error) {
	n := 0
	var e unix.Errno
	c, err := r.f.SyscallConn()
	if err != nil {
		return 0, err
	}
	err = c.Control(func(fd uintptr) {
		v, _, no := unix.Syscall(unix.SYS_IOCTL, fd, req, uintptr(p))
		n, e = int(v), no
	})
	if err != nil {
		return 0, err
	}
	if e != 0 {
		return 0, e
	}
	return n, nil
}

func (r *Raw) describe() error {
	var d struct {
		size  uint32
		value [descriptor.MaxSize]byte
	}
	if _, err := r.ioctl(hidioc(2, 0x01, 4), unsafe.Pointer(&d.size)); err != nil {
		return fmt.Errorf("read descriptor of %s: %w", r.found.Name, err)
	}
	if _, err := r.ioctl(hidioc(2, 0x02, unsafe.Sizeof(d)), unsafe.Pointer(&d)); err != nil {
		return fmt.Errorf("read descriptor of %s: %w", r.found.Name, err)
	}
	r.desc = append([]byte(nil), d.value[:min(d.size, descriptor.MaxSize)]...)
	return nil
}

// Info identifies the device.
func (r *Raw) Info() hid.Info { return r.found.Info }

// Descriptor is what the kernel has of the device: the stock one, unless a
// kernel module rewrote it already.
func (r *Raw) Descriptor() []byte { return r.desc }

// Read waits for a report.
func (r *Raw) Read(buf []byte) (int, error) {
	n, err := r.f.Read(buf)
	if errors.Is(err, unix.ENODEV) || errors.Is(err, unix.EIO) || errors.Is(err, os.ErrClosed) || errors.Is(err, os.ErrDeadlineExceeded) {
		return 0, io.EOF
	}
	return n, err
}

// Waiting reports whether a report can be read at once.
func (r *Raw) Waiting() (bool, error) {
	var n int
	var err error
	c, cerr := r.f.SyscallConn()
	if cerr != nil {
		return false, cerr
	}
	cerr = c.Control(func(fd uintptr) {
		n, err = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
	})
	return n > 0, errors.Join(cerr, err)
}

// Stop makes Read return.
func (r *Raw) Stop() error { return r.f.Close() }

// RawRequest passes GET_REPORT and SET_REPORT on to the device.
func (r *Raw) RawRequest(_ uint8, buf []byte, rtype descriptor.ReportType, reqtype uint32) int {
	const getReport, setReport = 1, 9
	var nr uintptr
	switch {
	case reqtype == setReport && rtype == descriptor.Feature:
		nr = 0x06
	case reqtype == getReport && rtype == descriptor.Feature:
		nr = 0x07
	case reqtype == setReport && rtype == descriptor.Input:
		nr = 0x09
	case reqtype == getReport && rtype == descriptor.Input:
		nr = 0x0a
	case reqtype == setReport && rtype == descriptor.Output:
		nr = 0x0b
	case reqtype == getReport && rtype == descriptor.Output:
		nr = 0x0c
	default:
		return -int(hid.EINVAL)
	}
	n, err := r.ioctl(hidioc(3, nr, uintptr(len(buf))), unsafe.Pointer(&buf[0]))
	if err != nil {
		return errno(err)
	}
	return n
}

// OutputReport passes an output report on to the device.
func (r *Raw) OutputReport(buf []byte) int {
	n, err := r.f.Write(buf)
	if err != nil {
		return errno(err)
	}
	return n
}

func errno(err error) int {
	if e := unix.Errno(0); errors.As(err, &e) {
		return -int(e)
	}
	return -int(hid.EIO)
}

// Close gives the device back.
func (r *Raw) Close() error {
	var errs []error
	for _, n := range r.nodes {
		errs = append(errs, n.Close()) // closing ends the grab
	}
	r.nodes = nil
	if err := r.f.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// UHID presents devices through /dev/uhid.
func UHID(info hid.Info, desc []byte, dev *hid.Device) (Sink, error) {
	return uhid.Create(uhid.Info{
		Name: info.Name, Phys: info.Phys, Uniq: info.Uniq, Bus: info.Bus, Vendor: info.Vendor,
		Product: info.Product, Descriptor: desc,
	}, back{dev})
}

// back hands what the kernel asks of the presented device to the driver and
// from there to the real one.
type back struct{ dev *hid.Device }

func (b back) GetReport(id uint8, rtype descriptor.ReportType, buf []byte) int {
	buf[0] = id
	return b.dev.Request(id, buf, rtype, 1)
}

func (b back) SetReport(id uint8, rtype descriptor.ReportType, data []byte) int {
	return b.dev.Request(id, data, rtype, 9)
}

func (b back) Output(data []byte, rtype descriptor.ReportType) {
	if rtype == descriptor.Output {
		b.dev.Output(data) // the kernel does not wait for an answer
	}
}
