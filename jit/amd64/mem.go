// SPDX-License-Identifier: Apache-2.0

package amd64

import (
	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/jit/prog"
	"github.com/modbpf/modbpf/verifier"
)

// access compiles loads, stores and atomics.
func (c *compiler) access(i int, n *prog.Insn) {
	if n.Class() == bpf.ClassLDX {
		m := c.operand(n, n.Src())
		at := c.pos()
		c.load(n.Op, c.r(n.Dst()), m)
		c.quiet(n, at, c.pos(), int8(c.r(n.Dst())))
		return
	}
	if n.Op&0xe0 == bpf.ModeATOMIC {
		c.atomic(i, n)
		return
	}
	m := c.operand(n, n.Dst())
	if n.Class() == bpf.ClassST {
		at := c.pos()
		c.storeImm(n.Op, m, n.Imm)
		c.quiet(n, at, c.pos(), -1)
		return
	}
	s := tmp3
	if n.Src() == bpf.RegFP {
		c.lea(true, tmp3, at(rsp, c.fr.fp))
	} else {
		s = c.r(n.Src())
	}
	at := c.pos()
	c.store(n.Op, m, s)
	c.quiet(n, at, c.pos(), -1)
}

// operand is the memory an instruction accesses through register base. Arena
// addresses are 32 bits above the arena's base.
func (c *compiler) operand(n *prog.Insn, base uint8) mem {
	if n.Mem != verifier.MemArena || base == bpf.RegFP {
		return c.mem(base, int32(n.Off))
	}
	c.mov(false, tmp2, c.r(base))
	c.movImm(tmp, c.t.Arena)
	return mem{tmp, tmp2, 0, int32(n.Off)}
}

// quiet notes an access that may fault without harm.
func (c *compiler) quiet(n *prog.Insn, at, next int, r int8) {
	if n.Mem == verifier.MemProbe || n.Mem == verifier.MemArena {
		c.faults = append(c.faults, Fault{int32(at), int32(next), r})
	}
}

func (c *compiler) load(op uint8, d reg, m mem) {
	if op&0xe0 == bpf.ModeMEMSX {
		switch op & 0x18 {
		case bpf.SizeB:
			c.rm0f(0xbe, true, d, m, false)
		case bpf.SizeH:
			c.rm0f(0xbf, true, d, m, false)
		default:
			c.rm(0x63, true, d, m)
		}
		return
	}
	switch op & 0x18 {
	case bpf.SizeB:
		c.rm0f(0xb6, false, d, m, false)
	case bpf.SizeH:
		c.rm0f(0xb7, false, d, m, false)
	case bpf.SizeW:
		c.rm(0x8b, false, d, m)
	default:
		c.rm(0x8b, true, d, m)
	}
}

func (c *compiler) store(op uint8, m mem, s reg) {
	switch op & 0x18 {
	case bpf.SizeB:
		c.rm8(0x88, s, m)
	case bpf.SizeH:
		c.bytes(0x66)
		c.rm(0x89, false, s, m)
	case bpf.SizeW:
		c.rm(0x89, false, s, m)
	default:
		c.rm(0x89, true, s, m)
	}
}

func (c *compiler) storeImm(op uint8, m mem, v int32) {
	switch op & 0x18 {
	case bpf.SizeB:
		c.rm(0xc6, false, 0, m)
		c.bytes(byte(v))
	case bpf.SizeH:
		c.bytes(0x66)
		c.rm(0xc7, false, 0, m)
		c.bytes(byte(v), byte(v>>8))
	case bpf.SizeW:
		c.rm(0xc7, false, 0, m)
		c.imm32(v)
	default:
		c.rm(0xc7, true, 0, m)
		c.imm32(v)
	}
}

// atomic compiles atomic operations. Loads and stores of this architecture
// already acquire and release.
func (c *compiler) atomic(i int, n *prog.Insn) {
	const lock = 0xf0
	wide := n.Op&0x18 == bpf.SizeDW
	if n.Imm == bpf.AtomicLoadACQ {
		m := c.operand(n, n.Src())
		start := c.pos()
		c.load(n.Op&^0xe0|bpf.ModeMEM, c.r(n.Dst()), m)
		c.quiet(n, start, c.pos(), int8(c.r(n.Dst())))
		return
	}
	m := c.operand(n, n.Dst())
	s := tmp3
	if n.Src() == bpf.RegFP {
		c.lea(true, tmp3, at(rsp, c.fr.fp))
	} else {
		s = c.r(n.Src())
	}
	start := c.pos()
	switch n.Imm {
	case bpf.AtomicStoreREL:
		c.store(n.Op&^0xe0|bpf.ModeMEM, m, s)
	case bpf.AluADD:
		c.bytes(lock)
		c.rm(0x01, wide, s, m)
	case bpf.AluOR:
		c.bytes(lock)
		c.rm(0x09, wide, s, m)
	case bpf.AluAND:
		c.bytes(lock)
		c.rm(0x21, wide, s, m)
	case bpf.AluXOR:
		c.bytes(lock)
		c.rm(0x31, wide, s, m)
	case bpf.AluADD | bpf.AtomicFetch:
		c.bytes(lock)
		c.rm0f(0xc1, wide, s, m, false)
	case bpf.AtomicXCHG:
		c.rm(0x87, wide, s, m)
	case bpf.AtomicCMPXCHG:
		c.bytes(lock)
		c.rm0f(0xb1, wide, s, m, false)
		if !wide {
			next := c.pos()
			c.mov(false, rax, rax)
			c.quiet(n, start, next, -1)
			return
		}
	default:
		c.fetchLoop(n, wide, s, m)
		return
	}
	c.quiet(n, start, c.pos(), -1)
}

// fetchLoop is fetch-and-or, -and, -xor: the machine has no such instruction
// that returns the old value.
func (c *compiler) fetchLoop(n *prog.Insn, wide bool, s reg, m mem) {
	g := byte(grpXOR)
	switch n.Imm &^ bpf.AtomicFetch {
	case bpf.AluOR:
		g = grpOR
	case bpf.AluAND:
		g = grpAND
	}
	c.lea(true, tmp3, m)
	c.mov(true, tmp2, rax)
	by := s
	if s == rax {
		by = tmp2
	}
	m = at(tmp3, 0)
	first := c.pos()
	c.rm(0x8b, wide, rax, m)
	loop := c.pos()
	c.mov(wide, tmp, rax)
	c.arith(g, wide, tmp, by)
	second := c.pos()
	c.bytes(0xf0)
	c.rm0f(0xb1, wide, tmp, m, false)
	c.bytes(0x70|ccNE, byte(loop-c.pos()-2))
	if s != rax {
		c.mov(wide, s, rax)
	}
	restore := c.pos()
	if s != rax {
		c.mov(true, rax, tmp2)
	} else if n.Mem == verifier.MemProbe || n.Mem == verifier.MemArena {
		// After a fault R0 must be what it was: it was in rax and is in tmp2.
		over := c.jmpShort()
		restore = c.pos()
		c.mov(true, rax, tmp2)
		c.here(over)
	}
	c.quiet(n, first, restore, -1)
	c.quiet(n, second, restore, -1)
}
