// SPDX-License-Identifier: Apache-2.0

package framework

import (
	"errors"
	"io"

	"github.com/modbpf/modbpf/framework/exitcode"
	"github.com/modbpf/modbpf/framework/host"
	"github.com/modbpf/modbpf/framework/host/hid"
	"github.com/modbpf/modbpf/jit"
)

// List writes what the host's engine makes of each program: C lines, BPF
// instructions and machine code side by side. The driver is linked for that and
// never runs.
func (c *Checked) List(w io.Writer) (err error) {
	spec, err := c.HostSpec()
	if err != nil {
		return err
	}
	h, err := host.New(c.bound.Kernel, host.Options{})
	if err != nil {
		return hostError(err)
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	if c.bound.bindsHID() {
		if _, err := hid.New(h); err != nil { // its kfuncs
			return hostError(err)
		}
	}
	d, err := h.Insert(spec)
	if err != nil {
		return hostError(err)
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	for _, p := range d.Programs {
		if err := jit.List(w, p.Exec); err != nil {
			return exitcode.Internal.Errorf("list program %s: %w", p.Name, err)
		}
	}
	return nil
}
