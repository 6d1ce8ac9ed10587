// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"github.com/modbpf/modbpf/bpf"
)

// The walk: every path of the program, depth first, one instruction at a time.

// maxPending is BPF_COMPLEXITY_LIMIT_JMP_SEQ.
const maxPending = 8192

func (e *env) newState() *State {
	if n := len(e.pool); n > 0 {
		st := e.pool[n-1]
		e.pool = e.pool[:n-1]
		st.freed = false
		return st
	}
	return &State{}
}

func (e *env) newFrame() *Frame {
	if n := len(e.frames); n > 0 {
		f := e.frames[n-1]
		e.frames = e.frames[:n-1]
		return f
	}
	return &Frame{}
}

// blankFrame is a frame with nothing in it but its stack's memory.
func (e *env) blankFrame() *Frame {
	f := e.newFrame()
	*f = Frame{Stack: f.Stack[:0]}
	return f
}

func (e *env) freeState(st *State) {
	for i, f := range st.Frames {
		if f == nil {
			break
		}
		e.frames = append(e.frames, f)
		st.Frames[i] = nil
	}
	hist, refs := st.history[:0], st.Refs[:0]
	*st = State{history: hist, Refs: refs, freed: true}
	e.pool = append(e.pool, st)
}

func copyFrame(dst, src *Frame) {
	stack := dst.Stack
	*dst = *src
	dst.Stack = append(stack[:0], src.Stack...)
}

// copyState makes dst a copy of src that shares nothing with it.
func (e *env) copyState(dst, src *State) {
	frames, hist, refs := dst.Frames, dst.history[:0], dst.Refs[:0]
	*dst = *src
	dst.Frames = frames
	dst.history = append(hist, src.history...)
	dst.Refs = append(refs, src.Refs...)
	for i := 0; i <= src.Cur; i++ {
		if dst.Frames[i] == nil {
			dst.Frames[i] = e.newFrame()
		}
		copyFrame(dst.Frames[i], src.Frames[i])
	}
	for i := src.Cur + 1; i < maxFrames && dst.Frames[i] != nil; i++ {
		e.frames = append(e.frames, dst.Frames[i])
		dst.Frames[i] = nil
	}
	dst.hits, dst.misses, dst.rest = 0, 0, 0
	dst.next, dst.equal = nil, nil
	dst.cleaned, dst.evicted, dst.freed = false, false, false
}

// pushState queues a copy of the current state to continue at insn, coming from prev.
func (e *env) pushState(insn, prev int) (*State, *Diagnostic) {
	st := e.newState()
	e.copyState(st, e.cur)
	e.pending = append(e.pending, pending{st, insn, prev})
	if len(e.pending) > maxPending {
		return nil, e.errf(CodeTooComplex, "more than %d branches are pending: the program is too complex", maxPending)
	}
	if st.Parent != nil {
		st.Parent.branches++
	}
	return st, nil
}

// pushAsync queues the verification of an asynchronous callback, which begins
// with a stack of its own and none of the program's locks and references.
func (e *env) pushAsync(sub int, sleepable bool) (*State, *Diagnostic) {
	st := e.newState()
	e.pending = append(e.pending, pending{st, e.subs[sub].start, -1})
	if len(e.pending) > maxPending {
		return nil, e.errf(CodeTooComplex, "more than %d branches are pending: the program is too complex", maxPending)
	}
	st.branches = 1
	st.Sleepable = sleepable
	st.firstInsn = int32(e.subs[sub].start)
	st.lastInsn = -1
	f := e.blankFrame()
	f.Callsite = mainFunc
	f.Subprog = int32(sub)
	f.inst = e.liveInstance(-1, int32(e.insn), int32(sub))
	f.initRegs()
	st.Frames[0] = f
	return st, nil
}

// initRegs gives a fresh frame its frame pointer.
func (f *Frame) initRegs() {
	f.Regs[regFP].markPtr(ptrToStack)
	f.Regs[regFP].N = f.FrameNo
}

// checkMain walks the main program.
func (e *env) checkMain() *Diagnostic {
	e.explored = make([]*State, len(e.insns)+1)
	e.unbound = Reg{}
	e.unbound.markUnknown()
	if e.opts.Facts {
		e.factsOf = newFacts(len(e.insns))
	}
	return e.checkOne(0, e.prog.Flags&bpf.ProgSleepable != 0)
}

// checkGlobals walks the global functions that were called, each on its own
// with nothing known of its arguments but their types, until no new one turns up.
func (e *env) checkGlobals() *Diagnostic {
	if len(e.prog.Funcs) == 0 {
		return nil
	}
	for again := true; again; {
		again = false
		for i := 1; i < len(e.subs); i++ {
			s := &e.subs[i]
			if !s.global && i != e.excCB || !s.called || s.verified {
				continue
			}
			if d := e.checkOne(i, e.prog.Flags&bpf.ProgSleepable != 0); d != nil {
				return d
			}
			s.verified = true
			again = true
		}
	}
	return nil
}

// checkOne walks all paths from the start of a function.
func (e *env) checkOne(sub int, sleepable bool) *Diagnostic {
	st := e.newState()
	st.branches = 1
	st.Sleepable = sleepable
	st.firstInsn = int32(e.subs[sub].start)
	st.lastInsn = -1
	f := e.blankFrame()
	f.Callsite = mainFunc
	f.Subprog = int32(sub)
	f.inst = e.liveInstance(-1, -1-int32(sub), int32(sub))
	f.initRegs()
	st.Frames[0] = f
	e.cur = st
	e.insn = e.subs[sub].start
	e.prevInsn = -1
	e.inGlobal = sub
	e.histEnt = -1
	if sub > 0 || e.prog.Type == bpf.ProgExt {
		if d := e.enterGlobal(sub); d != nil {
			return d
		}
	} else {
		e.enterArgs()
		f.Regs[1].markPtr(ptrToCtx)
	}
	d := e.walk()
	if d != nil {
		return d
	}
	e.cur = nil
	// Kept states of one function are of no use to another.
	for i, sl := range e.explored {
		for sl != nil {
			next := sl.next
			e.freeState(sl)
			sl = next
		}
		e.explored[i] = nil
	}
	e.keptStates, e.stateBytes = 0, 0
	for i := range e.visits {
		e.visits[i] = nil
	}
	return nil
}

// walk runs until no branch is pending.
func (e *env) walk() *Diagnostic {
	e.walking = true
	prev := -1
	for {
		e.histEnt = -1
		e.prevInsn = prev
		if e.insn >= len(e.insns) || e.insn < 0 {
			return e.internal("walked to instruction %d of %d", e.insn, len(e.insns))
		}
		e.processed++
		if e.processed > e.limit {
			return e.errAt(prev, CodeTooLarge, "more than %d instructions were walked: the program is too large or its loops are not bounded", e.limit)
		}
		cur := e.cur
		a := &e.aux[e.insn]
		cur.lastInsn = int32(prev)
		cur.insn = int32(e.insn)
		exit := false
		rest := int64(0)
		if a.prune {
			done, more, d := e.visited()
			rest = more
			if d != nil {
				return d
			}
			if done {
				if e.opts.Log != nil {
					e.logSafe()
				}
				exit = true
			}
		}
		if !exit {
			if a.jmpPoint {
				e.pushHistory(cur, 0, 0, 0, nil)
			}
			if e.opts.Log != nil {
				e.logInsn()
			}
			a.seen = true
			cur.steps++
			prev = e.insn
			if a.bad != 0 {
				return e.badInsn()
			}
			var d *Diagnostic
			exit, d = e.step(a)
			if d != nil {
				return d
			}
		}
		if exit {
			if e.opts.Log != nil {
				e.logFlush()
			}
			if d := e.endPath(e.cur, rest); d != nil {
				return d
			}
			e.freeState(e.cur)
			n := len(e.pending)
			if n == 0 {
				e.cur = nil
				return nil
			}
			p := e.pending[n-1]
			e.pending = e.pending[:n-1]
			e.cur, e.insn, prev = p.st, p.insn, p.prev
			if e.opts.Log != nil {
				e.logFrom(p.prev)
			}
		}
	}
}

// step walks one instruction: it sets e.insn to the next one or says that the path ends.
func (e *env) step(a *insnAux) (exit bool, diag *Diagnostic) {
	in := e.insns[e.insn]
	switch in.Class() {
	case bpf.ClassALU, bpf.ClassALU64:
		diag = e.checkALU(in)
	case bpf.ClassLDX:
		diag = e.checkLoad(in, a)
	case bpf.ClassSTX:
		inst, at := e.cur.frame().inst, e.insn
		if in.Op&0xe0 == bpf.ModeATOMIC {
			diag = e.checkAtomic(in)
		} else {
			diag = e.checkStore(in, a, int(in.Src()))
		}
		if diag == nil {
			e.commitStackWrites(inst, at)
		}
	case bpf.ClassST:
		inst, at := e.cur.frame().inst, e.insn
		if diag = e.checkStore(in, a, -1); diag == nil {
			e.commitStackWrites(inst, at)
		}
	case bpf.ClassJMP, bpf.ClassJMP32:
		e.jumps++
		switch in.Op & 0xf0 {
		case bpf.JmpCALL:
			return e.checkCall(in)
		case bpf.JmpJA:
			if in.Class() == bpf.ClassJMP32 {
				e.insn += int(in.Imm) + 1
			} else {
				e.insn += int(in.Off) + 1
			}
			return false, nil
		case bpf.JmpEXIT:
			return e.checkExit(false)
		}
		return false, e.checkJump(in)
	case bpf.ClassLD:
		if m := in.Op & 0xe0; m == bpf.ModeABS || m == bpf.ModeIND {
			return false, e.checkLdAbs(in)
		}
		if diag = e.checkLdImm(in); diag == nil {
			e.insn++
		}
	}
	e.insn++
	return false, diag
}

// checkExit judges an exit (or a throw) and returns to the caller, if any.
func (e *env) checkExit(exception bool) (exit bool, diag *Diagnostic) {
	what := "the exit of the main program"
	if exception {
		what = "bpf_throw"
	}
	if d := e.checkRefLeak(exception, exception || e.cur.Cur == 0, what); d != nil {
		return false, d
	}
	if exception {
		return true, nil
	}
	if e.cur.Cur > 0 {
		return false, e.leaveFunc()
	}
	f := e.cur.frame()
	if f.Subprog > 0 && !f.InAsync && !f.InException {
		return true, e.checkGlobalReturn()
	}
	return true, e.checkReturnCode(0, "R0")
}
