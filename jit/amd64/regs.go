// SPDX-License-Identifier: Apache-2.0

package amd64

import (
	"sync"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/jit/prog"
)

// BPF registers live in the machine registers the kernel's JIT chose for
// them, so arguments of calls stay where they are:
//
//	R0 rax  R1 rdi  R2 rsi  R3 rdx  R4 rcx  R5 r8
//	R6 rbx  R7 r13  R8 r14  R9 r15  (kept by whoever is called)
//
// R10 needs no register: a function's frame has a fixed size, so it is an
// offset from rsp. r9, r10 and r11 are free between instructions; rbp and r12
// take R6 and R7 in functions that call nothing, which saves keeping them.
var fixedRegs = [bpf.MaxRegs]reg{rax, rdi, rsi, rdx, rcx, r8, rbx, r13, r14, r15, rsp}

const (
	tmp  = r11
	tmp2 = r10
	tmp3 = r9
)

// frame is how one function uses registers and stack.
type frame struct {
	regs   [bpf.MaxRegs]reg
	saved  []reg // registers it must keep for its caller, in the order pushed
	saveBf [4]reg
	size   int32 // bytes below the saved registers
	fp     int32 // R10 - rsp
	budget int32 // offset of the loop budget from rsp, -1 without
}

// assign lays out each function's frame.
func (c *compiler) assign() {
	c.frames = grow(c.frames, len(c.p.Funcs))
	for k := range c.p.Funcs {
		f, fr := &c.p.Funcs[k], &c.frames[k]
		fr.regs, fr.budget = fixedRegs, -1
		if !f.Calls {
			fr.regs[6], fr.regs[7] = rbp, r12
		}
		var written regSet
		for i := f.Start; i < f.End; i++ {
			if c.marks[i].kind != markSkip {
				written |= c.effects[i].defs
			}
		}
		n := 0
		for r := uint8(6); r <= 9; r++ {
			if written&bit(r) == 0 || r <= 7 && !f.Calls {
				continue
			}
			fr.saveBf[n] = fr.regs[r]
			n++
		}
		fr.saved = fr.saveBf[:n]
		fr.size = int32(c.depth[k])
		if f.MayGoto {
			fr.budget = 0
			fr.size += 8
		}
		fr.fp = fr.size
	}
}

// compiler is one compilation. Its buffers are reused by the next.
type compiler struct {
	asm
	p   *prog.Program
	t   *Target
	err error

	leader    []bool
	blockOf   []int32
	blockList []block
	effects   []effect
	live      []regSet // after each slot
	marks     []mark
	prev      []int32 // version of the destination before each slot
	srcVer    []int32 // version of the source register each slot reads
	prevUse   []int32 // last read of that version before the slot
	frames    []frame
	fr        *frame

	slots  []int32
	funcs  []int32
	jumps  []jump
	fixups []Fixup
	faults []Fault
	batch  int32
	depth  []int   // stack each function uses
	leaves bool    // the code may leave to Go
	saves  []int32 // by layout: bytes saved before each jump
}

var compilers = sync.Pool{New: func() any { return new(compiler) }}

func (c *compiler) reset(p *prog.Program, t *Target) {
	c.p, c.t, c.err = p, t, nil
	c.b = c.b[:0]
	c.leaves = false
	c.jumps, c.fixups, c.faults = c.jumps[:0], c.fixups[:0], c.faults[:0]
}

// code copies the result out of the buffers.
func (c *compiler) code() *Code {
	return &Code{
		Bytes:  append([]byte(nil), c.b...),
		Slots:  append([]int32(nil), c.slots...),
		Funcs:  append([]int32(nil), c.funcs...),
		Batch:  c.batch,
		Leaves: c.leaves,
		Fixups: append([]Fixup(nil), c.fixups...),
		Faults: append([]Fault(nil), c.faults...),
	}
}
