// SPDX-License-Identifier: Apache-2.0

package btf

// Type is the head of a type: what every kind has.
type Type struct {
	ID       ID
	Kind     Kind
	KindFlag bool
	Vlen     int    // members, parameters, enumerators or variables
	Size     uint32 // bytes, for int, struct, union, enum, datasec, float
	Ref      ID     // the type referred to, for ptr, modifiers, func, func_proto (result), var, decl and type tags
	nameOff  uint32
}

// Type reads the head of a type; the zero Type (void) for 0 and unknown ids.
func (s *Spec) Type(id ID) Type {
	b, o, ok := s.at(id)
	if !ok {
		return Type{}
	}
	info, st := b.u32(o+4), b.u32(o+8)
	t := Type{ID: id, Kind: Kind(info >> 24 & 0x1f), KindFlag: info>>31 != 0, Vlen: int(info & 0xffff), nameOff: b.u32(o)}
	switch t.Kind {
	case KindInt, KindStruct, KindUnion, KindEnum, KindEnum64, KindDatasec, KindFloat:
		t.Size = st
	default:
		t.Ref = ID(st)
	}
	return t
}

// Kind is the kind of a type, KindVoid for 0 and unknown ids.
func (s *Spec) Kind(id ID) Kind {
	b, o, ok := s.at(id)
	if !ok {
		return KindVoid
	}
	return Kind(b.u32(o+4) >> 24 & 0x1f)
}

// Name is the name of a type, "" for anonymous ones and void.
func (s *Spec) Name(id ID) string {
	b, o, ok := s.at(id)
	if !ok {
		return ""
	}
	return b.str(b.u32(o))
}

// Member is one field of a struct or union.
type Member struct {
	Name    string
	Type    ID
	BitOff  uint32
	BitSize uint32 // 0 unless a bit field
}

// Member reads field i of a struct or union.
func (s *Spec) Member(id ID, i int) Member {
	b, o, ok := s.at(id)
	if !ok {
		return Member{}
	}
	info := b.u32(o + 4)
	if k := Kind(info >> 24 & 0x1f); k != KindStruct && k != KindUnion || i < 0 || i >= int(info&0xffff) {
		return Member{}
	}
	m := o + 12 + 12*i
	r := Member{Name: b.str(b.u32(m)), Type: ID(b.u32(m + 4)), BitOff: b.u32(m + 8)}
	if info>>31 != 0 {
		r.BitSize, r.BitOff = r.BitOff>>24, r.BitOff&0xffffff
	}
	return r
}

// MemberAt is Member without the name: the type and place of field i.
func (s *Spec) MemberAt(id ID, i int) (typ ID, bitOff, bitSize uint32) {
	b, o, ok := s.at(id)
	if !ok {
		return 0, 0, 0
	}
	info := b.u32(o + 4)
	if k := Kind(info >> 24 & 0x1f); k != KindStruct && k != KindUnion || i < 0 || i >= int(info&0xffff) {
		return 0, 0, 0
	}
	m := o + 12 + 12*i
	typ, bitOff = ID(b.u32(m+4)), b.u32(m+8)
	if info>>31 != 0 {
		bitSize, bitOff = bitOff>>24, bitOff&0xffffff
	}
	return typ, bitOff, bitSize
}

// FindMember finds a field by name, through anonymous structs and unions; its
// bit offset counts from the start of id.
func (s *Spec) FindMember(id ID, name string) (Member, bool) { return s.findMember(id, name, 0) }

func (s *Spec) findMember(id ID, name string, depth int) (Member, bool) {
	id = s.SkipMods(id)
	t := s.Type(id)
	if depth > 16 || t.Kind != KindStruct && t.Kind != KindUnion {
		return Member{}, false
	}
	for i := range t.Vlen {
		m := s.Member(id, i)
		if m.Name == name {
			return m, true
		}
		if m.Name == "" {
			if in, ok := s.findMember(m.Type, name, depth+1); ok {
				in.BitOff += m.BitOff
				return in, true
			}
		}
	}
	return Member{}, false
}

// Param is one parameter of a function prototype; Type 0 with no name is "...".
type Param struct {
	Name string
	Type ID
}

// Param reads parameter i of a func_proto.
func (s *Spec) Param(id ID, i int) Param {
	b, o, ok := s.at(id)
	if !ok {
		return Param{}
	}
	info := b.u32(o + 4)
	if Kind(info>>24&0x1f) != KindFuncProto || i < 0 || i >= int(info&0xffff) {
		return Param{}
	}
	p := o + 12 + 8*i
	return Param{Name: b.str(b.u32(p)), Type: ID(b.u32(p + 4))}
}

// Array describes an array type.
type Array struct {
	Elem, Index ID
	Len         uint32
}

// Array reads an array type.
func (s *Spec) Array(id ID) Array {
	b, o, ok := s.at(id)
	if !ok || Kind(b.u32(o+4)>>24&0x1f) != KindArray {
		return Array{}
	}
	return Array{Elem: ID(b.u32(o + 12)), Index: ID(b.u32(o + 16)), Len: b.u32(o + 20)}
}

// Enumerator is one value of an enum or enum64.
type Enumerator struct {
	Name  string
	Value int64 // the bits; unsigned 64-bit values wrap
}

// Enumerator reads value i of an enum or enum64.
func (s *Spec) Enumerator(id ID, i int) Enumerator {
	b, o, ok := s.at(id)
	if !ok {
		return Enumerator{}
	}
	info := b.u32(o + 4)
	if i < 0 || i >= int(info&0xffff) {
		return Enumerator{}
	}
	switch Kind(info >> 24 & 0x1f) {
	case KindEnum:
		e := o + 12 + 8*i
		v := int64(int32(b.u32(e + 4)))
		if info>>31 == 0 {
			v = int64(b.u32(e + 4))
		}
		return Enumerator{Name: b.str(b.u32(e)), Value: v}
	case KindEnum64:
		e := o + 12 + 12*i
		return Enumerator{Name: b.str(b.u32(e)), Value: int64(uint64(b.u32(e+4)) | uint64(b.u32(e+8))<<32)}
	}
	return Enumerator{}
}

// Variable is one entry of a datasec.
type Variable struct {
	Type         ID // of kind var
	Offset, Size uint32
}

// Variable reads entry i of a datasec.
func (s *Spec) Variable(id ID, i int) Variable {
	b, o, ok := s.at(id)
	if !ok {
		return Variable{}
	}
	info := b.u32(o + 4)
	if Kind(info>>24&0x1f) != KindDatasec || i < 0 || i >= int(info&0xffff) {
		return Variable{}
	}
	v := o + 12 + 12*i
	return Variable{Type: ID(b.u32(v)), Offset: b.u32(v + 4), Size: b.u32(v + 8)}
}

// Linkage of a var or func: 0 static, 1 global, 2 extern.
func (s *Spec) Linkage(id ID) uint32 {
	b, o, ok := s.at(id)
	if !ok {
		return 0
	}
	info := b.u32(o + 4)
	switch Kind(info >> 24 & 0x1f) {
	case KindFunc:
		return info & 0xffff
	case KindVar:
		return b.u32(o + 12)
	}
	return 0
}

// Int describes an integer type.
type Int struct {
	Bits, Offset       uint8
	Signed, Char, Bool bool
}

// Int reads the encoding of an integer type.
func (s *Spec) Int(id ID) Int {
	b, o, ok := s.at(id)
	if !ok || Kind(b.u32(o+4)>>24&0x1f) != KindInt {
		return Int{}
	}
	v := b.u32(o + 12)
	e := v >> 24 & 0xf
	return Int{Bits: uint8(v), Offset: uint8(v >> 16), Signed: e&1 != 0, Char: e&2 != 0, Bool: e&4 != 0}
}

// DeclTag is an attribute on a declaration.
type DeclTag struct {
	Tag       string
	Target    ID
	Component int // member or parameter, -1 for the declaration itself
}

// DeclTag reads a decl_tag type.
func (s *Spec) DeclTag(id ID) DeclTag {
	b, o, ok := s.at(id)
	if !ok || Kind(b.u32(o+4)>>24&0x1f) != KindDeclTag {
		return DeclTag{}
	}
	return DeclTag{Tag: b.str(b.u32(o)), Target: ID(b.u32(o + 8)), Component: int(int32(b.u32(o + 12)))}
}

// DeclTags lists the tags put on a declaration or its components, in blob order.
// The kernel ignores tags whose target lies in the base of a split blob; so do we.
func (s *Spec) DeclTags(id ID) []DeclTag {
	for s.base != nil && id < s.first {
		s = s.base
	}
	s.tagOnce.Do(func() {
		s.tags = make(map[ID][]ID, len(s.declTag))
		for _, t := range s.declTag {
			d := s.DeclTag(t)
			s.tags[d.Target] = append(s.tags[d.Target], t)
		}
	})
	ids := s.tags[id]
	if len(ids) == 0 {
		return nil
	}
	r := make([]DeclTag, len(ids))
	for i, t := range ids {
		r[i] = s.DeclTag(t)
	}
	return r
}

// maxChain bounds chains of modifiers and nested sizes in hostile input; the
// kernel's own limit (MAX_RESOLVE_DEPTH) is 32.
const maxChain = 64

// SkipMods follows const, volatile, restrict, typedef and type tags.
func (s *Spec) SkipMods(id ID) ID {
	for range maxChain {
		t := s.Type(id)
		switch t.Kind {
		case KindConst, KindVolatile, KindRestrict, KindTypedef, KindTypeTag:
			id = t.Ref
		default:
			return id
		}
	}
	return 0
}

// Pointee follows modifiers to a pointer and returns what it points to,
// unresolved; false when id is no pointer.
func (s *Spec) Pointee(id ID) (ID, bool) {
	t := s.Type(s.SkipMods(id))
	return t.Ref, t.Kind == KindPtr
}

// TypeTags lists the type tags in front of what a pointer type points to, outermost first.
func (s *Spec) TypeTags(ptr ID) []string {
	id, ok := s.Pointee(ptr)
	if !ok {
		return nil
	}
	var tags []string
	for range maxChain {
		t := s.Type(id)
		switch t.Kind {
		case KindTypeTag:
			if !t.KindFlag { // with kflag it is an attribute that the kernel ignores
				tags = append(tags, s.Name(id))
			}
			id = t.Ref
		case KindConst, KindVolatile, KindRestrict, KindTypedef:
			id = t.Ref
		default:
			return tags
		}
	}
	return tags
}

// Sizeof is the number of bytes of a type; false for functions, void and
// types whose size overflows or is not known.
func (s *Spec) Sizeof(id ID) (uint32, bool) {
	n := uint64(1)
	for range maxChain {
		t := s.Type(id)
		switch t.Kind {
		case KindInt, KindStruct, KindUnion, KindEnum, KindEnum64, KindDatasec, KindFloat:
			n *= uint64(t.Size)
			return uint32(n), n <= 1<<32-1
		case KindPtr:
			n *= 8
			return uint32(n), n <= 1<<32-1
		case KindArray:
			a := s.Array(id)
			if n *= uint64(a.Len); n > 1<<32-1 {
				return 0, false
			}
			id = a.Elem
		case KindTypedef, KindConst, KindVolatile, KindRestrict, KindTypeTag, KindVar, KindDeclTag:
			id = t.Ref
		default:
			return 0, false
		}
	}
	return 0, false
}
