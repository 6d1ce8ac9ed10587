// SPDX-License-Identifier: Apache-2.0

package bpfdiff

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/framework/host/helpers"
	"github.com/modbpf/modbpf/framework/host/maps"
	"github.com/modbpf/modbpf/framework/host/mem"
	"github.com/modbpf/modbpf/framework/host/world"
	"github.com/modbpf/modbpf/internal/testrun"
	"github.com/modbpf/modbpf/internal/unchecked"
	"github.com/modbpf/modbpf/jit"
	"github.com/modbpf/modbpf/verifier"
)

// specs are the maps of every program.
var specs = [numMaps]*verifier.Map{
	mapBlock: {Name: "block", Type: bpf.MapArray, KeySize: 4, ValueSize: blockSize, MaxEntries: 1, Flags: bpf.MapMmapable},
	mapArray: {Name: "array", Type: bpf.MapArray, KeySize: 4, ValueSize: arrayStride, MaxEntries: arraySize, Flags: bpf.MapMmapable},
	mapHash:  {Name: "hash", Type: bpf.MapHash, KeySize: 4, ValueSize: 16, MaxEntries: 64},
	mapLRU:   {Name: "lru", Type: bpf.MapLRUHash, KeySize: 4, ValueSize: 16, MaxEntries: 512},
	mapQueue: {Name: "queue", Type: bpf.MapQueue, ValueSize: 8, MaxEntries: 3},
	mapStack: {Name: "stack", Type: bpf.MapStack, ValueSize: 8, MaxEntries: 3},
	mapProgs: {Name: "progs", Type: bpf.MapProgArray, KeySize: 4, ValueSize: 4, MaxEntries: 3},
}

// outcome is everything a run leaves behind.
type outcome struct {
	R0    uint32
	Block string
	Array string
	Hash  string
	LRU   string
	Queue string
	Stack string
}

// side is one engine with maps of its own.
type side interface {
	name() string
	// load makes a program ready; target says where in the program array it goes, -1 for nowhere.
	load(p *program, target int) (run func() (uint32, error), unload func() error, err error)
	reset() error
	read() (*outcome, error)
}

func keyOf(i int) []byte { return binary.LittleEndian.AppendUint32(nil, uint32(i)) }

// bound is the program as our verifier takes it.
func (p *program) bound() *verifier.Program {
	b := &verifier.Program{Name: "random", Type: bpf.ProgSchedCls, License: "GPL", Insns: p.insns, Maps: specs[:]}
	if p.callbacks > 0 {
		b.BTF, b.Funcs = testrun.Functions(p.insns)
	}
	return b
}

// verify asks our verifier. It fails when ours accepts what the kernel refuses
// or the other way around, which it leaves to the caller to judge.
func (p *program) verify(k verifier.Kernel) *verifier.Diagnostic {
	c, diag := verifier.Verify(p.bound(), k, verifier.Options{Facts: true, NoWorst: true})
	p.checked = c
	return diag
}

// host is a side of ours.
type host struct {
	engine string
	make   func(*verifier.Checked, jit.Linker) (jit.Executable, error)
	world  *world.World
	maps   [numMaps]maps.Map
	calls  *helpers.Set
	counts map[int32]int
}

func newHost(engine string, mk func(*verifier.Checked, jit.Linker) (jit.Executable, error)) (*host, error) {
	w, err := world.New(nil, 1)
	if err != nil {
		return nil, err
	}
	h := &host{engine: engine, make: mk, world: w, calls: helpers.NewSet(), counts: map[int32]int{}}
	for i, s := range specs {
		if h.maps[i], err = maps.New(w, s); err != nil {
			return nil, err
		}
	}
	return h, nil
}

func (h *host) name() string { return h.engine }

func (h *host) Map(i int) (jit.MapInfo, error) { return h.maps[i].Info(), nil }

func (h *host) Helper(id int32) (*jit.Callee, error) {
	c, err := h.calls.Helper(id, "")
	if err != nil {
		if id != helperLoop || !errors.Is(err, helpers.ErrMissing) {
			return nil, err
		}
		c = &jit.Callee{Name: "bpf_loop", Fn: loop}
	}
	fn := c.Fn
	return &jit.Callee{Name: c.Name, Fn: func(f *jit.Frame, r1, r2, r3, r4, r5 uint64) uint64 {
		h.counts[id]++
		return fn(f, r1, r2, r3, r4, r5)
	}}, nil
}

// loop is bpf_loop, for hosts that lack it.
func loop(f *jit.Frame, n, fn, ctx, _, _ uint64) uint64 {
	for i := range n {
		if r, err := f.Call(fn, i, ctx, 0, 0, 0); err != nil || r != 0 {
			return i + 1
		}
	}
	return n
}

func (h *host) Kfunc(name string) (*jit.Callee, error) { return h.calls.Kfunc(name) }
func (h *host) Ksym(name string) (uintptr, error)      { return h.calls.Ksym(name) }

func (h *host) load(p *program, target int) (func() (uint32, error), func() error, error) {
	c := p.checked
	if c == nil {
		c = unchecked.New(p.bound())
	}
	x, err := h.make(c, h)
	if err != nil {
		return nil, nil, err
	}
	if target >= 0 {
		if err := h.maps[mapProgs].(maps.Programs).SetProgram(uint32(target), x); err != nil {
			return nil, nil, err
		}
	}
	return func() (uint32, error) {
		r := h.world.Enter(nil)
		defer r.Exit()
		v, err := x.Run(h.maps[mapBlock].Info().Value, r)
		return uint32(v), err
	}, x.Close, nil
}

func (h *host) reset() error {
	for _, m := range []int{mapBlock, mapArray} {
		clear(mem.Bytes(h.maps[m].Info().Value, size(m)))
	}
	for i := range hashKeys {
		for _, m := range []int{mapHash, mapLRU} {
			if err := h.maps[m].Delete(keyOf(i)); err != nil && !errors.Is(err, maps.ENOENT) {
				return err
			}
		}
	}
	// An outcome that was read is empty; one that was not is dropped here.
	var v [8]byte
	for _, m := range []int{mapQueue, mapStack} {
		for h.maps[m].LookupAndDelete(nil, v[:], 0) == nil {
		}
	}
	return nil
}

func size(m int) int { return int(specs[m].ValueSize * specs[m].MaxEntries) }

func (h *host) read() (*outcome, error) {
	o := &outcome{
		Block: string(mem.Bytes(h.maps[mapBlock].Info().Value, size(mapBlock))),
		Array: string(mem.Bytes(h.maps[mapArray].Info().Value, size(mapArray))),
	}
	for _, d := range []struct {
		m  int
		to *string
	}{{mapHash, &o.Hash}, {mapLRU, &o.LRU}} {
		for i := range hashKeys {
			v := make([]byte, 16)
			err := h.maps[d.m].Lookup(keyOf(i), v, 0)
			if errors.Is(err, maps.ENOENT) {
				continue
			} else if err != nil {
				return nil, err
			}
			*d.to += fmt.Sprintf("%d:%x ", i, v)
		}
	}
	for _, d := range []struct {
		m  int
		to *string
	}{{mapQueue, &o.Queue}, {mapStack, &o.Stack}} {
		for {
			v := make([]byte, 8)
			err := h.maps[d.m].LookupAndDelete(nil, v, 0)
			if errors.Is(err, maps.ENOENT) {
				break
			} else if err != nil {
				return nil, err
			}
			*d.to += fmt.Sprintf("%x ", v)
		}
	}
	return o, nil
}

// kernel is the machine's own.
type kernel struct {
	fds    [numMaps]int
	memory [numMaps][]byte
	packet [64]byte
}

func newKernel() (*kernel, error) {
	k := &kernel{}
	for i, s := range specs {
		fd, err := testrun.NewMap(s.Type, s.KeySize, s.ValueSize, s.MaxEntries, s.Flags)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", testrun.ErrUnavailable, err)
		}
		k.fds[i] = fd
	}
	for _, m := range []int{mapBlock, mapArray} {
		b, err := testrun.MapMemory(k.fds[m], 4096)
		if err != nil {
			return nil, err
		}
		k.memory[m] = b
	}
	return k, nil
}

func (k *kernel) name() string { return "kernel" }

func (k *kernel) load(p *program, target int) (func() (uint32, error), func() error, error) {
	insns := append([]bpf.Insn(nil), p.insns...)
	for i := range insns {
		if insns[i].IsLdImm64() && (insns[i].Src() == bpf.PseudoMapFD || insns[i].Src() == bpf.PseudoMapValue) {
			insns[i].Imm = int32(k.fds[insns[i].Imm])
		}
	}
	prog, err := testrun.Load(bpf.ProgSchedCls, insns)
	if err != nil {
		return nil, nil, err
	}
	if target >= 0 {
		if err := testrun.Update(k.fds[mapProgs], keyOf(target), keyOf(prog.FD())); err != nil {
			return nil, nil, err
		}
	}
	return func() (uint32, error) {
		r, _, err := prog.RunData(k.packet[:], 1)
		return r, err
	}, prog.Close, nil
}

func (k *kernel) reset() error {
	for _, m := range []int{mapBlock, mapArray} {
		clear(k.memory[m])
	}
	for i := range hashKeys {
		for _, m := range []int{mapHash, mapLRU} {
			if _, err := testrun.Delete(k.fds[m], keyOf(i)); err != nil {
				return err
			}
		}
	}
	var v [8]byte
	for _, m := range []int{mapQueue, mapStack} {
		for {
			ok, err := testrun.Pop(k.fds[m], v[:])
			if err != nil {
				return err
			}
			if !ok {
				break
			}
		}
	}
	return nil
}

func (k *kernel) read() (*outcome, error) {
	o := &outcome{Block: string(k.memory[mapBlock][:size(mapBlock)]), Array: string(k.memory[mapArray][:size(mapArray)])}
	for _, d := range []struct {
		m  int
		to *string
	}{{mapHash, &o.Hash}, {mapLRU, &o.LRU}} {
		for i := range hashKeys {
			v := make([]byte, 16)
			ok, err := testrun.Lookup(k.fds[d.m], keyOf(i), v)
			if err != nil {
				return nil, err
			}
			if ok {
				*d.to += fmt.Sprintf("%d:%x ", i, v)
			}
		}
	}
	for _, d := range []struct {
		m  int
		to *string
	}{{mapQueue, &o.Queue}, {mapStack, &o.Stack}} {
		for {
			v := make([]byte, 8)
			ok, err := testrun.Pop(k.fds[d.m], v)
			if err != nil {
				return nil, err
			}
			if !ok {
				break
			}
			*d.to += fmt.Sprintf("%x ", v)
		}
	}
	return o, nil
}
