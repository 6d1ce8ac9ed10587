// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"math"

	"github.com/modbpf/modbpf/btf"
	"github.com/modbpf/modbpf/kfuncs"
	"github.com/modbpf/modbpf/locks"
	"github.com/modbpf/modbpf/verifier/scalar"
)

const maxErrno = 4095

// checkKfuncCall judges the kfunc call at e.insn. For kfuncs that call back it
// calls e.pushCallback.
func (e *env) checkKfuncCall() *Diagnostic {
	c := e.aux[e.insn].kfunc
	if e.cur.ActiveLocks > 0 && (c == nil || !e.kfuncInLock(c)) {
		return e.errf(CodeCallInLock, "function calls are not allowed while holding a lock")
	}
	if c == nil {
		return e.errf(CodeKfuncGone, "invalid kernel function call not eliminated in verifier pass")
	}
	if !c.allowed {
		d := e.errf(CodeKfuncDenied, "calling kernel function %s is not allowed", c.Name)
		d.Contract = c.why
		if c.known == nil {
			d.Contract = "no set registers " + c.Name + " for any program"
		}
		return d
	}
	if c.special == skResLock || c.special == skResLockIrq {
		if d := e.lockMayFail(); d != nil {
			return d
		}
	}
	if c.special == skTrap {
		return e.errf(CodeTrap, "unexpected __bpf_trap() due to uninitialized variable?")
	}
	if c.MightSleep && !e.inSleepable() {
		return e.errf(CodeSleepProgram, "program must be sleepable to call sleepable kfunc %s", c.Name)
	}
	m := &kfuncMeta{}
	if d := e.checkKfuncArgs(c, m); d != nil {
		return d
	}
	if d := e.kfuncCallbacks(c, m); d != nil {
		return d
	}
	if d := e.kfuncRegion(c); d != nil {
		return d
	}
	if d := e.kfuncRelease(c, m); d != nil {
		return d
	}
	if c.special == skThrow {
		if d := e.checkThrow(); d != nil {
			return d
		}
	}
	regs := e.cur.regs()
	for i := range callerSaved {
		regs[i] = Reg{}
	}
	if d := e.kfuncReturn(c, m); d != nil {
		return d
	}
	if c.PktChange {
		e.clearPacketPointers()
	}
	if c.IterNext {
		return e.iterNext(m)
	}
	return nil
}

// kfuncInLock reports whether a kfunc may be called while a lock is held.
func (e *env) kfuncInLock(c *kfuncCall) bool {
	if e.has(FeatSpinSafeFlag) {
		return c.flags&kfuncs.SpinlockSafe != 0
	}
	if c.btf != e.k.BTF() {
		return false
	}
	return locks.KfuncAllowed(c.Name) || c.special.isListAPI() || c.special.isRBAPI() || c.special == skRefcountAcquire
}

// lockMayFail queues the path on which taking a res_spin_lock fails.
func (e *env) lockMayFail() *Diagnostic {
	st, d := e.pushState(e.insn+1, e.insn)
	if d != nil {
		return d
	}
	regs := st.regs()
	for i := range callerSaved {
		regs[i] = Reg{}
	}
	regs[0].markUnknown()
	regs[0].Val = scalar.SRange(-maxErrno, -1)
	regs[0].Val.LimitS32(-maxErrno, -1)
	regs[0].Val.Sync(scalar.Newest)
	return nil
}

// kfuncCallbacks enters the callbacks a kfunc calls.
func (e *env) kfuncCallbacks(c *kfuncCall, m *kfuncMeta) *Diagnostic {
	switch c.special {
	case skRBAdd:
		return e.pushCallback(cbRBTreeAdd, m.sub, 0, 0, m.list)
	case skWQCallback:
		return e.pushCallback(cbTimer, m.sub, m.m, m.uid, nil)
	case skTaskWork:
		return e.pushCallback(cbTaskWork, m.sub, m.m, m.uid, nil)
	}
	return nil
}

// kfuncRelease gives up what the kfunc takes over.
func (e *env) kfuncRelease(c *kfuncCall, m *kfuncMeta) *Diagnostic {
	switch {
	case m.relDynptr:
		if d := e.releaseDynptr(m.release); d != nil {
			return d
		}
	case m.release != 0:
		if d := e.releaseRef(e.cur.regs()[m.release].RefObj); d != nil {
			d.Message = "kfunc " + c.Name + " " + d.Message
			return d
		}
	}
	if c.special.isAdd() {
		return e.ownToNonOwn(e.cur.regs()[2].RefObj)
	}
	return nil
}

// kfuncReturn fills R0.
func (e *env) kfuncReturn(c *kfuncCall, m *kfuncMeta) *Diagnostic {
	s := c.btf
	t := s.Type(s.SkipMods(s.Type(c.proto).Ref))
	r0 := &e.cur.regs()[0]
	acquires := c.flags&kfuncs.Acquire != 0
	to := s.SkipMods(t.Ref)
	toKind := s.Kind(to)
	toStruct := t.Kind == btf.KindPtr && (toKind == btf.KindStruct || toKind == btf.KindUnion)
	if acquires && !toStruct && c.special != skObjNew && c.special != skPercpuNew && c.special != skRefcountAcquire {
		return e.errf(CodeKfuncProto, "acquire kernel function does not return PTR_TO_BTF_ID")
	}
	switch {
	case isScalarKind(t.Kind):
		r0.markUnknown()
		if c.special == skResLock || c.special == skResLockIrq {
			r0.markKnown(0)
		}
		return nil
	case t.Kind != btf.KindPtr:
		return nil
	}
	handled, d := e.specialReturn(c, m, r0)
	if d != nil {
		return d
	}
	switch {
	case handled:
	case toKind == btf.KindVoid:
		r0.markUnknown()
	case toKind != btf.KindStruct:
		if !m.hasRet {
			if n, ok := s.Sizeof(to); ok && n > 0 {
				m.retSize, m.hasRet = uint64(n), true
				m.retRdonly = c.special != skSessionCookie
			}
		}
		if !m.hasRet {
			return e.errf(CodeKfuncProto, "kernel function %s returns pointer type %s %s is not supported", c.Name, toKind, s.Name(to))
		}
		r0.markPtr(ptrToMem)
		r0.N = int32(m.retSize)
		if m.retRdonly {
			r0.Type |= memRdonly
		}
		if m.ref != 0 {
			r0.RefObj = m.ref
		}
		if c.rcuProtected && e.has(FeatParentRefs) {
			r0.Type |= memRCU
		}
	default:
		t := ptrToBTFID
		switch {
		case c.special == skKmemCache:
			t |= ptrUntrusted
		case c.rcuProtected && e.has(FeatRCUProtectedRet), c.IterNext && e.cur.Frames[m.iterFrame].Stack[m.iterSpi].Reg.Type.has(memRCU):
			t |= memRCU
		case c.IterNext || e.has(FeatTrustedRet):
			t |= ptrTrusted
		}
		r0.markPtr(t)
		r0.BTF, r0.BTFID = e.btfRefOf(s), to
	}
	if c.flags&kfuncs.RetNull != 0 && !(c.special == skRefcountAcquire && m.owning) {
		r0.Type |= maybeNull
		r0.ID = e.newID()
	}
	switch {
	case acquires:
		id := e.acquireRef()
		if r0.Type.maybeNull() {
			r0.ID = id
		}
		r0.RefObj = id
	case c.special == skRBFirst || c.special == skRBRoot || c.special == skRBWalk || c.special == skListPeek:
		e.setNonOwning(r0)
	}
	if r0.ID == 0 && e.regMaySpinLock(r0) {
		r0.ID = e.newID()
	}
	return nil
}

// regMaySpinLock reports whether a register points to what may hold a lock.
func (e *env) regMaySpinLock(r *Reg) bool {
	if r.Type.base() != ptrToMapValue && !r.Type.isAllocBTF() {
		return false
	}
	if r.Type.base() == ptrToMapValue {
		return e.mapRecord(r.Map).has(fSpinLock | fResSpinLock)
	}
	return e.structRecord(e.btfOf(r), r.BTFID).has(fSpinLock | fResSpinLock)
}

// specialReturn fills R0 for kfuncs whose result BTF does not tell.
func (e *env) specialReturn(c *kfuncCall, m *kfuncMeta, r0 *Reg) (bool, *Diagnostic) {
	switch c.special {
	case skObjNew, skPercpuNew:
		return true, e.newObject(c, m, r0)
	case skRefcountAcquire:
		r0.markPtr(ptrToBTFID | memAlloc)
		r0.BTF, r0.BTFID = m.argBTF, m.argID
	case skListPop, skListDel, skListPeek, skRBRemove, skRBFirst, skRBRoot, skRBWalk:
		if m.list == nil {
			return true, e.errf(CodeInternal, "%s without a root", c.Name)
		}
		e.markNode(r0, m.list)
	case skCastKern:
		r0.markPtr(ptrToBTFID | ptrTrusted)
		r0.BTF, r0.BTFID = btfKernel, m.kernCtx
	case skRdonlyCast:
		s := e.k.BTF()
		id := btf.ID(m.constant)
		k := s.Kind(id)
		switch {
		case uint64(id) != m.constant || int(id) >= s.NumTypes():
			return true, e.errf(CodeCast, "Unknown type ID %d passed to kfunc bpf_rdonly_cast", m.constant)
		case k == btf.KindStruct || k == btf.KindUnion:
			r0.markPtr(ptrToBTFID | ptrUntrusted)
			r0.BTF, r0.BTFID = btfKernel, id
		case id == 0 && e.has(FeatRdonlyUntrustedMem):
			r0.markPtr(ptrToMem | memRdonly | ptrUntrusted)
		default:
			return true, e.errf(CodeCast, "kfunc bpf_rdonly_cast type ID argument must be of a struct")
		}
	case skDynSlice, skDynSliceRW:
		if !m.hasConst {
			return true, e.errf(CodeInternal, "dynptr slice without a size")
		}
		r0.markPtr(ptrToMem | dynKindFlag(m.dyn.kind))
		r0.N = int32(min(m.constant, math.MaxInt32))
		if c.special == skDynSlice {
			r0.Type |= memRdonly
		} else if !e.mayWritePacket() {
			return true, e.errf(CodePacketWrite, "the prog does not allow writes to packet data")
		}
		r0.DynptrID = m.dyn.id
	default:
		return false, nil
	}
	return true, nil
}

// maxPercpu is BPF_GLOBAL_PERCPU_MA_MAX_SIZE.
const maxPercpu = 512

// newObject makes R0 a fresh object of the program's type that the constant
// argument names.
func (e *env) newObject(c *kfuncCall, m *kfuncMeta, r0 *Reg) *Diagnostic {
	if m.constant > math.MaxUint32 {
		return e.errf(CodeObjNew, "local type ID argument must be in range [0, U32_MAX]")
	}
	s := e.prog.BTF
	if s == nil {
		return e.errf(CodeObjNew, "bpf_obj_new/bpf_percpu_obj_new requires prog BTF")
	}
	id := btf.ID(m.constant)
	if s.Kind(id) != btf.KindStruct {
		return e.errf(CodeObjNew, "bpf_obj_new/bpf_percpu_obj_new type ID argument must be of a struct")
	}
	t := ptrToBTFID | memAlloc
	if c.special == skPercpuNew {
		if n := s.Type(id).Size; n > maxPercpu {
			return e.errf(CodeObjNew, "bpf_percpu_obj_new type size (%d) is greater than %d", n, maxPercpu)
		}
		if !scalarStruct(s, id, 0) {
			return e.errf(CodeObjNew, "bpf_percpu_obj_new type ID argument must be of a struct of scalars")
		}
		if e.structRecord(s, id) != nil {
			return e.errf(CodeObjNew, "bpf_percpu_obj_new type ID argument must not contain special fields")
		}
		t |= memPercpu
	}
	r0.markPtr(t)
	r0.BTF, r0.BTFID = btfProg, id
	return nil
}
