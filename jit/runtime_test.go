// SPDX-License-Identifier: Apache-2.0

//go:build linux

package jit

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"runtime/pprof"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/internal/unchecked"
	"github.com/modbpf/modbpf/verifier"
)

// withMem makes facts that say what each access touches.
func withMem(n int, kinds map[int]verifier.MemKind) *verifier.Facts {
	f := &verifier.Facts{Insns: make([]verifier.InsnFact, n), Visited: make([]bool, n)}
	for i, k := range kinds {
		f.Insns[i].Mem = k
	}
	return f
}

// TestQuietFaults: a probing load of a bad address gives 0 and the program goes on.
func TestQuietFaults(t *testing.T) {
	onEach(t, func(t *testing.T, mk func(*verifier.Checked, Linker) (Executable, error)) {
		for _, d := range []uint8{0, 1, 3, 5, 6, 8, 9} {
			for _, addr := range []uint64{0, 8, 0xdead_0000, 0xffff_8000_0000_0000, 0xdead_0000_0000_0000, 1 << 47} {
				for _, size := range []uint8{bpf.SizeB, bpf.SizeH, bpf.SizeW, bpf.SizeDW} {
					// A flag set before must survive, and every register but the one loaded.
					insns := program(lddw(2, addr), movK(0, 1), movK(1, 2), movK(3, 3), movK(4, 4), movK(5, 5), movK(6, 6), movK(7, 7), movK(8, 8), movK(9, 9),
						ldx(size, d, 2, 16))
					load := len(insns) - 1
					for r := uint8(1); r < 10; r++ {
						if r != 2 {
							insns = append(insns, alu(opAdd64X, 0, r, 0, 0))
						}
					}
					insns = append(insns, exit)
					p := &verifier.Program{Name: "probe", Insns: insns}
					x, err := mk(unchecked.WithFacts(p, withMem(len(insns), map[int]verifier.MemKind{load: verifier.MemProbe})), &testLinker{})
					if err != nil {
						t.Fatal(err)
					}
					want := uint64(1 + 2 + 3 + 4 + 5 + 6 + 7 + 8 + 9)
					switch d {
					case 0:
						want -= 1
					case 1:
						want -= 2
					default:
						want -= uint64(d)
					}
					for range 3 {
						if got, err := x.Run(0, nil); err != nil || got != want {
							t.Fatalf("r%d from %#x: got %d, want %d, %v", d, addr, got, want, err)
						}
					}
					if err := x.Close(); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
	})
}

// arenaLinker has one arena, of which only the second page is mapped.
type arenaLinker struct {
	testLinker
	info MapInfo
}

func (l *arenaLinker) Map(int) (MapInfo, error) { return l.info, nil }

func TestArena(t *testing.T) {
	const window = 1 << 32
	base, err := unix.MmapPtr(-1, 0, nil, 2*window, unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
	if err != nil {
		t.Skip("no address space:", err)
	}
	defer unix.MunmapPtr(base, 2*window)
	kernel := (uintptr(base) + window - 1) &^ (window - 1)
	page := kernel + 0x1000_1000
	if _, err := unix.MmapPtr(-1, 0, at(uint64(page)), 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_FIXED); err != nil {
		t.Fatal(err)
	}
	const user = 0x7f00_0000_0000
	l := &arenaLinker{info: MapInfo{Handle: 8, ArenaUser: user, ArenaKernel: kernel}}
	src := []*verifier.Map{{Name: "arena", Type: bpf.MapArena, MaxEntries: 16}}
	cast := func(d, s uint8, imm int32) bpf.Insn {
		return bpf.Insn{Op: 0xbf, Regs: bpf.Regs(d, s), Off: 1, Imm: imm}
	}
	onEach(t, func(t *testing.T, mk func(*verifier.Checked, Linker) (Executable, error)) {
		run := func(name string, want uint64, mem []int, parts ...any) {
			t.Helper()
			insns := program(parts...)
			kinds := map[int]verifier.MemKind{}
			for _, i := range mem {
				kinds[i] = verifier.MemArena
			}
			p := &verifier.Program{Name: name, Insns: insns, Maps: src}
			x, err := mk(unchecked.WithFacts(p, withMem(len(insns), kinds)), l)
			if err != nil {
				t.Fatal(name, err)
			}
			defer x.Close()
			if got, err := x.Run(0, nil); err != nil || got != want {
				t.Errorf("%s: got %#x, want %#x, %v", name, got, want, err)
			}
		}
		in := lddw(1, user|0x1000_1010)
		out := lddw(1, user|0x2000_0000)
		run("casts", user|0x1000_1010, nil, in, cast(1, 1, 1), cast(0, 1, 1<<16), exit)
		run("cast to kernel form", 0x1000_1010, nil, in, cast(0, 1, 1), exit)
		run("null stays null", 0, nil, movK(1, 0), cast(0, 1, 1<<16), exit)
		run("store and load", 77, []int{3, 4}, in, cast(1, 1, 1), bpf.Insn{Op: 0x7a, Regs: 1, Off: 8, Imm: 77}, ldx(bpf.SizeDW, 0, 1, 8), exit)
		run("upper half does not count", 77, []int{2}, lddw(1, 0xabcd_0000_1000_1018), ldx(bpf.SizeDW, 0, 1, 0), exit)
		run("load of a missing page", 0, []int{3}, movK(0, 5), out, ldx(bpf.SizeDW, 0, 1, 0), exit)
		run("store to a missing page", 5, []int{3}, movK(0, 5), out, stx(bpf.SizeDW, 1, 0, 0), exit)
		for _, op := range []int32{bpf.AluADD, bpf.AluADD | 1, bpf.AluOR | 1, bpf.AluAND | 1, bpf.AluXOR | 1, bpf.AtomicXCHG, bpf.AtomicCMPXCHG} {
			a := bpf.Insn{Op: 0xdb, Regs: bpf.Regs(1, 0), Imm: op}
			run(fmt.Sprintf("atomic %#x on a missing page", op), 5, []int{3}, movK(0, 5), out, a, exit)
		}
		run("atomic add", 80, []int{5, 6}, movK(2, 3), in, cast(1, 1, 1), ja(0), bpf.Insn{Op: 0xdb, Regs: bpf.Regs(1, 2), Off: 8, Imm: bpf.AluADD}, ldx(bpf.SizeDW, 0, 1, 8), exit)
	})
}

func TestStackRunsOut(t *testing.T) {
	onEach(t, func(t *testing.T, mk func(*verifier.Checked, Linker) (Executable, error)) {
		// f calls itself for ever.
		x := build(t, mk, &testLinker{}, local(1), exit, bpf.Insn{Op: 0x7a, Regs: 10, Off: -512, Imm: 1}, local(-2), exit)
		if _, err := x.Run(0, nil); !errors.Is(err, ErrStack) {
			t.Errorf("calls: got %v", err)
		}
		// A callback whose callee calls it back for ever.
		l := &testLinker{helpers: map[int32]Func{1: func(f *Frame, fn, _, _, _, _ uint64) uint64 {
			r, _ := f.Call(fn, fn, 0, 0, 0, 0)
			return r
		}}}
		x = build(t, mk, l, addrFunc(1, 2), call(1), exit, call(1), exit)
		if _, err := x.Run(0, nil); !errors.Is(err, ErrStack) {
			t.Errorf("callbacks: got %v", err)
		}
		// And the engine is as good as before.
		wantRun(t, build(t, mk, &testLinker{}, movK(0, 3), exit), 3)
	})
}

func TestPanicInCallee(t *testing.T) {
	onEach(t, func(t *testing.T, mk func(*verifier.Checked, Linker) (Executable, error)) {
		l := &testLinker{helpers: map[int32]Func{1: func(_ *Frame, a, _, _, _, _ uint64) uint64 {
			if a == 1 {
				panic("boom")
			}
			return a
		}}}
		x := build(t, mk, l, call(1), exit)
		for range 100 {
			func() {
				defer func() {
					if r := recover(); r != "boom" {
						t.Errorf("recovered %v", r)
					}
				}()
				_, _ = x.Run(1, nil)
			}()
			if got, err := x.Run(2, nil); err != nil || got != 2 {
				t.Fatalf("after a panic: got %d, %v", got, err)
			}
		}
	})
}

// TestManyAtOnce runs one program on many goroutines, with callees that grow the
// Go stack, callbacks, garbage and collections.
func TestManyAtOnce(t *testing.T) {
	onEach(t, func(t *testing.T, mk func(*verifier.Checked, Linker) (Executable, error)) {
		l := &testLinker{helpers: map[int32]Func{
			1: func(f *Frame, fn, v, _, _, _ uint64) uint64 {
				r, err := f.Call(fn, v, 0, 0, 0, 0)
				if err != nil {
					t.Error(err)
				}
				return r + deep(20, []byte{byte(v)})
			},
		}}
		// Reads a word of its context, has it doubled by a callback, adds what it kept.
		x := build(t, mk, l, movX(6, 1), ldx(bpf.SizeDW, 7, 6, 0), addrFunc(1, 5), movX(2, 7), call(1), alu(opAdd64X, 0, 7, 0, 0), exit, exit,
			movX(0, 1), alu(opAdd64X, 0, 0, 0, 0), exit)
		var wg sync.WaitGroup
		stop := time.Now().Add(300 * time.Millisecond)
		for g := range uint64(8) {
			wg.Go(func() {
				m := outside(t, 8)
				ctxs, res := []uintptr{addrOf(m), addrOf(m), addrOf(m)}, make([]uint64, 3)
				for n := uint64(0); time.Now().Before(stop); n++ {
					v := g<<32 | n
					binary.LittleEndian.PutUint64(m, v)
					want := 3*v + uint64(byte(v))*21
					if got, err := x.Run(addrOf(m), nil); err != nil || got != want {
						t.Errorf("got %#x, want %#x, %v", got, want, err)
						return
					}
					if err := x.RunBatch(ctxs, res, nil); err != nil || res[0] != want || res[2] != want {
						t.Errorf("batch: got %#x, want %#x, %v", res, want, err)
						return
					}
				}
			})
		}
		for time.Now().Before(stop) {
			runtime.GC()
		}
		wg.Wait()
	})
}

//go:noinline
func deep(n int, b []byte) uint64 {
	if n == 0 {
		return uint64(b[0])
	}
	var pad [512]byte
	pad[n] = b[0]
	return deep(n-1, pad[n:n+1]) + uint64(b[0])
}

// TestCollectorIsNotStarved: a loop of runs and of batches must not hold up a
// collection (FACTS: an entry without preemption point does, for minutes).
func TestCollectorIsNotStarved(t *testing.T) {
	onEach(t, func(t *testing.T, mk func(*verifier.Checked, Linker) (Executable, error)) {
		x := build(t, mk, &testLinker{}, movK(0, 0), movK(1, 100), alu(opAdd64K, 0, 0, 0, 1), alu(opAdd64K, 1, 0, 0, -1), bpf.Insn{Op: 0x55, Regs: 1, Off: -3}, exit)
		stop := make(chan struct{})
		var wg sync.WaitGroup
		for range runtime.GOMAXPROCS(0) {
			wg.Go(func() {
				ctxs, res := make([]uintptr, 5000), make([]uint64, 5000)
				for {
					select {
					case <-stop:
						return
					default:
					}
					for range 10000 {
						if _, err := x.Run(0, nil); err != nil {
							t.Error(err)
							return
						}
					}
					if err := x.RunBatch(ctxs, res, nil); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		worst := time.Duration(0)
		for range 20 {
			s := time.Now()
			runtime.GC()
			worst = max(worst, time.Since(s))
		}
		close(stop)
		wg.Wait()
		if worst > 5*time.Second {
			t.Errorf("a collection took %v", worst)
		}
	})
}

// TestProfiling: the profiler's signal finds machine code and its stack instead
// of Go's, and must make nothing of it.
func TestProfiling(t *testing.T) {
	onEach(t, func(t *testing.T, mk func(*verifier.Checked, Linker) (Executable, error)) {
		l := &testLinker{helpers: map[int32]Func{1: func(_ *Frame, a, _, _, _, _ uint64) uint64 { return deep(3, []byte{byte(a)}) }}}
		x := build(t, mk, l, movK(6, 20), movX(1, 6), call(1), alu(opAdd64K, 6, 0, 0, -1), bpf.Insn{Op: 0x55, Regs: 6, Off: -4}, exit)
		y := build(t, mk, &testLinker{}, movK(0, 0), movK(1, 300), alu(opAdd64K, 0, 0, 0, 1), alu(opAdd64K, 1, 0, 0, -1), bpf.Insn{Op: 0x55, Regs: 1, Off: -3}, exit)
		var b bytes.Buffer
		if err := pprof.StartCPUProfile(&b); err != nil {
			t.Skip(err)
		}
		defer pprof.StopCPUProfile()
		ctxs, res := make([]uintptr, 100), make([]uint64, 100)
		for stop := time.Now().Add(400 * time.Millisecond); time.Now().Before(stop); {
			if _, err := x.Run(0, nil); err != nil {
				t.Fatal(err)
			}
			if err := y.RunBatch(ctxs, res, nil); err != nil || res[99] != 300 {
				t.Fatal(res[99], err)
			}
		}
	})
}

func TestBatchThrow(t *testing.T) {
	onEach(t, func(t *testing.T, mk func(*verifier.Checked, Linker) (Executable, error)) {
		var seen []int
		l := &testLinker{helpers: map[int32]Func{1: func(f *Frame, v, _, _, _, _ uint64) uint64 {
			seen = append(seen, f.Batch)
			if v%3 == 0 {
				f.Throw(v + 1000)
			}
			return v
		}}}
		x := build(t, mk, l, call(1), exit)
		ctxs, res := []uintptr{1, 2, 3, 4, 5, 6}, make([]uint64, 6)
		if err := x.RunBatch(ctxs, res, nil); err != nil {
			t.Fatal(err)
		}
		want := []uint64{1, 2, 1003, 4, 5, 1006}
		for i := range want {
			if res[i] != want[i] || seen[i] != i {
				t.Errorf("%d: got %d at %d, want %d", i, res[i], seen[i], want[i])
			}
		}
	})
}

func TestClosed(t *testing.T) {
	onEach(t, func(t *testing.T, mk func(*verifier.Checked, Linker) (Executable, error)) {
		x, err := mk(checked(program(movK(0, 1), exit)), &testLinker{})
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(x.Close(), x.Close()); err != nil {
			t.Fatal(err)
		}
		if _, err := x.Run(0, nil); err == nil {
			t.Error("a closed program ran")
		}
	})
}
