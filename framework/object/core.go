// SPDX-License-Identifier: Apache-2.0

package object

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/btf"
)

// CO-RE: an instruction's constant was computed from the object's own types
// and is replaced by what the same C expression means in the kernel's types.
// The local type's name (without flavor) finds candidates in the kernel's BTF;
// the accessor string is read against the local type and matched, field name by
// field name, against each candidate; all candidates that match must agree.
// What cannot be found either has a value of its own (existence: 0) or the
// instruction is poisoned: it becomes a call of a helper that does not exist,
// which the verifier only minds if a path reaches it.
//
// The algorithm and its corner cases are libbpf's (tools/lib/bpf/relo_core.c).

// coreKind is enum bpf_core_relo_kind.
type coreKind uint32

const (
	coreFieldOffset coreKind = iota
	coreFieldSize
	coreFieldExists
	coreFieldSigned
	coreFieldLShift
	coreFieldRShift
	coreTypeLocal
	coreTypeTarget
	coreTypeExists
	coreTypeSize
	coreEnumExists
	coreEnumValue
	coreTypeMatches
)

var coreKindNames = [...]string{
	"field offset", "field size", "field existence", "field signedness", "field left shift",
	"field right shift", "local type id", "target type id", "type existence", "type size",
	"enum value existence", "enum value", "type match",
}

func (k coreKind) String() string {
	if int(k) < len(coreKindNames) {
		return coreKindNames[k]
	}
	return fmt.Sprintf("relocation kind %d", uint32(k))
}

func (k coreKind) field() bool { return k <= coreFieldRShift }
func (k coreKind) typed() bool {
	return k >= coreTypeLocal && k <= coreTypeSize || k == coreTypeMatches
}
func (k coreKind) enum() bool { return k == coreEnumExists || k == coreEnumValue }

// Immediates of the helper calls that poisoned instructions become. They are
// part of the interface: the kernel's log and its documentation show them.
const (
	PoisonCore  = 0xbad2310  // failed CO-RE relocation
	PoisonMap   = 2001000000 // map that is not created, plus its index
	PoisonKfunc = 2002000000 // weak kfunc the kernel lacks, plus its index
)

// maxAccess is the longest accessor libbpf takes.
const maxAccess = 64

// access is one meaningful step of an accessor: a named member or an index.
type access struct {
	typ  btf.ID
	idx  int
	name string // "" for array elements
}

// coreSpec is an accessor read against a type.
type coreSpec struct {
	spec   *btf.Spec
	root   btf.ID
	steps  []access
	raw    int // length including unnamed levels
	bitOff uint64
}

// candidate is a kernel type with the right name.
type candidate struct {
	spec *btf.Spec
	id   btf.ID
}

// corePatch is what a relocation puts into its instruction.
type corePatch struct {
	orig, val        uint64
	validate, poison bool
	badSize          bool // the field changed size in a way loads cannot follow
	origSz, newSz    uint32
	origType, newTyp btf.ID
}

// relocator applies CO-RE relocations of one object for one kernel.
type relocator struct {
	local *btf.Spec
	find  func(name string, kind btf.Kind) []candidate
	cands map[btf.ID][]candidate // by root type, narrowed by earlier matches
}

// apply relocates a copy of a function's instructions in place.
func (c *relocator) apply(f *function, insns []bpf.Insn) error {
	for i := range f.core {
		r := &f.core[i]
		p, err := c.calculate(r)
		if err == nil {
			err = patch(insns, r, p)
		}
		if err != nil {
			return fmt.Errorf("relocate instruction %d of %s (%s of %s %s): %w", r.insn, f.name, r.kind,
				c.local.Kind(r.typ), c.local.Name(r.typ), err)
		}
	}
	return nil
}

func (c *relocator) calculate(r *coreReloc) (*corePatch, error) {
	if !r.kind.field() && !r.kind.typed() && !r.kind.enum() {
		return nil, fmt.Errorf("%s: not known: %w", r.kind, ErrInvalid)
	}
	local, err := parseAccess(c.local, r)
	if err != nil {
		return nil, err
	}
	if r.kind == coreTypeLocal {
		return &corePatch{orig: uint64(r.typ), val: uint64(r.typ)}, nil
	}
	name := c.local.Name(r.typ)
	if name == "" {
		return nil, fmt.Errorf("type without a name: %w", ErrInvalid)
	}
	cands, ok := c.cands[r.typ]
	if !ok {
		cands = c.find(essentialName(name), c.local.Kind(r.typ))
	}
	var res *corePatch
	var first *coreSpec
	kept := cands[:0:0]
	for _, cand := range cands {
		target, err := match(local, r.kind, cand)
		if err != nil {
			return nil, err
		}
		if target == nil {
			continue
		}
		p, err := calcPatch(r.kind, local, target)
		if err != nil {
			return nil, err
		}
		switch {
		case res == nil:
			res, first = p, target
		case first.bitOff != target.bitOff || res.poison != p.poison || res.val != p.val:
			return nil, fmt.Errorf("types %d and %d of the kernel disagree: %w", first.root, cand.id, ErrAmbiguous)
		}
		kept = append(kept, cand)
	}
	if res == nil {
		c.cands[r.typ] = cands
		return calcPatch(r.kind, local, nil)
	}
	c.cands[r.typ] = kept
	return res, nil
}

// parseAccess reads an accessor such as "0:1:2" against the local type.
func parseAccess(spec *btf.Spec, r *coreReloc) (*coreSpec, error) {
	str := spec.StringAt(r.access)
	s := &coreSpec{spec: spec, root: r.typ}
	if r.kind.typed() {
		if str != "0" {
			return nil, fmt.Errorf("accessor %q: %w", str, ErrInvalid)
		}
		return s, nil
	}
	parts := strings.Split(str, ":")
	if len(parts) > maxAccess {
		return nil, fmt.Errorf("accessor of %d steps: %w", len(parts), ErrInvalid)
	}
	bad := fmt.Errorf("accessor %q: %w", str, ErrInvalid)
	id := spec.SkipMods(r.typ)
	s.raw = len(parts)
	for i, p := range parts {
		idx, err := strconv.Atoi(p)
		if err != nil || idx < 0 || idx > 1<<30 {
			return nil, bad
		}
		t := spec.Type(id)
		if i == 0 {
			s.steps = append(s.steps, access{typ: id, idx: idx})
			if r.kind.enum() {
				if t.Kind != btf.KindEnum && t.Kind != btf.KindEnum64 || len(parts) > 1 || idx >= t.Vlen {
					return nil, bad
				}
				s.steps[0].name = spec.Enumerator(id, idx).Name
				return s, nil
			}
			size, ok := spec.Sizeof(id)
			if !ok {
				return nil, bad
			}
			s.bitOff = uint64(idx) * uint64(size) * 8
			continue
		}
		switch t.Kind {
		case btf.KindStruct, btf.KindUnion:
			if idx >= t.Vlen {
				return nil, bad
			}
			m := spec.Member(id, idx)
			s.bitOff += uint64(m.BitOff)
			if m.Name != "" {
				s.steps = append(s.steps, access{typ: id, idx: idx, name: m.Name})
			}
			id = spec.SkipMods(m.Type)
		case btf.KindArray:
			a := spec.Array(id)
			id = spec.SkipMods(a.Elem)
			if uint32(idx) >= a.Len && !flexible(spec, s.steps[len(s.steps)-1], a) {
				return nil, bad
			}
			s.steps = append(s.steps, access{typ: id, idx: idx})
			size, ok := spec.Sizeof(id)
			if !ok {
				return nil, bad
			}
			s.bitOff += uint64(idx) * uint64(size) * 8
		default:
			return nil, bad
		}
	}
	return s, nil
}

// flexible reports whether an array is the open last member of a struct.
func flexible(spec *btf.Spec, in access, a btf.Array) bool {
	return in.name != "" && a.Len == 0 && in.idx == spec.Type(in.typ).Vlen-1
}

// patch changes one instruction.
func patch(insns []bpf.Insn, r *coreReloc, p *corePatch) error {
	in := &insns[r.insn]
	was := func(v int64) error {
		if p.validate && uint64(v) != p.orig {
			return fmt.Errorf("instruction has %d where its types say %d: %w", v, p.orig, ErrInvalid)
		}
		return nil
	}
	switch in.Class() {
	case bpf.ClassALU, bpf.ClassALU64:
		if in.Op&bpf.SrcX != 0 {
			break
		}
		if p.poison {
			poison(insns, r.insn)
			return nil
		}
		if err := was(int64(in.Imm)); err != nil {
			return err
		}
		in.Imm = int32(uint32(p.val))
		return nil
	case bpf.ClassLDX, bpf.ClassST, bpf.ClassSTX:
		if p.poison {
			poison(insns, r.insn)
			return nil
		}
		if err := was(int64(in.Off)); err != nil {
			return err
		}
		if p.val > 1<<15-1 {
			return fmt.Errorf("offset %d does not fit an instruction: %w", p.val, ErrInvalid)
		}
		if p.badSize {
			poison(insns, r.insn)
			return nil
		}
		in.Off = int16(p.val)
		if p.newSz != p.origSz {
			if uint32(bpf.AccessSize(in.Op)) != p.origSz {
				return fmt.Errorf("instruction moves %d bytes of a field of %d: %w", bpf.AccessSize(in.Op), p.origSz, ErrInvalid)
			}
			size, ok := map[uint32]uint8{1: bpf.SizeB, 2: bpf.SizeH, 4: bpf.SizeW, 8: bpf.SizeDW}[p.newSz]
			if !ok {
				return fmt.Errorf("field of %d bytes in the kernel: %w", p.newSz, ErrInvalid)
			}
			in.Op = in.Op&^0x18 | size
		}
		return nil
	case bpf.ClassLD:
		if !in.IsLdImm64() || r.insn+1 >= len(insns) || in.Src() != 0 || in.Off != 0 {
			break
		}
		lo := insns[r.insn+1]
		if lo.Op != 0 || lo.Regs != 0 || lo.Off != 0 {
			break
		}
		if p.poison {
			poison(insns, r.insn)
			return nil
		}
		if err := was(int64(uint64(uint32(in.Imm)) | uint64(uint32(lo.Imm))<<32)); err != nil {
			return err
		}
		in.Imm, insns[r.insn+1].Imm = int32(uint32(p.val)), int32(uint32(p.val>>32))
		return nil
	}
	return fmt.Errorf("opcode %#x cannot be relocated: %w", in.Op, ErrInvalid)
}

func poison(insns []bpf.Insn, at int) {
	n := 1
	if insns[at].IsLdImm64() {
		n = 2
	}
	for i := range n {
		insns[at+i] = bpf.Insn{Op: bpf.OpCall, Imm: PoisonCore}
	}
}
