// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"encoding/binary"
	"math"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/structops"
	"github.com/modbpf/modbpf/verifier/scalar"
)

// Loads, stores and memory arguments: what each kind of pointer may touch.

// readable judges that a register was written.
func (e *env) readable(r uint8) *Diagnostic {
	if e.cur.frame().Regs[r].Type == notInit {
		return e.errf(CodeUninit, "R%d is read but was not written on this path", r)
	}
	return nil
}

// writable judges that a register may be written.
func (e *env) writable(r uint8) *Diagnostic {
	if r == regFP {
		return e.errf(CodeFPWrite, "R10, the frame pointer, cannot be written")
	}
	return nil
}

// checkLoad judges a load instruction.
func (e *env) checkLoad(in bpf.Insn, a *insnAux) *Diagnostic {
	src, dst := in.Src(), in.Dst()
	if d := e.readable(src); d != nil {
		return d
	}
	if d := e.writable(dst); d != nil {
		return d
	}
	regs := e.cur.regs()
	t := regs[src].Type
	if d := e.access(int(src), int(in.Off), bpf.AccessSize(in.Op), accRead, int(dst), false, in.Op&0xe0 == bpf.ModeMEMSX); d != nil {
		return d
	}
	return e.notePtrType(a, t, true)
}

// checkStore judges a store of register src, or of a constant when src is -1.
func (e *env) checkStore(in bpf.Insn, a *insnAux, src int) *Diagnostic {
	if src >= 0 {
		if d := e.readable(uint8(src)); d != nil {
			return d
		}
	}
	dst := in.Dst()
	if d := e.readable(dst); d != nil {
		return d
	}
	t := e.cur.regs()[dst].Type
	if d := e.access(int(dst), int(in.Off), bpf.AccessSize(in.Op), accWrite, src, false, false); d != nil {
		return d
	}
	return e.notePtrType(a, t, false)
}

// mixable reports kinds that one instruction may see beside others: their
// accesses need no rewriting.
func mixable(t RegType) bool {
	switch t.base() {
	case ptrToCtx, ptrToSocket, ptrToSockCommon, ptrToTCPSock, ptrToXDPSock, ptrToBTFID, ptrToArena:
		return false
	case ptrToMem:
		return !faults(t)
	}
	return true
}

// faults reports pointers that are followed by loads that may fault.
func faults(t RegType) bool { return t.has(ptrUntrusted|memRdonly) && t.has(ptrUntrusted) }

// notePtrType judges that an instruction sees one kind of pointer.
func (e *env) notePtrType(a *insnAux, t RegType, load bool) *Diagnostic {
	prev := a.ptrType
	if prev == notInit {
		a.ptrType = t
		return nil
	}
	if prev == t || mixable(t) && mixable(prev) {
		return nil
	}
	memOrBTF := func(t RegType) bool { return t.base() == ptrToBTFID || t.base() == ptrToMem }
	if load && memOrBTF(t) && memOrBTF(prev) && (e.has(FeatRdonlyUntrustedMem) || t.base() == ptrToBTFID && prev.base() == ptrToBTFID) {
		m := ptrToBTFID
		if t.base() == ptrToMem || prev.base() == ptrToMem {
			m = ptrToMem
		}
		if faults(t) || faults(prev) || !e.has(FeatRdonlyUntrustedMem) {
			m |= ptrUntrusted
			if m.base() == ptrToMem {
				m |= memRdonly
			}
		} else {
			m |= (t | prev) & memRdonly
		}
		a.ptrType = m
		return nil
	}
	return e.errf(CodePtrMismatch, "this instruction is reached with a %s pointer here and with a %s pointer on another path", t, prev)
}

// checkMem judges a load or store of size bytes at Regs[regno]+off as an
// instruction would do it; valueReg is the register loaded or stored, -1 none.
func (e *env) checkMem(regno, off, size int, acc access, valueReg int) *Diagnostic {
	return e.access(regno, off, size, acc, valueReg, false, false)
}

// access is checkMem with strict alignment once, and with sign extension.
func (e *env) access(regno, off, size int, acc access, valueReg int, strict, sx bool) *Diagnostic {
	regs := e.cur.regs()
	reg := &regs[regno]
	if reg.Type != ptrToStack || size != 1 {
		if d := e.checkAlign(reg, off, size, strict); d != nil {
			return d
		}
	}
	off += int(reg.Off)
	loaded := acc == accRead && valueReg >= 0
	switch t := reg.Type; {
	case t == ptrToStack:
		e.noteMem(MemStack, 0)
		if d := e.checkStackBounds(reg, regno, off, size, acc); d != nil {
			return d
		}
		var d *Diagnostic
		if acc == accRead {
			d = e.stackRead(regno, off, size, valueReg)
		} else {
			d = e.stackWrite(regno, off, size, valueReg)
		}
		if d != nil {
			return d
		}
	case t == ptrToMapValue:
		e.noteMem(MemMapValue, reg.Map)
		if d := e.checkMapFlags(reg, off, size, acc); d != nil {
			return d
		}
		m := e.mapOf(reg)
		if d := e.checkRegion(reg, regno, off, size, m.ValueSize, false); d != nil {
			return d
		}
		if e.mapRecord(reg.Map) != nil {
			handled, d := e.checkMapFields(regno, off+clampInt(reg.Val.SMin()), off+clampInt(int64(reg.Val.UMax())), size, acc, valueReg)
			if d != nil || handled {
				return d
			}
		}
		if loaded {
			if v, ok := e.rodata(reg, off, size, sx); ok {
				regs[valueReg].markKnown(v)
				return nil
			}
			regs[valueReg].markUnknown()
		}
	case t == ptrToMapKey:
		e.noteMem(MemOther, 0)
		if acc == accWrite {
			return e.errf(CodeKeyWrite, "R%d points to a map key given to a callback; keys are not changed", regno)
		}
		if d := e.checkRegion(reg, regno, off, size, e.mapOf(reg).KeySize, false); d != nil {
			return d
		}
		if loaded {
			regs[valueReg].markUnknown()
		}
	case t.base() == ptrToMem:
		rdonly := t.isRdonlyMem()
		untrusted := rdonly && t.has(ptrUntrusted)
		e.noteMem(MemOther, 0)
		if t.maybeNull() {
			return e.errMem(regno)
		}
		if acc == accWrite && rdonly {
			return e.errf(CodeRdonly, "R%d points to read-only memory (%s)", regno, t)
		}
		if !untrusted {
			if d := e.checkRegion(reg, regno, off, size, uint32(reg.N), false); d != nil {
				return d
			}
		}
		if valueReg >= 0 && (acc == accRead || rdonly) {
			regs[valueReg].markUnknown()
		}
	case t == ptrToCtx:
		e.noteMem(MemCtx, 0)
		return e.checkCtx(regno, off, size, acc, valueReg, sx)
	case t.isPacket():
		e.noteMem(MemPacket, 0)
		if acc == accWrite && !e.packetAccess(accWrite, nil) {
			return e.errf(CodePacketStore, "programs of this type do not write to packets")
		}
		if d := e.checkPacket(reg, regno, off, size, false); d != nil {
			return d
		}
		if loaded {
			regs[valueReg].markUnknown()
		}
	case t == ptrToFlowKeys:
		e.noteMem(MemOther, 0)
		if off < 0 || off+size > flowKeysSize {
			return e.errf(CodeFlowKeys, "access to flow keys at %d size %d leaves their %d bytes", off, size, flowKeysSize)
		}
		if loaded {
			regs[valueReg].markUnknown()
		}
	case t.isSock() && t == t.base():
		e.noteMem(MemOther, 0)
		if acc == accWrite {
			return e.errf(CodeRdonly, "R%d points to a socket (%s), which cannot be written", regno, t)
		}
		if reg.Val.SMin() < 0 {
			return e.errNegative(regno)
		}
		if !sockFieldOK(t, off, size) {
			return e.errf(CodeSockField, "R%d: %s has no field that may be read at offset %d size %d", regno, t, off, size)
		}
		if valueReg >= 0 {
			regs[valueReg].markUnknown()
		}
	case t == ptrToTPBuffer:
		e.noteMem(MemOther, 0)
		if d := e.checkBuf(reg, regno, off, "tracepoint"); d != nil {
			return d
		}
		if loaded {
			regs[valueReg].markUnknown()
		}
	case t.base() == ptrToBTFID && !t.maybeNull():
		e.noteMem(MemMixed, 0)
		off -= int(reg.Off)
		if d := e.checkBTFAccess(regno, off, size, acc, valueReg); d != nil {
			return d
		}
	case t == constPtrToMap:
		e.noteMem(MemProbe, 0)
		off -= int(reg.Off)
		if d := e.checkMapPtrAccess(regno, off, size, acc, valueReg); d != nil {
			return d
		}
	case t.base() == ptrToBuf && !t.maybeNull():
		e.noteMem(MemOther, 0)
		rdonly := t.isRdonlyMem()
		what := "read-write"
		if rdonly {
			what = "read-only"
			if acc == accWrite {
				return e.errf(CodeRdonly, "R%d points to read-only memory (%s)", regno, t)
			}
		}
		if d := e.checkBuf(reg, regno, off, what); d != nil {
			return d
		}
		if loaded {
			regs[valueReg].markUnknown()
		}
	case t == ptrToArena:
		e.noteMem(MemArena, 0)
		if loaded {
			regs[valueReg].markUnknown()
		}
	default:
		return e.errMem(regno)
	}
	if loaded && size < 8 && regs[valueReg].Type == scalarValue {
		e.narrow(&regs[valueReg], size, sx)
	}
	return nil
}

// narrow cuts a loaded scalar to the size of the load.
func (e *env) narrow(r *Reg, size int, sx bool) {
	if sx {
		r.Val = scalar.SExt(r.Val, size)
		return
	}
	r.Val = scalar.Truncate(r.Val, size, e.rules)
}

func clampInt(v int64) int {
	return int(max(min(v, math.MaxInt32), math.MinInt32))
}

func (e *env) errMem(regno int) *Diagnostic {
	t := e.cur.regs()[regno].Type
	if t == scalarValue {
		return e.errf(CodeMemInvalid, "R%d is a number, not a pointer that can be followed", regno)
	}
	if t.maybeNull() {
		return e.errf(CodeMemInvalid, "R%d (%s) may be NULL here; test it first", regno, t)
	}
	return e.errf(CodeMemInvalid, "R%d (%s) is no memory that can be accessed", regno, t)
}

func (e *env) errNegative(regno int) *Diagnostic {
	return e.errf(CodeMapNegative, "R%d may be negative here (%v); make the index unsigned or test it for >= 0", regno, e.cur.regs()[regno].Val)
}

// checkAlign judges alignment.
func (e *env) checkAlign(reg *Reg, off, size int, once bool) *Diagnostic {
	if size == 1 {
		return nil
	}
	strict := e.strict || once
	pad := 0
	switch reg.Type {
	case ptrToPacket, ptrToPacketMeta:
		pad = 2 // NET_IP_ALIGN
	case ptrToStack:
		strict = true
	case ptrToArena:
		return nil
	}
	if !strict {
		return nil
	}
	fixed := uint64(int64(pad) + int64(reg.Off) + int64(off))
	if reg.Val.IsConst() {
		if (reg.Val.Const()+fixed)&uint64(size-1) == 0 {
			return nil
		}
	} else if reg.Val.Bits.Add(scalar.Const(fixed).Bits).Aligned(uint64(size)) {
		return nil
	}
	return e.errf(CodeAlign, "access of %d bytes at offset %d of %s is not aligned", size, int(reg.Off)+off, reg.Type)
}

// checkBytes judges a constant offset into a block.
func (e *env) checkBytes(reg *Reg, regno int, off int64, size int, total uint32, zeroOK bool) *Diagnostic {
	if off >= 0 && (size > 0 || size == 0 && zeroOK) && uint64(off)+uint64(size) <= uint64(total) {
		return nil
	}
	switch reg.Type.base() {
	case ptrToMapKey:
		return e.errf(CodeMapBounds, "access at offset %d size %d leaves the map key of %d bytes", off, size, total)
	case ptrToMapValue:
		return e.errf(CodeMapBounds, "access at offset %d size %d leaves the value of map %s, %d bytes", off, size, e.mapName(reg.Map), total)
	case ptrToPacket, ptrToPacketMeta, ptrToPacketEnd:
		return e.errf(CodePacketBounds, "access at offset %d size %d: only %d bytes are known to be in the packet", off, size, total)
	}
	return e.errf(CodeMemBounds, "access at offset %d size %d leaves the memory of %d bytes", off, size, total)
}

// checkRegion judges an access at a variable offset into a block of known size.
func (e *env) checkRegion(reg *Reg, regno, off, size int, total uint32, zeroOK bool) *Diagnostic {
	lo := reg.Val.SMin()
	if lo < 0 && (lo == math.MinInt64 || int64(off)+lo != int64(int32(int64(off)+lo)) || lo+int64(off) < 0) {
		return e.errNegative(regno)
	}
	if d := e.checkBytes(reg, regno, lo+int64(off), size, total, zeroOK); d != nil {
		return d
	}
	hi := reg.Val.UMax()
	if hi >= maxVarOff {
		return e.errf(CodeMapUnbounded, "R%d has no upper bound here (%v); compare it with the size first", regno, reg.Val)
	}
	if int64(hi) == lo {
		return nil
	}
	return e.checkBytes(reg, regno, int64(hi)+int64(off), size, total, zeroOK)
}

// checkMapFlags judges that the map may be read or written by programs.
func (e *env) checkMapFlags(reg *Reg, off, size int, acc access) *Diagnostic {
	m := e.mapOf(reg)
	if acc == accWrite && m.Flags&bpf.MapRdonlyProg != 0 {
		return e.errf(CodeMapFlags, "map %s is read-only for programs", m.Name)
	}
	if acc == accRead && m.Flags&bpf.MapWronlyProg != 0 {
		return e.errf(CodeMapFlags, "map %s is write-only for programs", m.Name)
	}
	return nil
}

// directValue reports maps whose values can be addressed directly.
func directValue(m *Map) bool { return m.Type == bpf.MapArray || m.Type == bpf.MapArena }

// rdonlyMap reports maps whose contents cannot change any more.
func rdonlyMap(m *Map) bool { return m.Flags&bpf.MapRdonlyProg != 0 && m.Frozen }

// rodata reads a constant from a map whose contents cannot change.
func (e *env) rodata(reg *Reg, off, size int, sx bool) (uint64, bool) {
	m := e.mapOf(reg)
	if !reg.Val.IsConst() || !rdonlyMap(m) || m.Type != bpf.MapArray || m.MaxEntries != 1 {
		return 0, false
	}
	at := off + int(int64(reg.Val.Const()))
	if at < 0 || at+size > int(m.ValueSize) {
		return 0, false
	}
	var b [8]byte
	if at < len(m.Contents) {
		copy(b[:size], m.Contents[at:])
	}
	v := binary.LittleEndian.Uint64(b[:])
	if sx {
		sh := 64 - 8*uint(size)
		v = uint64(int64(v<<sh) >> sh)
	}
	return v, true
}

// checkPacket judges an access to packet bytes.
func (e *env) checkPacket(reg *Reg, regno, off, size int, zeroOK bool) *Diagnostic {
	if reg.Val.SMin() < 0 {
		return e.errNegative(regno)
	}
	if reg.N < 0 {
		return e.errf(CodePacketBounds, "R%d is at or beyond the end of the packet", regno)
	}
	return e.checkBytes(reg, regno, int64(off), size, uint32(reg.N), zeroOK)
}

// packetAccess reports whether the program type may touch packets directly, or
// hand packet memory to the helper being called.
func (e *env) packetAccess(acc access, call *helperCall) bool {
	switch e.progType() {
	case bpf.ProgLWTIn, bpf.ProgLWTOut, bpf.ProgLWTSeg6local, bpf.ProgSKReuseport, bpf.ProgFlowDissector, bpf.ProgCgroupSkb:
		if acc == accWrite {
			return false
		}
		fallthrough
	case bpf.ProgSchedCls, bpf.ProgSchedAct, bpf.ProgXDP, bpf.ProgLWTXmit, bpf.ProgSKSkb, bpf.ProgSKMsg:
		if call != nil {
			return call.proto != nil && call.proto.PktAccess
		}
		e.seenWrite = true
		return true
	case bpf.ProgCgroupSockopt:
		if acc == accWrite {
			e.seenWrite = true
		}
		return true
	}
	return false
}

// mayWritePacket reports whether the program type may write packet data
// directly, and remembers that it does.
func (e *env) mayWritePacket() bool { return e.packetAccess(accWrite, nil) }

// checkBuf judges an access to a buffer whose size is only known at attach time.
func (e *env) checkBuf(reg *Reg, regno, off int, what string) *Diagnostic {
	if off < 0 {
		return e.errf(CodeBuf, "R%d: access to the %s buffer at the negative offset %d", regno, what, off)
	}
	if !reg.Val.IsConst() || reg.Val.Const() != 0 {
		return e.errf(CodeBuf, "R%d: the %s buffer is accessed at a variable offset (%v)", regno, what, reg.Val)
	}
	return nil
}

// clearPacketPointers forgets every packet pointer and packet slice.
func (e *env) clearPacketPointers() {
	const slices = dynptrSkb | dynptrXDP | dynptrSkbMeta
	e.forEachReg(func(_ *Frame, r *Reg) {
		if r.Type.isPacketAny() || r.Type.base() == ptrToMem && r.Type.has(slices) {
			e.markInvalid(r)
		}
	})
}

const flowKeysSize = 56

// sockFieldOK reports whether size bytes at off of a socket structure may be read.
func sockFieldOK(t RegType, off, size int) bool {
	k, ok := map[RegType]structops.ValueKind{
		ptrToSockCommon: structops.KindSockCommon, ptrToSocket: structops.KindSocket,
		ptrToTCPSock: structops.KindTCPSock, ptrToXDPSock: structops.KindXDPSock,
	}[t]
	return ok && structops.FindObject(k, off, size) != nil
}
