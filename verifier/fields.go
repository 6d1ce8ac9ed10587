// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"errors"
	"sort"
	"strings"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/btf"
)

// Special fields: members of map values and of allocated objects that the
// kernel itself understands: locks, timers, kernel pointers, list and tree
// roots and nodes, reference counts. BTF names them by type name, type tag
// (kptr) or declaration tag (contains:). A program may touch them only through
// the calls made for them.

// fieldKind is one kind of special field; kinds combine to masks.
type fieldKind uint32

// Kinds of fields.
const (
	fSpinLock fieldKind = 1 << iota
	fResSpinLock
	fTimer
	fWorkqueue
	fTaskWork
	fKptrUnref
	fKptrRef
	fKptrPercpu
	fUptr
	fListHead
	fListNode
	fRBRoot
	fRBNode
	fRefcount

	fKptr      = fKptrUnref | fKptrRef | fKptrPercpu
	fGraphRoot = fListHead | fRBRoot
	fGraphNode = fListNode | fRBNode
	// What may be in a map value, and what in an allocated object.
	fInMap    = fSpinLock | fResSpinLock | fTimer | fKptr | fListHead | fRBRoot | fRefcount | fWorkqueue | fUptr | fTaskWork
	fInObject = fSpinLock | fResSpinLock | fListHead | fListNode | fRBRoot | fRBNode | fRefcount | fKptr
)

// fieldType is a row of the table of named field types.
type fieldType struct {
	kind        fieldKind
	name        string
	size, align uint32
	unique      bool // at most one in a type
}

var fieldTypes = [...]fieldType{
	{fSpinLock, "bpf_spin_lock", 4, 4, true},
	{fResSpinLock, "bpf_res_spin_lock", 4, 4, true},
	{fTimer, "bpf_timer", 16, 8, true},
	{fWorkqueue, "bpf_wq", 16, 8, true},
	{fTaskWork, "bpf_task_work", 8, 8, true},
	{fListHead, "bpf_list_head", 16, 8, false},
	{fListNode, "bpf_list_node", 24, 8, false},
	{fRBRoot, "bpf_rb_root", 16, 8, false},
	{fRBNode, "bpf_rb_node", 32, 8, false},
	{fRefcount, "bpf_refcount", 4, 4, true},
	{fKptrUnref | fKptrRef, "kptr", 8, 8, false},
	{fKptrPercpu, "percpu_kptr", 8, 8, false},
	{fUptr, "uptr", 8, 8, false},
}

func (k fieldKind) row() *fieldType {
	for i := range fieldTypes {
		if fieldTypes[i].kind&k != 0 {
			return &fieldTypes[i]
		}
	}
	return nil
}

// String names the field as the kernel does.
func (k fieldKind) String() string {
	if r := k.row(); r != nil {
		return r.name
	}
	return "unknown field"
}

// field is one special field of a type.
type field struct {
	kind fieldKind
	off  uint32
	size uint32
	// Kernel pointers: what they point to. Roots: what they contain and where
	// the node is in it.
	btf     *btf.Spec
	id      btf.ID
	node    string
	nodeOff uint32
}

// record lists the special fields (locks, timers, kptrs, list heads, ...) of a
// map value or allocated type, sorted by offset.
type record struct {
	mask   fieldKind
	fields []field
}

// has reports whether some field is of a kind; safe on nil.
func (r *record) has(k fieldKind) bool { return r != nil && r.mask&k != 0 }

// at finds the field of a kind that begins at an offset.
func (r *record) at(off int64, k fieldKind) *field {
	if r == nil {
		return nil
	}
	for i := range r.fields {
		if f := &r.fields[i]; f.kind&k != 0 && int64(f.off) == off {
			return f
		}
	}
	return nil
}

// offset is where the only field of a unique kind is, -1 if there is none.
func (r *record) offset(k fieldKind) int64 {
	if r != nil {
		for i := range r.fields {
			if r.fields[i].kind&k != 0 {
				return int64(r.fields[i].off)
			}
		}
	}
	return -1
}

const (
	maxFields    = 11 // BTF_FIELDS_MAX
	maxTypeDepth = 32 // MAX_RESOLVE_DEPTH
	maxOwnership = 8  // BTF_MAX_OWNERSHIP_DEPTH
)

// Errors of field parsing; each says what the kernel's error number means here.
var (
	errFieldTwice    = errors.New("two fields of a kind that may occur once")
	errFieldMany     = errors.New("more special fields than the kernel tracks")
	errFieldDeep     = errors.New("types are nested too deeply")
	errFieldPlace    = errors.New("a special field is at a bit offset, or fields overlap")
	errFieldTag      = errors.New("a pointer has more than one kptr tag, or a kptr does not point to a struct")
	errFieldContains = errors.New("a list head or tree root lacks a usable contains tag")
	errFieldArray    = errors.New("an array of a special field that may not be repeated")
	errFieldDtor     = errors.New("a referenced kptr to a kernel type that has no destructor")
	errFieldLock     = errors.New("a list head or tree root without a spin lock beside it, or two kinds of spin lock")
	errFieldShared   = errors.New("list and tree nodes in one object need a bpf_refcount")
	errFieldCycle    = errors.New("types own each other in a circle or too deeply")
	errFieldUptr     = errors.New("a uptr must point to a type of the program of at most a page")
)

// fieldParser finds the fields of one type.
type fieldParser struct {
	e    *env
	s    *btf.Spec
	mask fieldKind
	seen fieldKind
	out  []field
}

// parseFields reads the special fields of a struct or data section; nil without any.
func (e *env) parseFields(s *btf.Spec, id btf.ID, mask fieldKind, size uint32) (*record, error) {
	p := &fieldParser{e: e, s: s, mask: mask}
	t := s.Type(id)
	var err error
	switch t.Kind {
	case btf.KindStruct:
		_, err = p.structFields(id, 0)
	case btf.KindDatasec:
		for i := 0; i < t.Vlen && err == nil; i++ {
			v := s.Variable(id, i)
			_, err = p.one(v.Type, -1, s.Type(v.Type).Ref, v.Offset, v.Size, 0)
		}
	default:
		return nil, nil // an array, int, ...: no fields
	}
	if err != nil || len(p.out) == 0 {
		return nil, err
	}
	r := &record{fields: p.out}
	next := uint32(0)
	for i := range r.fields {
		f := &r.fields[i]
		f.size = f.kind.row().size
		if f.off+f.size > size || f.off < next {
			return nil, errFieldPlace
		}
		next = f.off + f.size
		r.mask |= f.kind
		switch {
		case f.kind&(fKptr|fUptr) != 0:
			err = e.resolveKptr(s, f)
		case f.kind == fListHead:
			err = resolveRoot(s, f, "bpf_list_node")
		case f.kind == fRBRoot:
			err = resolveRoot(s, f, "bpf_rb_node")
		}
		if err != nil {
			return nil, err
		}
	}
	if r.has(fSpinLock) && r.has(fResSpinLock) || r.has(fGraphRoot) && !r.has(fSpinLock|fResSpinLock) {
		return nil, errFieldLock
	}
	if !r.has(fRefcount) && r.has(fListNode) && r.has(fRBNode) {
		return nil, errFieldShared
	}
	sort.Slice(r.fields, func(i, j int) bool { return r.fields[i].off < r.fields[j].off })
	return r, nil
}

// structFields walks the members of a struct; it returns how many fields it added.
func (p *fieldParser) structFields(id btf.ID, level int) (int, error) {
	n := 0
	for i := range p.s.Type(id).Vlen {
		typ, bitOff, _ := p.s.MemberAt(id, i)
		if bitOff%8 != 0 {
			return 0, errFieldPlace // the kernel gives up on bit fields here
		}
		k, err := p.one(id, i, typ, bitOff/8, 0, level)
		if err != nil {
			return 0, err
		}
		n += k
	}
	return n, nil
}

// one looks at one member or variable: decl is the type that carries its
// declaration tags, comp its index there. want is its size in a data section.
func (p *fieldParser) one(decl btf.ID, comp int, typ btf.ID, off, want uint32, level int) (int, error) {
	nelems := uint32(1)
	i := 0
	for ; i < maxTypeDepth && p.s.Kind(typ) == btf.KindArray; i++ {
		a := p.s.Array(typ)
		nelems *= a.Len
		typ = a.Elem
	}
	if i == maxTypeDepth {
		return 0, errFieldDeep
	}
	if nelems == 0 {
		return 0, nil
	}
	t := p.s.Type(typ)
	isStruct := t.Kind == btf.KindStruct // unions are not looked into
	row, err := p.named(typ, isStruct)
	if err != nil {
		return 0, err
	}
	if row == nil {
		if !isStruct || want != 0 && want != t.Size*nelems {
			return 0, nil
		}
		return p.nested(typ, off, nelems, level+1)
	}
	if want != 0 && want != row.size*nelems || off%row.align != 0 {
		return 0, nil
	}
	f := field{kind: row.kind, off: off}
	switch {
	case row.kind&fKptr != 0:
		ok, err := p.pointer(typ, &f)
		if err != nil || !ok {
			return 0, err
		}
	case row.kind&fGraphRoot != 0:
		if !isStruct || t.Size != row.size {
			return 0, nil
		}
		if err := p.contains(decl, comp, &f); err != nil {
			return 0, err
		}
	default:
		if !isStruct || t.Size != row.size {
			return 0, nil
		}
	}
	if len(p.out) >= maxFields {
		return 0, errFieldMany
	}
	p.out = append(p.out, f)
	return int(nelems), p.repeat(len(p.out)-1, nelems-1, row.size)
}

// named finds the row of a special type: by name, or any non-struct if kptrs are asked for.
func (p *fieldParser) named(typ btf.ID, isStruct bool) (*fieldType, error) {
	if isStruct {
		name := p.s.Name(typ)
		if !strings.HasPrefix(name, "bpf_") {
			return nil, nil
		}
		for i := range fieldTypes[:10] {
			r := &fieldTypes[i]
			if p.mask&r.kind == 0 || r.name != name {
				continue
			}
			if r.unique {
				if p.seen&r.kind != 0 {
					return nil, errFieldTwice
				}
				p.seen |= r.kind
			}
			return r, nil
		}
		return nil, nil
	}
	if p.mask&(fKptr|fUptr) != 0 {
		return &fieldTypes[10], nil
	}
	return nil, nil
}

func (p *fieldParser) nested(typ btf.ID, off, nelems uint32, level int) (int, error) {
	if level >= maxTypeDepth {
		return 0, errFieldDeep
	}
	first := len(p.out)
	n, err := p.structFields(typ, level)
	if err != nil || n == 0 {
		return n, err
	}
	for i := first; i < len(p.out); i++ {
		p.out[i].off += off
	}
	if err := p.repeat(first, nelems-1, p.s.Type(typ).Size); err != nil {
		return 0, err
	}
	return n * int(nelems), nil
}

// repeat copies the fields found since first for the other elements of an array.
func (p *fieldParser) repeat(first int, times, size uint32) error {
	if times == 0 {
		return nil
	}
	group := p.out[first:]
	for i := range group {
		if group[i].kind&(fKptr|fUptr|fGraphRoot) == 0 {
			return errFieldArray
		}
	}
	n := len(group)
	if uint64(first)+uint64(n)*(uint64(times)+1) > maxFields {
		return errFieldMany
	}
	for i := uint32(1); i <= times; i++ {
		for k := range n {
			f := p.out[first+k]
			f.off += i * size
			p.out = append(p.out, f)
		}
	}
	return nil
}

var kptrTags = map[string]fieldKind{"kptr_untrusted": fKptrUnref, "kptr": fKptrRef, "percpu_kptr": fKptrPercpu, "uptr": fUptr}

// pointer reads the tags of a pointer member; false if it is an ordinary one.
func (p *fieldParser) pointer(typ btf.ID, f *field) (bool, error) {
	t := p.s.Type(typ)
	if t.Kind == btf.KindVolatile {
		t = p.s.Type(t.Ref)
	}
	if t.Kind != btf.KindPtr {
		return false, nil
	}
	id, tags, err := walkTags(p.s, t.Ref, kptrTags)
	if err != nil {
		return false, err
	}
	if tags&p.mask == 0 {
		return false, nil
	}
	if p.s.Kind(id) != btf.KindStruct {
		return false, errFieldTag
	}
	f.kind, f.id = tags, id
	return true, nil
}

// walkTags follows modifiers from a pointee and collects the type tags of a
// table; more than one of them is an error.
func walkTags[T ~uint32](s *btf.Spec, id btf.ID, table map[string]T) (btf.ID, T, error) {
	var got T
	for range 64 {
		t := s.Type(id)
		switch t.Kind {
		case btf.KindTypeTag:
			if !t.KindFlag {
				got |= table[s.Name(id)]
			}
		case btf.KindConst, btf.KindVolatile, btf.KindRestrict, btf.KindTypedef:
		default:
			if got&(got-1) != 0 {
				return id, got, errFieldTag
			}
			return id, got, nil
		}
		id = t.Ref
	}
	return 0, 0, errFieldDeep
}

// contains reads the declaration tag "contains:type:member" of a root.
func (p *fieldParser) contains(decl btf.ID, comp int, f *field) error {
	value, n := "", 0
	for _, d := range p.s.DeclTags(decl) {
		if d.Component == comp && strings.HasPrefix(d.Tag, "contains:") {
			value, n = d.Tag[len("contains:"):], n+1
		}
	}
	typ, node, ok := strings.Cut(value, ":")
	if n != 1 || !ok || node == "" {
		return errFieldContains
	}
	id, ok := p.s.Find(typ, btf.KindStruct)
	if !ok {
		return errFieldContains
	}
	f.btf, f.id, f.node = p.s, id, node
	return nil
}

// resolveRoot finds the node member of what a root contains.
func resolveRoot(s *btf.Spec, f *field, nodeType string) error {
	found := false
	for i := range s.Type(f.id).Vlen {
		m := s.Member(f.id, i)
		if m.Name != f.node {
			continue
		}
		if found || s.Kind(m.Type) != btf.KindStruct || s.Name(m.Type) != nodeType || m.BitOff%64 != 0 {
			return errFieldContains
		}
		f.nodeOff, found = m.BitOff/8, true
	}
	if !found {
		return errFieldContains
	}
	return nil
}

// kptrDtors are the kernel types whose references may be stored in maps: those
// the kernel registers a destructor for (register_btf_id_dtor_kfuncs).
var kptrDtors = map[string]bool{
	"task_struct": true, "cgroup": true, "bpf_cpumask": true, "bpf_crypto_ctx": true, "sk_buff": true,
	"bpf_ksock": true, "prog_test_ref_kfunc": true, "prog_test_member": true, "bpf_testmod_ctx": true,
}

// dtorFuncs name the destructor of each, so that a kernel that lacks it says so.
var dtorFuncs = map[string]string{
	"task_struct": "bpf_task_release_dtor", "cgroup": "bpf_cgroup_release_dtor", "bpf_cpumask": "bpf_cpumask_release_dtor",
	"bpf_crypto_ctx": "bpf_crypto_ctx_release_dtor", "sk_buff": "bpf_kfree_skb_dtor", "bpf_ksock": "bpf_ksock_release_dtor",
	"prog_test_ref_kfunc": "bpf_kfunc_call_test_release_dtor", "prog_test_member": "bpf_kfunc_call_memb_release_dtor",
	"bpf_testmod_ctx": "bpf_testmod_ctx_release_dtor",
}

// resolveKptr finds the pointee among the kernel's types by name and kind; a
// type the kernel does not know is the program's own.
func (e *env) resolveKptr(s *btf.Spec, f *field) error {
	name, kind := s.Name(f.id), s.Kind(f.id)
	for _, k := range e.kernelSpecs() {
		id, ok := k.Find(name, kind)
		if !ok || name == "" {
			continue
		}
		f.btf, f.id = k, id
		if f.kind == fKptrRef {
			if !kptrDtors[name] {
				return errFieldDtor
			}
			if _, ok := k.Find(dtorFuncs[name], btf.KindFunc); !ok {
				return errFieldDtor
			}
		}
		return nil
	}
	f.btf = s
	return nil
}

// kernelSpecs are vmlinux and the modules the program refers to.
func (e *env) kernelSpecs() []*btf.Spec {
	if e.typed.kernel == nil {
		e.typed.kernel = append(e.typed.kernel, e.k.BTF())
		for _, m := range e.prog.Modules {
			if m != nil && m != e.k.BTF() {
				e.typed.kernel = append(e.typed.kernel, m)
			}
		}
	}
	return e.typed.kernel
}

// isKernelBTF reports whether a blob describes the kernel rather than a program.
func (e *env) isKernelBTF(s *btf.Spec) bool {
	return s != nil && (s == e.k.BTF() || s.Base() != nil && s.Base() == e.k.BTF())
}

// structRecord is the record of an allocated type, nil if it has no special fields.
func (e *env) structRecord(s *btf.Spec, id btf.ID) *record {
	if s == nil || e.isKernelBTF(s) {
		return nil
	}
	key := specID{s, id}
	if r, ok := e.typed.records[key]; ok {
		return r
	}
	r, _ := e.parseFields(s, id, fInObject, s.Type(id).Size)
	if e.typed.records == nil {
		e.typed.records = map[specID]*record{}
	}
	e.typed.records[key] = r
	return r
}

// mapRecord is the record of a map's value, nil if it has none.
func (e *env) mapRecord(m mapRef) *record { return e.recordOf(e.maps[m]) }

func (e *env) recordOf(m *Map) *record {
	if m == nil || m.BTF == nil {
		return nil
	}
	if r, ok := e.fieldsOf[m]; ok {
		return r
	}
	if e.fieldsOf == nil {
		e.fieldsOf = map[*Map]*record{}
	}
	r, _ := e.parseFields(m.BTF, m.BTF.SkipMods(m.Value), fInMap, m.ValueSize)
	e.fieldsOf[m] = r
	return r
}

// regRecord is the record of what a register points to.
func (e *env) regRecord(r *Reg) *record {
	switch {
	case r.Type == ptrToMapValue:
		return e.recordOf(e.mapOf(r))
	case r.Type.isAllocBTF():
		return e.structRecord(e.btfOf(r), r.BTFID)
	}
	return nil
}

// fieldMaps says which map types may hold which fields.
var fieldMaps = []struct {
	kinds fieldKind
	maps  []bpf.MapType
}{
	{fSpinLock | fResSpinLock, []bpf.MapType{bpf.MapHash, bpf.MapRhash, bpf.MapArray, bpf.MapCgroupStorage, bpf.MapSKStorage, bpf.MapInodeStorage, bpf.MapTaskStorage, bpf.MapCgrpStorage}},
	{fTimer | fWorkqueue | fTaskWork, []bpf.MapType{bpf.MapHash, bpf.MapRhash, bpf.MapLRUHash, bpf.MapArray}},
	{fKptr | fRefcount, []bpf.MapType{bpf.MapHash, bpf.MapRhash, bpf.MapPercpuHash, bpf.MapLRUHash, bpf.MapLRUPercpuHash, bpf.MapArray, bpf.MapPercpuArray, bpf.MapSKStorage, bpf.MapInodeStorage, bpf.MapTaskStorage, bpf.MapCgrpStorage}},
	{fUptr, []bpf.MapType{bpf.MapTaskStorage}},
	{fGraphRoot, []bpf.MapType{bpf.MapHash, bpf.MapLRUHash, bpf.MapArray}},
}

// loadRecords reads the fields of every map before verification begins and
// judges them (two locks, lock and timer in forbidden maps, ...).
func (e *env) loadRecords() *Diagnostic {
	graph := false
	for _, m := range e.prog.Maps {
		for ; m != nil; m = m.Inner {
			if m.BTF == nil || m.Value == 0 {
				continue
			}
			// Fields that cannot be parsed make a map without fields: the
			// kernel creates it, and refuses the calls that need them.
			r := e.recordOf(m)
			if r == nil {
				continue
			}
			graph = graph || r.has(fGraphRoot|fUptr)
			if m.Flags&(bpf.MapRdonlyProg|bpf.MapWronlyProg) != 0 {
				return e.errAt(-1, CodeMapFields, "map '%s' has special fields but programs may not write or read it", m.Name)
			}
			for _, rule := range fieldMaps {
				if bad := r.mask & rule.kinds; bad != 0 && !holds(rule.maps, m.Type) {
					return e.errAt(-1, CodeMapFields, "map '%s' of type %v may not hold a %v", m.Name, m.Type, bad)
				}
			}
			if d := e.checkUptrs(m, r); d != nil {
				return d
			}
		}
	}
	if graph && e.prog.BTF != nil {
		return e.checkOwnership(e.prog.BTF)
	}
	return nil
}

func holds[T comparable](list []T, v T) bool {
	for _, x := range list {
		if x == v {
			return true
		}
	}
	return false
}

func (e *env) checkUptrs(m *Map, r *record) *Diagnostic {
	for i := range r.fields {
		f := &r.fields[i]
		if f.kind != fUptr {
			continue
		}
		if n := f.btf.Type(f.id).Size; e.isKernelBTF(f.btf) || n == 0 || n > 4096 {
			return e.errAt(-1, CodeMapFields, "map '%s': %v", m.Name, errFieldUptr)
		}
	}
	return nil
}

// checkOwnership refuses types that own each other in a circle: freeing one
// would never end.
func (e *env) checkOwnership(s *btf.Spec) *Diagnostic {
	depth := map[btf.ID]int{}
	var visit func(id btf.ID, left int) int
	visit = func(id btf.ID, left int) int {
		r := e.structRecord(s, id)
		if r == nil {
			return 0
		}
		if left == 0 {
			return maxOwnership + 1
		}
		if d, ok := depth[id]; ok {
			return d
		}
		deepest := 0
		for i := range r.fields {
			if f := &r.fields[i]; f.kind&fGraphRoot != 0 || f.kind&(fKptrRef|fKptrPercpu) != 0 && f.btf == s {
				deepest = max(deepest, visit(f.id, left-1))
			}
		}
		depth[id] = deepest + 1
		return depth[id]
	}
	for _, m := range e.prog.Maps {
		r := e.recordOf(m)
		if r == nil {
			continue
		}
		for i := range r.fields {
			if f := &r.fields[i]; f.kind&fGraphRoot != 0 && f.btf == s && visit(f.id, maxOwnership) > maxOwnership {
				return e.errAt(-1, CodeMapFields, "map '%s': %v", m.Name, errFieldCycle)
			}
		}
	}
	return nil
}

// checkMapFields judges a direct access to bytes [off, off+size) (off is the
// least, max the greatest possible offset) of a map value with special fields.
// handled is true if the access was a kptr load or store that it completed.
func (e *env) checkMapFields(regno, off, maxOff, size int, acc access, valueReg int) (handled bool, d *Diagnostic) {
	r := &e.cur.regs()[regno]
	rec := e.mapRecord(r.Map)
	if rec == nil {
		return false, nil
	}
	for i := range rec.fields {
		f := &rec.fields[i]
		if off >= int(f.off+f.size) || int(f.off) >= maxOff+size {
			continue
		}
		if f.kind&(fKptr|fUptr) == 0 {
			return false, e.errf(CodeFieldAccess, "%v cannot be accessed directly by load/store", f.kind)
		}
		switch {
		case !r.isConst():
			return false, e.errf(CodeFieldAccess, "%v access cannot have variable offset", f.kind)
		case off != int(f.off):
			return false, e.errf(CodeFieldAccess, "%v access misaligned expected=%d off=%d", f.kind, f.off, off)
		case size != 8:
			return false, e.errf(CodeFieldAccess, "%v access size must be 8 bytes", f.kind)
		}
		return true, e.kptrAccess(f, valueReg)
	}
	return false, nil
}

// checkMemFields judges memory [min, max) of a map value passed to a
// helper or kfunc as plain memory: it must not cover special fields.
func (e *env) checkMemFields(r *Reg, lo, hi int64) *Diagnostic {
	rec := e.mapRecord(r.Map)
	if rec == nil {
		return nil
	}
	for i := range rec.fields {
		f := &rec.fields[i]
		if lo >= int64(f.off+f.size) || int64(f.off) >= hi {
			continue
		}
		if f.kind&(fKptr|fUptr) != 0 {
			return e.errf(CodeFieldAccess, "%v cannot be accessed indirectly by helper", f.kind)
		}
		return e.errf(CodeFieldAccess, "%v cannot be accessed directly by load/store", f.kind)
	}
	return nil
}
