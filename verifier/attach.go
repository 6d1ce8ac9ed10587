// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"strings"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/btf"
	"github.com/modbpf/modbpf/structops"
)

// What a program is attached to: struct_ops slots, traced functions and
// tracepoints, LSM hooks, iterator targets, functions of other programs.

// canSleep reports whether programs of a type may be sleepable at all.
func (e *env) canSleep() bool {
	switch e.prog.Type {
	case bpf.ProgTracing:
		switch e.prog.AttachType {
		case bpf.AttachTraceFentry, bpf.AttachTraceFexit, bpf.AttachModifyReturn, bpf.AttachTraceIter,
			bpf.AttachTraceFsession, bpf.AttachTraceFentryMulti, bpf.AttachTraceFexitMulti, bpf.AttachTraceFsessionMulti:
			return true
		case bpf.AttachTraceRawTP:
			return e.has(FeatTrustedArgs)
		}
		return false
	case bpf.ProgLSM:
		return e.prog.AttachType != bpf.AttachLSMCgroup || !e.has(FeatTrustedArgs)
	case bpf.ProgKprobe, bpf.ProgStructOps:
		return true
	case bpf.ProgRawTracepoint, bpf.ProgTracepoint:
		return e.has(FeatTrustedArgs)
	}
	return false
}

// checkAttach judges what the program wants to be attached to (tracing, LSM,
// struct_ops, extension) before anything else is looked at, and fills e.table, e.slot.
func (e *env) checkAttach() *Diagnostic {
	p := e.prog
	sleepable := p.Flags&bpf.ProgSleepable != 0
	if p.Type == bpf.ProgSyscall {
		if !sleepable {
			return e.errAt(-1, CodeSleepable, "Syscall programs can only be sleepable")
		}
		return nil
	}
	if sleepable && !e.canSleep() {
		return e.errAt(-1, CodeSleepable, "Only fentry/fexit/fmod_ret, lsm, iter, uprobe, and struct_ops programs can be sleepable")
	}
	switch p.Type {
	case bpf.ProgStructOps:
		return e.attachStructOps()
	case bpf.ProgTracing, bpf.ProgLSM, bpf.ProgExt:
		return e.attachTarget(sleepable)
	}
	return nil
}

// attachStructOps judges the slot a struct_ops program fills.
func (e *env) attachStructOps() *Diagnostic {
	p := e.prog
	if d := e.gplProgram(); d != nil {
		d.Insn = -1
		return d
	}
	s := p.AttachBTF
	if s == nil || p.AttachID == 0 || p.StructOps == "" {
		return e.errAt(-1, CodeStructOpsSlot, "the program does not say which struct_ops table it is for")
	}
	if s.Kind(p.AttachID) != btf.KindStruct {
		return e.lacks(CodeStructOpsSlot, "the kernel has no struct_ops table %s", p.StructOps)
	}
	if _, ok := s.Find("bpf_struct_ops_"+p.StructOps, btf.KindStruct); !ok {
		return e.errAt(-1, CodeStructOpsSlot, "attach_btf_id %d (%s) is not a supported struct", p.AttachID, p.StructOps)
	}
	e.table = e.k.StructOps(p.StructOps)
	n := s.Type(p.AttachID).Vlen
	if p.Member < 0 || p.Member >= n {
		return e.errAt(-1, CodeStructOpsSlot, "attach to invalid member idx %d of struct %s", p.Member, p.StructOps)
	}
	m := s.Member(p.AttachID, p.Member)
	to, ok := s.Pointee(m.Type)
	if ok {
		to = s.SkipMods(to)
	}
	if !ok || s.Kind(to) != btf.KindFuncProto {
		return e.errAt(-1, CodeStructOpsSlot, "attach to invalid member %s(@idx %d) of struct %s", m.Name, p.Member, p.StructOps)
	}
	if e.table != nil {
		for i := range e.table.Slots {
			if e.table.Slots[i].Member == m.Name {
				e.slot = &e.table.Slots[i]
			}
		}
	}
	if d := e.attachSlot(m.Name); d != nil {
		return d
	}
	e.typed.proto, e.typed.protoBTF = to, s
	e.typed.name = m.Name
	ret := s.SkipMods(s.Type(to).Ref)
	if s.Kind(ret) == btf.KindPtr {
		e.typed.retPtr = true
		if id := s.SkipMods(s.Type(ret).Ref); s.Kind(id) == btf.KindStruct {
			e.typed.retStruct = id
		}
	}
	for i := range e.subs {
		if e.subs[i].hasTailCall && e.takesRef() {
			return e.errAt(-1, CodeStructOpsSlot, "program with __ref argument cannot tail call")
		}
	}
	return nil
}

// takesRef reports whether the slot hands the program a reference.
func (e *env) takesRef() bool {
	if e.slot == nil {
		return false
	}
	for i := range e.slot.Args {
		if e.slot.Args[i].Ref {
			return true
		}
	}
	return false
}

// attachSlot judges that the kernel lets a program fill the slot: it has a stub
// for it, and the table's check accepts the program.
func (e *env) attachSlot(member string) *Diagnostic {
	if e.table == nil || e.slot == nil {
		return nil
	}
	refuse := func(why string) *Diagnostic {
		d := e.errAt(-1, CodeStructOpsSlot, "attach to unsupported member %s of struct %s", member, e.prog.StructOps)
		d.Contract = why
		return d
	}
	sleepable := e.prog.Flags&bpf.ProgSleepable != 0
	switch {
	case e.slot.Need == structops.NotImplementable:
		return refuse("the kernel has no stub for " + member)
	case sleepable && !e.slot.Sleepable:
		return refuse(member + " may not sleep")
	case !sleepable && e.slot.MustSleep:
		return refuse(member + " takes sleepable programs only")
	}
	return nil
}

// attachTarget judges the target of tracing, LSM and extension programs.
func (e *env) attachTarget(sleepable bool) *Diagnostic {
	p := e.prog
	bad := func(format string, args ...any) *Diagnostic { return e.errAt(-1, CodeAttach, format, args...) }
	if p.AttachID == 0 {
		return bad("Tracing programs must provide btf_id")
	}
	s := p.AttachBTF
	if p.AttachProg != nil {
		s = p.AttachProg.BTF
	}
	if s == nil {
		return bad("Tracing program can only be attached to another program annotated with BTF")
	}
	t := s.Type(p.AttachID)
	if int(p.AttachID) >= s.NumTypes() || t.Kind == btf.KindVoid {
		return bad("attach_btf_id %d is invalid", p.AttachID)
	}
	name := s.Name(p.AttachID)
	if name == "" {
		return bad("attach_btf_id %d doesn't have a name", p.AttachID)
	}
	e.typed.name, e.typed.protoBTF = name, s
	if p.AttachProg != nil {
		if d := e.attachProg(s, name); d != nil {
			return d
		}
	} else if p.Type == bpf.ProgExt {
		return bad("Cannot replace kernel functions")
	}
	switch p.AttachType {
	case bpf.AttachTraceRawTP:
		return e.attachRawTP(s, t, name, sleepable)
	case bpf.AttachTraceIter:
		if t.Kind != btf.KindFunc {
			return bad("attach_btf_id %d is not a function", p.AttachID)
		}
		if !strings.HasPrefix(name, "bpf_iter_") {
			return bad("%s is no target of iterators", name)
		}
		e.typed.proto = t.Ref
		return nil
	case bpf.AttachModifyReturn, bpf.AttachLSMMac, bpf.AttachLSMCgroup, bpf.AttachTraceFentry, bpf.AttachTraceFexit,
		bpf.AttachTraceFsession, bpf.AttachTraceFentryMulti, bpf.AttachTraceFexitMulti, bpf.AttachTraceFsessionMulti:
	default:
		if p.Type != bpf.ProgExt {
			return bad("attach type %v is not one of tracing programs", p.AttachType)
		}
	}
	if t.Kind != btf.KindFunc {
		return bad("attach_btf_id %d is not a function", p.AttachID)
	}
	e.typed.proto = t.Ref
	if p.AttachProg == nil {
		if k := e.k.Kfunc(name); k != nil && s.Kind(e.typed.proto) == btf.KindFuncProto {
			if impl, ok := s.Find(name+"_impl", btf.KindFunc); ok && e.implicitArgs(name) {
				e.typed.proto = s.Type(impl).Ref
			}
		}
	} else if e.typed.conservative {
		e.typed.proto = 0
	}
	if d := e.distill(s, name); d != nil {
		return d
	}
	if sleepable {
		if !e.sleepTarget(name) {
			return e.errAt(-1, CodeSleepable, "%s is not sleepable", name)
		}
	} else if p.AttachType == bpf.AttachModifyReturn {
		listed := e.inSet("fmodret", name)
		switch {
		case p.AttachProg != nil:
			return bad("can't modify return codes of BPF programs")
		case !listed && !isSyscallName(name) && !strings.HasPrefix(name, "security_") && !(e.k.Config("CONFIG_FUNCTION_ERROR_INJECTION") == "y" && errorInjection.has(name)):
			return bad("%s() is not modifiable", name)
		}
	}
	switch {
	case p.Type == bpf.ProgLSM:
		return e.attachLSM(name)
	case p.Type == bpf.ProgTracing && p.AttachProg == nil && e.inSet("btf_id_deny", name):
		return bad("Attaching tracing programs to function '%s' is rejected.", name)
	case (p.AttachType == bpf.AttachTraceFexit || p.AttachType == bpf.AttachModifyReturn || p.AttachType == bpf.AttachTraceFsession) && p.AttachProg == nil && e.inSet("noreturn_deny", name):
		return bad("Attaching fexit/fmod_ret to __noreturn function '%s' is rejected.", name)
	}
	return nil
}

func (e *env) implicitArgs(name string) bool {
	for _, r := range e.k.Kfunc(name).Registrations {
		if r.Flags&implicitArgsFlag != 0 {
			return true
		}
	}
	return false
}

func isSyscallName(n string) bool { return strings.HasPrefix(n, "__x64_") }

// sleepTarget reports whether a sleepable program may be attached to a function.
func (e *env) sleepTarget(name string) bool {
	if e.prog.AttachProg != nil {
		return false
	}
	switch e.prog.Type {
	case bpf.ProgTracing:
		// Of the functions registered for fmod_ret, one may sleep.
		if isSyscallName(name) || name == "bpf_fentry_test1" && e.inSet("fmodret", name) {
			return true
		}
		return e.k.Config("CONFIG_FUNCTION_ERROR_INJECTION") == "y" && errorInjection.has(name) && !e.inSet("btf_non_sleepable_error_inject", name)
	case bpf.ProgLSM:
		return e.inSet("sleepable_lsm_hooks", name)
	}
	return false
}

func (e *env) attachLSM(name string) *Diagnostic {
	if d := e.gplProgram(); d != nil {
		d.Insn = -1
		return d
	}
	if e.inSet("bpf_lsm_disabled_hooks", name) {
		return e.errAt(-1, CodeAttach, "attach_btf_id %d points to disabled hook %s", e.prog.AttachID, name)
	}
	if !strings.HasPrefix(name, "bpf_lsm_") {
		return e.errAt(-1, CodeAttach, "attach_btf_id %d points to wrong type name %s", e.prog.AttachID, name)
	}
	return nil
}

// attachRawTP judges a tracepoint: its typedef names the arguments, a template
// function, where BTF has it, their names.
func (e *env) attachRawTP(s *btf.Spec, t btf.Type, name string, sleepable bool) *Diagnostic {
	const prefix = "btf_trace_"
	switch {
	case e.prog.AttachProg != nil:
		return e.errAt(-1, CodeAttach, "Only FENTRY/FEXIT progs are attachable to another BPF prog")
	case t.Kind != btf.KindTypedef:
		return e.errAt(-1, CodeAttach, "attach_btf_id %d is not a typedef", e.prog.AttachID)
	case !strings.HasPrefix(name, prefix):
		return e.errAt(-1, CodeAttach, "attach_btf_id %d points to wrong type name %s", e.prog.AttachID, name)
	}
	tp := strings.TrimPrefix(name, prefix)
	if sleepable && !strings.HasPrefix(tp, "sys_") {
		return e.errAt(-1, CodeSleepable, "Sleepable program cannot attach to non-faultable tracepoint %s", tp)
	}
	to, ok := s.Pointee(t.Ref)
	if !ok || s.Kind(to) != btf.KindFuncProto {
		return e.errAt(-1, CodeAttach, "attach_btf_id %d is no tracepoint", e.prog.AttachID)
	}
	e.typed.proto, e.typed.name, e.typed.noArg = to, tp, 1
	// The probe function has the arguments' names, and so their suffixes.
	for _, probe := range [...]string{"__bpf_trace_" + tp, "__traceiter_" + tp} {
		if f, ok := s.Find(probe, btf.KindFunc); ok && s.Type(s.Type(f).Ref).Vlen == s.Type(to).Vlen {
			e.typed.proto = s.Type(f).Ref
			break
		}
	}
	return nil
}

// attachProg judges a target that is another program.
func (e *env) attachProg(s *btf.Spec, name string) *Diagnostic {
	p, t := e.prog, e.prog.AttachProg
	bad := func(format string, args ...any) *Diagnostic { return e.errAt(-1, CodeAttach, format, args...) }
	sub := -1
	for i := range t.Funcs {
		if t.Funcs[i].Type == p.AttachID {
			sub = i
		}
	}
	if sub < 0 {
		return bad("Subprog %s doesn't exist", name)
	}
	static := s.Linkage(p.AttachID) == 0
	e.typed.conservative = static && sub > 0
	ext := p.Type == bpf.ProgExt
	if ext && e.typed.conservative {
		return bad("Cannot replace static functions")
	}
	for _, d := range s.DeclTags(t.Funcs[0].Type) {
		if d.Component == -1 && d.Tag == excTag+name {
			return bad("programs cannot attach to exception callback")
		}
	}
	if p.Type == bpf.ProgTracing {
		if t.Type == bpf.ProgTracing && t.AttachProg != nil {
			return bad("Cannot nest tracing program attach more than once")
		}
	} else if t.Type == p.Type {
		return bad("Cannot recursively attach")
	}
	if ext && t.Type == bpf.ProgTracing && (t.AttachType == bpf.AttachTraceFentry || t.AttachType == bpf.AttachTraceFexit || t.AttachType == bpf.AttachTraceFsession) {
		return bad("Cannot extend fentry/fexit")
	}
	if ext {
		return e.matchTypes(s, name)
	}
	return nil
}

// matchTypes judges that an extension has the prototype of the function it replaces.
func (e *env) matchTypes(s *btf.Spec, name string) *Diagnostic {
	if e.prog.BTF == nil || len(e.prog.Funcs) == 0 {
		return e.errAt(-1, CodeAttach, "an extension needs BTF")
	}
	own := e.prog.BTF
	mine := own.Type(e.prog.Funcs[0].Type).Ref
	theirs := s.Type(e.prog.AttachID).Ref
	a, b := own.Type(mine), s.Type(theirs)
	if a.Vlen != b.Vlen {
		return e.errAt(-1, CodeAttach, "%s() has %d args while %s() has %d args", own.Name(e.prog.Funcs[0].Type), a.Vlen, name, b.Vlen)
	}
	same := func(x, y btf.ID) bool {
		x, y = own.SkipMods(x), s.SkipMods(y)
		tx, ty := own.Type(x), s.Type(y)
		switch {
		case isScalarKind(tx.Kind) && isScalarKind(ty.Kind):
			return tx.Size == ty.Size
		case tx.Kind != ty.Kind:
			return false
		case tx.Kind == btf.KindPtr:
			px, py := own.SkipMods(tx.Ref), s.SkipMods(ty.Ref)
			return own.Kind(px) == s.Kind(py) && own.Name(px) == s.Name(py)
		}
		return tx.Kind == btf.KindVoid
	}
	if !same(a.Ref, b.Ref) {
		return e.errAt(-1, CodeAttach, "return type of %s() doesn't match %s()", own.Name(e.prog.Funcs[0].Type), name)
	}
	for i := range a.Vlen {
		if !same(own.Param(mine, i).Type, s.Param(theirs, i).Type) {
			return e.errAt(-1, CodeAttach, "arg%d in %s() doesn't match %s()", i, own.Name(e.prog.Funcs[0].Type), name)
		}
	}
	return nil
}

// distill judges that a traced function's arguments can be passed on.
func (e *env) distill(s *btf.Spec, name string) *Diagnostic {
	if e.typed.proto == 0 {
		return nil
	}
	n := s.Type(e.typed.proto).Vlen
	bad := func(format string, args ...any) *Diagnostic { return e.errAt(-1, CodeAttach, format, args...) }
	if n > 12 {
		return bad("The function %s has %d arguments. Too many.", name, n)
	}
	ret := s.SkipMods(s.Type(e.typed.proto).Ref)
	if k := s.Type(ret); k.Kind != btf.KindVoid && !passable(s, ret, 8) {
		return bad("The function %s return type %v is unsupported.", name, k.Kind)
	}
	for i := range n {
		p := s.Param(e.typed.proto, i)
		if p.Type == 0 {
			return bad("The function %s with variable args is unsupported.", name)
		}
		id := s.SkipMods(p.Type)
		if !passable(s, id, 16) {
			return bad("The function %s arg%d type %v is unsupported.", name, i, s.Kind(id))
		}
	}
	return nil
}

func passable(s *btf.Spec, id btf.ID, limit uint32) bool {
	t := s.Type(id)
	switch t.Kind {
	case btf.KindPtr, btf.KindEnum, btf.KindEnum64:
		return true
	case btf.KindInt, btf.KindStruct:
		return t.Size <= limit
	}
	return false
}
