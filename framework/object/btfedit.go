// SPDX-License-Identifier: Apache-2.0

package object

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/modbpf/modbpf/btf"
)

// The types clang writes are not yet what the kernel accepts: sizes and
// offsets of data sections are zero until the ELF file fills them in, externs
// have no storage, hidden symbols are still global. libbpf patches its copy of
// the blob; so do we, with the same results, since func_info, line_info and
// map definitions refer to it by id and offset. Ids never change: types and
// strings are only appended.

// blob is a BTF blob taken apart for patching.
type blob struct {
	types, strs []byte
	offs        []int // offs[id]: where type id begins; offs[0] unused
}

var le = binary.LittleEndian

// openBlob takes apart a blob that btf.Parse has accepted.
func openBlob(raw []byte) *blob {
	hdr := le.Uint32(raw[4:])
	b := &blob{
		types: slices.Clone(raw[hdr+le.Uint32(raw[8:]):][:le.Uint32(raw[12:])]),
		strs:  slices.Clone(raw[hdr+le.Uint32(raw[16:]):][:le.Uint32(raw[20:])]),
		offs:  make([]int, 1, len(raw)/32+1),
	}
	for o := 0; o+12 <= len(b.types); {
		b.offs = append(b.offs, o)
		o += 12 + trailer(btf.Kind(le.Uint32(b.types[o+4:])>>24&0x1f), int(le.Uint32(b.types[o+4:])&0xffff))
	}
	return b
}

// trailer is the number of bytes behind the common head of a type.
func trailer(k btf.Kind, vlen int) int {
	switch k {
	case btf.KindInt, btf.KindVar, btf.KindDeclTag:
		return 4
	case btf.KindArray:
		return 12
	case btf.KindStruct, btf.KindUnion, btf.KindDatasec, btf.KindEnum64:
		return 12 * vlen
	case btf.KindEnum, btf.KindFuncProto:
		return 8 * vlen
	}
	return 0
}

// bytes puts the blob together again.
func (b *blob) bytes() []byte {
	out := make([]byte, 24, 24+len(b.types)+len(b.strs))
	le.PutUint16(out, 0xeb9f)
	out[2] = 1
	le.PutUint32(out[4:], 24)
	le.PutUint32(out[12:], uint32(len(b.types)))
	le.PutUint32(out[16:], uint32(len(b.types)))
	le.PutUint32(out[20:], uint32(len(b.strs)))
	return append(append(out, b.types...), b.strs...)
}

func (b *blob) get(id btf.ID, off int) uint32    { return le.Uint32(b.types[b.offs[id]+off:]) }
func (b *blob) set(id btf.ID, off int, v uint32) { le.PutUint32(b.types[b.offs[id]+off:], v) }

// setLinkage changes the linkage of a func or var.
func (b *blob) setLinkage(id btf.ID, k btf.Kind, linkage uint32) {
	if k == btf.KindVar {
		b.set(id, 12, linkage)
		return
	}
	b.set(id, 4, b.get(id, 4)&^0xffff|linkage)
}

func (b *blob) addString(s string) uint32 {
	off := uint32(len(b.strs))
	b.strs = append(append(b.strs, s...), 0)
	return off
}

func (b *blob) addType(words ...uint32) btf.ID {
	b.offs = append(b.offs, len(b.types))
	for _, w := range words {
		b.types = le.AppendUint32(b.types, w)
	}
	return btf.ID(len(b.offs) - 1)
}

// Linkages of BTF funcs and vars.
const (
	linkStatic = 0
	linkGlobal = 1
	linkExtern = 2
)

// loadBTF parses the object's types, learns the externs from them and patches
// the blob.
func (o *Object) loadBTF(raw []byte) error {
	spec, err := btf.Parse(raw)
	if err != nil {
		return fmt.Errorf("read .BTF: %w: %w", err, ErrInvalid)
	}
	if spec.NumTypes() == 1 {
		return nil
	}
	b := openBlob(raw)
	if err := o.collectExterns(spec, b); err != nil {
		return err
	}
	o.hideFunctions(spec, b)
	for id := btf.ID(1); int(id) < spec.NumTypes(); id++ {
		if spec.Kind(id) == btf.KindDatasec {
			o.fixDatasec(spec, b, id)
		}
	}
	o.BTFRaw = b.bytes()
	if o.BTF, err = btf.Parse(o.BTFRaw); err != nil {
		return fmt.Errorf("patch .BTF: %w", err)
	}
	o.Untyped = refusal(o.BTF)
	return nil
}

// refusal is why a kernel refuses a blob that clang wrote, "" if it does not:
// the few of its rules (kernel/bpf/btf.c) that compilers are known to break.
func refusal(s *btf.Spec) string {
	for id := btf.ID(1); int(id) < s.NumTypes(); id++ {
		t := s.Type(id)
		switch t.Kind {
		case btf.KindFunc:
			if t.Vlen > linkGlobal {
				return fmt.Sprintf("function %s is extern", s.Name(id))
			}
			if s.Kind(t.Ref) != btf.KindFuncProto {
				return fmt.Sprintf("function %s has no prototype", s.Name(id))
			}
			for i := range s.Type(t.Ref).Vlen {
				if p := s.Param(t.Ref, i); p.Type != 0 && p.Name == "" {
					return fmt.Sprintf("argument %d of function %s has no name", i+1, s.Name(id))
				}
			}
		case btf.KindVar:
			if s.Linkage(id) > linkGlobal {
				return fmt.Sprintf("variable %s is extern", s.Name(id))
			}
		case btf.KindDatasec:
			if t.Size == 0 {
				return fmt.Sprintf("section %s has no size", s.Name(id))
			}
		}
	}
	return ""
}

// hideFunctions makes hidden global functions static, so that they are
// verified where they are called.
func (o *Object) hideFunctions(spec *btf.Spec, b *blob) {
	for _, f := range o.funcs {
		if !f.global || !f.hidden {
			continue
		}
		if id, ok := spec.Find(f.name, btf.KindFunc); ok {
			b.setLinkage(id, btf.KindFunc, linkStatic)
		}
	}
}

// fixDatasec fills in what clang left zero and sorts variables by offset.
// Sections that the ELF file lacks are left as they are.
func (o *Object) fixDatasec(spec *btf.Spec, b *blob, id btf.ID) {
	name := spec.Name(id)
	n := spec.Type(id).Vlen
	if name != ".kconfig" && name != ".ksyms" {
		sec := o.sectionByName(name)
		if sec == 0 {
			return
		}
		fixOffsets := b.get(id, 8) == 0
		if fixOffsets {
			b.set(id, 8, uint32(o.elf.sections[sec].size))
		}
		for i := range n {
			v := btf.ID(b.get(id, 12+12*i))
			if spec.Kind(v) != btf.KindVar || spec.Linkage(v) != linkGlobal {
				continue
			}
			y := o.varSymbol(spec.Name(v))
			if y == nil {
				continue
			}
			if fixOffsets {
				b.set(id, 12+12*i+4, uint32(y.value))
			}
			if y.hidden() {
				b.setLinkage(v, btf.KindVar, linkStatic)
			}
		}
	}
	vars := b.types[b.offs[id]+12:][:12*n]
	recs := make([][12]byte, n)
	for i := range recs {
		copy(recs[i][:], vars[12*i:])
	}
	slices.SortStableFunc(recs, func(x, y [12]byte) int { return int(int64(le.Uint32(x[4:])) - int64(le.Uint32(y[4:]))) })
	for i := range recs {
		copy(vars[12*i:], recs[i][:])
	}
}

// varSymbol finds the global data symbol of a variable.
func (o *Object) varSymbol(name string) *symbol {
	for i := range o.elf.symbols {
		y := &o.elf.symbols[i]
		if y.name == name && y.sec != 0 && (y.bind == 1 || y.bind == 2) && (y.typ == 1 || y.typ == 0) {
			return y
		}
	}
	return nil
}

// essentialName is a name without its "___flavor" suffix.
func essentialName(s string) string {
	for i := len(s) - 5; i >= 0; i-- {
		// X___Y at i, with X and Y not underscores: as libbpf reads it
		if s[i] != '_' && s[i+1] == '_' && s[i+2] == '_' && s[i+3] == '_' && s[i+4] != '_' {
			return s[:i+1]
		}
	}
	return s
}
