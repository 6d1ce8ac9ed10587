// SPDX-License-Identifier: Apache-2.0

package maps

import (
	"encoding/binary"
	"errors"
	"testing"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/framework/host/mem"
	"github.com/modbpf/modbpf/framework/host/world"
	"github.com/modbpf/modbpf/verifier"
)

func newWorld(t testing.TB, cpus int) *world.World {
	t.Helper()
	w, err := world.New(nil, cpus)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

func newMap(t testing.TB, w *world.World, s *verifier.Map) Map {
	t.Helper()
	m, err := New(w, s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Release)
	return m
}

func le32(v uint32) []byte { return binary.LittleEndian.AppendUint32(nil, v) }
func le64(v uint64) []byte { return binary.LittleEndian.AppendUint64(nil, v) }

func TestHandles(t *testing.T) {
	w := newWorld(t, 2)
	m := newMap(t, w, &verifier.Map{Name: "m", Type: bpf.MapArray, KeySize: 4, ValueSize: 8, MaxEntries: 3})
	if FromHandle(m.Handle()) != m {
		t.Fatal("handle does not lead back to the map")
	}
}

func TestRefused(t *testing.T) {
	w := newWorld(t, 1)
	if _, err := New(w, &verifier.Map{Name: "s", Type: bpf.MapStackTrace, KeySize: 4, ValueSize: 8, MaxEntries: 3}); !errors.Is(err, ErrUnsupported) {
		t.Errorf("stack trace map: %v", err)
	}
	if _, err := New(w, &verifier.Map{Name: "s", Type: bpf.MapArray, KeySize: 8, ValueSize: 8, MaxEntries: 3}); !errors.Is(err, EINVAL) {
		t.Errorf("array with long keys: %v", err)
	}
	if _, err := New(w, &verifier.Map{Name: "s", Type: bpf.MapArray, KeySize: 4, ValueSize: 1 << 20, MaxEntries: 1 << 30}); !errors.Is(err, mem.ErrLimit) {
		t.Errorf("array beyond the limit: %v", err)
	}
}

// TestElementAddresses: what a program holds stays where it is while others
// come and go, and a deleted element's memory stays readable.
func TestElementAddresses(t *testing.T) {
	w := newWorld(t, 1)
	m := newMap(t, w, &verifier.Map{Name: "h", Type: bpf.MapHash, KeySize: 4, ValueSize: 8, MaxEntries: 1000})
	r := w.Enter(nil)
	defer r.Exit()
	k, _ := w.Mem.Alloc(8)
	at := func(key uint32) uintptr { *mem.U32(k) = key; return m.At(r, k) }
	if err := m.Update(le32(7), le64(70), Any); err != nil {
		t.Fatal(err)
	}
	p := at(7)
	if p == 0 || *mem.U64(p) != 70 {
		t.Fatalf("look up 7: %#x", p)
	}
	for i := range uint32(900) {
		if err := m.Update(le32(100+i), le64(uint64(i)), NoExist); err != nil {
			t.Fatal(err)
		}
	}
	if at(7) != p {
		t.Fatal("element moved")
	}
	if err := m.Delete(le32(7)); err != nil {
		t.Fatal(err)
	}
	if at(7) != 0 {
		t.Fatal("deleted element found")
	}
	if *mem.U64(p) != 70 {
		t.Fatal("deleted element's value is gone while a program may hold it")
	}
}

func TestLRUKeepsTheUsed(t *testing.T) {
	w := newWorld(t, 1)
	m := newMap(t, w, &verifier.Map{Name: "l", Type: bpf.MapLRUHash, KeySize: 4, ValueSize: 8, MaxEntries: 8})
	r := w.Enter(nil)
	defer r.Exit()
	k, _ := w.Mem.Alloc(8)
	for i := range uint32(100) {
		if err := m.Update(le32(i), le64(uint64(i)), Any); err != nil {
			t.Fatal(err)
		}
		*mem.U32(k) = 0
		if m.At(r, k) == 0 {
			t.Fatalf("key 0, used all the time, was evicted at %d", i)
		}
	}
	n := m.Each(r, func(_, _ uintptr) bool { return true })
	if n != 8 {
		t.Fatalf("%d elements in a map of 8", n)
	}
}

func BenchmarkHash(b *testing.B) {
	w := newWorld(b, 1)
	m := newMap(b, w, &verifier.Map{Name: "h", Type: bpf.MapHash, KeySize: 8, ValueSize: 8, MaxEntries: 1024})
	r := w.Enter(nil)
	defer r.Exit()
	k, _ := w.Mem.Alloc(8)
	v, _ := w.Mem.Alloc(8)
	for i := range uint64(512) {
		*mem.U64(k) = i
		m.Put(r, k, v, Any)
	}
	b.Run("lookup", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			*mem.U64(k) = uint64(i) & 511
			if m.At(r, k) == 0 {
				b.Fatal("lost")
			}
		}
	})
	b.Run("update", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			*mem.U64(k) = uint64(i) & 511
			m.Put(r, k, v, Any)
		}
	})
	b.Run("insert+delete", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			*mem.U64(k) = uint64(i)&511 + 5000
			m.Put(r, k, v, Any)
			m.Remove(r, k)
		}
	})
}
