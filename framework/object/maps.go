// SPDX-License-Identifier: Apache-2.0

package object

import (
	"debug/elf"
	"fmt"
	"strings"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/btf"
)

// MapKind says where a map of an object comes from.
type MapKind uint8

// Kinds of maps.
const (
	MapUser      MapKind = iota // defined in .maps
	MapData                     // .data, .data.*
	MapBSS                      // .bss, .bss.*
	MapROData                   // .rodata, .rodata.*
	MapKconfig                  // values of CONFIG_ symbols
	MapStructOps                // a variable in .struct_ops or .struct_ops.link
)

// MapSpec is one map of an object, before it is bound.
type MapSpec struct {
	Name    string // data sections: section name
	Section string
	Kind    MapKind

	Type       bpf.MapType
	KeySize    uint32
	ValueSize  uint32
	MaxEntries uint32
	Flags      uint32
	Extra      uint64
	NumaNode   uint32
	PinByName  bool
	Key, Value btf.ID

	Inner *MapSpec // template of the maps in a map of maps
	Slots []Slot   // initial entries of program arrays and maps of maps
	Data  []byte   // initial contents of a data section

	// struct_ops only
	Optional bool      // section begins with "?"
	Table    string    // "hid_bpf_ops", without flavor
	Members  []FuncRef // programs by member

	sec int
	off uint32
}

// Slot is one initial entry: a map or a program by name.
type Slot struct {
	Index uint32
	Map   string
	Prog  string
}

// FuncRef is one function member of a struct_ops variable.
type FuncRef struct {
	Member  string
	Program string
	index   int // member's index in the object's own struct
}

// readMaps collects the maps of the object: user-defined ones first, then data
// sections in file order, as libbpf numbers them.
func (o *Object) readMaps() error {
	if err := o.readUserMaps(); err != nil {
		return err
	}
	for i := range o.elf.sections {
		s := &o.elf.sections[i]
		kind, ok := dataKind(s)
		if !ok {
			continue
		}
		if s.size > maxSection {
			return invalid("read section %s: %d bytes", s.name, s.size)
		}
		m := &MapSpec{
			Name: s.name, Section: s.name, Kind: kind, sec: i,
			Type: bpf.MapArray, KeySize: 4, ValueSize: uint32(s.size), MaxEntries: 1, Data: s.data,
		}
		if kind == MapBSS {
			m.Data = make([]byte, s.size)
		}
		if kind == MapROData {
			m.Flags |= bpf.MapRdonlyProg
		}
		o.typeData(m)
		o.Maps = append(o.Maps, m)
	}
	if n := o.kconfigSize(); n > 0 {
		m := &MapSpec{
			Name: ".kconfig", Section: ".kconfig", Kind: MapKconfig, sec: -1,
			Type: bpf.MapArray, KeySize: 4, ValueSize: n, MaxEntries: 1, Flags: bpf.MapRdonlyProg,
		}
		o.typeData(m)
		o.Maps = append(o.Maps, m)
	}
	return nil
}

func dataKind(s *section) (MapKind, bool) {
	is := func(p string) bool { return s.name == p || strings.HasPrefix(s.name, p+".") }
	switch {
	case s.size == 0 || s.flags&elf.SHF_EXECINSTR != 0:
	case s.typ == elf.SHT_NOBITS && is(".bss"):
		return MapBSS, true
	case s.data == nil:
	case is(".data"):
		return MapData, true
	case is(".rodata"):
		return MapROData, true
	}
	return 0, false
}

// typeData finds the datasec of a data map. A section with a variable user
// space can see by name may be mapped into its memory.
func (o *Object) typeData(m *MapSpec) {
	if o.BTF == nil {
		return
	}
	id, ok := o.BTF.Find(m.Section, btf.KindDatasec)
	if !ok {
		return
	}
	m.Value = id
	for i := range o.BTF.Type(id).Vlen {
		v := o.BTF.Variable(id, i).Type
		if o.BTF.Kind(v) == btf.KindVar && o.BTF.Linkage(v) != linkStatic {
			m.Flags |= bpf.MapMmapable
			return
		}
	}
}

func (o *Object) readUserMaps() error {
	sec := o.sectionByName(".maps")
	if sec == 0 || o.elf.sections[sec].size == 0 {
		return nil
	}
	if o.BTF == nil {
		return fmt.Errorf("read .maps: %w", ErrNoBTF)
	}
	ds, ok := o.BTF.Find(".maps", btf.KindDatasec)
	if !ok {
		return invalid("read .maps: no types for it")
	}
	for i := range o.BTF.Type(ds).Vlen {
		v := o.BTF.Variable(ds, i)
		if o.BTF.Kind(v.Type) != btf.KindVar {
			return invalid("read .maps: entry %d is no variable", i)
		}
		if o.BTF.Linkage(v.Type) == linkExtern {
			continue // defined by another object; its users cannot be bound
		}
		name := o.BTF.Name(v.Type)
		def := o.BTF.SkipMods(o.BTF.Type(v.Type).Ref)
		if name == "" || o.BTF.Kind(def) != btf.KindStruct {
			return invalid("read map %q: definition is no struct", name)
		}
		m := &MapSpec{Name: name, Section: ".maps", sec: sec, off: v.Offset}
		if err := o.readMapDef(m, def, false); err != nil {
			return fmt.Errorf("read map %s: %w", name, err)
		}
		if m.Type == bpf.MapArena && o.arena < 0 {
			o.arena = len(o.Maps)
		}
		o.Maps = append(o.Maps, m)
	}
	return nil
}

// readMapDef reads the members of a BTF map definition: numbers are written as
// the length of an array that a pointer points to, types as what it points to.
func (o *Object) readMapDef(m *MapSpec, def btf.ID, inner bool) error {
	n := o.BTF.Type(def).Vlen
	for i := range n {
		f := o.BTF.Member(def, i)
		var num uint64
		var ok bool
		switch f.Name {
		case "key", "value":
			if err := o.readMapType(m, f); err != nil {
				return err
			}
			continue
		case "values":
			if inner || i != n-1 {
				return invalid("read values: only as the last member of an outer map")
			}
			if err := o.readValues(m, f); err != nil {
				return err
			}
			continue
		case "map_extra":
			num, ok = o.mapLong(f.Type)
		default:
			num, ok = o.mapInt(f.Type)
		}
		if !ok {
			return invalid("read %s: not a number", f.Name)
		}
		v := uint32(num)
		switch f.Name {
		case "type":
			m.Type = bpf.MapType(v)
		case "max_entries":
			m.MaxEntries = v
		case "map_flags":
			m.Flags = v
		case "numa_node":
			m.NumaNode = v
		case "map_extra":
			m.Extra = num
		case "pinning":
			if inner || v > 1 {
				return invalid("read pinning: %d", v)
			}
			m.PinByName = v == 1
		case "key_size":
			if m.KeySize != 0 && m.KeySize != v {
				return invalid("read key_size: %d contradicts %d", v, m.KeySize)
			}
			m.KeySize = v
		case "value_size":
			if m.ValueSize != 0 && m.ValueSize != v {
				return invalid("read value_size: %d contradicts %d", v, m.ValueSize)
			}
			m.ValueSize = v
		default:
			return invalid("read %s: unknown member", f.Name)
		}
	}
	if m.Type == bpf.MapUnspec {
		return invalid("read type: missing")
	}
	if m.Type == bpf.MapRingbuf || m.Type == bpf.MapUserRingbuf {
		m.MaxEntries = ringSize(m.MaxEntries)
	}
	return nil
}

func (o *Object) readMapType(m *MapSpec, f btf.Member) error {
	if o.BTF.Kind(f.Type) != btf.KindPtr {
		return invalid("read %s: not a pointer", f.Name)
	}
	id := o.BTF.Type(f.Type).Ref
	size, ok := o.BTF.Sizeof(id)
	if !ok {
		return invalid("read %s: size of its type is unknown", f.Name)
	}
	at, typ := &m.KeySize, &m.Key
	if f.Name == "value" {
		at, typ = &m.ValueSize, &m.Value
	}
	if *at != 0 && *at != size {
		return invalid("read %s: size %d contradicts %d", f.Name, size, *at)
	}
	*at, *typ = size, id
	return nil
}

func (o *Object) readValues(m *MapSpec, f btf.Member) error {
	a := o.BTF.Array(f.Type)
	ptr := o.BTF.SkipMods(a.Elem)
	if o.BTF.Kind(f.Type) != btf.KindArray || a.Len != 0 || o.BTF.Kind(ptr) != btf.KindPtr || m.ValueSize != 0 && m.ValueSize != 4 {
		return invalid("read values: not an open array of pointers")
	}
	m.ValueSize = 4
	elem := o.BTF.SkipMods(o.BTF.Type(ptr).Ref)
	switch {
	case m.Type == bpf.MapProgArray && o.BTF.Kind(elem) == btf.KindFuncProto:
		return nil
	case (m.Type == bpf.MapArrayOfMaps || m.Type == bpf.MapHashOfMaps) && o.BTF.Kind(elem) == btf.KindStruct:
		m.Inner = &MapSpec{Name: m.Name + ".inner", Section: m.Section, sec: -1}
		if err := o.readMapDef(m.Inner, elem, true); err != nil {
			return fmt.Errorf("read values: %w", err)
		}
		return nil
	}
	return invalid("read values: a %s map holds no %s", m.Type, o.BTF.Kind(elem))
}

func (o *Object) mapInt(id btf.ID) (uint64, bool) {
	id = o.BTF.SkipMods(id)
	if o.BTF.Kind(id) != btf.KindPtr {
		return 0, false
	}
	arr := o.BTF.Type(id).Ref
	return uint64(o.BTF.Array(arr).Len), o.BTF.Kind(arr) == btf.KindArray
}

func (o *Object) mapLong(id btf.ID) (uint64, bool) {
	id = o.BTF.SkipMods(id)
	if k := o.BTF.Kind(id); k == btf.KindEnum || k == btf.KindEnum64 {
		return uint64(o.BTF.Enumerator(id, 0).Value), o.BTF.Type(id).Vlen == 1
	}
	return o.mapInt(id)
}

// ringSize rounds a ring buffer's size up to a power of two of pages; 0 and
// sizes that cannot be rounded stay for the kernel to refuse.
func ringSize(n uint32) uint32 {
	const page = 4096
	if n == 0 || n%page == 0 && n&(n-1) == 0 {
		return n
	}
	for p := uint32(page); p != 0; p <<= 1 {
		if p >= n {
			return p
		}
	}
	return n
}

// readStructOps makes a map of each variable in the struct_ops sections.
func (o *Object) readStructOps() error {
	for i := range o.elf.sections {
		s := &o.elf.sections[i]
		bare := strings.TrimPrefix(s.name, "?")
		if s.data == nil || bare != ".struct_ops" && bare != ".struct_ops.link" {
			continue
		}
		if o.BTF == nil {
			return fmt.Errorf("read %s: %w", s.name, ErrNoBTF)
		}
		ds, ok := o.BTF.Find(s.name, btf.KindDatasec)
		if !ok {
			return invalid("read %s: no types for it", s.name)
		}
		for j := range o.BTF.Type(ds).Vlen {
			v := o.BTF.Variable(ds, j)
			typ := o.BTF.SkipMods(o.BTF.Type(v.Type).Ref)
			t := o.BTF.Type(typ)
			name := o.BTF.Name(v.Type)
			if t.Kind != btf.KindStruct || o.BTF.Name(typ) == "" {
				return invalid("read struct_ops variable %s: its type is no named struct", name)
			}
			if uint64(v.Offset)+uint64(t.Size) > uint64(len(s.data)) {
				return invalid("read struct_ops variable %s: beyond its section", name)
			}
			m := &MapSpec{
				Name: name, Section: s.name, Kind: MapStructOps, Type: bpf.MapStructOps,
				KeySize: 4, ValueSize: t.Size, MaxEntries: 1, Value: typ, Data: s.data[v.Offset:][:t.Size],
				Optional: s.name[0] == '?', Table: essentialName(o.BTF.Name(typ)), sec: i, off: v.Offset,
			}
			if bare == ".struct_ops.link" {
				m.Flags = bpf.MapLink
			}
			o.Maps = append(o.Maps, m)
		}
	}
	return nil
}
