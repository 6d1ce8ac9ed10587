// SPDX-License-Identifier: Apache-2.0

package host

import (
	"errors"
	"fmt"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/btf"
	"github.com/modbpf/modbpf/framework/host/maps"
	"github.com/modbpf/modbpf/verifier"
)

// Spec is a driver as it is to be inserted: programs with their verdicts, and
// what belongs to them.
type Spec struct {
	Name     string
	Programs []*verifier.Checked
	// Maps lists maps to create although no program refers to them.
	Maps []*verifier.Map
	// Tables are the struct_ops variables. Without any, the programs' own
	// StructOps and Slot make one for each table.
	Tables []TableSpec
	// Fill sets elements before the first program runs.
	Fill []Fill
}

// TableSpec is one struct_ops variable.
type TableSpec struct {
	Variable string
	Table    string            // "hid_bpf_ops"
	Slots    map[string]string // member to program name
	// Value is the map's value in the kernel's layout, function members zero; the
	// table itself begins at Offset. BTF and Type say how to read it.
	Value  []byte
	Offset int
	BTF    *btf.Spec
	Type   btf.ID
}

// Fill is one element of a map: exactly one of Program and Inner is set for maps
// of programs and of maps, Value for others.
type Fill struct {
	Map     *verifier.Map
	Key     []byte
	Value   []byte
	Program string
	Inner   *verifier.Map
}

// Insert links a driver's programs with maps of its own. Nothing of it runs
// until a device model calls a slot. On error nothing is left.
func (h *Host) Insert(s Spec) (d *Driver, err error) {
	d = &Driver{Name: s.Name, host: h, byMap: make(map[*verifier.Map]maps.Map)}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("insert %s into the host: %w", s.Name, err), d.free())
			d = nil
		}
	}()
	for _, c := range s.Programs {
		if c == nil || c.Judge() != verifier.JudgeVerifier || c.Program() == nil {
			return d, ErrNotProven
		}
	}
	if err := d.createMaps(&s); err != nil {
		return d, err
	}
	for _, c := range s.Programs {
		if err := d.link(c); err != nil {
			return d, err
		}
	}
	if err := d.makeTables(&s); err != nil {
		return d, err
	}
	if err := d.fill(s.Fill); err != nil {
		return d, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return d, ErrClosed
	}
	for _, o := range h.drivers {
		if o.Name == s.Name {
			return d, ErrBusy
		}
	}
	h.drivers = append(h.drivers, d)
	return d, nil
}

// createMaps makes each map once, however many programs share it.
func (d *Driver) createMaps(s *Spec) error {
	add := func(m *verifier.Map) error {
		if m == nil || d.byMap[m] != nil || m.Type == bpf.MapStructOps {
			return nil
		}
		n, err := maps.New(d.host.World, m)
		if err != nil {
			return err
		}
		d.byMap[m] = n
		d.Maps = append(d.Maps, n)
		return nil
	}
	for _, m := range s.Maps {
		if err := add(m); err != nil {
			return err
		}
	}
	for _, c := range s.Programs {
		for _, m := range c.Program().Maps {
			if err := add(m); err != nil {
				return err
			}
		}
	}
	for _, f := range s.Fill {
		if err := add(f.Inner); err != nil {
			return err
		}
	}
	return nil
}

func (d *Driver) link(c *verifier.Checked) error {
	p := c.Program()
	_, whole, ok := d.host.context(p.Type)
	if !ok {
		return fmt.Errorf("program %s: no device model of this host runs programs of type %s: %w", p.Name, p.Type, ErrNotBuilt)
	}
	if f := c.Facts(); !whole && (f == nil || len(f.Insns) != len(p.Insns)) {
		return fmt.Errorf("program %s: %w", p.Name, ErrNoFacts)
	}
	x, err := d.host.compile(c, &linker{driver: d, prog: p})
	if err != nil {
		return fmt.Errorf("link program %s: %w", p.Name, err)
	}
	d.Programs = append(d.Programs, &Prog{Name: p.Name, Exec: x, checked: c})
	return nil
}

func (d *Driver) makeTables(s *Spec) error {
	specs := s.Tables
	if len(specs) == 0 {
		specs = ownTables(s.Programs)
	}
	for _, ts := range specs {
		t := &Table{
			Variable: ts.Variable, Name: ts.Table, driver: d, Value: ts.Value, Offset: ts.Offset, BTF: ts.BTF, Type: ts.Type,
			slots: make(map[string]*Slot),
		}
		for member, name := range ts.Slots {
			p := d.Program(name)
			if p == nil {
				return fmt.Errorf("fill %s.%s: no program %s", ts.Table, member, name)
			}
			if v := p.checked.Program(); v.StructOps != ts.Table || v.Slot != member {
				return fmt.Errorf("fill %s.%s: program %s was proven for %s.%s", ts.Table, member, name, v.StructOps, v.Slot)
			}
			t.slots[member] = &Slot{Prog: p, Table: t, Member: member}
		}
		d.Tables = append(d.Tables, t)
	}
	return nil
}

func ownTables(progs []*verifier.Checked) []TableSpec {
	var out []TableSpec
	at := map[string]int{}
	for _, c := range progs {
		p := c.Program()
		if p.StructOps == "" {
			continue
		}
		i, ok := at[p.StructOps]
		if !ok {
			i = len(out)
			at[p.StructOps] = i
			out = append(out, TableSpec{Variable: p.StructOps, Table: p.StructOps, Slots: map[string]string{}})
		}
		out[i].Slots[p.Slot] = p.Name
	}
	return out
}

func (d *Driver) fill(all []Fill) error {
	for _, f := range all {
		m := d.byMap[f.Map]
		if m == nil {
			return fmt.Errorf("fill map: no such map")
		}
		var err error
		switch {
		case f.Program != "":
			p := d.Program(f.Program)
			pm, ok := m.(maps.Programs)
			if p == nil || !ok || len(f.Key) != 4 {
				return fmt.Errorf("fill map %s with program %s: no such program, or not a map of programs", f.Map.Name, f.Program)
			}
			err = pm.SetProgram(uint32(f.Key[0])|uint32(f.Key[1])<<8|uint32(f.Key[2])<<16|uint32(f.Key[3])<<24, p.Exec)
		case f.Inner != nil:
			mm, ok := m.(maps.Maps)
			if !ok {
				return fmt.Errorf("fill map %s: not a map of maps", f.Map.Name)
			}
			err = mm.SetInner(f.Key, d.byMap[f.Inner], 0)
		default:
			err = m.Update(f.Key, f.Value, 0)
		}
		if err != nil {
			return fmt.Errorf("fill map %s: %w", f.Map.Name, err)
		}
	}
	return nil
}
