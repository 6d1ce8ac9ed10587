// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"math"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/kfuncs"
)

// Calls: into static functions the walk goes on, global ones are taken by their
// prototype, callbacks are walked as if called at once or on their own.

// callbackKind says which callback contract a call sets up.
type callbackKind uint8

const (
	cbRBTreeAdd callbackKind = iota // less(a, b): both non-owning references, under the lock
	cbTimer                         // async: map, key, value of the map that holds the timer or workqueue
	cbTaskWork                      // async, sleepable: map, key, value
	cbLoop                          // bpf_loop: index, context
	cbForEach                       // bpf_for_each_map_elem: map, key, value, context
	cbFindVMA                       // task, vma, context
	cbRingbuf                       // bpf_user_ringbuf_drain: dynptr, context
)

// checkCall judges a call of any kind; it sets e.insn to the next instruction.
func (e *env) checkCall(in bpf.Insn) (exit bool, diag *Diagnostic) {
	at, inst := e.insn, e.cur.frame().inst
	switch in.Src() {
	case bpf.PseudoCall:
		return false, e.checkFuncCall(in)
	case bpf.PseudoKfuncCall:
		if d := e.checkKfuncCall(); d != nil {
			return false, d
		}
		e.commitStackWrites(inst, at)
		if k := e.aux[at].kfunc; k != nil && k.Throws {
			return e.checkExit(true)
		}
	default:
		if e.cur.ActiveLocks > 0 && in.Imm != fnSpinUnlock {
			return false, e.errf(CodeCalledWithLock, "bpf_%s is called under a spin lock", e.k.HelperName(in.Imm))
		}
		if d := e.checkHelper(in); d != nil {
			return false, d
		}
		e.commitStackWrites(inst, at)
		if e.insn != at {
			return false, nil // returned to the caller
		}
	}
	e.insn = at + 1
	return false, nil
}

// setupFrame begins a call of sub in st.
func (e *env) setupFrame(st *State, sub, callsite int) (*Frame, *Diagnostic) {
	limit := 8
	if e.has(FeatFrames16) {
		limit = 16
	}
	if st.Cur+1 >= limit {
		return nil, e.errf(CodeStackFrames, "the call of %s is nested %d deep; at most %d are allowed", e.subName(sub), st.Cur+2, limit)
	}
	caller := st.frame()
	f := e.blankFrame()
	st.Cur++
	f.FrameNo = int32(st.Cur)
	f.Callsite = int32(callsite)
	f.Subprog = int32(sub)
	f.AsyncEntry = 0
	f.inst = e.liveInstance(caller.inst, int32(callsite), int32(sub))
	f.initRegs()
	st.Frames[st.Cur] = f
	return f, nil
}

// checkFuncCall judges a call of one of the program's functions.
func (e *env) checkFuncCall(in bpf.Insn) *Diagnostic {
	at := e.insn
	sub := e.findSubprog(at + int(in.Imm) + 1)
	if sub < 0 {
		return e.errf(CodeCallTarget, "no function begins at instruction %d", at+int(in.Imm)+1)
	}
	caller := e.cur.frame()
	if e.subs[sub].global {
		d := e.checkGlobalArgs(sub)
		if d != nil && d.Verdict != Reject {
			return d
		}
		switch {
		case e.cur.ActiveLocks > 0:
			return e.errf(CodeGlobalLock, "global function %s is called under a lock; make it static", e.subName(sub))
		case e.subs[sub].mightSleep && e.has(FeatGlobalSleep) && !e.sleepOK():
			return e.errf(CodeGlobalSleep, "global function %s may sleep and is called where sleeping is not allowed", e.subName(sub))
		case !e.has(FeatGlobalSleep) && e.cur.PreemptLocks > 0:
			return e.errf(CodeGlobalLock, "global function %s is called with preemption disabled; make it static", e.subName(sub))
		case d != nil:
			return e.errf(CodeGlobalArgs, "wrong arguments for global function %s: %s", e.subName(sub), d.Message)
		}
		if e.subs[sub].changesPkt {
			e.clearPacketPointers()
		}
		e.subs[sub].called = true
		if n, why := e.staticCost(sub); n < 0 {
			if e.inGlobal == 0 {
				e.noBound = why
			}
		} else {
			e.cur.steps += n
		}
		e.clobber()
		caller.Regs[0].markUnknown()
		e.insn = at + 1
		return nil
	}
	f, d := e.setupFrame(e.cur, sub, at)
	if d != nil {
		return d
	}
	for r := 1; r <= 5; r++ {
		f.Regs[r] = caller.Regs[r]
	}
	for r := range callerSaved {
		caller.Regs[r].reset()
	}
	e.insn = e.subs[sub].start
	return nil
}

// sleepOK reports whether sleeping is allowed here.
func (e *env) sleepOK() bool {
	s := e.cur
	return s.Sleepable && s.RCULocks == 0 && s.PreemptLocks == 0 && s.ActiveIrq == 0 && s.ActiveLocks == 0
}

// leaveFunc returns from the innermost function to its caller.
func (e *env) leaveFunc() *Diagnostic {
	st := e.cur
	callee := st.frame()
	r0 := &callee.Regs[0]
	if r0.Type == ptrToStack {
		return e.errf(CodeStackReturn, "a pointer to the function's own stack is returned")
	}
	caller := st.Frames[st.Cur-1]
	if callee.InCallback {
		if r0.Type != scalarValue {
			return e.errf(CodeRetScalar, "a callback returns R0, which is no number (%s)", r0.Type)
		}
		if d := e.markPrecise(0); d != nil {
			return d
		}
		if !inRange(callee.CallbackRet, r0) {
			return e.errf(CodeRetCallback, "a callback returns %v; its caller allows %d to %d", r0.Val, callee.CallbackRet.min, callee.CallbackRet.max)
		}
	} else {
		caller.Regs[0] = *r0
	}
	callback := callee.InCallback
	at := int(callee.Callsite)
	st.Frames[st.Cur] = nil
	e.frames = append(e.frames, callee)
	st.Cur--
	if !callback {
		e.insn = at + 1
		return nil
	}
	// A callback is left to its call, which calls again or goes on.
	e.insn = at
	if prev := e.prevEntry(st, at); prev != nil {
		e.widen(prev, st)
	}
	return nil
}

// inRange reports whether a number lies in a range of return values.
func inRange(r retRange, v *Reg) bool {
	if r.ret32 {
		return r.min <= v.Val.S32Min() && v.Val.S32Max() <= r.max
	}
	return int64(r.min) <= v.Val.SMin() && v.Val.SMax() <= int64(r.max)
}

// pushCallback queues or enters the verification of a callback subprogram
// called by the instruction at e.insn; m is the map of timers and workqueues.
func (e *env) pushCallback(kind callbackKind, sub int, m mapRef, uid uint32, graph *field) *Diagnostic {
	e.subs[sub].isCB = true
	if kind == cbTimer || kind == cbTaskWork {
		e.subs[sub].isAsyncCB = true
		sleepable := kind == cbTaskWork
		if k := e.aux[e.insn].kfunc; k != nil && k.SleepableCB {
			sleepable = true
		}
		entry := e.cur.frame().AsyncEntry
		st, d := e.pushAsync(sub, sleepable)
		if d != nil {
			return d
		}
		f := st.Frames[0]
		f.AsyncEntry = entry + 1
		f.InAsync = true
		f.Regs[1].markPtr(constPtrToMap)
		f.Regs[2].markPtr(ptrToMapKey)
		f.Regs[3].markPtr(ptrToMapValue)
		for r := 1; r <= 3; r++ {
			f.Regs[r].Map, f.Regs[r].MapUID = m, uid
		}
		return nil
	}
	st, d := e.pushState(e.subs[sub].start, e.insn)
	if d != nil {
		return d
	}
	caller := st.frame()
	f, d := e.setupFrame(st, sub, e.insn)
	if d != nil {
		return d
	}
	f.InCallback = true
	f.CallbackRet = retRange{min: 0, max: 1}
	switch kind {
	case cbLoop:
		f.Regs[1].markUnknown()
		f.Regs[2] = caller.Regs[3]
	case cbForEach:
		f.Regs[1] = caller.Regs[1]
		mm := caller.Regs[1].Map
		f.Regs[2].markPtr(ptrToMapKey)
		f.Regs[3].markPtr(ptrToMapValue)
		for r := 2; r <= 3; r++ {
			f.Regs[r].Map, f.Regs[r].MapUID = mm, caller.Regs[1].MapUID
		}
		f.Regs[4] = caller.Regs[3]
	case cbFindVMA:
		f.Regs[1] = caller.Regs[1]
		id, ok := e.k.BTF().Find("vm_area_struct", 4)
		if !ok {
			return e.lacks(CodeCallbackMap, "the kernel has no struct vm_area_struct")
		}
		f.Regs[2].markPtr(ptrToBTFID)
		f.Regs[2].BTF, f.Regs[2].BTFID = btfKernel, id
		f.Regs[3] = caller.Regs[4]
	case cbRingbuf:
		f.Regs[1].markPtr(constPtrToDynptr)
		f.Regs[1].Kind, f.Regs[1].First = dynLocal, true
		f.Regs[1].ID = e.newID()
		f.Regs[2] = caller.Regs[3]
	case cbRBTreeAdd:
		for r := 1; r <= 2; r++ {
			e.markNode(&f.Regs[r], graph)
			e.setNonOwning(&f.Regs[r])
		}
	}
	st.unrollDepth++
	caller.CallbackDepth++
	e.cur.frame().CallbackDepth = 0
	return nil
}

// argOff judges the offset of a pointer argument.
func (e *env) argOff(r *Reg, regno int, release, dynptr bool) *Diagnostic {
	if release {
		if dynptr && r.Type == ptrToStack {
			return nil
		}
		if r.Off != 0 {
			return e.errf(CodePtrMoved, "R%d was moved by %d; what is released must be passed as it was acquired", regno, r.Off)
		}
		return e.checkPtrOff(r, regno, false)
	}
	switch r.Type {
	case ptrToStack, ptrToPacket, ptrToPacketMeta, ptrToMapKey, ptrToMapValue, ptrToMem, ptrToMem | memRdonly,
		ptrToMem | memRingbuf, ptrToBuf, ptrToBuf | memRdonly, ptrToArena, scalarValue:
		return nil
	case ptrToBTFID, ptrToBTFID | memAlloc, ptrToBTFID | ptrTrusted, ptrToBTFID | memRCU,
		ptrToBTFID | memAlloc | nonOwnRef, ptrToBTFID | memAlloc | nonOwnRef | memRCU:
		return e.checkPtrOff(r, regno, true)
	}
	return e.checkPtrOff(r, regno, false)
}

// checkGlobalArgs judges the arguments of a call to a global function.
func (e *env) checkGlobalArgs(sub int) *Diagnostic {
	s := &e.subs[sub]
	if len(e.prog.Funcs) == 0 {
		return e.errf(CodeFuncInfo, "a global function needs BTF")
	}
	if d := e.prepareArgs(sub); d != nil {
		return d
	}
	regs := e.cur.regs()
	for i := range s.args {
		a := &s.args[i]
		regno := i + 1
		r := &regs[regno]
		switch {
		case a.Flags.has(ptrUntrusted) && a.Kind != kfuncs.ArgAnything:
			// Read by loads that may fault: anything will do.
		case a.Arena:
			if r.Type != ptrToArena && r.Type != scalarValue {
				return e.errf(CodeArg, "R%d (%s) is neither an arena pointer nor a number", regno, r.Type)
			}
		case a.Kind == kfuncs.ArgAnything:
			if r.Type != scalarValue {
				return e.errf(CodeArg, "R%d (%s) is no number", regno, r.Type)
			}
		case a.Kind == kfuncs.ArgCtx:
			if d := e.argOff(r, regno, false, false); d != nil {
				return d
			}
			if r.Type != ptrToCtx {
				return e.errf(CodeArg, "argument %d is to be the context, R%d is %s", i, regno, r.Type)
			}
		case a.Kind == kfuncs.ArgMem:
			if d := e.argOff(r, regno, false, false); d != nil {
				return d
			}
			if d := e.checkMemReg(regno, int(a.Size)); d != nil {
				return d
			}
			if e.has(FeatParentRefs) && s.changesPkt && r.Type.isPacket() {
				return e.errf(CodeArg, "R%d is a packet pointer, and %s may change packets", regno, e.subName(sub))
			}
			if !a.Flags.has(maybeNull) && (r.Type.maybeNull() || r.isNull()) {
				return e.errf(CodeArg, "argument %d must not be NULL, R%d (%s) may be", i, regno, r.Type)
			}
		default:
			if d := e.checkTypedArg(regno, a); d != nil {
				return d
			}
		}
	}
	return nil
}

// enterGlobal sets up the registers of a function that is verified on its own.
func (e *env) enterGlobal(sub int) *Diagnostic {
	s := &e.subs[sub]
	if d := e.prepareArgs(sub); d != nil {
		return d
	}
	f := e.cur.Frames[0]
	if sub == e.excCB && sub > 0 {
		f.InException = true
		if s.retVoid && e.has(FeatVoidGlobal) {
			return e.errf(CodeExceptionCB, "exception cb cannot return void")
		}
		if len(s.args) != 1 || s.args[0].Kind != kfuncs.ArgAnything || s.args[0].Arena {
			return e.errf(CodeExceptionCB, "exception cb only supports single integer argument")
		}
	}
	for i := range s.args {
		a := &s.args[i]
		r := &f.Regs[i+1]
		switch {
		case a.Arena, a.Kind == kfuncs.ArgAnything:
			r.markUnknown()
		case a.Kind == kfuncs.ArgCtx:
			r.markPtr(ptrToCtx)
		case a.Kind == kfuncs.ArgDynptr:
			r.markPtr(constPtrToDynptr)
			r.Kind, r.First = dynLocal, true
			r.ID = e.newID()
		case a.Kind == kfuncs.ArgMem:
			r.markPtr(ptrToMem | a.Flags&(maybeNull|ptrUntrusted|memRdonly))
			r.N = int32(min(a.Size, math.MaxInt32))
			if a.Flags.has(maybeNull) {
				r.ID = e.newID()
			}
		case a.Kind == kfuncs.ArgBTFID:
			r.markPtr(ptrToBTFID | a.Flags&(maybeNull|ptrUntrusted|ptrTrusted))
			r.BTF, r.BTFID = a.BTF, a.BTFID
			r.ID = e.newID()
		default:
			return e.notBuilt("argument %d of global function %s", i, e.subName(sub))
		}
	}
	return nil
}
