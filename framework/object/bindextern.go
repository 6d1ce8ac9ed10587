// SPDX-License-Identifier: Apache-2.0

package object

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/btf"
	"github.com/modbpf/modbpf/verifier"
)

// boundExtern is what an extern became on this kernel.
type boundExtern struct {
	spec *btf.Spec // typed ksyms and kfuncs: where it lives; nil when the kernel has none
	id   btf.ID
	addr uint64 // untyped ksyms
	err  error
}

// standInAddress marks an untyped ksym's address that nobody knows yet. It is a
// canonical kernel address, so that comparisons with NULL fold as they will.
const standInAddress = 0xffffffff81000000

// useExtern fills in an instruction that refers to an extern.
func (b *binder) useExtern(bp *BoundProgram, p *verifier.Program, at int, r *reloc) error {
	in := &p.Insns[at]
	e := b.o.externs[r.to]
	if e.kind == externKconfig {
		for i, m := range b.o.Maps {
			if m.Kind != MapKconfig {
				continue
			}
			idx, err := b.useMap(bp, p, i)
			if err != nil {
				return err
			}
			in.Regs, in.Imm = bpf.Regs(in.Dst(), bpf.PseudoMapValue), int32(idx)
			p.Insns[at+1].Imm = int32(e.off)
		}
		return nil
	}
	x := b.extern(r.to)
	if x.err != nil {
		return x.err
	}
	if r.kind == relocExternFn {
		if x.spec == nil {
			*in = bpf.Insn{Op: bpf.OpCall, Imm: PoisonKfunc + int32(r.to)}
			return nil
		}
		in.Regs, in.Imm, in.Off = bpf.Regs(in.Dst(), bpf.PseudoKfuncCall), int32(x.id), int16(module(p, x.spec))
		return nil
	}
	if x.spec != nil {
		in.Regs, in.Imm = bpf.Regs(in.Dst(), bpf.PseudoBTFID), int32(x.id)
		p.Insns[at+1].Imm = int32(module(p, x.spec))
		return nil
	}
	in.Imm, p.Insns[at+1].Imm = int32(uint32(x.addr)), int32(uint32(x.addr>>32))
	if x.addr == standInAddress {
		bp.Symbols = append(bp.Symbols, SymbolRef{Insn: at, Name: e.name, Weak: e.weak})
	}
	return nil
}

// extern resolves an extern, once.
func (b *binder) extern(i int) *boundExtern {
	if x := b.externs[i]; x != nil {
		return x
	}
	e := b.o.externs[i]
	x := &boundExtern{}
	b.externs[i] = x
	switch {
	case e.kind == externLinked && e.weak:
	case e.kind == externLinked:
		x.err = fmt.Errorf("resolve %s: %w", e.name, ErrUnlinked)
	case e.isFunc:
		b.kfunc(e, x)
	case e.typ == 0:
		b.symbol(e, x)
	default:
		b.variable(e, x)
	}
	return x
}

// kfunc finds a kernel function to call.
func (b *binder) kfunc(e *extern, x *boundExtern) {
	name := essentialName(e.name)
	var hint []string
	if kf := b.k.Kfunc(name); kf != nil {
		for _, r := range kf.Registrations {
			hint = append(hint, r.Module)
		}
	}
	s, id, ok := b.inKernel(name, btf.KindFunc, hint...)
	if !ok {
		if !e.weak {
			x.err = &MissingError{FeatureKfunc, name}
		}
		return
	}
	if !typesCompatible(b.o.BTF, e.typ, s, s.Type(id).Ref) {
		if !e.weak {
			x.err = fmt.Errorf("resolve kfunc %s: its prototype in the object is not the kernel's: %w", e.name, ErrIncompatible)
		}
		return
	}
	x.spec, x.id = s, id
}

// variable finds a kernel variable with a type.
func (b *binder) variable(e *extern, x *boundExtern) {
	s, id, ok := b.inKernel(e.name, btf.KindVar)
	if !ok {
		if !e.weak {
			x.err = &MissingError{FeatureVariable, e.name}
		}
		return
	}
	if !typesCompatible(b.o.BTF, e.typ, s, s.SkipMods(s.Type(id).Ref)) {
		x.err = fmt.Errorf("resolve kernel variable %s: its type in the object is not the kernel's: %w", e.name, ErrIncompatible)
		return
	}
	x.spec, x.id = s, id
}

// symbol finds the address of a kernel symbol without a type.
func (b *binder) symbol(e *extern, x *boundExtern) {
	if b.opts.Symbol == nil {
		x.addr = standInAddress
		return
	}
	addr, ok := b.opts.Symbol(e.name)
	if !ok && !e.weak {
		x.err = &MissingError{FeatureSymbol, e.name}
	}
	x.addr = addr
}

// kconfigValues fills the .kconfig map. A symbol that is not set is zero for
// weak externs and for those that can say "n"; others are missing.
func (b *binder) kconfigValues(size uint32) ([]byte, error) {
	out := make([]byte, size)
	for _, e := range b.o.externs {
		if e.kind != externKconfig {
			continue
		}
		if err := b.kconfigValue(e, out[e.off:][:e.size]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (b *binder) kconfigValue(e *extern, at []byte) error {
	switch e.name {
	case "LINUX_KERNEL_VERSION":
		r := b.k.Release()
		return b.kconfigNumber(e, at, uint64(r.Major<<16|r.Minor<<8|min(r.Patch, 255)))
	case "LINUX_HAS_BPF_COOKIE":
		return b.kconfigNumber(e, at, 1) // since 5.15
	case "LINUX_HAS_SYSCALL_WRAPPER":
		return b.kconfigNumber(e, at, 1) // x86-64, arm64, riscv and s390 all select it
	}
	v := b.k.Config(e.name)
	t := b.o.BTF.SkipMods(e.typ)
	switch {
	case v == "" && e.weak:
		return nil
	case v == "":
		return &MissingError{FeatureConfig, e.name}
	case v[0] == '"':
		return b.kconfigString(e, at, v)
	case v == "y" || v == "n" || v == "m":
		return b.kconfigTristate(e, at, t, v)
	}
	n, err := strconv.ParseUint(v, 0, 64)
	if err != nil {
		s, err := strconv.ParseInt(v, 0, 64)
		if err != nil {
			return fmt.Errorf("resolve %s: value %q of the kernel is no number: %w", e.name, v, ErrIncompatible)
		}
		n = uint64(s)
	}
	return b.kconfigNumber(e, at, n)
}

func (b *binder) kconfigTristate(e *extern, at []byte, t btf.ID, v string) error {
	switch k := b.o.BTF.Kind(t); {
	case isEnum(k) && b.o.BTF.Name(t) == "libbpf_tristate":
		at[0] = byte(strings.Index("nym", v)) // TRI_NO 0, TRI_YES 1, TRI_MODULE 2
	case k == btf.KindInt && b.o.BTF.Int(t).Bool && v != "m":
		if v == "y" {
			at[0] = 1
		}
	case k == btf.KindInt && e.size == 1 && !b.o.BTF.Int(t).Bool:
		at[0] = v[0]
	default:
		return fmt.Errorf("resolve %s: value %q does not fit its type in the object: %w", e.name, v, ErrIncompatible)
	}
	return nil
}

func (b *binder) kconfigString(e *extern, at []byte, v string) error {
	a := b.o.BTF.Array(b.o.BTF.SkipMods(e.typ))
	if a.Len == 0 || len(v) < 2 || v[len(v)-1] != '"' {
		return fmt.Errorf("resolve %s: value %s needs an array of char: %w", e.name, v, ErrIncompatible)
	}
	copy(at[:len(at)-1], v[1:len(v)-1])
	return nil
}

func (b *binder) kconfigNumber(e *extern, at []byte, v uint64) error {
	t := b.o.BTF.SkipMods(e.typ)
	i := b.o.BTF.Int(t)
	bits := 8 * e.size
	fits := e.size == 8 || v>>bits == 0
	if i.Signed {
		fits = e.size == 8 || v+1<<(bits-1) < 1<<bits
	}
	if i.Bool {
		fits = v <= 1
	}
	if b.o.BTF.Kind(t) != btf.KindInt || e.size > 8 || !fits {
		return fmt.Errorf("resolve %s: value %d does not fit its type in the object: %w", e.name, v, ErrIncompatible)
	}
	putUint(at, v)
	return nil
}

// putUint stores the low bytes of v.
func putUint(at []byte, v uint64) {
	for i := range at {
		if i < 8 {
			at[i] = byte(v >> (8 * i))
		}
	}
}
