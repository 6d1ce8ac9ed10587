// SPDX-License-Identifier: Apache-2.0

package object

import (
	"cmp"
	"debug/elf"
	"slices"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/btf"
)

// relocKind says what an instruction refers to.
type relocKind uint8

const (
	relocMap      relocKind = iota // a map's descriptor; to is an index in Object.Maps
	relocData                      // an address in a data map; off within the value
	relocExternLD                  // the address of an extern; to is an index in Object.externs
	relocExternFn                  // a call of an extern
	relocCall                      // a call of a subprogram; fn
	relocFunc                      // the address of a subprogram; fn
	relocBad                       // cannot be bound; why says so
)

// reloc is one reference of an instruction, by slot within its function.
type reloc struct {
	insn int
	kind relocKind
	to   int
	off  uint32
	fn   *function
	why  string
}

func (o *Object) readRelocs() error {
	for i := range o.elf.sections {
		s := &o.elf.sections[i]
		switch {
		case s.flags&elf.SHF_EXECINSTR != 0:
			if err := o.codeRelocs(i, s); err != nil {
				return err
			}
		case s.name == ".maps":
			if err := o.mapRelocs(s); err != nil {
				return err
			}
		case s.name == ".struct_ops", s.name == ".struct_ops.link", s.name == "?.struct_ops", s.name == "?.struct_ops.link":
			if err := o.structOpsRelocs(i, s); err != nil {
				return err
			}
		}
	}
	for _, f := range o.funcs {
		o.localCalls(f)
		slices.SortStableFunc(f.relocs, func(a, b reloc) int { return cmp.Compare(a.insn, b.insn) })
	}
	return nil
}

func (o *Object) codeRelocs(idx int, s *section) error {
	for _, r := range s.rels {
		if r.off%bpf.Size != 0 || r.off >= uint64(len(s.data)) {
			return invalid("read relocation of section %s: offset %d", s.name, r.off)
		}
		slot := int(r.off / bpf.Size)
		f := o.fnAt(idx, slot)
		if f == nil {
			continue
		}
		rl := o.codeReloc(f, slot-f.off, int(r.sym))
		rl.insn = slot - f.off
		f.relocs = append(f.relocs, rl)
	}
	return nil
}

// codeReloc classifies one relocation of an instruction. What cannot be bound
// is kept as such: only the programs that contain it are lost.
func (o *Object) codeReloc(f *function, at, sym int) reloc {
	in := f.insns[at]
	y := &o.elf.symbols[sym]
	call := in.Op == bpf.OpCall
	if !call && (!in.IsLdImm64() || at+1 >= len(f.insns)) {
		return reloc{kind: relocBad, why: "relocation of an instruction that is neither call nor 64-bit load against " + y.name}
	}
	if y.sec == int(elf.SHN_UNDEF) {
		e := o.externOf(sym)
		switch {
		case e < 0:
			return reloc{kind: relocBad, why: "undefined symbol " + y.name}
		case call:
			return reloc{kind: relocExternFn, to: e}
		}
		return reloc{kind: relocExternLD, to: e}
	}
	if y.sec >= len(o.elf.sections) {
		return reloc{kind: relocBad, why: "symbol " + y.name + " in a special section"}
	}
	s := &o.elf.sections[y.sec]
	if call || s.flags&elf.SHF_EXECINSTR != 0 {
		slot := int64(y.value)/bpf.Size + int64(in.Imm) + 1
		kind := relocCall
		if !call {
			kind, slot = relocFunc, (int64(y.value)+int64(in.Imm))/bpf.Size
		}
		if call && in.Src() != bpf.PseudoCall {
			return reloc{kind: relocBad, why: "call of " + y.name + " that is no function call"}
		}
		fn := o.fnAt(y.sec, int(max(-1, min(slot, 1<<31))))
		if fn == nil || int64(fn.off) != slot {
			return reloc{kind: relocBad, why: "no function at the target of " + y.name}
		}
		return reloc{kind: kind, fn: fn}
	}
	if s.name == ".addr_space.1" {
		if o.arena < 0 {
			return reloc{kind: relocBad, why: "arena variable " + y.name + " in an object without arena map"}
		}
		return reloc{kind: relocData, to: o.arena, off: uint32(y.value)}
	}
	for i, m := range o.Maps {
		if m.sec != y.sec || m.Kind == MapStructOps {
			continue
		}
		if m.Kind != MapUser {
			return reloc{kind: relocData, to: i, off: uint32(y.value)}
		}
		if uint64(m.off) == y.value {
			return reloc{kind: relocMap, to: i}
		}
	}
	return reloc{kind: relocBad, why: "symbol " + y.name + " in section " + s.name + ", which holds no map"}
}

// localCalls finds calls within a section that need no relocation.
func (o *Object) localCalls(f *function) {
	has := make(map[int]bool, len(f.relocs))
	for _, r := range f.relocs {
		has[r.insn] = true
	}
	for i := 0; i < len(f.insns); i++ {
		in := f.insns[i]
		if in.IsLdImm64() {
			if in.Src() == bpf.PseudoFunc && !has[i] {
				f.relocs = append(f.relocs, reloc{insn: i, kind: relocBad, why: "function address without relocation"})
			}
			i++
			continue
		}
		if in.Op != bpf.OpCall || in.Src() != bpf.PseudoCall || has[i] {
			continue
		}
		r := reloc{insn: i, kind: relocCall, fn: o.fnAt(f.sec, f.off+i+int(in.Imm)+1)}
		if r.fn == nil || r.fn.off != f.off+i+int(in.Imm)+1 {
			r = reloc{insn: i, kind: relocBad, why: "call into nowhere"}
		}
		f.relocs = append(f.relocs, r)
	}
}

// mapRelocs reads the initial entries of program arrays and maps of maps.
func (o *Object) mapRelocs(s *section) error {
	if o.BTF == nil || len(s.rels) == 0 {
		return nil
	}
	ds, ok := o.BTF.Find(".maps", btf.KindDatasec)
	if !ok {
		return nil
	}
	for _, r := range s.rels {
		y := &o.elf.symbols[r.sym]
		var m *MapSpec
		var base uint64
		for i := range o.BTF.Type(ds).Vlen {
			v := o.BTF.Variable(ds, i)
			if uint64(v.Offset) > r.off || r.off+8 > uint64(v.Offset)+uint64(v.Size) {
				continue
			}
			def := o.BTF.SkipMods(o.BTF.Type(v.Type).Ref)
			n := o.BTF.Type(def).Vlen
			if n == 0 || o.BTF.Member(def, n-1).Name != "values" {
				return invalid("read initial entries of map %s: no values member", o.BTF.Name(v.Type))
			}
			m, base = o.Map(o.BTF.Name(v.Type)), uint64(v.Offset)+uint64(o.BTF.Member(def, n-1).BitOff/8)
		}
		if m == nil || r.off < base || (r.off-base)%8 != 0 || (r.off-base)/8 > 1<<20 {
			return invalid("read initial entries of maps: %s at offset %d belongs to no map", y.name, r.off)
		}
		sl := Slot{Index: uint32((r.off - base) / 8)}
		if m.Type == bpf.MapProgArray {
			p := o.Program(y.name)
			if p == nil || p.fn.sec != y.sec || uint64(p.fn.off)*bpf.Size != y.value {
				return invalid("read initial entries of map %s: %s is no program", m.Name, y.name)
			}
			sl.Prog = p.Name
		} else {
			t := o.Map(y.name)
			if t == nil || t.Kind != MapUser || m.Inner == nil {
				return invalid("read initial entries of map %s: %s is no map", m.Name, y.name)
			}
			sl.Map = t.Name
		}
		m.Slots = append(m.Slots, sl)
	}
	return nil
}

// structOpsRelocs reads which program fills which member.
func (o *Object) structOpsRelocs(idx int, s *section) error {
	for _, r := range s.rels {
		y := &o.elf.symbols[r.sym]
		var m *MapSpec
		for _, c := range o.Maps {
			if c.Kind == MapStructOps && c.sec == idx && uint64(c.off) <= r.off && r.off < uint64(c.off)+uint64(len(c.Data)) {
				m = c
			}
		}
		if m == nil {
			return invalid("read %s: %s at offset %d belongs to no variable", s.name, y.name, r.off)
		}
		fn := (*function)(nil)
		if y.sec > 0 && y.sec < len(o.elf.sections) && y.value%bpf.Size == 0 {
			fn = o.fnAt(y.sec, int(y.value/bpf.Size))
		}
		if fn == nil || uint64(fn.off)*bpf.Size != y.value || fn.program == nil || fn.program.Def.Type != bpf.ProgStructOps {
			return invalid("read struct_ops variable %s: %s is no struct_ops program", m.Name, y.name)
		}
		ref := FuncRef{index: -1}
		for i := range o.BTF.Type(m.Value).Vlen {
			if f := o.BTF.Member(m.Value, i); uint64(f.BitOff) == (r.off-uint64(m.off))*8 {
				to, isPtr := o.BTF.Pointee(f.Type)
				if isPtr && o.BTF.Kind(o.BTF.SkipMods(to)) == btf.KindFuncProto {
					ref = FuncRef{Member: f.Name, Program: fn.name, index: i}
				}
			}
		}
		if ref.index < 0 {
			return invalid("read struct_ops variable %s: %s fills no function member", m.Name, fn.name)
		}
		m.Members = append(m.Members, ref)
	}
	return nil
}
