// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"fmt"
	"strings"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/btf"
	"github.com/modbpf/modbpf/kfuncs"
)

// Walking kernel structures: what a load at an offset of a BTF type yields, and
// how much the loaded pointer may be trusted.

// walkResult is what lies at an offset.
type walkResult uint8

const (
	walkScalar walkResult = iota
	walkPtr               // pointer to a struct
	walkPtrAny            // pointer to anything else: readable memory that may fault
	walkStruct            // the beginning of an inner struct
)

// walk is the result of one step into a type.
type walk struct {
	kind  walkResult
	id    btf.ID  // struct, or pointee
	flags RegType // memUser, memPercpu, memRCU, ptrUntrusted
	field string  // member that holds the pointer
}

// walkError says why nothing can be read at an offset.
type walkError struct {
	code Code
	text string
}

func (w *walkError) Error() string { return w.text }

func walkErr(code Code, format string, args ...any) error {
	return &walkError{code, fmt.Sprintf(format, args...)}
}

var pointerTags = map[string]RegType{"user": memUser, "percpu": memPercpu, "rcu": memRCU}

// structWalk finds what is at bytes [off, off+size) of a struct or union; flags
// gather along the way. Flexible arrays at the end are followed if flex.
func structWalk(s *btf.Spec, id btf.ID, off, size int64, flags RegType, flex bool) (walk, error) {
again:
	id = s.SkipMods(id)
	t := s.Type(id)
	name := s.Name(id)
	if t.Kind != btf.KindStruct && t.Kind != btf.KindUnion {
		return walk{}, walkErr(CodeBTFWalk, "Type '%s' is not a struct", name)
	}
	if t.Kind == btf.KindUnion && t.Vlen != 1 {
		flags |= ptrUntrusted // which member is meant is not known
	}
	if off+size > int64(t.Size) {
		inner, at, scalar, ok := flexElem(s, id, t, off)
		switch {
		case !flex || !ok:
			return walk{}, walkErr(CodeBTFBeyond, "access beyond struct %s at off %d size %d", name, off, size)
		case scalar:
			return walk{kind: walkScalar, flags: flags}, nil
		}
		id, off = inner, at
		goto again
	}
	for i := range t.Vlen {
		typ, bitOff, bitSize := s.MemberAt(id, i)
		moff := int64(bitOff / 8)
		if off+size <= moff {
			break
		}
		if bitSize != 0 {
			if off <= moff && int64((bitOff+bitSize+7)/8) <= off+size {
				return walk{kind: walkScalar, flags: flags}, nil
			}
			continue
		}
		if off < moff {
			break // a hole
		}
		elem, n, total, ok := flatten(s, typ)
		if !ok {
			return walk{}, walkErr(CodeBTFWalk, "field %s doesn't have size", s.Member(id, i).Name)
		}
		end := moff + total
		if off >= end {
			continue
		}
		msize := total
		if n >= 0 { // an array: go on in the element that holds off
			if total == 0 {
				continue
			}
			msize = total / n
			moff += (off - moff) / msize * msize
		}
		et := s.Type(elem)
		switch et.Kind {
		case btf.KindStruct, btf.KindUnion:
			if off == moff {
				return walk{kind: walkStruct, id: elem, flags: flags}, nil
			}
			id, off = elem, off-moff
			goto again
		case btf.KindPtr:
			if msize != size || off != moff {
				return walk{}, walkErr(CodeBTFPtrPart, "cannot access ptr member %s with moff %d in struct %s with off %d size %d", s.Member(id, i).Name, moff, name, off, size)
			}
			to, tags, err := walkTags(s, et.Ref, pointerTags)
			if err != nil {
				return walk{}, walkErr(CodeBTFWalk, "type of %s has multiple type tags", s.Member(id, i).Name)
			}
			if k := s.Kind(to); k == btf.KindStruct || k == btf.KindUnion {
				return walk{walkPtr, to, flags | tags, s.Member(id, i).Name}, nil
			}
			return walk{kind: walkPtrAny}, nil
		}
		if off+size > end && !flags.has(ptrUntrusted) {
			return walk{}, walkErr(CodeBTFBeyond, "access beyond the end of member %s (mend:%d) in struct %s with off %d size %d", s.Member(id, i).Name, end, name, off, size)
		}
		return walk{kind: walkScalar, flags: flags}, nil
	}
	return walk{}, walkErr(CodeBTFNoField, "struct %s doesn't have field at offset %d", name, off)
}

// flexElem finds the element of a flexible array at the end of a struct that
// an offset beyond it falls into.
func flexElem(s *btf.Spec, id btf.ID, t btf.Type, off int64) (inner btf.ID, at int64, scalar, ok bool) {
	if t.Vlen == 0 {
		return
	}
	typ, bitOff, _ := s.MemberAt(id, t.Vlen-1)
	arr := s.SkipMods(typ)
	if s.Kind(arr) != btf.KindArray || s.Array(arr).Len != 0 || off < int64(bitOff/8) {
		return
	}
	inner = s.SkipMods(s.Array(arr).Elem)
	et := s.Type(inner)
	switch et.Kind {
	case btf.KindInt:
		return 0, 0, true, true
	case btf.KindStruct, btf.KindUnion:
		if et.Size != 0 {
			return inner, (off - int64(bitOff/8)) % int64(et.Size), false, true
		}
	}
	return 0, 0, false, false
}

// flatten resolves a member's type: the innermost element, how many of them (-1
// if it is no array) and the size of all.
func flatten(s *btf.Spec, typ btf.ID) (elem btf.ID, n, total int64, ok bool) {
	n = -1
	for range maxTypeDepth {
		typ = s.SkipMods(typ)
		if s.Kind(typ) != btf.KindArray {
			size, ok := s.Sizeof(typ)
			if n < 0 {
				return typ, n, int64(size), ok
			}
			if n != 0 && int64(size) > (1<<32-1)/n {
				return 0, 0, 0, false
			}
			return typ, n, int64(size) * n, ok
		}
		a := s.Array(typ)
		if n < 0 {
			n = 1
		}
		n *= int64(a.Len)
		if n > 1<<32-1 {
			return 0, 0, 0, false
		}
		typ = a.Elem
	}
	return 0, 0, 0, false
}

// sameType reports whether two ids of two blobs are one type: a module's ids
// below its first are vmlinux's.
func sameType(a *btf.Spec, ai btf.ID, b *btf.Spec, bi btf.ID) bool {
	if ai != bi {
		return false
	}
	return a == b || ownerOf(a, ai) == ownerOf(b, bi)
}

func ownerOf(s *btf.Spec, id btf.ID) *btf.Spec {
	for s != nil && s.Base() != nil && id < s.FirstID() {
		s = s.Base()
	}
	return s
}

// structMatches reports whether a pointer to off inside of type id points to the
// wanted type: exactly if strict, else also as a first (or placed) member.
func structMatches(s *btf.Spec, id btf.ID, off int64, want *btf.Spec, wantID btf.ID, strict, flex bool) bool {
	if off == 0 && sameType(s, id, want, wantID) {
		return true
	}
	if strict {
		return false
	}
	for range 64 {
		w, err := structWalk(s, id, off, 1, 0, flex)
		if err != nil || w.kind != walkStruct {
			return false
		}
		if sameType(s, w.id, want, wantID) {
			return true
		}
		id, off = w.id, 0
	}
	return false
}

// btfAccess is what reading or writing a BTF type gives.
type btfAccess struct {
	base  RegType // scalarValue, ptrToBTFID or ptrToMem
	id    btf.ID
	flags RegType
	field string
}

// structAccess judges bytes [off, off+size) of a BTF type; alloc says that it is
// an object of the program, whose special fields are out of bounds.
func (e *env) structAccess(s *btf.Spec, id btf.ID, off, size int64, alloc bool) (btfAccess, *Diagnostic) {
	if alloc {
		if rec := e.structRecord(s, id); rec != nil {
			for i := range rec.fields {
				if f := &rec.fields[i]; off < int64(f.off+f.size) && int64(f.off) < off+size {
					return btfAccess{}, e.errf(CodeFieldAccess, "direct access to %v is disallowed", f.kind)
				}
			}
		}
	}
	flags := RegType(0)
	for range 64 {
		w, err := structWalk(s, id, off, size, flags, !alloc)
		if err != nil {
			code := CodeBTFWalk
			if we, ok := err.(*walkError); ok {
				code = we.code
			}
			return btfAccess{}, e.errf(code, "%s", err.Error())
		}
		switch w.kind {
		case walkScalar:
			return btfAccess{base: scalarValue}, nil
		case walkPtr:
			if alloc {
				return btfAccess{base: scalarValue}, nil
			}
			return btfAccess{ptrToBTFID, w.id, w.flags, w.field}, nil
		case walkPtrAny:
			if !e.has(FeatRdonlyUntrustedMem) {
				return btfAccess{base: scalarValue}, nil
			}
			return btfAccess{base: ptrToMem, flags: memRdonly | ptrUntrusted}, nil
		}
		id, off, flags = w.id, 0, w.flags
	}
	return btfAccess{}, e.errf(CodeBTFWalk, "types are nested too deeply")
}

// markLoaded fills a register with what a walk found.
func (e *env) markLoaded(dst *Reg, a btfAccess, ref btfRef) {
	switch a.base {
	case ptrToBTFID:
		dst.markPtr(ptrToBTFID | a.flags)
		dst.BTF, dst.BTFID = ref, a.id
		if a.flags.maybeNull() {
			dst.ID = e.newID()
		}
	case ptrToMem:
		dst.markPtr(ptrToMem | a.flags)
	default:
		dst.markUnknown()
	}
}

// safeMember asks the kernel's lists of trustworthy members, which are types of
// its BTF: struct T__safe_rcu has the members of struct T that are.
func safeMember(s *btf.Spec, parent btf.ID, member string, pointee btf.ID, suffix string) bool {
	if member == "" {
		return false
	}
	name := s.Name(parent) + suffix
	if len(name) >= 64 {
		return false
	}
	list, ok := s.Find(name, s.Kind(parent))
	if !ok {
		return false
	}
	for i := range s.Type(list).Vlen {
		m := s.Member(list, i)
		if m.Name != member {
			continue
		}
		if t := s.Type(m.Type); t.Kind == btf.KindPtr && s.SkipMods(t.Ref) == pointee {
			return true
		}
	}
	return false
}

// trustFlags are the flags of a pointer loaded through r.
func (e *env) trustFlags(r *Reg, a btfAccess) RegType {
	flags := a.flags
	s := e.btfOf(r)
	safe := func(suffix string) bool { return safeMember(s, r.BTFID, a.field, a.id, suffix) }
	switch {
	case r.Type.has(ptrUntrusted):
		return ptrUntrusted
	case e.isTrusted(r) || isRCU(r):
		switch {
		case safe("__safe_trusted"):
			return flags | ptrTrusted
		case safe("__safe_trusted_or_null"):
			return flags | ptrTrusted | maybeNull
		case !e.inRCU() || r.Type.maybeNull():
			return ptrUntrusted
		case safe("__safe_rcu"):
			return flags | memRCU
		case safe("__safe_rcu_or_null"):
			return flags&^ptrUntrusted | memRCU | maybeNull
		case flags.has(memRCU):
			return flags | memRCU | maybeNull
		case flags.has(memPercpu | memUser):
			return flags
		}
	}
	return flags &^ trustedFlags
}

// checkBTFAccess judges a load or store through a PTR_TO_BTF_ID register, at
// Regs[regno] with instruction offset off; a load's result goes to Regs[valueReg] if >= 0.
func (e *env) checkBTFAccess(regno, off, size int, acc access, valueReg int) *Diagnostic {
	r := &e.cur.regs()[regno]
	s := e.btfOf(r)
	name := s.Name(r.BTFID)
	if d := e.gplPointer(s, name); d != nil {
		return d
	}
	if !r.isConst() {
		return e.errf(CodeBTFOffset, "R%d is ptr_%s invalid variable offset: off=%d, var_off=%v", regno, name, off, r.Val.Bits)
	}
	at := int64(off) + r.constOff()
	if at < 0 {
		return e.errf(CodeBTFOffset, "R%d is ptr_%s invalid negative access: off=%d", regno, name, at)
	}
	if r.Type.has(memUser) {
		return e.errf(CodeBTFUser, "R%d is ptr_%s access user memory: off=%d", regno, name, at)
	}
	if r.Type.has(memPercpu) {
		return e.errf(CodeBTFPercpu, "R%d is ptr_%s access percpu memory: off=%d", regno, name, at)
	}
	alloc := r.Type.isAllocBTF()
	if acc == accWrite {
		if e.writesKernelFields() && !r.Type.has(memAlloc) {
			return e.checkKernelWrite(r, regno, at, int64(size))
		}
		if !alloc || e.has(FeatTrustedArgs) && r.Type.has(ptrUntrusted) {
			return e.errf(CodeBTFWrite, "only read is supported")
		}
	}
	if alloc && !r.Type.has(nonOwnRef|memRCU|ptrUntrusted) && r.RefObj == 0 {
		return e.errf(CodeInternal, "allocated object without a reference")
	}
	a, d := e.structAccess(s, r.BTFID, at, int64(size), r.Type.has(memAlloc))
	if d != nil {
		return d
	}
	if acc == accRead && valueReg >= 0 {
		if a.base == ptrToBTFID {
			a.flags = e.trustFlags(r, a)
		}
		e.markLoaded(&e.cur.regs()[valueReg], a, r.BTF)
	}
	return nil
}

// writesKernelFields reports whether the program type has a list of kernel
// fields it may write.
func (e *env) writesKernelFields() bool {
	switch e.prog.Type {
	case bpf.ProgStructOps:
		return e.table != nil && len(e.table.Writable) > 0
	case bpf.ProgSchedCls, bpf.ProgSchedAct, bpf.ProgXDP:
		return true // nf_conn's mark, by the conntrack module
	}
	return false
}

// checkKernelWrite judges a store to a kernel structure against the fields the
// table lets its programs write.
func (e *env) checkKernelWrite(r *Reg, regno int, off, size int64) *Diagnostic {
	s := e.btfOf(r)
	refuse := func(why string) *Diagnostic {
		d := e.errf(CodeBTFWrite, "R%d cannot write into ptr_%s at off=%d size=%d", regno, s.Name(r.BTFID), off, size)
		d.Contract = why
		return d
	}
	name := s.Name(r.BTFID)
	if e.prog.Type != bpf.ProgStructOps {
		if name != "nf_conn" && name != "nf_conn___init" {
			return refuse("programs of this type may write to nf_conn only")
		}
		conn, _ := s.Find("nf_conn", btf.KindStruct)
		m, ok := s.FindMember(conn, "mark")
		if !ok || off < int64(m.BitOff/8) || off+size > int64(m.BitOff/8)+4 {
			return refuse("of nf_conn only mark may be written")
		}
		return nil
	}
	known := false
	for i := range e.table.Writable {
		f := &e.table.Writable[i]
		if f.Struct != name || len(f.Slots) > 0 && !holds(f.Slots, e.prog.Slot) ||
			!f.First.IsZero() && e.k.Release().Less(f.First) || !f.Last.IsZero() && f.Last.Less(e.k.Release()) {
			continue
		}
		known = true
		lo, n, ok := memberSpan(s, f.Struct, f.Member)
		if !ok {
			continue
		}
		lo, n = lo+int64(f.Offset), n-int64(f.Offset)
		if f.Size > 0 {
			n = int64(f.Size)
		}
		if off >= lo && off+size <= lo+n && (!f.AtStart || off == lo) {
			return nil
		}
	}
	if known {
		return refuse("the fields of " + name + " that " + e.prog.StructOps + " programs may write are listed by its table")
	}
	return refuse(e.prog.StructOps + " programs may not write to " + name)
}

// memberSpan finds where "a.b.c" lies in a struct.
func memberSpan(s *btf.Spec, structName, path string) (off, size int64, ok bool) {
	id, ok := s.Find(structName, btf.KindStruct)
	if !ok {
		return 0, 0, false
	}
	for part := range strings.SplitSeq(path, ".") {
		m, ok := s.FindMember(id, part)
		if !ok {
			return 0, 0, false
		}
		off += int64(m.BitOff / 8)
		id = s.SkipMods(m.Type)
		if m.BitSize != 0 {
			return off, int64((m.BitOff%8 + m.BitSize + 7) / 8), true
		}
	}
	n, ok := s.Sizeof(id)
	return off, int64(n), ok
}

// mapStructs are the kernel structs behind map types whose fields programs may read.
var mapStructs = map[bpf.MapType]string{
	bpf.MapArray: "bpf_array", bpf.MapPercpuArray: "bpf_array", bpf.MapPerfEventArray: "bpf_array", bpf.MapProgArray: "bpf_array",
	bpf.MapCgroupArray: "bpf_array", bpf.MapArrayOfMaps: "bpf_array",
	bpf.MapHash: "bpf_htab", bpf.MapPercpuHash: "bpf_htab", bpf.MapLRUHash: "bpf_htab", bpf.MapLRUPercpuHash: "bpf_htab", bpf.MapHashOfMaps: "bpf_htab",
	bpf.MapRhash: "bpf_rhtab", bpf.MapStackTrace: "bpf_stack_map", bpf.MapCgroupStorage: "bpf_cgroup_storage_map",
	bpf.MapPercpuCgroupStorage: "bpf_cgroup_storage_map", bpf.MapLPMTrie: "lpm_trie", bpf.MapDevmap: "bpf_dtab", bpf.MapDevmapHash: "bpf_dtab",
	bpf.MapSockmap: "bpf_stab", bpf.MapSockhash: "bpf_shtab", bpf.MapCpumap: "bpf_cpu_map", bpf.MapXskmap: "xsk_map",
	bpf.MapReuseportSockarray: "reuseport_array", bpf.MapQueue: "bpf_queue_stack", bpf.MapStack: "bpf_queue_stack",
	bpf.MapSKStorage: "bpf_local_storage_map", bpf.MapInodeStorage: "bpf_local_storage_map", bpf.MapTaskStorage: "bpf_local_storage_map", bpf.MapCgrpStorage: "bpf_local_storage_map",
	bpf.MapStructOps: "bpf_struct_ops_map", bpf.MapRingbuf: "bpf_ringbuf_map", bpf.MapUserRingbuf: "bpf_ringbuf_map", bpf.MapBloomFilter: "bpf_bloom_filter", bpf.MapArena: "bpf_arena",
	bpf.MapInsnArray: "bpf_insn_array",
}

// checkMapPtrAccess judges a load through a CONST_PTR_TO_MAP register.
func (e *env) checkMapPtrAccess(regno, off, size int, acc access, valueReg int) *Diagnostic {
	r := &e.cur.regs()[regno]
	s := e.k.BTF()
	m := e.mapOf(r)
	id, ok := btf.ID(0), false
	if m != nil && s != nil {
		id, ok = s.Find(mapStructs[m.Type], btf.KindStruct)
	}
	if !ok {
		return e.errf(CodeMapPtr, "map_ptr access not supported for map type %d", m.Type)
	}
	name := s.Name(id)
	if off < 0 {
		return e.errf(CodeMapPtr, "R%d is %s invalid negative access: off=%d", regno, name, off)
	}
	if acc != accRead {
		return e.errf(CodeMapPtr, "only read from %s is supported", name)
	}
	a, d := e.structAccess(s, id, int64(off), int64(size), false)
	if d != nil {
		return d
	}
	if valueReg >= 0 {
		e.markLoaded(&e.cur.regs()[valueReg], a, btfKernel)
	}
	return nil
}

// checkPseudoBTFID judges a 64-bit load of a kernel variable's address and
// fills dst with the pointer it makes.
func (e *env) checkPseudoBTFID(insn int, dst *Reg) *Diagnostic {
	in := e.insns[insn]
	mod := int(e.insns[insn+1].Imm)
	s := e.k.BTF()
	if mod > 0 {
		if mod >= len(e.prog.Modules) || e.prog.Modules[mod] == nil {
			return e.errAt(insn, CodeKsym, "invalid module BTF object FD specified.")
		}
		s = e.prog.Modules[mod]
	}
	id := btf.ID(in.Imm)
	t := s.Type(id)
	if t.Kind != btf.KindVar && t.Kind != btf.KindFunc {
		return e.errAt(insn, CodeKsym, "pseudo btf_id %d in ldimm64 isn't KIND_VAR or KIND_FUNC", id)
	}
	if t.Kind == btf.KindVar && e.k.Config("CONFIG_KALLSYMS_ALL") != "y" {
		return e.errAt(insn, CodeKsym, "ldimm64 failed to find the address for kernel symbol '%s'.", s.Name(id))
	}
	if t.Kind == btf.KindFunc {
		dst.markPtr(ptrToMem | memRdonly)
		return nil
	}
	percpu := false
	if sec, ok := s.Find(".data..percpu", btf.KindDatasec); ok {
		for i := range s.Type(sec).Vlen {
			if s.Variable(sec, i).Type == id {
				percpu = true
				break
			}
		}
	}
	to := s.SkipMods(t.Ref)
	switch tt := s.Type(to); {
	case percpu:
		dst.markPtr(ptrToBTFID | memPercpu)
		dst.BTF, dst.BTFID = e.btfRefOf(s), to
	case tt.Kind != btf.KindStruct && tt.Kind != btf.KindUnion:
		n, ok := s.Sizeof(to)
		if !ok {
			return e.errAt(insn, CodeKsym, "ldimm64 unable to resolve the size of type '%s'", s.Name(to))
		}
		dst.markPtr(ptrToMem | memRdonly)
		dst.N = int32(n)
	default:
		dst.markPtr(ptrToBTFID)
		dst.BTF, dst.BTFID = e.btfRefOf(s), to
	}
	return nil
}

// checkHelperBTFArg judges a helper argument that is a BTF pointer to a named
// struct ("" for KptrXchgDest), at Regs[regno].
func (e *env) checkHelperBTFArg(regno int, want string, arg kfuncs.Arg) *Diagnostic {
	r := &e.cur.regs()[regno]
	if want == "" {
		if e.typed.kptr == nil {
			return e.errf(CodeInternal, "kptr exchange without a destination")
		}
		return e.kptrMatches(e.typed.kptr, regno)
	}
	id, ok := e.k.BTF().Find(want, btf.KindStruct)
	if !ok {
		id, ok = e.k.BTF().Find(want, btf.KindUnion)
	}
	if !ok {
		return e.lacks(CodeKfuncGone, "the kernel has no struct %s", want)
	}
	if r.Type.base() != ptrToBTFID {
		return nil // a socket kind the core already matched
	}
	if arg.Flags&kfuncs.ArgObjRelease != 0 && r.RefObj == 0 {
		return e.errf(CodeRefArg, "R%d must be referenced when passed to release function", regno)
	}
	// bpf_sk_release takes sockets of every kind by their common first member.
	strict := arg.Flags&kfuncs.ArgObjRelease != 0 && e.k.HelperName(e.insns[e.insn].Imm) != "sk_release"
	if !structMatches(e.btfOf(r), r.BTFID, r.constOff(), e.k.BTF(), id, strict, !r.Type.isAllocBTF()) {
		return e.errf(CodeBTFArgType, "R%d is of type %s but %s is expected", regno, e.pointeeName(r), want)
	}
	return nil
}

// markBTFRet makes dst what a helper that returns a BTF pointer gives back.
func (e *env) markBTFRet(dst *Reg, ret kfuncs.Ret, helper string) *Diagnostic {
	id, ok := e.k.BTF().Find(ret.BTF, btf.KindStruct)
	if !ok {
		return e.lacks(CodeKfuncGone, "the kernel has no struct %s, which %s returns", ret.BTF, helper)
	}
	t := ptrToBTFID
	if ret.MayNull {
		t |= maybeNull
	}
	if ret.Trusted {
		t |= ptrTrusted
	}
	dst.markPtr(t)
	dst.BTF, dst.BTFID = btfKernel, id
	if t.maybeNull() {
		dst.ID = e.newID()
	}
	return nil
}
