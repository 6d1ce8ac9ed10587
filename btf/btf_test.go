// SPDX-License-Identifier: Apache-2.0

package btf

import (
	"errors"
	"os"
	"slices"
	"testing"
)

func vmlinux(t testing.TB) *Spec {
	t.Helper()
	raw, err := os.ReadFile("/sys/kernel/btf/vmlinux")
	if err != nil {
		t.Skip("no kernel BTF:", err)
	}
	s, err := Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestVmlinux(t *testing.T) {
	s := vmlinux(t)
	id, ok := s.Find("sk_buff", KindStruct)
	if !ok {
		t.Fatal("struct sk_buff not found")
	}
	m, ok := s.FindMember(id, "len")
	if !ok || m.BitOff == 0 {
		t.Fatalf("sk_buff.len: %+v %v", m, ok)
	}
	if _, ok := s.Find("tcp_congestion_ops", KindStruct); !ok {
		t.Fatal("struct tcp_congestion_ops not found")
	}
	raw := s.Index()
	other := vmlinux(t)
	if err := other.SetIndex(raw); err != nil {
		t.Fatal(err)
	}
	if got, _ := other.Find("sk_buff", KindStruct); got != id {
		t.Fatalf("by index: %d, want %d", got, id)
	}
	if err := other.SetIndex(raw[:64]); !errors.Is(err, errIndex) {
		t.Fatalf("short index: %v", err)
	}
}

func BenchmarkParseVmlinux(b *testing.B) {
	raw, err := os.ReadFile("/sys/kernel/btf/vmlinux")
	if err != nil {
		b.Skip(err)
	}
	for b.Loop() {
		if _, err := Parse(raw); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkIndexVmlinux(b *testing.B) {
	raw, err := os.ReadFile("/sys/kernel/btf/vmlinux")
	if err != nil {
		b.Skip(err)
	}
	for b.Loop() {
		s, err := Parse(raw)
		if err != nil {
			b.Fatal(err)
		}
		s.Find("sk_buff")
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte{0x9f, 0xeb, 1, 0, 24, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, raw []byte) {
		s, err := Parse(raw)
		if err != nil {
			return
		}
		for id := range s.All() {
			ty := s.Type(id)
			s.Sizeof(id)
			s.SkipMods(id)
			s.DeclTags(id)
			s.TypeTags(id)
			for i := range ty.Vlen {
				s.Member(id, i)
				s.Param(id, i)
				s.Enumerator(id, i)
				s.Variable(id, i)
			}
			s.Find(s.Name(id))
		}
	})
}

// TestSearch holds the search for single names to the index: the same ids in
// the same order, for names that occur often, once and never.
func TestSearch(t *testing.T) {
	raw, err := os.ReadFile("/sys/kernel/btf/vmlinux")
	if err != nil {
		t.Skip(err)
	}
	searching, err := Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	indexed, err := Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	indexed.Index()
	names := []string{"sock", "tcp_sock", "int", "list_head", "no such name", "", "u32", "task_struct", "tcp_congestion_ops", "k"}
	for i := range 40 { // enough to make the index take over
		names = append(names, indexed.Name(ID(1000+i*997)))
	}
	for _, n := range names {
		got, want := slices.Sorted(searching.Named(n)), slices.Sorted(indexed.Named(n))
		if !slices.Equal(got, want) {
			t.Errorf("%q: search finds %v, the index %v", n, got, want)
		}
		a, aok := searching.Find(n)
		b, bok := indexed.Find(n)
		if a != b || aok != bok {
			t.Errorf("%q: search finds %d %v first, the index %d %v", n, a, aok, b, bok)
		}
	}
}
