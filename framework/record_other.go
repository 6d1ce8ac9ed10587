// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package framework

import (
	"context"
	"io"

	"github.com/modbpf/modbpf/framework/exitcode"
)

// HIDDevice is a HID device that is present.
type HIDDevice struct {
	Name     string `json:"name"`
	Label    string `json:"label"`
	Modalias string `json:"modalias"`
}

// HIDDevices lists the HID devices of this system; only Linux shows them.
func HIDDevices() ([]HIDDevice, error) {
	return nil, exitcode.Unsupported.Errorf("list HID devices: only Linux shows them")
}

// Record writes what a device says; only Linux lets it be heard.
func Record(context.Context, string, int, io.Writer) (int, error) {
	return 0, exitcode.Unsupported.Errorf("record: only Linux has hidraw")
}
