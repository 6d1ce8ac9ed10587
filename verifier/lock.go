// SPDX-License-Identifier: Apache-2.0

package verifier

import "github.com/modbpf/modbpf/locks"

// Spin locks: the interpreter's side of package locks. A lock is known by what
// it lies in and by the look-up or allocation that found that.

// lockKinds maps reference kinds to the rules of package locks.
var lockKinds = map[refKind]locks.Kind{refLock: locks.Spin, refResLock: locks.ResSpin, refResLockIrq: locks.ResSpinIRQ, refIrq: locks.IRQ}

// held lists what the current path holds, innermost last.
func (e *env) held() []locks.Held {
	h := e.typed.held[:0]
	for i := range e.cur.Refs {
		r := &e.cur.Refs[i]
		if k, ok := lockKinds[r.Kind]; ok {
			h = append(h, locks.Held{Kind: k, Object: refObject(r), Insn: int(r.Insn)})
		}
	}
	e.typed.held = h
	return h
}

func refObject(r *Ref) locks.Object { return lockObject(r.LockMap, r.LockBTF, r.ID) }

// lockObject numbers what holds a lock: maps count up, blobs of types down.
func lockObject(m mapRef, b btfRef, id uint32) locks.Object {
	if m != 0 {
		return locks.Object{Owner: int64(m), ID: id}
	}
	return locks.Object{Owner: -int64(b), ID: id}
}

func (e *env) regObject(r *Reg) locks.Object {
	if r.Type == ptrToMapValue {
		return lockObject(r.Map, 0, r.ID)
	}
	return lockObject(0, r.BTF, r.ID)
}

// checkSpinLockArg judges bpf_spin_lock (lock) and bpf_spin_unlock of Regs[regno].
func (e *env) checkSpinLockArg(regno int, lock bool) *Diagnostic {
	if e.inRBTreeCallback() {
		return e.errf(CodeLockInCallback, "can't spin_{lock,unlock} in rbtree cb")
	}
	return e.spinLock(regno, refLock, lock)
}

// spinLock takes or gives back a lock of any kind.
func (e *env) spinLock(regno int, kind refKind, lock bool) *Diagnostic {
	r := &e.cur.regs()[regno]
	what, fk := "bpf_spin", fSpinLock
	if kind != refLock {
		what, fk = "bpf_res_spin", fResSpinLock
	}
	if !r.isConst() {
		return e.errf(CodeLockArg, "R%d doesn't have constant offset. %s_lock has to be at the constant offset", regno, what)
	}
	m := e.mapOf(r)
	owner := "local 'kptr'"
	if r.Type == ptrToMapValue {
		owner = "map '" + e.mapName(r.Map) + "'"
		if m.BTF == nil {
			return e.errf(CodeLockArg, "%s has to have BTF in order to use %s_lock", owner, what)
		}
	}
	rec := e.regRecord(r)
	if !rec.has(fk) {
		return e.errf(CodeLockArg, "%s has no valid %s_lock", owner, what)
	}
	if at := rec.offset(fk); at != r.constOff() {
		return e.errf(CodeLockArg, "off %d doesn't point to 'struct %s_lock' that is at %d", r.constOff(), what, at)
	}
	o := e.regObject(r)
	if lock {
		switch locks.Acquire(e.held(), lockKinds[kind], o) {
		case locks.SecondSpin:
			return e.errf(CodeLockSecond, "Locking two bpf_spin_locks are not allowed")
		case locks.SameAgain:
			return e.errf(CodeLockSame, "Acquiring the same lock again, AA deadlock detected")
		}
		ref := Ref{Kind: kind, ID: r.ID, Insn: int32(e.insn)}
		if r.Type == ptrToMapValue {
			ref.LockMap = r.Map
		} else {
			ref.LockBTF = r.BTF
		}
		e.noteLock(r, rec, fk, kind)
		s := e.cur
		s.Refs = append(s.Refs, ref)
		s.AcquiredRefs++
		s.ActiveLocks++
		s.ActiveLock, s.ActiveLockM, s.ActiveLockB = ref.ID, ref.LockMap, ref.LockBTF
		return nil
	}
	switch locks.Release(e.held(), lockKinds[kind], o) {
	case locks.NotHeld:
		return e.errf(CodeUnlockNone, "%s_unlock without taking a lock", what)
	case locks.WrongObject:
		return e.errf(CodeUnlockOther, "%s_unlock of different lock", what)
	case locks.OutOfOrder:
		return e.errf(CodeUnlockOrder, "%s_unlock cannot be out of order", what)
	}
	e.dropLock(kind, o)
	e.dropNonOwning()
	if e.has(FeatTrustedArgs) && !e.inRCU() {
		e.endRCU()
	}
	return nil
}

// dropLock removes a held lock; the lock before it is the innermost again.
func (e *env) dropLock(kind refKind, o locks.Object) {
	s := e.cur
	var prev *Ref
	for i := range s.Refs {
		r := &s.Refs[i]
		if r.Kind == kind && refObject(r) == o {
			s.Refs = append(s.Refs[:i:i], s.Refs[i+1:]...)
			s.AcquiredRefs--
			s.ActiveLocks--
			s.ActiveLock, s.ActiveLockM, s.ActiveLockB = 0, 0, 0
			if prev != nil {
				s.ActiveLock, s.ActiveLockM, s.ActiveLockB = prev.ID, prev.LockMap, prev.LockBTF
			}
			return
		}
		if r.Kind.isLock() {
			prev = r
		}
	}
}

// lockedWith judges that the object in r is guarded by a held lock of its own.
func (e *env) lockedWith(r *Reg) bool { return locks.Guards(e.held(), e.regObject(r)) }

// noteLock records a fact about the driver's locks.
func (e *env) noteLock(r *Reg, rec *record, fk fieldKind, kind refKind) {
	if e.typed.lockSeen == nil {
		e.typed.lockSeen = map[int]bool{}
	}
	if e.typed.lockSeen[e.insn] {
		return
	}
	e.typed.lockSeen[e.insn] = true
	f := locks.Fact{Class: e.lockClass(r.Map, r.BTF, r.BTFID, fk, rec.offset(fk)), Kind: lockKinds[kind].String(), Program: e.prog.Name, Insn: e.insn}
	if e.slot != nil {
		f.Context = [...]string{"", "process", "softirq", "irq"}[e.slot.Context]
	}
	for i := range e.cur.Refs {
		if h := &e.cur.Refs[i]; h.Kind.isLock() {
			k := fSpinLock
			if h.Kind != refLock {
				k = fResSpinLock
			}
			f.Held = append(f.Held, e.lockClass(h.LockMap, h.LockBTF, 0, k, e.recordOf(e.maps[h.LockMap]).offset(k)))
		}
	}
	e.typed.lockFacts = append(e.typed.lockFacts, f)
}

// lockReport gives the facts about locks their C lines.
func (e *env) lockReport() []locks.Fact {
	for i := range e.typed.lockFacts {
		f := &e.typed.lockFacts[i]
		if l := e.lineOf(f.Insn); l != nil {
			f.File, f.Line = l.File, l.Line
		}
	}
	return e.typed.lockFacts
}

func (e *env) lockClass(m mapRef, b btfRef, id btfID, fk fieldKind, off int64) locks.Class {
	if m != 0 {
		return locks.Class{Map: e.maps[m].Name, Field: fk.String(), Off: off}
	}
	return locks.Class{Type: e.btfs[b].Name(id), Field: fk.String(), Off: off}
}

// noteTouch records that a root is changed under the innermost lock.
func (e *env) noteTouch(r *Reg) {
	if len(e.typed.lockFacts) == 0 {
		return
	}
	inner := -1
	for i := range e.cur.Refs {
		if e.cur.Refs[i].Kind.isLock() {
			inner = int(e.cur.Refs[i].Insn)
		}
	}
	name := e.mapName(r.Map)
	if r.Type != ptrToMapValue {
		name = e.pointeeName(r)
	}
	name = name + "+" + itoa(r.constOff())
	for i := range e.typed.lockFacts {
		if f := &e.typed.lockFacts[i]; f.Insn == inner && !holds(f.Touches, name) {
			f.Touches = append(f.Touches, name)
		}
	}
}

// checkTimerArg judges the bpf_timer argument of a timer helper.
func (e *env) checkTimerArg(regno int, call *helperCall) *Diagnostic {
	m, uid, d := e.mapField(regno, fTimer)
	if d != nil {
		return d
	}
	if call.m != 0 {
		return e.errf(CodeInternal, "two map pointers in a timer helper")
	}
	call.m, call.mapUID = m, uid
	return nil
}

// mapField judges a pointer to a timer, workqueue or task_work in a map value
// and says which map it is.
func (e *env) mapField(regno int, fk fieldKind) (mapRef, uint32, *Diagnostic) {
	r := &e.cur.regs()[regno]
	name := fk.String()
	if !r.isConst() {
		return 0, 0, e.errf(CodeMapFieldArg, "R%d doesn't have constant offset. %s has to be at the constant offset", regno, name)
	}
	m := e.mapOf(r)
	if m == nil || m.BTF == nil {
		return 0, 0, e.errf(CodeMapFieldArg, "map '%s' has to have BTF in order to use %s", e.mapName(r.Map), name)
	}
	rec := e.mapRecord(r.Map)
	if !rec.has(fk) {
		return 0, 0, e.errf(CodeMapFieldArg, "map '%s' has no valid %s", m.Name, name)
	}
	if at := rec.offset(fk); at != r.constOff() {
		return 0, 0, e.errf(CodeMapFieldArg, "off %d doesn't point to 'struct %s' that is at %d", r.constOff(), name, at)
	}
	return r.Map, r.MapUID, nil
}
