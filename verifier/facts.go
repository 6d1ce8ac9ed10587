// SPDX-License-Identifier: Apache-2.0

package verifier

// What the proof says of single instructions, joined over all paths, for the
// JIT. Paths that were pruned were walked before with states that allow as
// much, so what holds for all walked visits holds for all.

const (
	memUnset  = MemKind(255)
	mapUnset  = int32(-1)
	takenBoth = 3
)

// noteMem records what kind of memory the current instruction touches.
func (e *env) noteMem(k MemKind, m mapRef) {
	if e.factsOf == nil {
		return
	}
	f := &e.factsOf[e.insn]
	if f.Mem == memUnset {
		f.Mem = k
	} else if f.Mem != k {
		f.Mem = MemMixed
	}
	if k == MemMapValue {
		e.joinMap(f, m)
	}
}

func (e *env) joinMap(f *InsnFact, m mapRef) {
	ref := int32(m)
	if int(m) > len(e.prog.Maps) {
		ref = 0 // an inner map: not one of the program's own
	}
	if f.Map == mapUnset {
		f.Map = ref
	} else if f.Map != ref {
		f.Map = 0
	}
}

// noteMap records the map and constant key of a map call.
func (e *env) noteMap(m mapRef, key int64) {
	if e.factsOf == nil {
		return
	}
	f := &e.factsOf[e.insn]
	first := f.Map == mapUnset
	e.joinMap(f, m)
	switch {
	case first:
		f.ConstKey, f.Key = key >= 0, uint64(max(key, 0))
	case f.ConstKey && (key < 0 || f.Key != uint64(key)):
		f.ConstKey, f.Key = false, 0
	}
}

// noteJump records how a conditional jump was decided: 1, 0, or -1 for both.
func (e *env) noteJump(taken int) {
	if e.factsOf == nil {
		return
	}
	f := &e.factsOf[e.insn]
	switch taken {
	case 1:
		f.JumpTaken |= 1
	case 0:
		f.JumpTaken |= 2
	default:
		f.JumpTaken = takenBoth
	}
}

// facts ends the collection.
func (e *env) facts() *Facts {
	f := &Facts{Visited: make([]bool, len(e.insns)), Insns: e.factsOf}
	for i := range e.insns {
		f.Visited[i] = e.aux[i].seen
		if i > 0 && e.insns[i-1].IsLdImm64() && e.aux[i-1].seen {
			f.Visited[i] = true
		}
	}
	for i := range f.Insns {
		x := &f.Insns[i]
		if x.Mem == memUnset {
			x.Mem = MemMixed
		}
		if x.Map == mapUnset {
			x.Map = 0
		}
		if x.JumpTaken == takenBoth {
			x.JumpTaken = 0
		}
	}
	for i := range e.subs {
		s := &e.subs[i]
		f.Subprogs = append(f.Subprogs, Subprog{
			Start: s.start, End: s.end, Name: e.subName(i), StackDepth: s.stackDepth,
			Callback: s.isCB, Exception: s.isExcCB, MightThrow: s.mightThrow, TailCall: s.hasTailCall,
		})
	}
	return f
}

// newFacts begins the collection.
func newFacts(n int) []InsnFact {
	f := make([]InsnFact, n)
	for i := range f {
		f[i].Mem, f[i].Map = memUnset, mapUnset
	}
	return f
}
