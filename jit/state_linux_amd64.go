// SPDX-License-Identifier: Apache-2.0

package jit

import (
	"unsafe"

	"github.com/modbpf/modbpf/jit/amd64"
)

// runState lies at the start of a stack block: what machine code, the way in
// (enter_linux_amd64.s) and the fault handler exchange with Go. Any of them finds
// it from a stack pointer by clearing low bits.
type runState struct {
	gosp, gobp uintptr // Go's stack while the program runs
	entry      uintptr // stack the program starts on
	slot       uintptr // entry-8: holds the address to return to Go by
	msp, site  uintptr // at an exit: stack pointer, where to go on
	code       uint64  // why the program left: 0 it is done
	ret        uint64  // R0: of the program, or of a callee
	args       [6]uint64
	batch      uint64
	flag       uint64
	regs       [18]uint64 // at a fault: the signal frame's registers
	faultAddr  uint64
	pc         uintptr // entry of the program the state was made for
	busy       uint32  // a run has the state
}

// codeFault is the exit code of a fault.
const codeFault = 1<<64 - 1

// Offsets the assembly uses. The arrays below have no negative length only if
// they are right.
const (
	offGoSP  = 0
	offGoBP  = 8
	offEntry = 16
	offCode  = 48
	offRet   = 56
	offArgs  = 64
	offRegs  = 128
	offAddr  = 272
	offPC    = 280
	offBusy  = 288
)

var (
	rs runState
	_  = [1]struct{}{}[unsafe.Offsetof(rs.gosp)-offGoSP]
	_  = [1]struct{}{}[unsafe.Offsetof(rs.gobp)-offGoBP]
	_  = [1]struct{}{}[unsafe.Offsetof(rs.entry)-offEntry]
	_  = [1]struct{}{}[unsafe.Offsetof(rs.code)-offCode]
	_  = [1]struct{}{}[unsafe.Offsetof(rs.ret)-offRet]
	_  = [1]struct{}{}[unsafe.Offsetof(rs.args)-offArgs]
	_  = [1]struct{}{}[unsafe.Offsetof(rs.regs)-offRegs]
	_  = [1]struct{}{}[unsafe.Offsetof(rs.faultAddr)-offAddr]
	_  = [1]struct{}{}[unsafe.Offsetof(rs.pc)-offPC]
	_  = [1]struct{}{}[unsafe.Offsetof(rs.busy)-offBusy]
)

var stubState = amd64.State{
	StackAlign: stackBlockSize,
	GoSP:       offGoSP,
	GoBP:       offGoBP,
	Slot:       int32(unsafe.Offsetof(rs.slot)),
	MSP:        int32(unsafe.Offsetof(rs.msp)),
	Site:       int32(unsafe.Offsetof(rs.site)),
	Code:       offCode,
	Ret:        offRet,
	Args:       offArgs,
	Flag:       int32(unsafe.Offsetof(rs.flag)),
	Regs:       offRegs,
}

// enter runs machine code at pc on the stack of m until it returns or leaves.
//
//go:noescape
func enter(m *runState, pc uintptr)

// reenter is enter for a program that has left and goes on.
//
//go:noescape
func reenter(m *runState, pc uintptr)

// enterOnce is enter for the fast path: it runs the program the state was made
// for with R1 = ctx, R0 comes back at once, and unless the program left (code is
// not 0) the state is no longer busy.
//
//go:noescape
func enterOnce(m *runState, ctx uintptr) (r0, code uint64)

// onFault is the handler of SIGSEGV and SIGBUS, called by the kernel alone.
func onFault()
func onBus()

// What the handler needs to know.
var (
	//lint:ignore U1000 read by the assembly
	codeLo, codeHi uintptr // the executable view of the arena
	//lint:ignore U1000 read by the assembly
	faultStub     uintptr
	goSegv, goBus uintptr // the Go runtime's handlers
)
