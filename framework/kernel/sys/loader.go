// SPDX-License-Identifier: Apache-2.0

package sys

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/btf"
	"github.com/modbpf/modbpf/framework/object"
	"github.com/modbpf/modbpf/verifier"
)

// Loader makes a bound object's maps and programs in the running kernel. It
// makes each thing when it is first asked for, and one BTF object serves all of
// them. It attaches nothing. Close gives everything back that was not taken.
type Loader struct {
	Bound *object.Bound
	// Reuse holds maps that exist already (pinned ones), by index in
	// Bound.Maps; they are not filled, frozen or closed.
	Reuse map[int]FD
	// LogLevel and LogSize are for program loads; see ProgAttr.
	LogLevel uint32
	LogSize  int

	btf     FD
	btfErr  error
	btfDone bool
	maps    []FD
	progs   map[string]FD
	modules map[string]FD
	owned   []FD
	arenas  []mapping // the kernel wants to know where an arena without an address lies
	// WithoutBTF lists maps that the kernel only took without their types.
	WithoutBTF []string
}

// NewLoader makes a loader of a bound object.
func NewLoader(b *object.Bound) *Loader {
	l := &Loader{Bound: b, btf: None, maps: make([]FD, len(b.Maps)), progs: make(map[string]FD), modules: make(map[string]FD)}
	for i := range l.maps {
		l.maps[i] = None
	}
	return l
}

// Close closes all descriptors the loader made.
func (l *Loader) Close() error {
	var errs []error
	for _, a := range l.arenas {
		errs = append(errs, a.unmap())
	}
	l.arenas = nil
	for _, fd := range slices.Backward(l.owned) {
		errs = append(errs, fd.Close())
	}
	l.owned = nil
	return errors.Join(errs...)
}

func (l *Loader) own(fd FD) FD {
	l.owned = append(l.owned, fd)
	return fd
}

// BTF loads the object's types, once. Objects without types have None.
func (l *Loader) BTF() (FD, error) {
	if !l.btfDone {
		l.btfDone = true
		if raw := l.Bound.Object.BTFRaw; len(raw) > 0 && l.Bound.Object.Untyped == "" {
			fd, err := BTFLoad(raw)
			if err != nil {
				l.btfErr = fmt.Errorf("load types of %s: %w", l.Bound.Object.Name, err)
			} else {
				l.btf = l.own(fd)
			}
		}
	}
	return l.btf, l.btfErr
}

func (l *Loader) module(s *btf.Spec) (FD, error) {
	if s == nil || s == l.Bound.Kernel.BTF() {
		return None, nil
	}
	name := s.ModuleName()
	if fd, ok := l.modules[name]; ok {
		return fd, nil
	}
	fd, err := ModuleBTF(name)
	if err != nil {
		return None, err
	}
	l.modules[name] = l.own(fd)
	return fd, nil
}

// Map makes a map, with its initial contents; struct_ops maps are made empty,
// see StructOps.
func (l *Loader) Map(i int) (FD, error) {
	if l.maps[i] >= 0 {
		return l.maps[i], nil
	}
	if fd, ok := l.Reuse[i]; ok {
		l.maps[i] = fd
		return fd, nil
	}
	bm := l.Bound.Maps[i]
	if bm.Err != nil {
		return None, bm.Err
	}
	fd, err := l.create(bm, bm.Map)
	if err != nil {
		return None, err
	}
	l.maps[i] = l.own(fd)
	if err := l.fill(bm, fd); err != nil {
		return None, fmt.Errorf("fill map %s: %w", bm.Map.Name, err)
	}
	return fd, nil
}

// create makes a map without contents. Like libbpf it tries once more without
// types when the kernel does not take them.
func (l *Loader) create(bm *object.BoundMap, m *verifier.Map) (FD, error) {
	a := MapAttr{
		Name: m.Name, Type: m.Type, KeySize: m.KeySize, ValueSize: m.ValueSize, MaxEntries: m.MaxEntries,
		Flags: m.Flags, Extra: m.Extra, NumaNode: bm.Spec.NumaNode, Inner: None, BTF: None, VmlinuxBTF: None,
	}
	if bm.Spec.Kind != object.MapUser && bm.Spec.Kind != object.MapStructOps {
		prefix := l.Bound.Object.Name
		a.Name = prefix[:min(len(prefix), max(8, 15-len(m.Name)))] + m.Name
		if len(a.Name) > 15 {
			a.Name = prefix[:min(len(prefix), 8)] + m.Name
		}
	}
	if m.Inner != nil {
		fd, err := l.create(bm, m.Inner)
		if err != nil {
			return None, fmt.Errorf("create template of map %s: %w", m.Name, err)
		}
		a.Inner = fd
		defer fd.Close() //nolint:errcheck // only a template: the kernel copied what it needs
	}
	if s := bm.StructOps; s != nil {
		fd, err := l.module(s.BTF)
		if err != nil {
			return None, err
		}
		a.VmlinuxBTF, a.VmlinuxValue = fd, uint32(s.ValueID)
	} else if m.Key != 0 || m.Value != 0 {
		if fd, err := l.BTF(); err == nil {
			a.BTF, a.Key, a.Value = fd, uint32(m.Key), uint32(m.Value)
		}
	}
	if bm.StructOps != nil {
		if fd, err := l.BTF(); err == nil {
			a.BTF = fd
		}
	}
	fd, err := MapCreate(a)
	if err != nil && a.BTF > 0 && bm.StructOps == nil && !Denied(err) {
		a.BTF, a.Key, a.Value = None, 0, 0
		var err2 error
		if fd, err2 = MapCreate(a); err2 == nil {
			l.WithoutBTF = append(l.WithoutBTF, m.Name)
			return fd, nil
		}
	}
	return fd, err
}

var zeroKey = make([]byte, 4)

// fill stores a map's first contents.
func (l *Loader) fill(bm *object.BoundMap, fd FD) error {
	switch bm.Spec.Kind {
	case object.MapStructOps:
		return nil
	case object.MapUser:
		if bm.Map.Type == bpf.MapArena && bm.Map.Extra == 0 {
			a, err := mapArena(fd, uintptr(bm.Map.MaxEntries)*uintptr(os.Getpagesize()))
			if err != nil {
				return err
			}
			l.arenas = append(l.arenas, a)
		}
		for _, s := range bm.Slots {
			if s.Map == "" {
				continue // programs follow when they are loaded, see FillProgArrays
			}
			i := slices.IndexFunc(l.Bound.Maps, func(m *object.BoundMap) bool { return m.Map.Name == s.Map })
			if i < 0 {
				return fmt.Errorf("find map %s: %w", s.Map, object.ErrNotFound)
			}
			inner, err := l.Map(i)
			if err != nil {
				return err
			}
			if err := MapUpdate(fd, word(s.Index), word(uint32(inner)), 0); err != nil {
				return err
			}
		}
		return nil
	}
	if c := bm.Map.Contents; slices.ContainsFunc(c, func(b byte) bool { return b != 0 }) {
		if err := MapUpdate(fd, zeroKey, c, 0); err != nil {
			return err
		}
	}
	if bm.Map.Frozen {
		return MapFreeze(fd)
	}
	return nil
}

func word(v uint32) []byte { return binary.NativeEndian.AppendUint32(nil, v) }

// Attr is what BPF_PROG_LOAD gets for a program: p is bp.Program, or what a
// later step made of it with the same maps. Maps that it uses are made.
func (l *Loader) Attr(bp *object.BoundProgram, p *verifier.Program) (*ProgAttr, error) {
	a := &ProgAttr{
		Name: p.Name, Type: p.Type, AttachType: uint32(p.AttachType), License: p.License, Flags: p.Flags,
		KernVer: l.Bound.Object.Version, BTF: None, AttachID: uint32(p.AttachID), AttachBTF: None, AttachProg: None,
		Insns: slices.Clone(p.Insns), FuncInfo: bp.FuncInfo, LineInfo: bp.LineInfo, LogLevel: l.LogLevel, LogSize: l.LogSize,
	}
	if p.Type == bpf.ProgStructOps {
		a.AttachType = uint32(p.Member)
	}
	if fd, err := l.BTF(); err == nil {
		a.BTF = fd
	} else if p.Type == bpf.ProgStructOps {
		return nil, err
	}
	var err error
	if a.AttachBTF, err = l.module(p.AttachBTF); err != nil {
		return nil, err
	}
	mods := make([]FD, len(p.Modules))
	for i := 1; i < len(p.Modules); i++ {
		if mods[i], err = l.module(p.Modules[i]); err != nil {
			return nil, err
		}
		a.FDArray = mods
	}
	for i := 0; i < len(a.Insns); i++ {
		in := &a.Insns[i]
		if !in.IsLdImm64() || i+1 >= len(a.Insns) {
			continue
		}
		switch in.Src() {
		case bpf.PseudoMapFD, bpf.PseudoMapValue:
			if in.Imm < 0 { // a descriptor the author wrote: none of ours
				in.Imm = -1
				break
			}
			if int(in.Imm) >= len(bp.MapIndex) {
				return nil, fmt.Errorf("load program %s: instruction %d names map %d of %d: %w", p.Name, i, in.Imm, len(bp.MapIndex), object.ErrInvalid)
			}
			fd, err := l.Map(bp.MapIndex[in.Imm])
			if err != nil {
				return nil, fmt.Errorf("load program %s: %w", p.Name, err)
			}
			in.Imm = int32(fd)
		case bpf.PseudoBTFID:
			if m := a.Insns[i+1].Imm; m > 0 && int(m) < len(mods) {
				a.Insns[i+1].Imm = int32(mods[m])
			}
		}
		i++
	}
	if err := fillSymbols(a, bp, p); err != nil {
		return nil, err
	}
	return a, nil
}

// Load loads a program and keeps it under its name. The log is the kernel's,
// also on failure.
func (l *Loader) Load(bp *object.BoundProgram, p *verifier.Program) (FD, string, error) {
	if fd, ok := l.progs[p.Name]; ok {
		return fd, "", nil
	}
	a, err := l.Attr(bp, p)
	if err != nil {
		return None, "", err
	}
	fd, log, err := ProgLoad(*a)
	if err != nil {
		return None, log, err
	}
	l.progs[p.Name] = l.own(fd)
	return fd, log, nil
}

// Prog is a loaded program, None if it was not loaded.
func (l *Loader) Prog(name string) FD {
	if fd, ok := l.progs[name]; ok {
		return fd
	}
	return None
}

// FillProgArrays stores loaded programs in the program arrays that name them.
// Slots whose program was not loaded stay empty.
func (l *Loader) FillProgArrays() error {
	for i, bm := range l.Bound.Maps {
		for _, s := range bm.Slots {
			fd := l.Prog(s.Prog)
			if s.Prog == "" || fd < 0 || l.maps[i] < 0 {
				continue
			}
			if err := MapUpdate(l.maps[i], word(s.Index), word(uint32(fd)), 0); err != nil {
				return fmt.Errorf("fill map %s: %w", bm.Map.Name, err)
			}
		}
	}
	return nil
}

// StructOps makes a struct_ops map and gives it its value. Every program it
// names must be loaded. With a link map nothing runs until a link is created;
// without, the kernel registers the table now, until the map is deleted by
// StructOpsUnregister.
func (l *Loader) StructOps(i int) (FD, error) {
	fd, err := l.Map(i)
	if err != nil {
		return None, err
	}
	bm := l.Bound.Maps[i]
	if bm.StructOps == nil {
		return None, fmt.Errorf("register map %s: no struct_ops variable: %w", bm.Map.Name, object.ErrInvalid)
	}
	value := slices.Clone(bm.StructOps.Value)
	for _, m := range bm.StructOps.Members {
		prog := l.Prog(m.Program)
		if prog < 0 {
			return None, fmt.Errorf("register %s: program %s of member %s is not loaded: %w", bm.Map.Name, m.Program, m.Name, object.ErrNotFound)
		}
		binary.NativeEndian.PutUint64(value[m.Offset:], uint64(prog))
	}
	if err := MapUpdate(fd, zeroKey, value, 0); err != nil {
		return None, fmt.Errorf("register %s as %s: %w", bm.Map.Name, bm.StructOps.Table, err)
	}
	return fd, nil
}

// StructOpsUnregister takes back a table that was registered without a link.
func StructOpsUnregister(fd FD) error { return MapDelete(fd, zeroKey) }

// Take gives a descriptor to the caller: Close no longer closes it.
func (l *Loader) Take(fd FD) FD {
	l.owned = slices.DeleteFunc(l.owned, func(f FD) bool { return f == fd })
	return fd
}

var _ io.Closer = (*Loader)(nil)
