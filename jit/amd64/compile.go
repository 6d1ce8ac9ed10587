// SPDX-License-Identifier: Apache-2.0

// Package amd64 turns decoded programs into x86-64 machine code. It knows
// instructions and calling conventions, not where memory comes from or how
// code is entered: package jit does that.
package amd64

import (
	"fmt"

	"github.com/modbpf/modbpf/jit/prog"
)

// Target is the machine and the surroundings code is made for.
type Target struct {
	BMI2 bool // shlx, shrx, sarx, rorx
	// Offsets of the fields of the run state at the start of a stack block that
	// machine code uses.
	StackAlign int32 // size and alignment of a stack block
	OffBatch   int32 // index in the batch
	OffArg1    int32
	// Arena is the base that arena addresses are relative to, and ArenaUser the
	// upper half of its user addresses.
	Arena, ArenaUser uint64
	// Program is the number the run state knows the program by; it goes into the
	// upper bits of exit codes.
	Program uint32
	// Inline says how to compile a map look-up without a call; the key is the
	// handle loaded into R1. nil when nothing is inlined.
	Inline map[uint64]Array
	// Hashes does the same for hash tables.
	Hashes map[uint64]Hash
	// Lookup is the number of the callee that looks up map elements, -1 if the
	// program has none.
	Lookup int32
}

// Array is an array map as machine code needs it.
type Array struct {
	Base    uint64
	Stride  uint32
	Entries uint32
}

// Hash is a hash table as machine code needs it; see jit.HashInfo.
type Hash struct {
	Buckets, Seed, Mul   uint64
	Mask, KeySize, Value uint32
	LRU                  bool
}

// CanWalk reports whether a table with keys of so many bytes can be walked.
func CanWalk(keySize uint32) bool { return keySize > 0 && keySize%4 == 0 && keySize <= 40 }

// Exit codes: what a program leaves to Go for. The upper bits hold the
// program's number, the lower CalleeBits the callee.
const (
	CalleeBits = 12
	CalleeX    = 1<<CalleeBits - 1 // indirect call, value in R9
	MaxCallees = CalleeX - 1
)

// Stub is a piece of code outside the program that it jumps to.
type Stub uint8

// Stubs.
const (
	StubExit Stub = iota // leave to Go: eax code, r10 where to come back
)

// Fixup is a four-byte relative offset to be filled in once it is known where
// the code lies.
type Fixup struct {
	Off  int32 // of the four bytes; they are relative to Off+4
	Stub Stub
}

// Fault describes a memory access that may fault quietly.
type Fault struct {
	Off, Next int32 // the instruction and the one after it
	Reg       int8  // register number that reads 0 then, -1 for none
}

// Code is a compiled program.
type Code struct {
	Bytes  []byte
	Slots  []int32 // offset of the code of each slot; that of the next for slots without code
	Funcs  []int32 // offset of each function's entry
	Batch  int32   // offset of the batch loop
	Fixups []Fixup
	Faults []Fault // ascending
	Leaves bool    // it may leave to Go
}

// Passes, in order. Each is a function in a file of its own; the compiler does
// nothing else.
//
//	blocks    flow.go    cut functions into basic blocks
//	liveness  flow.go    which registers matter after each instruction
//	fuse      fuse.go, fusemem.go  instructions that become one
//	stack     fusemem.go stores nothing reads, and the stack left
//	assign    regs.go    registers and frame layout of each function
//	selection select.go  machine instructions, jumps long
//	layout    layout.go  jumps short where they reach, addresses final
//	batch     select.go  the loop that runs the program for many contexts
var passes = [...]struct {
	name string
	run  func(*compiler)
}{
	{"blocks", (*compiler).blocks},
	{"liveness", (*compiler).liveness},
	{"fuse", (*compiler).fuse},
	{"stack", (*compiler).deadStores},
	{"assign", (*compiler).assign},
	{"selection", (*compiler).selection},
	{"layout", (*compiler).layout},
	{"batch", (*compiler).batchLoop},
}

// Compile makes machine code of a program.
func Compile(p *prog.Program, t *Target) (*Code, error) {
	c := compilers.Get().(*compiler)
	defer compilers.Put(c)
	c.reset(p, t)
	for _, pass := range passes {
		pass.run(c)
		if c.err != nil {
			return nil, fmt.Errorf("compile, %s: %w", pass.name, c.err)
		}
	}
	return c.code(), nil
}
