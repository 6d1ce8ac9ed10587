// SPDX-License-Identifier: Apache-2.0

package verifier

import "github.com/modbpf/modbpf/bpf"

// References are linear values: acquired once, and released, stored or handed
// over exactly once on every path. State.Refs is the list of those a path
// holds; Reg.RefObj binds registers to them.

// acquireRef records a reference acquired at the current instruction and
// returns its id.
func (e *env) acquireRef() uint32 {
	id := e.newID()
	e.cur.Refs = append(e.cur.Refs, Ref{Kind: refPtr, ID: id, Insn: int32(e.insn)})
	e.cur.AcquiredRefs++
	return id
}

// findRef reports whether a reference id is held.
func (s *State) findRef(id uint32) bool {
	for i := range s.Refs {
		if s.Refs[i].Kind == refPtr && s.Refs[i].ID == id {
			return true
		}
	}
	return false
}

// dropRef removes a reference from the list, keeping the order of the others:
// interrupt flags must be restored in the order of the list.
func (e *env) dropRef(id uint32) bool {
	s := e.cur
	for i := range s.Refs {
		if s.Refs[i].Kind == refPtr && s.Refs[i].ID == id {
			s.Refs = append(s.Refs[:i:i], s.Refs[i+1:]...)
			s.AcquiredRefs--
			return true
		}
	}
	return false
}

// releaseRef gives a reference up: every register bound to it becomes invalid.
func (e *env) releaseRef(id uint32) *Diagnostic {
	if !e.dropRef(id) {
		return e.errf(CodeRefUnknown, "reference has not been acquired before")
	}
	e.forEachReg(func(_ *Frame, r *Reg) {
		if r.RefObj == id {
			e.markInvalid(r)
		}
	})
	return nil
}

// checkRefLeak judges that nothing is held where it must not be: at exits
// (exception says that the exit is a throw), tail calls, LD_ABS. what names it.
func (e *env) checkRefLeak(exception, checkLocks bool, what string) *Diagnostic {
	s := e.cur
	if checkLocks && s.ActiveLocks > 0 {
		return e.errf(CodeLeakLock, "%s cannot be used inside bpf_spin_lock-ed region", what)
	}
	if exception || s.frame().FrameNo == 0 || !e.has(FeatLockRefs) && s.frame().InCallback {
		for i := range s.Refs {
			r := &s.Refs[i]
			if r.Kind != refPtr {
				continue
			}
			if !exception && e.returnsRef(r.ID) || !exception && s.frame().InCallback && s.frame().FrameNo > 0 && !e.acquiredInCallback(r) {
				continue
			}
			d := e.errf(CodeRefLeak, "Unreleased reference id=%d alloc_insn=%d: %s would lead to reference leak", r.ID, r.Insn, what)
			d.Fix = "release the object on this path, or store it with bpf_kptr_xchg"
			return d
		}
	}
	if !checkLocks {
		return nil
	}
	switch {
	case s.ActiveIrq != 0:
		return e.errf(CodeLeakIrq, "%s cannot be used inside bpf_local_irq_save-ed region", what)
	case s.RCULocks > 0:
		return e.errf(CodeLeakRCU, "%s cannot be used inside bpf_rcu_read_lock-ed region", what)
	case s.PreemptLocks > 0:
		return e.errf(CodeLeakPreempt, "%s cannot be used inside bpf_preempt_disable-ed region", what)
	}
	return nil
}

// acquiredInCallback reports whether a reference was acquired by the innermost
// callback: on kernels before 6.14 a callback must release what it acquires.
func (e *env) acquiredInCallback(r *Ref) bool {
	f := e.cur.frame()
	sub := int(f.Subprog)
	return int(r.Insn) >= e.subs[sub].start && int(r.Insn) < e.subs[sub].end
}

// returnsRef reports whether R0 hands a reference back to the kernel: only
// struct_ops slots that return a pointer may.
func (e *env) returnsRef(id uint32) bool {
	return e.prog.Type == bpf.ProgStructOps && e.cur.regs()[0].RefObj == id
}

// isTrusted reports whether a pointer is known to be valid: referenced, or of a
// kind that always is.
func (e *env) isTrusted(r *Reg) bool {
	if r.RefObj != 0 {
		return true
	}
	unsafe := r.Type.flags() &^ (memAlloc | ptrTrusted | nonOwnRef)
	if r.Type.isSock() && r.Type.base() != ptrToXDPSock || r.Type.base() == constPtrToMap {
		return unsafe == 0
	}
	return r.Type.has(memAlloc|ptrTrusted|nonOwnRef) && unsafe == 0
}

func isRCU(r *Reg) bool { return r.Type.has(memRCU) }

// setNonOwning makes a register a borrowed reference to a node in a root whose
// lock is held.
func (e *env) setNonOwning(r *Reg) {
	rec := e.regRecord(r)
	r.Type |= nonOwnRef
	if rec.has(fRefcount) {
		r.Type |= memRCU
	}
}

// ownToNonOwn hands a reference over to a list or tree: registers bound to it
// keep pointing to the node without owning it.
func (e *env) ownToNonOwn(id uint32) *Diagnostic {
	if id == 0 || !e.dropRef(id) {
		return e.errf(CodeInternal, "node without a reference")
	}
	e.forEachReg(func(_ *Frame, r *Reg) {
		if r.RefObj == id {
			r.RefObj = 0
			e.setNonOwning(r)
		}
	})
	return nil
}

// dropNonOwning ends borrowed references when a lock is given back.
func (e *env) dropNonOwning() {
	e.forEachReg(func(_ *Frame, r *Reg) {
		if r.Type.isAllocBTF() && r.Type.has(nonOwnRef) {
			e.markInvalid(r)
		}
	})
}

// endRCU makes RCU-protected pointers untrusted at the end of the outermost
// region that protects them; iterators on the stack count as well.
func (e *env) endRCU() {
	gone := memRCU | maybeNull
	if e.has(FeatRCURegions) {
		gone |= nonOwnRef
	}
	demote := func(r *Reg) {
		if r.Type.has(memRCU) {
			r.Type = r.Type&^gone | ptrUntrusted
		}
	}
	for i := 0; i <= e.cur.Cur; i++ {
		f := e.cur.Frames[i]
		for j := range f.Regs {
			demote(&f.Regs[j])
		}
		for j := range f.Stack {
			if t := f.Stack[j].Types[slotSize-1]; t == slotSpill || t == slotIter {
				demote(&f.Stack[j].Reg)
			}
		}
	}
}
