// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"strings"

	"github.com/modbpf/modbpf/btf"
)

// Open-coded iterators: an object of several stack slots that bpf_iter_*_new
// makes, _next steps and _destroy ends. Its loop is proven by the contract that
// next eventually returns null: the path where it does goes on at once, the
// path with an element is queued with scalars that changed since the last visit
// forgotten, and the loop ends when a state comes back equal.

// iterType finds the struct of an iterator parameter: struct bpf_iter_<name>,
// a multiple of eight bytes.
func iterType(s *btf.Spec, proto btf.ID, arg int) (btf.ID, int, bool) {
	to, ok := s.Pointee(s.Param(proto, arg).Type)
	if !ok {
		return 0, 0, false
	}
	to = s.SkipMods(to)
	t := s.Type(to)
	if t.Kind != btf.KindStruct || !strings.HasPrefix(s.Name(to), "bpf_iter_") || t.Size == 0 || t.Size%slotSize != 0 {
		return 0, 0, false
	}
	return to, int(t.Size / slotSize), true
}

func iterName(s *btf.Spec, id btf.ID) string {
	return "iter_" + strings.TrimPrefix(s.Name(id), "bpf_iter_")
}

// iterArg judges an iterator argument of a kfunc.
func (e *env) iterArg(regno int, c *kfuncCall, m *kfuncMeta) *Diagnostic {
	r := &e.cur.regs()[regno]
	if r.Type != ptrToStack {
		return e.errf(CodeIterArg, "R%d expected pointer to an iterator on stack", regno)
	}
	id, n, ok := iterType(c.btf, c.proto, regno-1)
	if !ok {
		return e.errf(CodeIterArg, "expected valid iter pointer as R%d", regno)
	}
	name := iterName(c.btf, id)
	spi, d := e.stackObject(regno, "iter", n)
	if c.isIterNew {
		if spi == spiBad || spi >= 0 && anySlot(e.funcOf(r), spi, n, slotIter) {
			if d != nil {
				return d
			}
			return e.errf(CodeIterInit, "expected uninitialized %s as R%d", name, regno)
		}
		for off := 0; off < n*slotSize; off += slotSize {
			if d := e.checkMem(regno, off, slotSize, accWrite, -1); d != nil {
				return d
			}
		}
		return e.newIter(regno, c, id, n)
	}
	if d != nil || spi < 0 {
		return e.errf(CodeIterUninit, "expected an initialized %s as R%d", name, regno)
	}
	f := e.funcOf(r)
	ref := e.btfRefOf(c.btf)
	for i := range n {
		s := &f.Stack[spi-i]
		if s.Reg.Type.has(ptrUntrusted) && s.Types[0] == slotIter {
			return e.errf(CodeIterRCU, "expected an RCU CS when using %s", c.Name)
		}
		if (i == 0) != (s.Reg.RefObj != 0) || s.Reg.BTF != ref || s.Reg.BTFID != id || !allSlot(s, slotIter) {
			return e.errf(CodeIterUninit, "expected an initialized %s as R%d", name, regno)
		}
	}
	m.iterFrame, m.iterSpi = r.N, spi
	if c.isIterDestroy {
		if d := e.releaseRef(f.Stack[spi].Reg.RefObj); d != nil {
			return d
		}
		for i := range n {
			f.Stack[spi-i] = Slot{}
		}
	}
	return nil
}

func allSlot(s *Slot, t uint8) bool {
	for _, x := range s.Types {
		if x != t {
			return false
		}
	}
	return true
}

func anySlot(f *Frame, spi, n int, t uint8) bool {
	for i := range n {
		if spi-i < len(f.Stack) {
			for _, x := range f.Stack[spi-i].Types {
				if x == t {
					return true
				}
			}
		}
	}
	return false
}

// newIter makes the slots at Regs[regno] an active iterator.
func (e *env) newIter(regno int, c *kfuncCall, id btf.ID, n int) *Diagnostic {
	r := &e.cur.regs()[regno]
	f := e.funcOf(r)
	spi, d := e.stackObject(regno, "iter", n)
	if d != nil || spi < 0 {
		return e.errf(CodeInternal, "iterator outside of the stack")
	}
	ref := e.acquireRef()
	bref := e.btfRefOf(c.btf)
	for i := range n {
		s := &f.Stack[spi-i]
		s.Reg.markPtr(ptrToStack)
		if c.rcuProtected {
			if e.inRCU() {
				s.Reg.Type |= memRCU
			} else {
				s.Reg.Type |= ptrUntrusted
			}
		}
		if i == 0 {
			s.Reg.RefObj = ref
		}
		s.Reg.BTF, s.Reg.BTFID, s.Reg.Kind = bref, id, iterActive
		for b := range s.Types {
			s.Types[b] = slotIter
		}
	}
	return nil
}

// iterNext forks the path at a call of next: this one goes on drained, with R0
// null; the queued one holds an element.
func (e *env) iterNext(m *kfuncMeta) *Diagnostic {
	it := &e.cur.Frames[m.iterFrame].Stack[m.iterSpi].Reg
	if it.Kind != iterActive && it.Kind != iterDrained {
		return e.errf(CodeInternal, "iterator in state %d", it.Kind)
	}
	if it.Kind == iterActive {
		prev := e.prevEntry(e.cur.Parent, e.insn)
		q, d := e.pushState(e.insn+1, e.insn)
		if d != nil {
			return d
		}
		qi := &q.Frames[m.iterFrame].Stack[m.iterSpi].Reg
		qi.Kind = iterActive
		qi.N++
		if prev != nil {
			widenScalars(prev, q)
		}
		notNull(&q.regs()[0])
	}
	it.Kind = iterDrained
	e.cur.regs()[0].markKnown(0)
	return nil
}

// notNull takes the null away from a nullable pointer.
func notNull(r *Reg) { r.Type &^= maybeNull }

// widenScalars forgets scalars of cur that are not known to matter and differ
// from the previous visit's, so that loops converge.
func widenScalars(old, cur *State) {
	widen := func(o, c *Reg) {
		if o.Type != scalarValue || c.Type != scalarValue || o.Precise || c.Precise || o.Val == c.Val && o.Off == c.Off {
			return
		}
		c.markUnknown()
	}
	for i := 0; i <= old.Cur; i++ {
		fo, fc := old.Frames[i], cur.Frames[i]
		for j := range fo.Regs {
			widen(&fo.Regs[j], &fc.Regs[j])
		}
		for j := 0; j < len(fo.Stack) && j < len(fc.Stack); j++ {
			if fo.Stack[j].isSpill() && fc.Stack[j].isSpill() {
				widen(&fo.Stack[j].Reg, &fc.Stack[j].Reg)
			}
		}
	}
}

// iterDepthsDiffer reports whether some active iterator's depth differs
// between two states of equal shape: then they are iterations, not a loop.
func iterDepthsDiffer(old, cur *State) bool {
	for i := 0; i <= old.Cur && i <= cur.Cur; i++ {
		so, sc := old.Frames[i].Stack, cur.Frames[i].Stack
		for j := 0; j < len(so) && j < len(sc); j++ {
			if so[j].Types[0] == slotIter && so[j].Reg.Kind == iterActive && so[j].Reg.N != sc[j].Reg.N {
				return true
			}
		}
	}
	return false
}
