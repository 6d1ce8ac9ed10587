// SPDX-License-Identifier: Apache-2.0

package object

import (
	"fmt"
	"strings"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/btf"
	"github.com/modbpf/modbpf/verifier"
)

// attachTarget finds what a program is made for in the kernel's BTF.
func (b *binder) attachTarget(p *verifier.Program, spec *ProgramSpec) error {
	if spec.Def.Type == bpf.ProgUnspec {
		return fmt.Errorf("section %q: %w", spec.Section, ErrNoType)
	}
	if spec.Def.Type == bpf.ProgStructOps {
		return b.structOpsSlot(p)
	}
	if !spec.Def.BTFTarget {
		return nil
	}
	target := spec.Target
	if t, ok := b.opts.Targets[spec.Name]; ok {
		target, p.AttachName = t, t
	}
	if target == "" || spec.Def.Type == bpf.ProgExt {
		return ErrNeedsTarget
	}
	mod, name, split := strings.Cut(target, ":")
	if !split {
		mod, name = "", target
	}
	prefix, kind := "", btf.KindFunc
	switch {
	case spec.Def.Attach == bpf.AttachTraceRawTP:
		prefix, kind = "btf_trace_", btf.KindTypedef
	case spec.Def.Attach == bpf.AttachLSMMac || spec.Def.Attach == bpf.AttachLSMCgroup:
		prefix = "bpf_lsm_"
	case spec.Def.Attach == bpf.AttachTraceIter:
		prefix = "bpf_iter_"
	}
	if b.k.BTF() == nil {
		return &MissingError{FeatureBTF, ""}
	}
	if mod != "" && mod != "vmlinux" {
		s := b.k.Module(mod)
		if s == nil {
			return &MissingError{FeatureModule, mod}
		}
		for id := range s.Named(prefix + name) {
			if id >= s.FirstID() && s.Kind(id) == kind {
				p.AttachBTF, p.AttachID = s, id
				return nil
			}
		}
		return &MissingError{FeatureTarget, target}
	}
	s, id, ok := b.inKernel(prefix+name, kind)
	if !ok {
		return &MissingError{FeatureTarget, target}
	}
	p.AttachBTF, p.AttachID = s, id
	return nil
}

// structOpsSlot finds the member that a struct_ops variable gives the program.
func (b *binder) structOpsSlot(p *verifier.Program) error {
	u, ok := b.slots[p.Name]
	if !ok {
		return ErrNoTable
	}
	if u.err != nil {
		return u.err
	}
	p.AttachType = bpf.AttachStructOps
	p.AttachBTF, p.AttachID = u.ops.BTF, u.ops.Type
	p.StructOps, p.Slot, p.Member = u.ops.Table, u.member.Name, u.member.Index
	return nil
}
