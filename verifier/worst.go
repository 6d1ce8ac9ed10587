// SPDX-License-Identifier: Apache-2.0

package verifier

// worstCase is the number of instructions on the longest path. Where the graph
// has no cycle it is the longest way through it, callees included; a program
// with loops has no bound here yet.
func (e *env) worstCase() (int64, string) {
	cost := make([]int64, len(e.subs))
	done := make([]uint8, len(e.subs))
	var reason string
	var visit func(s, depth int) int64
	visit = func(s, depth int) int64 {
		if done[s] == 2 {
			return cost[s]
		}
		if done[s] == 1 || depth > maxFrames {
			reason = "recursion"
			return -1
		}
		done[s] = 1
		sub := &e.subs[s]
		far := make([]int64, sub.end-sub.start)
		for _, i32 := range e.postorderOf(s) {
			i := int(i32)
			a := &e.aux[i]
			if !a.seen && e.insns[i].Op != 0 {
				continue
			}
			in := e.insns[i]
			switch {
			case a.mayGoto:
				reason = "may_goto"
				return -1
			case in.IsCall() && in.Src() == 0 && in.Imm == fnTailCall:
				reason = "tail call"
				return -1
			case a.callsCB:
				reason = "callback loop"
				return -1
			case a.scc != 0:
				reason = "loop"
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
		cost[s] = far[0]
		done[s] = 2
		return cost[s]
	}
	n := visit(0, 0)
	if n < 0 {
		return -1, reason
	}
	return n, ""
}
