// SPDX-License-Identifier: Apache-2.0

package host

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/modbpf/modbpf/btf"
	"github.com/modbpf/modbpf/framework/host/maps"
	"github.com/modbpf/modbpf/framework/host/mem"
	"github.com/modbpf/modbpf/framework/host/world"
	"github.com/modbpf/modbpf/jit"
	"github.com/modbpf/modbpf/verifier"
)

// Driver is one driver inserted into a host.
type Driver struct {
	Name     string
	Programs []*Prog
	Maps     []maps.Map
	Tables   []*Table

	host   *Host
	byMap  map[*verifier.Map]maps.Map
	closed atomic.Bool
}

// Table is a struct_ops variable of a driver.
type Table struct {
	Variable string
	Name     string
	Value    []byte
	Offset   int
	BTF      *btf.Spec
	Type     btf.ID
	driver   *Driver
	slots    map[string]*Slot
}

// Prog is one program of a driver.
type Prog struct {
	Name    string
	Exec    jit.Executable
	checked *verifier.Checked
	Stats   Stats
}

// Stats are what was measured of a program's runs. Time is taken of one run in
// SampleEvery, the first included.
type Stats struct {
	Count   atomic.Uint64
	Sampled atomic.Uint64
	Nanos   atomic.Uint64 // of the sampled runs together
	Worst   atomic.Uint64 // nanoseconds of the longest sampled run
	Failed  atomic.Uint64 // runs that ended with an error
}

// SampleEvery is how many runs share one time measurement; a power of two.
const SampleEvery = 16

// Checked is the verdict the program runs under.
func (p *Prog) Checked() *verifier.Checked { return p.checked }

// Run runs the program once with a context at an address, on a run the caller
// entered. It allocates nothing.
func (p *Prog) Run(r *Run, ctx uintptr) (uint64, error) {
	if r.Depth >= world.MaxDepth-1 {
		return 0, fmt.Errorf("run program %s: nested too deep", p.Name)
	}
	r.Depth++
	var v uint64
	var err error
	if p.Stats.Count.Add(1)&(SampleEvery-1) == 1 {
		v, err = p.timed(r, ctx)
	} else {
		v, err = p.Exec.Run(ctx, r)
	}
	r.Depth--
	if err != nil {
		p.Stats.Failed.Add(1)
	}
	return v, err
}

func (p *Prog) timed(r *Run, ctx uintptr) (uint64, error) {
	t := time.Now()
	v, err := p.Exec.Run(ctx, r)
	d := uint64(time.Since(t))
	p.Stats.Sampled.Add(1)
	p.Stats.Nanos.Add(d)
	for w := p.Stats.Worst.Load(); d > w && !p.Stats.Worst.CompareAndSwap(w, d); w = p.Stats.Worst.Load() {
	}
	return v, err
}

// Slot is one callback of a struct_ops table, ready to be called.
type Slot struct {
	*Prog
	Table  *Table
	Member string
}

// Call runs the slot with its arguments, packed as a struct_ops context is: an
// array of 64-bit words. It allocates nothing.
func (s *Slot) Call(r *Run, args ...uint64) (uint64, error) {
	if len(args) > world.MaxArgs {
		return 0, fmt.Errorf("call %s.%s: %d arguments", s.Table.Name, s.Member, len(args))
	}
	ctx := r.Args()
	*mem.U64(ctx - 8) = uint64(len(args))
	for i, a := range args {
		*mem.U64(ctx + uintptr(8*i)) = a
	}
	return s.Run(r, ctx)
}

// Slot finds a slot of a table by the table's type name and member; nil when
// the driver leaves it empty.
func (d *Driver) Slot(table, member string) *Slot {
	for _, t := range d.Tables {
		if t.Name == table {
			if s := t.slots[member]; s != nil {
				return s
			}
		}
	}
	return nil
}

// Slot is the program in a member of this variable, nil if it is empty.
func (t *Table) Slot(member string) *Slot { return t.slots[member] }

// Driver is the driver the variable belongs to.
func (t *Table) Driver() *Driver { return t.driver }

// Field reads a plain member of the table as the driver set it.
func (t *Table) Field(member string) (uint64, bool) {
	if t.BTF == nil || len(t.Value) == 0 {
		return 0, false
	}
	m, ok := t.BTF.FindMember(t.Type, member)
	if !ok || m.BitSize != 0 {
		return 0, false
	}
	size, ok := t.BTF.Sizeof(m.Type)
	off := t.Offset + int(m.BitOff/8)
	if !ok || size > 8 || off+int(size) > len(t.Value) {
		return 0, false
	}
	v := uint64(0)
	for i := range int(size) {
		v |= uint64(t.Value[off+i]) << (8 * i)
	}
	return v, true
}

// String reads a member that is an array of characters.
func (t *Table) String(member string) string {
	if t.BTF == nil {
		return ""
	}
	m, ok := t.BTF.FindMember(t.Type, member)
	size, ok2 := t.BTF.Sizeof(m.Type)
	off := t.Offset + int(m.BitOff/8)
	if !ok || !ok2 || off+int(size) > len(t.Value) {
		return ""
	}
	b := t.Value[off:][:size]
	if i := slices.Index(b, 0); i >= 0 {
		b = b[:i]
	}
	return string(b)
}

// Host is where the driver runs.
func (d *Driver) Host() *Host { return d.host }

// Program finds a program by name, nil if there is none.
func (d *Driver) Program(name string) *Prog {
	for _, p := range d.Programs {
		if p.Name == name {
			return p
		}
	}
	return nil
}

// Map finds a map by name, nil if there is none.
func (d *Driver) Map(name string) maps.Map {
	for _, m := range d.Maps {
		if m.Spec().Name == name {
			return m
		}
	}
	return nil
}

// Engine is what runs the driver's programs.
func (d *Driver) Engine() string {
	if len(d.Programs) == 0 {
		return "none"
	}
	return d.Programs[0].Exec.Engine()
}

// Close takes the driver out: it waits for its programs that run at the moment
// and frees everything. The device models must have let go of its slots, and
// it must not be called from inside a run.
func (d *Driver) Close() error {
	if d.closed.Swap(true) {
		return nil
	}
	h := d.host
	h.mu.Lock()
	h.drivers = slices.DeleteFunc(h.drivers, func(o *Driver) bool { return o == d })
	h.mu.Unlock()
	if err := d.free(); err != nil {
		return fmt.Errorf("remove %s from the host: %w", d.Name, err)
	}
	return nil
}

func (d *Driver) free() error {
	for _, m := range d.Maps {
		d.host.Timers.DropOwner(m) // from here on no callback starts
	}
	d.host.Synchronize()
	var errs []error
	for _, p := range d.Programs {
		errs = append(errs, p.Exec.Close())
	}
	for _, m := range d.Maps {
		m.Release()
	}
	d.host.Synchronize()
	d.Programs, d.Maps, d.Tables = nil, nil, nil
	return errors.Join(errs...)
}
