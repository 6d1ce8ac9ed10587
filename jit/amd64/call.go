// SPDX-License-Identifier: Apache-2.0

package amd64

import (
	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/jit/prog"
)

// special compiles what is more than arithmetic, jumps and memory.
func (c *compiler) special(i int, n *prog.Insn) {
	switch n.Kind {
	case prog.CallLocal:
		c.jumps = append(c.jumps, jump{int32(c.pos()), n.Target, jumpCall})
		c.bytes(0xe8, 0, 0, 0, 0)
	case prog.Call:
		c.exit(n.Callee)
	case prog.CallX:
		c.mov(true, tmp3, c.src(n.Dst()))
		c.exit(CalleeX)
	case prog.TailCall:
		// Go answers with the address of the other program, or 0: then this one goes on.
		c.exit(n.Callee)
		c.test(true, rax, rax)
		over := c.jccShort(ccE)
		c.leave()
		c.bytes(0xff, 0xe0) // jmp rax
		c.here(over)
	case prog.LdPacket:
		if n.Op&0xe0 == bpf.ModeIND {
			c.mov(false, rsi, c.src(n.Src()))
			if n.Imm != 0 {
				c.arithImm(grpADD, false, rsi, n.Imm)
			}
		} else {
			c.movImm(rsi, uint64(uint32(n.Imm)))
		}
		c.mov(true, rdi, c.r(6))
		c.movImm(rdx, uint64(bpf.AccessSize(n.Op)))
		c.exit(n.Callee)
		c.test(false, rdx, rdx) // set when the load failed
		over := c.jccShort(ccE)
		c.zero(rax)
		c.leave()
		c.ret()
		c.here(over)
	case prog.CastKern:
		c.mov(false, c.r(n.Dst()), c.src(n.Src()))
	case prog.CastUser:
		d := c.r(n.Dst())
		c.mov(false, d, c.src(n.Src()))
		c.test(false, d, d)
		over := c.jccShort(ccE)
		c.movImm(tmp, c.t.ArenaUser&^0xffff_ffff)
		c.arith(grpOR, true, d, tmp)
		c.here(over)
	case prog.MayGoto:
		m := at(rsp, c.fr.budget)
		c.arithMemImm(grpSUB, true, m, 1)
		c.jcc(0x8, n.Target) // js
	default:
		c.fail(i, "kind %d: not built", n.Kind)
	}
}

// exit leaves to Go with a callee's number. The program goes on after it with
// the result in rax.
func (c *compiler) exit(callee int32) {
	c.leaves = true
	c.movImm(rax, uint64(c.t.Program<<CalleeBits|uint32(callee)))
	c.bytes(0x4c, 0x8d, 0x15) // lea r10, [rip+5]: after the jump
	c.imm32(5)
	c.bytes(0xe9)
	c.fixups = append(c.fixups, Fixup{int32(c.pos()), StubExit})
	c.imm32(0)
}
