// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"math"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/kfuncs"
	"github.com/modbpf/modbpf/verifier/scalar"
)

// helperCall is what judging the arguments of one helper call learns.
type helperCall struct {
	id       int32
	name     string
	proto    *kfuncs.Proto
	m        mapRef // the map argument
	mapUID   uint32
	raw      bool // the argument being judged is memory the helper fills
	access   int  // bytes of stack the helper fills
	regno    int  // and the register that points to them
	memSize  int64
	sizeMax  uint64 // upper bound of the last size argument
	refObj   uint32 // reference of the argument that carries one
	release  int    // register of the argument that is released, 0 if none
	sub      int    // callback subprogram
	kptr     any    // typed: the kptr field of bpf_kptr_xchg
	dynID    uint32 // typed: id of the dynptr argument
	retBTF   btfRef
	retID    uint32
	constKey int64 // constant map key, -1 if not known
}

// protoEntry remembers the kernel's answer about a helper.
type protoEntry struct {
	p   *kfuncs.Proto
	why string
}

// proto is the prototype this program gets for a helper.
func (e *env) proto(id int32) (*kfuncs.Proto, string) {
	if x, ok := e.protos[id]; ok {
		return x.p, x.why
	}
	if e.protos == nil {
		e.protos = make(map[int32]*protoEntry)
	}
	p, why := e.k.HelperProto(id, e.prog)
	e.protos[id] = &protoEntry{p, why}
	return p, why
}

// checkHelper judges a helper call.
func (e *env) checkHelper(in bpf.Insn) *Diagnostic {
	id := in.Imm
	p, why := e.proto(id)
	name := e.k.HelperName(id)
	if p == nil {
		if why == "" && name == "" {
			return e.errf(CodeHelperUnknown, "kernel %s has no helper %d", e.k.Release().Series(), id)
		}
		if why == "" {
			return e.errf(CodeHelperUnknown, "kernel %s has no helper bpf_%s", e.k.Release().Series(), name)
		}
		return e.errf(CodeHelperProg, "bpf_%s cannot be called here: %s", name, why)
	}
	if p.GPLOnly && !e.gpl {
		return e.errf(CodeHelperGPL, "bpf_%s is for GPL-compatible programs; the object's licence is %q", name, e.prog.License)
	}
	if p.MightSleep && !e.sleepOK() {
		return e.errf(CodeHelperSleep, "bpf_%s might sleep and is called where sleeping is not allowed", name)
	}
	if p.Allowed != "" && !kfuncs.Allowed(e.k.Release(), p, UseOf(e.prog)) {
		return e.errf(CodeHelperProbe, "bpf_%s is not allowed at this attach point", name)
	}
	changes := changesPacket(id)
	call := helperCall{id: id, name: name, proto: p, constKey: -1}
	for i := range p.Args {
		if d := e.checkArg(&call, i); d != nil {
			return d
		}
	}
	if d := e.noteMapCall(&call); d != nil {
		return d
	}
	regs := e.cur.regs()
	if id == fnTailCall {
		if m := e.maps[call.m]; m != nil && regs[3].Type == scalarValue && regs[3].Val.IsConst() && regs[3].Val.Const() < uint64(m.MaxEntries) {
			if d := e.markPrecise(3); d != nil {
				return d
			}
		}
	}
	for i := range call.access {
		if d := e.access(call.regno, i, 1, accWrite, -1, false, false); d != nil {
			return d
		}
	}
	if call.release != 0 {
		if d := e.releaseArg(&call); d != nil {
			return d
		}
	}
	if d := e.beforeReturn(&call); d != nil {
		return d
	}
	e.clobber()
	if d := e.helperResult(&call); d != nil {
		return d
	}
	if d := e.checkMapHelper(call.m, id); d != nil {
		return d
	}
	if id == fnGetFuncIP {
		if d := e.checkGetFuncIP(); d != nil {
			return d
		}
	}
	if id == fnTailCall && e.has(FeatTailReturns) {
		if e.cur.Cur == 0 {
			return nil // the program ends, or nothing happened
		}
		return e.tailReturn()
	}
	if changes {
		e.clearPacketPointers()
	}
	return nil
}

// tailReturn walks both outcomes of a tail call in a function: it fails and the
// function goes on, or the other program's result is the function's.
func (e *env) tailReturn() *Diagnostic {
	at := e.insn
	if e.cur.frame().InCallback {
		return e.errf(CodeTailCallState, "a callback tail calls")
	}
	if _, d := e.pushState(at+1, at); d != nil {
		return d
	}
	e.clearPacketPointers()
	e.cur.regs()[0].markUnknown()
	return e.leaveFunc()
}

// noteMapCall judges map calls and remembers their map for the JIT.
func (e *env) noteMapCall(c *helperCall) *Diagnostic {
	switch c.id {
	case fnTailCall, fnMapLookup, fnMapUpdate, fnMapDelete, fnMapPush, fnMapPop, fnMapPeek, fnForEachMapElem,
		fnRedirectMap, fnMapLookupPercpu:
	default:
		return nil
	}
	m := e.maps[c.m]
	if m == nil {
		return e.errf(CodeArgMap, "bpf_%s is called without a map", c.name)
	}
	switch c.id {
	case fnMapDelete, fnMapUpdate, fnMapPush, fnMapPop:
		if m.Flags&bpf.MapRdonlyProg != 0 {
			return e.errf(CodeMapFlags, "map %s is read-only for programs", m.Name)
		}
	}
	e.noteMap(c.m, c.constKey)
	return nil
}

// releaseArg gives up what the call releases.
func (e *env) releaseArg(c *helperCall) *Diagnostic {
	r := &e.cur.regs()[c.release]
	arg := c.proto.Args[c.release-1]
	switch {
	case arg.Kind == kfuncs.ArgDynptr:
		return e.releaseDynptr(c.release)
	case c.id == fnKptrXchg && c.refObj != 0:
		if !e.dropRef(c.refObj) {
			return e.errf(CodeArgRelease, "R%d was not acquired", c.release)
		}
		rcu := e.inRCU()
		ref := c.refObj
		e.forEachReg(func(_ *Frame, r *Reg) {
			if r.RefObj != ref {
				return
			}
			if rcu && r.Type.has(memAlloc) && r.Type.has(memPercpu) {
				r.RefObj = 0
				r.Type = r.Type&^memAlloc | memRCU
				return
			}
			e.markInvalid(r)
		})
		return nil
	case c.refObj != 0:
		return e.releaseRef(c.refObj)
	case r.isNull():
		return nil
	}
	return e.errf(CodeArgRelease, "R%d was not acquired", c.release)
}

// beforeReturn has the rules of single helpers, with the arguments still in place.
func (e *env) beforeReturn(c *helperCall) *Diagnostic {
	regs := e.cur.regs()
	switch c.id {
	case fnTailCall:
		if e.inGlobal == 0 {
			e.noBound = "tail call"
		}
		return e.checkRefLeak(false, true, "tail_call")
	case fnGetLocalStorage:
		if !regs[2].isNull() {
			return e.errf(CodeStorageFlags, "bpf_get_local_storage takes flags 0, R2 is %v", regs[2].Val)
		}
		return e.markPrecise(2)
	case fnForEachMapElem:
		if m := e.maps[c.m]; m != nil && !forEachMap(m.Type) {
			return e.errf(CodeCallbackMap, "map %s of type %s cannot be walked by a callback", m.Name, m.Type)
		}
		return e.pushCallback(cbForEach, c.sub, c.m, c.mapUID, nil)
	case fnTimerSetCallback:
		return e.pushCallback(cbTimer, c.sub, regs[1].Map, regs[1].MapUID, nil)
	case fnFindVMA:
		return e.pushCallback(cbFindVMA, c.sub, 0, 0, nil)
	case fnUserRingbufDrain:
		return e.pushCallback(cbRingbuf, c.sub, 0, 0, nil)
	case fnSnprintf:
		return e.checkSnprintf()
	case fnLoop:
		a := &e.aux[e.insn]
		if a.keyState == 0 || a.keyState == 1 && a.cbSub == int32(c.sub) {
			a.keyState, a.cbSub = 2, int32(c.sub)
			if regs[4].isNull() {
				if d := e.markPrecise(4); d != nil {
					return d
				}
				a.keyState = 1
			}
		}
		if d := e.markPrecise(1); d != nil {
			return d
		}
		f := e.cur.frame()
		if uint64(f.CallbackDepth) < regs[1].Val.UMax() {
			return e.pushCallback(cbLoop, c.sub, 0, 0, nil)
		}
		f.CallbackDepth = 0
	case fnDynptrFromMem:
		if regs[1].Type != ptrToMapValue {
			return e.errf(CodeArgType, "bpf_dynptr_from_mem takes map values, R1 is %s", regs[1].Type)
		}
	case fnSetRetval:
		if e.prog.Type == bpf.ProgLSM && e.prog.AttachType == bpf.AttachLSMCgroup && e.attachVoid() {
			return e.errf(CodeRetval, "the LSM hook returns nothing, so its return value cannot be set")
		}
		if e.has(FeatSetRetval) && !(e.prog.Type == bpf.ProgCgroupSockopt && e.prog.AttachType == bpf.AttachCgroupGetsockopt) {
			want := retRange{min: -maxErrno, max: 0, ret32: true}
			if e.prog.Type == bpf.ProgLSM && e.prog.AttachType == bpf.AttachLSMCgroup {
				if r, ok := e.lsmRange(); ok {
					want = r
				}
			}
			if d := e.markPrecise(1); d != nil {
				return d
			}
			if !inRange(want, &regs[1]) {
				return e.errf(CodeRetRange, "bpf_set_retval sets %v; %d to %d is allowed", regs[1].Val, want.min, want.max)
			}
		}
	case fnPerCPUPtr, fnThisCPUPtr:
		c.raw = regs[1].Type.has(memRCU)
	}
	return nil
}

func forEachMap(t bpf.MapType) bool {
	switch t {
	case bpf.MapHash, bpf.MapPercpuHash, bpf.MapLRUHash, bpf.MapLRUPercpuHash, bpf.MapArray, bpf.MapPercpuArray, bpf.MapRhash:
		return true
	}
	return false
}

// helperResult fills R0.
func (e *env) helperResult(c *helperCall) *Diagnostic {
	r0 := &e.cur.regs()[0]
	ret := c.proto.Ret
	null := RegType(0)
	if ret.MayNull {
		null = maybeNull
	}
	switch ret.Kind {
	case kfuncs.RetInteger:
		r0.markUnknown()
	case kfuncs.RetVoid:
		r0.reset()
	case kfuncs.RetMapValue:
		if c.m == 0 {
			return e.errf(CodeArgMap, "bpf_%s returns a map value but has no map argument", c.name)
		}
		m := e.maps[c.m]
		if c.id == fnMapLookup && e.elides(m) && c.constKey >= 0 && uint64(c.constKey) < uint64(m.MaxEntries) {
			null = 0
		}
		r0.markPtr(ptrToMapValue | null)
		r0.Map, r0.MapUID = c.m, c.mapUID
		if null == 0 && e.regMaySpinLock(r0) {
			r0.ID = e.newID()
		}
	case kfuncs.RetSocket:
		r0.markPtr(ptrToSocket | null)
	case kfuncs.RetSockCommon:
		r0.markPtr(ptrToSockCommon | null)
	case kfuncs.RetTCPSock:
		r0.markPtr(ptrToTCPSock | null)
	case kfuncs.RetMem, kfuncs.RetDynptrMem:
		t := ptrToMem | null
		if ret.Alloc {
			t |= memRingbuf
		}
		r0.markPtr(t)
		r0.N = int32(min(max(c.memSize, 0), math.MaxInt32))
	case kfuncs.RetMemOrBTFID:
		if d := e.percpuResult(c, r0, null); d != nil {
			return d
		}
	case kfuncs.RetBTFID:
		var d *Diagnostic
		if c.id == fnKptrXchg {
			d = e.markKptrRet(c)
		} else {
			d = e.markBTFRet(r0, ret, c.name)
		}
		if d != nil {
			return d
		}
	default:
		return e.notBuilt("result of bpf_%s", c.name)
	}
	if r0.Type.maybeNull() && r0.ID == 0 {
		r0.ID = e.newID()
	}
	switch {
	case c.id == fnDynptrData, c.id == fnDynptrWrite:
		if d := e.dynptrHelper(c); d != nil {
			return d
		}
	case castsPointer(c.id):
		r0.RefObj = c.refObj
	case e.acquires(c):
		id := e.acquireRef()
		r0.ID, r0.RefObj = id, id
	}
	if ret.Kind == kfuncs.RetInteger {
		e.refineResult(c, r0)
	}
	return nil
}

// percpuResult is what bpf_per_cpu_ptr and bpf_this_cpu_ptr give back.
func (e *env) percpuResult(c *helperCall, r0 *Reg, null RegType) *Diagnostic {
	s := e.btfs[c.retBTF]
	if s == nil {
		return e.errf(CodeArgType, "bpf_%s needs a typed per-CPU variable", c.name)
	}
	id := s.SkipMods(btfID(c.retID))
	if k := s.Kind(id); k != 4 && k != 5 {
		n, ok := s.Sizeof(id)
		if !ok {
			return e.errf(CodeArgType, "the size of type %s is not known", s.Name(id))
		}
		r0.markPtr(ptrToMem | memRdonly | null)
		r0.N = int32(min(n, math.MaxInt32))
		return nil
	}
	if c.raw {
		r0.markPtr(ptrToBTFID | memAlloc | memRCU)
	} else {
		r0.markPtr(ptrToBTFID | null)
	}
	r0.BTF, r0.BTFID = c.retBTF, btfID(c.retID)
	return nil
}

// acquires reports calls whose result must be released.
func (e *env) acquires(c *helperCall) bool {
	switch c.id {
	case fnSkLookupTCP, fnSkLookupUDP, fnSkcLookupTCP, fnRingbufReserve, fnKptrXchg:
		return true
	case fnMapLookup:
		m := e.maps[c.m]
		return m != nil && (m.Type == bpf.MapSockmap || m.Type == bpf.MapSockhash)
	}
	return false
}

// elides reports maps whose look-ups by a constant key in range cannot fail.
func (e *env) elides(m *Map) bool {
	return e.has(FeatElideNull) && m.Flags&bpf.MapInnerMap == 0 && (m.Type == bpf.MapArray || m.Type == bpf.MapPercpuArray)
}

// refineResult bounds integers some helpers return.
func (e *env) refineResult(c *helperCall, r *Reg) {
	switch c.id {
	case fnGetStack, fnGetTaskStack, fnProbeReadStr, fnProbeReadKernStr, fnProbeReadUserStr:
		r.Val.LimitS(-4095, int64(min(c.sizeMax, math.MaxInt64)))
		r.Val.LimitS32(-4095, int32(min(c.sizeMax, math.MaxInt32)))
		r.Val.Sync(e.rules)
	case fnGetSMPProcessorID:
		if n := e.cpus(); n > 0 {
			r.Val.LimitU(0, uint64(n-1))
			r.Val.LimitU32(0, uint32(n-1))
			r.Val.Sync(e.rules)
		}
	}
	if !r.Val.Sane() {
		r.Val = scalar.Unknown()
	}
}

// cpus is the most CPUs the kernel can have, 0 if its configuration does not say.
func (e *env) cpus() int {
	n := 0
	for _, c := range e.k.Config("CONFIG_NR_CPUS") {
		if c < '0' || c > '9' || n > 1<<20 {
			return 0
		}
		n = n*10 + int(c-'0')
	}
	return n
}

// notNullReg makes a nullable register one that was found not to be null.
func (e *env) notNullReg(r *Reg) {
	if r.Type.base() != ptrToMapValue {
		r.Type &^= maybeNull
		return
	}
	m := e.mapOf(r)
	switch {
	case m.Inner != nil:
		r.Type = constPtrToMap
		r.Map = e.mapRefOf(m.Inner)
		if e.mapRecord(r.Map).has(fTimer | fWorkqueue | fTaskWork) {
			r.MapUID = r.ID
		}
	case m.Type == bpf.MapXskmap:
		r.Type = ptrToXDPSock
	case m.Type == bpf.MapSockmap || m.Type == bpf.MapSockhash:
		r.Type = ptrToSocket
	default:
		r.Type = ptrToMapValue
	}
}
