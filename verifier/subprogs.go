// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"sort"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/btf"
)

// maxSubprogs is BPF_MAX_SUBPROGS.
const maxSubprogs = 256

// checkFuncInfoEarly judges the function records by themselves.
func (e *env) checkFuncInfoEarly() *Diagnostic {
	prev := -1
	for i, f := range e.prog.Funcs {
		switch {
		case e.prog.BTF == nil:
			return e.errAt(-1, CodeFuncInfo, "function records without BTF")
		case i == 0 && f.Insn != 0:
			return e.errAt(-1, CodeFuncInfo, "the first function record is for instruction %d, not 0", f.Insn)
		case f.Insn <= prev && i > 0:
			return e.errAt(-1, CodeFuncInfo, "function record %d is for instruction %d, not after %d", i, f.Insn, prev)
		case e.prog.BTF.Kind(f.Type) != btf.KindFunc,
			e.prog.BTF.Kind(e.prog.BTF.Type(f.Type).Ref) != btf.KindFuncProto:
			return e.errAt(-1, CodeFuncInfo, "function record %d names type %d, which is no function", i, f.Type)
		}
		prev = f.Insn
	}
	return nil
}

// findSubprogs finds where functions begin: what is called or taken as a callback.
func (e *env) findSubprogs() *Diagnostic {
	starts := []int{0}
	known := map[int]bool{0: true}
	add := func(at, off int) *Diagnostic {
		if off < 0 || off >= len(e.insns) {
			return e.errAt(at, CodeCallTarget, "call to instruction %d, outside the program", off)
		}
		if !known[off] {
			if len(starts) >= maxSubprogs {
				return e.errAt(at, CodeTooManySubprogs, "more than %d functions", maxSubprogs)
			}
			known[off] = true
			starts = append(starts, off)
		}
		return nil
	}
	exc, d := e.exceptionEntry()
	if d != nil {
		return d
	}
	if exc > 0 {
		if d := add(exc, exc); d != nil {
			return d
		}
	}
	for i := 0; i < len(e.insns); i++ {
		in := e.insns[i]
		if in.IsLdImm64() && in.Src() == bpf.PseudoFunc || in.IsCall() && in.Src() == bpf.PseudoCall {
			if d := add(i, i+int(in.Imm)+1); d != nil {
				return d
			}
		}
		if in.IsLdImm64() {
			i++
		}
	}
	sort.Ints(starts)
	e.subs = make([]subprog, len(starts))
	e.subAt = make([]int16, len(e.insns)+1)
	for i, s := range starts {
		end := len(e.insns)
		if i+1 < len(starts) {
			end = starts[i+1]
		}
		e.subs[i] = subprog{start: s, end: end}
		for k := s; k < end; k++ {
			e.subAt[k] = int16(i)
		}
		if s == exc && exc > 0 {
			e.excCB = i
			e.subs[i].isExcCB = true
			e.subs[i].isCB = true
			e.subs[i].isAsyncCB = true
			e.subs[i].called = true
		}
	}
	return nil
}

// findSubprog is the subprogram that begins at a slot, -1 if none does.
func (e *env) findSubprog(start int) int {
	if start < 0 || start >= len(e.insns) {
		return -1
	}
	s := int(e.subAt[start])
	if e.subs[s].start != start {
		return -1
	}
	return s
}

// checkSubprogs judges that functions keep to themselves.
func (e *env) checkSubprogs() *Diagnostic {
	for s := range e.subs {
		sub := &e.subs[s]
		for i := sub.start; i < sub.end; i++ {
			in := e.insns[i]
			switch in.Class() {
			case bpf.ClassLD:
				if m := in.Op & 0xe0; m == bpf.ModeABS || m == bpf.ModeIND {
					sub.hasLdAbs = true
				}
			case bpf.ClassJMP, bpf.ClassJMP32:
				if in.Op == bpf.OpCall && in.Src() == 0 && in.Imm == fnTailCall {
					sub.hasTailCall, sub.tailReach = true, true
				}
				op := in.Op & 0xf0
				if op == bpf.JmpCALL || op == bpf.JmpEXIT || in.Op == bpf.ClassJMP|bpf.JmpJA|bpf.SrcX {
					break
				}
				off := i + 1 + int(in.Off)
				if in.Op == bpf.ClassJMP32|bpf.JmpJA {
					off = i + 1 + int(in.Imm)
				}
				if off < sub.start || off >= sub.end {
					return e.errAt(i, CodeSubprogOut, "the jump at %d goes to %d, outside its function", i, off)
				}
			}
			if i == sub.end-1 {
				switch in.Op {
				case bpf.OpExit, bpf.ClassJMP | bpf.JmpJA, bpf.ClassJMP32 | bpf.JmpJA, bpf.ClassJMP | bpf.JmpJA | bpf.SrcX:
				default:
					return e.errAt(i, CodeLastInsn, "the function's last instruction at %d neither exits nor jumps", i)
				}
			}
		}
	}
	return nil
}

// checkFuncInfo judges the function records against the program's functions.
func (e *env) checkFuncInfo() *Diagnostic {
	fs := e.prog.Funcs
	if len(fs) == 0 {
		for i := 1; i < len(e.subs); i++ {
			if e.subs[i].hasLdAbs || e.subs[i].hasTailCall {
				return e.errAt(-1, CodeFuncInfo, "a function without BTF uses legacy packet loads or tail calls")
			}
		}
		return nil
	}
	if len(fs) != len(e.subs) {
		return e.errAt(-1, CodeFuncInfo, "%d function records for %d functions", len(fs), len(e.subs))
	}
	for i := range e.subs {
		sub := &e.subs[i]
		if sub.start != fs[i].Insn {
			return e.errAt(-1, CodeFuncInfo, "function record %d is for instruction %d, the function begins at %d", i, fs[i].Insn, sub.start)
		}
		sub.typ = fs[i].Type
		sub.name = e.prog.BTF.Name(sub.typ)
		link := e.prog.BTF.Linkage(sub.typ)
		sub.global = link == 1
		proto := e.prog.BTF.Type(sub.typ).Ref
		ret := e.prog.BTF.SkipMods(e.prog.BTF.Type(proto).Ref)
		k := e.prog.BTF.Kind(ret)
		sub.retVoid = k == btf.KindVoid
		small := k == btf.KindEnum || k == btf.KindEnum64 || k == btf.KindInt && e.prog.BTF.Type(ret).Size <= 8
		if i > 0 && !small && (sub.hasLdAbs || sub.hasTailCall) {
			return e.errAt(-1, CodeFuncInfo, "function %s uses legacy packet loads or tail calls and does not return int", sub.name)
		}
	}
	return nil
}

// checkLineInfo judges the line records.
func (e *env) checkLineInfo() *Diagnostic {
	if len(e.prog.Lines) == 0 {
		return nil
	}
	prev, s := -1, 0
	for i, l := range e.prog.Lines {
		if l.Insn <= prev || l.Insn >= len(e.insns) {
			return e.errAt(-1, CodeLineInfo, "line record %d is for instruction %d after %d of %d", i, l.Insn, prev, len(e.insns))
		}
		if e.insns[l.Insn].Op == 0 {
			return e.errAt(-1, CodeLineInfo, "line record %d is for the second slot of a load", i)
		}
		if s < len(e.subs) {
			if l.Insn == e.subs[s].start {
				s++
			} else if e.subs[s].start < l.Insn {
				return e.errAt(-1, CodeLineInfo, "function %d has no line record at its start", s)
			}
		}
		prev = l.Insn
	}
	if s != len(e.subs) {
		return e.errAt(-1, CodeLineInfo, "%d functions have no line record", len(e.subs)-s)
	}
	return nil
}

// subName names a subprogram for messages.
func (e *env) subName(s int) string {
	if n := e.subs[s].name; n != "" {
		return n
	}
	if s == 0 {
		return e.prog.Name
	}
	return "?"
}
