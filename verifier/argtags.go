// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"strings"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/btf"
	"github.com/modbpf/modbpf/kfuncs"
)

// Arguments of global functions: each is verified alone, with nothing known of
// its arguments but their types and the tags arg:ctx, arg:nonnull, ... on them.

// argTag is one tag.
type argTag uint8

const (
	tagCtx argTag = 1 << iota
	tagTrusted
	tagUntrusted
	tagNonnull
	tagNullable
	tagArena
)

var argTagNames = map[string]argTag{
	"ctx": tagCtx, "trusted": tagTrusted, "untrusted": tagUntrusted, "nonnull": tagNonnull, "nullable": tagNullable, "arena": tagArena,
}

// prepareArgs reads the BTF types and tags of a global subprogram's arguments
// into subs[sub].args. A refusal is for calls only; argsState says if it was read.
func (e *env) prepareArgs(sub int) *Diagnostic {
	sp := &e.subs[sub]
	switch sp.argsState {
	case 1:
		return nil
	case 2:
		return sp.argsErr
	}
	sp.args = nil
	if d := e.readArgs(sub); d != nil {
		sp.argsState, sp.argsErr = 2, d
		return d
	}
	sp.argsState = 1
	return nil
}

func (e *env) readArgs(sub int) *Diagnostic {
	sp := &e.subs[sub]
	bad := func(format string, args ...any) *Diagnostic { return e.errf(CodeGlobalArg, format, args...) }
	s := e.prog.BTF
	if s == nil || sp.typ == 0 {
		return bad("Global functions need valid BTF")
	}
	proto := s.Type(sp.typ).Ref
	t := s.Type(proto)
	if t.Kind != btf.KindFuncProto {
		return bad("Invalid type of function %s()", sp.name)
	}
	if t.Vlen > 5 {
		return bad("Global function %s() with %d > 5 args. Buggy compiler.", sp.name, t.Vlen)
	}
	ret := s.Kind(s.SkipMods(t.Ref))
	if !isScalarKind(ret) && !(sub > 0 && e.toArena(s, t.Ref)) && !(ret == btf.KindVoid && (e.has(FeatVoidGlobal) || !sp.global)) {
		if sp.global {
			return bad("Global function %s() doesn't return scalar. Only those are supported.", sp.name)
		}
		if ret != btf.KindVoid {
			return bad("function %s() doesn't return a scalar", sp.name)
		}
	}
	for i := range t.Vlen {
		a, d := e.readArg(s, sp, proto, i)
		if d != nil {
			return d
		}
		sp.args = append(sp.args, a)
	}
	return nil
}

// argTags gathers the tags of one argument.
func (e *env) argTags(s *btf.Spec, sp *subprog, i int) (argTag, *Diagnostic) {
	var tags argTag
	for _, d := range s.DeclTags(sp.typ) {
		name, ok := strings.CutPrefix(d.Tag, "arg:")
		if d.Component != i || !ok {
			continue
		}
		if !sp.global {
			return 0, e.errf(CodeGlobalArg, "arg#%d type tag is not supported in static functions", i)
		}
		t := argTagNames[name]
		if t == 0 || t == tagUntrusted && !e.has(FeatUntrustedArg) {
			return 0, e.errf(CodeGlobalArg, "arg#%d has unsupported set of tags", i)
		}
		tags |= t
	}
	return tags, nil
}

// toArena reports pointers whose pointee is tagged as living in the arena.
func (e *env) toArena(s *btf.Spec, id btf.ID) bool {
	id = s.SkipMods(id)
	if !e.has(FeatArenaTag) || s.Kind(id) != btf.KindPtr {
		return false
	}
	for id = s.Type(id).Ref; ; id = s.Type(id).Ref {
		switch s.Kind(id) {
		case btf.KindTypeTag:
			if s.Name(id) == "arena" && !s.Type(id).KindFlag {
				return true
			}
		case btf.KindConst, btf.KindVolatile, btf.KindRestrict, btf.KindTypedef:
		default:
			return false
		}
	}
}

func (e *env) readArg(s *btf.Spec, sp *subprog, proto btf.ID, i int) (subArg, *Diagnostic) {
	bad := func(format string, args ...any) (subArg, *Diagnostic) {
		return subArg{}, e.errf(CodeGlobalArg, format, args...)
	}
	tags, d := e.argTags(s, sp, i)
	if d != nil {
		return subArg{}, d
	}
	if e.toArena(s, s.Param(proto, i).Type) {
		tags |= tagArena
	}
	id := s.SkipMods(s.Param(proto, i).Type)
	t := s.Type(id)
	if t.Kind != btf.KindPtr {
		if tags != 0 {
			return bad("arg#%d has pointer tag, but is not a pointer type", i)
		}
		if isScalarKind(t.Kind) {
			return subArg{Kind: kfuncs.ArgAnything}, nil
		}
		return bad("Arg#%d type %v in %s() is not supported yet.", i, t.Kind, sp.name)
	}
	to := s.SkipMods(t.Ref)
	if tags&tagCtx != 0 || e.isCtxType(s, t.Ref) {
		if tags&^tagCtx != 0 {
			return bad("arg#%d has invalid combination of tags", i)
		}
		if tags&tagCtx != 0 {
			if d := e.validCtxArg(s, t.Ref, i); d != nil {
				return subArg{}, d
			}
		}
		return subArg{Kind: kfuncs.ArgCtx}, nil
	}
	if k := s.Kind(to); s.Name(to) == "bpf_dynptr" && (k == btf.KindStruct || k == btf.KindFwd) {
		if tags != 0 {
			return bad("arg#%d has invalid combination of tags", i)
		}
		return subArg{Kind: kfuncs.ArgDynptr}, nil
	}
	if tags&tagTrusted != 0 {
		if tags&tagNonnull != 0 {
			return bad("arg#%d has invalid combination of tags", i)
		}
		kid, d := e.kernelType(s, to, i)
		if d != nil {
			return subArg{}, d
		}
		a := subArg{Kind: kfuncs.ArgBTFID, Flags: ptrTrusted, BTF: btfKernel, BTFID: kid}
		if tags&tagNullable != 0 {
			a.Flags |= maybeNull
		}
		return a, nil
	}
	if tags&tagUntrusted != 0 {
		if tags&^tagUntrusted != 0 {
			return bad("arg#%d untrusted cannot be combined with any other tags", i)
		}
		if k := s.Kind(to); k == btf.KindVoid || k == btf.KindInt || k == btf.KindEnum || k == btf.KindEnum64 || k == btf.KindFloat {
			return subArg{Kind: kfuncs.ArgMem, Flags: memRdonly | ptrUntrusted}, nil
		}
		kid, d := e.kernelType(s, to, i)
		if d != nil {
			return subArg{}, d
		}
		if k := e.k.BTF().Kind(kid); k != btf.KindStruct && k != btf.KindUnion {
			return bad("arg#%d has type %v, but only struct or primitive types are allowed", i, k)
		}
		return subArg{Kind: kfuncs.ArgBTFID, Flags: ptrUntrusted, BTF: btfKernel, BTFID: kid}, nil
	}
	if tags&tagArena != 0 {
		if tags&^tagArena != 0 {
			return bad("arg#%d arena cannot be combined with any other tags", i)
		}
		return subArg{Arena: true}, nil
	}
	if !sp.global {
		return bad("Arg#%d type %v in %s() is not supported yet.", i, t.Kind, sp.name)
	}
	if tags&tagNullable != 0 {
		return bad("arg#%d has invalid combination of tags", i)
	}
	n, ok := s.Sizeof(to)
	if !ok {
		return bad("arg#%d reference type('%s') size cannot be determined", i, s.Name(to))
	}
	a := subArg{Kind: kfuncs.ArgMem, Flags: maybeNull, Size: n}
	if tags&tagNonnull != 0 {
		a.Flags &^= maybeNull
	}
	return a, nil
}

// kernelType finds the one kernel type a type of the program stands for: by the
// name before any ___flavor, and by kind.
func (e *env) kernelType(s *btf.Spec, id btf.ID, arg int) (btf.ID, *Diagnostic) {
	name, _, _ := strings.Cut(s.Name(id), "___")
	var found btf.ID
	n := 0
	if name != "" {
		kind := s.Kind(id)
		for k := range e.k.BTF().Named(name) {
			if e.k.BTF().Kind(k) == kind {
				found = k
				n++
			}
		}
	}
	switch n {
	case 1:
		return found, nil
	case 0:
		return 0, e.errf(CodeGlobalArg, "arg#%d reference type('%s') has no matches", arg, s.Name(id))
	}
	return 0, e.errf(CodeGlobalArg, "arg#%d reference type('%s') is ambiguous", arg, s.Name(id))
}

// checkTypedArg judges an argument of a call to a global function that is a
// dynptr or BTF pointer.
func (e *env) checkTypedArg(regno int, a *subArg) *Diagnostic {
	r := &e.cur.regs()[regno]
	if a.Kind == kfuncs.ArgDynptr {
		if d := e.checkArgOff(regno, offRule{dynptr: true}); d != nil {
			return d
		}
		_, d := e.dynptrArg(regno, dynptrUse{readonly: true})
		return d
	}
	if r.isNull() && a.Flags.maybeNull() {
		return e.markPrecise(regno)
	}
	if a.Flags.has(ptrUntrusted) {
		return nil
	}
	t := r.Type
	if a.Flags.maybeNull() {
		t &^= maybeNull
	}
	switch t {
	case ptrToBTFID | ptrTrusted, ptrToBTFID | memRCU, ptrToBTFID:
	default:
		return e.errf(CodeBTFArgType, "R%d type=%v expected=ptr_, trusted_ptr_, rcu_ptr_", regno, r.Type)
	}
	if !structMatches(e.btfOf(r), r.BTFID, r.constOff(), e.btfs[a.BTF], a.BTFID, false, true) {
		return e.errf(CodeBTFArgType, "R%d is of type %s but %s is expected", regno, e.pointeeName(r), e.btfs[a.BTF].Name(a.BTFID))
	}
	return e.checkArgOff(regno, offRule{})
}

// validCtxArg judges a parameter tagged arg:ctx: it must be void, or the context
// type of the program type.
func (e *env) validCtxArg(s *btf.Spec, pointee btf.ID, i int) *Diagnostic {
	bad := func(format string, args ...any) *Diagnostic { return e.errf(CodeGlobalArg, format, args...) }
	pt, at := e.progType(), e.prog.AttachType
	if pt == bpf.ProgKprobe || pt == bpf.ProgPerfEvent {
		for id := pointee; ; {
			t := s.Type(id)
			if t.Kind == btf.KindTypedef && s.Name(id) == "bpf_user_pt_regs_t" {
				return nil
			}
			if t.Kind != btf.KindConst && t.Kind != btf.KindVolatile && t.Kind != btf.KindRestrict && t.Kind != btf.KindTypeTag {
				break
			}
			id = t.Ref
		}
	}
	id := s.SkipMods(pointee)
	t := s.Type(id)
	if t.Kind == btf.KindVoid {
		return nil
	}
	name := s.Name(id)
	if name == "" {
		return bad("arg#%d type doesn't have a name", i)
	}
	u64 := t.Kind == btf.KindInt && t.Size == 8
	isStruct := t.Kind == btf.KindStruct
	switch pt {
	case bpf.ProgKprobe, bpf.ProgPerfEvent:
		if isStruct && name == "pt_regs" {
			return nil
		}
	case bpf.ProgRawTracepoint, bpf.ProgRawTracepointWritable, bpf.ProgLSM, bpf.ProgStructOps:
		if u64 {
			return nil
		}
	case bpf.ProgTracing:
		switch {
		case at == bpf.AttachTraceRawTP && (u64 || isStruct && name == "bpf_raw_tracepoint_args"),
			at == bpf.AttachTraceIter && isStruct && strings.HasPrefix(name, "bpf_iter__"),
			(at == bpf.AttachTraceFentry || at == bpf.AttachTraceFexit || at == bpf.AttachModifyReturn || at == bpf.AttachTraceFsession) && u64:
			return nil
		}
	case bpf.ProgTracepoint, bpf.ProgSyscall, bpf.ProgExt:
		return nil
	}
	ctx, _ := e.ctxTypes()
	k := e.k.BTF()
	ctx = k.SkipMods(ctx)
	if k.Kind(ctx) != btf.KindStruct {
		return bad("arg#%d should be void pointer", i)
	}
	if !isStruct || k.Name(ctx) != name {
		return bad("arg#%d should be `struct %s *`", i, k.Name(ctx))
	}
	return nil
}
