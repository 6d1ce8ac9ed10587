// SPDX-License-Identifier: Apache-2.0

package verifier

// The longest path. The walk itself finds it: a kept state remembers the most
// instructions that follow it, and a path that ends because such a state allows
// as much goes on for no longer than that state's. Only where a loop ends by
// converging (iterators, callbacks, may_goto) and at tail calls there is no
// number. Where the graph has no cycle, its longest way is a bound too.

// notePath records that a path of st goes on for rest instructions.
func (e *env) notePath(st *State, rest int64) {
	n := st.steps + rest
	switch {
	case st.Parent != nil:
		st.Parent.rest = max(st.Parent.rest, n)
	case e.inGlobal == 0 && !st.Frames[0].InAsync:
		e.longest = max(e.longest, n)
	}
}

// unbounded records that the number of rounds of a loop is not known.
func (e *env) unbounded(a *insnAux) {
	if e.inGlobal != 0 {
		return
	}
	switch {
	case a.mayGoto:
		e.noBound = "may_goto"
	case a.callsCB:
		e.noBound = "loop by callback"
	case a.iterNext:
		e.noBound = "loop by iterator"
	default:
		e.noBound = "loop inside another that converges"
	}
}

// worstCase is the number of instructions on the longest path, or -1 and why
// there is none.
func (e *env) worstCase() (int64, string) {
	static, why := e.staticCost(0)
	switch {
	case e.noBound == "" && static >= 0:
		return min(e.longest, static), ""
	case e.noBound == "":
		return e.longest, ""
	case static >= 0:
		return static, ""
	}
	if e.noBound != "" {
		why = e.noBound
	}
	return -1, why
}

// staticCost is the longest way through a function's graph, callees included;
// -1 and why if it has a cycle.
func (e *env) staticCost(s int) (int64, string) {
	if e.costs == nil {
		e.costs = make([]int64, len(e.subs))
	}
	why := ""
	var visit func(s, depth int) int64
	visit = func(s, depth int) int64 {
		if e.costs[s] > 0 {
			return e.costs[s]
		}
		if e.costs[s] < 0 || depth > maxFrames {
			why = "recursion"
			return -1
		}
		e.costs[s] = -1
		sub := &e.subs[s]
		far := make([]int64, sub.end-sub.start)
		for _, i32 := range e.postorderOf(s) {
			i := int(i32)
			a := &e.aux[i]
			in := e.insns[i]
			switch {
			case a.mayGoto:
				why = "may_goto"
			case in.IsCall() && in.Src() == 0 && in.Imm == fnTailCall:
				why = "tail call"
			case a.callsCB:
				why = "loop by callback"
			case a.scc != 0:
				why = "loop"
			}
			if why != "" {
				return -1
			}
			n := int64(1)
			if in.IsCall() && in.Src() == 1 {
				c := visit(e.findSubprog(i+int(in.Imm)+1), depth+1)
				if c < 0 {
					return -1
				}
				n += c
			}
			best := int64(0)
			x, y := e.succ(i)
			for _, t := range [2]int{x, y} {
				if t >= sub.start && t < sub.end {
					best = max(best, far[t-sub.start])
				}
			}
			far[i-sub.start] = n + best
		}
		e.costs[s] = far[0]
		return far[0]
	}
	n := visit(s, 0)
	if n < 0 {
		for i := range e.costs {
			if e.costs[i] < 0 {
				e.costs[i] = 0
			}
		}
	}
	return n, why
}
