// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/btf"
)

// checkGlobalReturn judges R0 at the end of a global function.
func (e *env) checkGlobalReturn() *Diagnostic {
	f := e.cur.frame()
	if e.subs[f.Subprog].retVoid && e.has(FeatVoidGlobal) {
		return nil
	}
	if f.Regs[0].Type == notInit {
		return e.errf(CodeUninit, "R0 is not set when the function returns")
	}
	if t := f.Regs[0].Type; t != scalarValue && !(t == ptrToArena && e.has(FeatVoidGlobal)) {
		return e.errf(CodeRetScalar, "a global function returns R0, which is no number (%s)", t)
	}
	return nil
}

// checkReturnCode judges the value in Regs[regno] as the program's result.
func (e *env) checkReturnCode(regno int, name string) *Diagnostic {
	f := e.cur.Frames[0]
	r := &e.cur.regs()[regno]
	if !f.InAsync {
		if e.returnsNothing() {
			return nil
		}
		if handled, d := e.checkBTFReturn(); handled || d != nil {
			return d
		}
	}
	if d := e.readable(uint8(regno)); d != nil {
		if regno == 0 {
			return e.errf(CodeRetUninit, "R0 is not set when the program exits")
		}
		return d
	}
	var want retRange
	where := "the program returns"
	if f.InAsync {
		where = "an asynchronous callback returns"
	} else {
		var ok bool
		if want, ok = e.returnRange(); !ok {
			return nil
		}
	}
	if r.Type != scalarValue {
		return e.errf(CodeRetScalar, "%s %s, which is no number (%s)", where, name, r.Type)
	}
	if d := e.markPrecise(regno); d != nil {
		return d
	}
	if !inRange(want, r) {
		return e.errf(CodeRetRange, "%s %v in %s; %d to %d is allowed", where, r.Val, name, want.min, want.max)
	}
	return nil
}

// attachVoid reports whether what the program is attached to returns nothing.
func (e *env) attachVoid() bool {
	s := e.prog.AttachBTF
	if s == nil || e.prog.AttachID == 0 {
		return false
	}
	proto, ok := e.attachProto()
	return ok && s.Kind(s.Type(proto).Ref) == btf.KindVoid
}

// attachProto finds the prototype of the attach target.
func (e *env) attachProto() (btf.ID, bool) {
	s := e.prog.AttachBTF
	id := e.prog.AttachID
	for range 8 {
		t := s.Type(id)
		switch t.Kind {
		case btf.KindFuncProto:
			return id, true
		case btf.KindFunc, btf.KindTypedef, btf.KindPtr:
			id = t.Ref
		case btf.KindStruct:
			if e.prog.Member < 0 || e.prog.Member >= t.Vlen {
				return 0, false
			}
			id = s.Member(id, e.prog.Member).Type
		default:
			return 0, false
		}
	}
	return 0, false
}

// returnsNothing reports programs whose result nobody looks at because the
// function they stand for returns nothing.
func (e *env) returnsNothing() bool {
	switch e.prog.Type {
	case bpf.ProgLSM:
		return e.prog.AttachType != bpf.AttachLSMCgroup && e.attachVoid()
	case bpf.ProgStructOps:
		return e.attachVoid()
	}
	return false
}

// returnRange is the range of values the program may return; false if any.
func (e *env) returnRange() (retRange, bool) {
	r01 := retRange{min: 0, max: 1}
	switch e.progType() {
	case bpf.ProgCgroupSockAddr:
		switch e.attachType() {
		case bpf.AttachCgroupUdp4Recvmsg, bpf.AttachCgroupUdp6Recvmsg, bpf.AttachCgroupUnixRecvmsg,
			bpf.AttachCgroupInet4Getpeername, bpf.AttachCgroupInet6Getpeername, bpf.AttachCgroupUnixGetpeername,
			bpf.AttachCgroupInet4Getsockname, bpf.AttachCgroupInet6Getsockname, bpf.AttachCgroupUnixGetsockname:
			return retRange{min: 1, max: 1}, true
		case bpf.AttachCgroupInet4Bind, bpf.AttachCgroupInet6Bind:
			return retRange{min: 0, max: 3}, true
		}
		return r01, true
	case bpf.ProgCgroupSkb:
		if e.attachType() == bpf.AttachCgroupInetEgress {
			return retRange{min: 0, max: 3}, true
		}
		return r01, true
	case bpf.ProgCgroupSock, bpf.ProgSockOps, bpf.ProgCgroupDevice, bpf.ProgCgroupSysctl, bpf.ProgCgroupSockopt,
		bpf.ProgSKLookup, bpf.ProgNetfilter:
		return r01, true
	case bpf.ProgRawTracepoint:
		return retRange{}, e.prog.AttachID != 0
	case bpf.ProgTracing:
		switch e.attachType() {
		case bpf.AttachTraceRawTP, bpf.AttachModifyReturn:
			return retRange{}, false
		case bpf.AttachTraceFentry, bpf.AttachTraceFexit, bpf.AttachTraceFsession:
			return retRange{}, true
		}
		return r01, true
	case bpf.ProgKprobe:
		switch e.attachType() {
		case bpf.AttachTraceKprobeSession, bpf.AttachTraceUprobeSession:
			return r01, true
		}
		return retRange{}, false
	case bpf.ProgLSM:
		if e.attachType() == bpf.AttachLSMCgroup {
			if e.attachVoid() {
				return retRange{min: 1, max: 1}, true
			}
			return r01, true
		}
	case bpf.ProgExt:
		return retRange{}, false
	}
	return e.btfReturn()
}
