// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/structops"
)

// attachType is the attach type whose rules hold: an extension has its target's.
func (e *env) attachType() bpf.AttachType {
	p := e.prog
	for range 8 {
		if p.Type != bpf.ProgExt || p.AttachProg == nil {
			break
		}
		p = p.AttachProg
	}
	return p.AttachType
}

// checkCtx judges an access to the context and, for a load, fills the register.
func (e *env) checkCtx(regno, off, size int, acc access, valueReg int, sx bool) *Diagnostic {
	regs := e.cur.regs()
	h := e.ctxHook()
	if h.VarOff {
		r := &regs[regno]
		if !r.Val.IsConst() {
			if d := e.checkRegion(r, regno, off, size, uint32(h.CtxSize), false); d != nil {
				return d
			}
			if acc == accRead && valueReg >= 0 {
				regs[valueReg].markUnknown()
				if size < 8 {
					e.narrow(&regs[valueReg], size, sx)
				}
			}
			return nil
		}
		off += clampInt(int64(r.Val.Const()))
	} else if d := e.checkPtrOff(&regs[regno], regno, h.FixedOff); d != nil {
		return d
	}
	if h.CtxBTF {
		var tmp Reg
		dst := &tmp
		if d := e.checkBTFCtx(off, size, acc, dst); d != nil {
			return d
		}
		if acc == accRead && valueReg >= 0 {
			regs[valueReg] = tmp
			if size < 8 && tmp.Type == scalarValue {
				e.narrow(&regs[valueReg], size, sx)
			}
		}
		return nil
	}
	row := e.ctxField(off, size, acc, sx)
	if row == nil {
		verb := "read"
		if acc == accWrite {
			verb = "written"
		}
		return e.errf(CodeCtx, "the context (%s) has no field that may be %s at offset %d size %d", e.ctxHook().Ctx, verb, off, size)
	}
	if acc == accWrite || valueReg < 0 {
		return nil
	}
	r := &regs[valueReg]
	switch row.Kind {
	case structops.KindScalar:
		r.markUnknown()
		if size < 8 {
			e.narrow(r, size, sx)
		}
		return nil
	case structops.KindPacket:
		r.markPtr(ptrToPacket)
	case structops.KindPacketMeta:
		r.markPtr(ptrToPacketMeta)
	case structops.KindPacketEnd:
		r.markPtr(ptrToPacketEnd)
	case structops.KindSockCommon:
		r.markPtr(ptrToSockCommon)
	case structops.KindSocket:
		r.markPtr(ptrToSocket)
	case structops.KindTCPSock:
		r.markPtr(ptrToTCPSock)
	case structops.KindXDPSock:
		r.markPtr(ptrToXDPSock)
	case structops.KindFlowKeys:
		r.markPtr(ptrToFlowKeys)
	case structops.KindTPBuffer:
		r.markPtr(ptrToTPBuffer)
	case structops.KindBTF:
		id, ok := e.k.BTF().Find(row.BTF, 4) // struct
		if !ok {
			return e.lacks(CodeCtx, "kernel %s has no struct %s", e.k.Release().Series(), row.BTF)
		}
		r.markPtr(ptrToBTFID | ptrTrusted)
		r.BTF, r.BTFID = btfKernel, id
	default:
		return e.notBuilt("context field of kind %d", row.Kind)
	}
	if row.MayNull {
		r.Type |= maybeNull
		r.ID = e.newID()
	}
	return nil
}

// ctxHook is the hook whose context the program has.
func (e *env) ctxHook() *structops.Hook {
	if e.prog.Type == bpf.ProgExt {
		if h := e.k.Hook(e.progType()); h != nil {
			return h
		}
	}
	return e.hook
}

// ctxField finds the field an access concerns; nil if there is none that allows it.
func (e *env) ctxField(off, size int, acc access, sx bool) *structops.Access {
	return e.ctxHook().Find(off, size, acc == accWrite, sx, e.attachType())
}

// checkLdAbs judges a legacy packet load.
func (e *env) checkLdAbs(in bpf.Insn) *Diagnostic {
	if !e.ctxHook().LdAbs {
		return e.errf(CodeLdAbs, "%s programs have no legacy packet loads", e.prog.Type)
	}
	for i := e.cur.Cur; i > 0; i-- {
		if e.cur.Frames[i].InCallback {
			return e.errf(CodeLdAbs, "a callback has no legacy packet loads")
		}
	}
	if d := e.readable(6); d != nil {
		return d
	}
	if d := e.checkRefLeak(false, true, "a legacy packet load"); d != nil {
		return d
	}
	regs := e.cur.regs()
	if regs[6].Type != ptrToCtx {
		return e.errf(CodeLdAbs, "a legacy packet load needs the context in R6, which is %s", regs[6].Type)
	}
	if in.Op&0xe0 == bpf.ModeIND {
		if d := e.readable(in.Src()); d != nil {
			return d
		}
	}
	if d := e.checkPtrOff(&regs[6], 6, false); d != nil {
		return d
	}
	e.clobber()
	regs[0].markUnknown()
	if e.cur.Cur > 0 {
		// Outside the packet the load returns from the function with 0.
		if _, d := e.pushState(e.insn+1, e.insn); d != nil {
			return d
		}
		regs[0].markKnown(0)
		return e.leaveFunc()
	}
	e.insn++
	return nil
}

// clobber forgets the registers a call overwrites.
func (e *env) clobber() {
	regs := e.cur.regs()
	for i := range callerSaved {
		regs[i].reset()
	}
}
