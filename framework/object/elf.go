// SPDX-License-Identifier: Apache-2.0

package object

import (
	"bytes"
	"cmp"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/btf"
)

// maxSection bounds what is read of one section: more than the largest object
// the kernel could ever load, small enough to refuse a bomb.
const maxSection = 64 << 20

// elfFile is what the rest of the package needs of the ELF container.
type elfFile struct {
	sections []section
	symbols  []symbol // index as in the file: 0 is the null symbol
}

type section struct {
	name  string
	typ   elf.SectionType
	flags elf.SectionFlag
	size  uint64
	data  []byte // nil for NOBITS and sections of no interest
	info  uint32
	rels  []rel // relocations that apply to it, in file order
}

type symbol struct {
	name  string
	sec   int // section index, 0 undefined, >= 0xff00 special
	value uint64
	size  uint64
	typ   elf.SymType
	bind  elf.SymBind
	vis   elf.SymVis
}

func (s *symbol) hidden() bool { return s.vis == elf.STV_HIDDEN || s.vis == elf.STV_INTERNAL }

func (s *symbol) extern() bool {
	return s.sec == int(elf.SHN_UNDEF) && (s.bind == elf.STB_GLOBAL || s.bind == elf.STB_WEAK) && s.typ == elf.STT_NOTYPE
}

type rel struct {
	off uint64
	sym uint32
	typ uint32
}

// OpenBytes opens an object held in memory; name is its file name.
func OpenBytes(data []byte, name string) (*Object, error) {
	return Open(bytes.NewReader(data), name)
}

// Open reads an object. Nothing of it is kept open.
func Open(r io.ReaderAt, name string) (o *Object, err error) {
	base := filepath.Base(name)
	base = strings.TrimSuffix(strings.TrimSuffix(base, ".o"), ".bpf")
	defer func() {
		if err != nil {
			err = fmt.Errorf("open object %s: %w", filepath.Base(name), err)
		}
	}()
	f, err := readELF(r)
	if err != nil {
		return nil, err
	}
	o = &Object{Name: base, elf: f, arena: -1}
	if err := o.readSections(); err != nil {
		return nil, err
	}
	raw, ext := o.sectionData(".BTF"), o.sectionData(".BTF.ext")
	if raw != nil {
		if err := o.loadBTF(raw); err != nil {
			return nil, err
		}
	}
	if ext != nil && o.BTF != nil {
		if err := o.readExt(ext); err != nil {
			return nil, err
		}
	}
	if err := o.readMaps(); err != nil {
		return nil, err
	}
	if err := o.readStructOps(); err != nil {
		return nil, err
	}
	if err := o.readRelocs(); err != nil {
		return nil, err
	}
	o.findExceptionCallbacks()
	return o, nil
}

func readELF(r io.ReaderAt) (*elfFile, error) {
	var id [20]byte
	if n, err := r.ReadAt(id[:], 0); n < len(id) {
		if err == nil || errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("read ELF header: %d bytes: %w", n, ErrNotELF)
		}
		return nil, fmt.Errorf("read ELF header: %w", err)
	}
	if string(id[:4]) != elf.ELFMAG {
		return nil, fmt.Errorf("read ELF header: no magic: %w", ErrNotELF)
	}
	order := binary.ByteOrder(binary.LittleEndian)
	if elf.Data(id[elf.EI_DATA]) == elf.ELFDATA2MSB {
		order = binary.BigEndian
	}
	if m := elf.Machine(order.Uint16(id[18:])); m != elf.EM_BPF {
		return nil, fmt.Errorf("read ELF header: machine %s: %w", m, ErrMachine)
	}
	if order == binary.BigEndian {
		return nil, fmt.Errorf("read ELF header: compile with -target bpfel: %w", ErrBigEndian)
	}
	f, err := elf.NewFile(r)
	if err != nil {
		return nil, fmt.Errorf("read ELF: %v: %w", err, ErrInvalid)
	}
	if f.Class != elf.ELFCLASS64 {
		return nil, invalid("read ELF header: 32-bit")
	}
	out := &elfFile{sections: make([]section, len(f.Sections))}
	for i, s := range f.Sections {
		out.sections[i] = section{name: s.Name, typ: s.Type, flags: s.Flags, size: s.Size, info: s.Info}
		if !wanted(s) {
			continue
		}
		if s.Size > maxSection {
			return nil, invalid("read section %s: %d bytes", s.Name, s.Size)
		}
		d, err := s.Data()
		if err != nil {
			return nil, invalid("read section %s: %v", s.Name, err)
		}
		out.sections[i].data = d
	}
	syms, err := f.Symbols()
	if err != nil {
		return nil, fmt.Errorf("read symbols: %v: %w", err, ErrInvalid)
	}
	out.symbols = make([]symbol, len(syms)+1)
	for i, s := range syms {
		out.symbols[i+1] = symbol{
			name: s.Name, sec: int(s.Section), value: s.Value, size: s.Size,
			typ: elf.ST_TYPE(s.Info), bind: elf.ST_BIND(s.Info), vis: elf.ST_VISIBILITY(s.Other),
		}
	}
	return out, out.readRels(f)
}

// wanted says whether a section's bytes are needed; DWARF is not even read.
func wanted(s *elf.Section) bool {
	if s.Type != elf.SHT_PROGBITS || s.Flags&elf.SHF_COMPRESSED != 0 {
		return false
	}
	return !strings.HasPrefix(s.Name, ".debug_") && s.Name != ".llvm_addrsig"
}

func (f *elfFile) readRels(e *elf.File) error {
	for i, s := range e.Sections {
		if s.Type == elf.SHT_RELA {
			if int(s.Info) < len(f.sections) && f.sections[s.Info].flags&elf.SHF_EXECINSTR != 0 {
				return invalid("read section %s: relocations with addends", s.Name)
			}
			continue
		}
		if s.Type != elf.SHT_REL || int(s.Info) >= len(f.sections) {
			continue
		}
		target := &f.sections[s.Info]
		if target.data == nil || target.name == ".BTF" || target.name == ".BTF.ext" {
			continue
		}
		if s.Size > maxSection || s.Size%16 != 0 {
			return invalid("read section %s: %d bytes", s.Name, s.Size)
		}
		d, err := s.Data()
		if err != nil {
			return invalid("read section %d: %v", i, err)
		}
		target.rels = slices.Grow(target.rels, len(d)/16)
		for ; len(d) >= 16; d = d[16:] {
			r := rel{off: binary.LittleEndian.Uint64(d), typ: binary.LittleEndian.Uint32(d[8:]), sym: binary.LittleEndian.Uint32(d[12:])}
			if int(r.sym) >= len(f.symbols) {
				return invalid("read section %s: symbol %d does not exist", s.Name, r.sym)
			}
			target.rels = append(target.rels, r)
		}
	}
	return nil
}

func (o *Object) sectionData(name string) []byte {
	for i := range o.elf.sections {
		if s := &o.elf.sections[i]; s.name == name && s.data != nil {
			return s.data
		}
	}
	return nil
}

func (o *Object) sectionByName(name string) int {
	for i := range o.elf.sections {
		if o.elf.sections[i].name == name {
			return i
		}
	}
	return 0
}

// readSections finds what needs no BTF: license, version, functions.
func (o *Object) readSections() error {
	for i := range o.elf.sections {
		s := &o.elf.sections[i]
		switch {
		case s.name == "license" && s.data != nil:
			o.License = cString(s.data, 63)
		case s.name == "version" && len(s.data) == 4:
			o.Version = binary.LittleEndian.Uint32(s.data)
		case s.name == "maps" && s.size > 0:
			return ErrLegacyMaps
		case s.name == ".text":
			o.text = i
		}
	}
	byName := make(map[string]bool)
	for i := range o.elf.symbols {
		y := &o.elf.symbols[i]
		if y.typ != elf.STT_FUNC || y.sec <= 0 || y.sec >= len(o.elf.sections) {
			continue
		}
		s := &o.elf.sections[y.sec]
		if s.flags&elf.SHF_EXECINSTR == 0 || s.data == nil {
			continue
		}
		n := uint64(len(s.data))
		if y.value > n || y.size > n-y.value || y.value%bpf.Size != 0 || y.size%bpf.Size != 0 || y.size == 0 {
			return invalid("read function %s: bytes %d+%d of section %s (%d bytes)", y.name, y.value, y.size, s.name, n)
		}
		f := &function{
			name: y.name, sec: y.sec, off: int(y.value / bpf.Size), insns: decode(s.data[y.value:][:y.size]),
			global: y.bind != elf.STB_LOCAL, hidden: y.hidden(),
		}
		if y.sec != o.text && f.global {
			if byName[y.name] {
				return invalid("read function %s: defined twice", y.name)
			}
			byName[y.name] = true
			f.program = newProgramSpec(s.name, f)
		}
		o.funcs = append(o.funcs, f)
	}
	slices.SortStableFunc(o.funcs, func(a, b *function) int {
		return cmp.Or(cmp.Compare(a.sec, b.sec), cmp.Compare(a.off, b.off))
	})
	for i, f := range o.funcs {
		if i > 0 && o.funcs[i-1].sec == f.sec && o.funcs[i-1].off+len(o.funcs[i-1].insns) > f.off {
			return invalid("read function %s: overlaps %s", f.name, o.funcs[i-1].name)
		}
		if f.program != nil {
			o.Programs = append(o.Programs, f.program)
		}
	}
	return nil
}

func decode(b []byte) []bpf.Insn {
	out := make([]bpf.Insn, len(b)/bpf.Size)
	for i := range out {
		d := b[i*bpf.Size:]
		out[i] = bpf.Insn{Op: d[0], Regs: d[1], Off: int16(binary.LittleEndian.Uint16(d[2:])), Imm: int32(binary.LittleEndian.Uint32(d[4:]))}
	}
	return out
}

func cString(b []byte, limit int) string {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return string(b[:min(len(b), limit)])
}

// findExceptionCallbacks links programs to the function a decl tag
// "exception_callback:NAME" names; libbpf appends it to the program.
func (o *Object) findExceptionCallbacks() {
	if o.BTF == nil {
		return
	}
	for _, p := range o.Programs {
		id, ok := o.BTF.Find(p.Name, btf.KindFunc)
		if !ok {
			continue
		}
		for _, t := range o.BTF.DeclTags(id) {
			name, ok := strings.CutPrefix(t.Tag, "exception_callback:")
			if !ok || t.Component != -1 {
				continue
			}
			for _, f := range o.funcs {
				if f.name == name && f.global {
					p.fn.excCB = f
				}
			}
		}
	}
}
