// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"math"
	"strings"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/btf"
	"github.com/modbpf/modbpf/kfuncs"
)

// kfuncMeta is what judging the arguments of one kfunc call learns.
type kfuncMeta struct {
	constant  uint64 // value of the __k or __szk argument
	hasConst  bool
	retSize   uint64
	hasRet    bool
	retRdonly bool
	ref       uint32 // reference an argument carries
	release   int    // register that is released, 0 if none
	relDynptr bool
	owning    bool // bpf_refcount_acquire of an owned object
	argBTF    btfRef
	argID     btf.ID
	list      *field // root of a list or tree argument
	sub       int
	m         mapRef
	uid       uint32
	dyn       dynptrInfo
	iterFrame int32
	iterSpi   int
	kernCtx   btf.ID
}

// regBTF are the register kinds that stand for a kernel struct.
func regBTFName(t RegType) string {
	switch t.base() {
	case ptrToSocket:
		return "sock"
	case ptrToSockCommon:
		return "sock_common"
	case ptrToTCPSock:
		return "tcp_sock"
	case constPtrToMap:
		return "bpf_map"
	}
	return ""
}

// checkKfuncArgs judges all arguments, in order.
func (e *env) checkKfuncArgs(c *kfuncCall, m *kfuncMeta) *Diagnostic {
	trusted := e.has(FeatTrustedArgs) || c.flags&(kfuncs.TrustedArgs|kfuncs.Release) != 0
	rcu := c.flags&kfuncs.RCU != 0
	releases := c.flags&kfuncs.Release != 0
	for i := 0; i < len(c.args); i++ {
		a := &c.args[i]
		regno := i + 1
		r := &e.cur.regs()[regno]
		if a.kind == kfIgnore {
			continue
		}
		if !a.isPtr {
			if d := e.kfuncScalar(c, a, regno, m); d != nil {
				return d
			}
			continue
		}
		if (trusted || rcu) && (r.isNull() || r.Type.maybeNull()) && !a.nullable {
			return e.errf(CodeKfuncNull, "Possibly NULL pointer passed to trusted arg%d", i)
		}
		if e.has(FeatParentRefs) && releases && regno == 1 && a.kind != kfDynptr && r.RefObj == 0 && !r.isNull() {
			return e.errf(CodeKfuncRelease, "release kfunc %s expects referenced PTR_TO_BTF_ID passed to R%d", c.Name, regno)
		}
		if r.RefObj != 0 {
			m.ref = r.RefObj
			if releases {
				m.release = regno
			}
		}
		if a.nullable && r.isNull() {
			if d := e.markPrecise(regno); d != nil {
				return d
			}
			continue
		}
		skip, d := e.kfuncPtr(c, a, i, m, trusted, rcu, releases)
		if d != nil {
			return d
		}
		i += skip
	}
	if releases && m.release == 0 && !m.relDynptr && !e.has(FeatParentRefs) {
		return e.errf(CodeKfuncRelease, "release kernel function %s expects refcounted PTR_TO_BTF_ID", c.Name)
	}
	return nil
}

// kfuncScalar judges an argument passed by value.
func (e *env) kfuncScalar(c *kfuncCall, a *kfArg, regno int, m *kfuncMeta) *Diagnostic {
	r := &e.cur.regs()[regno]
	if a.kind == kfBad {
		return e.errf(CodeKfuncProto, "Unrecognized arg#%d type", regno-1)
	}
	if r.Type != scalarValue {
		return e.errf(CodeKfuncScalar, "R%d is not a scalar", regno)
	}
	switch a.kind {
	case kfConst, kfConstMemSize:
		if a.kind == kfConstMemSize && m.hasConst {
			return nil // judged with the memory before it
		}
		if m.hasConst {
			return e.errf(CodeInternal, "only one constant argument permitted")
		}
		if !r.isConst() {
			return e.errf(CodeKfuncConst, "R%d must be a known constant", regno)
		}
		if d := e.markPrecise(regno); d != nil {
			return d
		}
		m.hasConst, m.constant = true, r.Val.Const()
	case kfRdonlySize, kfRdwrSize:
		m.retRdonly = m.retRdonly || a.kind == kfRdonlySize
		if m.hasRet {
			return e.errf(CodeKfuncConst, "2 or more rdonly/rdwr_buf_size parameters for kfunc")
		}
		if !r.isConst() {
			return e.errf(CodeKfuncConst, "R%d is not a const", regno)
		}
		if r.Val.Const() > math.MaxUint32 {
			return e.errf(CodeKfuncConst, "R%d rdonly/rdwr_buf_size exceeds u32 max", regno)
		}
		m.retSize, m.hasRet = r.Val.Const(), r.Val.Const() != 0 || e.has(FeatTrustedArgs)
		return e.markPrecise(regno)
	}
	return nil
}

// kfuncPtr judges one pointer argument; skip says how many arguments after it
// were judged with it.
func (e *env) kfuncPtr(c *kfuncCall, a *kfArg, i int, m *kfuncMeta, trusted, rcu, releases bool) (skip int, diag *Diagnostic) {
	regno := i + 1
	r := &e.cur.regs()[regno]
	kind := a.kind
	isBTF := r.Type.base() == ptrToBTFID || regBTFName(r.Type) != ""
	switch kind {
	case kfStruct, kfMem, kfMemSized:
		switch {
		case isBTF && kind == kfStruct:
		case isBTF && kind != kfMemSized && !e.has(FeatTrustedArgs):
			return 0, e.errf(CodeKfuncArgType, "kernel function %s args#%d pointer type %s is not supported", c.Name, i, a.refName)
		case kind == kfStruct:
			if !scalarStruct(c.btf, a.ref, 0) {
				if e.has(FeatTrustedArgs) && kind == kfStruct {
					return 0, e.errf(CodeKfuncArgType, "R%d is %v expected struct %s", regno, r.Type, a.refName)
				}
				return 0, e.errf(CodeKfuncArgType, "arg#%d pointer type %s must point to scalar, or struct with scalar", i, a.refName)
			}
			kind = kfMem
		default:
			k := c.btf.Kind(a.ref)
			if !isScalarKind(k) && !scalarStruct(c.btf, a.ref, 0) && !(kind == kfMemSized && k == btf.KindVoid) {
				return 0, e.errf(CodeKfuncArgType, "arg#%d pointer type %s must point to scalar, or struct with scalar", i, a.refName)
			}
		}
	case kfMap:
		// A kernel pointer to struct bpf_map, as iterators get it, is a map too.
		if r.Type.base() != constPtrToMap && r.Map == 0 && r.Type.base() != ptrToBTFID {
			return 0, e.errf(CodeKfuncMap, "pointer in R%d isn't map pointer", regno)
		}
		if d := e.sameMap(r, m); d != nil {
			return 0, d
		}
		if r.Map != 0 {
			m.m, m.uid = r.Map, r.MapUID
		}
	}
	if kind == kfMap || kind == kfStruct || kind == kfAllocObj {
		if (trusted || rcu) && !(kind == kfAllocObj && e.has(FeatTrustedArgs)) {
			ok := e.isTrusted(r)
			if !ok && !rcu {
				return 0, e.errf(CodeKfuncTrust, "R%d must be referenced or trusted", regno)
			}
			if !ok && !isRCU(r) {
				return 0, e.errf(CodeKfuncTrust, "R%d must be a rcu pointer", regno)
			}
		}
	}
	rule := offRule{release: releases && r.RefObj != 0, dynptr: kind == kfDynptr, ctx: kind == kfCtx, noBTFOff: kind == kfRefcounted && e.has(FeatParentRefs)}
	if d := e.checkArgOff(regno, rule); d != nil {
		return 0, d
	}
	switch kind {
	case kfCtx:
		if r.Type != ptrToCtx {
			return 0, e.errf(CodeKfuncCtx, "arg#%d expected pointer to ctx, but got %v", i, r.Type)
		}
		if c.special == skCastKern {
			_, kern := e.ctxTypes()
			k := e.k.BTF()
			if kt := k.Kind(kern); kt != btf.KindStruct && kt != btf.KindUnion {
				return 0, e.errf(CodeKfuncCtx, "kern ctx type id %d is not a struct", kern)
			}
			m.kernCtx = kern
		}
	case kfAllocObj:
		return 0, e.kfuncAlloc(c, regno, m)
	case kfRefcounted:
		return 0, e.kfuncRefcounted(regno, m)
	case kfDynptr:
		return 0, e.kfuncDynptr(c, a, regno, m)
	case kfIter:
		if c.special == skCssTaskNew && !e.cssTaskOK() {
			return 0, e.errf(CodeIterCss, "css_task_iter is only allowed in bpf_lsm, bpf_iter and sleepable progs")
		}
		return 0, e.iterArg(regno, c, m)
	case kfListHead, kfRBRoot:
		return 0, e.kfuncRoot(c, regno, kind, m)
	case kfListNode, kfRBNode:
		return 0, e.kfuncNode(c, a, regno, kind, m)
	case kfConstStr:
		if r.Type != ptrToMapValue {
			return 0, e.errf(CodeKfuncStr, "arg#%d doesn't point to a const string", i)
		}
		return 0, e.checkConstStr(regno)
	case kfConstMap:
		if r.Type != constPtrToMap {
			return 0, e.errf(CodeKfuncMap, "pointer in R%d isn't map pointer", regno)
		}
		if d := e.sameMap(r, m); d != nil {
			return 0, d
		}
		m.m, m.uid = r.Map, r.MapUID
	case kfWorkqueue, kfTimer, kfTaskWork:
		if r.Type != ptrToMapValue {
			return 0, e.errf(CodeKfuncMapValue, "arg#%d doesn't point to a map value", i)
		}
		ref, uid, d := e.mapField(regno, map[kfKind]fieldKind{kfWorkqueue: fWorkqueue, kfTimer: fTimer, kfTaskWork: fTaskWork}[kind])
		if d != nil {
			return 0, d
		}
		m.m, m.uid = ref, uid
	case kfIrqFlag:
		if r.Type != ptrToStack {
			return 0, e.errf(CodeIrqArg, "arg#%d doesn't point to an irq flag on stack", i)
		}
		return 0, e.irqFlag(c, regno)
	case kfResLock:
		if e.inRBTreeCallback() {
			return 0, e.errf(CodeLockInCallback, "can't res_spin_{lock,unlock} in rbtree cb")
		}
		if r.Type != ptrToMapValue && r.Type != ptrToBTFID|memAlloc {
			return 0, e.errf(CodeLockArg, "arg#%d doesn't point to map value or allocated object", i)
		}
		k := refResLock
		if c.special == skResLockIrq || c.special == skResUnlockIrq {
			k = refResLockIrq
		}
		return 0, e.spinLock(regno, k, c.special == skResLock || c.special == skResLockIrq)
	case kfCallback:
		if r.Type != ptrToFunc {
			return 0, e.errf(CodeKfuncCallback, "arg%d expected pointer to func", i)
		}
		m.sub = int(r.N)
	case kfArena:
		if e.arenaMap() == nil {
			return 0, e.errf(CodeArenaNone, "R%d arena pointer requires a program with an associated arena", regno)
		}
		if r.Type != ptrToArena && r.Type != scalarValue {
			return 0, e.errf(CodeArenaArg, "R%d is not a pointer to arena or scalar", regno)
		}
	case kfMap, kfStruct:
		want, wantS, wantID := a.refName, c.btf, a.ref
		if kind == kfMap {
			want, wantS = "bpf_map", e.k.BTF()
			wantID, _ = wantS.Find("bpf_map", btf.KindStruct)
		}
		return 0, e.kfuncBTF(c, regno, want, wantS, wantID, rcu, releases)
	case kfMem:
		n, ok := c.btf.Sizeof(a.ref)
		if !ok {
			return 0, e.errf(CodeKfuncProto, "arg#%d reference type('%s') size cannot be determined", i, a.refName)
		}
		return 0, e.checkMemReg(regno, int(n))
	case kfMemSized:
		return 1, e.kfuncSized(c, a, i, m)
	}
	return 0, nil
}

// sameMap judges that a map argument is the map whose value holds the workqueue
// or task work before it.
func (e *env) sameMap(r *Reg, m *kfuncMeta) *Diagnostic {
	if m.m == 0 || !e.mapRecord(r.Map).has(fWorkqueue|fTaskWork|fTimer) {
		return nil
	}
	if m.m != r.Map || m.uid != r.MapUID {
		return e.errf(CodeKfuncMapOther, "workqueue pointer in R1 map_uid=%d doesn't match map pointer in R2 map_uid=%d", m.uid, r.MapUID)
	}
	return nil
}

// checkMemReg judges memory of a fixed size that the kfunc reads and writes; a
// null pointer is the callee's business.
func (e *env) checkMemReg(regno, size int) *Diagnostic {
	r := &e.cur.regs()[regno]
	if r.isNull() {
		return nil
	}
	saved := *r
	r.Type &^= maybeNull
	d := e.checkHelperMem(regno, size, accRead, true, nil)
	if d == nil {
		d = e.checkHelperMem(regno, size, accWrite, true, nil)
	}
	e.cur.regs()[regno] = saved
	return d
}

// kfuncSized judges a pair of memory and size.
func (e *env) kfuncSized(c *kfuncCall, a *kfArg, i int, m *kfuncMeta) *Diagnostic {
	regno := i + 1
	size := &e.cur.regs()[regno+1]
	mem := &e.cur.regs()[regno]
	if size.Type != scalarValue && e.has(FeatTrustedArgs) {
		return e.errf(CodeKfuncScalar, "R%d is not a scalar", regno+1)
	}
	if !mem.isNull() || !a.optional && !e.has(FeatTrustedArgs) {
		saved := *mem
		mem.Type &^= maybeNull
		d := e.checkMemSizeReg(regno, regno+1, accRead, true, nil)
		if d == nil {
			d = e.checkMemSizeReg(regno, regno+1, accWrite, true, nil)
		}
		e.cur.regs()[regno] = saved
		if d != nil {
			return d
		}
	}
	if c.args[i+1].kind == kfConstMemSize {
		if m.hasConst {
			return e.errf(CodeInternal, "only one constant argument permitted")
		}
		if !size.isConst() {
			return e.errf(CodeKfuncConst, "R%d must be a known constant", regno+1)
		}
		m.hasConst, m.constant = true, size.Val.Const()
		return e.markPrecise(regno + 1)
	}
	return nil
}

// kfuncBTF judges a pointer to a kernel struct.
func (e *env) kfuncBTF(c *kfuncCall, regno int, want string, wantS *btf.Spec, wantID btf.ID, rcu, releases bool) *Diagnostic {
	r := &e.cur.regs()[regno]
	unsafe := r.Type.flags()&^trustedFlags != 0
	name := regBTFName(r.Type)
	if (r.Type.base() != ptrToBTFID || unsafe && !isRCU(r)) && name == "" {
		return e.errf(CodeKfuncArgType, "arg#%d is %v expected %v or socket", regno-1, r.Type, r.Type.base()|r.Type&trustedFlags)
	}
	if e.has(FeatTrustedArgs) && unsafe {
		if !rcu {
			return e.errf(CodeKfuncTrust, "R%d must be referenced or trusted", regno)
		}
		if !isRCU(r) {
			return e.errf(CodeKfuncTrust, "R%d must be a rcu pointer", regno)
		}
	}
	s, id := e.k.BTF(), btf.ID(0)
	if r.Type.base() == ptrToBTFID {
		s, id = e.btfOf(r), r.BTFID
	} else {
		id, _ = s.Find(name, btf.KindStruct)
	}
	strict := releases && r.RefObj != 0 || noCastAlias(s.Name(id), wantS.Name(wantID))
	id = s.SkipMods(id)
	if isProjection(want, s.Name(id)) {
		return nil
	}
	if !structMatches(s, id, r.constOff(), wantS, wantID, strict, !r.Type.isAllocBTF()) {
		return e.errf(CodeKfuncArgType, "kernel function %s args#%d expected pointer to struct %s but R%d has a pointer to struct %s", c.Name, regno-1, want, regno, s.Name(id))
	}
	return nil
}

// noCastAlias reports whether one name is the other with ___init after it:
// such types are equal in layout and must not be mistaken for each other.
func noCastAlias(a, b string) bool {
	return a != b && (strings.TrimSuffix(a, "___init") == b || strings.TrimSuffix(b, "___init") == a)
}

// kfuncAlloc judges an allocated object that is dropped.
func (e *env) kfuncAlloc(c *kfuncCall, regno int, m *kfuncMeta) *Diagnostic {
	r := &e.cur.regs()[regno]
	switch r.Type {
	case ptrToBTFID | memAlloc:
		if c.special != skObjDrop {
			return e.errf(CodeKfuncAlloc, "arg#%d expected for bpf_obj_drop()", regno-1)
		}
	case ptrToBTFID | memAlloc | memPercpu:
		if c.special != skPercpuDrop {
			return e.errf(CodeKfuncAlloc, "arg#%d expected for bpf_percpu_obj_drop()", regno-1)
		}
	default:
		return e.errf(CodeKfuncAlloc, "arg#%d expected pointer to allocated object", regno-1)
	}
	if r.RefObj == 0 {
		return e.errf(CodeKfuncOwned, "allocated object must be referenced")
	}
	m.argBTF, m.argID = r.BTF, r.BTFID
	return nil
}

// kfuncRefcounted judges the argument of bpf_refcount_acquire.
func (e *env) kfuncRefcounted(regno int, m *kfuncMeta) *Diagnostic {
	r := &e.cur.regs()[regno]
	if !r.Type.isAllocBTF() {
		return e.errf(CodeKfuncRefcount, "arg#%d is neither owning or non-owning ref", regno-1)
	}
	if !r.Type.has(nonOwnRef) && r.RefObj != 0 {
		m.owning = true
	}
	rec := e.regRecord(r)
	if rec == nil && !e.has(FeatTrustedArgs) {
		return e.errf(CodeKfuncRefcount, "arg#%d doesn't point to a type with bpf_refcount field", regno-1)
	}
	if !rec.has(fRefcount) {
		return e.errf(CodeKfuncRefcount, "arg#%d doesn't point to a type with bpf_refcount field", regno-1)
	}
	m.argBTF, m.argID = r.BTF, r.BTFID
	return nil
}

// kfuncDynptr judges a dynptr argument of a kfunc.
func (e *env) kfuncDynptr(c *kfuncCall, a *kfArg, regno int, m *kfuncMeta) *Diagnostic {
	u := dynptrUse{init: a.uninit, readonly: true}
	switch c.special {
	case skDynSkb:
		u.kind = dynSkb
	case skDynXDP:
		u.kind = dynXDP
	case skDynSkbMeta:
		u.kind = dynSkbMeta
	case skDynFile:
		u.kind = dynFile
	case skDynFileDiscard:
		u.kind, u.release, m.relDynptr = dynFile, true, true
		m.release = regno
	case skDynClone:
		if a.uninit {
			u.kind, u.clone = m.dyn.kind, m.dyn.ref
		}
	}
	info, d := e.dynptrArg(regno, u)
	if d != nil {
		return d
	}
	if !u.init {
		m.dyn = info
		if m.ref == 0 {
			m.ref = info.ref
		}
	}
	return nil
}

// cssTaskOK judges where the iterator over a cgroup's tasks may be used.
func (e *env) cssTaskOK() bool {
	switch e.progType() {
	case bpf.ProgLSM:
		return true
	case bpf.ProgTracing:
		if e.prog.AttachType == bpf.AttachTraceIter {
			return true
		}
	}
	return e.inSleepable()
}
