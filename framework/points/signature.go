// SPDX-License-Identifier: Apache-2.0

package points

import (
	"strings"

	"github.com/modbpf/modbpf/btf"
)

// signature writes a prototype as C, for people.
func signature(s *btf.Spec, proto btf.ID, name string) string {
	var b strings.Builder
	ret := typeText(s, s.Type(proto).Ref, 0)
	b.WriteString(ret)
	if !strings.HasSuffix(ret, "*") {
		b.WriteByte(' ')
	}
	b.WriteString(name)
	b.WriteByte('(')
	n := s.Type(proto).Vlen
	for i := range n {
		if i > 0 {
			b.WriteString(", ")
		}
		p := s.Param(proto, i)
		if p.Type == 0 {
			b.WriteString("...")
			continue
		}
		t := typeText(s, p.Type, 0)
		b.WriteString(t)
		if p.Name != "" && !strings.HasSuffix(t, "*") {
			b.WriteByte(' ')
		}
		b.WriteString(p.Name)
	}
	if n == 0 {
		b.WriteString("void")
	}
	b.WriteByte(')')
	return b.String()
}

func typeText(s *btf.Spec, id btf.ID, depth int) string {
	t := s.Type(id)
	if depth > 16 {
		return "?"
	}
	in := func() string { return typeText(s, t.Ref, depth+1) }
	switch t.Kind {
	case btf.KindVoid:
		return "void"
	case btf.KindPtr:
		to := s.SkipMods(t.Ref)
		if s.Kind(to) == btf.KindFuncProto {
			return "void (*)()"
		}
		e := in()
		if strings.HasSuffix(e, "*") {
			return e + "*"
		}
		return e + " *"
	case btf.KindConst:
		return "const " + in()
	case btf.KindVolatile:
		return "volatile " + in()
	case btf.KindRestrict, btf.KindTypeTag:
		return in()
	case btf.KindStruct, btf.KindFwd:
		return "struct " + s.Name(id)
	case btf.KindUnion:
		return "union " + s.Name(id)
	case btf.KindEnum, btf.KindEnum64:
		if n := s.Name(id); n != "" {
			return "enum " + n
		}
		return "int"
	case btf.KindArray:
		return typeText(s, s.Array(id).Elem, depth+1) + " *"
	}
	return s.Name(id)
}
