// SPDX-License-Identifier: Apache-2.0

package object

import (
	"cmp"
	"slices"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/btf"
)

// .BTF.ext says which BTF function begins at an instruction, which C line it
// comes from and where CO-RE relocations apply, section by section. Layout: a
// header naming three subsections; each begins with its record size, then for
// each ELF section: name, number of records, records. Records may be longer
// than we know.

// funcRecord is one func_info; insn counts slots within the function.
type funcRecord struct {
	insn int
	typ  btf.ID
}

// lineRecord is one line_info as the kernel takes it, insn within the function.
type lineRecord struct {
	insn             int
	file, line, colm uint32 // colm: line<<10 | column
}

// coreReloc is one CO-RE relocation, insn within the function.
type coreReloc struct {
	insn   int
	typ    btf.ID
	access uint32 // string offset of the accessor
	kind   coreKind
}

func (o *Object) readExt(d []byte) error {
	if len(d) < 24 || le.Uint16(d) != 0xeb9f || d[2] != 1 {
		return invalid("read .BTF.ext header: %d bytes", len(d))
	}
	hdr := uint64(le.Uint32(d[4:]))
	sub := func(at int) []byte {
		if uint64(at+8) > hdr || at+8 > len(d) {
			return nil
		}
		off, n := hdr+uint64(le.Uint32(d[at:])), uint64(le.Uint32(d[at+4:]))
		if off+n > uint64(len(d)) {
			return nil
		}
		return d[off : off+n]
	}
	if err := o.eachRecord("func_info", sub(8), 8, func(f *function, insn int, r []byte) {
		f.types = append(f.types, funcRecord{insn, btf.ID(le.Uint32(r[4:]))})
	}); err != nil {
		return err
	}
	if err := o.eachRecord("line_info", sub(16), 16, func(f *function, insn int, r []byte) {
		f.lines = append(f.lines, lineRecord{insn, le.Uint32(r[4:]), le.Uint32(r[8:]), le.Uint32(r[12:])})
	}); err != nil {
		return err
	}
	if err := o.eachRecord("core_relo", sub(24), 16, func(f *function, insn int, r []byte) {
		f.core = append(f.core, coreReloc{insn, btf.ID(le.Uint32(r[4:])), le.Uint32(r[8:]), coreKind(le.Uint32(r[12:]))})
	}); err != nil {
		return err
	}
	for _, f := range o.funcs {
		slices.SortStableFunc(f.types, func(a, b funcRecord) int { return cmp.Compare(a.insn, b.insn) })
		slices.SortStableFunc(f.lines, func(a, b lineRecord) int { return cmp.Compare(a.insn, b.insn) })
		slices.SortStableFunc(f.core, func(a, b coreReloc) int { return cmp.Compare(a.insn, b.insn) })
	}
	return nil
}

// eachRecord calls fn for each record that falls in a function.
func (o *Object) eachRecord(what string, d []byte, least uint32, fn func(*function, int, []byte)) error {
	if len(d) < 4 {
		return nil
	}
	size := le.Uint32(d)
	if size < least || size%4 != 0 || size > 1<<16 {
		return invalid("read .BTF.ext %s: record size %d", what, size)
	}
	for d = d[4:]; len(d) > 0; {
		if len(d) < 8 {
			return invalid("read .BTF.ext %s: truncated", what)
		}
		name, n := o.BTF.StringAt(le.Uint32(d)), uint64(le.Uint32(d[4:]))
		d = d[8:]
		if n*uint64(size) > uint64(len(d)) {
			return invalid("read .BTF.ext %s for section %s: %d records in %d bytes", what, name, n, len(d))
		}
		sec := o.sectionByName(name)
		var f *function
		for ; n > 0; n, d = n-1, d[size:] {
			off := le.Uint32(d)
			if off%bpf.Size != 0 {
				return invalid("read .BTF.ext %s for section %s: offset %d", what, name, off)
			}
			slot := int(off / bpf.Size)
			if f == nil || slot < f.off || slot >= f.off+len(f.insns) {
				f = o.fnAt(sec, slot)
			}
			if f != nil {
				fn(f, slot-f.off, d[:size])
			}
		}
	}
	return nil
}
