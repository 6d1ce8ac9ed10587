// SPDX-License-Identifier: Apache-2.0

package framework

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/modbpf/modbpf/framework/exitcode"
	"github.com/modbpf/modbpf/framework/host/hid"
	hidlive "github.com/modbpf/modbpf/framework/host/hid/live"
	"github.com/modbpf/modbpf/framework/host/hid/recording"
)

// HIDDevice is a HID device that is present.
type HIDDevice struct {
	Name     string `json:"name"` // 0003:256C:0060.0001
	Label    string `json:"label"`
	Modalias string `json:"modalias"`
}

// HIDDevices lists the HID devices of this system.
func HIDDevices() ([]HIDDevice, error) {
	found, err := hidlive.Devices("/sys")
	if err != nil {
		return nil, exitcode.IO.With(err)
	}
	out := make([]HIDDevice, 0, len(found))
	for _, f := range found {
		out = append(out, HIDDevice{f.Name, f.Info.Name, f.Modalias})
	}
	return out, nil
}

// Record writes what a device says, in hid-recorder's format, until ctx ends,
// the device is gone, or count reports came (0: no limit). device is its name
// in sysfs, or its hidraw node. It returns how many reports it wrote.
func Record(ctx context.Context, device string, count int, w io.Writer) (n int, err error) {
	found, err := hidlive.Devices("/sys")
	if err != nil {
		return 0, exitcode.IO.With(err)
	}
	var raw *hidlive.Raw
	for _, f := range found {
		if f.Name != device && !strings.HasPrefix(device, "/dev/hidraw") {
			continue
		}
		if f.Name != device {
			nodes, err := filepath.Glob(filepath.Join("/sys/bus/hid/devices", f.Name, "hidraw", filepath.Base(device)))
			if err != nil || len(nodes) == 0 {
				continue
			}
		}
		if raw, err = hidlive.Listen(f); err != nil {
			return 0, exitcode.Permission.Errorf("record: %w", err)
		}
		break
	}
	if raw == nil {
		return 0, exitcode.NotFound.Errorf("record %s: no such HID device; modbpf record without arguments lists them", device)
	}
	defer func() { err = errors.Join(err, raw.Close()) }()
	stop := context.AfterFunc(ctx, func() { _ = raw.Stop() }) // its reader returns; Close comes again
	defer stop()
	i := raw.Info()
	if err := recording.Write(w, &recording.Device{
		Comments: []string{"recorded by modbpf from " + device},
		Name:     i.Name, Phys: i.Phys, Bus: i.Bus, Vendor: i.Vendor, Product: i.Product, Descriptor: raw.Descriptor(),
	}); err != nil {
		return 0, exitcode.IO.Errorf("record: %w", err)
	}
	buf := make([]byte, hid.MaxReport)
	var start time.Time
	for count == 0 || n < count {
		l, err := raw.Read(buf)
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return n, exitcode.IO.Errorf("record: %w", err)
		}
		if start.IsZero() {
			start = time.Now()
		}
		if err := recording.WriteEvent(w, recording.Event{Time: time.Since(start), Data: buf[:l]}); err != nil {
			return n, exitcode.IO.Errorf("record: %w", err)
		}
		n++
	}
	return n, nil
}
