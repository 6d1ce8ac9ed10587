// SPDX-License-Identifier: Apache-2.0

package mem

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
)

func TestAllocZeroedAndAligned(t *testing.T) {
	a := New(0)
	for n := 1; n < 70000; n += 1 + n/7 {
		p, err := a.Alloc(n)
		if err != nil {
			t.Fatal(err)
		}
		if p%16 != 0 {
			t.Fatalf("%d bytes at %#x: not aligned", n, p)
		}
		b := Bytes(p, n)
		for i := range b {
			b[i] = 0xff
		}
		a.Free(p, n)
		q, err := a.Alloc(n)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(Bytes(q, n), make([]byte, n)) {
			t.Fatalf("%d bytes are not zero when handed out again", n)
		}
		a.Free(q, n)
	}
	if a.InUse() != 0 {
		t.Fatalf("%d bytes in use after all were freed", a.InUse())
	}
	if err := a.Close(); err != nil || a.Mapped() != 0 {
		t.Fatalf("close: %v, %d bytes still mapped", err, a.Mapped())
	}
	if _, err := a.Map(1); !errors.Is(err, ErrClosed) {
		t.Fatalf("map after close: %v", err)
	}
}

func TestLimit(t *testing.T) {
	a := New(1 << 20)
	defer a.Close()
	if _, err := a.Alloc(2 << 20); !errors.Is(err, ErrLimit) {
		t.Fatalf("over the limit: %v", err)
	}
	p, err := a.Map(900 << 10)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Map(200 << 10); !errors.Is(err, ErrLimit) {
		t.Fatalf("over the limit: %v", err)
	}
	a.Unmap(p)
	if _, err := a.Map(200 << 10); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Alloc(0); !errors.Is(err, ErrSize) {
		t.Fatalf("no bytes: %v", err)
	}
}

// TestConcurrent hands out objects to many goroutines and checks that no two
// ever hold the same bytes.
func TestConcurrent(t *testing.T) {
	a := New(0)
	defer a.Close()
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(g), 1))
			type obj struct {
				p uintptr
				n int
			}
			var live []obj
			for range 3000 {
				if len(live) > 50 {
					i := r.IntN(len(live))
					for _, c := range Bytes(live[i].p, live[i].n) {
						if c != byte(g+1) {
							t.Errorf("object of goroutine %d overwritten with %d", g, c)
							return
						}
					}
					a.Free(live[i].p, live[i].n)
					live[i] = live[len(live)-1]
					live = live[:len(live)-1]
				}
				n := 1 + r.IntN(700)
				p, err := a.Alloc(n)
				if err != nil {
					t.Error(err)
					return
				}
				b := Bytes(p, n)
				for i := range b {
					if b[i] != 0 {
						t.Errorf("not zero")
						return
					}
					b[i] = byte(g + 1)
				}
				live = append(live, obj{p, n})
			}
		})
	}
	wg.Wait()
}

func BenchmarkAllocFree(b *testing.B) {
	a := New(0)
	defer a.Close()
	for b.Loop() {
		p, err := a.Alloc(128)
		if err != nil {
			b.Fatal(err)
		}
		a.Free(p, 128)
	}
}
