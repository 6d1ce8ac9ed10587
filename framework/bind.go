// SPDX-License-Identifier: Apache-2.0

package framework

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/framework/exitcode"
	"github.com/modbpf/modbpf/framework/kernel"
	"github.com/modbpf/modbpf/framework/manifest"
	"github.com/modbpf/modbpf/framework/object"
	"github.com/modbpf/modbpf/verifier"
)

// Kernel is a kernel profile as the framework needs it.
type Kernel interface {
	verifier.Kernel
	Name() string  // how it was asked for: "running", "6.12", a file
	Uname() string // its full release
}

// BindOptions tune Bind.
type BindOptions struct {
	// Settings are NAME=VALUE for the driver's parameters.
	Settings []string
	// CPUs is the number of possible CPUs; 0: 1.
	CPUs int
	// DefaultMaxEntries sizes maps that leave their size to their loader.
	DefaultMaxEntries uint32
	// Attach stands in for what a bare object's manifest would say.
	Attach *manifest.Attach
}

// Bound is a driver bound to one kernel.
type Bound struct {
	Driver *Driver
	Kernel Kernel
	Object *object.Bound
	Values manifest.Values
	// Notes say what was left out because this kernel lacks it.
	Notes []string

	points []kernel.Point
	// needed are the programs the points call, by name.
	needed map[string]bool
	// absent are programs left out because the manifest lets them be.
	absent map[string]string
	// pointErr is why the driver as a whole cannot be inserted here; single
	// programs can be judged all the same.
	pointErr error
}

// Bind resolves a driver against a kernel. Mistakes in the settings are errors;
// what the kernel lacks is told by Unmet, and by the verdict on each program.
func (d *Driver) Bind(k Kernel, o BindOptions) (*Bound, error) {
	b := &Bound{Driver: d, Kernel: k, needed: map[string]bool{}, absent: map[string]string{}}
	opts := object.Options{CPUs: o.CPUs, DefaultMaxEntries: o.DefaultMaxEntries, Variables: map[string][]byte{}}
	if d.Manifest != nil {
		var err error
		if b.Values, err = d.Manifest.Set(o.Settings); err != nil {
			return nil, exitcode.Usage.With(err)
		}
		for _, v := range b.Values {
			name := v.Parameter().VariableName()
			va, err := d.Object.Variable(name)
			if err == nil {
				opts.Variables[name], err = encode(d.Object, va, v)
			}
			if err != nil {
				return nil, exitcode.Usage.Errorf("parameter %s=%s: %w", v.Parameter().Name, v, err)
			}
		}
	} else {
		// A bare object's constants are its parameters, bounded by their type alone.
		for _, s := range o.Settings {
			name, val, ok := strings.Cut(s, "=")
			if !ok {
				return nil, exitcode.Usage.Errorf("parameter %s: no value given", name)
			}
			if err := d.Object.SetRodata(&opts, name, val); err != nil {
				return nil, exitcode.Usage.Errorf("parameter %s: %w", name, err)
			}
		}
	}
	var err error
	if b.Object, err = d.Object.Bind(k, opts); err != nil {
		return nil, exitcode.Object.Errorf("bind %s to %s: %w", d.ObjectPath, k.Uname(), err)
	}
	b.pointErr = b.place(o.Attach)
	return b, nil
}

// place finds the driver's extension points in the kernel.
func (b *Bound) place(attach *manifest.Attach) error {
	m := b.Driver.Manifest
	if m == nil {
		return b.placeBare(attach)
	}
	if err := b.requires(); err != nil {
		return err
	}
	if len(m.ExtensionPoints) == 0 {
		return b.placeBare(nil)
	}
	b.unused()
	for i := range m.ExtensionPoints {
		ep := &m.ExtensionPoints[i]
		var err error
		if at := ep.Attach; at != nil && (at.Default || at.Parent != "") {
			return exitcode.NotJudged.With(m.Errorf(fmt.Sprintf("extensionPoints[%d].attach", i), "setting a qdisc's parent, or a default for a namespace, is not built yet: leave it out and use tc or sysctl"))
		}
		if ep.StructOps != "" {
			err = b.placeTable(i, ep)
		} else {
			err = b.placeHook(i, ep)
		}
		var gone *object.MissingError
		if ep.Optional && errors.As(err, &gone) {
			b.note("%s left out: %v", ep.StructOps+ep.Program, gone)
			continue
		}
		if err != nil {
			return err
		}
	}
	if len(b.points) == 0 {
		return exitcode.Unsupported.Errorf("driver %s: kernel %s has none of its extension points", m.Name, b.Kernel.Uname())
	}
	return nil
}

// unused says what the manifest asks for and insertion does not do yet.
func (b *Bound) unused() {
	m := b.Driver.Manifest
	if len(m.Replaces) > 0 && b.bindsHIDByManifest() {
		b.note("replaces %s: taking a device from that module is not built yet; where it is loaded, unload it, and where no driver binds the device set hid.ignore_special_drivers=1", strings.Join(m.Replaces, ", "))
	}
	if len(m.Conflicts)+len(m.SoftDeps.Pre)+len(m.SoftDeps.Post) > 0 || m.Priority != 0 {
		b.note("conflicts, softdeps and priority are for the index of drivers, which is not built yet")
	}
}

func (b *Bound) bindsHIDByManifest() bool {
	for i := range b.Driver.Manifest.Match {
		if b.Driver.Manifest.Match[i].HID != nil {
			return true
		}
	}
	return false
}

func (b *Bound) note(format string, args ...any) {
	b.Notes = append(b.Notes, fmt.Sprintf(format, args...))
}

// placeBare takes every struct_ops variable, and every hook that says all there
// is to say by itself or with attach, for an extension point.
func (b *Bound) placeBare(attach *manifest.Attach) error {
	for _, bm := range b.Object.StructOps() {
		if bm.Spec.Optional {
			continue
		}
		if err := b.addTable(bm, nil); err != nil {
			return err
		}
	}
	for _, p := range b.Driver.Object.Programs {
		for _, h := range hookTable {
			if p.Optional || !hookTakes(h.name, p) || attach == nil || attach.Interface == "" {
				continue
			}
			ep := manifest.ExtensionPoint{Program: h.name, Function: p.Name, Attach: attach}
			a, flags, _, wrong := attachOf(&ep, p)
			if wrong != "" {
				return exitcode.Usage.Errorf("attach %s: %s", p.Name, wrong)
			}
			b.addHook(&ep, p, a, flags)
			break
		}
	}
	if len(b.points) == 0 {
		return exitcode.Object.Errorf("object %s: nothing in it can be attached without a manifest", b.Driver.ObjectPath)
	}
	return nil
}

// requires holds the kernel to the manifest's requires.
func (b *Bound) requires() error {
	m, k := b.Driver.Manifest, b.Kernel
	lacks := func(path, format string, args ...any) error {
		return exitcode.Unsupported.With(fmt.Errorf("driver %s: kernel %s %w", m.Name, k.Uname(), m.Errorf(path, format, args...)))
	}
	if r := m.Requires.Kernel; !r.IsZero() && !r.Contains(k.Release()) {
		return lacks("requires.kernel", "is not in %s", r)
	}
	for i, f := range m.Requires.Kfuncs {
		if k.Kfunc(f) == nil {
			return lacks(fmt.Sprintf("requires.kfuncs[%d]", i), "has no kfunc %s", f)
		}
	}
	for i, c := range m.Requires.Config {
		if v := k.Config(c); v != "y" && v != "m" {
			return lacks(fmt.Sprintf("requires.config[%d]", i), "is built without %s", c)
		}
	}
	for i, name := range m.Requires.Modules {
		if k.Module(name) == nil {
			return lacks(fmt.Sprintf("requires.modules[%d]", i), "has not loaded module %s", name)
		}
	}
	return nil
}

func (b *Bound) placeTable(i int, ep *manifest.ExtensionPoint) error {
	for _, bm := range b.Object.StructOps() {
		if bm.Spec.Table == ep.StructOps && (ep.Variable == "" || ep.Variable == bm.Spec.Name) {
			return b.addTable(bm, ep)
		}
	}
	return exitcode.Manifest.With(b.Driver.Manifest.Errorf(fmt.Sprintf("extensionPoints[%d]", i), "the object has no such variable"))
}

// addTable makes a struct_ops variable an extension point. ep is nil without a manifest.
func (b *Bound) addTable(bm *object.BoundMap, ep *manifest.ExtensionPoint) error {
	table := bm.Spec.Table
	if bm.Err != nil {
		if miss, ok := object.Missing(bm.Err); ok {
			return exitcode.Unsupported.With(&missingPoint{
				fmt.Sprintf("driver %s: kernel %s has no extension point %s%s", b.Driver.Name(), b.Kernel.Uname(), table, Whence(table, b.Kernel)), miss,
			})
		}
		return exitcode.Object.Errorf("driver %s: %w", b.Driver.Name(), bm.Err)
	}
	so := bm.StructOps
	p := kernel.Point{Table: table, Variable: bm.Spec.Name, Name: nameIn(so)}
	for _, m := range so.Members {
		p.Slots = append(p.Slots, m.Name)
		b.needed[m.Program] = true
	}
	slices.Sort(p.Slots)
	for _, a := range so.Absent {
		if ep != nil && slices.Contains(ep.OptionalSlots, a.Member) {
			b.note("%s.%s left out: this kernel lacks the slot", table, a.Member)
			b.absent[a.Program] = table + "." + a.Member
			p.Absent = append(p.Absent, a.Member)
			continue
		}
		hint := ""
		if ep != nil {
			hint = ": list it under optionalSlots if the driver works without"
		}
		return exitcode.Unsupported.Errorf("driver %s: kernel %s has no slot %s.%s%s", b.Driver.Name(), b.Kernel.Uname(), table, a.Member, hint)
	}
	if t := b.Kernel.StructOps(table); t != nil {
		if err := b.filled(t, p.Slots); err != nil {
			return err
		}
	}
	b.points = append(b.points, p)
	return nil
}

// nameIn reads the name a table registers under: tcp's name, a qdisc's id.
func nameIn(so *object.BoundStructOps) string {
	for _, field := range []string{"name", "id"} {
		f, ok := so.BTF.FindMember(so.Type, field)
		if !ok {
			continue
		}
		size, ok := so.BTF.Sizeof(f.Type)
		at := int(so.DataOff + f.BitOff/8)
		if ok && size >= 2 && at+int(size) <= len(so.Value) {
			s, _, _ := bytes.Cut(so.Value[at:at+int(size)], []byte{0})
			return string(s)
		}
	}
	return ""
}

func (b *Bound) placeHook(i int, ep *manifest.ExtensionPoint) error {
	m := b.Driver.Manifest
	progs := b.Driver.hookPrograms(ep)
	if len(progs) != 1 {
		return exitcode.Manifest.With(m.Errorf(fmt.Sprintf("extensionPoints[%d]", i), "does not name one program"))
	}
	a, flags, field, wrong := attachOf(ep, progs[0])
	if wrong != "" {
		code := exitcode.Manifest
		if field == "program" {
			code = exitcode.Unsupported
		}
		return code.With(m.Errorf(fmt.Sprintf("extensionPoints[%d].%s", i, field), "%s", wrong))
	}
	if b.Kernel.Hook(progs[0].Def.Type) == nil {
		return exitcode.Unsupported.With(&object.MissingError{Feature: "program hook", Name: ep.Program})
	}
	b.addHook(ep, progs[0], a, flags)
	return nil
}

func (b *Bound) addHook(ep *manifest.ExtensionPoint, p *object.ProgramSpec, a bpf.AttachType, flags uint32) {
	b.needed[p.Name] = true
	b.points = append(b.points, kernel.Point{
		Hook: ep.Program, Program: p.Name, Interface: ep.Attach.Interface, Netns: ep.Attach.Netns, Attach: uint32(a), Flags: flags,
	})
}

// Unmet is why the driver cannot be inserted into this kernel, nil if nothing
// stands in the way but the verdict.
func (b *Bound) Unmet() error { return b.pointErr }

// Points are the extension points the driver takes in this kernel.
func (b *Bound) Points() []kernel.Point { return slices.Clone(b.points) }

// allowed holds a program's kfunc calls to the manifest's allow-list.
func (b *Bound) allowed(p *verifier.Program) error {
	if b.Driver.Manifest == nil || len(b.Driver.Manifest.Policy.Kfuncs) == 0 {
		return nil
	}
	for _, in := range p.Insns {
		if !in.IsCall() || in.Src() != bpf.PseudoKfuncCall || int(in.Off) >= len(p.Modules) || in.Off < 0 {
			continue
		}
		name := p.Modules[in.Off].Name(idOf(in))
		if !slices.ContainsFunc(b.Driver.Manifest.Policy.Kfuncs, func(pat string) bool { ok, err := path.Match(pat, name); return ok && err == nil }) {
			return exitcode.Permission.With(b.Driver.Manifest.Errorf("policy.kfuncs", "program %s calls %s, which is not allowed here", p.Name, name))
		}
	}
	return nil
}
