// SPDX-License-Identifier: Apache-2.0

package verifier

// Cycles of the graph that end by converging: a path that comes back to a state
// that is still being walked. What such a state needs precisely is known only
// when the whole cycle is walked; until then its back edges wait here, and then
// the marks go round until they no longer change.

// sccVisit is one entry into a cycle of the graph, by the calls that lead to it.
type sccVisit struct {
	sites [maxFrames]int32
	entry *State
	back  []*State
}

// sccOf finds the visit a state belongs to; the callsites that lead to it go to e.chain.
func (e *env) sccOf(st *State) int32 {
	e.chain = [maxFrames]int32{}
	for i := 0; i <= st.Cur; i++ {
		at := frameInsn(st, i)
		if s := e.aux[at].scc; s != 0 {
			return s
		}
		e.chain[i] = int32(at) + 1
	}
	return 0
}

func (e *env) findVisit(scc int32) *sccVisit {
	for _, v := range e.visits[scc] {
		if v.sites == e.chain {
			return v
		}
	}
	return nil
}

func (e *env) enterSCC(st *State) {
	scc := e.sccOf(st)
	if scc == 0 {
		return
	}
	v := e.findVisit(scc)
	if v == nil {
		v = &sccVisit{sites: e.chain}
		e.visits[scc] = append(e.visits[scc], v)
	}
	if v.entry == nil {
		v.entry = st
	}
}

func (e *env) exitSCC(st *State) *Diagnostic {
	scc := e.sccOf(st)
	if scc == 0 {
		return nil
	}
	v := e.findVisit(scc)
	if v == nil {
		return e.internal("no record of the cycle at instruction %d", st.insn)
	}
	if v.entry != st {
		return nil
	}
	v.entry = nil
	return e.propagateBackedges(v)
}

// incomplete reports whether a state lies in a cycle whose paths are not all walked.
func (e *env) incomplete(st *State) bool {
	scc := e.sccOf(st)
	if scc == 0 {
		return false
	}
	v := e.findVisit(scc)
	return v != nil && len(v.back) > 0
}

const maxBackedgeRounds = 64

func (e *env) propagateBackedges(v *sccVisit) *Diagnostic {
	for i := 0; ; i++ {
		if i > maxBackedgeRounds {
			for _, b := range v.back {
				e.markAllPrecise(b)
			}
			break
		}
		changed := false
		for _, b := range v.back {
			if d := e.propagatePrecision(b.equal, b, &changed); d != nil {
				return d
			}
		}
		if !changed {
			break
		}
	}
	e.backedges -= len(v.back)
	for _, b := range v.back {
		e.freeState(b)
	}
	v.back = nil
	return nil
}
