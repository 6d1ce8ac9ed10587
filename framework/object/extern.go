// SPDX-License-Identifier: Apache-2.0

package object

import (
	"cmp"
	"slices"

	"github.com/modbpf/modbpf/btf"
)

// externKind says where an extern's value comes from.
type externKind uint8

const (
	externKconfig externKind = iota // .kconfig: a CONFIG_ value or LINUX_*
	externKsym                      // .ksyms: a kernel variable or function
	externLinked                    // another object was to define it
)

// extern is a symbol the object uses and does not define.
type extern struct {
	name   string
	sym    int // index of its ELF symbol
	weak   bool
	kind   externKind
	isFunc bool
	typ    btf.ID // type as written in the object: kconfig: of the value; ksym: prototype or type, modifiers skipped; 0: typeless

	size, align uint32 // kconfig
	off         uint32 // kconfig: place in the .kconfig map
}

// collectExterns learns the externs and gives them storage in the blob: the
// kernel verifies .kconfig and .ksyms as if they were ordinary data sections.
func (o *Object) collectExterns(spec *btf.Spec, b *blob) error {
	secOf := make(map[btf.ID]btf.ID)
	for id := btf.ID(1); int(id) < spec.NumTypes(); id++ {
		if t := spec.Type(id); t.Kind == btf.KindDatasec {
			for i := range t.Vlen {
				secOf[spec.Variable(id, i).Type] = id
			}
		}
	}
	var kconfig, ksyms btf.ID
	for i := range o.elf.symbols {
		y := &o.elf.symbols[i]
		if !y.extern() || y.name == "" {
			continue
		}
		e := &extern{name: y.name, sym: i, weak: y.bind == 2, kind: externLinked}
		o.externs = append(o.externs, e)
		for id := range spec.Named(y.name) {
			k := spec.Kind(id)
			if k != btf.KindVar && k != btf.KindFunc || spec.Linkage(id) != linkExtern {
				continue
			}
			e.isFunc = k == btf.KindFunc
			switch sec := secOf[id]; spec.Name(sec) {
			case ".kconfig":
				e.kind, e.typ, kconfig = externKconfig, spec.Type(id).Ref, sec
				size, ok := spec.Sizeof(e.typ)
				e.size, e.align = size, alignOf(spec, e.typ, 0)
				if !ok || size == 0 || size > 4096 || e.isFunc {
					return invalid("read extern %s: no kconfig type", e.name)
				}
			case ".ksyms":
				e.kind, e.typ, ksyms = externKsym, spec.SkipMods(spec.Type(id).Ref), sec
			}
			if e.isFunc && e.kind == externLinked { // kernels refuse types with extern functions
				b.setLinkage(id, btf.KindFunc, linkGlobal)
			}
			break
		}
	}
	slices.SortStableFunc(o.externs, func(x, y *extern) int {
		if x.kind != externKconfig || y.kind != externKconfig {
			return cmp.Or(cmp.Compare(x.kind, y.kind), cmp.Compare(x.name, y.name))
		}
		return cmp.Or(cmp.Compare(y.align, x.align), cmp.Compare(x.size, y.size), cmp.Compare(x.name, y.name))
	})
	if ksyms != 0 {
		o.allocKsyms(spec, b, ksyms)
	}
	if kconfig != 0 {
		o.allocKconfig(spec, b, kconfig)
	}
	return nil
}

// allocKsyms pretends that each ksym is an int variable.
func (o *Object) allocKsyms(spec *btf.Spec, b *blob, sec btf.ID) {
	var intID btf.ID
	for id := btf.ID(1); int(id) < spec.NumTypes() && intID == 0; id++ {
		if spec.Kind(id) == btf.KindInt && spec.Int(id).Bits == 32 {
			intID = id
		}
	}
	if intID == 0 {
		intID = b.addType(b.addString("int"), 1<<24, 4, 1<<24|32)
	}
	var dummy btf.ID
	var dummyName uint32
	n := spec.Type(sec).Vlen
	for i := range n {
		id := spec.Variable(sec, i).Type
		switch spec.Kind(id) {
		case btf.KindFunc:
			if dummy == 0 {
				dummyName = b.addString("dummy_ksym")
				dummy = b.addType(dummyName, uint32(btf.KindVar)<<24, uint32(intID), linkGlobal)
			}
			if proto := spec.Type(id).Ref; spec.Kind(proto) == btf.KindFuncProto {
				for j := range spec.Type(proto).Vlen {
					if b.get(proto, 12+8*j) == 0 && b.get(proto, 16+8*j) != 0 {
						b.set(proto, 12+8*j, dummyName)
					}
				}
			}
			b.set(sec, 12+12*i, uint32(dummy))
			b.setLinkage(id, btf.KindFunc, linkGlobal)
		case btf.KindVar:
			b.setLinkage(id, btf.KindVar, linkGlobal)
			b.set(id, 8, uint32(intID))
		}
		b.set(sec, 12+12*i+4, uint32(4*i))
		b.set(sec, 12+12*i+8, 4)
	}
	b.set(sec, 8, uint32(4*n))
}

// allocKconfig lays out the .kconfig map.
func (o *Object) allocKconfig(spec *btf.Spec, b *blob, sec btf.ID) {
	var off uint32
	byName := make(map[string]*extern)
	for _, e := range o.externs {
		if e.kind == externKconfig {
			e.off = (off + e.align - 1) / e.align * e.align
			off = e.off + e.size
			byName[e.name] = e
		}
	}
	b.set(sec, 8, off)
	for i := range spec.Type(sec).Vlen {
		id := spec.Variable(sec, i).Type
		if e := byName[spec.Name(id)]; e != nil && spec.Kind(id) == btf.KindVar {
			b.setLinkage(id, btf.KindVar, linkGlobal)
			b.set(sec, 12+12*i+4, e.off)
		}
	}
}

// kconfigSize is the size of the .kconfig map, 0 when there is none.
func (o *Object) kconfigSize() uint32 {
	var n uint32
	for _, e := range o.externs {
		if e.kind == externKconfig {
			n = max(n, e.off+e.size)
		}
	}
	return n
}

// alignOf is the alignment clang gives a type, 1 when unknown.
func alignOf(spec *btf.Spec, id btf.ID, depth int) uint32 {
	id = spec.SkipMods(id)
	t := spec.Type(id)
	switch t.Kind {
	case btf.KindInt, btf.KindEnum, btf.KindEnum64, btf.KindFloat:
		if t.Size > 0 && t.Size <= 8 && t.Size&(t.Size-1) == 0 {
			return t.Size
		}
		return 8
	case btf.KindPtr:
		return 8
	case btf.KindArray:
		if depth < 16 {
			return alignOf(spec, spec.Array(id).Elem, depth+1)
		}
	case btf.KindStruct, btf.KindUnion:
		a := uint32(1)
		for i := range t.Vlen {
			if depth < 16 {
				m, _, _ := spec.MemberAt(id, i)
				a = max(a, alignOf(spec, m, depth+1))
			}
		}
		return a
	}
	return 1
}

// externOf finds the extern of an ELF symbol.
func (o *Object) externOf(sym int) int {
	for i, e := range o.externs {
		if e.sym == sym {
			return i
		}
	}
	return -1
}
