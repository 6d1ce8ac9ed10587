// SPDX-License-Identifier: Apache-2.0

package verifier

import "github.com/modbpf/modbpf/bpf"

// The control-flow graph: what is reachable, where states are compared, which
// instructions lie on cycles. Walked without recursion, as programs are hostile
// and up to a million instructions long.

const (
	cfgDiscovered = 0x10
	cfgExplored   = 0x20
	cfgFall       = 1
	cfgBranch     = 2
)

type cfgWalk struct {
	state []uint8
	stack []int32
}

// checkCFG walks the program from its entry, marks where states are worth
// keeping and refuses what cannot be reached.
func (e *env) checkCFG() *Diagnostic {
	w := cfgWalk{state: make([]uint8, len(e.insns)), stack: make([]int32, 0, 64)}
	e.jumpTarget = make([]bool, len(e.insns)+1)
	entry := func(i int) *Diagnostic {
		w.state[i] = cfgDiscovered
		w.stack = append(w.stack[:0], int32(i))
		for len(w.stack) > 0 {
			t := int(w.stack[len(w.stack)-1])
			more, d := e.visit(&w, t)
			if d != nil {
				return d
			}
			if !more {
				w.state[t] = cfgExplored
				w.stack = w.stack[:len(w.stack)-1]
			}
		}
		return nil
	}
	if d := entry(0); d != nil {
		return d
	}
	if e.excCB > 0 && w.state[e.subs[e.excCB].start] != cfgExplored {
		if d := entry(e.subs[e.excCB].start); d != nil {
			return d
		}
	}
	for i := 0; i < len(e.insns); i++ {
		if w.state[i] != cfgExplored {
			return e.errAt(i, CodeUnreachable, "instruction %d cannot be reached", i)
		}
		if e.insns[i].IsLdImm64() {
			if i+1 < len(e.insns) && w.state[i+1] != 0 {
				return e.errAt(i, CodeJumpMiddle, "a jump lands in the second slot of the load at %d", i)
			}
			i++
		}
	}
	e.changesPkt = e.subs[0].changesPkt
	return nil
}

// push follows an edge from t to to; it reports whether the walk goes deeper.
func (e *env) push(w *cfgWalk, t, to int, kind uint8) (bool, *Diagnostic) {
	if w.state[t] >= cfgDiscovered|kind {
		return false, nil
	}
	if to < 0 || to >= len(e.insns) {
		return false, e.errAt(t, CodeJumpRange, "the jump at %d goes to %d, outside the program", t, to)
	}
	if kind == cfgBranch {
		e.aux[to].prune, e.aux[to].jmpPoint = true, true
		e.jumpTarget[to] = true
	}
	switch {
	case w.state[to] == 0:
		w.state[t] = cfgDiscovered | kind
		w.state[to] = cfgDiscovered
		w.stack = append(w.stack, int32(to))
		return true, nil
	case w.state[to] == cfgExplored:
		w.state[t] = cfgDiscovered | kind
	}
	return false, nil
}

// visit follows the next unexplored edge of t.
func (e *env) visit(w *cfgWalk, t int) (bool, *Diagnostic) {
	in := e.insns[t]
	if in.IsLdImm64() && in.Src() == bpf.PseudoFunc {
		return e.visitCall(w, t, true)
	}
	if c := in.Class(); c != bpf.ClassJMP && c != bpf.ClassJMP32 {
		n := 1
		if in.IsLdImm64() {
			n = 2
		}
		return e.push(w, t, t+n, cfgFall)
	}
	a := &e.aux[t]
	switch in.Op & 0xf0 {
	case bpf.JmpEXIT:
		e.subs[e.subAt[t]].exit = t
		return false, nil
	case bpf.JmpCALL:
		sub := &e.subs[e.subAt[t]]
		switch in.Src() {
		case bpf.PseudoHelper:
			if asyncCallbackHelper(in.Imm) {
				a.prune = true
			}
			if syncCallbackHelper(in.Imm) {
				a.callsCB, a.force, a.prune, a.jmpPoint = true, true, true, true
			}
			if p, _ := e.proto(in.Imm); p != nil && p.MightSleep {
				sub.mightSleep = true
			}
			if changesPacket(in.Imm) {
				sub.changesPkt = true
			}
		case bpf.PseudoKfuncCall:
			if k := a.kfunc; k != nil {
				if k.AsyncCB {
					a.prune = true
				}
				if k.SyncCB {
					a.callsCB, a.force, a.prune, a.jmpPoint = true, true, true, true
				}
				if k.IterNext {
					a.iterNext, a.prune, a.force = true, true, true
				}
				sub.mightSleep = sub.mightSleep || k.MightSleep
				sub.changesPkt = sub.changesPkt || k.PktChange
				sub.mightThrow = sub.mightThrow || k.Throws
			}
		}
		return e.visitCall(w, t, in.Src() == bpf.PseudoCall)
	case bpf.JmpJA:
		if in.Op&bpf.SrcX != 0 {
			return false, e.notBuiltAt(t, "indirect jump")
		}
		off := int(in.Off)
		if in.Class() == bpf.ClassJMP32 {
			off = int(in.Imm)
		}
		to := t + off + 1
		more, d := e.push(w, t, to, cfgFall)
		if d != nil {
			return more, d
		}
		e.aux[to].prune, e.aux[to].jmpPoint = true, true
		e.jumpTarget[to] = true
		return more, nil
	}
	a.prune = true
	if in.Op == bpf.OpMayGoto {
		a.force, a.mayGoto = true, true
	}
	if more, d := e.push(w, t, t+1, cfgFall); more || d != nil {
		return more, d
	}
	return e.push(w, t, t+1+int(in.Off), cfgBranch)
}

func (e *env) visitCall(w *cfgWalk, t int, callee bool) (bool, *Diagnostic) {
	n := 1
	if e.insns[t].IsLdImm64() {
		n = 2
	}
	if more, d := e.push(w, t, t+n, cfgFall); more || d != nil {
		return more, d
	}
	e.aux[t+n].prune, e.aux[t+n].jmpPoint = true, true
	if !callee {
		return false, nil
	}
	to := t + int(e.insns[t].Imm) + 1
	e.aux[t].prune = true
	caller, target := &e.subs[e.subAt[t]], &e.subs[e.subAt[to]]
	caller.changesPkt = caller.changesPkt || target.changesPkt
	caller.mightSleep = caller.mightSleep || target.mightSleep
	caller.mightThrow = caller.mightThrow || target.mightThrow
	return e.push(w, t, to, cfgBranch)
}

// succ lists the instructions that may follow i in its own function; -1 is none.
func (e *env) succ(i int) (a, b int) {
	in := e.insns[i]
	switch in.Class() {
	case bpf.ClassJMP, bpf.ClassJMP32:
		switch in.Op & 0xf0 {
		case bpf.JmpEXIT:
			return -1, -1
		case bpf.JmpCALL:
			return i + 1, -1
		case bpf.JmpJA:
			if in.Class() == bpf.ClassJMP32 {
				return i + 1 + int(in.Imm), -1
			}
			return i + 1 + int(in.Off), -1
		}
		return i + 1, i + 1 + int(in.Off)
	}
	if in.IsLdImm64() {
		return i + 2, -1
	}
	return i + 1, -1
}

// computePostorder orders each function's instructions so that, loops aside,
// successors come before their predecessors.
func (e *env) computePostorder() *Diagnostic {
	n := len(e.insns)
	e.postorder = make([]int32, 0, n)
	state := make([]uint8, n)
	var stack []int32
	for s := range e.subs {
		e.subs[s].postorder = len(e.postorder)
		stack = append(stack[:0], int32(e.subs[s].start))
		state[e.subs[s].start] |= 1
		for len(stack) > 0 {
			top := int(stack[len(stack)-1])
			if state[top]&2 != 0 {
				stack = stack[:len(stack)-1]
				if state[top]&4 == 0 {
					state[top] |= 4
					e.postorder = append(e.postorder, int32(top))
				}
				continue
			}
			x, y := e.succ(top)
			for _, t := range [2]int{x, y} {
				if t >= 0 && state[t] == 0 {
					state[t] = 1
					stack = append(stack, int32(t))
				}
			}
			state[top] |= 2
		}
	}
	e.indexOrder()
	return nil
}

// indexOrder prepares what the stack's liveness asks of the graph: each
// instruction's place in its function's postorder, successors and predecessors.
func (e *env) indexOrder() {
	n := len(e.insns)
	e.orderPos = make([]int32, n)
	e.succs = make([][2]int32, n)
	e.predAt = make([]int32, n+2)
	for s := range e.subs {
		for p, i := range e.postorderOf(s) {
			e.orderPos[i] = int32(p)
			a, b := e.succ(int(i))
			if a == b {
				b = -1
			}
			e.succs[i] = [2]int32{int32(a), int32(b)}
			for _, t := range [2]int{a, b} {
				if t >= 0 {
					e.predAt[t+1]++
				}
			}
		}
	}
	for i := 1; i < len(e.predAt); i++ {
		e.predAt[i] += e.predAt[i-1]
	}
	e.preds = make([]int32, e.predAt[n])
	fill := make([]int32, n+1)
	for _, i := range e.postorder {
		for _, t := range e.succs[i] {
			if t >= 0 {
				e.preds[e.predAt[t]+fill[t]] = i
				fill[t]++
			}
		}
	}
}

// postorderOf is the part of the order that belongs to a function.
func (e *env) postorderOf(s int) []int32 {
	end := len(e.postorder)
	if s+1 < len(e.subs) {
		end = e.subs[s+1].postorder
	}
	return e.postorder[e.subs[s].postorder:end]
}

// computeSCC numbers the cycles of the graph (Tarjan's algorithm, without
// recursion); instructions on no cycle keep 0. A call that calls back is a
// cycle of its own.
func (e *env) computeSCC() *Diagnostic {
	n := len(e.insns)
	pre, low := make([]int32, n), make([]int32, n)
	stack, dfs := make([]int32, 0, 64), make([]int32, 0, 64)
	const done = int32(1<<31 - 1)
	next, id := int32(1), int32(1)
	for i := range n {
		if pre[i] != 0 {
			continue
		}
		if i > 0 && e.insns[i-1].IsLdImm64() {
			continue
		}
		dfs = append(dfs[:0], int32(i))
		stack = stack[:0]
	walk:
		for len(dfs) > 0 {
			w := dfs[len(dfs)-1]
			if pre[w] == 0 {
				pre[w], low[w] = next, next
				next++
				stack = append(stack, w)
			}
			x, y := e.succ(int(w))
			for _, t := range [2]int{x, y} {
				if t < 0 {
					continue
				}
				if pre[t] != 0 {
					low[w] = min(low[w], low[t])
				} else {
					dfs = append(dfs, int32(t))
					continue walk
				}
			}
			dfs = dfs[:len(dfs)-1]
			if low[w] < pre[w] {
				continue
			}
			cyclic := stack[len(stack)-1] != w || x == int(w) || y == int(w) || e.aux[w].callsCB
			for {
				t := stack[len(stack)-1]
				stack = stack[:len(stack)-1]
				low[t] = done
				if cyclic {
					e.aux[t].scc = id
				}
				if t == w {
					break
				}
			}
			if cyclic {
				id++
			}
		}
	}
	e.visits = make([][]*sccVisit, id)
	return nil
}
