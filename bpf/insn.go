// SPDX-License-Identifier: Apache-2.0

// Package bpf holds the vocabulary every room shares: instructions as the
// kernel's ABI has them, program, attach and map types by number and name, and
// kernel releases. It is data from include/uapi/linux/bpf.h and RFC 9669 and
// imports nothing of this module.
package bpf

// Insn is one eight-byte instruction slot, laid out as struct bpf_insn
// (include/uapi/linux/bpf.h) on a little-endian machine. A 64-bit immediate
// load (LdImm64) occupies two slots; every index in this project counts slots,
// as the kernel's log and jump offsets do.
type Insn struct {
	Op   uint8
	Regs uint8 // dst in the low nibble, src in the high one
	Off  int16
	Imm  int32
}

// Size is the number of bytes one slot takes.
const Size = 8

// Dst is the destination register, 0 to 10 (11 in hidden rewrites of the kernel).
func (i Insn) Dst() uint8 { return i.Regs & 0xf }

// Src is the source register or, in jumps, calls and 64-bit loads, the pseudo code.
func (i Insn) Src() uint8 { return i.Regs >> 4 }

// Class is the instruction class (ClassLD ... ClassALU64).
func (i Insn) Class() uint8 { return i.Op & 0x07 }

// IsLdImm64 reports whether the slot begins a two-slot 64-bit immediate load.
func (i Insn) IsLdImm64() bool { return i.Op == OpLdImm64 }

// IsCall reports whether the slot calls a helper, a subprogram or a kfunc.
func (i Insn) IsCall() bool { return i.Op == ClassJMP|JmpCALL }

// Regs packs the two register numbers of an instruction.
func Regs(dst, src uint8) uint8 { return dst&0xf | src<<4 }

// Instruction classes.
const (
	ClassLD    = 0x00
	ClassLDX   = 0x01
	ClassST    = 0x02
	ClassSTX   = 0x03
	ClassALU   = 0x04
	ClassJMP   = 0x05
	ClassJMP32 = 0x06
	ClassALU64 = 0x07
)

// Source bit of ALU and jump instructions: immediate or register.
const (
	SrcK = 0x00
	SrcX = 0x08
)

// ALU operations (high nibble).
const (
	AluADD  = 0x00
	AluSUB  = 0x10
	AluMUL  = 0x20
	AluDIV  = 0x30 // Off == 1: signed (cpu v4)
	AluOR   = 0x40
	AluAND  = 0x50
	AluLSH  = 0x60
	AluRSH  = 0x70
	AluNEG  = 0x80
	AluMOD  = 0x90 // Off == 1: signed (cpu v4)
	AluXOR  = 0xa0
	AluMOV  = 0xb0 // Off == 8, 16, 32: sign-extending (cpu v4); Off == 1: address space cast
	AluARSH = 0xc0
	AluEND  = 0xd0 // in ClassALU64: unconditional byte swap (cpu v4)
)

// Jump operations (high nibble).
const (
	JmpJA    = 0x00 // ClassJMP: Off; ClassJMP32: Imm (gotol, cpu v4)
	JmpJEQ   = 0x10
	JmpJGT   = 0x20
	JmpJGE   = 0x30
	JmpJSET  = 0x40
	JmpJNE   = 0x50
	JmpJSGT  = 0x60
	JmpJSGE  = 0x70
	JmpCALL  = 0x80
	JmpEXIT  = 0x90
	JmpJLT   = 0xa0
	JmpJLE   = 0xb0
	JmpJSLT  = 0xc0
	JmpJSLE  = 0xd0
	JmpJCOND = 0xe0 // may_goto (6.8)
)

// Sizes of memory accesses.
const (
	SizeW  = 0x00
	SizeH  = 0x08
	SizeB  = 0x10
	SizeDW = 0x18
)

// Modes of memory accesses.
const (
	ModeIMM    = 0x00
	ModeABS    = 0x20
	ModeIND    = 0x40
	ModeMEM    = 0x60
	ModeMEMSX  = 0x80 // sign-extending load (cpu v4)
	ModeATOMIC = 0xc0
)

// Atomic operations, in Imm of a ClassSTX|ModeATOMIC instruction.
const (
	AtomicFetch    = 0x01
	AtomicXCHG     = 0xe0 | AtomicFetch
	AtomicCMPXCHG  = 0xf0 | AtomicFetch
	AtomicLoadACQ  = 0x100 // 6.15
	AtomicStoreREL = 0x110 // 6.15
)

// Whole opcodes that are asked for by name.
const (
	OpLdImm64 = ClassLD | ModeIMM | SizeDW
	OpExit    = ClassJMP | JmpEXIT
	OpCall    = ClassJMP | JmpCALL
	OpCallX   = ClassJMP | JmpCALL | SrcX
	OpMayGoto = ClassJMP | JmpJCOND
)

// Pseudo codes in the source register of a 64-bit immediate load. In a bound
// program Imm and the next slot's Imm carry what the comment says.
const (
	PseudoMapFD       = 1 // Imm: index into Program.Maps; negative: -1-n where the author wrote descriptor n himself, which is never a map
	PseudoMapValue    = 2 // Imm: index into Program.Maps (negative as above); next Imm: offset into the value
	PseudoBTFID       = 3 // Imm: BTF id of a kernel variable; next Imm: index into Program.Modules, 0 for vmlinux
	PseudoFunc        = 4 // Imm: relative slot offset of a subprogram (as in the ABI)
	PseudoMapIdx      = 5 // only before binding
	PseudoMapIdxValue = 6 // only before binding
)

// Pseudo codes in the source register of a call.
const (
	PseudoHelper    = 0 // Imm: helper id
	PseudoCall      = 1 // Imm: relative slot offset of the subprogram
	PseudoKfuncCall = 2 // Imm: BTF id of the kfunc; Off: index into Program.Modules, 0 for vmlinux
)

// R10 is the frame pointer; registers above it do not exist in programs.
const (
	RegFP   = 10
	MaxRegs = 11
)

// AccessSize is the number of bytes a load or store of this opcode moves.
func AccessSize(op uint8) int {
	switch op & 0x18 {
	case SizeB:
		return 1
	case SizeH:
		return 2
	case SizeW:
		return 4
	}
	return 8
}
