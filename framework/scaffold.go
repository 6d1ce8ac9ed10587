// SPDX-License-Identifier: Apache-2.0

package framework

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/modbpf/modbpf/framework/exitcode"
	"github.com/modbpf/modbpf/framework/host/hid/descriptor"
	"github.com/modbpf/modbpf/framework/host/hid/recording"
	"github.com/modbpf/modbpf/framework/kernel"
)

// RecordingOf describes a present HID device as a recording without events.
func RecordingOf(t *kernel.Target, name string) (*recording.Device, error) {
	d, err := t.HIDDevice(name)
	if err != nil {
		return nil, err
	}
	raw, err := d.Descriptor()
	if err != nil {
		return nil, exitcode.IO.With(err)
	}
	r := &recording.Device{Name: d.Label, Descriptor: raw, Comments: []string{" " + name + ", read by modbpf new"}}
	ids := strings.FieldsFunc(name, func(c rune) bool { return c == ':' || c == '.' })
	if len(ids) == 4 {
		var n [3]uint64
		for i := range n {
			if n[i], err = strconv.ParseUint(ids[i], 16, 32); err != nil {
				return nil, exitcode.Usage.Errorf("find HID device %s: want a name such as 0003:256C:0060.0001", name)
			}
		}
		r.Bus, r.Vendor, r.Product = uint16(n[0]), uint32(n[1]), uint32(n[2])
	}
	return r, nil
}

// DriverName makes a driver's name of a device's.
func DriverName(device string) string {
	var b strings.Builder
	for _, c := range strings.ToLower(device) {
		switch {
		case c >= 'a' && c <= 'z' || c >= '0' && c <= '9':
			b.WriteRune(c)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
	}
	name := b.String()
	if len(name) > 40 {
		name = name[:40]
	}
	if name = strings.Trim(name, "-"); name == "" {
		return "hid-driver"
	}
	return name
}

// NewHID writes a folder for a driver of a HID device: a manifest, a C file that
// leaves the device as it is, with its descriptor decoded above, and the
// recording. Nothing that is there already is overwritten.
func NewHID(dir string, rec *recording.Device) ([]string, error) {
	name := DriverName(filepath.Base(dir))
	var text bytes.Buffer
	if err := recording.Write(&text, rec); err != nil {
		return nil, exitcode.IO.With(err)
	}
	files := []struct{ name, text string }{
		{"driver.yaml", hidManifest(name, rec)},
		{"driver.bpf.c", hidSource(name, rec)},
		{filepath.Join("recordings", "first.rec"), text.String()},
	}
	for _, f := range files {
		if _, err := os.Lstat(filepath.Join(dir, f.name)); err == nil {
			return nil, exitcode.Busy.Errorf("write %s: it exists", filepath.Join(dir, f.name))
		} else if !errors.Is(err, fs.ErrNotExist) {
			return nil, exitcode.IO.With(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(dir, "recordings"), 0o755); err != nil {
		return nil, exitcode.IO.With(err)
	}
	var out []string
	for _, f := range files {
		p := filepath.Join(dir, f.name)
		if err := os.WriteFile(p, []byte(f.text), 0o644); err != nil {
			return nil, exitcode.IO.With(err)
		}
		out = append(out, p)
	}
	return out, nil
}

func hidManifest(name string, rec *recording.Device) string {
	bus := map[uint16]string{3: "usb", 5: "bluetooth", 0x18: "i2c", 6: "virtual"}[rec.Bus]
	if bus == "" {
		bus = fmt.Sprintf("%#04x", rec.Bus)
	}
	return fmt.Sprintf(`apiVersion: modbpf/v1
name: %s
version: 0.1.0
license: GPL-2.0-only OR BSD-2-Clause
description: %s
object: driver.bpf.o
match:
  - hid: {bus: %s, group: any, vendor: %#04x, product: %#04x}
extensionPoints:
  - structOps: hid_bpf_ops
`, name, strconv.Quote("Driver of "+printable(rec.Name, 150)), bus, rec.Vendor, rec.Product)
}

// printable keeps what may stand in a quoted YAML string and a C comment.
func printable(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\\' || r == '"' {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	s = strings.ReplaceAll(s, "*/", "* /")
	if s == "" {
		s = "a device"
	}
	return strings.ToValidUTF8(s[:min(len(s), limit)], "")
}

func hidSource(name string, rec *recording.Device) string {
	id := strings.ReplaceAll(name, "-", "_")
	if id[0] >= '0' && id[0] <= '9' {
		id = "hid_" + id
	}
	var b strings.Builder
	fmt.Fprintf(&b, `// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * %s (%04x:%04x)
 *
 * What its descriptor says, and where:
 *
`, printable(rec.Name, 150), rec.Vendor, rec.Product)
	for _, l := range descriptor.Lines(rec.Descriptor) {
		fmt.Fprintf(&b, " * 0x%04x  %s\n", l.Offset, strings.ReplaceAll(strings.TrimRight(l.String(), " "), "*/", "* /"))
	}
	fmt.Fprintf(&b, ` */
#include <modbpf/hid.h>

#define RDESC_SIZE %d

/* The descriptor, before the kernel parses it: data[offset] = ...; */
RDESC_FIXUP(%[2]s_rdesc)
{
	u8 *data = hid_bpf_get_data(ctx, 0, RDESC_SIZE);

	if (!data || ctx->size != RDESC_SIZE)
		return 0;
	return 0;
}

/* Each input report; data[0] is the report's id if it has one. */
DEVICE_EVENT(%[2]s_event)
{
	u8 *data = hid_bpf_get_data(ctx, 0, 1);

	if (!data)
		return 0;
	return 0;
}

HID_DRIVER(%[2]s) = {
	.hid_rdesc_fixup = (void *)%[2]s_rdesc,
	.hid_device_event = (void *)%[2]s_event,
};

LICENSE("Dual BSD/GPL");
`, len(rec.Descriptor), id)
	return b.String()
}
