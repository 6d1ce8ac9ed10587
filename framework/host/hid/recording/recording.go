// SPDX-License-Identifier: Apache-2.0

// Package recording reads and writes what a HID device said, in the text format
// of hid-recorder (hid-tools): descriptor, identity and time-stamped reports.
package recording

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// ErrFormat is wrapped by every error about a recording's text.
var ErrFormat = errors.New("malformed recording")

// MaxReport is the longest report a recording may hold, in bytes (HID_MAX_BUFFER_SIZE).
const MaxReport = 16384

// Device is what a recording says of one device.
type Device struct {
	Index           int
	Name, Phys      string
	Bus             uint16
	Vendor, Product uint32
	Descriptor      []byte
	Events          []Event
	Comments        []string // lines before the first record, without "#"
}

// Event is one input report.
type Event struct {
	Time time.Duration // since the recording began
	Data []byte
	Line int // in the file
}

// Error names the line a recording goes wrong at.
type Error struct {
	Name string
	Line int
	Err  error
}

func (e *Error) Error() string { return fmt.Sprintf("%s:%d: %v", e.Name, e.Line, e.Err) }

// Unwrap makes errors.Is work.
func (e *Error) Unwrap() error { return e.Err }

// Read parses a recording; name is used in errors. Records before any "D:" line
// belong to device 0.
func Read(r io.Reader, name string) ([]*Device, error) {
	var devs []*Device
	byIndex := map[int]*Device{}
	var comments []string
	cur := func() *Device {
		if len(devs) == 0 {
			d := &Device{Comments: comments}
			devs = append(devs, d)
			byIndex[0] = d
		}
		return devs[len(devs)-1]
	}
	active := (*Device)(nil)
	sc := bufio.NewScanner(r)
	sc.Buffer(make([]byte, 64<<10), 4*MaxReport+1024)
	n := 0
	for sc.Scan() {
		n++
		line := strings.TrimSpace(sc.Text())
		if line == "" {
			continue
		}
		if strings.HasPrefix(line, "#") {
			if len(devs) == 0 {
				comments = append(comments, strings.TrimSpace(line[1:]))
			}
			continue
		}
		key, val, ok := strings.Cut(line, ":")
		val = strings.TrimSpace(val)
		if active == nil && key != "D" {
			active = cur()
		}
		var err error
		switch {
		case !ok:
			err = fmt.Errorf("want KEY: VALUE, have %q: %w", short(line), ErrFormat)
		case key == "D":
			var idx int
			if idx, err = strconv.Atoi(val); err != nil || idx < 0 || idx > 1000 {
				err = fmt.Errorf("device number %q: %w", short(val), ErrFormat)
				break
			}
			if active = byIndex[idx]; active == nil {
				active = &Device{Index: idx, Comments: comments}
				byIndex[idx], devs = active, append(devs, active)
			}
		case key == "N":
			active.Name = val
		case key == "P":
			active.Phys = val
		case key == "I":
			err = active.identity(val)
		case key == "R":
			active.Descriptor, err = sized(val, 4096)
		case key == "E":
			err = active.event(val, n)
		default:
			err = fmt.Errorf("unknown record %q: %w", short(key), ErrFormat)
		}
		if err != nil {
			return nil, &Error{name, n, err}
		}
	}
	if err := sc.Err(); err != nil {
		return nil, &Error{name, n + 1, fmt.Errorf("read line: %w", err)}
	}
	for _, d := range devs {
		if d.Descriptor == nil {
			return nil, &Error{name, n, fmt.Errorf("device %d has no descriptor (R:): %w", d.Index, ErrFormat)}
		}
	}
	if len(devs) == 0 {
		return nil, &Error{name, 1, fmt.Errorf("no device in it: %w", ErrFormat)}
	}
	return devs, nil
}

func short(s string) string {
	if len(s) > 24 {
		return s[:24] + "..."
	}
	return s
}

func (d *Device) identity(val string) error {
	f := strings.Fields(val)
	if len(f) != 3 {
		return fmt.Errorf("want bus, vendor and product in hex, have %q: %w", short(val), ErrFormat)
	}
	var v [3]uint64
	for i := range f {
		var err error
		if v[i], err = strconv.ParseUint(strings.TrimPrefix(f[i], "0x"), 16, 32); err != nil {
			return fmt.Errorf("hex number %q: %w", short(f[i]), ErrFormat)
		}
	}
	if v[0] > 0xffff {
		return fmt.Errorf("bus %#x: %w", v[0], ErrFormat)
	}
	d.Bus, d.Vendor, d.Product = uint16(v[0]), uint32(v[1]), uint32(v[2])
	return nil
}

// sized reads "LEN hh hh ...", checking the length.
func sized(val string, limit int) ([]byte, error) {
	count, rest, _ := strings.Cut(val, " ")
	n, err := strconv.Atoi(count)
	if err != nil || n < 0 || n > limit {
		return nil, fmt.Errorf("length %q, want 0 to %d: %w", short(count), limit, ErrFormat)
	}
	digits := strings.Join(strings.Fields(rest), "")
	// Devices' recorders write single digits now and then: accept "0 1f" too.
	if len(digits) != 2*n {
		digits = ""
		for _, f := range strings.Fields(rest) {
			if len(f) == 1 {
				f = "0" + f
			}
			digits += f
		}
	}
	b, err := hex.DecodeString(digits)
	if err != nil {
		return nil, fmt.Errorf("hex bytes: %v: %w", err, ErrFormat)
	}
	if len(b) != n {
		return nil, fmt.Errorf("%d bytes follow, length says %d: %w", len(b), n, ErrFormat)
	}
	return b, nil
}

func (d *Device) event(val string, line int) error {
	stamp, rest, ok := strings.Cut(val, " ")
	if !ok {
		return fmt.Errorf("want time, length and bytes, have %q: %w", short(val), ErrFormat)
	}
	sec, frac, _ := strings.Cut(stamp, ".")
	s, err := strconv.ParseUint(sec, 10, 31)
	if err != nil {
		return fmt.Errorf("time %q: %w", short(stamp), ErrFormat)
	}
	var us uint64
	if frac != "" {
		if us, err = strconv.ParseUint((frac + "000000")[:6], 10, 32); err != nil {
			return fmt.Errorf("time %q: %w", short(stamp), ErrFormat)
		}
	}
	data, err := sized(strings.TrimSpace(rest), MaxReport)
	if err != nil {
		return err
	}
	d.Events = append(d.Events, Event{time.Duration(s)*time.Second + time.Duration(us)*time.Microsecond, data, line})
	return nil
}

// Write prints devices in the same format.
func Write(w io.Writer, devs ...*Device) error {
	b := bufio.NewWriter(w)
	for i, d := range devs {
		if i == 0 {
			for _, c := range d.Comments {
				fmt.Fprintf(b, "# %s\n", c)
			}
		}
		fmt.Fprintf(b, "D: %d\nR: %d % x\nN: %s\nP: %s\nI: %x %04x %04x\n", d.Index, len(d.Descriptor), d.Descriptor, d.Name, d.Phys, d.Bus, d.Vendor, d.Product)
		for _, e := range d.Events {
			WriteEvent(b, e)
		}
	}
	return b.Flush()
}

// WriteEvent prints one report.
func WriteEvent(w io.Writer, e Event) error {
	_, err := fmt.Fprintf(w, "E: %06d.%06d %d % x\n", e.Time/time.Second, e.Time%time.Second/time.Microsecond, len(e.Data), e.Data)
	return err
}
