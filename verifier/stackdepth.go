// SPDX-License-Identifier: Apache-2.0

package verifier

import "github.com/modbpf/modbpf/bpf"

// fnRound rounds a frame's size as the machine code's stack is.
func fnRound(n int) int { return (n + 15) &^ 15 }

const privStackMin = 64 // BPF_PRIV_STACK_MIN_SIZE

// checkStackDepth judges the stack of every chain of calls from the program
// and from each asynchronous callback. Calls are followed without recursion.
func (e *env) checkStackDepth() *Diagnostic {
	e.dropFastcall()
	e.insn = -1
	priv := e.has(FeatPrivStack)
	for i := range e.subs {
		if e.subs[i].hasTailCall {
			priv = false
		}
	}
	switch e.prog.Type {
	case bpf.ProgKprobe, bpf.ProgTracepoint, bpf.ProgPerfEvent, bpf.ProgRawTracepoint:
	case bpf.ProgTracing, bpf.ProgLSM:
		if e.prog.Type == bpf.ProgLSM && e.prog.AttachType == bpf.AttachLSMCgroup ||
			e.prog.Type == bpf.ProgTracing && e.prog.AttachType == bpf.AttachTraceIter {
			priv = false
		}
	default:
		priv = false
	}
	for i := len(e.subs) - 1; i >= 0; i-- {
		if i > 0 && !e.subs[i].isAsyncCB {
			continue
		}
		if d := e.stackDepthFrom(i, priv && i == 0); d != nil {
			return d
		}
	}
	return nil
}

// stackDepthFrom walks the call tree under a function, call by call as the
// kernel does; a limit of its own keeps hostile call graphs from taking forever.
func (e *env) stackDepthFrom(root int, priv bool) *Diagnostic {
	type call struct{ sub, next int }
	limit := 8
	if e.has(FeatFrames16) {
		limit = 16
	}
	own := make([]bool, len(e.subs)) // functions with a private stack
	shared := make([]bool, len(e.subs))
	var stack []call
	depth, idx := 0, root
	steps := 0
	enter := func() *Diagnostic {
		s := &e.subs[idx]
		if s.hasLdAbs {
			cb := s.isCB
			for _, c := range stack {
				cb = cb || e.subs[c.sub].isCB
			}
			if cb {
				return e.errf(CodeLdAbs, "a callback has no legacy packet loads")
			}
		}
		if idx > 0 && s.hasTailCall && depth >= 256 {
			return e.errf(CodeStackTailCall, "tail calls need less than 256 bytes of stack above, here are %d", depth)
		}
		n := fnRound(s.stackDepth)
		if !priv {
			shared[idx] = true
		} else if !shared[idx] && n >= privStackMin {
			own[idx] = true
		}
		if own[idx] && !shared[idx] {
			if n > maxStack {
				return e.errf(CodeStackDepth, "function %s uses %d bytes of stack; %d are allowed", e.subName(idx), n, maxStack)
			}
			return nil
		}
		depth += n
		e.maxDepth = max(e.maxDepth, depth)
		if depth > maxStack {
			return e.errf(CodeStackDepth, "the stack of %d nested functions is %d bytes; %d are allowed", len(stack)+1, depth, maxStack)
		}
		return nil
	}
	if d := enter(); d != nil {
		return d
	}
	i := e.subs[idx].start
	for {
		descended := false
		for ; i < e.subs[idx].end; i++ {
			in := e.insns[i]
			if in.IsCall() && in.Src() == bpf.PseudoKfuncCall {
				if k := e.aux[i].kfunc; k != nil && k.Throws {
					cb := e.subs[idx].isCB
					for _, c := range stack {
						cb = cb || e.subs[c.sub].isCB
					}
					if cb {
						return e.errAt(i, CodeThrowCallback, "bpf_throw at %d is called from a callback", i)
					}
				}
				continue
			}
			isCall := in.IsCall() && in.Src() == bpf.PseudoCall
			isFunc := in.IsLdImm64() && in.Src() == bpf.PseudoFunc
			if !isCall && !isFunc {
				continue
			}
			sub := e.findSubprog(i + int(in.Imm) + 1)
			if sub < 0 {
				return e.internal("no function begins where instruction %d goes", i)
			}
			if e.subs[sub].isAsyncCB {
				if !isCall {
					continue
				}
				if e.subs[sub].isExcCB {
					return e.errAt(i, CodeThrowCallback, "the exception callback is called directly at %d", i)
				}
			}
			steps++
			if steps > 1<<20 {
				return &Diagnostic{Verdict: NotJudged, Code: CodeLimit, Insn: i, Message: "the program's call tree is too large to measure its stack"}
			}
			stack = append(stack, call{idx, i + 1})
			if len(stack) >= limit {
				return e.errAt(i, CodeStackFrames, "calls are nested %d deep; at most %d are allowed", len(stack)+1, limit)
			}
			idx = sub
			if d := enter(); d != nil {
				return d
			}
			if e.subs[idx].hasTailCall {
				for _, c := range stack {
					if e.subs[c.sub].isExcCB {
						return e.errAt(i, CodeStackTailCall, "the exception callback tail calls")
					}
					e.subs[c.sub].tailReach = true
				}
			}
			i = e.subs[idx].start
			descended = true
			break
		}
		if descended {
			continue
		}
		if len(stack) == 0 {
			return nil
		}
		if !own[idx] || shared[idx] {
			depth -= fnRound(e.subs[idx].stackDepth)
		}
		top := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		idx, i = top.sub, top.next
	}
}
