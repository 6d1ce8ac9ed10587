// SPDX-License-Identifier: Apache-2.0

package structops

import (
	"fmt"
	"strings"

	"github.com/modbpf/modbpf/btf"
)

// Layout is a struct_ops table as types alone describe it: any table of any
// kernel, with or without contracts here.
type Layout struct {
	Name    string
	Module  string // whose types it was found in, "vmlinux" for the kernel's own
	Spec    *btf.Spec
	Type    btf.ID // the struct
	Value   btf.ID // struct bpf_struct_ops_<name>, what a map's value looks like
	Members []Member
}

// Member is one member of a table's struct.
type Member struct {
	Name  string
	Index int
	Off   uint32 // bytes
	Type  btf.ID
	Proto btf.ID    // prototype of a slot, 0 for plain data
	Args  []ArgRule // from the stub, where types name it
	Stub  btf.ID    // the stub's prototype, 0 if its name is not known
}

// valuePrefix begins the name of the struct that wraps each table.
const valuePrefix = "bpf_struct_ops_"

// Read finds a table in the types of a kernel or module.
func Read(s *btf.Spec, name string) (*Layout, error) {
	value, ok := s.Find(valuePrefix+name, btf.KindStruct)
	if !ok {
		return nil, fmt.Errorf("read struct_ops table %s: no struct %s%s: %w", name, valuePrefix, name, ErrNoTable)
	}
	typ, ok := s.Find(name, btf.KindStruct)
	if !ok {
		return nil, fmt.Errorf("read struct_ops table %s: no struct of the name: %w", name, ErrNoTable)
	}
	l := &Layout{Name: name, Module: s.ModuleName(), Spec: s, Type: typ, Value: value}
	for i := range s.Type(typ).Vlen {
		m := s.Member(typ, i)
		out := Member{Name: m.Name, Index: i, Off: m.BitOff / 8, Type: m.Type}
		if to, ok := s.Pointee(m.Type); ok {
			if to = s.SkipMods(to); s.Kind(to) == btf.KindFuncProto {
				out.Proto = to
				l.stub(&out)
			}
		}
		l.Members = append(l.Members, out)
	}
	return l, nil
}

// stub finds the function whose parameter names say more about a slot's
// arguments. Most are named for table and member; for tables we know, the
// generated rows have the name.
func (l *Layout) stub(m *Member) {
	names := []string{l.Name + "__" + m.Name}
	if t := Newest(l.Name); t != nil {
		if s := t.Slot(m.Name); s != nil {
			names = []string{s.Stub}
			if old := TableFor(releases[0], l.Name); old != nil && old.Slot(m.Name) != nil {
				names = append(names, old.Slot(m.Name).Stub)
			}
		}
	}
	for _, n := range names {
		if n == "" {
			continue
		}
		id, ok := l.Spec.Find(n, btf.KindFunc)
		if !ok {
			continue
		}
		m.Stub = l.Spec.Type(id).Ref
		for i := range l.Spec.Type(m.Stub).Vlen {
			a := ArgRule{Index: i}
			name := l.Spec.Param(m.Stub, i).Name
			switch {
			case strings.HasSuffix(name, "__arena__nullable"):
				a.Arena, a.Nullable = true, true
			case strings.HasSuffix(name, "__arena"):
				a.Arena = true
			case strings.HasSuffix(name, "__nullable"):
				a.Nullable = true
			case strings.HasSuffix(name, "__ref"):
				a.Ref = true
			default:
				continue
			}
			m.Args = append(m.Args, a)
		}
		return
	}
}

// Member finds a member by name; nil if the table has none.
func (l *Layout) Member(name string) *Member {
	for i := range l.Members {
		if l.Members[i].Name == name {
			return &l.Members[i]
		}
	}
	return nil
}

// IsSlot reports whether the member is a callback.
func (m *Member) IsSlot() bool { return m.Proto != 0 }

// TableNames lists the tables that a blob itself defines, in its order. It
// walks all of the blob's types: not for the insert path.
func TableNames(s *btf.Spec) []string {
	var out []string
	for id := range s.All() {
		if s.Kind(id) != btf.KindStruct {
			continue
		}
		name, ok := strings.CutPrefix(s.Name(id), valuePrefix)
		if !ok || name == "" {
			continue
		}
		// The kernel has structs of its own with that prefix; a table's value
		// wraps the table as "data".
		if m, ok := s.FindMember(id, "data"); ok && s.Name(s.SkipMods(m.Type)) == name {
			out = append(out, name)
		}
	}
	return out
}
