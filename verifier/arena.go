// SPDX-License-Identifier: Apache-2.0

package verifier

import "github.com/modbpf/modbpf/bpf"

// Arena: memory shared with user space, addressed by ordinary arithmetic.
// Loads and stores through an arena pointer cannot fault the kernel, so nothing
// about offsets is tracked; a cast makes a pointer of what the program computed.

// arenaMap is the program's arena, nil without one.
func (e *env) arenaMap() *Map {
	for _, m := range e.prog.Maps {
		if m.Type == bpf.MapArena {
			return m
		}
	}
	return nil
}

// addrSpaceCast judges a cast between address spaces (MOV with Off == 1).
func (e *env) addrSpaceCast() *Diagnostic {
	in := e.insns[e.insn]
	if e.arenaMap() == nil {
		return e.errf(CodeArenaNone, "addr_space_cast insn can only be used in a program that has an associated arena")
	}
	dst := &e.cur.regs()[in.Dst()]
	dst.markUnknown()
	if uint32(in.Imm) == 1 { // from the program's address space to the arena's
		dst.Type = ptrToArena
	}
	return nil
}
