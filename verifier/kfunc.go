// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"strings"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/btf"
	"github.com/modbpf/modbpf/kfuncs"
)

// Kfuncs: kernel functions a program may call. BTF gives the prototype, name
// suffixes of parameters say what the type does not, and the kernel's
// registrations (package kfuncs) say who may call it and with which flags.
// This file reads all that once for each call; kfuncargs.go judges arguments,
// kfunccall.go the call.

// kfKind is what a parameter takes.
type kfKind uint8

const (
	kfScalar kfKind = iota
	kfConst         // __k
	kfRdonlySize
	kfRdwrSize
	kfMemSize      // __sz: size of the memory before it
	kfConstMemSize // __szk
	kfIgnore       // __ign, implicit
	kfCtx
	kfAllocObj
	kfRefcounted
	kfDynptr
	kfIter
	kfListHead
	kfListNode
	kfRBRoot
	kfRBNode
	kfConstStr
	kfMap
	kfConstMap
	kfWorkqueue
	kfTimer
	kfTaskWork
	kfIrqFlag
	kfResLock
	kfCallback
	kfArena
	kfStruct   // pointer to a struct: a kernel pointer, or memory if it holds only scalars
	kfMemSized // memory whose size is the next argument
	kfMem      // memory of the size of what it points to
	kfBad      // a parameter the kernel cannot judge either
)

// kfArg is one parameter.
type kfArg struct {
	kind     kfKind
	isPtr    bool
	nullable bool // __nullable
	optional bool // __opt
	uninit   bool // __uninit
	nonOwn   bool // __nonown_allowed
	ref      btf.ID
	refName  string
}

// kfuncCall is what is known of one kfunc call before the program runs: its
// name, prototype, flags. It is made by resolveKfuncs.
type kfuncCall struct {
	Name        string
	IterNext    bool // bpf_iter_*_next
	SyncCB      bool // calls a callback before it returns
	AsyncCB     bool // registers a callback for later
	Throws      bool // bpf_throw
	MightSleep  bool
	PktChange   bool // invalidates packet pointers
	Fastcall    bool
	IsVoid      bool
	NumParams   int
	SleepableCB bool

	btf     *btf.Spec
	id      btf.ID
	proto   btf.ID // with implicit arguments
	flags   kfuncs.Flags
	known   *kfuncs.Kfunc // nil: no program may call it
	special specialKfunc
	args    []kfArg
	allowed bool
	why     string // why it is not allowed

	rcuProtected             bool
	isIterNew, isIterDestroy bool
}

// specialKfunc numbers the kfuncs whose rules are their own.
type specialKfunc uint8

const (
	skNone specialKfunc = iota
	skObjNew
	skObjDrop
	skPercpuNew
	skPercpuDrop
	skRefcountAcquire
	skListPush
	skListAdd
	skListPop
	skListDel
	skListPeek
	skListQuery
	skRBAdd
	skRBRemove
	skRBFirst
	skRBRoot
	skRBWalk
	skCastKern
	skRdonlyCast
	skRCULock
	skRCUUnlock
	skPreemptOff
	skPreemptOn
	skDynSkb
	skDynXDP
	skDynSkbMeta
	skDynFile
	skDynFileDiscard
	skDynSlice
	skDynSliceRW
	skDynClone
	skThrow
	skWQCallback
	skTaskWork
	skCssTaskNew
	skSessionCookie
	skSessionReturn
	skKmemCache
	skIrqSave
	skIrqRestore
	skResLock
	skResUnlock
	skResLockIrq
	skResUnlockIrq
	skTrap
	skPullData
	skArenaPages
)

var specialKfuncs = map[string]specialKfunc{
	"bpf_obj_new_impl": skObjNew, "bpf_obj_new": skObjNew, "bpf_obj_drop_impl": skObjDrop, "bpf_obj_drop": skObjDrop,
	"bpf_percpu_obj_new_impl": skPercpuNew, "bpf_percpu_obj_new": skPercpuNew,
	"bpf_percpu_obj_drop_impl": skPercpuDrop, "bpf_percpu_obj_drop": skPercpuDrop,
	"bpf_refcount_acquire_impl": skRefcountAcquire, "bpf_refcount_acquire": skRefcountAcquire,
	"bpf_list_push_front_impl": skListPush, "bpf_list_push_front": skListPush, "bpf_list_push_back_impl": skListPush, "bpf_list_push_back": skListPush,
	"bpf_list_add": skListAdd, "bpf_list_pop_front": skListPop, "bpf_list_pop_back": skListPop, "bpf_list_del": skListDel,
	"bpf_list_front": skListPeek, "bpf_list_back": skListPeek,
	"bpf_list_is_first": skListQuery, "bpf_list_is_last": skListQuery, "bpf_list_empty": skListQuery,
	"bpf_rbtree_add_impl": skRBAdd, "bpf_rbtree_add": skRBAdd, "bpf_rbtree_remove": skRBRemove, "bpf_rbtree_first": skRBFirst,
	"bpf_rbtree_root": skRBRoot, "bpf_rbtree_left": skRBWalk, "bpf_rbtree_right": skRBWalk,
	"bpf_cast_to_kern_ctx": skCastKern, "bpf_rdonly_cast": skRdonlyCast,
	"bpf_rcu_read_lock": skRCULock, "bpf_rcu_read_unlock": skRCUUnlock,
	"bpf_preempt_disable": skPreemptOff, "bpf_preempt_enable": skPreemptOn,
	"bpf_dynptr_from_skb": skDynSkb, "bpf_dynptr_from_xdp": skDynXDP, "bpf_dynptr_from_skb_meta": skDynSkbMeta,
	"bpf_dynptr_from_file": skDynFile, "bpf_dynptr_file_discard": skDynFileDiscard,
	"bpf_dynptr_slice": skDynSlice, "bpf_dynptr_slice_rdwr": skDynSliceRW, "bpf_dynptr_clone": skDynClone,
	"bpf_throw": skThrow, "bpf_wq_set_callback_impl": skWQCallback, "bpf_wq_set_callback": skWQCallback,
	"bpf_task_work_schedule_signal": skTaskWork, "bpf_task_work_schedule_resume": skTaskWork,
	"bpf_task_work_schedule_signal_impl": skTaskWork, "bpf_task_work_schedule_resume_impl": skTaskWork,
	"bpf_iter_css_task_new": skCssTaskNew, "bpf_session_cookie": skSessionCookie, "bpf_session_is_return": skSessionReturn,
	"bpf_get_kmem_cache": skKmemCache, "bpf_local_irq_save": skIrqSave, "bpf_local_irq_restore": skIrqRestore,
	"bpf_res_spin_lock": skResLock, "bpf_res_spin_unlock": skResUnlock,
	"bpf_res_spin_lock_irqsave": skResLockIrq, "bpf_res_spin_unlock_irqrestore": skResUnlockIrq,
	"__bpf_trap": skTrap, "bpf_xdp_pull_data": skPullData,
	"bpf_arena_alloc_pages": skArenaPages, "bpf_arena_free_pages": skArenaPages,
}

// isListAPI and isRBAPI say which roots a kfunc works on.
func (k specialKfunc) isListAPI() bool { return k >= skListPush && k <= skListQuery }
func (k specialKfunc) isRBAPI() bool   { return k >= skRBAdd && k <= skRBWalk }
func (k specialKfunc) isAdd() bool     { return k == skListPush || k == skListAdd || k == skRBAdd }

// isIrqLock reports the res_spin_lock family.
func (k specialKfunc) isResLock() bool { return k >= skResLock && k <= skResUnlockIrq }

// progType is the type whose rules hold: an extension's are its target's.
func (e *env) progType() bpf.ProgType {
	if e.prog.Type == bpf.ProgExt && e.prog.AttachProg != nil {
		return e.prog.AttachProg.Type
	}
	return e.prog.Type
}

// use describes the program to the tables of kfuncs.
func (e *env) use() kfuncs.Use {
	p := e.prog
	return kfuncs.Use{
		Type: e.progType(), Attach: p.AttachType, Sleepable: p.Flags&bpf.ProgSleepable != 0,
		StructOps: p.StructOps, Slot: p.Slot, AttachName: p.AttachName, Config: configOf(e.k),
	}
}

// resolveKfuncs fills aux[i].kfunc for every kfunc call of the program.
func (e *env) resolveKfuncs() *Diagnostic {
	first := true
	for i := 0; i < len(e.insns); i++ {
		in := e.insns[i]
		if in.IsLdImm64() {
			i++
			continue
		}
		if !in.IsCall() || in.Src() != bpf.PseudoKfuncCall {
			continue
		}
		if first && !e.gpl {
			d := e.gplKfunc(e.kfuncName(in))
			d.Insn = i
			return d
		}
		first = false
		if in.Imm == 0 && in.Off == 0 {
			continue // refused only where it is reached
		}
		c, d := e.resolveKfunc(in)
		if d != nil {
			d.Insn = i
			return d
		}
		e.aux[i].kfunc = c
		if c.SyncCB || c.AsyncCB {
			e.aux[i].callsCB = true
		}
		if c.IterNext {
			e.aux[i].iterNext = true
		}
	}
	return nil
}

func (e *env) kfuncName(in bpf.Insn) string {
	if s := e.moduleOf(in.Off); s != nil {
		return s.Name(btf.ID(in.Imm))
	}
	return "?"
}

func (e *env) moduleOf(off int16) *btf.Spec {
	if off == 0 {
		return e.k.BTF()
	}
	if off > 0 && int(off) < len(e.prog.Modules) {
		return e.prog.Modules[off]
	}
	return nil
}

// resolveKfunc reads a kfunc's prototype and registrations.
func (e *env) resolveKfunc(in bpf.Insn) (*kfuncCall, *Diagnostic) {
	key := kfuncKey{in.Off, btf.ID(in.Imm)}
	if c := e.typed.kfuncs[key]; c != nil {
		return c, nil
	}
	if in.Imm <= 0 {
		return nil, e.errf(CodeKfuncProto, "invalid kernel function btf_id %d", in.Imm)
	}
	s := e.moduleOf(in.Off)
	if s == nil {
		return nil, e.errf(CodeKfuncProto, "failed to find BTF for kernel function")
	}
	c := &kfuncCall{btf: s, id: btf.ID(in.Imm)}
	t := s.Type(c.id)
	if t.Kind != btf.KindFunc {
		return nil, e.errf(CodeKfuncProto, "kernel btf_id %d is not a function", in.Imm)
	}
	c.Name = s.Name(c.id)
	c.proto = t.Ref
	if s.Kind(c.proto) != btf.KindFuncProto {
		return nil, e.errf(CodeKfuncProto, "kernel function btf_id %d does not have a valid func_proto", in.Imm)
	}
	c.known = e.k.Kfunc(c.Name)
	if c.known != nil {
		if r, why := c.known.For(e.k.Release(), e.use()); r != nil {
			c.flags, c.allowed = r.Flags, true
		} else {
			c.why = why
		}
	}
	visible := s.Type(c.proto).Vlen
	if c.flags&kfuncs.ImplicitArgs != 0 {
		impl, ok := s.Find(c.Name+"_impl", btf.KindFunc)
		if !ok {
			return nil, e.errf(CodeKfuncProto, "cannot find function %s_impl in BTF", c.Name)
		}
		c.proto = s.Type(impl).Ref
	}
	if s == e.k.BTF() || in.Off == 0 {
		c.special = specialKfuncs[c.Name]
	}
	c.rcuProtected = c.flags&kfuncs.RCUProtected != 0
	c.isIterNew = c.flags&kfuncs.IterNew != 0
	c.isIterDestroy = c.flags&kfuncs.IterDestroy != 0
	c.IterNext = c.flags&kfuncs.IterNext != 0
	c.SyncCB = c.special == skRBAdd
	c.AsyncCB = c.special == skWQCallback || c.special == skTaskWork
	c.SleepableCB = c.AsyncCB
	c.Throws = c.special == skThrow
	c.MightSleep = c.flags&kfuncs.Sleepable != 0
	c.PktChange = c.special == skPullData
	c.Fastcall = c.flags&kfuncs.Fastcall != 0
	n := s.Type(c.proto).Vlen
	c.NumParams = n
	c.IsVoid = s.Kind(s.SkipMods(s.Type(c.proto).Ref)) == btf.KindVoid
	if strings.HasPrefix(c.Name, "bpf_xdp_metadata_") && e.prog.Flags&bpf.ProgXDPDevBoundOnly == 0 {
		return nil, e.errf(CodeKfuncDevice, "metadata kfuncs require device-bound program")
	}
	if n > 5 {
		return nil, e.errf(CodeKfuncProto, "Function %s has %d > 5 args", c.Name, n)
	}
	c.args = make([]kfArg, n)
	for i := range n {
		c.args[i] = e.kfuncArg(c, i, n, visible)
	}
	if e.typed.kfuncs == nil {
		e.typed.kfuncs = map[kfuncKey]*kfuncCall{}
	}
	e.typed.kfuncs[key] = c
	return c, nil
}

// kfArgTypes are parameters recognised by the struct they point to.
var kfArgTypes = []struct {
	name string
	kind kfKind
}{
	{"bpf_list_head", kfListHead}, {"bpf_list_node", kfListNode}, {"bpf_rb_root", kfRBRoot}, {"bpf_rb_node", kfRBNode},
}

// kfuncArg classifies one parameter.
func (e *env) kfuncArg(c *kfuncCall, i, n, visible int) kfArg {
	s := c.btf
	p := s.Param(c.proto, i)
	suffix := func(x string) bool { return strings.HasSuffix(p.Name, x) && len(p.Name) >= len(x) }
	a := kfArg{
		nullable: suffix("__nullable") || suffix("__arena"), optional: suffix("__opt"),
		uninit: suffix("__uninit"), nonOwn: suffix("__nonown_allowed"),
	}
	t := s.Type(s.SkipMods(p.Type))
	a.isPtr = t.Kind == btf.KindPtr
	if a.isPtr {
		a.ref = s.SkipMods(t.Ref)
		a.refName = s.Name(a.ref)
	}
	if suffix("__ign") || suffix("__prog") || i >= visible || a.isPtr && a.refName == "bpf_prog_aux" && s.Kind(a.ref) == btf.KindStruct && e.has(FeatTrustedArgs) {
		a.kind = kfIgnore
		return a
	}
	if isScalarKind(t.Kind) {
		switch {
		case suffix("__szk"):
			a.kind = kfConstMemSize
		case suffix("__sz"):
			a.kind = kfMemSize
		case suffix("__k"):
			a.kind = kfConst
		case p.Name == "rdonly_buf_size":
			a.kind = kfRdonlySize
		case p.Name == "rdwr_buf_size":
			a.kind = kfRdwrSize
		}
		return a
	}
	if !a.isPtr {
		a.kind = kfBad
		return a
	}
	isStruct := s.Kind(a.ref) == btf.KindStruct
	switch {
	case c.special == skCastKern || c.special == skSessionCookie || c.special == skSessionReturn,
		e.isCtxType(s, t.Ref):
		a.kind = kfCtx
	case suffix("__alloc"):
		a.kind = kfAllocObj
	case suffix("__refcounted_kptr"):
		a.kind = kfRefcounted
	case isStruct && (a.refName == "bpf_dynptr" || a.refName == "bpf_dynptr_kern"):
		a.kind = kfDynptr
	case c.flags&(kfuncs.IterNew|kfuncs.IterNext|kfuncs.IterDestroy) != 0 && i == 0,
		c.flags&(kfuncs.IterNew|kfuncs.IterNext|kfuncs.IterDestroy) == 0 && suffix("__iter"):
		a.kind = kfIter
	case suffix("__str"):
		a.kind = kfConstStr
	case suffix("__const_map"):
		a.kind = kfConstMap
	case suffix("__map"):
		a.kind = kfMap
	case isStruct && a.refName == "bpf_wq":
		a.kind = kfWorkqueue
	case isStruct && a.refName == "bpf_timer":
		a.kind = kfTimer
	case isStruct && a.refName == "bpf_task_work":
		a.kind = kfTaskWork
	case suffix("__irq_flag"):
		a.kind = kfIrqFlag
	case isStruct && a.refName == "bpf_res_spin_lock":
		a.kind = kfResLock
	case s.Kind(a.ref) == btf.KindFuncProto:
		a.kind = kfCallback
	case suffix("__arena") || suffix("__arena__nullable"):
		a.kind = kfArena
	default:
		a.kind = e.kfuncPointer(c, i, n, &a, isStruct)
	}
	return a
}

// kfuncPointer classifies pointers that neither suffix nor special type explains.
func (e *env) kfuncPointer(c *kfuncCall, i, n int, a *kfArg, isStruct bool) kfKind {
	s := c.btf
	if isStruct {
		for _, r := range kfArgTypes {
			if r.name == a.refName {
				return r.kind
			}
		}
	}
	if i+1 < n {
		next := s.Param(c.proto, i+1)
		if k := s.Kind(s.SkipMods(next.Type)); isScalarKind(k) && (strings.HasSuffix(next.Name, "__sz") || strings.HasSuffix(next.Name, "__szk")) {
			return kfMemSized
		}
	}
	if k := s.Kind(a.ref); k == btf.KindStruct || k == btf.KindUnion {
		return kfStruct
	}
	return kfMem
}

func isScalarKind(k btf.Kind) bool {
	return k == btf.KindInt || k == btf.KindEnum || k == btf.KindEnum64
}

// scalarStruct reports whether a type is a struct of nothing but numbers.
func scalarStruct(s *btf.Spec, id btf.ID, depth int) bool {
	t := s.Type(id)
	if t.Kind != btf.KindStruct && t.Kind != btf.KindUnion {
		return false
	}
	for i := range t.Vlen {
		typ, _, _ := s.MemberAt(id, i)
		m := s.SkipMods(typ)
		switch k := s.Kind(m); {
		case k == btf.KindStruct || k == btf.KindUnion:
			if depth >= 3 || !scalarStruct(s, m, depth+1) {
				return false
			}
		case k == btf.KindArray:
			a := s.Array(m)
			if a.Len == 0 || !isScalarKind(s.Kind(s.SkipMods(a.Elem))) {
				return false
			}
		case !isScalarKind(k):
			return false
		}
	}
	return true
}

// ctxTypeName is the name of the context struct programs of the type see, as
// the kernel's table struct bpf_ctx_convert has it, with what the kernel puts
// behind it.
func (e *env) ctxTypes() (prog, kern btf.ID) {
	if e.typed.ctxRead {
		return e.typed.ctxProg, e.typed.ctxKern
	}
	e.typed.ctxRead = true
	s := e.k.BTF()
	if s == nil {
		return 0, 0
	}
	id, ok := s.Find("bpf_ctx_convert", btf.KindStruct)
	if !ok {
		return 0, 0
	}
	name := "BPF_PROG_TYPE_" + strings.ToUpper(e.progType().String())
	for i := range s.Type(id).Vlen {
		switch m := s.Member(id, i); m.Name {
		case name + "_prog":
			e.typed.ctxProg = m.Type
		case name + "_kern":
			e.typed.ctxKern = m.Type
		}
	}
	return e.typed.ctxProg, e.typed.ctxKern
}

// projections are context types and the kernel types they stand for.
func isProjection(ctx, name string) bool {
	return ctx == "__sk_buff" && name == "sk_buff" || ctx == "xdp_md" && name == "xdp_buff"
}

// isCtxType reports whether a pointee is the program type's context.
func (e *env) isCtxType(s *btf.Spec, pointee btf.ID) bool {
	if e.progType() == bpf.ProgKprobe {
		for id := pointee; ; {
			t := s.Type(id)
			if t.Kind == btf.KindTypedef {
				if s.Name(id) == "bpf_user_pt_regs_t" {
					return true
				}
				break
			}
			if t.Kind != btf.KindConst && t.Kind != btf.KindVolatile && t.Kind != btf.KindRestrict && t.Kind != btf.KindTypeTag {
				break
			}
			id = t.Ref
		}
	}
	id := s.SkipMods(pointee)
	if k := s.Kind(id); k != btf.KindStruct && k != btf.KindUnion {
		return false
	}
	name := s.Name(id)
	ctx, _ := e.ctxTypes()
	k := e.k.BTF()
	for range 8 {
		cname := k.Name(ctx)
		if cname == "" {
			return false
		}
		if isProjection(cname, name) || cname == name {
			return true
		}
		t := k.Type(ctx)
		if t.Kind == btf.KindStruct || t.Kind == btf.KindUnion || t.Kind == btf.KindVoid {
			return false
		}
		ctx = k.SkipMods(ctx)
	}
	return false
}

// configOf is nil for a kernel whose build configuration is not known: then a
// kfunc that its types have counts as built.
func configOf(k Kernel) func(string) string {
	if h, ok := k.(interface{ HasConfig() bool }); ok && !h.HasConfig() {
		return nil
	}
	return k.Config
}
