// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"errors"
	"testing"

	cbtf "github.com/cilium/ebpf/btf"

	"github.com/modbpf/modbpf/btf"
)

// spec builds a blob of types for tests and finds them by name.
func spec(t *testing.T, types ...cbtf.Type) *btf.Spec {
	t.Helper()
	var b cbtf.Builder
	for _, typ := range types {
		if _, err := b.Add(typ); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := b.Marshal(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := btf.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func find(t *testing.T, s *btf.Spec, name string) btf.ID {
	t.Helper()
	id, ok := s.Find(name)
	if !ok {
		t.Fatalf("no type %s", name)
	}
	return id
}

var (
	u8t  = &cbtf.Int{Name: "u8", Size: 1}
	u32t = &cbtf.Int{Name: "u32", Size: 4}
	u64t = &cbtf.Int{Name: "u64", Size: 8}
)

func bits(n uint32) cbtf.Bits { return cbtf.Bits(8 * n) }

// walkTypes is a struct with one of everything.
func walkTypes() cbtf.Type {
	inner := &cbtf.Struct{Name: "inner", Size: 16, Members: []cbtf.Member{
		{Name: "a", Type: u64t}, {Name: "b", Type: u32t, Offset: bits(8)},
	}}
	leaf := &cbtf.Struct{Name: "leaf", Size: 8, Members: []cbtf.Member{{Name: "x", Type: u64t}}}
	uni := &cbtf.Union{Size: 8, Members: []cbtf.Member{
		{Name: "l", Type: &cbtf.Pointer{Target: leaf}}, {Name: "n", Type: u64t},
	}}
	return &cbtf.Struct{Name: "outer", Size: 120, Members: []cbtf.Member{
		{Name: "n", Type: u32t},
		{Name: "flags", Type: u32t, Offset: bits(4), BitfieldSize: 3},
		{Name: "in", Type: inner, Offset: bits(8)},
		{Name: "arr", Type: &cbtf.Array{Index: u32t, Type: inner, Nelems: 3}, Offset: bits(24)},
		{Name: "p", Type: &cbtf.Pointer{Target: leaf}, Offset: bits(72)},
		{Name: "rcu", Type: &cbtf.Pointer{Target: &cbtf.TypeTag{Type: leaf, Value: "rcu"}}, Offset: bits(80)},
		{Name: "user", Type: &cbtf.Pointer{Target: &cbtf.TypeTag{Type: leaf, Value: "user"}}, Offset: bits(88)},
		{Name: "num", Type: &cbtf.Pointer{Target: u64t}, Offset: bits(96)},
		{Name: "", Type: uni, Offset: bits(104)},
		{Name: "cb", Type: &cbtf.Array{Index: u32t, Type: u8t, Nelems: 8}, Offset: bits(112)},
		{Name: "flex", Type: &cbtf.Array{Index: u32t, Type: leaf, Nelems: 0}, Offset: bits(120)},
	}}
}

func TestStructWalk(t *testing.T) {
	s := spec(t, walkTypes())
	outer, leaf := find(t, s, "outer"), find(t, s, "leaf")
	for _, c := range []struct {
		name      string
		off, size int64
		kind      walkResult
		id        btf.ID
		flags     RegType
		code      Code
	}{
		{name: "int", off: 0, size: 4, kind: walkScalar},
		{name: "part of an int", off: 2, size: 2, kind: walkScalar},
		{name: "bit field", off: 4, size: 4, kind: walkScalar},
		{name: "inner struct", off: 8, size: 8, kind: walkStruct, id: find(t, s, "inner")},
		{name: "inner int", off: 16, size: 4, kind: walkScalar},
		{name: "inner hole", off: 20, size: 4, code: CodeBTFNoField},
		{name: "array element", off: 24 + 16 + 8, size: 4, kind: walkScalar},
		{name: "array element head", off: 24 + 32, size: 8, kind: walkStruct, id: find(t, s, "inner")},
		{name: "pointer", off: 72, size: 8, kind: walkPtr, id: leaf},
		{name: "half a pointer", off: 72, size: 4, code: CodeBTFPtrPart},
		{name: "rcu pointer", off: 80, size: 8, kind: walkPtr, id: leaf, flags: memRCU},
		{name: "user pointer", off: 88, size: 8, kind: walkPtr, id: leaf, flags: memUser},
		{name: "pointer to a number", off: 96, size: 8, kind: walkPtrAny},
		{name: "bytes as scratch space", off: 112, size: 8, kind: walkScalar},
		{name: "beyond the bytes", off: 116, size: 8, code: CodeBTFBeyond},
		{name: "flexible array", off: 128, size: 8, kind: walkScalar},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, err := structWalk(s, outer, c.off, c.size, 0, true)
			if c.code != 0 {
				var we *walkError
				if !errors.As(err, &we) || we.code != c.code {
					t.Fatalf("got %+v, %v, want %v", w, err, c.code)
				}
				return
			}
			if err != nil || w.kind != c.kind || w.id != c.id || w.flags != c.flags {
				t.Fatalf("got %+v, %v", w, err)
			}
		})
	}
	if _, err := structWalk(s, outer, 128, 8, 0, false); err == nil {
		t.Error("a flexible array was followed in an object of the program")
	}
	// The anonymous union: a step into it, then an untrusted pointer.
	w, err := structWalk(s, outer, 104, 8, 0, true)
	if err != nil || w.kind != walkStruct {
		t.Fatalf("union: %+v, %v", w, err)
	}
	if w, err = structWalk(s, w.id, 0, 8, w.flags, true); err != nil || w.kind != walkPtr || !w.flags.has(ptrUntrusted) {
		t.Fatalf("pointer in a union: %+v, %v", w, err)
	}
}

func TestStructMatches(t *testing.T) {
	s := spec(t, walkTypes(), &cbtf.Struct{Name: "wrap", Size: 24, Members: []cbtf.Member{
		{Name: "o", Type: &cbtf.Struct{Name: "base", Size: 8, Members: []cbtf.Member{{Name: "v", Type: u64t}}}},
		{Name: "w", Type: &cbtf.Struct{Name: "second", Size: 16, Members: []cbtf.Member{{Name: "v", Type: u64t}, {Name: "z", Type: u64t, Offset: bits(8)}}}, Offset: bits(8)},
	}})
	wrap, base, second := find(t, s, "wrap"), find(t, s, "base"), find(t, s, "second")
	for _, c := range []struct {
		name   string
		off    int64
		want   btf.ID
		strict bool
		ok     bool
	}{
		{"itself", 0, wrap, true, true},
		{"first member", 0, base, false, true},
		{"first member, strictly", 0, base, true, false},
		{"second member", 8, second, false, true},
		{"second member at the wrong place", 0, second, false, false},
	} {
		if got := structMatches(s, wrap, c.off, s, c.want, c.strict, true); got != c.ok {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

func TestNoCastAlias(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{{"nf_conn___init", "nf_conn", true}, {"nf_conn", "nf_conn___init", true}, {"nf_conn", "nf_conn", false}, {"nf_conn___x", "nf_conn", false}} {
		if noCastAlias(c.a, c.b) != c.want {
			t.Errorf("%s %s", c.a, c.b)
		}
	}
}
