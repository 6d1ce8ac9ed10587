// SPDX-License-Identifier: Apache-2.0

package verifier

import "encoding/binary"

// Keeping states. At prune points the current state is compared with those
// kept there: if one that was walked to its end allows everything the current
// one can do, the path is done. The comparison and the rules for what is kept
// and dropped are the kernel's, as they decide how far it gets.

// exactness of a comparison.
type exactness uint8

const (
	notExact    exactness = iota // imprecise scalars do not matter
	exact                        // equal in everything: an infinite loop
	rangeWithin                  // all scalars matter, as marks are incomplete
)

// jmpEntry is one step of a path as far as going back over it needs it.
type jmpEntry struct {
	insn, prev int32
	flags      uint8
	frame, spi uint8
	linked     linkedRegs
}

// linkedRegs are the registers that share an id when a branch sharpens one of them.
type linkedRegs struct {
	n uint8
	e [6]linkedReg
}

// linkedReg is a register or stack slot of a frame.
type linkedReg struct {
	frame  uint8
	index  uint8
	isSlot bool
}

// idMap remembers which old ids stand for which current ones.
type idMap struct {
	pairs []idPair
	tmp   uint32
}

type idPair struct{ old, cur uint32 }

const maxIDPairs = (nRegs + maxSlots) * maxFrames

func (m *idMap) reset(gen uint32) { m.pairs, m.tmp = m.pairs[:0], gen }

// check reports whether old may stand for cur.
func (m *idMap) check(old, cur uint32) bool {
	if (old == 0) != (cur == 0) {
		return false
	}
	if old == 0 {
		return true
	}
	for _, p := range m.pairs {
		if p.old == old {
			return p.cur == cur
		}
		if p.cur == cur {
			return false
		}
	}
	if len(m.pairs) >= maxIDPairs {
		return false
	}
	m.pairs = append(m.pairs, idPair{old, cur})
	return true
}

// checkScalar is check for scalars: an id that nothing shared is no constraint.
func (m *idMap) checkScalar(old, cur uint32) bool {
	if old == 0 {
		return true
	}
	if cur == 0 {
		m.tmp++
		cur = m.tmp
	}
	if !m.check(old, cur) {
		return false
	}
	if old&addConst != 0 {
		return m.check(old&^addConst, cur&^addConst)
	}
	return true
}

// sameBut reports whether two registers are equal but for ids and precision.
func sameBut(a, b *Reg) bool {
	return a.Type == b.Type && a.Off == b.Off && a.Map == b.Map && a.MapUID == b.MapUID &&
		a.BTF == b.BTF && a.BTFID == b.BTFID && a.N == b.N && a.Kind == b.Kind && a.First == b.First &&
		a.Val == b.Val
}

// sameKind is sameBut without the value.
func sameKind(a, b *Reg) bool {
	return a.Off == b.Off && a.Map == b.Map && a.MapUID == b.MapUID &&
		a.BTF == b.BTF && a.BTFID == b.BTFID && a.N == b.N && a.Kind == b.Kind && a.First == b.First
}

func (m *idMap) exactRegs(a, b *Reg) bool {
	return sameBut(a, b) && m.check(a.ID, b.ID) && m.check(a.RefObj, b.RefObj) && m.check(a.DynptrID, b.DynptrID)
}

// regSafe reports whether what was proven with old holds with cur.
func (e *env) regSafe(old, cur *Reg, how exactness) bool {
	m := &e.ids
	if how == exact {
		return m.exactRegs(old, cur)
	}
	if old.Type == notInit {
		return true
	}
	if old.Type != cur.Type {
		return false
	}
	switch old.Type.base() {
	case scalarValue:
		if !old.Precise && how == notExact {
			return true
		}
		if old.ID != 0 && old.ID&addConst != cur.ID&addConst {
			return false
		}
		if old.ID&addConst != 0 && old.Off != cur.Off {
			return false
		}
		return m.checkScalar(old.ID, cur.ID) && old.Val.Subsumes(&cur.Val)
	case ptrToMapKey, ptrToMapValue, ptrToMem, ptrToBuf, ptrToTPBuffer:
		return sameKind(old, cur) && old.Val.Subsumes(&cur.Val) &&
			m.check(old.ID, cur.ID) && m.check(old.RefObj, cur.RefObj)
	case ptrToPacketMeta, ptrToPacket:
		if old.N < 0 || cur.N < 0 {
			if old.N != cur.N {
				return false
			}
		} else if old.N > cur.N {
			return false
		}
		return old.Off == cur.Off && m.check(old.ID, cur.ID) && old.Val.Subsumes(&cur.Val)
	case ptrToArena:
		return true
	}
	return m.exactRegs(old, cur)
}

const (
	allMisc  = uint64(slotMisc) * 0x0101010101010101
	allZero  = uint64(slotZero) * 0x0101010101010101
	allSpill = uint64(slotSpill) * 0x0101010101010101
)

func (s *Slot) word() uint64 { return binary.LittleEndian.Uint64(s.Types[:]) }

// asScalar views a slot as one scalar where that is possible: a spilled one, or
// bytes of which nothing is known.
func (e *env) asScalar(s *Slot) *Reg {
	w := s.word()
	if w == allSpill {
		if s.Reg.Type == scalarValue {
			return &s.Reg
		}
		return nil
	}
	if w == 0 || w == allMisc {
		return &e.unbound
	}
	for _, t := range s.Types {
		if t != slotMisc && t != slotInvalid {
			return nil
		}
	}
	return &e.unbound
}

func (e *env) stackSafe(old, cur *Frame, how exactness) bool {
	sameBytes := how == exact || how == rangeWithin && !e.loose
	for i := range old.Stack {
		o := &old.Stack[i]
		ow := o.word()
		if i >= len(cur.Stack) {
			if sameBytes {
				return false
			}
			// Slots beyond the current stack hold nothing.
			for _, t := range o.Types {
				if t != slotInvalid && t != slotMisc {
					return false
				}
			}
			continue
		}
		c := &cur.Stack[i]
		if sameBytes && ow != c.word() {
			return false
		}
		if ow == 0 || ow == allMisc {
			continue
		}
		if or := e.asScalar(o); or != nil {
			if cr := e.asScalar(c); cr != nil {
				if !e.regSafe(or, cr, how) {
					return false
				}
				continue
			}
		}
		for b, t := range o.Types {
			if t == slotInvalid || t == slotMisc || t == c.Types[b] {
				continue
			}
			return false
		}
		or, cr := &o.Reg, &c.Reg
		switch o.Types[slotSize-1] {
		case slotSpill:
			if !e.regSafe(or, cr, how) {
				return false
			}
		case slotDynptr:
			if or.Kind != cr.Kind || or.First != cr.First ||
				!e.ids.check(or.RefObj, cr.RefObj) || !e.ids.check(or.ID, cr.ID) {
				return false
			}
		case slotIter:
			if or.Type != cr.Type || or.BTF != cr.BTF || or.BTFID != cr.BTFID || or.Kind != cr.Kind ||
				!e.ids.check(or.RefObj, cr.RefObj) {
				return false
			}
		case slotIrqFlag:
			if !e.ids.check(or.RefObj, cr.RefObj) || or.Kind != cr.Kind {
				return false
			}
		}
	}
	return true
}

func (e *env) refsSafe(old, cur *State) bool {
	if len(old.Refs) != len(cur.Refs) || old.ActiveLocks != cur.ActiveLocks ||
		old.PreemptLocks != cur.PreemptLocks || old.RCULocks != cur.RCULocks ||
		old.ActiveLockM != cur.ActiveLockM || old.ActiveLockB != cur.ActiveLockB {
		return false
	}
	m := &e.ids
	if !m.check(old.ActiveIrq, cur.ActiveIrq) || !m.check(old.ActiveLock, cur.ActiveLock) {
		return false
	}
	for i := range old.Refs {
		o, c := &old.Refs[i], &cur.Refs[i]
		if o.Kind != c.Kind || o.LockMap != c.LockMap || o.LockBTF != c.LockBTF || !m.check(o.ID, c.ID) {
			return false
		}
	}
	return true
}

// frameInsn is the instruction a frame of a state stands at.
func frameInsn(st *State, i int) int {
	if i == st.Cur {
		return int(st.insn)
	}
	return int(st.Frames[i+1].Callsite)
}

// equalStates reports whether what was proven from old holds from cur.
func (e *env) equalStates(old, cur *State, how exactness) bool {
	if old.Cur != cur.Cur || old.Sleepable != cur.Sleepable {
		return false
	}
	e.ids.reset(e.idGen)
	if !e.refsSafe(old, cur) {
		return false
	}
	for i := 0; i <= old.Cur; i++ {
		o, c := old.Frames[i], cur.Frames[i]
		if o.Callsite != c.Callsite || o.CallbackDepth > c.CallbackDepth {
			return false
		}
		live := uint16(0xffff)
		if e.has(FeatLiveRegs) {
			live = e.aux[frameInsn(old, i)].live
		}
		for r := range o.Regs {
			if live>>r&1 != 0 && !e.regSafe(&o.Regs[r], &c.Regs[r], how) {
				return false
			}
		}
		if !e.stackSafe(o, c, how) {
			return false
		}
	}
	return true
}

// maybeLooping is a cheap test before the exact comparison.
func maybeLooping(old, cur *State) bool {
	if old.Cur != cur.Cur {
		return false
	}
	a, b := &old.frame().Regs, &cur.frame().Regs
	for i := range a {
		if !sameBut(&a[i], &b[i]) || a[i].ID != b[i].ID || a[i].RefObj != b[i].RefObj {
			return false
		}
	}
	return true
}

// cleanState forgets what a finished state holds in dead registers and slots.
func (e *env) cleanState(st *State) {
	st.cleaned = true
	for i := 0; i <= st.Cur; i++ {
		e.refreshLive(st.Frames[i].inst)
	}
	for i := 0; i <= st.Cur; i++ {
		f := st.Frames[i]
		live := e.aux[frameInsn(st, i)].live
		for r := range f.Regs[:regFP] {
			if live>>r&1 == 0 && f.Regs[r].Type != notInit {
				f.Regs[r].reset()
			}
		}
		slots := e.liveSlots(st, i)
		for s := range f.Stack {
			if slots>>s&1 != 0 {
				continue
			}
			switch f.Stack[s].Types[slotSize-1] {
			case slotDynptr, slotIter, slotIrqFlag:
			default:
				f.Stack[s] = Slot{}
			}
		}
	}
}

// endPath tells a state and those before it that one of its paths is done and
// that at most rest instructions follow.
func (e *env) endPath(st *State, rest int64) *Diagnostic {
	var kept *State
	e.notePath(st, rest)
	for st != nil {
		st.branches--
		if st.branches > 0 {
			break
		}
		if d := e.exitSCC(st); d != nil {
			return d
		}
		parent := st.Parent
		if kept != nil {
			e.notePath(st, st.rest)
			e.maybeFree(kept)
		}
		st, kept = parent, parent
	}
	return nil
}

// maybeFree recycles a state that was taken out of its list and has no paths left.
func (e *env) maybeFree(st *State) {
	if st.evicted && !st.freed && st.branches == 0 && !e.incomplete(st) {
		st.freed = true
		e.freeState(st)
	}
}

// sameCallsites reports whether two states lie in the same chain of calls.
func sameCallsites(a, b *State) bool {
	if a.Cur != b.Cur {
		return false
	}
	for i := 0; i <= a.Cur; i++ {
		if a.Frames[i].Callsite != b.Frames[i].Callsite {
			return false
		}
	}
	return true
}

// visited compares the current state with those kept at this instruction. done
// says that the path ends here, rest how many instructions at most follow.
func (e *env) visited() (done bool, rest int64, diag *Diagnostic) {
	insn, cur := e.insn, e.cur
	a := &e.aux[insn]
	force := e.testFreq || a.force || len(cur.history) > 40
	add := force || e.jumps-e.prevJumps >= 2 && e.processed-e.prevProcessed >= 8
	callsite := cur.frame().Callsite

	for sl := e.explored[insn]; sl != nil; sl = sl.next {
		if sl.branches == 0 && !sl.cleaned && sameCallsites(sl, cur) && !e.incomplete(sl) {
			e.cleanState(sl)
		}
	}
	// Kernels without FeatLooseStack take callbacks for no loops at all, which
	// misses marks; we treat them as loops and compare as later kernels do.
	e.loose = e.has(FeatLooseStack) || a.callsCB || inCallback(cur)
	loop := false
	link := &e.explored[insn]
	for sl := *link; sl != nil; sl = *link {
		if sl.frame().Callsite != callsite {
			link = &sl.next
			continue
		}
		hit := false
		if sl.branches > 0 {
			skip := false
			if f := sl.frame(); f.InAsync && f.AsyncEntry != cur.frame().AsyncEntry {
				skip = true
			} else if a.iterNext {
				if e.equalStates(sl, cur, rangeWithin) && e.iterActiveAt(cur) {
					loop, hit = true, true
				}
				skip = true
			} else {
				if a.mayGoto && sl.mayGotoDepth != cur.mayGotoDepth && e.equalStates(sl, cur, rangeWithin) {
					loop, hit = true, true
				} else if a.callsCB {
					if e.equalStates(sl, cur, rangeWithin) {
						loop, hit = true, true
					}
					skip = true
				}
			}
			if !hit {
				if !skip && maybeLooping(sl, cur) && e.equalStates(sl, cur, exact) &&
					!iterDepthsDiffer(sl, cur) && sl.mayGotoDepth == cur.mayGotoDepth && sl.unrollDepth == cur.unrollDepth {
					return false, 0, e.errf(CodeLoop, "infinite loop: the program comes back to instruction %d with nothing changed", insn)
				}
				if !force && e.jumps-e.prevJumps < 20 && e.processed-e.prevProcessed < 100 {
					add = false
				}
			}
		} else {
			loop = e.incomplete(sl)
			how := notExact
			if loop {
				how = rangeWithin
			}
			hit = e.equalStates(sl, cur, how)
		}
		if hit {
			sl.hits++
			if a.jmpPoint {
				e.pushHistory(cur, 0, 0, 0, nil)
			}
			if d := e.propagatePrecision(sl, cur, nil); d != nil {
				return false, 0, d
			}
			if loop {
				b := e.newState()
				e.copyState(b, cur)
				b.equal = sl
				b.insn = int32(insn)
				scc := e.sccOf(sl)
				v := (*sccVisit)(nil)
				if scc != 0 {
					v = e.findVisit(scc)
				}
				if v == nil {
					return false, 0, e.internal("a back edge at instruction %d lies in no cycle", insn)
				}
				v.back = append(v.back, b)
				e.backedges++
			}
			if loop {
				e.unbounded(a)
			}
			return true, sl.rest, nil
		}
		if add {
			sl.misses++
		}
		n := int32(3)
		if a.force && sl.branches > 0 {
			n = 64
		}
		if sl.misses > sl.hits*n+n {
			*link = sl.next
			sl.next = nil
			sl.evicted = true
			e.keptStates--
			e.stateBytes -= stateSize(sl)
			e.maybeFree(sl)
			continue
		}
		link = &sl.next
	}
	if !add {
		return false, 0, nil
	}
	e.keptStates++
	e.totalStates++
	e.peakStates = max(e.peakStates, e.keptStates+e.backedges)
	e.prevJumps, e.prevProcessed = e.jumps, e.processed
	e.forgetPrecision(cur)
	e.clearSingularIDs(cur)
	kept := e.newState()
	e.copyState(kept, cur)
	kept.insn = int32(insn)
	if e.stateBytes += stateSize(kept); e.stateBytes > maxStateBytes {
		return false, 0, &Diagnostic{Verdict: NotJudged, Code: CodeLimit, Insn: insn, Message: "the states kept of this program take too much memory"}
	}
	e.enterSCC(kept)
	kept.next = e.explored[insn]
	e.explored[insn] = kept
	cur.Parent = kept
	cur.firstInsn = int32(insn)
	cur.dfsDepth = kept.dfsDepth + 1
	cur.history = cur.history[:0]
	cur.steps = 0
	return false, 0, nil
}

// inCallback reports whether the path is inside a callback.
func inCallback(st *State) bool {
	for i := 1; i <= st.Cur; i++ {
		if st.Frames[i].InCallback {
			return true
		}
	}
	return false
}

// forgetPrecision drops inherited marks: what the state needs is found anew.
func (e *env) forgetPrecision(st *State) {
	for i := 0; i <= st.Cur; i++ {
		f := st.Frames[i]
		for j := range f.Regs[:regFP] {
			f.Regs[j].Precise = false
		}
		for j := range f.Stack {
			if f.Stack[j].isSpill() {
				f.Stack[j].Reg.Precise = false
			}
		}
	}
}

type idCount struct {
	id uint32
	n  int
}

// clearSingularIDs drops scalar ids that only one register has: they link nothing.
func (e *env) clearSingularIDs(st *State) {
	ids := e.idCounts[:0]
	each := func(fn func(r *Reg)) {
		for i := 0; i <= st.Cur; i++ {
			f := st.Frames[i]
			for j := range f.Regs {
				if f.Regs[j].ID != 0 && f.Regs[j].Type == scalarValue {
					fn(&f.Regs[j])
				}
			}
			for j := range f.Stack {
				if s := &f.Stack[j]; s.isScalarSpill() && s.Reg.ID != 0 {
					fn(&s.Reg)
				}
			}
		}
	}
	each(func(r *Reg) {
		id := r.ID &^ addConst
		for k := range ids {
			if ids[k].id == id {
				ids[k].n++
				return
			}
		}
		ids = append(ids, idCount{id, 1})
	})
	if len(ids) > 0 {
		each(func(r *Reg) {
			id := r.ID &^ addConst
			for k := range ids {
				if ids[k].id == id {
					if ids[k].n == 1 {
						clearScalarID(r)
					}
					return
				}
			}
		})
	}
	e.idCounts = ids
}

// prevEntry is the last state on cur's path that was kept at insn.
func (e *env) prevEntry(cur *State, insn int) *State {
	for sl := e.explored[insn]; sl != nil; sl = sl.next {
		if sl.branches > 0 && sl.dfsDepth < cur.dfsDepth && sameCallsites(sl, cur) {
			return sl
		}
	}
	return nil
}

// widen forgets scalars of cur that changed since old and that nothing depends on.
func (e *env) widen(old, cur *State) {
	e.ids.reset(e.idGen)
	reg := func(o, c *Reg) {
		if o.Type != scalarValue || c.Type != scalarValue || o.Precise || c.Precise || e.ids.exactRegs(o, c) {
			return
		}
		c.markUnknown()
	}
	for i := old.Cur; i >= 0; i-- {
		o, c := old.Frames[i], cur.Frames[i]
		for r := range o.Regs {
			reg(&o.Regs[r], &c.Regs[r])
		}
		for s := range min(len(o.Stack), len(c.Stack)) {
			if o.Stack[s].isSpill() && c.Stack[s].isSpill() {
				reg(&o.Stack[s].Reg, &c.Stack[s].Reg)
			}
		}
	}
}

// maxStateBytes bounds the memory of kept states; the kernel's own limit is
// the loader's memory control group.
const maxStateBytes = 3 << 30

// stateSize is about the memory a kept state takes.
func stateSize(st *State) int {
	n := 600
	for i := 0; i <= st.Cur; i++ {
		n += 1100 + 96*cap(st.Frames[i].Stack)
	}
	return n
}

// iterActiveAt reports whether the iterator in R1 may have elements left.
func (e *env) iterActiveAt(st *State) bool {
	r := &st.regs()[1]
	if r.Type != ptrToStack || !r.Val.IsConst() {
		return false
	}
	f := st.Frames[r.N]
	off := int(r.Off) + int(int64(r.Val.Const()))
	if off >= 0 || off < -maxStack || slotIndex(off) >= len(f.Stack) {
		return false
	}
	return f.Stack[slotIndex(off)].Reg.Kind == iterActive
}
