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

// MapInfo is what machine code may know of a map.
type MapInfo struct {
	Handle uintptr // opaque value passed to helpers as the map pointer
	Value  uintptr // base of the value area for direct access (array maps), 0 if none
	// Inline describes an array map whose look-ups may be compiled to address
	// arithmetic: value = Value + Stride*index for index < Entries.
	Inline  bool
	Entries uint32
	Stride  uint32
	// Arena maps: base of the 4 GiB window; Value and Inline unused.
	ArenaUser   uint64  // address programs and user space see in the lower 32 bits
	ArenaKernel uintptr // where the window is mapped
}

// Func is a helper or kfunc in Go. Arguments are R1..R5, the result is R0.
type Func func(f *Frame, r1, r2, r3, r4, r5 uint64) uint64

// Callee is something a program can call.
type Callee struct {
	Name string
	Fn   Func
}

// Frame is the running program as a callee sees it.
type Frame struct {
	Code  Executable
	Ctx   uintptr // R1 at entry
	User  any     // what the caller of Run passed: the host's own state for this run
	Batch int

	call   func(pc uint64, a1, a2, a3, a4, a5 uint64) (uint64, error)
	throw  bool
	cookie uint64
	tail   Executable
}

// Call runs a callback of the program: fn is the value the program passed as a
// function pointer. It fails only when the callback throws or the stack is out.
func (f *Frame) Call(fn uint64, a1, a2, a3, a4, a5 uint64) (uint64, error) {
	return f.call(fn, a1, a2, a3, a4, a5)
}

// Throw makes the program unwind as bpf_throw does once the callee returns.
func (f *Frame) Throw(cookie uint64) { f.throw, f.cookie = true, cookie }

// TailCall makes the program continue in other once the callee returns.
func (f *Frame) TailCall(other Executable) { f.tail = other }

// Executable is a program ready to run: machine code or the interpreter.
type Executable interface {
	// Run executes the program once with R1 = ctx. user reaches callees as Frame.User.
	Run(ctx uintptr, user any) (uint64, error)
	// RunBatch executes the program once for each context, writing results.
	RunBatch(ctxs []uintptr, results []uint64, user any) error
	// Checked is the program this was made from.
	Checked() *verifier.Checked
	// Engine is "jit" or "interpreter".
	Engine() string
	// Close frees machine code; the Executable must not be running.
	Close() error
}
