// SPDX-License-Identifier: Apache-2.0

package bpf

import "fmt"

var aluSigns = map[uint8]string{
	AluADD: "+=", AluSUB: "-=", AluMUL: "*=", AluDIV: "/=", AluOR: "|=", AluAND: "&=", AluLSH: "<<=", AluRSH: ">>=", AluMOD: "%=",
	AluXOR: "^=", AluMOV: "=", AluARSH: "s>>=",
}

var jumpSigns = map[uint8]string{
	JmpJEQ: "==", JmpJGT: ">", JmpJGE: ">=", JmpJSET: "&", JmpJNE: "!=", JmpJSGT: "s>", JmpJSGE: "s>=", JmpJLT: "<", JmpJLE: "<=",
	JmpJSLT: "s<", JmpJSLE: "s<=",
}

var accessNames = map[int]string{1: "u8", 2: "u16", 4: "u32", 8: "u64"}

// String is the instruction in the notation of the kernel's log: the opcode in
// hexadecimal, then what it does. Of a 64-bit load it shows the lower half.
func (i Insn) String() string { return fmt.Sprintf("(%02x) %s", i.Op, i.text()) }

func (i Insn) text() string {
	reg := func(n uint8, wide bool) string {
		if wide {
			return fmt.Sprintf("r%d", n)
		}
		return fmt.Sprintf("w%d", n)
	}
	operand := func(wide bool) string {
		if i.Op&SrcX != 0 {
			return reg(i.Src(), wide)
		}
		return fmt.Sprint(i.Imm)
	}
	mem := func(base uint8) string {
		return fmt.Sprintf("*(%s *)(r%d %+d)", accessNames[AccessSize(i.Op)], base, i.Off)
	}
	switch i.Class() {
	case ClassALU, ClassALU64:
		wide := i.Class() == ClassALU64
		dst := reg(i.Dst(), wide)
		switch op := i.Op & 0xf0; {
		case op == AluNEG:
			return fmt.Sprintf("%s = -%s", dst, dst)
		case op == AluEND && wide:
			return fmt.Sprintf("r%d = bswap%d r%d", i.Dst(), i.Imm, i.Dst())
		case op == AluEND && i.Op&SrcX != 0:
			return fmt.Sprintf("r%d = be%d r%d", i.Dst(), i.Imm, i.Dst())
		case op == AluEND:
			return fmt.Sprintf("r%d = le%d r%d", i.Dst(), i.Imm, i.Dst())
		case op == AluMOV && i.Off == 1 && wide:
			return fmt.Sprintf("%s = addr_space_cast(%s, %d, %d)", dst, operand(wide), uint32(i.Imm)>>16, uint16(i.Imm))
		case op == AluMOV && i.Off != 0:
			return fmt.Sprintf("%s = (s%d)%s", dst, i.Off, operand(wide))
		case (op == AluDIV || op == AluMOD) && i.Off == 1:
			return fmt.Sprintf("%s s%s %s", dst, aluSigns[op], operand(wide))
		case aluSigns[op] != "":
			return fmt.Sprintf("%s %s %s", dst, aluSigns[op], operand(wide))
		}
	case ClassJMP, ClassJMP32:
		wide := i.Class() == ClassJMP
		op := i.Op & 0xf0
		switch {
		case i.Op == OpExit:
			return "exit"
		case i.Op == OpMayGoto:
			return fmt.Sprintf("may_goto pc%+d", i.Off)
		case op == JmpJA && wide:
			return fmt.Sprintf("goto pc%+d", i.Off)
		case op == JmpJA:
			return fmt.Sprintf("gotol pc%+d", i.Imm)
		case i.Op == OpCallX:
			return fmt.Sprintf("callx r%d", i.Dst())
		case i.Op == OpCall && i.Src() == PseudoCall:
			return fmt.Sprintf("call pc%+d", i.Imm)
		case i.Op == OpCall && i.Src() == PseudoKfuncCall:
			return fmt.Sprintf("call kfunc#%d", i.Imm)
		case i.Op == OpCall:
			return fmt.Sprintf("call helper#%d", i.Imm)
		case jumpSigns[op] != "":
			return fmt.Sprintf("if %s %s %s goto pc%+d", reg(i.Dst(), wide), jumpSigns[op], operand(wide), i.Off)
		}
	case ClassLDX:
		switch i.Op & 0xe0 {
		case ModeMEM:
			return fmt.Sprintf("r%d = %s", i.Dst(), mem(i.Src()))
		case ModeMEMSX:
			return fmt.Sprintf("r%d = *(s%d *)(r%d %+d)", i.Dst(), 8*AccessSize(i.Op), i.Src(), i.Off)
		}
	case ClassSTX:
		switch i.Op & 0xe0 {
		case ModeMEM:
			return fmt.Sprintf("%s = r%d", mem(i.Dst()), i.Src())
		case ModeATOMIC:
			return fmt.Sprintf("atomic %#x %s, r%d", i.Imm, mem(i.Dst()), i.Src())
		}
	case ClassST:
		if i.Op&0xe0 == ModeMEM {
			return fmt.Sprintf("%s = %d", mem(i.Dst()), i.Imm)
		}
	case ClassLD:
		switch {
		case i.IsLdImm64() && i.Src() == 0:
			return fmt.Sprintf("r%d = %#x", i.Dst(), uint32(i.Imm))
		case i.IsLdImm64():
			kinds := [...]string{"", "map", "map_value", "btf_id", "func", "map_idx", "map_idx_value"}
			if int(i.Src()) < len(kinds) {
				return fmt.Sprintf("r%d = %s[%d]", i.Dst(), kinds[i.Src()], i.Imm)
			}
		case i.Op&0xe0 == ModeABS:
			return fmt.Sprintf("r0 = *(%s *)skb[%d]", accessNames[AccessSize(i.Op)], i.Imm)
		case i.Op&0xe0 == ModeIND:
			return fmt.Sprintf("r0 = *(%s *)skb[r%d %+d]", accessNames[AccessSize(i.Op)], i.Src(), i.Imm)
		}
	}
	return fmt.Sprintf("invalid: regs %#02x off %d imm %d", i.Regs, i.Off, i.Imm)
}
