// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"fmt"

	"github.com/modbpf/modbpf/bpf"
)

// Disassembly in the kernel log's notation, so that logs can be laid side by side.

var (
	aluSigns = [16]string{"+=", "-=", "*=", "/=", "|=", "&=", "<<=", ">>=", "neg", "%=", "^=", "=", "s>>=", "endian"}
	jmpSigns = [16]string{"goto", "==", ">", ">=", "&", "!=", "s>", "s>=", "call", "exit", "<", "<=", "s<", "s<="}
	sizeOf   = map[int]string{1: "u8", 2: "u16", 4: "u32", 8: "u64"}
)

// insnString prints the instruction at a slot.
func (e *env) insnString(i int) string {
	in := e.insns[i]
	reg := "r"
	if c := in.Class(); c == bpf.ClassALU || c == bpf.ClassJMP32 {
		reg = "w"
	}
	dst, src := fmt.Sprintf("%s%d", reg, in.Dst()), fmt.Sprintf("%s%d", reg, in.Src())
	isX := in.Op&bpf.SrcX != 0
	op := in.Op >> 4
	mem := func(sx bool) string {
		t := sizeOf[bpf.AccessSize(in.Op)]
		if sx {
			t = "s" + t[1:]
		}
		return t
	}
	switch in.Class() {
	case bpf.ClassALU, bpf.ClassALU64:
		switch in.Op & 0xf0 {
		case bpf.AluNEG:
			return fmt.Sprintf("%s = -%s", dst, dst)
		case bpf.AluEND:
			kind := "le"
			if in.Class() == bpf.ClassALU64 {
				kind = "bswap"
			} else if isX {
				kind = "be"
			}
			return fmt.Sprintf("r%d = %s%d r%d", in.Dst(), kind, in.Imm, in.Dst())
		case bpf.AluMOV:
			if isX && in.Off == 1 {
				return fmt.Sprintf("%s = addr_space_cast(%s, %d, %d)", dst, src, uint32(in.Imm)>>16, uint16(in.Imm))
			}
			if isX && in.Off != 0 {
				return fmt.Sprintf("%s = (s%d)%s", dst, in.Off, src)
			}
		}
		sign := aluSigns[op]
		if in.Off == 1 && (in.Op&0xf0 == bpf.AluDIV || in.Op&0xf0 == bpf.AluMOD) {
			sign = "s" + sign
		}
		if isX {
			return fmt.Sprintf("%s %s %s", dst, sign, src)
		}
		return fmt.Sprintf("%s %s %d", dst, sign, in.Imm)
	case bpf.ClassLDX:
		return fmt.Sprintf("r%d = *(%s *)(r%d %+d)", in.Dst(), mem(in.Op&0xe0 == bpf.ModeMEMSX), in.Src(), in.Off)
	case bpf.ClassST:
		return fmt.Sprintf("*(%s *)(r%d %+d) = %d", mem(false), in.Dst(), in.Off, in.Imm)
	case bpf.ClassSTX:
		if in.Op&0xe0 == bpf.ModeATOMIC {
			return e.atomicString(in, mem(false))
		}
		return fmt.Sprintf("*(%s *)(r%d %+d) = r%d", mem(false), in.Dst(), in.Off, in.Src())
	case bpf.ClassLD:
		return e.loadString(i, in, mem(false))
	}
	switch in.Op & 0xf0 {
	case bpf.JmpCALL:
		return e.callString(i, in)
	case bpf.JmpEXIT:
		return "exit"
	case bpf.JmpJA:
		if in.Class() == bpf.ClassJMP32 {
			return fmt.Sprintf("gotol pc%+d", in.Imm)
		}
		return fmt.Sprintf("goto pc%+d", in.Off)
	case bpf.JmpJCOND:
		return fmt.Sprintf("may_goto pc%+d", in.Off)
	}
	if isX {
		return fmt.Sprintf("if %s %s %s goto pc%+d", dst, jmpSigns[op], src, in.Off)
	}
	return fmt.Sprintf("if %s %s %#x goto pc%+d", dst, jmpSigns[op], uint32(in.Imm), in.Off)
}

func (e *env) atomicString(in bpf.Insn, t string) string {
	at := fmt.Sprintf("(%s *)(r%d %+d)", t, in.Dst(), in.Off)
	switch in.Imm {
	case bpf.AtomicXCHG:
		return fmt.Sprintf("r%d = atomic_xchg(%s, r%d)", in.Src(), at, in.Src())
	case bpf.AtomicCMPXCHG:
		return fmt.Sprintf("r0 = atomic_cmpxchg(%s, r0, r%d)", at, in.Src())
	case bpf.AtomicLoadACQ:
		return fmt.Sprintf("r%d = load_acquire((%s *)(r%d %+d))", in.Dst(), t, in.Src(), in.Off)
	case bpf.AtomicStoreREL:
		return fmt.Sprintf("store_release(%s, r%d)", at, in.Src())
	}
	if in.Imm&bpf.AtomicFetch != 0 {
		return fmt.Sprintf("r%d = atomic_fetch(%s %s r%d)", in.Src(), at, aluSigns[in.Imm>>4&0xf], in.Src())
	}
	return fmt.Sprintf("lock *%s %s r%d", at, aluSigns[in.Imm>>4&0xf], in.Src())
}

func (e *env) loadString(i int, in bpf.Insn, t string) string {
	switch in.Op & 0xe0 {
	case bpf.ModeABS:
		return fmt.Sprintf("r0 = *(%s *)skb[%d]", t, in.Imm)
	case bpf.ModeIND:
		return fmt.Sprintf("r0 = *(%s *)skb[r%d %+d]", t, in.Src(), in.Imm)
	}
	next := bpf.Insn{}
	if i+1 < len(e.insns) {
		next = e.insns[i+1]
	}
	switch in.Src() {
	case bpf.PseudoMapFD, bpf.PseudoMapValue:
		name := "?"
		if in.Imm >= 0 && int(in.Imm) < len(e.prog.Maps) {
			name = e.prog.Maps[in.Imm].Name
		}
		if in.Src() == bpf.PseudoMapValue {
			return fmt.Sprintf("r%d = &%s[0]%+d", in.Dst(), name, next.Imm)
		}
		return fmt.Sprintf("r%d = map[%s]", in.Dst(), name)
	case bpf.PseudoFunc:
		return fmt.Sprintf("r%d = func pc%+d", in.Dst(), in.Imm)
	case bpf.PseudoBTFID:
		return fmt.Sprintf("r%d = &ksym[%d]", in.Dst(), in.Imm)
	}
	return fmt.Sprintf("r%d = %#x ll", in.Dst(), uint64(uint32(in.Imm))|uint64(uint32(next.Imm))<<32)
}

func (e *env) callString(i int, in bpf.Insn) string {
	switch in.Src() {
	case bpf.PseudoCall:
		return fmt.Sprintf("call pc%+d", in.Imm)
	case bpf.PseudoKfuncCall:
		if k := e.aux[i].kfunc; k != nil {
			return "call " + k.Name
		}
		return fmt.Sprintf("call kfunc#%d", in.Imm)
	}
	return fmt.Sprintf("call bpf_%s#%d", e.k.HelperName(in.Imm), in.Imm)
}
