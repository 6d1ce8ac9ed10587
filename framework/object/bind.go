// SPDX-License-Identifier: Apache-2.0

package object

import (
	"fmt"
	"slices"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/btf"
	"github.com/modbpf/modbpf/verifier"
)

// Options tune Bind. The zero value binds everything as the object says.
type Options struct {
	// Programs limits binding to the programs it approves; nil: all, those in
	// optional sections too.
	Programs func(*ProgramSpec) bool
	// MaxEntries sizes maps by name; maps without a size in the object need it.
	MaxEntries map[string]uint32
	// DefaultMaxEntries sizes maps whose size is 0 and whose type needs one, as
	// their own loader would do at run time. 0 leaves them as they are.
	DefaultMaxEntries uint32
	// Variables are values for variables in data sections, made by
	// Object.EncodeVariable.
	Variables map[string][]byte
	// Members are values for plain data members of struct_ops variables:
	// Members["variable"]["member"].
	Members map[string]map[string]int64
	// Symbol is the address of a kernel symbol; nil: not known, a stand-in is used.
	Symbol func(name string) (uint64, bool)
	// CPUs is the number of possible CPUs, which sizes perf event arrays; 0: 1.
	CPUs int
	// Targets are attach targets of programs by name, for sections that name
	// none, such as SEC("fentry"): "vfs_read" or "module:function".
	Targets map[string]string
}

// moduleLister is implemented by kernels that can name their modules; without
// it only modules that the kernel's tables name are searched.
type moduleLister interface{ Modules() []string }

// binder is the state of one Bind.
type binder struct {
	o    *Object
	k    verifier.Kernel
	opts *Options
	out  *Bound
	core relocator

	code    map[*function]*relocated // functions after CO-RE
	externs []*boundExtern
	modules []string // names, resolved lazily
	strings map[uint32]string
	slots   map[string]slotUse // struct_ops programs by name
}

// relocated is a function's code after CO-RE, the same for all programs.
type relocated struct {
	insns []bpf.Insn
	err   error
}

// slotUse is where a struct_ops program is used.
type slotUse struct {
	ops    *BoundStructOps
	member BoundMember
	err    error
}

// Bind resolves an object against a kernel. It makes no system call. An error
// means that nothing can be bound; what concerns one program or map is in its
// Err.
func (o *Object) Bind(k verifier.Kernel, opts Options) (*Bound, error) {
	b := &binder{
		o: o, k: k, opts: &opts, out: &Bound{Object: o, Kernel: k},
		code: make(map[*function]*relocated), strings: make(map[uint32]string), slots: make(map[string]slotUse),
	}
	b.core = relocator{local: o.BTF, find: b.candidates, cands: make(map[btf.ID][]candidate)}
	for name := range opts.Variables {
		if _, err := o.Variable(name); err != nil {
			return nil, fmt.Errorf("bind %s: %w", o.Name, err)
		}
	}
	b.externs = make([]*boundExtern, len(o.externs))
	b.bindMaps()
	for _, p := range o.Programs {
		if opts.Programs != nil && !opts.Programs(p) {
			continue
		}
		bp := &BoundProgram{Spec: p}
		prog, err := b.program(bp)
		if err != nil {
			bp.Err = fmt.Errorf("bind program %s: %w", p.Name, err)
		} else {
			bp.Program = prog
		}
		b.out.Programs = append(b.out.Programs, bp)
	}
	return b.out, nil
}

// relocate applies CO-RE to a function, once.
func (b *binder) relocate(f *function) *relocated {
	if r := b.code[f]; r != nil {
		return r
	}
	r := &relocated{insns: slices.Clone(f.insns)}
	b.code[f] = r
	if len(f.core) > 0 {
		if b.k.BTF() == nil {
			r.err = &MissingError{FeatureBTF, ""}
		} else {
			r.err = b.core.apply(f, r.insns)
		}
	}
	return r
}

// candidates finds the kernel's types of a name: in vmlinux, and only if there
// is none in modules.
func (b *binder) candidates(name string, kind btf.Kind) []candidate {
	var out []candidate
	add := func(s *btf.Spec) {
		for id := range s.Named(name) {
			if id >= s.FirstID() && kindsCompatible(kind, s.Kind(id)) {
				out = append(out, candidate{s, id})
			}
		}
	}
	add(b.k.BTF())
	if len(out) > 0 {
		return out
	}
	for _, m := range b.moduleNames() {
		if s := b.k.Module(m); s != nil {
			add(s)
		}
	}
	return out
}

func (b *binder) moduleNames() []string {
	if b.modules == nil {
		b.modules = []string{}
		if l, ok := b.k.(moduleLister); ok {
			b.modules = l.Modules()
		}
	}
	return b.modules
}

// inKernel finds a named type of one kind in vmlinux or a module. hint names
// modules to look into when the kernel cannot list them.
func (b *binder) inKernel(name string, kind btf.Kind, hint ...string) (*btf.Spec, btf.ID, bool) {
	vm := b.k.BTF()
	if vm == nil {
		return nil, 0, false
	}
	if id, ok := vm.Find(name, kind); ok {
		return vm, id, true
	}
	for _, m := range append(hint, b.moduleNames()...) {
		if m == "" {
			continue
		}
		s := b.k.Module(m)
		if s == nil {
			continue
		}
		for id := range s.Named(name) {
			if id >= s.FirstID() && s.Kind(id) == kind {
				return s, id, true
			}
		}
	}
	return nil, 0, false
}

// laid is one function placed in a program.
type laid struct {
	fn   *function
	base int
}

// layout appends to a program the subprograms it reaches, each once, in the
// order libbpf does: depth first, as they are called.
type layout struct {
	b     *binder
	insns []bpf.Insn
	parts []laid
	at    map[*function]int
}

func (l *layout) add(f *function) error {
	r := l.b.relocate(f)
	if r.err != nil {
		return r.err
	}
	base := len(l.insns)
	l.at[f] = base
	l.parts = append(l.parts, laid{f, base})
	l.insns = append(l.insns, r.insns...)
	if len(l.insns) > 1<<22 {
		return fmt.Errorf("append %s: program too long: %w", f.name, ErrInvalid)
	}
	for _, rl := range f.relocs {
		switch rl.kind {
		case relocBad:
			return fmt.Errorf("instruction %d of %s: %s: %w", rl.insn, f.name, rl.why, ErrInvalid)
		case relocCall, relocFunc:
			if _, ok := l.at[rl.fn]; !ok {
				if err := l.add(rl.fn); err != nil {
					return err
				}
			}
			in := &l.insns[base+rl.insn]
			if rl.kind == relocFunc {
				in.Regs = bpf.Regs(in.Dst(), bpf.PseudoFunc)
			}
			in.Imm = int32(l.at[rl.fn] - (base + rl.insn) - 1)
		}
	}
	return nil
}

// program binds one program.
func (b *binder) program(bp *BoundProgram) (*verifier.Program, error) {
	spec := bp.Spec
	p := &verifier.Program{
		Name: spec.Name, Section: spec.Section, Type: spec.Def.Type, AttachType: spec.Def.Attach,
		License: b.o.License, Modules: []*btf.Spec{b.k.BTF()}, AttachName: spec.Target,
	}
	if b.o.Untyped == "" {
		p.BTF, p.BTFRaw = b.o.BTF, b.o.BTFRaw
	}
	if spec.Def.Sleepable {
		p.Flags |= bpf.ProgSleepable
	}
	if spec.Def.Frags {
		p.Flags |= bpf.ProgXDPHasFrags
	}
	if err := b.attachTarget(p, spec); err != nil {
		return nil, err
	}
	l := &layout{b: b, at: make(map[*function]int)}
	if err := l.add(spec.fn); err != nil {
		return nil, err
	}
	if cb := spec.fn.excCB; cb != nil {
		if _, ok := l.at[cb]; !ok {
			if err := l.add(cb); err != nil {
				return nil, err
			}
		}
	}
	p.Insns = l.insns
	markRaw(p.Insns)
	for _, part := range l.parts {
		if err := b.references(bp, p, part); err != nil {
			return nil, err
		}
		b.debugInfo(bp, p, part)
	}
	return p, nil
}

// references fills in what the instructions of one function refer to.
func (b *binder) references(bp *BoundProgram, p *verifier.Program, part laid) error {
	for i := range part.fn.relocs {
		r := &part.fn.relocs[i]
		at := part.base + r.insn
		in := &p.Insns[at]
		switch r.kind {
		case relocMap, relocData:
			idx, err := b.useMap(bp, p, r.to)
			if err != nil {
				return err
			}
			if idx < 0 { // a struct_ops variable is no map a program may name
				return fmt.Errorf("instruction %d of %s refers to a struct_ops variable: %w", r.insn, part.fn.name, ErrInvalid)
			}
			if r.kind == relocMap {
				in.Regs, in.Imm = bpf.Regs(in.Dst(), bpf.PseudoMapFD), int32(idx)
			} else {
				p.Insns[at+1].Imm = part.fn.insns[r.insn].Imm + int32(r.off)
				in.Regs, in.Imm = bpf.Regs(in.Dst(), bpf.PseudoMapValue), int32(idx)
			}
		case relocExternLD, relocExternFn:
			if err := b.useExtern(bp, p, at, r); err != nil {
				return err
			}
		}
	}
	return nil
}

// markRaw marks descriptors that the author wrote into the code himself: they
// mean nothing here and must not be taken for indexes. References that have a
// relocation are filled in afterwards.
func markRaw(insns []bpf.Insn) {
	for i := 0; i < len(insns); i++ {
		in := &insns[i]
		if !in.IsLdImm64() {
			continue
		}
		if s := in.Src(); (s == bpf.PseudoMapFD || s == bpf.PseudoMapValue) && in.Imm >= 0 {
			in.Imm = -1 - in.Imm
		}
		i++
	}
}

// useMap gives a map an index in the program.
func (b *binder) useMap(bp *BoundProgram, p *verifier.Program, to int) (int, error) {
	m := b.out.Maps[to]
	if m.Err != nil {
		return 0, m.Err
	}
	if m.Spec.Kind == MapStructOps {
		return -1, nil
	}
	if i := slices.Index(bp.MapIndex, to); i >= 0 {
		return i, nil
	}
	bp.MapIndex = append(bp.MapIndex, to)
	p.Maps = append(p.Maps, m.Map)
	return len(p.Maps) - 1, nil
}

// module gives a BTF an index in the program.
func module(p *verifier.Program, s *btf.Spec) int {
	if i := slices.Index(p.Modules, s); i >= 0 {
		return i
	}
	p.Modules = append(p.Modules, s)
	return len(p.Modules) - 1
}

// debugInfo appends a function's func_info and line_info.
func (b *binder) debugInfo(bp *BoundProgram, p *verifier.Program, part laid) {
	if p.BTF == nil {
		return
	}
	for _, t := range part.fn.types {
		p.Funcs = append(p.Funcs, verifier.FuncInfo{Insn: part.base + t.insn, Type: t.typ})
		bp.FuncInfo = le.AppendUint32(le.AppendUint32(bp.FuncInfo, uint32(part.base+t.insn)), uint32(t.typ))
	}
	p.Lines = slices.Grow(p.Lines, len(part.fn.lines))
	bp.LineInfo = slices.Grow(bp.LineInfo, 16*len(part.fn.lines))
	for _, n := range part.fn.lines {
		at := part.base + n.insn
		p.Lines = append(p.Lines, verifier.LineInfo{Insn: at, File: b.str(n.file), Line: int(n.colm >> 10), Column: int(n.colm & 0x3ff), Source: b.str(n.line)})
		for _, w := range [...]uint32{uint32(at), n.file, n.line, n.colm} {
			bp.LineInfo = le.AppendUint32(bp.LineInfo, w)
		}
	}
}

func (b *binder) str(off uint32) string {
	if s, ok := b.strings[off]; ok {
		return s
	}
	s := b.o.BTF.StringAt(off)
	b.strings[off] = s
	return s
}
