// SPDX-License-Identifier: Apache-2.0

package amd64

import (
	"fmt"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/jit/prog"
)

// selection emits each function. Jumps between slots are emitted in their long
// form and recorded; layout shortens them.
func (c *compiler) selection() {
	c.slots = grow(c.slots, len(c.p.Insns)+1)
	c.funcs = grow(c.funcs, len(c.p.Funcs))
	for k := range c.p.Funcs {
		f := &c.p.Funcs[k]
		c.fr = &c.frames[k]
		c.funcs[k] = int32(c.pos())
		c.prologue()
		for i := f.Start; i < f.End && c.err == nil; i++ {
			c.slots[i] = int32(c.pos())
			c.insn(i, &c.p.Insns[i])
		}
		c.trap()
	}
	c.slots[len(c.p.Insns)] = int32(c.pos())
}

// trap is what runs if control reaches a place it cannot: a fault that is
// reported like any other.
func (c *compiler) trap() { c.rm8(0x8a, rax, mem{base: noReg, index: noReg, disp: 0xdead}) }

func (c *compiler) prologue() {
	for _, r := range c.fr.saved {
		c.push(r)
	}
	if c.fr.size > 0 {
		c.arithImm(grpSUB, true, rsp, c.fr.size)
	}
	if c.fr.budget >= 0 {
		m := at(rsp, c.fr.budget)
		c.rm(0xc7, true, 0, m)
		c.imm32(prog.LoopBudget)
	}
}

// leave undoes the prologue.
func (c *compiler) leave() {
	if c.fr.size > 0 {
		c.arithImm(grpADD, true, rsp, c.fr.size)
	}
	for k := len(c.fr.saved) - 1; k >= 0; k-- {
		c.pop(c.fr.saved[k])
	}
}

// batchLoop runs the program for each of a row of contexts: rdi the contexts,
// rsi where results go, rdx their number. It is added last, on a boundary of
// its own: for small programs its speed is theirs.
func (c *compiler) batchLoop() {
	for len(c.b)%64 != 0 {
		c.bytes(0xcc)
	}
	c.batch = int32(c.pos())
	for _, r := range kept {
		c.push(r)
	}
	c.mov(true, rbx, rdi)
	c.mov(true, r13, rsi)
	c.mov(true, r14, rdx)
	c.zero(r15)
	loop := c.pos()
	if c.leaves {
		c.mov(true, tmp, rsp)
		c.arithImm(grpAND, true, tmp, -c.t.StackAlign)
		c.rm(0x89, true, r15, at(tmp, c.t.OffBatch))
	}
	c.rm(0x8b, true, rdi, mem{rbx, r15, 3, 0})
	c.bytes(0xe8)
	c.imm32(c.funcs[0] - int32(c.pos()) - 4)
	c.rm(0x89, true, rax, mem{r13, r15, 3, 0})
	c.ext(0xff, true, 0, r15)
	c.arith(grpCMP, true, r15, r14)
	c.bytes(0x70|ccB, byte(loop-c.pos()-2))
	for k := len(kept) - 1; k >= 0; k-- {
		c.pop(kept[k])
	}
	c.ret()
}

// r is the machine register of a BPF register that is not R10.
func (c *compiler) r(n uint8) reg { return c.fr.regs[n] }

// src is a register holding the value of a BPF register, R10 included.
func (c *compiler) src(n uint8) reg {
	if n == bpf.RegFP {
		c.lea(true, tmp, at(rsp, c.fr.fp))
		return tmp
	}
	return c.fr.regs[n]
}

// mem is the operand for an access through a BPF register.
func (c *compiler) mem(n uint8, off int32) mem {
	if n == bpf.RegFP {
		return at(rsp, c.fr.fp+off)
	}
	return at(c.fr.regs[n], off)
}

func (c *compiler) fail(slot int, format string, a ...any) {
	if c.err == nil {
		c.err = &prog.Error{Slot: slot, Msg: fmt.Sprintf(format, a...)}
	}
}

func (c *compiler) insn(i int, n *prog.Insn) {
	if m := &c.marks[i]; m.kind != markNone {
		c.marked(i, m)
		return
	}
	switch n.Kind {
	case prog.Plain:
	case prog.Wide:
		return
	case prog.LdImm64:
		c.constant(n.Dst(), n.Val)
		return
	default:
		c.special(i, n)
		return
	}
	switch n.Class() {
	case bpf.ClassALU64:
		c.alu(i, n, true)
	case bpf.ClassALU:
		c.alu(i, n, false)
	case bpf.ClassJMP, bpf.ClassJMP32:
		c.jump(i, n)
	default:
		c.access(i, n)
	}
}

// constant loads an immediate; flags are dead between instructions.
func (c *compiler) constant(d uint8, v uint64) {
	if v == 0 {
		c.zero(c.r(d))
		return
	}
	c.movImm(c.r(d), v)
}

// Kinds of recorded jumps.
const (
	jumpAlways = 0xff
	jumpCall   = 0xfe // never shortened
)

// jump is a jump to a slot, or a call of the function that begins there.
type jump struct {
	at     int32 // offset of its first byte
	target int32 // slot
	kind   uint8 // condition code, jumpAlways or jumpCall
}

func (c *compiler) jmp(target int32) {
	c.jumps = append(c.jumps, jump{int32(c.pos()), target, jumpAlways})
	c.bytes(0xe9, 0, 0, 0, 0)
}

func (c *compiler) jcc(cc byte, target int32) {
	c.jumps = append(c.jumps, jump{int32(c.pos()), target, cc})
	c.bytes(0x0f, 0x80|cc, 0, 0, 0, 0)
}

// condCodes maps conditional jumps (high nibble of the opcode) to conditions
// after a comparison of destination with source.
var condCodes = [16]byte{
	bpf.JmpJEQ >> 4:  ccE,
	bpf.JmpJGT >> 4:  ccA,
	bpf.JmpJGE >> 4:  ccAE,
	bpf.JmpJSET >> 4: ccNE,
	bpf.JmpJNE >> 4:  ccNE,
	bpf.JmpJSGT >> 4: ccG,
	bpf.JmpJSGE >> 4: ccGE,
	bpf.JmpJLT >> 4:  ccB,
	bpf.JmpJLE >> 4:  ccBE,
	bpf.JmpJSLT >> 4: ccL,
	bpf.JmpJSLE >> 4: ccLE,
}

func (c *compiler) jump(i int, n *prog.Insn) {
	switch {
	case n.Op == bpf.OpExit:
		c.leave()
		c.ret()
		return
	case n.IsGoto():
		if int(n.Target) != i+1 {
			c.jmp(n.Target)
		}
		return
	}
	wide := n.Class() == bpf.ClassJMP
	d := c.src(n.Dst())
	set := n.Op&0xf0 == bpf.JmpJSET
	switch {
	case n.Op&bpf.SrcX != 0:
		s := tmp2
		if n.Src() == bpf.RegFP {
			c.lea(true, tmp2, at(rsp, c.fr.fp))
		} else {
			s = c.r(n.Src())
		}
		if set {
			c.test(wide, d, s)
		} else {
			c.arith(grpCMP, wide, d, s)
		}
	case set:
		c.testConst(wide, d, n.Imm)
	case n.Imm == 0:
		c.test(wide, d, d)
	default:
		c.arithImm(grpCMP, wide, d, n.Imm)
	}
	c.jcc(condCodes[n.Op>>4], n.Target)
}

// testConst is test with the shortest operand that gives the same zero flag.
func (c *compiler) testConst(wide bool, d reg, v int32) {
	switch {
	case v > 0 && v < 0x80 && (d < rsp || d > rdi):
		c.ext8(0xf6, 0, d)
		c.bytes(byte(v))
	case v >= 0:
		c.testImm(false, d, v)
	default:
		c.testImm(wide, d, v)
	}
}

// ext8 is ext on a byte register other than spl to dil.
func (c *compiler) ext8(op, ext byte, m reg) { c.ext(op, false, ext, m) }
