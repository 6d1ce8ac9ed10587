// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/framework/exitcode"
	"github.com/modbpf/modbpf/framework/object"
	"github.com/modbpf/modbpf/structops"
	"github.com/modbpf/modbpf/verifier"
)

// Job is one version of a driver that is to be put into the kernel. The
// framework makes it from a checked driver.
type Job struct {
	// Meta describes it; the points' numbers are filled in once they are known.
	Meta Meta
	// Bound is the object, bound to the running kernel.
	Bound *object.Bound
	// Checked holds the verdict on each program that is to be loaded, by name.
	// Nothing is loaded without one.
	Checked map[string]*verifier.Checked
	// Device is what a HID driver is bound to.
	Device *Device
	// Probe names a syscall program that decides whether the driver wants the
	// device, "" if there is none.
	Probe string
	// Tables looks up struct_ops tables of the running kernel.
	Tables func(string) *structops.Table
}

// validate holds a job to what makes it safe to load: every program has a
// verdict, and the verdict is about exactly the instructions to be loaded.
func (j *Job) validate() error {
	if j.Meta.Driver == "" || j.Bound == nil || len(j.Meta.Points) == 0 {
		return exitcode.Internal.Errorf("insert %s: nothing to attach", j.Meta.Driver)
	}
	for name, c := range j.Checked {
		bp := j.Bound.Program(name)
		if bp == nil || c == nil || c.Judge() == verifier.JudgeNone || c.Program() == nil || c.Program() != bp.Program {
			return exitcode.Internal.Errorf("insert %s: program %s has no verdict", j.Meta.Driver, name)
		}
	}
	return nil
}

// forKernel gives the object's struct_ops maps what only insertion knows:
// hid_bpf_ops begins with the number of the device, and every table that takes
// links gets a map for links, whatever section the author put it in, because
// only a link can be pinned, listed and exchanged. The instructions that were
// judged stay the same; only copies of the maps differ.
func (j *Job) forKernel() (*object.Bound, error) {
	b := *j.Bound
	b.Maps = slices.Clone(b.Maps)
	for i, m := range b.Maps {
		if m.StructOps == nil || m.Err != nil {
			continue
		}
		c, s, v := *m, *m.StructOps, *m.Map
		c.StructOps, c.Map = &s, &v
		b.Maps[i] = &c
		if !s.Link {
			if t := j.Tables(s.Table); t != nil && t.NoLink {
				return nil, exitcode.Unsupported.Errorf("attach %s: the kernel offers no link for this table", s.Table)
			}
			s.Link, v.Flags = true, v.Flags|bpf.MapLink
		}
		if j.Device == nil || s.Table != "hid_bpf_ops" {
			continue
		}
		f, ok := s.BTF.FindMember(s.Type, "hid_id")
		at := int(s.DataOff + f.BitOff/8)
		if !ok || at+4 > len(s.Value) {
			return nil, exitcode.Unsupported.Errorf("bind %s to %s: hid_bpf_ops of this kernel has no hid_id", j.Meta.Driver, j.Device.Name)
		}
		s.Value = slices.Clone(s.Value)
		binary.LittleEndian.PutUint32(s.Value[at:], j.Device.ID)
	}
	return &b, nil
}

// DeclinedError says that a driver's probe program does not want a device.
type DeclinedError struct {
	Device string
	Answer int32
}

func (e *DeclinedError) Error() string {
	return fmt.Sprintf("the driver's probe declines %s (%d)", e.Device, e.Answer)
}
