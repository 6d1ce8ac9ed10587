// SPDX-License-Identifier: Apache-2.0

// Package framework is a driver's life, one type a step:
//
//	Load ─► Driver ─ Bind(kernel) ─► Bound ─ Check ─► Checked ─ Insert(target) ─► Insertion
//
// No step can be had without the one before: only a Checked has a method that
// inserts, and the only ways to a Checked are a proof by our verifier and the
// user's explicit wish that the kernel alone decide. Everything up to Insert is
// a pure function of its inputs and works on any system, for any kernel.
package framework

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/modbpf/modbpf/framework/exitcode"
	"github.com/modbpf/modbpf/framework/manifest"
	"github.com/modbpf/modbpf/framework/object"
)

// Driver is a BPF object and, unless it came without, its manifest. Both were
// read and agree with each other; no kernel has been asked anything.
type Driver struct {
	// Manifest is nil for a bare object.
	Manifest *manifest.Manifest
	Object   *object.Object
	// Path is what was loaded: a manifest or an object. ObjectPath is the object.
	Path, ObjectPath string

	objectHash, manifestHash string
}

// maxObject is the largest object that is read.
const maxObject = 64 << 20

// Load reads a driver from its manifest, or a bare object: the file's contents
// decide, not its name.
func Load(path string) (*Driver, error) {
	data, err := read(path)
	if err != nil {
		return nil, err
	}
	d := &Driver{Path: path, ObjectPath: path}
	if !looksLikeObject(path, data) {
		if d.Manifest, err = manifest.Parse(path, data); err != nil {
			return nil, exitcode.Manifest.With(err)
		}
		d.manifestHash = hash(data)
		d.ObjectPath = d.Manifest.ObjectPath()
		if data, err = read(d.ObjectPath); err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				return nil, exitcode.NotFound.With(d.Manifest.Errorf("object", "%v", err))
			}
			return nil, exitcode.Of(err).With(d.Manifest.Errorf("object", "%v", err))
		}
	}
	d.objectHash = hash(data)
	if d.Object, err = object.OpenBytes(data, filepath.Base(d.ObjectPath)); err != nil {
		return nil, exitcode.Object.With(err)
	}
	if d.Manifest != nil {
		if err := d.agree(); err != nil {
			return nil, exitcode.Manifest.With(err)
		}
	}
	return d, nil
}

func looksLikeObject(path string, data []byte) bool {
	if bytes.HasPrefix(data, []byte("\x7fELF")) || strings.HasSuffix(path, ".o") {
		return true
	}
	return bytes.IndexByte(data[:min(len(data), 512)], 0) >= 0 && !strings.HasSuffix(path, ".yaml") && !strings.HasSuffix(path, ".yml")
}

func read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, exitcode.NotFound.Errorf("read %s: %w", path, fs.ErrNotExist)
		}
		if errors.Is(err, fs.ErrPermission) {
			return nil, exitcode.Permission.Errorf("read %s: %w", path, fs.ErrPermission)
		}
		return nil, exitcode.IO.Errorf("read %s: %w", path, err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err == nil && st.IsDir() {
		return nil, exitcode.Usage.Errorf("read %s: is a folder", path)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxObject+1))
	if err != nil {
		return nil, exitcode.IO.Errorf("read %s: %w", path, err)
	}
	if len(data) > maxObject {
		return nil, exitcode.Object.Errorf("read %s: larger than %d bytes", path, maxObject)
	}
	return data, nil
}

func hash(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

// Name is the driver's name: the manifest's, or one made of the object's.
func (d *Driver) Name() string {
	if d.Manifest != nil {
		return d.Manifest.Name
	}
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		}
		return '-'
	}, d.Object.Name)
	if len(name) > 48 {
		name = name[:48]
	}
	if name = strings.Trim(name, "-"); name == "" {
		return "object"
	}
	return name
}

// Version is the manifest's version; a bare object's is the start of its hash.
func (d *Driver) Version() string {
	if d.Manifest != nil {
		return d.Manifest.Version
	}
	return "0+" + d.objectHash[:8]
}

// Hashes are the SHA-256 of the object and of the manifest ("" without one).
func (d *Driver) Hashes() (object, manifest string) { return d.objectHash, d.manifestHash }

// agree holds the manifest to what the object is. Every mistake is reported.
func (d *Driver) agree() error {
	var errs manifest.Errors
	m, o := d.Manifest, d.Object
	add := func(path, format string, args ...any) { errs = append(errs, m.Errorf(path, format, args...)) }
	if len(m.Policy.Licenses) > 0 {
		if !slices.Contains(m.Policy.Licenses, o.License) {
			add("policy.licenses", "the object's licence is %q, which is none of these", o.License)
		}
	} else if err := m.License.Agrees(o.License); err != nil {
		add("license", "%v", err)
	}
	switch gpl := manifest.GPLCompatible(o.License); {
	case m.Policy.GPL == "require" && !gpl:
		add("policy.gpl", "the object's licence %q is not GPL-compatible", o.License)
	case m.Policy.GPL == "forbid" && gpl:
		add("policy.gpl", "the object's licence %q is GPL-compatible", o.License)
	}
	for i := range m.ExtensionPoints {
		d.agreePoint(i, add)
	}
	for i := range m.Parameters {
		p := &m.Parameters[i]
		where := "parameters." + p.Name
		v, err := o.Variable(p.VariableName())
		if err != nil || !v.Const {
			add(where, "the object has no constant %s%s", p.VariableName(), suggest(p.VariableName(), constants(o)))
			continue
		}
		if p.Default != nil {
			val, err := p.Parse(p.Default.Text)
			if err == nil {
				_, err = encode(o, v, val)
			}
			if err != nil {
				add(where+".default", "%v", err)
			}
		}
	}
	if len(errs) > 0 {
		return errs
	}
	return nil
}

// agreePoint holds one extension point of the manifest to the object.
func (d *Driver) agreePoint(i int, add func(path, format string, args ...any)) {
	ep := &d.Manifest.ExtensionPoints[i]
	where := fmt.Sprintf("extensionPoints[%d]", i)
	if ep.Program != "" {
		switch progs := d.hookPrograms(ep); {
		case len(progs) == 0 && ep.Function != "":
			add(where+".function", "the object has no %s program %s%s", ep.Program, ep.Function, suggest(ep.Function, programs(d.Object)))
		case len(progs) == 0:
			add(where+".program", "the object has no program for %s%s", ep.Program, suggest(ep.Program, sections(d.Object)))
		case len(progs) > 1:
			add(where+".program", "the object has %d programs for %s: name one with function", len(progs), ep.Program)
		}
		return
	}
	var tables, vars []string
	for _, m := range d.Object.Maps {
		if m.Kind == object.MapStructOps {
			tables = append(tables, m.Table)
			if m.Table == ep.StructOps {
				vars = append(vars, m.Name)
			}
		}
	}
	switch {
	case len(vars) == 0:
		add(where+".structOps", "the object has no variable of type %s%s", ep.StructOps, suggest(ep.StructOps, tables))
	case ep.Variable != "" && !slices.Contains(vars, ep.Variable):
		add(where+".variable", "the object has no %s variable %s%s", ep.StructOps, ep.Variable, suggest(ep.Variable, vars))
	case ep.Variable == "" && len(vars) > 1:
		add(where+".structOps", "the object has %d variables of type %s (%s): name one with variable", len(vars), ep.StructOps, strings.Join(vars, ", "))
	}
}

// hookPrograms are the object's programs an extension point can mean.
func (d *Driver) hookPrograms(ep *manifest.ExtensionPoint) []*object.ProgramSpec {
	var out []*object.ProgramSpec
	for _, p := range d.Object.Programs {
		if ep.Function != "" && p.Name != ep.Function || !hookTakes(ep.Program, p) {
			continue
		}
		if ep.Attach != nil && ep.Attach.Direction != "" && ep.Function == "" {
			if dir := hookDirection(p); dir != "" && dir != ep.Attach.Direction {
				continue
			}
		}
		out = append(out, p)
	}
	return out
}

func suggest(name string, names []string) string {
	if n := manifest.Nearest(name, names); n != "" {
		return fmt.Sprintf(" (did you mean %q?)", n)
	}
	return ""
}

func constants(o *object.Object) (out []string) {
	for _, v := range o.Variables() {
		if v.Const {
			out = append(out, v.Name)
		}
	}
	return out
}

func programs(o *object.Object) (out []string) {
	for _, p := range o.Programs {
		out = append(out, p.Name)
	}
	return out
}

func sections(o *object.Object) (out []string) {
	for _, p := range o.Programs {
		out = append(out, strings.TrimPrefix(p.Def.Prefix, "?"))
	}
	return out
}

// encode makes the bytes of a parameter for its variable.
func encode(o *object.Object, v object.Variable, val manifest.Value) ([]byte, error) {
	if val.Parameter().Type == "enum" {
		return o.EncodeVariable(v, val.Int())
	}
	if val.Parameter().Type == "string" {
		return val.Bytes(int(v.Size), false)
	}
	return o.EncodeVariable(v, val.String())
}

// matches lists the HID devices a driver binds to: the manifest's, or those a
// bare object names by the convention of the kernel's drivers/hid/bpf.
func (d *Driver) matches() ([]manifest.Match, error) {
	if d.Manifest != nil {
		return d.Manifest.Match, nil
	}
	devs, err := d.Object.HIDDevices()
	if err != nil {
		return nil, exitcode.Object.With(err)
	}
	var out []manifest.Match
	for _, h := range devs {
		// In the convention zero is any.
		f := func(v uint32) manifest.Filter { return manifest.Filter{Set: v != 0, Value: v} }
		out = append(out, manifest.Match{HID: &manifest.HIDMatch{
			Bus: manifest.Bus{Filter: f(uint32(h.Bus))}, Group: manifest.Group{Filter: f(uint32(h.Group))},
			Vendor: manifest.ID{Filter: f(h.Vendor)}, Product: manifest.ID{Filter: f(h.Product)},
		}})
	}
	return out, nil
}
