// SPDX-License-Identifier: Apache-2.0

package jit

import (
	"fmt"
	"reflect"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/modbpf/modbpf/jit/amd64"
)

// The process-wide part of running machine code: the arena, the stubs in it,
// and the fault handler, which is put before the Go runtime's once and stays.
var machine struct {
	once  sync.Once
	err   error
	arena *codeArena

	exit, resume, faultResume uintptr
	exitOff                   int
}

func startMachine() error {
	machine.once.Do(func() { machine.err = setUpMachine() })
	return machine.err
}

func setUpMachine() error {
	a, err := newCodeArena()
	if err != nil {
		return err
	}
	st := amd64.MakeStubs(&stubState)
	off, err := a.alloc(len(st.Bytes))
	if err != nil {
		return err
	}
	copy(a.w[off:], st.Bytes)
	base := a.addr(off)
	machine.arena = a
	machine.exit, machine.exitOff = base+uintptr(st.Exit), off+st.Exit
	machine.resume = base + uintptr(st.Resume)
	machine.faultResume = base + uintptr(st.FaultResume)
	faultStub = base + uintptr(st.FaultExit)
	codeLo, codeHi = a.x, a.x+arenaSize
	if err := chain(unix.SIGSEGV, onFault, &goSegv); err != nil {
		return err
	}
	return chain(unix.SIGBUS, onBus, &goBus)
}

// sigaction is the kernel's struct sigaction.
type sigaction struct {
	handler, flags, restorer uintptr
	mask                     uint64
}

// chain puts a handler in front of the present one: same stack, flags and mask.
func chain(sig unix.Signal, handler func(), old *uintptr) error {
	var act sigaction
	if _, _, e := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig), 0, uintptr(unsafe.Pointer(&act)), 8, 0, 0); e != 0 {
		return fmt.Errorf("read handler of %s: %w: %w", sig, ErrNoJIT, e)
	}
	const defaultOrIgnore = 1
	if act.handler <= defaultOrIgnore {
		return fmt.Errorf("chain to handler of %s: %w: the Go runtime has none", sig, ErrNoJIT)
	}
	*old = act.handler
	act.handler = reflect.ValueOf(handler).Pointer()
	if _, _, e := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig), uintptr(unsafe.Pointer(&act)), 0, 8, 0, 0); e != 0 {
		return fmt.Errorf("set handler of %s: %w: %w", sig, ErrNoJIT, e)
	}
	return nil
}
