// SPDX-License-Identifier: Apache-2.0

// Package fields finds the special fields of a map value or of an object that
// programs allocate: locks, timers, kernel pointers, list and tree heads and
// nodes, reference counts. The runtime needs to know where they lie, because
// copying a value skips them and freeing it must dispose of what they own.
package fields

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/modbpf/modbpf/btf"
)

// Kind is the kind of a special field.
type Kind uint8

// Kinds of special fields.
const (
	SpinLock Kind = 1 << iota
	Timer
	Kptr // a pointer that owns what it points to, or once did (untrusted, percpu, user)
	ListHead
	ListNode
	Root
	RBNode
	// Others have state the runtime owns but nothing more is told apart: Type names them.
	Other
)

// Field is one special field.
type Field struct {
	Kind Kind
	Off  int
	Size int
	Type string // C name of the field's type, or of what a Kptr points to
	Tag  string // Kptr: "kptr", "kptr_untrusted", "percpu_kptr", "uptr"
	BTF  *btf.Spec
	ID   btf.ID // what a Kptr points to

	// Lists and trees: the type their nodes lie in and where the node is in it.
	Contains btf.ID
	NodeOff  int
}

// Record is the special fields of one type, by offset.
type Record struct {
	Size   int
	Fields []Field
	kinds  Kind
}

// Has reports whether the type has fields of any of the kinds.
func (r *Record) Has(k Kind) bool { return r != nil && r.kinds&k != 0 }

// Empty reports whether the type is plain data.
func (r *Record) Empty() bool { return r == nil || len(r.Fields) == 0 }

// First is the first field whose type has a name, or nil.
func (r *Record) First(typ string) *Field {
	if r == nil {
		return nil
	}
	for i := range r.Fields {
		if r.Fields[i].Type == typ && r.Fields[i].Kind != Kptr {
			return &r.Fields[i]
		}
	}
	return nil
}

var special = map[string]Kind{
	"bpf_spin_lock": SpinLock, "bpf_res_spin_lock": SpinLock, "bpf_timer": Timer, "bpf_list_head": ListHead,
	"bpf_list_node": ListNode, "bpf_rb_root": Root, "bpf_rb_node": RBNode, "bpf_refcount": Other,
	"bpf_wq": Other, "bpf_task_work": Other,
}

// maxFields bounds hostile types: the kernel itself allows eleven or so.
const maxFields = 256

// Of finds the special fields of a type; nil when it has none or there is no BTF.
func Of(s *btf.Spec, id btf.ID) (*Record, error) {
	if s == nil || id == 0 {
		return nil, nil
	}
	size, ok := s.Sizeof(id)
	if !ok {
		return nil, fmt.Errorf("read fields of type %d: it has no size", id)
	}
	r := &Record{Size: int(size)}
	if err := r.walk(s, id, 0, 0); err != nil {
		return nil, fmt.Errorf("read fields of %s: %w", s.Name(s.SkipMods(id)), err)
	}
	if len(r.Fields) == 0 {
		return nil, nil
	}
	slices.SortFunc(r.Fields, func(a, b Field) int { return cmp.Compare(a.Off, b.Off) })
	for _, f := range r.Fields {
		r.kinds |= f.Kind
	}
	return r, nil
}

func (r *Record) add(f Field) error {
	if len(r.Fields) >= maxFields {
		return fmt.Errorf("more than %d special fields", maxFields)
	}
	r.Fields = append(r.Fields, f)
	return nil
}

func (r *Record) walk(s *btf.Spec, id btf.ID, off, depth int) error {
	id = s.SkipMods(id)
	t := s.Type(id)
	if depth > 16 {
		return nil
	}
	switch t.Kind {
	case btf.KindStruct, btf.KindUnion:
		if k, ok := special[s.Name(id)]; ok {
			return r.add(Field{Kind: k, Off: off, Size: int(t.Size), Type: s.Name(id)})
		}
		for i := range t.Vlen {
			m := s.Member(id, i)
			if m.BitSize != 0 {
				continue
			}
			n := len(r.Fields)
			if err := r.walk(s, m.Type, off+int(m.BitOff/8), depth+1); err != nil {
				return err
			}
			r.graph(s, id, i, n)
		}
	case btf.KindDatasec:
		for i := range t.Vlen {
			v := s.Variable(id, i)
			n := len(r.Fields)
			if err := r.walk(s, s.Type(v.Type).Ref, off+int(v.Offset), depth+1); err != nil {
				return err
			}
			r.graph(s, v.Type, -1, n)
		}
	case btf.KindArray:
		a := s.Array(id)
		size, ok := s.Sizeof(a.Elem)
		n := len(r.Fields)
		if err := r.walk(s, a.Elem, off, depth+1); err != nil || !ok || len(r.Fields) == n {
			return err
		}
		first := slices.Clone(r.Fields[n:])
		for i := 1; i < int(a.Len); i++ {
			for _, f := range first {
				f.Off += i * int(size)
				if err := r.add(f); err != nil {
					return err
				}
			}
		}
	case btf.KindPtr:
		for _, tag := range s.TypeTags(id) {
			switch tag {
			case "kptr", "kptr_untrusted", "percpu_kptr", "uptr":
				to, _ := s.Pointee(id)
				to = s.SkipMods(to)
				return r.add(Field{Kind: Kptr, Off: off, Size: 8, Type: s.Name(to), Tag: tag, BTF: s, ID: to})
			}
		}
	}
	return nil
}

// graph reads the "contains:TYPE:NODE" tag of lists and trees added since n.
func (r *Record) graph(s *btf.Spec, decl btf.ID, component, n int) {
	for i := n; i < len(r.Fields); i++ {
		f := &r.Fields[i]
		if f.Kind&(ListHead|Root) == 0 || f.Contains != 0 {
			continue
		}
		for _, d := range s.DeclTags(decl) {
			rest, ok := strings.CutPrefix(d.Tag, "contains:")
			if !ok || d.Component != component {
				continue
			}
			typ, node, _ := strings.Cut(rest, ":")
			if id, ok := s.Find(typ, btf.KindStruct); ok {
				if m, ok := s.FindMember(id, node); ok {
					f.BTF, f.Contains, f.NodeOff = s, id, int(m.BitOff/8)
				}
			}
		}
	}
}

// Copy copies a value of n bytes and leaves the special fields of dst alone.
func (r *Record) Copy(dst, src []byte) {
	if r.Empty() {
		copy(dst, src)
		return
	}
	o := 0
	for i := range r.Fields {
		f := &r.Fields[i]
		if f.Off > o {
			copy(dst[o:f.Off], src[o:f.Off])
		}
		o = f.Off + f.Size
	}
	if o < len(src) {
		copy(dst[o:], src[o:])
	}
}

// CopyOut is Copy for user space: the special fields read as zero.
func (r *Record) CopyOut(dst, src []byte) {
	copy(dst, src)
	if r.Empty() {
		return
	}
	for i := range r.Fields {
		f := &r.Fields[i]
		clear(dst[f.Off:min(f.Off+f.Size, len(dst))])
	}
}
