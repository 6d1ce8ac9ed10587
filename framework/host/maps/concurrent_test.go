// SPDX-License-Identifier: Apache-2.0

package maps

import (
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/framework/host/mem"
	"github.com/modbpf/modbpf/verifier"
)

// TestHashConcurrent has many goroutines insert, look up and delete as programs
// do. A key is owned by one goroutine for writing: what it wrote last must be
// what it finds, whatever the others do to the same chains and elements.
func TestHashConcurrent(t *testing.T) {
	for _, typ := range []bpf.MapType{bpf.MapHash, bpf.MapLRUHash} {
		t.Run(typ.String(), func(t *testing.T) {
			w := newWorld(t, 4)
			m := newMap(t, w, &verifier.Map{Name: "h", Type: typ, KeySize: 8, ValueSize: 16, MaxEntries: 4096})
			var lookups atomic.Int64
			var wg sync.WaitGroup
			for g := range 6 {
				wg.Go(func() {
					rng := rand.New(rand.NewPCG(uint64(g), 3))
					k, _ := w.Mem.Alloc(8)
					v, _ := w.Mem.Alloc(16)
					have := map[uint64]uint64{}
					for i := range uint64(20000) {
						r := w.Enter(nil)
						key := uint64(g)<<32 | rng.Uint64N(100)
						*mem.U64(k) = key
						switch rng.IntN(4) {
						case 0:
							*mem.U64(v), *mem.U64(v + 8) = key, i
							if e := m.Put(r, k, v, Any); e != 0 {
								t.Errorf("put: %d", e)
							}
							have[key] = i
						case 1:
							_, was := have[key]
							if e := m.Remove(r, k); (e == 0) != was {
								t.Errorf("remove of %#x: %d, was there: %v", key, e, was)
							}
							delete(have, key)
						default:
							p := m.At(r, k)
							want, was := have[key]
							if (p != 0) != was || was && (*mem.U64(p) != key || *mem.U64(p + 8) != want) {
								t.Errorf("look-up of %#x: %#x, was there: %v", key, p, was)
							}
							lookups.Add(1)
						}
						r.Exit()
					}
				})
			}
			wg.Wait()
			if lookups.Load() < 10000 {
				t.Errorf("only %d look-ups", lookups.Load())
			}
		})
	}
}

// TestInnerMapsGoLate: a program that holds an inner map keeps it although user
// space replaced it.
func TestInnerMapsGoLate(t *testing.T) {
	w := newWorld(t, 1)
	inner := &verifier.Map{Name: "in", Type: bpf.MapArray, KeySize: 4, ValueSize: 8, MaxEntries: 1}
	outer := newMap(t, w, &verifier.Map{Name: "out", Type: bpf.MapArrayOfMaps, KeySize: 4, ValueSize: 4, MaxEntries: 2, Inner: inner}).(Maps)
	a, err := New(w, inner)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Update(le32(0), le64(11), Any); err != nil {
		t.Fatal(err)
	}
	if err := outer.SetInner(le32(1), a, Any); err != nil {
		t.Fatal(err)
	}
	a.Release()
	other := *inner
	other.ValueSize = 4
	bad, err := New(w, &other)
	if err != nil {
		t.Fatal(err)
	}
	if err := outer.SetInner(le32(0), bad, Any); !errors.Is(err, EINVAL) {
		t.Errorf("inner map of another kind: %v", err)
	}
	bad.Release()

	r := w.Enter(nil)
	k, _ := w.Mem.Alloc(4)
	*mem.U32(k) = 1
	h := outer.(Map).At(r, k)
	if h == 0 {
		t.Fatal("no inner map")
	}
	if err := outer.(Map).Delete(le32(1)); err != nil {
		t.Fatal(err)
	}
	if outer.(Map).At(r, k) != 0 {
		t.Error("inner map is still there")
	}
	*mem.U32(k) = 0
	for range 100 { // frees that fell due in the meantime would be done here
		w.Enter(nil).Exit()
	}
	if p := FromHandle(h).At(r, k); p == 0 || *mem.U64(p) != 11 {
		t.Error("the program lost the map it holds")
	}
	r.Exit()
	number := *mem.U64(h - 8)
	w.Synchronize()
	if (*registry.tab.Load())[number] != nil {
		t.Error("inner map was not freed")
	}
}

func TestBatches(t *testing.T) {
	w := newWorld(t, 1)
	m := newMap(t, w, &verifier.Map{Name: "h", Type: bpf.MapHash, KeySize: 4, ValueSize: 8, MaxEntries: 100})
	var all []Element
	for i := range uint32(50) {
		all = append(all, Element{le32(i), le64(uint64(i))})
	}
	if n, err := UpdateBatch(m, all, NoExist); n != 50 || err != nil {
		t.Fatal(n, err)
	}
	if n, err := UpdateBatch(m, all[3:], NoExist); n != 0 || !errors.Is(err, EEXIST) {
		t.Error(n, err)
	}
	seen := map[string]bool{}
	var after []byte
	for {
		got, err := LookupBatch(m, after, 7, false)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range got {
			seen[string(e.Key)] = true
			after = e.Key
		}
		if len(got) < 7 {
			break
		}
	}
	if len(seen) != 50 {
		t.Errorf("%d elements seen", len(seen))
	}
	if got, err := LookupBatch(m, nil, 100, true); len(got) != 50 || err != nil {
		t.Error(len(got), err)
	}
	if got, err := LookupBatch(m, nil, 100, false); len(got) != 0 || err != nil {
		t.Error(len(got), err)
	}
}
