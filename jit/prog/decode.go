// SPDX-License-Identifier: Apache-2.0

package prog

import (
	"fmt"
	"slices"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/verifier"
)

// MaxStack is the stack a function may use, the kernel's MAX_BPF_STACK.
const MaxStack = 512

// helperTailCall is the id of bpf_tail_call, which no engine can treat as an
// ordinary call: where it succeeds it does not return.
const helperTailCall = 12

// Decode turns instruction slots into a Program. It refuses what is not an
// instruction (RFC 9669 and its successors up to Linux 7.3) or jumps out of the
// program or into the middle of an instruction. Facts may be nil.
func Decode(insns []bpf.Insn, facts *verifier.Facts) (*Program, error) {
	if len(insns) == 0 {
		return nil, &Error{0, "program is empty"}
	}
	d := decoder{src: insns, p: &Program{
		Insns:       make([]Insn, len(insns)),
		ExceptionCB: -1,
	}}
	for i := 0; i < len(insns); i++ {
		n := &d.p.Insns[i]
		n.Insn, n.Callee, n.Target = insns[i], -1, -1
		if facts != nil && i < len(facts.Insns) {
			n.Mem = facts.Insns[i].Mem
		}
		if err := d.insn(i, n); err != nil {
			return nil, err
		}
		if n.Kind == LdImm64 {
			i++
			d.p.Insns[i] = Insn{Insn: insns[i], Kind: Wide, Callee: -1, Target: -1}
		}
	}
	if err := d.functions(); err != nil {
		return nil, err
	}
	d.stack(facts)
	return d.p, nil
}

type decoder struct {
	src    []bpf.Insn
	p      *Program
	starts []int // first slots of subprograms
	taken  map[int]bool
}

func bad(slot int, format string, a ...any) error { return &Error{slot, fmt.Sprintf(format, a...)} }

func (d *decoder) insn(i int, n *Insn) error {
	if n.Dst() >= bpf.MaxRegs {
		return bad(i, "register r%d does not exist", n.Dst())
	}
	switch n.Class() {
	case bpf.ClassALU, bpf.ClassALU64:
		return d.alu(i, n)
	case bpf.ClassJMP, bpf.ClassJMP32:
		return d.jump(i, n)
	case bpf.ClassLD:
		return d.ld(i, n)
	}
	return d.mem(i, n)
}

func needSrc(i int, n *Insn) error {
	if n.Src() >= bpf.MaxRegs {
		return bad(i, "register r%d does not exist", n.Src())
	}
	return nil
}

func (d *decoder) alu(i int, n *Insn) error {
	op, wide := n.Op&0xf0, n.Class() == bpf.ClassALU64
	if n.Dst() == bpf.RegFP {
		return bad(i, "frame pointer is written")
	}
	if n.Op&bpf.SrcX != 0 && op != bpf.AluEND {
		if err := needSrc(i, n); err != nil {
			return err
		}
	}
	unknown := func() error { return bad(i, "unknown instruction: opcode %#02x offset %d", n.Op, n.Off) }
	switch op {
	case bpf.AluEND:
		if wide && n.Op&bpf.SrcX != 0 || n.Off != 0 {
			return unknown()
		}
		if n.Imm != 16 && n.Imm != 32 && n.Imm != 64 {
			return bad(i, "byte swap of %d bits", n.Imm)
		}
	case bpf.AluMOV:
		switch {
		case n.Off == 0:
		case n.Op&bpf.SrcX == 0:
			return unknown()
		case n.Off == 8 || n.Off == 16 || n.Off == 32 && wide:
		case n.Off == 1 && wide && n.Imm == 1:
			n.Kind = CastKern
		case n.Off == 1 && wide && n.Imm == 1<<16:
			n.Kind = CastUser
		default:
			return unknown()
		}
	case bpf.AluDIV, bpf.AluMOD:
		if n.Off != 0 && n.Off != 1 {
			return unknown()
		}
		if n.Op&bpf.SrcX == 0 && n.Imm == 0 && n.Off == 0 {
			// The verifier refuses it; with a defined result there is no harm in running it.
			return nil
		}
	case bpf.AluNEG:
		if n.Op&bpf.SrcX != 0 || n.Off != 0 {
			return unknown()
		}
	case bpf.AluADD, bpf.AluSUB, bpf.AluMUL, bpf.AluOR, bpf.AluAND, bpf.AluLSH, bpf.AluRSH, bpf.AluXOR, bpf.AluARSH:
		if n.Off != 0 {
			return unknown()
		}
	default:
		return unknown()
	}
	return nil
}

func (d *decoder) jump(i int, n *Insn) error {
	op, wide := n.Op&0xf0, n.Class() == bpf.ClassJMP
	switch op {
	case bpf.JmpEXIT:
		if n.Op != bpf.OpExit {
			return bad(i, "unknown instruction: opcode %#02x", n.Op)
		}
		return nil
	case bpf.JmpCALL:
		return d.call(i, n)
	case bpf.JmpJA:
		if n.Op&bpf.SrcX != 0 {
			if !wide {
				return bad(i, "unknown instruction: opcode %#02x", n.Op)
			}
			n.Kind = GotoX
			return bad(i, "indirect jump (gotox): not built")
		}
		if wide {
			return d.target(i, n, i+1+int(n.Off))
		}
		return d.target(i, n, i+1+int(n.Imm))
	case bpf.JmpJCOND:
		if n.Op != bpf.OpMayGoto || n.Regs != 0 {
			return bad(i, "unknown instruction: opcode %#02x", n.Op)
		}
		n.Kind = MayGoto
		return d.target(i, n, i+1+int(n.Off))
	case 0xf0:
		return bad(i, "unknown instruction: opcode %#02x", n.Op)
	}
	if n.Op&bpf.SrcX != 0 {
		if err := needSrc(i, n); err != nil {
			return err
		}
	}
	return d.target(i, n, i+1+int(n.Off))
}

func (d *decoder) target(i int, n *Insn, t int) error {
	if t < 0 || t >= len(d.src) {
		return bad(i, "jump out of the program, to %d", t)
	}
	n.Target = int32(t)
	return nil
}

func (d *decoder) call(i int, n *Insn) error {
	switch {
	case n.Op == bpf.OpCallX:
		n.Kind = CallX
		return nil
	case n.Op != bpf.OpCall:
		return bad(i, "unknown instruction: opcode %#02x", n.Op)
	}
	switch n.Src() {
	case bpf.PseudoHelper:
		n.Kind = Call
		if n.Imm == helperTailCall {
			n.Kind = TailCall
		}
	case bpf.PseudoKfuncCall:
		n.Kind = Call
	case bpf.PseudoCall:
		n.Kind = CallLocal
		t := i + 1 + int(n.Imm)
		if err := d.target(i, n, t); err != nil {
			return err
		}
		d.starts = append(d.starts, t)
	default:
		return bad(i, "unknown kind of call %d", n.Src())
	}
	return nil
}

func (d *decoder) ld(i int, n *Insn) error {
	if n.Op == bpf.OpLdImm64 {
		if i+1 >= len(d.src) || d.src[i+1].Op != 0 || d.src[i+1].Regs != 0 || d.src[i+1].Off != 0 {
			return bad(i, "64-bit immediate load without its second slot")
		}
		if n.Dst() == bpf.RegFP {
			return bad(i, "frame pointer is written")
		}
		n.Kind = LdImm64
		n.Val = uint64(uint32(n.Imm)) | uint64(uint32(d.src[i+1].Imm))<<32
		n.Ref.Pseudo = n.Src()
		switch n.Src() {
		case 0:
		case bpf.PseudoMapFD, bpf.PseudoMapValue, bpf.PseudoBTFID:
			n.Ref.Index, n.Ref.Off = n.Imm, d.src[i+1].Imm
		case bpf.PseudoFunc:
			t := i + 1 + int(n.Imm)
			if err := d.target(i, n, t); err != nil {
				return err
			}
			n.Ref.Index = int32(t)
			n.Val = FuncValue(t)
			d.starts = append(d.starts, t)
			if d.taken == nil {
				d.taken = map[int]bool{}
			}
			d.taken[t] = true
		default:
			return bad(i, "64-bit immediate load of unknown kind %d", n.Src())
		}
		return nil
	}
	mode := n.Op & 0xe0
	if (mode == bpf.ModeABS || mode == bpf.ModeIND) && n.Op&0x18 != bpf.SizeDW && n.Off == 0 {
		n.Kind = LdPacket
		if mode == bpf.ModeIND {
			return needSrc(i, n)
		}
		return nil
	}
	return bad(i, "unknown instruction: opcode %#02x", n.Op)
}

func (d *decoder) mem(i int, n *Insn) error {
	cls, mode, size := n.Class(), n.Op&0xe0, n.Op&0x18
	if w := n.Writes(); w == bpf.RegFP {
		return bad(i, "frame pointer is written")
	}
	if cls != bpf.ClassST {
		if err := needSrc(i, n); err != nil {
			return err
		}
	}
	switch {
	case mode == bpf.ModeMEM:
		return nil
	case mode == bpf.ModeMEMSX && cls == bpf.ClassLDX && size != bpf.SizeDW:
		return nil
	case mode == bpf.ModeATOMIC && cls == bpf.ClassSTX:
		switch n.Imm {
		case bpf.AtomicLoadACQ, bpf.AtomicStoreREL:
			return nil
		case bpf.AluADD, bpf.AluAND, bpf.AluOR, bpf.AluXOR,
			bpf.AluADD | bpf.AtomicFetch, bpf.AluAND | bpf.AtomicFetch, bpf.AluOR | bpf.AtomicFetch, bpf.AluXOR | bpf.AtomicFetch,
			bpf.AtomicXCHG, bpf.AtomicCMPXCHG:
			if size == bpf.SizeW || size == bpf.SizeDW {
				return nil
			}
		}
		return bad(i, "unknown atomic operation %#x of %d bytes", n.Imm, bpf.AccessSize(n.Op))
	}
	return bad(i, "unknown instruction: opcode %#02x", n.Op)
}

// functions cuts the program into functions and checks that no control flow
// runs from one into another or into the second slot of a 64-bit load.
func (d *decoder) functions() error {
	p := d.p
	starts := append(d.starts, 0)
	slices.Sort(starts)
	starts = slices.Compact(starts)
	p.FuncOf = make([]int32, len(p.Insns))
	for k, s := range starts {
		if p.Insns[s].Kind == Wide {
			return bad(s, "a function begins inside a 64-bit immediate load")
		}
		f := Func{Start: s, End: len(p.Insns), Addressed: d.taken[s]}
		if k+1 < len(starts) {
			f.End = starts[k+1]
		}
		for i := f.Start; i < f.End; i++ {
			p.FuncOf[i] = int32(k)
		}
		p.Funcs = append(p.Funcs, f)
	}
	for i := range p.Insns {
		n, f := &p.Insns[i], &p.Funcs[p.FuncOf[i]]
		switch n.Kind {
		case CallLocal, CallX, Call, TailCall, LdPacket:
			f.Calls = true
		case MayGoto:
			f.MayGoto = true
		}
		if n.Target >= 0 && n.Kind != CallLocal && n.Kind != LdImm64 {
			if t := int(n.Target); t < f.Start || t >= f.End {
				return bad(i, "jump into another function, to %d", t)
			}
			if p.Insns[n.Target].Kind == Wide {
				return bad(i, "jump into the middle of a 64-bit immediate load, to %d", n.Target)
			}
		}
		if i == f.End-1 && !n.ends() {
			return bad(i, "control runs off the end of a function")
		}
	}
	return nil
}

// ends reports whether control never reaches the slot after n.
func (n *Insn) ends() bool {
	switch n.Kind {
	case Plain:
		return n.Op == bpf.OpExit || n.IsGoto()
	case Call:
		return true // a call that throws may stand last
	}
	return false
}

// Writes is the register an instruction other than a call writes, -1 if none.
// (A compare-and-exchange writes R0.)
func (n *Insn) Writes() int {
	switch n.Class() {
	case bpf.ClassALU, bpf.ClassALU64, bpf.ClassLDX:
		return int(n.Dst())
	case bpf.ClassLD:
		if n.Kind == LdImm64 {
			return int(n.Dst())
		}
	case bpf.ClassSTX:
		if n.Op&0xe0 != bpf.ModeATOMIC {
			return -1
		}
		switch {
		case n.Imm == bpf.AtomicCMPXCHG:
			return 0
		case n.Imm == bpf.AtomicLoadACQ:
			return int(n.Dst())
		case n.Imm != bpf.AtomicStoreREL && n.Imm&bpf.AtomicFetch != 0:
			return int(n.Src())
		}
	}
	return -1
}

// IsGoto reports whether n is an unconditional jump (ja or gotol).
func (n *Insn) IsGoto() bool {
	return n.Kind == Plain && (n.Op == bpf.ClassJMP|bpf.JmpJA || n.Op == bpf.ClassJMP32|bpf.JmpJA)
}

// IsCond reports whether n is a conditional jump.
func (n *Insn) IsCond() bool {
	c := n.Class()
	return n.Kind == Plain && (c == bpf.ClassJMP || c == bpf.ClassJMP32) && n.Target >= 0 && !n.IsGoto()
}

// stack finds how much stack each function uses: from the verifier where it
// says so, else from the instructions when R10 is only ever used as the base of
// loads and stores, else all a function may have.
func (d *decoder) stack(facts *verifier.Facts) {
	p := d.p
	known := map[int]int{}
	if facts != nil {
		for _, s := range facts.Subprogs {
			known[s.Start] = s.StackDepth
			if s.Exception {
				p.ExceptionCB = p.FuncAt(s.Start)
			}
		}
	}
	for k := range p.Funcs {
		f := &p.Funcs[k]
		if v, ok := known[f.Start]; ok && v > 0 && v <= MaxStack {
			f.Depth = (v + 7) &^ 7
			continue
		}
		for i := f.Start; i < f.End; i++ {
			f.Depth = max(f.Depth, p.Insns[i].stackUse())
		}
		f.Depth = min((f.Depth+7)&^7, MaxStack)
	}
}

// stackUse is how far below R10 an instruction may reach, MaxStack when R10
// leaves the instruction's sight.
func (n *Insn) stackUse() int {
	if n.Kind != Plain {
		return 0
	}
	switch n.Class() {
	case bpf.ClassLDX:
		if n.Src() == bpf.RegFP {
			return max(0, -int(n.Off))
		}
	case bpf.ClassST, bpf.ClassSTX:
		if n.Class() == bpf.ClassSTX && n.Src() == bpf.RegFP {
			return MaxStack
		}
		if n.Dst() == bpf.RegFP {
			return max(0, -int(n.Off))
		}
	case bpf.ClassALU, bpf.ClassALU64:
		if n.Op&bpf.SrcX != 0 && n.Op&0xf0 != bpf.AluEND && n.Src() == bpf.RegFP || n.Dst() == bpf.RegFP {
			return MaxStack
		}
	case bpf.ClassJMP, bpf.ClassJMP32:
		return 0
	}
	return 0
}

// IsHelper reports whether n calls the helper with this id.
func (n *Insn) IsHelper(id int32) bool {
	return n.Kind == Call && n.Src() == bpf.PseudoHelper && n.Imm == id
}
