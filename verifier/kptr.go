// SPDX-License-Identifier: Apache-2.0

package verifier

import "github.com/modbpf/modbpf/bpf"

// Kernel pointers in map values and allocated objects. An unreferenced kptr may
// be stored and loaded as it is; a referenced one is an owned reference that
// changes hands only by bpf_kptr_xchg, and is otherwise read as a borrowed
// pointer: RCU protected if its type is, untrusted if not.

// kptrAccess judges a load or store of the kptr field f by the current instruction.
func (e *env) kptrAccess(f *field, valueReg int) *Diagnostic {
	in := e.insns[e.insn]
	if in.Op&0xe0 != bpf.ModeMEM {
		return e.errf(CodeKptrAccess, "kptr in map can only be accessed using plain loads and stores")
	}
	class := in.Class()
	if class != bpf.ClassLDX && f.kind&(fKptrRef|fKptrPercpu) != 0 {
		return e.errf(CodeKptrAccess, "store to referenced kptr disallowed")
	}
	if class != bpf.ClassLDX && f.kind == fUptr {
		return e.errf(CodeKptrAccess, "store to uptr disallowed")
	}
	switch class {
	case bpf.ClassLDX:
		dst := &e.cur.regs()[valueReg]
		if f.kind == fUptr {
			dst.markPtr(ptrToMem | maybeNull)
			dst.N = int32(f.btf.Type(f.id).Size)
			dst.ID = e.newID()
			return nil
		}
		dst.markPtr(ptrToBTFID | e.kptrFlags(f))
		dst.BTF, dst.BTFID = e.btfRefOf(f.btf), f.id
		dst.ID = e.newID()
	case bpf.ClassSTX:
		v := &e.cur.regs()[valueReg]
		if v.isNull() {
			return nil
		}
		return e.kptrMatches(f, valueReg)
	case bpf.ClassST:
		if in.Imm != 0 {
			return e.errf(CodeKptrAccess, "store of a constant other than 0 to the kptr at off=%d", f.off)
		}
	default:
		return e.errf(CodeKptrAccess, "kptr in map can only be accessed using loads and stores")
	}
	return nil
}

// kptrFlags are the type flags of a kptr that is read.
func (e *env) kptrFlags(f *field) RegType {
	kernel := e.isKernelBTF(f.btf)
	safe := f.kind == fKptrPercpu || f.kind == fKptrRef && (!kernel || e.inSet("rcu_protected_types", f.btf.Name(f.id)))
	if !safe || !e.inRCU() {
		return maybeNull | ptrUntrusted
	}
	t := maybeNull | memRCU
	if f.kind == fKptrPercpu {
		t |= memPercpu
	} else if !kernel {
		t |= memAlloc
	}
	if e.structRecord(f.btf, f.id).has(fGraphNode) {
		t |= nonOwnRef
	}
	return t
}

// kptrMatches judges that the pointer in Regs[regno] may be stored in a kptr field.
func (e *env) kptrMatches(f *field, regno int) *Diagnostic {
	r := &e.cur.regs()[regno]
	want := f.btf.Name(f.id)
	bad := func() *Diagnostic {
		return e.errf(CodeKptrType, "invalid kptr access, R%d type=%v%s expected=ptr_%s", regno, r.Type, e.pointeeName(r), want)
	}
	if r.Type.base() != ptrToBTFID {
		return bad()
	}
	var allowed RegType
	if e.isKernelBTF(e.btfOf(r)) {
		allowed = maybeNull | ptrTrusted | memRCU
		if f.kind == fKptrUnref {
			allowed |= ptrUntrusted
		}
	} else {
		allowed = maybeNull | memAlloc
		if f.kind == fKptrPercpu {
			allowed |= memPercpu
		}
	}
	if r.Type.flags()&^allowed != 0 {
		return bad()
	}
	if e.has(FeatPercpuKptrExact) && (f.kind == fKptrPercpu) != r.Type.has(memPercpu) {
		return bad()
	}
	if d := e.checkPtrOff(r, regno, true); d != nil {
		return d
	}
	if !structMatches(e.btfOf(r), r.BTFID, r.constOff(), f.btf, f.id, f.kind != fKptrUnref, !r.Type.isAllocBTF()) {
		return bad()
	}
	return nil
}

// constOff is a pointer's offset where it is one constant.
func (r *Reg) constOff() int64 { return int64(r.Off) + int64(r.Val.Const()) }

// pointeeName names what a BTF pointer points to.
func (e *env) pointeeName(r *Reg) string {
	if r.Type.base() != ptrToBTFID {
		return ""
	}
	return e.btfOf(r).Name(r.BTFID)
}

// checkKptrArg judges the destination argument of bpf_kptr_xchg.
func (e *env) checkKptrArg(regno int, call *helperCall) *Diagnostic {
	r := &e.cur.regs()[regno]
	if !r.Type.isAllocBTF() {
		if m := e.mapOf(r); m == nil || m.BTF == nil {
			return e.errf(CodeKptrXchg, "map '%s' has to have BTF in order to use bpf_kptr_xchg", e.mapName(r.Map))
		}
		call.m, call.mapUID = r.Map, r.MapUID
	}
	rec := e.regRecord(r)
	if !r.isConst() {
		return e.errf(CodeKptrXchg, "R%d doesn't have constant offset. kptr has to be at the constant offset", regno)
	}
	if !rec.has(fKptr) {
		return e.errf(CodeKptrXchg, "R%d has no valid kptr", regno)
	}
	f := rec.at(r.constOff(), fKptr)
	if f == nil {
		return e.errf(CodeKptrXchg, "off=%d doesn't point to kptr", r.constOff())
	}
	if f.kind&(fKptrRef|fKptrPercpu) == 0 {
		return e.errf(CodeKptrXchg, "off=%d kptr isn't referenced kptr", r.constOff())
	}
	call.kptr, e.typed.kptr = f, f
	return nil
}

// markKptrRet makes R0 what bpf_kptr_xchg gives back.
func (e *env) markKptrRet(call *helperCall) *Diagnostic {
	f, _ := call.kptr.(*field)
	if f == nil {
		return e.errf(CodeInternal, "kptr exchange without a field")
	}
	r := &e.cur.regs()[0]
	t := ptrToBTFID | maybeNull
	if !e.isKernelBTF(f.btf) {
		t |= memAlloc
		if f.kind == fKptrPercpu {
			t |= memPercpu
		}
	}
	r.markPtr(t)
	r.BTF, r.BTFID = e.btfRefOf(f.btf), f.id
	r.ID = e.newID()
	return nil
}
