// SPDX-License-Identifier: Apache-2.0

package verifier

// Regions without a lock of their own: RCU read sections, disabled preemption,
// disabled interrupts; and what may sleep where.

// sleepsHere reports whether a sleeping call is allowed at this point, and if
// not, which region forbids it.
func (e *env) sleepsHere() (bool, string) {
	s := e.cur
	switch {
	case s.RCULocks > 0:
		return false, "rcu_read_lock region"
	case s.PreemptLocks > 0:
		return false, "non-preemptible region"
	case s.ActiveIrq != 0:
		return false, "IRQ-disabled region"
	case s.ActiveLocks > 0:
		return false, "lock region"
	case !s.Sleepable:
		return false, "non-sleepable program"
	}
	return true, ""
}

// kfuncRegion applies a kfunc's effect on regions and judges sleeping calls.
func (e *env) kfuncRegion(c *kfuncCall) *Diagnostic {
	s := e.cur
	sleepy := c.MightSleep
	nest := e.has(FeatRCUNest)
	if s.RCULocks > 0 && e.inRBTreeCallback() && (c.special == skRCULock || c.special == skRCUUnlock) {
		return e.errf(CodeRCUCallback, "Calling bpf_rcu_read_{lock,unlock} in unnecessary rbtree callback")
	}
	switch c.special {
	case skRCULock:
		if s.RCULocks > 0 && !nest {
			return e.errf(CodeRCUNested, "nested rcu read lock (kernel function %s)", c.Name)
		}
		s.RCULocks++
	case skRCUUnlock:
		if s.RCULocks == 0 {
			return e.errf(CodeRCUUnmatched, "unmatched rcu read unlock (kernel function %s)", c.Name)
		}
		s.RCULocks--
		if s.RCULocks == 0 && (!e.has(FeatRCURegions) || !e.inRCU()) {
			e.endRCU()
		}
	case skPreemptOff:
		s.PreemptLocks++
	case skPreemptOn:
		if s.PreemptLocks == 0 {
			return e.errf(CodePreemptUnmatched, "unmatched attempt to enable preemption (kernel function %s)", c.Name)
		}
		s.PreemptLocks--
		if e.has(FeatRCURegions) && !e.inRCU() {
			e.endRCU()
		}
	default:
		if sleepy {
			if ok, where := e.sleepsHere(); !ok {
				return e.errf(CodeSleepRegion, "kernel func %s is sleepable within %s", c.Name, where)
			}
		}
	}
	if c.rcuProtected && e.has(FeatRCUProtectedRet) && !e.inRCU() {
		return e.errf(CodeRCURequired, "kernel func %s requires RCU critical section protection", c.Name)
	}
	return nil
}

// Irq classes: which family of kfuncs saved the flags of a slot.
const (
	irqNative uint8 = iota
	irqLock
)

// irqFlag judges the flags argument of the kfuncs that save and restore
// interrupt flags, and opens or closes the region.
func (e *env) irqFlag(c *kfuncCall, regno int) *Diagnostic {
	r := &e.cur.regs()[regno]
	class := irqNative
	if c.special.isResLock() {
		class = irqLock
	}
	spi, d := e.stackObject(regno, "irq_flag", 1)
	if c.special == skIrqSave || c.special == skResLockIrq {
		if spi == spiBad {
			return d
		}
		if spi >= 0 && anySlot(e.funcOf(r), spi, 1, slotIrqFlag) {
			return e.errf(CodeIrqInit, "expected uninitialized irq flag as R%d", regno)
		}
		if d := e.checkMem(regno, 0, 8, accWrite, -1); d != nil {
			return d
		}
		if spi, d = e.stackObject(regno, "irq_flag", 1); d != nil || spi < 0 {
			return e.errf(CodeInternal, "irq flag outside of the stack")
		}
		id := e.newID()
		e.cur.Refs = append(e.cur.Refs, Ref{Kind: refIrq, ID: id, Insn: int32(e.insn)})
		e.cur.AcquiredRefs++
		e.cur.ActiveIrq = id
		s := &e.funcOf(r).Stack[spi]
		s.Reg.markPtr(ptrToStack)
		s.Reg.RefObj, s.Reg.Kind = id, class
		for b := range s.Types {
			s.Types[b] = slotIrqFlag
		}
		return nil
	}
	if d != nil || spi < 0 || !allSlot(&e.funcOf(r).Stack[spi], slotIrqFlag) || e.funcOf(r).Stack[spi].Reg.RefObj == 0 {
		return e.errf(CodeIrqUninit, "expected an initialized irq flag as R%d", regno)
	}
	s := &e.funcOf(r).Stack[spi]
	if s.Reg.Kind != class {
		names := [...]string{"native", "lock"}
		return e.errf(CodeIrqClass, "irq flag acquired by %s kfuncs cannot be restored with %s kfuncs", names[s.Reg.Kind], names[class])
	}
	if s.Reg.RefObj != e.cur.ActiveIrq {
		return e.errf(CodeIrqOrder, "cannot restore irq state out of order, expected id=%d", e.cur.ActiveIrq)
	}
	e.dropIrq(s.Reg.RefObj)
	*s = Slot{}
	if e.has(FeatRCURegions) && !e.inRCU() {
		e.endRCU()
	}
	return nil
}

// dropIrq ends the innermost interrupt region; the one before it is innermost again.
func (e *env) dropIrq(id uint32) {
	s := e.cur
	prev := uint32(0)
	for i := range s.Refs {
		if s.Refs[i].Kind != refIrq {
			continue
		}
		if s.Refs[i].ID == id {
			s.Refs = append(s.Refs[:i:i], s.Refs[i+1:]...)
			s.AcquiredRefs--
			s.ActiveIrq = prev
			return
		}
		prev = s.Refs[i].ID
	}
}
