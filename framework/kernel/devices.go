// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"

	"github.com/modbpf/modbpf/framework/exitcode"
)

// Device is a device a driver can bind to.
type Device struct {
	Name     string `json:"name"` // as the kernel names it: 0003:256C:0060.0001
	Modalias string `json:"modalias"`
	ID       uint32 `json:"id"` // HID: the number hid_bpf_ops wants
	Label    string `json:"label,omitempty"`

	path string
}

// HIDDevices lists the HID devices that are present.
func (t *Target) HIDDevices() ([]Device, error) {
	dir := filepath.Join(t.sysfs, "bus/hid/devices")
	names, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // a kernel without HID has no devices
	}
	if err != nil {
		return nil, exitcode.IO.Errorf("list HID devices: %w", err)
	}
	var out []Device
	for _, n := range names {
		d, err := t.HIDDevice(n.Name())
		if err != nil {
			continue // it went away meanwhile
		}
		out = append(out, *d)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Name < out[j].Name })
	return out, nil
}

// HIDDevice looks up one HID device by its name.
func (t *Target) HIDDevice(name string) (*Device, error) {
	_, hex, ok := strings.Cut(name, ".")
	id, err := strconv.ParseUint(hex, 16, 32)
	if !ok || err != nil || strings.ContainsAny(name, "/\x00") {
		return nil, exitcode.Usage.Errorf("find HID device %s: want a name such as 0003:256C:0060.0001", name)
	}
	path := filepath.Join(t.sysfs, "bus/hid/devices", name)
	alias, err := os.ReadFile(filepath.Join(path, "modalias"))
	if err != nil {
		return nil, exitcode.NotFound.Errorf("find HID device %s: %w", name, err)
	}
	d := &Device{Name: name, Modalias: strings.TrimSpace(string(alias)), ID: uint32(id), path: path}
	if ue, err := os.ReadFile(filepath.Join(path, "uevent")); err == nil {
		for _, l := range strings.Split(string(ue), "\n") {
			if s, ok := strings.CutPrefix(l, "HID_NAME="); ok {
				d.Label = s
			}
		}
	}
	return d, nil
}

// maxDescriptor is the kernel's HID_MAX_DESCRIPTOR_SIZE.
const maxDescriptor = 4096

// Descriptor is the device's report descriptor, as the kernel has it now.
func (d *Device) Descriptor() ([]byte, error) {
	b, err := os.ReadFile(filepath.Join(d.path, "report_descriptor"))
	if err != nil {
		return nil, fmt.Errorf("read descriptor of %s: %w", d.Name, err)
	}
	if len(b) > maxDescriptor {
		return nil, fmt.Errorf("read descriptor of %s: %d bytes, at most %d", d.Name, len(b), maxDescriptor)
	}
	return b, nil
}
