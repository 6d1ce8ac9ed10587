// SPDX-License-Identifier: Apache-2.0

package jit

import (
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/cpu"

	"github.com/modbpf/modbpf/jit/amd64"
	"github.com/modbpf/modbpf/jit/prog"
	"github.com/modbpf/modbpf/verifier"
)

// machineCode is a program as machine code.
type machineCode struct {
	// For the fast path: own is the state of one run, nil once closed.
	own   *thread
	leave bool // the code may leave to Go: callees will want to see the frame
	entry uintptr

	*linked
	code   *amd64.Code
	id     uint32
	off    int // in the arena
	base   uintptr
	idle   atomic.Pointer[thread] // another run's state, ready for use
	chunk  atomic.Int64           // how many runs of a batch take a fraction of batchTime
	closed atomic.Bool
	// tailCallee is the callee that is bpf_tail_call, out of range without.
	tailCallee int32
}

// helperLookup is bpf_map_lookup_elem.
const helperLookup = 1

// Compile makes machine code of a checked program. On systems without (wrapped
// ErrNoJIT) Interpret is the choice.
func Compile(c *verifier.Checked, l Linker) (Executable, error) {
	if err := startMachine(); err != nil {
		return nil, err
	}
	k, err := link(c, l)
	if err != nil {
		return nil, err
	}
	if len(k.callees) > amd64.MaxCallees {
		return nil, fmt.Errorf("compile program %s: it calls %d functions, at most %d are possible", k.src.Name, len(k.callees), amd64.MaxCallees)
	}
	x := &machineCode{linked: k}
	x.id = programs.add(x)
	if err := x.compile(); err != nil {
		programs.remove(x.id)
		return nil, fmt.Errorf("compile program %s: %w", k.src.Name, err)
	}
	return x, nil
}

func (x *machineCode) compile() error {
	t := &amd64.Target{
		BMI2:       cpu.X86.HasBMI2,
		StackAlign: stackBlockSize,
		OffBatch:   int32(offBatch),
		Program:    x.id,
		Lookup:     -1,
	}
	if x.arena != nil {
		t.Arena, t.ArenaUser = uint64(x.arena.ArenaKernel), x.arena.ArenaUser
	}
	x.tailCallee = amd64.MaxCallees + 1000
	for i := range x.p.Insns {
		switch n := &x.p.Insns[i]; {
		case n.Kind == prog.TailCall:
			x.tailCallee = n.Callee
		case n.IsHelper(helperLookup):
			t.Lookup = n.Callee
		}
	}
	for i := range x.maps {
		m := &x.maps[i]
		if h := m.Hash; h != nil && m.Handle != 0 && amd64.CanWalk(h.KeySize) {
			if t.Hashes == nil {
				t.Hashes = map[uint64]amd64.Hash{}
			}
			t.Hashes[uint64(m.Handle)] = amd64.Hash{
				Buckets: uint64(h.Buckets), Seed: h.Seed, Mul: h.Mul, Mask: h.Mask, KeySize: h.KeySize, Value: h.Value, LRU: h.LRU,
			}
		}
		if m.Inline && m.Handle != 0 && m.Value != 0 && m.Entries <= 1<<31-1 && m.Stride <= 1<<31-1 {
			if t.Inline == nil {
				t.Inline = map[uint64]amd64.Array{}
			}
			t.Inline[uint64(m.Handle)] = amd64.Array{Base: uint64(m.Value), Stride: m.Stride, Entries: m.Entries}
		}
	}
	code, err := amd64.Compile(x.p, t)
	if err != nil {
		return err
	}
	a := machine.arena
	off, err := a.alloc(len(code.Bytes))
	if err != nil {
		return err
	}
	w := a.w[off : off+len(code.Bytes)]
	copy(w, code.Bytes)
	for _, f := range code.Fixups {
		binary.LittleEndian.PutUint32(w[f.Off:], uint32(machine.exitOff-off-int(f.Off)-4))
	}
	x.code, x.off, x.base = code, off, a.addr(off)
	x.entry = x.base + uintptr(code.Funcs[0])
	x.leave = code.Leaves
	if x.own, err = newThread(x); err != nil {
		a.release(off, len(code.Bytes))
	}
	return err
}

func (x *machineCode) Checked() *verifier.Checked { return x.checked }
func (x *machineCode) Engine() string             { return "jit" }

// Close gives the code's memory back. Closing twice is harmless; running
// afterwards is an error that says so.
func (x *machineCode) Close() error {
	if x.closed.Swap(true) {
		return nil
	}
	if t := x.idle.Swap(nil); t != nil {
		t.retire()
	}
	x.own.retire()
	x.own = nil
	programs.remove(x.id)
	machine.arena.release(x.off, len(x.code.Bytes))
	return nil
}

// programs numbers the programs that have machine code: the number is part of
// exit codes.
var programs registry

type registry struct {
	mu   sync.Mutex
	list atomic.Pointer[[]*machineCode]
}

func (r *registry) all() []*machineCode {
	if p := r.list.Load(); p != nil {
		return *p
	}
	return nil
}

func (r *registry) add(x *machineCode) uint32 {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := slices.Clone(r.all())
	if len(l) == 0 {
		l = append(l, nil) // number 0 would make an exit code of 0
	}
	id := slices.Index(l[1:], nil) + 1
	if id == 0 {
		id = len(l)
		l = append(l, nil)
	}
	l[id] = x
	r.list.Store(&l)
	return uint32(id)
}

func (r *registry) remove(id uint32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := slices.Clone(r.all())
	l[id] = nil
	r.list.Store(&l)
}

// at finds the program a code address belongs to, nil if none.
func (r *registry) at(pc uintptr) *machineCode {
	for _, x := range r.all() {
		if x != nil && x.code != nil && pc >= x.base && pc < x.base+uintptr(len(x.code.Bytes)) {
			return x
		}
	}
	return nil
}

// slotAt is the BPF slot a code address was made from, -1 if none.
func (x *machineCode) slotAt(pc uintptr) int {
	off := int32(pc - x.base)
	n := len(x.p.Insns)
	i, found := slices.BinarySearch(x.code.Slots[:n], off)
	if !found {
		return i - 1
	}
	for i+1 < n && x.code.Slots[i+1] == off { // slots without code come first
		i++
	}
	return i
}
