// SPDX-License-Identifier: Apache-2.0

package verifier

import "github.com/modbpf/modbpf/bpf"

// What is judged of single instructions before any path is walked.

const maxUsedMaps = 64

// resolveLoads judges 64-bit loads and the maps they name, and remembers which
// instructions have fields that must be zero; those are refused when a path
// reaches them.
func (e *env) resolveLoads() *Diagnostic {
	used := make([]bool, len(e.prog.Maps))
	nUsed := 0
	var arena *Map
	for i := 0; i < len(e.insns); i++ {
		in := e.insns[i]
		if in.Class() == bpf.ClassLDX {
			if m := in.Op & 0xe0; m != bpf.ModeMEM && m != bpf.ModeMEMSX || in.Imm != 0 {
				return e.errAt(i, CodeReserved, "the load at %d has fields set that loads do not have", i)
			}
		}
		if d := e.checkRegNumbers(i, in); d != nil {
			return d
		}
		if !in.IsLdImm64() {
			if !knownOpcode(in.Op) {
				return e.errAt(i, CodeOpcode, "operation code %#02x at %d is not known", in.Op, i)
			}
			e.aux[i].bad = badFields(in, e.has(FeatMayGotoZero))
			continue
		}
		if i == len(e.insns)-1 {
			return e.errAt(i, CodeLdImm64, "the 64-bit load at %d lacks its second slot", i)
		}
		next := e.insns[i+1]
		if next.Op != 0 || next.Regs != 0 || next.Off != 0 {
			return e.errAt(i, CodeLdImm64, "the second slot of the 64-bit load at %d has fields set", i)
		}
		if in.Off != 0 {
			e.aux[i].bad = CodeLdImm64
		}
		switch in.Src() {
		case 0, bpf.PseudoFunc:
		case bpf.PseudoBTFID:
			var r Reg
			if d := e.checkPseudoBTFID(i, &r); d != nil {
				return d
			}
		case bpf.PseudoMapFD, bpf.PseudoMapValue:
			if in.Src() == bpf.PseudoMapFD && next.Imm != 0 {
				return e.errAt(i, CodeLdImm64, "the map load at %d has an offset", i)
			}
			if in.Imm < 0 || int(in.Imm) >= len(e.prog.Maps) {
				return e.errAt(i, CodeMapMissing, "the map load at %d names no map", i)
			}
			m := e.prog.Maps[in.Imm]
			if !used[in.Imm] {
				used[in.Imm] = true
				nUsed++
				if nUsed > maxUsedMaps {
					return e.errAt(i, CodeMapProg, "more than %d maps", maxUsedMaps)
				}
				if d := e.checkMapProg(i, m); d != nil {
					return d
				}
				if m.Type == bpf.MapArena {
					if arena != nil && arena != m {
						return e.errAt(i, CodeMapProg, "a program uses one arena, not %s and %s", arena.Name, m.Name)
					}
					arena = m
				}
			}
			if in.Src() == bpf.PseudoMapValue {
				if d := e.checkDirect(i, m, uint32(next.Imm)); d != nil {
					return d
				}
			}
		default:
			return e.errAt(i, CodeLdImm64, "64-bit load of an unknown kind (%d) at %d", in.Src(), i)
		}
		i++
	}
	return nil
}

// checkDirect judges the address of a map's value.
func (e *env) checkDirect(i int, m *Map, off uint32) *Diagnostic {
	switch {
	case off >= maxVarOff:
		return e.errAt(i, CodeMapDirect, "offset %d into map %s is too large", off, m.Name)
	case m.Type == bpf.MapArena:
		return nil
	case m.Type != bpf.MapArray || m.MaxEntries != 1:
		return e.errAt(i, CodeMapDirect, "values of map %s (%s, %d entries) cannot be addressed directly", m.Name, m.Type, m.MaxEntries)
	case off >= m.ValueSize:
		return e.errAt(i, CodeMapDirect, "offset %d leaves the value of map %s, %d bytes", off, m.Name, m.ValueSize)
	}
	return nil
}

// checkMapProg judges that programs of this kind may use a map. What depends on
// the fields of its value is judged by loadRecords.
func (e *env) checkMapProg(i int, m *Map) *Diagnostic {
	if m.Type == bpf.MapStructOps {
		return e.errAt(i, CodeMapProg, "struct_ops map %s is not for programs", m.Name)
	}
	if r := e.recordOf(m); r != nil {
		tracing := false
		switch e.progType() {
		case bpf.ProgKprobe, bpf.ProgTracepoint, bpf.ProgPerfEvent, bpf.ProgRawTracepoint, bpf.ProgRawTracepointWritable:
			tracing = true
		}
		for _, x := range []struct {
			k    fieldKind
			name string
		}{
			{fListHead | fRBRoot, "lists and trees"},
			{fSpinLock | fResSpinLock, "locks"},
			{fTimer, "timers"},
			{fWorkqueue, "workqueues"},
		} {
			if !r.has(x.k) {
				continue
			}
			if tracing && !(x.k&(fTimer|fWorkqueue) != 0 && e.has(FeatTimerAny)) {
				return e.errAt(i, CodeMapProg, "%s programs cannot use %s (map %s)", e.progType(), x.name, m.Name)
			}
			if x.k&fSpinLock != 0 && e.progType() == bpf.ProgSocketFilter {
				return e.errAt(i, CodeMapProg, "socket filters cannot use %s (map %s)", x.name, m.Name)
			}
		}
	}
	if e.prog.Flags&bpf.ProgSleepable == 0 {
		return nil
	}
	switch m.Type {
	case bpf.MapHash, bpf.MapLRUHash, bpf.MapArray, bpf.MapPercpuHash, bpf.MapPercpuArray, bpf.MapLRUPercpuHash,
		bpf.MapArrayOfMaps, bpf.MapHashOfMaps, bpf.MapRingbuf, bpf.MapUserRingbuf, bpf.MapInodeStorage,
		bpf.MapSKStorage, bpf.MapTaskStorage, bpf.MapCgrpStorage, bpf.MapQueue, bpf.MapStack, bpf.MapArena,
		bpf.MapInsnArray, bpf.MapProgArray, bpf.MapRhash:
		if m.Type != bpf.MapProgArray || e.has(FeatSleepableTail) {
			return nil
		}
	}
	return e.errAt(i, CodeMapSleepable, "map %s of type %s is not for sleepable programs", m.Name, m.Type)
}

// checkRegNumbers judges that registers exist.
func (e *env) checkRegNumbers(i int, in bpf.Insn) *Diagnostic {
	if in.Dst() > regFP {
		return e.errAt(i, CodeRegNumber, "instruction %d names register R%d", i, in.Dst())
	}
	if in.Src() > regFP {
		return e.errAt(i, CodeRegNumber, "instruction %d names register R%d", i, in.Src())
	}
	return nil
}

// opcodes are the operation codes the kernel's instruction table has.
var opcodes = func() (t [256]bool) {
	for _, c := range []uint8{bpf.ClassALU, bpf.ClassALU64} {
		for op := 0; op <= bpf.AluEND; op += 0x10 {
			for _, s := range []uint8{bpf.SrcK, bpf.SrcX} {
				t[c|uint8(op)|s] = true
			}
		}
		t[c|bpf.AluNEG|bpf.SrcX] = false
	}
	t[bpf.ClassALU64|bpf.AluEND|bpf.SrcX] = false
	for _, c := range []uint8{bpf.ClassJMP, bpf.ClassJMP32} {
		for op := bpf.JmpJEQ; op <= bpf.JmpJSLE; op += 0x10 {
			if op == bpf.JmpCALL || op == bpf.JmpEXIT {
				continue
			}
			t[c|uint8(op)] = true
			t[c|uint8(op)|bpf.SrcX] = true
		}
	}
	t[bpf.OpCall], t[bpf.OpExit], t[bpf.OpMayGoto] = true, true, true
	t[bpf.ClassJMP|bpf.JmpJA], t[bpf.ClassJMP32|bpf.JmpJA] = true, true
	for _, s := range []uint8{bpf.SizeW, bpf.SizeH, bpf.SizeB, bpf.SizeDW} {
		t[bpf.ClassLDX|bpf.ModeMEM|s] = true
		t[bpf.ClassST|bpf.ModeMEM|s] = true
		t[bpf.ClassSTX|bpf.ModeMEM|s] = true
		t[bpf.ClassSTX|bpf.ModeATOMIC|s] = true
		if s != bpf.SizeDW {
			t[bpf.ClassLDX|bpf.ModeMEMSX|s] = true
			t[bpf.ClassLD|bpf.ModeABS|s] = true
			t[bpf.ClassLD|bpf.ModeIND|s] = true
		}
	}
	t[bpf.OpLdImm64] = true
	return t
}()

func knownOpcode(op uint8) bool { return opcodes[op] }

// badFields finds fields that the instruction does not use and that are set,
// and other things wrong with an instruction wherever it stands; 0 is nothing.
func badFields(in bpf.Insn, zeroGoto bool) Code {
	isX := in.Op&bpf.SrcX != 0
	op := in.Op & 0xf0
	switch in.Class() {
	case bpf.ClassALU, bpf.ClassALU64:
		is64 := in.Class() == bpf.ClassALU64
		switch op {
		case bpf.AluNEG:
			if isX || in.Src() != 0 || in.Off != 0 || in.Imm != 0 {
				return CodeReserved
			}
		case bpf.AluEND:
			if in.Src() != 0 || in.Off != 0 || in.Imm != 16 && in.Imm != 32 && in.Imm != 64 || is64 && isX {
				return CodeReserved
			}
		case bpf.AluMOV:
			switch {
			case !isX:
				if in.Src() != 0 || in.Off != 0 {
					return CodeReserved
				}
			case is64 && in.Off == 1:
				if in.Imm != 1 && in.Imm != 1<<16 {
					return CodeReserved
				}
			case in.Imm != 0, in.Off != 0 && in.Off != 8 && in.Off != 16 && !(is64 && in.Off == 32):
				return CodeReserved
			}
		default:
			if op > bpf.AluEND {
				return CodeOpcode
			}
			if isX && in.Imm != 0 || !isX && in.Src() != 0 {
				return CodeReserved
			}
			if in.Off != 0 && (in.Off != 1 || op != bpf.AluDIV && op != bpf.AluMOD) {
				return CodeReserved
			}
			if !isX && in.Imm == 0 && (op == bpf.AluDIV || op == bpf.AluMOD) {
				return CodeDivZero
			}
			if !isX && (op == bpf.AluLSH || op == bpf.AluRSH || op == bpf.AluARSH) {
				width := int32(32)
				if is64 {
					width = 64
				}
				if in.Imm < 0 || in.Imm >= width {
					return CodeShift
				}
			}
		}
	case bpf.ClassSTX:
		if in.Op&0xe0 == bpf.ModeATOMIC {
			return badAtomic(in)
		}
		if in.Op&0xe0 != bpf.ModeMEM || in.Imm != 0 {
			return CodeReserved
		}
	case bpf.ClassST:
		if in.Op&0xe0 != bpf.ModeMEM || in.Src() != 0 {
			return CodeReserved
		}
	case bpf.ClassLD:
		m := in.Op & 0xe0
		if m == bpf.ModeABS || m == bpf.ModeIND {
			if in.Dst() != 0 || in.Off != 0 || in.Op&0x18 == bpf.SizeDW || m == bpf.ModeABS && in.Src() != 0 {
				return CodeLdAbs
			}
		}
	case bpf.ClassJMP, bpf.ClassJMP32:
		jmp32 := in.Class() == bpf.ClassJMP32
		switch op {
		case bpf.JmpCALL:
			if isX || jmp32 || in.Dst() != 0 || in.Src() > bpf.PseudoKfuncCall || in.Src() != bpf.PseudoKfuncCall && in.Off != 0 {
				return CodeReserved
			}
		case bpf.JmpJA:
			if isX || in.Src() != 0 || in.Dst() != 0 || !jmp32 && in.Imm != 0 || jmp32 && in.Off != 0 {
				return CodeReserved
			}
		case bpf.JmpEXIT:
			if isX || jmp32 || in.Imm != 0 || in.Src() != 0 || in.Dst() != 0 {
				return CodeReserved
			}
		case bpf.JmpJCOND:
			if in.Op != bpf.OpMayGoto || in.Src() != 0 || in.Dst() != 0 || in.Imm != 0 || in.Off == 0 && !zeroGoto {
				return CodeMayGoto
			}
		default:
			if isX && in.Imm != 0 || !isX && in.Src() != 0 {
				return CodeReserved
			}
		}
	}
	return 0
}

// badAtomic judges the operation and size of an atomic.
func badAtomic(in bpf.Insn) Code {
	size := in.Op & 0x18
	switch in.Imm {
	case bpf.AtomicLoadACQ, bpf.AtomicStoreREL:
		return 0
	case bpf.AluADD, bpf.AluADD | bpf.AtomicFetch, bpf.AluAND, bpf.AluAND | bpf.AtomicFetch,
		bpf.AluOR, bpf.AluOR | bpf.AtomicFetch, bpf.AluXOR, bpf.AluXOR | bpf.AtomicFetch,
		bpf.AtomicXCHG, bpf.AtomicCMPXCHG:
		if size != bpf.SizeW && size != bpf.SizeDW {
			return CodeAtomicOp
		}
		return 0
	}
	return CodeAtomicOp
}

// badInsn refuses the current instruction for what badFields found.
func (e *env) badInsn() *Diagnostic {
	in := e.insns[e.insn]
	switch c := e.aux[e.insn].bad; c {
	case CodeDivZero:
		return e.errf(c, "division by the constant 0")
	case CodeShift:
		return e.errf(c, "shift by %d", in.Imm)
	case CodeMayGoto:
		return e.errf(c, "may_goto with offset %d and immediate %d", in.Off, in.Imm)
	case CodeAtomicOp:
		return e.errf(c, "atomic operation %#x of %d bytes is not known", in.Imm, bpf.AccessSize(in.Op))
	case CodeOpcode:
		return e.errf(c, "operation code %#02x is not known", in.Op)
	case CodeLdAbs:
		return e.errf(c, "the packet load has fields set that it does not have")
	default:
		return e.errf(c, "the instruction has fields set that it does not have")
	}
}
