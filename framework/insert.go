// SPDX-License-Identifier: Apache-2.0

package framework

import (
	"errors"
	"fmt"
	"slices"

	"github.com/modbpf/modbpf/framework/exitcode"
	"github.com/modbpf/modbpf/framework/kernel"
	"github.com/modbpf/modbpf/framework/manifest"
	"github.com/modbpf/modbpf/verifier"
)

// Version is modbpf's own version; the command line sets it.
var Version = "unknown"

// InsertOptions tune an insertion.
type InsertOptions struct {
	// Device limits a driver that binds to devices to one of them, and lets a
	// driver without matches bind at all.
	Device string
}

// Planned is one insertion that is to be made.
type Planned struct {
	Instance string         `json:"instance"`
	Device   *kernel.Device `json:"device,omitempty"`
}

// Plan finds where a driver goes in the kernel: one place, or one for each
// device that is present. Nothing is changed.
func (b *Bound) Plan(t *kernel.Target, o InsertOptions) ([]Planned, error) {
	if !b.bindsHID() {
		if o.Device != "" {
			return nil, exitcode.Usage.Errorf("driver %s binds to no device", b.Driver.Name())
		}
		for _, p := range b.points {
			if p.Interface != "" {
				return []Planned{{Instance: p.Interface}}, nil
			}
		}
		return []Planned{{Instance: "default"}}, nil
	}
	if o.Device != "" {
		d, err := t.HIDDevice(o.Device)
		if err != nil {
			return nil, err
		}
		return []Planned{{kernel.InstanceOf(d.Name), d}}, nil
	}
	matches, err := b.Driver.matches()
	if err != nil {
		return nil, err
	}
	if len(matches) == 0 {
		return nil, exitcode.Usage.Errorf("driver %s names no devices: say which with --device", b.Driver.Name())
	}
	all, err := t.HIDDevices()
	if err != nil {
		return nil, err
	}
	var out []Planned
	for _, d := range all {
		if slices.ContainsFunc(matches, func(m manifest.Match) bool { return m.Accepts(d.Modalias) }) {
			out = append(out, Planned{kernel.InstanceOf(d.Name), &d})
		}
	}
	if len(out) == 0 {
		return nil, exitcode.NotFound.Errorf("driver %s: no device that it matches is present; plug one in and insert again, or let a udev rule do it: ACTION==\"add\", SUBSYSTEM==\"hid\", ENV{MODALIAS}==\"%s\", RUN+=\"modbpf insert --device $kernel %s\"",
			b.Driver.Name(), matches[0].Pattern(), b.Driver.Path)
	}
	return out, nil
}

// Outcome is what became of one planned insertion.
type Outcome struct {
	Insertion *kernel.Insertion
	// Changed is false when the same was inserted already.
	Changed bool
	// Declined: the driver's probe did not want the device.
	Declined bool
}

// job describes one insertion to the kernel target.
func (c *Checked) job(p Planned) *kernel.Job {
	d := c.bound.Driver
	j := &kernel.Job{
		Bound: c.bound.Object, Checked: c.programs, Device: p.Device, Probe: c.bound.probe(), Tables: c.bound.Kernel.StructOps,
		Meta: kernel.Meta{
			Driver: d.Name(), Version: d.Version(), Instance: p.Instance, License: d.Object.License, Judge: c.judge.String(),
			Object: d.objectHash, Manifest: d.manifestHash, Source: d.Path, Points: c.bound.Points(), By: Version,
		},
	}
	if p.Device != nil {
		j.Meta.Device = p.Device.Name
	}
	for _, v := range c.bound.Values {
		if j.Meta.Parameters == nil {
			j.Meta.Parameters = map[string]string{}
		}
		j.Meta.Parameters[v.Parameter().Name] = v.String()
	}
	return j
}

// Insert puts a checked driver into the kernel, once for each place of the
// plan. If one fails, those made by this call are taken out again.
func (c *Checked) Insert(t *kernel.Target, plan []Planned) ([]Outcome, error) {
	var out []Outcome
	for _, p := range plan {
		in, changed, err := t.Insert(c.job(p))
		var declined *kernel.DeclinedError
		if errors.As(err, &declined) {
			out = append(out, Outcome{Insertion: &kernel.Insertion{Driver: c.bound.Driver.Name(), Instance: p.Instance}, Declined: true})
			continue
		}
		if err != nil {
			for _, o := range out {
				if o.Changed {
					if _, rerr := t.Remove(o.Insertion.Driver, o.Insertion.Instance); rerr != nil {
						err = errors.Join(err, rerr)
					}
				}
			}
			return nil, err
		}
		out = append(out, Outcome{Insertion: in, Changed: changed})
	}
	for _, o := range out {
		if !o.Declined {
			return out, nil
		}
	}
	return out, exitcode.NotFound.Errorf("insert %s: its probe declines every device that matches", c.bound.Driver.Name())
}

// Upgrade puts a checked driver in the place of what is inserted under its
// name, instance by instance. announce is told beforehand how each will go.
func (c *Checked) Upgrade(t *kernel.Target, announce func(instance string, p kernel.Plan)) ([]Outcome, error) {
	name := c.bound.Driver.Name()
	there, err := t.Insertions(name)
	if err != nil {
		return nil, err
	}
	if len(there) == 0 {
		return nil, fmt.Errorf("upgrade %s: %w", name, kernel.ErrNotInserted)
	}
	var out []Outcome
	for _, in := range there {
		p := Planned{Instance: in.Instance}
		if in.Meta != nil && in.Meta.Device != "" {
			if p.Device, err = t.HIDDevice(in.Meta.Device); err != nil {
				return out, fmt.Errorf("upgrade %s: %w", name, err)
			}
		}
		after, err := t.Upgrade(c.job(p), func(pl kernel.Plan) { announce(in.Instance, pl) })
		if err != nil {
			return out, err
		}
		out = append(out, Outcome{Insertion: after, Changed: !after.SameVersion(in)})
	}
	return out, nil
}

// HostReady returns the programs' verdicts if all are proofs of our own.
func (c *Checked) HostReady() (map[string]*verifier.Checked, error) {
	for _, p := range c.programs {
		if p.Judge() != verifier.JudgeVerifier {
			return nil, ErrHostRefuses
		}
	}
	return c.programs, nil
}

// PlanUpgrade says how the driver would take an insertion's place.
func (c *Checked) PlanUpgrade(in *kernel.Insertion) kernel.Plan {
	j := c.job(Planned{Instance: in.Instance})
	return kernel.PlanSwitch(in.Meta, &j.Meta, j.Tables)
}
