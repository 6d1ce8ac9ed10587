// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"strings"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/btf"
	"github.com/modbpf/modbpf/kfuncs"
	"github.com/modbpf/modbpf/structops"
	"github.com/modbpf/modbpf/verifier/scalar"
)

const implicitArgsFlag = kfuncs.ImplicitArgs

// ctxArgIndex finds the argument at a byte offset of the context: each takes
// eight bytes, structs by value as many as they need.
func ctxArgIndex(s *btf.Spec, proto btf.ID, off int, skip int) int {
	if proto == 0 {
		return off / 8
	}
	at := 0
	n := s.Type(proto).Vlen
	for i := 0; i < n; i++ {
		size := 8
		if t := s.Type(s.SkipMods(s.Param(proto, i).Type)); t.Kind == btf.KindStruct {
			size = int(t.Size+7) &^ 7
		}
		if skip > 0 {
			skip--
			continue
		}
		at += size
		if off < at {
			return i
		}
	}
	return n + (off-at)/8
}

// checkBTFCtx judges a context access of a program whose arguments come from
// BTF (Hook.CtxBTF). For a load it fills dst with what is read.
func (e *env) checkBTFCtx(off, size int, acc access, dst *Reg) *Diagnostic {
	bad := func(format string, args ...any) *Diagnostic { return e.errf(CodeCtxAccess, format, args...) }
	if acc != accRead || off < 0 || off >= 8*12 || off%size != 0 {
		return bad("invalid bpf_context access off=%d size=%d", off, size)
	}
	name, s, proto := e.typed.name, e.typed.protoBTF, e.typed.proto
	if off%8 != 0 {
		return bad("invalid bpf_context access off=%d size=%d: func '%s' offset %d is not multiple of 8", off, size, name, off)
	}
	skip := e.typed.noArg
	arg := ctxArgIndex(s, proto, off, skip)
	n := 5
	if proto != 0 {
		n = s.Type(proto).Vlen
	}
	if arg > n {
		return bad("invalid bpf_context access off=%d size=%d: func '%s' doesn't have %d-th argument", off, size, name, arg-skip+1)
	}
	var t btf.ID
	isRet := arg == n
	if isRet {
		switch e.prog.AttachType {
		case bpf.AttachLSMMac, bpf.AttachLSMCgroup, bpf.AttachTraceFexit, bpf.AttachTraceFsession:
			if proto == 0 {
				e.loadScalar(dst, size)
				return nil
			}
			t = s.Type(proto).Ref
		case bpf.AttachModifyReturn:
			if proto == 0 || !isScalarKind(s.Kind(s.SkipMods(s.Type(proto).Ref))) {
				return bad("invalid bpf_context access off=%d size=%d: ret type not allowed for fmod_ret", off, size)
			}
			t = s.Type(proto).Ref
		default:
			return bad("invalid bpf_context access off=%d size=%d: func '%s' doesn't have %d-th argument", off, size, name, arg-skip+1)
		}
	} else {
		if proto == 0 {
			e.loadScalar(dst, size)
			return nil
		}
		t = s.Param(proto, arg).Type
	}
	if r := e.argRule(arg); r != nil && r.BTF != "" && !isRet {
		id, ok := s.Find(r.BTF, btf.KindStruct)
		if !ok {
			return e.lacks(CodeCtxType, "the kernel has no struct %s", r.BTF)
		}
		dst.markPtr(ptrToBTFID | ptrTrusted)
		dst.BTF, dst.BTFID = e.btfRefOf(s), id
		return nil
	}
	t = s.SkipMods(t)
	tt := s.Type(t)
	if isScalarKind(tt.Kind) && tt.Size <= 8 || tt.Kind == btf.KindStruct || tt.Kind == btf.KindUnion {
		e.loadScalar(dst, size)
		if isRet && e.prog.AttachType == bpf.AttachLSMMac {
			e.limitRetval(dst)
		}
		return nil
	}
	if tt.Kind != btf.KindPtr {
		return bad("invalid bpf_context access off=%d size=%d: func '%s' arg%d has type %v. Only pointer access is allowed", off, size, name, arg, tt.Kind)
	}
	if size != 8 {
		return bad("invalid bpf_context access off=%d size=%d: func '%s' size %d must be 8", off, size, name, size)
	}
	info := e.ctxArgInfo(arg)
	if b := info.base(); b == ptrToBuf || b == ptrToArena {
		dst.markPtr(info)
		if info.maybeNull() {
			dst.ID = e.newID()
		}
		return nil
	}
	to := s.SkipMods(tt.Ref)
	if k := s.Kind(to); k != btf.KindStruct && k != btf.KindUnion {
		e.loadScalar(dst, size)
		return nil
	}
	if e.prog.AttachProg != nil {
		return e.ctxOfProg(s, tt.Ref, dst, off, size)
	}
	id, tags, err := walkTags(s, tt.Ref, map[string]RegType{"user": memUser, "percpu": memPercpu})
	if err != nil {
		return bad("invalid bpf_context access off=%d size=%d: func '%s' arg%d has multiple type tags", off, size, name, arg)
	}
	ref := e.btfRefOf(s)
	if info != 0 {
		dst.markPtr(info &^ objRelease)
		dst.BTF, dst.BTFID = ref, id
		if info.maybeNull() {
			dst.ID = e.newID()
		}
		if info&objRelease != 0 { // a reference handed to the program
			dst.RefObj = e.argRef(arg)
		}
		return nil
	}
	id = e.argType(s, id)
	rt := ptrToBTFID | tags
	if e.argsTrusted() {
		rt |= ptrTrusted
	}
	if !isRet && strings.HasSuffix(s.Param(proto, arg).Name, "__nullable") {
		rt |= maybeNull
	}
	if e.prog.AttachType == bpf.AttachTraceRawTP && e.prog.Type == bpf.ProgTracing && e.has(FeatRawTPNull) {
		mask, known := rawTPNull[name]
		i := uint(arg-skip) * 4
		if mask>>i&1 != 0 || !known && s.Base() != nil {
			rt |= maybeNull
		}
		if mask>>i&2 != 0 {
			e.loadScalar(dst, 8) // may hold an error code
			return nil
		}
	}
	dst.markPtr(rt)
	dst.BTF, dst.BTFID = ref, id
	if rt.maybeNull() {
		dst.ID = e.newID()
	}
	return nil
}

// argType is the type a struct argument has for programs of the table: some
// tables give programs another one than the prototype says.
func (e *env) argType(s *btf.Spec, id btf.ID) btf.ID {
	if e.table == nil {
		return id
	}
	name := s.Name(id)
	for _, p := range e.table.Promote {
		if p[0] == name {
			if t, ok := s.Find(p[1], btf.KindStruct); ok {
				return t
			}
		}
	}
	return id
}

// argRule is the table's rule for an argument, nil if there is none.
func (e *env) argRule(arg int) *structops.ArgRule {
	if e.slot == nil {
		return nil
	}
	for i := range e.slot.Args {
		if e.slot.Args[i].Index == arg {
			return &e.slot.Args[i]
		}
	}
	return nil
}

func (e *env) loadScalar(dst *Reg, size int) {
	dst.markUnknown()
	if size < 8 {
		dst.Val.LimitU(0, 1<<(8*size)-1)
		dst.Val.Sync(scalar.Newest)
	}
}

// limitRetval bounds the return value an LSM program reads.
func (e *env) limitRetval(dst *Reg) {
	r, ok := e.lsmRange()
	if !ok {
		return
	}
	dst.Val.LimitS32(r.min, r.max)
	dst.Val.LimitS(int64(r.min), int64(r.max))
	dst.Val.Sync(scalar.Newest)
}

// argsTrusted reports whether pointer arguments are trusted.
func (e *env) argsTrusted() bool {
	switch e.prog.Type {
	case bpf.ProgTracing:
		return e.prog.AttachType == bpf.AttachTraceRawTP || e.prog.AttachType == bpf.AttachTraceIter
	case bpf.ProgLSM:
		return !e.inSet("untrusted_lsm_hooks", e.typed.name)
	case bpf.ProgStructOps:
		return true
	}
	return false
}

// ctxArgInfo is what the kernel knows of an argument beyond its type: iterator
// targets say it in a table, struct_ops by the names of the stub's parameters.
// objRelease stands for a reference the program must dispose of.
func (e *env) ctxArgInfo(arg int) RegType {
	switch {
	case e.prog.Type == bpf.ProgStructOps:
		switch r := e.argRule(arg); {
		case r == nil:
		case r.Arena:
			return ptrToArena
		case r.Ref:
			return ptrToBTFID | ptrTrusted | objRelease
		case r.Nullable:
			return ptrToBTFID | ptrTrusted | maybeNull
		}
	case e.prog.Type == bpf.ProgTracing && e.prog.AttachType == bpf.AttachTraceIter:
		t := strings.TrimPrefix(e.typed.name, "bpf_iter_")
		return iterArgs[t][e.typed.protoBTF.Param(e.typed.proto, arg).Name]
	}
	return 0
}

// argRef is the reference of a __ref argument: acquired once, at entry.
func (e *env) argRef(arg int) uint32 {
	for _, a := range e.typed.argRefs {
		if a.arg == arg {
			if e.cur.findRef(a.id) {
				return a.id
			}
		}
	}
	return 0
}

// enterArgs acquires the references a struct_ops slot hands to the program.
func (e *env) enterArgs() {
	if e.slot == nil {
		return
	}
	e.typed.argRefs = e.typed.argRefs[:0]
	save := e.insn
	e.insn = 0
	for i := range e.slot.Args {
		if e.slot.Args[i].Ref {
			e.typed.argRefs = append(e.typed.argRefs, argRef{e.slot.Args[i].Index, e.acquireRef()})
		}
	}
	e.insn = save
}

// ctxOfProg judges an argument of a traced program: only its context has a type.
func (e *env) ctxOfProg(s *btf.Spec, pointee btf.ID, dst *Reg, off, size int) *Diagnostic {
	target := e.prog.AttachProg
	probe := &env{prog: target, k: e.k}
	if !probe.isCtxType(s, pointee) {
		return e.errf(CodeCtxAccess, "invalid bpf_context access off=%d size=%d: the argument is not the context of a %v program", off, size, target.Type)
	}
	_, kern := probe.ctxTypes()
	dst.markPtr(ptrToBTFID)
	dst.BTF, dst.BTFID = btfKernel, kern
	return nil
}

// lsmRange is the range of an LSM hook's return value.
func (e *env) lsmRange() (retRange, bool) {
	s, proto := e.typed.protoBTF, e.typed.proto
	if proto == 0 || s.Type(proto).Ref == 0 {
		return retRange{}, false
	}
	if e.inSet("bool_lsm_hooks", e.typed.name) {
		return retRange{min: 0, max: 1, ret32: true}, true
	}
	return retRange{min: -maxErrno, max: 0, ret32: true}, true
}

// btfReturn is the range a program with an attach target must return: ok is
// false when everything may be returned.
func (e *env) btfReturn() (r retRange, ok bool) {
	switch e.prog.Type {
	case bpf.ProgTracing:
		switch e.prog.AttachType {
		case bpf.AttachTraceFentry, bpf.AttachTraceFexit, bpf.AttachTraceFsession, bpf.AttachTraceFentryMulti, bpf.AttachTraceFexitMulti, bpf.AttachTraceFsessionMulti:
			return retRange{}, true
		case bpf.AttachTraceRawTP, bpf.AttachModifyReturn:
			return retRange{}, false
		}
		return retRange{min: 0, max: 1}, true
	case bpf.ProgLSM:
		if e.prog.AttachType != bpf.AttachLSMCgroup {
			return e.lsmRange()
		}
		if s := e.typed.protoBTF; e.typed.proto != 0 && s.Type(e.typed.proto).Ref == 0 {
			return retRange{min: 1, max: 1}, true
		}
		return retRange{min: 0, max: 1}, true
	case bpf.ProgStructOps:
		if e.typed.retPtr {
			return retRange{}, true
		}
	}
	return retRange{}, false
}

// checkBTFReturn judges R0 where the return value is a pointer (struct_ops
// slots with RetPtr); handled says that nothing more is to be judged.
func (e *env) checkBTFReturn() (handled bool, d *Diagnostic) {
	if e.prog.Type != bpf.ProgStructOps && !(e.prog.Type == bpf.ProgLSM && e.prog.AttachType != bpf.AttachLSMCgroup) || e.typed.protoBTF == nil {
		return false, nil
	}
	s := e.typed.protoBTF
	if s.SkipMods(s.Type(e.typed.proto).Ref) == 0 {
		return true, nil // the slot returns nothing
	}
	r := &e.cur.regs()[0]
	if e.typed.retStruct != 0 && r.Type.base() == ptrToBTFID && r.RefObj != 0 &&
		sameType(e.btfOf(r), r.BTFID, s, e.typed.retStruct) {
		return true, e.checkPtrOff(r, 0, false)
	}
	return false, nil
}
