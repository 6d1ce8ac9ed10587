// SPDX-License-Identifier: Apache-2.0

// Package world is the state of one kernel-in-miniature: its CPUs, its clock,
// its read-side sections with delayed free, its trace stream and the typed
// objects that programs own. Maps, helpers and device models share it; it
// knows none of them.
package world

import (
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/modbpf/modbpf/framework/host/mem"
	"github.com/modbpf/modbpf/framework/host/typed"
	"github.com/modbpf/modbpf/verifier"
)

// World is one host's state. It is safe for concurrent use.
type World struct {
	Kernel  verifier.Kernel
	Mem     *mem.Arena     // objects that outlive a driver: devices, sockets, ...
	Layouts *typed.Layouts // the profile's vmlinux
	Clock   *Clock
	Trace   *Trace
	Objects *Objects
	Timers  *ProgTimers

	// Packet finds a packet by the address that programs know it by. The packet
	// model sets it; without one there are no packets.
	Packet func(addr uintptr) Packet

	// Seed, if not 0, makes prandom repeatable.
	Seed uint64

	cpus    []*Run
	mu      sync.Mutex
	extra   []*Run // runs beyond one a CPU, made on demand and kept
	all     atomic.Pointer[[]*Run]
	epoch   atomic.Uint64
	retired retireList
	current struct {
		once sync.Once
		task *typed.Object
	}
	freed []*freeHook // called when a kernel object goes
}

// Packet is what a dynptr to a packet reads and writes.
type Packet interface {
	// ReadAt and WriteAt copy len(b) bytes at an offset; false outside the packet.
	ReadAt(b []byte, off int) bool
	WriteAt(b []byte, off int) bool
	// Direct is the address of bytes that lie in one piece, 0 otherwise.
	Direct(off, n int) uintptr
}

// Run is one entry into a program as callees see it (jit.Frame.User): which
// CPU it is on, and the state of the model that started it. A Run holds a
// read-side section open: what it can see is not freed before Exit.
type Run struct {
	World *World
	CPU   int
	// State belongs to the model that runs the program.
	State any
	// Task is the address of the task_struct that current is; 0 for the world's own.
	Task uintptr
	// Timer is the timer or work item whose callback this run is, if any.
	Timer *ProgTimer
	// Depth counts nested programs (tail calls not included).
	Depth int
	// args is memory for struct_ops contexts, one block a nested program.
	args uintptr
	held []uintptr // resilient locks

	rng    uint64
	busy   atomic.Bool
	active atomic.Uint64 // epoch at Enter, 0 outside
	_      [64]byte
}

// New makes a world for a kernel profile. cpus 0 means one for each CPU of
// this machine, as per-CPU maps have.
func New(k verifier.Kernel, cpus int) (*World, error) {
	if cpus <= 0 {
		cpus = runtime.NumCPU()
	}
	hz := uint64(0)
	if k != nil {
		hz, _ = strconv.ParseUint(k.Config("CONFIG_HZ"), 10, 32) // without the option: the default
	}
	w := &World{Kernel: k, Mem: mem.New(0), Clock: newClock(hz), Trace: newTrace()}
	if k != nil {
		w.Layouts = typed.NewLayouts(k.BTF())
	} else {
		w.Layouts = typed.NewLayouts(nil)
	}
	w.Packet = func(uintptr) Packet { return nil }
	w.Objects = newObjects(w)
	w.Timers = newProgTimers(w)
	w.epoch.Store(1)
	for i := range cpus {
		r, err := w.newRun(i)
		if err != nil {
			return nil, errors.Join(err, w.Mem.Close())
		}
		w.cpus = append(w.cpus, r)
	}
	all := append([]*Run(nil), w.cpus...)
	w.all.Store(&all)
	return w, nil
}

// MaxDepth is how deep programs may nest on one run, callbacks of models and
// slots called from kfuncs included.
const MaxDepth = 16

// MaxArgs is the most arguments a slot has (MAX_BPF_FUNC_ARGS).
const MaxArgs = 12

// argsBlock holds two words before the arguments (see Args), and one after them
// for what a traced function returned.
const argsBlock = (2 + MaxArgs + 2) * 8

func (w *World) newRun(cpu int) (*Run, error) {
	p, err := w.Mem.Alloc(MaxDepth * argsBlock)
	if err != nil {
		return nil, fmt.Errorf("make CPU %d: %w", cpu, err)
	}
	return &Run{World: w, CPU: cpu, args: p}, nil
}

// Args is the memory for the context of the program at the current depth: an
// array of words, with their number in the word before and an attach cookie in
// the one before that.
func (r *Run) Args() uintptr { return r.args + uintptr(r.Depth)*argsBlock + 16 }

// CPUs is the number of possible CPUs.
func (w *World) CPUs() int { return len(w.cpus) }

// Enter takes a CPU and opens a read-side section; the caller must Exit. When
// every CPU is taken (sleeping programs hold theirs), one is shared, as
// preemption does in a kernel.
func (w *World) Enter(state any) *Run {
	for _, r := range w.cpus {
		if r.busy.CompareAndSwap(false, true) {
			return r.begin(state)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range w.extra {
		if r.busy.CompareAndSwap(false, true) {
			return r.begin(state)
		}
	}
	r, err := w.newRun(len(w.extra) % len(w.cpus))
	if err != nil {
		panic(fmt.Sprintf("world: no memory for a run: %v", err)) // a page, when the whole process has none
	}
	r.busy.Store(true)
	w.extra = append(w.extra, r)
	all := append(append([]*Run(nil), *w.all.Load()...), r)
	w.all.Store(&all)
	return r.begin(state)
}

// EnterCPU is Enter on a chosen CPU, waiting until it is free.
func (w *World) EnterCPU(cpu int, state any) (*Run, error) {
	if cpu < 0 || cpu >= len(w.cpus) {
		return nil, fmt.Errorf("enter CPU %d: the host has %d", cpu, len(w.cpus))
	}
	r := w.cpus[cpu]
	for !r.busy.CompareAndSwap(false, true) {
		runtime.Gosched()
	}
	return r.begin(state), nil
}

func (r *Run) begin(state any) *Run {
	r.State = state
	r.Depth, r.Task, r.Timer = 0, 0, nil
	r.active.Store(r.World.epoch.Load())
	return r
}

// Exit closes the section and gives the CPU back.
func (r *Run) Exit() {
	w := r.World
	r.State = nil
	r.active.Store(0)
	r.busy.Store(false)
	if w.retired.pending.Load() > retireBatch {
		w.reclaim()
	}
}

// Quiesce tells that the run holds no pointer of before: a long batch calls it
// between packets so that delayed frees go on.
func (r *Run) Quiesce() {
	r.active.Store(r.World.epoch.Load())
	if r.World.retired.pending.Load() > retireBatch {
		r.World.reclaim()
	}
}

// Rand is the run's pseudo-random generator (splitmix64).
func (r *Run) Rand() uint64 {
	if r.rng == 0 {
		r.rng = r.World.Seed + uint64(r.CPU)
		if r.World.Seed == 0 {
			r.rng += randomSeed()
		}
	}
	r.rng += 0x9e3779b97f4a7c15
	z := r.rng
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// Close frees everything. No program may be running or be started any more.
func (w *World) Close() error {
	w.Clock.stop()
	w.Synchronize()
	return w.Mem.Close()
}
