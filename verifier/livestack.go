// SPDX-License-Identifier: Apache-2.0

package verifier

import mathbits "math/bits"

// Which stack slots may still be read. While paths are walked, each
// instruction's reads and certain overwrites of eight-byte slots are recorded
// per invocation of its function (the chain of call sites) and per frame of
// that chain. When a kept state is compared for the first time, all paths that
// begin in it were walked, so a backward data-flow pass over the recorded marks
// tells which slots matter; the others are forgotten, and more states are equal.

// liveInst is one function in one chain of calls.
type liveInst struct {
	parent   int32 // index of the caller's, -1 for an outermost function
	callsite int32
	sub      int32
	depth    int32
	start    int
	marks    [maxFrames][]slotMarks // by frame of the chain, by instruction of the function
	stored   []bool                 // instructions whose overwrites are known
	kids     []int32
	dirty    []uint64 // instructions to look at again, by place in the function's postorder
	low      int      // the first word of dirty that may have a bit
	stale    bool     // dirty has bits
	dropped  bool     // an overwrite turned out not to be one: begin anew
	kidStale bool
}

// slotMarks are sets of slots, bit i is slot i.
type slotMarks struct {
	read, write uint64 // as recorded
	acc         uint64 // overwritten on every way from here to the exit
	live        uint64 // may be read from here on
}

type liveKey struct{ parent, callsite, sub int32 }

type liveness struct {
	insts []*liveInst
	index map[liveKey]int32
	write [maxFrames]uint64 // overwrites of the current instruction
	dirty bool
}

// liveInstance finds or makes the record of a function called at callsite from parent.
func (e *env) liveInstance(parent, callsite, sub int32) int32 {
	l := &e.live
	k := liveKey{parent, callsite, sub}
	if i, ok := l.index[k]; ok {
		return i
	}
	if l.index == nil {
		l.index = make(map[liveKey]int32)
	}
	in := &liveInst{parent: parent, callsite: callsite, sub: sub, start: e.subs[sub].start}
	in.dirty = make([]uint64, (e.subs[sub].end-e.subs[sub].start+63)/64)
	i := int32(len(l.insts))
	if parent >= 0 {
		in.depth = l.insts[parent].depth + 1
		l.insts[parent].kids = append(l.insts[parent].kids, i)
	}
	l.insts = append(l.insts, in)
	l.index[k] = i
	return i
}

// frame gives the marks for one frame of the chain, made on first use.
func (in *liveInst) frame(e *env, f int) []slotMarks {
	if in.marks[f] == nil {
		s := &e.subs[in.sub]
		in.marks[f] = make([]slotMarks, s.end-s.start)
	}
	return in.marks[f]
}

// liveStale notes that the marks of an instruction changed.
func (e *env) liveStale(in *liveInst, insn int) {
	in.touch(int(e.orderPos[insn]))
	in.stale = true
	for p := in.parent; p >= 0; {
		q := e.live.insts[p]
		if q.kidStale {
			return
		}
		q.kidStale = true
		p = q.parent
	}
}

func (in *liveInst) touch(pos int) {
	w := pos / 64
	in.dirty[w] |= 1 << (pos % 64)
	in.low = min(in.low, w)
}

// markStackRead records that the current instruction reads slots of a frame.
func (e *env) markStackRead(f *Frame, mask uint64) {
	in := e.live.insts[e.cur.frame().inst]
	m := &in.frame(e, int(f.FrameNo))[e.insn-in.start]
	if mask&^m.read != 0 {
		m.read |= mask
		e.liveStale(in, e.insn)
	}
}

// markStackWrite records that the current instruction overwrites whole slots of a frame.
func (e *env) markStackWrite(f *Frame, mask uint64) {
	e.live.write[f.FrameNo] |= mask
	e.live.dirty = true
}

// commitStackWrites ends an instruction that may store: what every visit so far
// overwrote is what counts.
func (e *env) commitStackWrites(inst int32, insn int) {
	l := &e.live
	in := l.insts[inst]
	if in.stored == nil {
		s := &e.subs[in.sub]
		in.stored = make([]bool, s.end-s.start)
	}
	i := insn - in.start
	if !in.stored[i] {
		in.stored[i] = true
		if l.dirty {
			for f := 0; f <= int(in.depth); f++ {
				if l.write[f] != 0 {
					in.frame(e, f)[i].write = l.write[f]
				}
			}
			e.liveStale(in, insn)
		}
	} else {
		for f := 0; f <= int(in.depth); f++ {
			if in.marks[f] == nil {
				continue
			}
			m := &in.marks[f][i]
			if m.write&^l.write[f] != 0 {
				m.write &= l.write[f]
				in.dropped = true
				e.liveStale(in, insn)
			}
		}
	}
	if l.dirty {
		l.write = [maxFrames]uint64{}
		l.dirty = false
	}
}

// refresh brings an invocation's live sets up to date, callees first.
func (e *env) refreshLive(i int32) {
	in := e.live.insts[i]
	if in.kidStale {
		in.kidStale = false
		for _, k := range in.kids {
			e.refreshLive(k)
			kid := e.live.insts[k]
			at := int(kid.callsite) - in.start
			call := e.insns[kid.callsite]
			plain := call.IsCall() && call.Src() == 1
			for f := 0; f <= int(in.depth); f++ {
				if kid.marks[f] == nil {
					continue
				}
				first := &kid.marks[f][0]
				m := &in.frame(e, f)[at]
				w := m.write
				if plain {
					w = first.acc
				}
				if first.live&^m.read != 0 || w != m.write {
					in.dropped = in.dropped || m.write&^w != 0
					m.read |= first.live
					m.write = w
					in.touch(int(e.orderPos[kid.callsite]))
					in.stale = true
				}
			}
		}
	}
	if in.stale {
		in.stale = false
		e.flowLive(in)
	}
}

// flowLive lets changed marks flow backwards until nothing changes. What is
// live may stay too large for a while in loops, which is sound; what is
// overwritten on every way must not, so a dropped overwrite begins anew.
func (e *env) flowLive(in *liveInst) {
	order := e.postorderOf(int(in.sub))
	if in.dropped {
		in.dropped = false
		for f := 0; f <= int(in.depth); f++ {
			for k := range in.marks[f] {
				in.marks[f][k].acc, in.marks[f][k].live = 0, 0
			}
		}
		for p := range order {
			in.touch(p)
		}
	}
	for w := in.low; w < len(in.dirty); {
		if in.dirty[w] == 0 {
			w++
			continue
		}
		bit := mathbits.TrailingZeros64(in.dirty[w])
		in.dirty[w] &^= 1 << bit
		i := order[w*64+bit]
		next := e.succs[i]
		changed := false
		for f := 0; f <= int(in.depth); f++ {
			marks := in.marks[f]
			if marks == nil {
				continue
			}
			m := &marks[int(i)-in.start]
			var live, acc uint64
			if next[0] >= 0 {
				n := &marks[int(next[0])-in.start]
				live, acc = n.live, n.acc
				if next[1] >= 0 {
					n = &marks[int(next[1])-in.start]
					live |= n.live
					acc &= n.acc
				}
			}
			live = live&^m.write | m.read
			acc |= m.write
			if live != m.live || acc != m.acc {
				m.live, m.acc = live, acc
				changed = true
			}
		}
		if !changed {
			continue
		}
		for _, p := range e.preds[e.predAt[i]:e.predAt[i+1]] {
			pos := int(e.orderPos[p])
			in.dirty[pos/64] |= 1 << (pos % 64)
			w = min(w, pos/64)
		}
	}
	in.low = len(in.dirty)
}

// liveSlots is the set of slots of frame f that may still be read after st.
func (e *env) liveSlots(st *State, f int) uint64 {
	var live uint64
	at := func(inst int32, insn int) {
		in := e.live.insts[inst]
		if m := in.marks[f]; m != nil && insn-in.start < len(m) {
			live |= m[insn-in.start].live
		}
	}
	at(st.Frames[st.Cur].inst, int(st.insn))
	for i := f; i < st.Cur; i++ {
		site := int(st.Frames[i+1].Callsite)
		if !e.aux[site].callsCB {
			site++
		}
		at(st.Frames[i].inst, site)
	}
	return live
}
