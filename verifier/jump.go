// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/verifier/scalar"
)

// Conditional jumps: which ways are possible, and what each teaches.

// checkJump judges a conditional jump; it sets e.insn to the way walked now and
// queues the other.
func (e *env) checkJump(in bpf.Insn) *Diagnostic {
	at := e.insn
	op := in.Op & 0xf0
	if op == bpf.JmpJCOND {
		return e.checkMayGoto(in)
	}
	cur := e.cur
	regs := cur.regs()
	dst, src := in.Dst(), in.Src()
	if d := e.readable(dst); d != nil {
		return d
	}
	isX := in.Op&bpf.SrcX != 0
	is32 := in.Class() == bpf.ClassJMP32
	d := &regs[dst]
	var konst Reg
	s := &konst
	flags := uint8(0)
	if isX {
		if x := e.readable(src); x != nil {
			return x
		}
		s = &regs[src]
		if s.Type == ptrToStack {
			flags |= histSrcStk
		}
	} else {
		konst.markKnown(uint64(int64(in.Imm)))
	}
	if d.Type == ptrToStack {
		flags |= histDstStk
	}
	if flags != 0 {
		e.pushHistory(cur, flags, 0, 0, nil)
	}
	taken := -1
	scalars := d.Type == scalarValue && s.Type == scalarValue
	var yesD, yesS, noD, noS scalar.Value
	if scalars {
		if isX && src == dst && e.rules&scalar.SameReg != 0 {
			taken = sameReg(op, is32, &d.Val)
		}
		if taken < 0 {
			taken, yesD, yesS, noD, noS = scalar.Branch(op, is32, &d.Val, &s.Val, e.rules)
		}
	} else {
		taken = e.ptrTaken(d, s, op, is32)
	}
	if taken >= 0 {
		if d.Type == scalarValue {
			if x := e.markPrecise(int(dst)); x != nil {
				return x
			}
		}
		if isX && s.Type == scalarValue {
			if x := e.markPrecise(int(src)); x != nil {
				return x
			}
		}
		e.noteJump(taken)
		e.insn = at + 1
		if taken == 1 {
			e.insn += int(in.Off)
		}
		return nil
	}
	e.noteJump(-1)
	var linked linkedRegs
	if isX && s.Type == scalarValue && s.ID != 0 {
		e.collectLinked(cur, s.ID, &linked)
	}
	if d.Type == scalarValue && d.ID != 0 {
		e.collectLinked(cur, d.ID, &linked)
	}
	if linked.n > 1 {
		e.pushHistory(cur, 0, 0, 0, &linked)
	}
	other, x := e.pushState(at+1+int(in.Off), at)
	if x != nil {
		return x
	}
	oregs := other.regs()
	if scalars {
		od := &oregs[dst]
		d.Val, od.Val = noD, yesD
		if isX {
			os := &oregs[src]
			s.Val, os.Val = noS, yesS
			if x := e.settle(os); x != nil {
				return x
			}
			if x := e.settle(s); x != nil {
				return x
			}
		}
		if x := e.settle(od); x != nil {
			return x
		}
		if x := e.settle(d); x != nil {
			return x
		}
	}
	if linked.n > 0 {
		if isX && s.Type == scalarValue && s.ID != 0 && s.ID == oregs[src].ID {
			e.syncLinked(cur, s, &linked)
			e.syncLinked(other, &oregs[src], &linked)
		}
		if d.Type == scalarValue && d.ID != 0 && d.ID == oregs[dst].ID {
			e.syncLinked(cur, d, &linked)
			e.syncLinked(other, &oregs[dst], &linked)
		}
	}
	if !scalars {
		e.learnPointers(in, op, is32, isX, d, s, cur, other)
	}
	e.insn = at + 1
	return nil
}

// learnPointers draws what a comparison of pointers teaches.
func (e *env) learnPointers(in bpf.Insn, op uint8, is32, isX bool, d, s *Reg, cur, other *State) {
	dst, src := in.Dst(), in.Src()
	if !is32 && isX && s.Type != scalarValue && d.Type != scalarValue &&
		s.Type.base() != ptrToBTFID && d.Type.base() != ptrToBTFID {
		// Equal to a pointer that is not null: not null either.
		var eq *[nRegs]Reg
		switch op {
		case bpf.JmpJEQ:
			eq = other.regs()
		case bpf.JmpJNE:
			eq = cur.regs()
		}
		if eq != nil {
			if e.notNull(d) && s.Type.maybeNull() {
				eq[src].Type &^= maybeNull
			}
			if e.notNull(s) && d.Type.maybeNull() {
				eq[dst].Type &^= maybeNull
			}
		}
	}
	if !is32 && !isX && in.Imm == 0 && (op == bpf.JmpJEQ || op == bpf.JmpJNE) && d.Type.maybeNull() {
		e.markNullable(cur, dst, op == bpf.JmpJNE)
		e.markNullable(other, dst, op == bpf.JmpJEQ)
		return
	}
	if isX && !is32 {
		e.matchPacket(in, op, d, s, cur, other)
	}
}

func sameReg(op uint8, is32 bool, v *scalar.Value) int {
	switch op {
	case bpf.JmpJEQ, bpf.JmpJGE, bpf.JmpJLE, bpf.JmpJSGE, bpf.JmpJSLE:
		return 1
	case bpf.JmpJNE, bpf.JmpJGT, bpf.JmpJLT, bpf.JmpJSGT, bpf.JmpJSLT:
		return 0
	}
	zero := scalar.Const(0)
	return scalar.BranchTaken(bpf.JmpJNE, is32, v, &zero)
}

// notNull reports pointers that are certainly not null.
func (e *env) notNull(r *Reg) bool {
	t := r.Type
	if t.maybeNull() || r.Val.SMin() <= -maxVarOff || r.Val.SMax() >= maxVarOff {
		return false
	}
	switch t.base() {
	case ptrToSocket, ptrToTCPSock, ptrToXDPSock, ptrToBuf, ptrToMapValue, ptrToMapKey, ptrToSockCommon, constPtrToMap:
		return true
	case ptrToMem:
		return !t.has(ptrUntrusted)
	case ptrToBTFID:
		return e.isTrusted(r)
	}
	return false
}

func flip(op uint8) uint8 { return scalar.Flip(op) }

// ptrTaken decides comparisons in which a pointer takes part.
func (e *env) ptrTaken(d, s *Reg, op uint8, is32 bool) int {
	if is32 {
		return -1
	}
	if d.Type.isPacketAny() && s.Type.isPacketAny() {
		pkt := d
		switch {
		case s.Type == ptrToPacketEnd:
		case d.Type == ptrToPacketEnd:
			pkt = s
			op = flip(op)
		default:
			return -1
		}
		if pkt.N >= 0 {
			return -1
		}
		switch op {
		case bpf.JmpJLE, bpf.JmpJGT:
			if pkt.N == beyondPktEnd {
				return b2i(op == bpf.JmpJGT)
			}
		case bpf.JmpJLT, bpf.JmpJGE:
			return b2i(op == bpf.JmpJGE)
		}
		return -1
	}
	if !(s.Type == scalarValue && s.Val.IsConst()) {
		d, s = s, d
		op = flip(op)
	}
	if !(s.Type == scalarValue && s.Val.IsConst()) || !e.notNull(d) || s.Val.Const() != 0 {
		return -1
	}
	switch op {
	case bpf.JmpJEQ:
		return 0
	case bpf.JmpJNE:
		return 1
	}
	return -1
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// markNullable settles all copies of a nullable pointer.
func (e *env) markNullable(st *State, regno uint8, null bool) {
	r := &st.regs()[regno]
	id, ref := r.ID, r.RefObj
	if ref != 0 && ref == id && null {
		// Nothing was acquired after all.
		for i := range st.Refs {
			if st.Refs[i].Kind == refPtr && st.Refs[i].ID == id {
				last := len(st.Refs) - 1
				st.Refs[i] = st.Refs[last]
				st.Refs = st.Refs[:last]
				st.AcquiredRefs = max(st.AcquiredRefs-1, 0)
				break
			}
		}
	}
	set := func(r *Reg) {
		if !r.Type.maybeNull() || r.ID != id || r.ID == 0 && !r.Type.has(memRCU) {
			return
		}
		if null {
			r.markKnown(0)
			return
		}
		e.notNullReg(r)
		if !e.regMaySpinLock(r) {
			r.ID = 0
		}
	}
	for i := 0; i <= st.Cur; i++ {
		f := st.Frames[i]
		for j := range f.Regs {
			set(&f.Regs[j])
		}
		for j := range f.Stack {
			if f.Stack[j].isSpill() {
				set(&f.Stack[j].Reg)
			}
		}
	}
}

// matchPacket learns how much of the packet a comparison with its end shows to
// be there. (pkt > end) tells the fall-through path that the bytes up to pkt
// are in the packet, (pkt >= end) one byte less certainly, and so on.
func (e *env) matchPacket(in bpf.Insn, op uint8, d, s *Reg, cur, other *State) {
	isEnd := func(p, q *Reg) bool {
		return p.Type == ptrToPacket && q.Type == ptrToPacketEnd ||
			p.Type == ptrToPacketMeta && q.Type == ptrToPacket && q.Off == 0 && q.Val.IsConst() && q.Val.Const() == 0
	}
	dst, src := in.Dst(), in.Src()
	switch {
	case isEnd(d, s):
		p := *d
		switch op {
		case bpf.JmpJGT: // pkt > end: the other way has pkt <= end
			goodPacket(cur, &p, false)
			markPacketEnd(other, dst, true)
		case bpf.JmpJLT:
			goodPacket(other, &p, true)
			markPacketEnd(cur, dst, false)
		case bpf.JmpJGE:
			goodPacket(cur, &p, true)
			markPacketEnd(other, dst, false)
		case bpf.JmpJLE:
			goodPacket(other, &p, false)
			markPacketEnd(cur, dst, true)
		}
	case isEnd(s, d):
		p := *s
		switch op {
		case bpf.JmpJGT:
			goodPacket(other, &p, true)
			markPacketEnd(cur, src, false)
		case bpf.JmpJLT:
			goodPacket(cur, &p, false)
			markPacketEnd(other, src, true)
		case bpf.JmpJGE:
			goodPacket(other, &p, false)
			markPacketEnd(cur, src, true)
		case bpf.JmpJLE:
			goodPacket(cur, &p, true)
			markPacketEnd(other, src, false)
		}
	}
}

// goodPacket gives every pointer at the same variable offset as p the range
// that was found. open says that the byte at p is in the packet too.
func goodPacket(st *State, p *Reg, open bool) {
	if p.Off < 0 || p.Off == 0 && open {
		return
	}
	if p.Val.UMax() > maxPacketOff || p.Val.UMax()+uint64(p.Off) > maxPacketOff {
		return
	}
	n := p.Off
	if open {
		n++
	}
	for i := 0; i <= st.Cur; i++ {
		f := st.Frames[i]
		for j := range f.Regs {
			if r := &f.Regs[j]; r.Type == p.Type && r.ID == p.ID {
				r.N = max(r.N, n)
			}
		}
		for j := range f.Stack {
			if r := &f.Stack[j].Reg; f.Stack[j].isSpill() && r.Type == p.Type && r.ID == p.ID {
				r.N = max(r.N, n)
			}
		}
	}
}

// markPacketEnd remembers that a pointer is at or beyond the packet's end.
func markPacketEnd(st *State, regno uint8, open bool) {
	r := &st.regs()[regno]
	if r.Type != ptrToPacket {
		return
	}
	r.N = atPktEnd
	if open {
		r.N = beyondPktEnd
	}
}

// collectLinked finds the registers and slots that share an id; those that do
// not fit the record are unlinked.
func (e *env) collectLinked(st *State, id uint32, l *linkedRegs) {
	id &^= addConst
	add := func(r *Reg, frame, index int, slot bool) {
		if r.Type != scalarValue || r.ID&^addConst != id {
			return
		}
		if int(l.n) == len(l.e) {
			clearScalarID(r)
			return
		}
		l.e[l.n] = linkedReg{uint8(frame), uint8(index), slot}
		l.n++
	}
	for i := st.Cur; i >= 0; i-- {
		f := st.Frames[i]
		live := uint16(0xffff)
		if e.has(FeatLinkLive) {
			live = e.aux[frameInsn(st, i)].live
		}
		for j := range f.Regs[:regFP] {
			if live>>j&1 != 0 {
				add(&f.Regs[j], i, j, false)
			}
		}
		for j := range f.Stack {
			if f.Stack[j].isSpill() {
				add(&f.Stack[j].Reg, i, j, true)
			}
		}
	}
}

// syncLinked gives what was learnt of known to the registers it is linked with.
func (e *env) syncLinked(st *State, known *Reg, l *linkedRegs) {
	for _, x := range l.e[:l.n] {
		f := st.Frames[x.frame]
		r := &f.Regs[x.index%nRegs]
		if x.isSlot {
			r = &f.Stack[x.index].Reg
		}
		if r.Type != scalarValue || r == known || r.ID&^addConst != known.ID&^addConst {
			continue
		}
		if (r.ID^known.ID)&addConst == addConst {
			continue // one was added to in 32 bits, the other in 64
		}
		if r.ID&addConst == 0 && known.ID&addConst == 0 || r.Off == known.Off {
			*r = *known
			continue
		}
		delta := scalar.Const(uint64(int64(r.Off) - int64(known.Off)))
		off, id := r.Off, r.ID
		*r = *known
		r.Off, r.ID = off, id
		r.Val = scalar.ALU(bpf.AluADD, 0, false, r.Val, delta, e.rules)
		if (r.ID|known.ID)&addConst32 != 0 {
			r.Val = scalar.ZExt32(r.Val, e.rules)
		}
	}
}

// checkMayGoto judges may_goto: the loop may go on, or end at the kernel's will.
func (e *env) checkMayGoto(in bpf.Insn) *Diagnostic {
	at := e.insn
	var prev *State
	if e.cur.Parent != nil {
		prev = e.prevEntry(e.cur.Parent, at)
	}
	q, d := e.pushState(at+1, at)
	if d != nil {
		return d
	}
	q.mayGotoDepth++
	if prev != nil {
		e.widen(prev, q)
	}
	e.insn = at + 1 + int(in.Off)
	return nil
}
