// SPDX-License-Identifier: Apache-2.0

package amd64

import (
	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/jit/prog"
)

// A regSet has a bit for each BPF register.
type regSet uint16

const (
	argRegs    regSet = 1<<1 | 1<<2 | 1<<3 | 1<<4 | 1<<5
	callerRegs regSet = argRegs | 1
)

func bit(r uint8) regSet { return 1 << r }

// effect is what an instruction does with registers.
type effect struct{ uses, defs regSet }

func effectOf(n *prog.Insn) effect {
	d, s := bit(n.Dst()), bit(n.Src())
	switch n.Kind {
	case prog.LdImm64:
		return effect{0, d}
	case prog.Wide:
		return effect{}
	case prog.Call, prog.TailCall, prog.CallLocal:
		return effect{argRegs, callerRegs}
	case prog.CallX:
		return effect{argRegs | d, callerRegs}
	case prog.LdPacket:
		e := effect{bit(6), callerRegs}
		if n.Op&0xe0 == bpf.ModeIND {
			e.uses |= s
		}
		return e
	case prog.CastKern, prog.CastUser:
		return effect{s, d}
	case prog.MayGoto:
		return effect{}
	}
	switch n.Class() {
	case bpf.ClassALU, bpf.ClassALU64:
		e := effect{d, d}
		op := n.Op & 0xf0
		if n.Op&bpf.SrcX != 0 && op != bpf.AluEND {
			e.uses |= s
		}
		if op == bpf.AluMOV {
			e.uses = 0
			if n.Op&bpf.SrcX != 0 {
				e.uses = s
			}
		}
		return e
	case bpf.ClassJMP, bpf.ClassJMP32:
		switch {
		case n.Op == bpf.OpExit:
			return effect{1, 0}
		case n.IsGoto():
			return effect{}
		}
		e := effect{d, 0}
		if n.Op&bpf.SrcX != 0 {
			e.uses |= s
		}
		return e
	case bpf.ClassLDX:
		return effect{s, d}
	case bpf.ClassST:
		return effect{d, 0}
	}
	if n.Op&0xe0 == bpf.ModeMEM || n.Imm == bpf.AtomicStoreREL {
		return effect{d | s, 0}
	}
	switch {
	case n.Imm == bpf.AtomicLoadACQ:
		return effect{s, d}
	case n.Imm == bpf.AtomicCMPXCHG:
		return effect{d | s | 1, 1}
	case n.Imm&bpf.AtomicFetch != 0:
		return effect{d | s, s}
	}
	return effect{d | s, 0}
}

// block is a stretch of slots entered only at its start and left only at its end.
type block struct {
	start, end int32
	next, jump int32 // blocks that may follow, -1
	in, out    regSet
}

// blocks cuts the program at jump targets and after jumps.
func (c *compiler) blocks() {
	p := c.p
	c.leader = grow(c.leader, len(p.Insns)+1)
	for i := range p.Funcs {
		c.leader[p.Funcs[i].Start] = true
	}
	for i := range p.Insns {
		n := &p.Insns[i]
		switch {
		case n.Kind == prog.MayGoto, n.IsGoto(), n.IsCond():
			c.leader[n.Target] = true
			c.leader[i+1] = true
		case n.Kind == prog.Plain && n.Op == bpf.OpExit:
			c.leader[i+1] = true
		}
	}
	c.blockOf = grow(c.blockOf, len(p.Insns))
	c.blockList = c.blockList[:0]
	for i := range p.Insns {
		if c.leader[i] {
			c.blockList = append(c.blockList, block{start: int32(i), next: -1, jump: -1})
		}
		k := int32(len(c.blockList) - 1)
		c.blockOf[i] = k
		c.blockList[k].end = int32(i + 1)
	}
	for k := range c.blockList {
		b := &c.blockList[k]
		last := b.end - 1
		if p.Insns[last].Kind == prog.Wide {
			last--
		}
		n := &p.Insns[last]
		falls := !(n.Kind == prog.Plain && (n.Op == bpf.OpExit || n.IsGoto()))
		if falls && k+1 < len(c.blockList) && p.FuncOf[b.end-1] == p.FuncOf[b.end] {
			b.next = int32(k + 1)
		}
		if n.Kind == prog.MayGoto || n.IsGoto() || n.IsCond() {
			b.jump = c.blockOf[n.Target]
		}
	}
}

// liveness finds the registers that matter after each block: the usual
// backward data flow, repeated until nothing changes.
func (c *compiler) liveness() {
	c.effects = grow(c.effects, len(c.p.Insns))
	for i := range c.p.Insns {
		c.effects[i] = effectOf(&c.p.Insns[i])
	}
	for changed := true; changed; {
		changed = false
		for k := len(c.blockList) - 1; k >= 0; k-- {
			b := &c.blockList[k]
			var out regSet
			if b.next >= 0 {
				out = c.blockList[b.next].in
			}
			if b.jump >= 0 {
				out |= c.blockList[b.jump].in
			}
			in := out
			for i := b.end - 1; i >= b.start; i-- {
				in = in&^c.effects[i].defs | c.effects[i].uses
			}
			if in != b.in || out != b.out {
				b.in, b.out, changed = in, out, true
			}
		}
	}
	// And after each instruction.
	c.live = grow(c.live, len(c.p.Insns))
	for k := range c.blockList {
		b := &c.blockList[k]
		l := b.out
		for i := b.end - 1; i >= b.start; i-- {
			c.live[i] = l
			l = l&^c.effects[i].defs | c.effects[i].uses
		}
	}
}

// grow makes a cleared slice of length n, reusing s.
func grow[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n, n+n/2)
	}
	s = s[:n]
	clear(s)
	return s
}
