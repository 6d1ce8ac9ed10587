// SPDX-License-Identifier: Apache-2.0

// Package prog is the form every engine works on: instructions decoded and
// checked for well-formedness, jump targets absolute, references resolved to
// addresses and callee numbers. One Insn a slot, so that a slot number means
// the same in the verifier's facts, in the line table and here.
package prog

import (
	"fmt"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/verifier"
)

// Kind says what an instruction is beyond what its opcode says.
type Kind uint8

// Kinds of instructions.
const (
	Plain     Kind = iota
	LdImm64        // Val is the value; the next slot is Wide
	Wide           // second slot of an LdImm64: never executed
	Call           // Callee is the number of a helper or kfunc
	TailCall       // bpf_tail_call; Callee as for Call
	CallLocal      // Target is the subprogram's first slot
	CallX          // the callee is in the destination register
	LdPacket       // LD_ABS, LD_IND; Callee does the load
	CastKern       // address of an arena, user to kernel form
	CastUser       // and back
	MayGoto        // Target when the budget is used up
	GotoX          // an indirect jump: decoded, not built
)

// Insn is one instruction slot.
type Insn struct {
	bpf.Insn
	Kind   Kind
	Mem    verifier.MemKind // what a load or store touches, MemMixed if unknown
	Callee int32            // index of the callee for Call, TailCall and LdPacket
	Target int32            // slot a jump or local call goes to
	Val    uint64           // LdImm64: the value
	Ref    Ref              // LdImm64: where Val comes from
}

// Ref says what a 64-bit immediate load refers to.
type Ref struct {
	Pseudo uint8
	Index  int32 // map index, BTF id, or first slot of a subprogram
	Off    int32 // offset in a map value, or module index
}

// Func is one function: the entry program or a subprogram.
type Func struct {
	Start, End int  // slots
	Addressed  bool // its address is taken: it may be called as a callback
	MayGoto    bool // it needs a loop budget
	Calls      bool // it calls anything
	// Depth is the number of bytes of stack below R10 the function uses.
	Depth int
}

// Program is a decoded program.
type Program struct {
	Insns []Insn
	Funcs []Func
	// FuncOf is the index in Funcs of the function a slot belongs to.
	FuncOf []int32
	// ExceptionCB is the index in Funcs of the exception callback, -1 if the
	// program has none of its own.
	ExceptionCB int
}

// FuncAt is the index of the function that starts at a slot, -1 if none does.
func (p *Program) FuncAt(slot int) int {
	if slot < 0 || slot >= len(p.FuncOf) {
		return -1
	}
	if f := p.FuncOf[slot]; p.Funcs[f].Start == slot {
		return int(f)
	}
	return -1
}

// LoopBudget is how often the may_goto instructions of one function call let a
// loop go on: the kernel's BPF_MAX_LOOPS.
const LoopBudget = 8 << 20

// FuncTag marks the values that stand for a program's own functions: the value
// is FuncTag plus the first slot. No real address looks like it (it is not
// canonical), and no helper id.
const FuncTag = 0xb9f0_0000_0000_0000

// FuncValue is the value a program sees as the address of the function at slot.
func FuncValue(slot int) uint64 { return FuncTag | uint64(uint32(slot)) }

// FuncSlot undoes FuncValue; false when v is no such value.
func FuncSlot(v uint64) (int, bool) {
	if v&0xffff_ffff_0000_0000 != FuncTag {
		return 0, false
	}
	return int(uint32(v)), true
}

// Error is a program that no engine can run.
type Error struct {
	Slot int
	Msg  string
}

func (e *Error) Error() string { return fmt.Sprintf("insn %d: %s", e.Slot, e.Msg) }
