// SPDX-License-Identifier: Apache-2.0

package verifier

import "github.com/modbpf/modbpf/bpf"

const argRegs = 0x3e // R1..R5

// useDef says which registers an instruction reads and which it overwrites.
func (e *env) useDef(i int) (use, def uint16) {
	in := e.insns[i]
	dst, src := uint16(1)<<in.Dst(), uint16(1)<<in.Src()
	isX := in.Op&bpf.SrcX != 0
	switch in.Class() {
	case bpf.ClassLD:
		if in.Op&0xe0 == bpf.ModeIMM {
			if in.Op&0x18 == bpf.SizeDW {
				return 0, dst
			}
		}
		return 0xffff, 0
	case bpf.ClassLDX:
		return src, dst
	case bpf.ClassST:
		return dst, 0
	case bpf.ClassSTX:
		if in.Op&0xe0 != bpf.ModeATOMIC {
			return dst | src, 0
		}
		switch in.Imm {
		case bpf.AtomicCMPXCHG:
			return 1 | dst | src, 1
		case bpf.AtomicLoadACQ:
			return src, dst
		case bpf.AtomicStoreREL:
			return dst | src, 0
		}
		if in.Imm&bpf.AtomicFetch != 0 {
			return dst | src, src
		}
		return dst | src, 0
	case bpf.ClassALU, bpf.ClassALU64:
		switch in.Op & 0xf0 {
		case bpf.AluEND:
			return dst, dst
		case bpf.AluMOV:
			if isX {
				return src, dst
			}
			return 0, dst
		}
		if isX {
			return dst | src, dst
		}
		return dst, dst
	}
	switch in.Op & 0xf0 {
	case bpf.JmpJA:
		if isX {
			return dst, 0
		}
		return 0, 0
	case bpf.JmpJCOND:
		return 0, 0
	case bpf.JmpEXIT:
		return 1, 0
	case bpf.JmpCALL:
		use = argRegs
		if n, ok := e.callParams(i); ok {
			use = uint16(1)<<(n+1) - 2
		}
		return use, 0x3f
	}
	if isX {
		return dst | src, 0
	}
	return dst, 0
}

// callParams is the number of arguments of a helper or kfunc call.
func (e *env) callParams(i int) (int, bool) {
	in := e.insns[i]
	switch in.Src() {
	case bpf.PseudoHelper:
		p, _ := e.proto(in.Imm)
		if p == nil {
			return 0, false
		}
		n := 0
		for n < 5 && p.Args[n].Kind != 0 {
			n++
		}
		return n, true
	case bpf.PseudoKfuncCall:
		if k := e.aux[i].kfunc; k != nil {
			return min(k.NumParams, 5), true
		}
	}
	return 0, false
}

// computeLiveRegs finds, for each instruction, the registers whose value may
// still be read. It depends on the program text alone.
func (e *env) computeLiveRegs() *Diagnostic {
	n := len(e.insns)
	ud := make([][2]uint16, n)
	for i := 0; i < n; i++ {
		ud[i][0], ud[i][1] = e.useDef(i)
		if e.insns[i].IsLdImm64() {
			i++
		}
	}
	for changed := true; changed; {
		changed = false
		for _, i32 := range e.postorder {
			i := int(i32)
			var out uint16
			a, b := e.succ(i)
			if a >= 0 {
				out = e.aux[a].live
			}
			if b >= 0 {
				out |= e.aux[b].live
			}
			in := out&^ud[i][1] | ud[i][0]
			if in != e.aux[i].live {
				e.aux[i].live = in
				changed = true
			}
		}
	}
	return nil
}
