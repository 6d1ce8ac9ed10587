// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/structops"
)

// ctxTable is a hook's context layout, indexed by byte: for each the row of
// CtxFields that covers it, plus one; 0 is none.
type ctxTable struct {
	rows  []structops.Access
	read  []int16
	write []int16
}

// ctxLayout builds the table for this program's attach type.
func (e *env) ctxLayout() *ctxTable {
	if e.ctx != nil {
		return e.ctx
	}
	t := &ctxTable{rows: e.hook.CtxFields}
	end := 0
	for _, r := range t.rows {
		end = max(end, r.Off+r.Size)
	}
	t.read, t.write = make([]int16, end), make([]int16, end)
	rel := e.k.Release()
	for i, r := range t.rows {
		if !r.First.IsZero() && rel.Less(r.First) || r.Off < 0 {
			continue
		}
		if len(r.Attach) > 0 {
			ok := false
			for _, a := range r.Attach {
				ok = ok || a == e.attachType()
			}
			if !ok {
				continue
			}
		}
		for b := r.Off; b < r.Off+r.Size; b++ {
			if r.Read && t.read[b] == 0 {
				t.read[b] = int16(i + 1)
			}
			if r.Write && t.write[b] == 0 {
				t.write[b] = int16(i + 1)
			}
		}
	}
	e.ctx = t
	return t
}

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
	if e.ctxHook().CtxBTF {
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
	case structops.KindBTF:
		id, ok := e.k.BTF().Find(row.BTF, 4) // struct
		if !ok {
			return e.lacks(CodeCtx, "kernel %s has no struct %s", e.k.Release().Series(), row.BTF)
		}
		r.markPtr(ptrToBTFID)
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
	t := e.ctxLayout()
	if off < 0 || off%size != 0 {
		return nil
	}
	idx := t.read
	if acc == accWrite {
		idx = t.write
	}
	if off+size > len(idx) || idx[off] == 0 {
		return nil
	}
	r := &t.rows[idx[off]-1]
	if r.Kind != structops.KindScalar {
		if off != r.Off || size != r.Size || sx {
			return nil
		}
		return r
	}
	if off == r.Off && size == r.Size {
		return r
	}
	if !r.Narrow || off+size > r.Off+r.Size {
		return nil
	}
	return r
}

// checkLdAbs judges a legacy packet load.
func (e *env) checkLdAbs(in bpf.Insn) *Diagnostic {
	switch e.progType() {
	case bpf.ProgSocketFilter, bpf.ProgSchedCls, bpf.ProgSchedAct:
	default:
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
