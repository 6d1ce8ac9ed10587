// SPDX-License-Identifier: Apache-2.0

// Package jit turns checked programs into machine code and runs them, or
// interprets them. It knows nothing of maps or devices beyond the interface in
// this file: the host answers where things live and what a call does.
//
// All addresses that programs see are real addresses of this process, outside
// the Go heap.
package jit

import "github.com/modbpf/modbpf/verifier"

// Linker is what the host tells about a program's surroundings before it runs.
// Every method may be called once per reference at link time; what a method
// cannot provide is an error that names it ("helper bpf_foo: not in the host").
// Helper may also be called while the program runs, for an indirect call.
type Linker interface {
	// Map is the handle value programs hold for map i of Program.Maps, and what
	// the JIT may inline for it.
	Map(i int) (MapInfo, error)
	// Helper is the implementation of a helper id.
	Helper(id int32) (*Callee, error)
	// Kfunc is the implementation of a kfunc by name.
	Kfunc(name string) (*Callee, error)
	// Ksym is the address a BTF-typed kernel variable has in the host.
	Ksym(name string) (uintptr, error)
}

// PacketLoader is implemented by Linkers whose programs may use LD_ABS and
// LD_IND. The callee gets the context (R6), the offset and the size in bytes and
// returns the value in host byte order; where the offset is outside the packet
// it calls Frame.FailLoad, and the function that made the load returns 0, as the
// kernel defines.
type PacketLoader interface {
	PacketLoad() (*Callee, error)
}

// ContextLayout is implemented by Linkers whose context is not laid out as
// programs see it (xdp_md, __sk_buff). For an access the verifier proved to be
// of the context it answers where the field really lies: the access is compiled
// with that offset and size, zero-extending.
type ContextLayout interface {
	Context(p *verifier.Program, off, size int, write bool) (CtxAccess, error)
}

// CtxAccess is a context field's place in the host's own structure.
type CtxAccess struct {
	Off  int16
	Size int // 1, 2, 4 or 8 bytes
}

// MapInfo is what machine code may know of a map.
type MapInfo struct {
	Handle uintptr // opaque value passed to helpers as the map pointer
	Value  uintptr // base of the value area for direct access (array maps), 0 if none
	// Inline describes an array map whose look-ups may be compiled to address
	// arithmetic: value = Value + Stride*index for index < Entries.
	Inline  bool
	Entries uint32
	Stride  uint32
	// Hash describes a hash table that machine code may walk without a lock; nil
	// if there is none. The layout and the rules are those of
	// framework/host/maps/hash.go.
	Hash *HashInfo
	// Arena maps: base of the 4 GiB window; Value and Inline unused. An access
	// to the arena address a (of which only the lower 32 bits count) is one to
	// ArenaKernel + a, so the window begins at ArenaKernel + uint32(ArenaUser).
	ArenaUser   uint64  // address programs and user space see
	ArenaKernel uintptr // where the window is mapped
}

// HashInfo is where a hash table lies. With W the little-endian words of the
// zero-padded key, h = Seed; for each w: h = hi ^ lo of the 128-bit product
// (h ^ w) * Mul. The chain begins at Buckets + 8*(uint32(h) & Mask): 0 is empty;
// an odd word ends a chain, and when it is not 2*(uint32(h) & Mask) + 1 the
// walk was led astray and has to start again. An element has its next word at
// +0, uint32(h) at +8, a "used" word of 32 bits at +12 (of an LRU map a reader
// stores 1 when it is 0), its key, zero-padded to 8 bytes, at +16, its value at
// +Value.
type HashInfo struct {
	Buckets uintptr
	Seed    uint64
	Mul     uint64
	Mask    uint32
	KeySize uint32
	Value   uint32
	LRU     bool
}

// Func is a helper or kfunc in Go. Arguments are R1..R5, the result is R0.
type Func func(f *Frame, r1, r2, r3, r4, r5 uint64) uint64

// Callee is something a program can call.
type Callee struct {
	Name string
	Fn   Func
}

// Frame is the running program as a callee sees it. It is valid until the
// callee returns.
type Frame struct {
	Code  Executable // the program that called, after tail calls the current one
	Ctx   uintptr    // R1 at entry
	User  any        // what the caller of Run passed: the host's own state for this run
	Batch int        // index of the context in RunBatch

	thread     callbacks
	throw      bool
	loadFailed bool
	failed     error // a callback failed: so does the run
	cookie     uint64
	tail       Executable
	tailCalls  int
}

// callbacks is the engine behind a frame.
type callbacks interface {
	callback(fn uint64, a *[5]uint64) (uint64, error)
}

// Call runs a callback of the program: fn is the value the program passed as a
// function pointer. It fails only when the callback throws, crashes or the stack is out.
func (f *Frame) Call(fn uint64, a1, a2, a3, a4, a5 uint64) (uint64, error) {
	return f.thread.callback(fn, &[5]uint64{a1, a2, a3, a4, a5})
}

// Throw makes the program unwind as bpf_throw does once the callee returns.
func (f *Frame) Throw(cookie uint64) { f.throw, f.cookie = true, cookie }

// MaxTailCalls is how many tail calls one run may make (MAX_TAIL_CALL_CNT).
const MaxTailCalls = 33

// TailCall makes the program continue in other once the callee returns. Only
// bpf_tail_call (helper 12) may use it. Once a run has used up MaxTailCalls it
// does nothing: the program goes on after the call, as the kernel has it.
func (f *Frame) TailCall(other Executable) {
	if f.tailCalls < MaxTailCalls {
		f.tail = other
	}
}

// FailLoad says that a packet load was outside the packet.
func (f *Frame) FailLoad() { f.loadFailed = true }

// Executable is a program ready to run: machine code or the interpreter. Any
// number of goroutines may run it at once.
type Executable interface {
	// Run executes the program once with R1 = ctx. user reaches callees as Frame.User.
	Run(ctx uintptr, user any) (uint64, error)
	// RunBatch executes the program once for each context, writing results.
	RunBatch(ctxs []uintptr, results []uint64, user any) error
	// RunFunc executes one of the program's functions, which the program gave
	// away as a function pointer: timers, work queues.
	RunFunc(fn uint64, args [5]uint64, user any) (uint64, error)
	// Checked is the program this was made from.
	Checked() *verifier.Checked
	// Engine is "jit" or "interpreter".
	Engine() string
	// Close frees machine code; the Executable must not be running.
	Close() error
}
