// SPDX-License-Identifier: Apache-2.0

package jit

import "unsafe"

// What the speed table needs of the insides: calling native code the way
// programs are called.

// Native enters native functions.
type Native struct{ t *thread }

// NewNative takes a stack.
func NewNative(x Executable) (*Native, error) {
	t, err := newThread(x.(*machineCode))
	return &Native{t}, err
}

// Close gives it back.
func (n *Native) Close() { n.t.retire() }

// Call calls a function of one argument.
func (n *Native) Call(fn, arg uintptr) uint64 {
	n.t.m.args[0] = uint64(arg)
	enter(n.t.m, fn)
	return n.t.m.ret
}

// Batch calls a loop with a row of arguments and room for results.
func (n *Native) Batch(loop uintptr, ctxs []uintptr, results []uint64) {
	n.t.batchIn, n.t.batchOut = ctxs, results
	n.t.m.args = [6]uint64{uint64(uintptr(unsafe.Pointer(&ctxs[0]))), uint64(uintptr(unsafe.Pointer(&results[0]))), uint64(len(ctxs))}
	enter(n.t.m, loop)
}

// Place puts code into the arena.
func Place(size int, write func(code []byte, at uintptr)) (uintptr, error) {
	a := machine.arena
	off, err := a.alloc(size)
	if err != nil {
		return 0, err
	}
	write(a.w[off:off+size], a.addr(off))
	return a.addr(off), nil
}

// MachineBytes is an executable's code.
func MachineBytes(x Executable) []byte { return x.(*machineCode).code.Bytes }
