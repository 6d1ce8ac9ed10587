// SPDX-License-Identifier: Apache-2.0

package verifier

import "github.com/modbpf/modbpf/bpf"

// Precision. A scalar's exact value matters only if some check depended on it.
// Scalars start imprecise; when a check depends on one, the path is walked
// backwards over the recorded history and everything the value came from is
// marked, in the kept states too. Only marked scalars are compared when states are.

// History flags.
const (
	histStack  = 1 << iota // the instruction touches slot spi of frame
	histDstStk             // compared register dst points to the stack
	histSrcStk
)

// backtrack is the set of registers and slots, by frame, whose origin is looked for.
type backtrack struct {
	frame int
	regs  [maxFrames]uint32
	slots [maxFrames]uint64
}

func (b *backtrack) empty() bool {
	var m uint64
	for i := 0; i <= b.frame; i++ {
		m |= uint64(b.regs[i]) | b.slots[i]
	}
	return m == 0
}

func (b *backtrack) has(r uint8) bool { return b.regs[b.frame]>>r&1 != 0 }
func (b *backtrack) set(r uint8)      { b.regs[b.frame] |= 1 << r }
func (b *backtrack) drop(r uint8)     { b.regs[b.frame] &^= 1 << r }

// errBacktrack says how going back over an instruction ended.
type errBacktrack uint8

const (
	btOK errBacktrack = iota
	btUnsupported
	btBug
)

// pushHistory records the current instruction on the path.
func (e *env) pushHistory(st *State, flags uint8, frame, spi int, linked *linkedRegs) {
	if e.histEnt >= 0 {
		h := &st.history[e.histEnt]
		h.flags |= flags
		if flags&histStack != 0 {
			h.frame, h.spi = uint8(frame), uint8(spi)
		}
		if linked != nil {
			h.linked = *linked
		}
		return
	}
	h := jmpEntry{insn: int32(e.insn), prev: int32(e.prevInsn), flags: flags, frame: uint8(frame), spi: uint8(spi)}
	if linked != nil {
		h.linked = *linked
	}
	st.history = append(st.history, h)
	e.histEnt = len(st.history) - 1
}

// syncLinked adds all registers of a link if one of them is looked for.
func (b *backtrack) syncLinked(h *jmpEntry) {
	if h == nil || h.linked.n == 0 {
		return
	}
	some := false
	for _, l := range h.linked.e[:h.linked.n] {
		if l.isSlot {
			some = some || b.slots[l.frame]>>l.index&1 != 0
		} else {
			some = some || b.regs[l.frame]>>l.index&1 != 0
		}
	}
	if !some {
		return
	}
	for _, l := range h.linked.e[:h.linked.n] {
		if l.isSlot {
			b.slots[l.frame] |= 1 << l.index
		} else {
			b.regs[l.frame] |= 1 << l.index
		}
	}
}

// step goes back over instruction idx; next is the one that followed it.
func (e *env) backtrackInsn(b *backtrack, idx, next int, h *jmpEntry) errBacktrack {
	in := e.insns[idx]
	if in.Op == 0 {
		return btOK
	}
	b.syncLinked(h)
	dst, src := in.Dst(), in.Src()
	isX := in.Op&bpf.SrcX != 0
	class := in.Class()
	atomic := class == bpf.ClassSTX && in.Op&0xe0 == bpf.ModeATOMIC
	switch {
	case class == bpf.ClassALU || class == bpf.ClassALU64:
		if !b.has(dst) {
			return btOK
		}
		switch in.Op & 0xf0 {
		case bpf.AluEND, bpf.AluNEG:
			return btOK
		case bpf.AluMOV:
			b.drop(dst)
			if isX && src != regFP {
				b.set(src)
			}
		default:
			if isX && src != regFP {
				b.set(src)
			}
		}
	case class == bpf.ClassLDX || atomic && (in.Imm == bpf.AtomicLoadACQ || in.Imm&bpf.AtomicFetch != 0):
		load := dst
		if atomic && in.Imm != bpf.AtomicLoadACQ {
			load = src
			if in.Imm == bpf.AtomicCMPXCHG {
				load = 0
			}
		}
		if !b.has(load) {
			return btOK
		}
		b.drop(load)
		if h == nil || h.flags&histStack == 0 {
			return btOK
		}
		b.slots[h.frame] |= 1 << h.spi
	case class == bpf.ClassSTX || class == bpf.ClassST:
		if b.has(dst) {
			return btUnsupported
		}
		if h == nil || h.flags&histStack == 0 || b.slots[h.frame]>>h.spi&1 == 0 {
			return btOK
		}
		b.slots[h.frame] &^= 1 << h.spi
		if class == bpf.ClassSTX {
			b.set(src)
		}
	case class == bpf.ClassJMP || class == bpf.ClassJMP32:
		return e.backtrackJump(b, in, idx, next, h, isX)
	case class == bpf.ClassLD:
		switch in.Op & 0xe0 {
		case bpf.ModeIMM:
			b.drop(dst)
			return btOK
		case bpf.ModeABS, bpf.ModeIND:
			if b.has(dst) {
				return btUnsupported
			}
			if next != idx+1 {
				return b.enter()
			}
			return btOK
		}
	}
	b.syncLinked(h)
	return btOK
}

func (b *backtrack) enter() errBacktrack {
	if b.frame == maxFrames-1 {
		return btBug
	}
	b.frame++
	return btOK
}

func (b *backtrack) leave() errBacktrack {
	if b.frame == 0 {
		return btBug
	}
	b.frame--
	return btOK
}

func (e *env) backtrackJump(b *backtrack, in bpf.Insn, idx, next int, h *jmpEntry, isX bool) errBacktrack {
	dst, src := in.Dst(), in.Src()
	op := in.Op & 0xf0
	switch {
	case in.IsCall() && src == bpf.PseudoCall:
		sub := e.findSubprog(idx + int(in.Imm) + 1)
		if sub < 0 {
			return btBug
		}
		if e.subs[sub].global {
			if b.regs[b.frame]&argRegs != 0 {
				return btBug
			}
			b.drop(0)
			return btOK
		}
		if b.regs[b.frame]&^argRegs != 0 || b.slots[b.frame] != 0 {
			return btBug
		}
		args := b.regs[b.frame] & argRegs
		b.regs[b.frame] &^= argRegs
		if b.frame == 0 {
			return btBug
		}
		b.regs[b.frame-1] |= args
		return b.leave()
	case e.aux[idx].callsCB && idx != next-1:
		if b.regs[b.frame]&^argRegs != 0 || b.slots[b.frame] != 0 {
			return btBug
		}
		b.regs[b.frame] &^= argRegs
		return b.leave()
	case op == bpf.JmpCALL:
		if src == bpf.PseudoKfuncCall && in.Imm == 0 {
			return btUnsupported
		}
		b.drop(0)
		if b.regs[b.frame]&argRegs != 0 {
			return btBug
		}
		if src == 0 && in.Imm == fnTailCall && next-idx != 1 {
			return b.enter()
		}
	case op == bpf.JmpEXIT:
		fromCall := next-1 >= 0 && e.insns[next-1].IsCall() && e.insns[next-1].Src() == bpf.PseudoCall
		r0 := fromCall && b.has(0)
		if fromCall && b.regs[b.frame]&argRegs != 0 {
			return btBug
		}
		b.drop(0)
		if r := b.enter(); r != btOK {
			return r
		}
		if r0 {
			b.set(0)
		}
		return btOK
	case op == bpf.JmpJA || op == bpf.JmpJCOND:
	case isX:
		if !b.has(dst) && !b.has(src) {
			return btOK
		}
		if h == nil || h.flags&histSrcStk == 0 {
			b.set(src)
		}
		if h == nil || h.flags&histDstStk == 0 {
			b.set(dst)
		}
	}
	b.syncLinked(h)
	return btOK
}

// markPrecise records that a check depends on the scalar in Regs[regno].
func (e *env) markPrecise(regno int) *Diagnostic {
	b := &e.bt
	b.frame = e.cur.Cur
	b.set(uint8(regno))
	return e.markChain(e.cur, nil)
}

// markChain walks back from st with what e.bt looks for; *changed tells
// whether a kept state learned something.
func (e *env) markChain(start *State, changed *bool) *Diagnostic {
	b := &e.bt
	if b.empty() {
		return nil
	}
	var dummy bool
	if changed == nil {
		changed = &dummy
	}
	st := start
	first, last := int(st.firstInsn), int(start.insn)
	next := -1
	skip := true
	for {
		hist := len(st.history)
		if last < 0 {
			// The entry of a function that is verified on its own.
			if st.Cur == 0 && st.Frames[0].Subprog > 0 && st.Frames[0].Callsite == mainFunc &&
				b.slots[b.frame] == 0 && b.regs[b.frame]&^argRegs == 0 {
				for r := range 6 {
					if b.has(uint8(r)) {
						b.drop(uint8(r))
						if reg := &st.Frames[0].Regs[r]; reg.Type == scalarValue {
							reg.Precise = true
							*changed = true
						}
					}
				}
				return nil
			}
			*b = backtrack{}
			return e.internal("precision ran past the entry")
		}
		for i := last; ; {
			if skip {
				skip = false
			} else {
				var h *jmpEntry
				if hist > 0 && int(st.history[hist-1].insn) == i {
					h = &st.history[hist-1]
				}
				switch e.backtrackInsn(b, i, next, h) {
				case btUnsupported:
					e.markAllPrecise(start)
					*b = backtrack{}
					return nil
				case btBug:
					*b = backtrack{}
					return e.internal("precision lost its way at instruction %d", i)
				}
			}
			if b.empty() {
				return nil
			}
			next = i
			if i == first && (hist == 0 || hist == 1 && int(st.history[0].insn) == i) {
				break
			}
			if hist > 0 && int(st.history[hist-1].insn) == i {
				i = int(st.history[hist-1].prev)
				hist--
			} else {
				i--
			}
			if i < 0 || i >= len(e.insns) {
				*b = backtrack{}
				return e.internal("precision ran out of the program")
			}
		}
		st = st.Parent
		if st == nil {
			break
		}
		for fr := b.frame; fr >= 0; fr-- {
			f := st.Frames[fr]
			if f == nil {
				b.regs[fr], b.slots[fr] = 0, 0
				continue
			}
			for r, m := 0, b.regs[fr]; m != 0; r, m = r+1, m>>1 {
				if m&1 == 0 {
					continue
				}
				reg := &f.Regs[r]
				if reg.Type != scalarValue || reg.Precise {
					b.regs[fr] &^= 1 << r
				} else {
					reg.Precise = true
					*changed = true
				}
			}
			for s, m := 0, b.slots[fr]; m != 0; s, m = s+1, m>>1 {
				if m&1 == 0 {
					continue
				}
				if s >= len(f.Stack) || !f.Stack[s].isScalarSpill() || f.Stack[s].Reg.Precise {
					b.slots[fr] &^= 1 << s
				} else {
					f.Stack[s].Reg.Precise = true
					*changed = true
				}
			}
		}
		if b.empty() {
			return nil
		}
		next = first
		last = int(st.lastInsn)
		first = int(st.firstInsn)
	}
	if !b.empty() {
		e.markAllPrecise(start)
		*b = backtrack{}
	}
	return nil
}

// markAllPrecise gives up and marks every scalar of the states before st.
func (e *env) markAllPrecise(st *State) {
	for st = st.Parent; st != nil; st = st.Parent {
		for i := 0; i <= st.Cur; i++ {
			f := st.Frames[i]
			for j := range f.Regs[:regFP] {
				if f.Regs[j].Type == scalarValue {
					f.Regs[j].Precise = true
				}
			}
			for j := range f.Stack {
				if f.Stack[j].isScalarSpill() {
					f.Stack[j].Reg.Precise = true
				}
			}
		}
	}
}

// propagatePrecision marks in cur's past what the state it equals has marked.
func (e *env) propagatePrecision(old, cur *State, changed *bool) *Diagnostic {
	b := &e.bt
	b.frame = cur.Cur
	for fr := old.Cur; fr >= 0; fr-- {
		f := old.Frames[fr]
		for i := range f.Regs[:regFP] {
			if f.Regs[i].Precise && f.Regs[i].Type == scalarValue {
				b.regs[fr] |= 1 << i
			}
		}
		for i := range f.Stack {
			if s := &f.Stack[i]; s.isScalarSpill() && s.Reg.Precise {
				b.slots[fr] |= 1 << i
			}
		}
	}
	return e.markChain(cur, changed)
}
