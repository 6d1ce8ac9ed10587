// SPDX-License-Identifier: Apache-2.0

package prog

import (
	"fmt"

	"github.com/modbpf/modbpf/bpf"
)

// Text is an instruction as people read it: assignments over r0 to r10, w0 to
// w10 for the 32-bit halves, and jump targets as slots.
func (n *Insn) Text() string {
	d, s := int(n.Dst()), int(n.Src())
	switch n.Kind {
	case Wide:
		return ""
	case LdImm64:
		switch n.Ref.Pseudo {
		case bpf.PseudoMapFD:
			return fmt.Sprintf("r%d = map[%d]", d, n.Ref.Index)
		case bpf.PseudoMapValue:
			return fmt.Sprintf("r%d = map[%d].value + %d", d, n.Ref.Index, n.Ref.Off)
		case bpf.PseudoBTFID:
			return fmt.Sprintf("r%d = variable %d", d, n.Ref.Index)
		case bpf.PseudoFunc:
			return fmt.Sprintf("r%d = function %d", d, n.Target)
		}
		return fmt.Sprintf("r%d = %#x ll", d, n.Val)
	case Call, TailCall:
		if n.Src() == bpf.PseudoKfuncCall {
			return fmt.Sprintf("call kfunc %d", n.Imm)
		}
		return fmt.Sprintf("call helper %d", n.Imm)
	case CallLocal:
		return fmt.Sprintf("call %d", n.Target)
	case CallX:
		return fmt.Sprintf("callx r%d", d)
	case CastKern:
		return fmt.Sprintf("r%d = addr_space_cast(r%d, 0, 1)", d, s)
	case CastUser:
		return fmt.Sprintf("r%d = addr_space_cast(r%d, 1, 0)", d, s)
	case MayGoto:
		return fmt.Sprintf("may_goto %d", n.Target)
	case LdPacket:
		if n.Op&0xe0 == bpf.ModeIND {
			return fmt.Sprintf("r0 = *(%s *)skb[r%d + %d]", sizeName(n.Op), s, n.Imm)
		}
		return fmt.Sprintf("r0 = *(%s *)skb[%d]", sizeName(n.Op), n.Imm)
	}
	switch n.Class() {
	case bpf.ClassALU, bpf.ClassALU64:
		return n.aluText()
	case bpf.ClassJMP, bpf.ClassJMP32:
		return n.jumpText()
	case bpf.ClassLDX:
		sign := ""
		if n.Op&0xe0 == bpf.ModeMEMSX {
			sign = "s"
		}
		return fmt.Sprintf("r%d = *(%s%s *)(r%d %+d)", d, sign, sizeName(n.Op), s, n.Off)
	case bpf.ClassST:
		return fmt.Sprintf("*(%s *)(r%d %+d) = %d", sizeName(n.Op), d, n.Off, n.Imm)
	}
	if n.Op&0xe0 != bpf.ModeATOMIC {
		return fmt.Sprintf("*(%s *)(r%d %+d) = r%d", sizeName(n.Op), d, n.Off, s)
	}
	at := fmt.Sprintf("(%s *)(r%d %+d)", sizeName(n.Op), d, n.Off)
	switch n.Imm {
	case bpf.AtomicLoadACQ:
		return fmt.Sprintf("r%d = load_acquire((%s *)(r%d %+d))", d, sizeName(n.Op), s, n.Off)
	case bpf.AtomicStoreREL:
		return fmt.Sprintf("store_release(%s, r%d)", at, s)
	case bpf.AtomicXCHG:
		return fmt.Sprintf("r%d = xchg(%s, r%d)", s, at, s)
	case bpf.AtomicCMPXCHG:
		return fmt.Sprintf("r0 = cmpxchg(%s, r0, r%d)", at, s)
	}
	op := aluNames[n.Imm>>4&0xf]
	if n.Imm&bpf.AtomicFetch != 0 {
		return fmt.Sprintf("r%d = fetch %s %s= r%d", s, at, op, s)
	}
	return fmt.Sprintf("lock *%s %s= r%d", at, op, s)
}

func sizeName(op uint8) string { return fmt.Sprintf("u%d", 8*bpf.AccessSize(op)) }

var aluNames = [16]string{"+", "-", "*", "/", "|", "&", "<<", ">>", "neg", "%", "^", "=", "s>>", "end", "?", "?"}

var condNames = [16]string{"?", "==", ">", ">=", "&", "!=", "s>", "s>=", "?", "?", "<", "<=", "s<", "s<=", "?", "?"}

func (n *Insn) aluText() string {
	r := "r"
	if n.Class() == bpf.ClassALU {
		r = "w"
	}
	d := fmt.Sprintf("%s%d", r, n.Dst())
	s := fmt.Sprintf("%s%d", r, n.Src())
	if n.Op&bpf.SrcX == 0 {
		s = fmt.Sprint(n.Imm)
	}
	switch n.Op & 0xf0 {
	case bpf.AluNEG:
		return fmt.Sprintf("%s = -%s", d, d)
	case bpf.AluEND:
		name := "le"
		switch {
		case n.Class() == bpf.ClassALU64:
			name = "bswap"
		case n.Op&bpf.SrcX != 0:
			name = "be"
		}
		return fmt.Sprintf("r%d = %s%d r%d", n.Dst(), name, n.Imm, n.Dst())
	case bpf.AluMOV:
		if n.Off != 0 {
			return fmt.Sprintf("%s = (s%d)%s", d, n.Off, s)
		}
		return fmt.Sprintf("%s = %s", d, s)
	}
	sign := ""
	if n.Off == 1 {
		sign = "s"
	}
	return fmt.Sprintf("%s %s%s= %s", d, sign, aluNames[n.Op>>4], s)
}

func (n *Insn) jumpText() string {
	switch {
	case n.Op == bpf.OpExit:
		return "exit"
	case n.IsGoto():
		return fmt.Sprintf("goto %d", n.Target)
	}
	r := "r"
	if n.Class() == bpf.ClassJMP32 {
		r = "w"
	}
	s := fmt.Sprintf("%s%d", r, n.Src())
	if n.Op&bpf.SrcX == 0 {
		s = fmt.Sprint(n.Imm)
	}
	return fmt.Sprintf("if %s%d %s %s goto %d", r, n.Dst(), condNames[n.Op>>4], s, n.Target)
}
