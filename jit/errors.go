// SPDX-License-Identifier: Apache-2.0

package jit

import (
	"errors"
	"fmt"
	"runtime"

	"github.com/modbpf/modbpf/verifier"
)

// Errors of making and running executables.
var (
	// ErrUnchecked is a program nobody proved, or that the kernel alone judged.
	ErrUnchecked = errors.New("program is not verified by modbpf")
	// ErrStack is a run whose calls and callbacks nest deeper than its stack.
	ErrStack = errors.New("program stack is used up")
	// ErrNoJIT is a platform, or a locked-down system, without machine code.
	ErrNoJIT = errors.New("no machine code on this system")
	// ErrThrow is what Frame.Call answers when the callback throws.
	ErrThrow = errors.New("callback throws")
)

// CrashError is a bad memory access of a program: a bug of the verifier, of the
// engine or of a callee, never of the program's author.
type CrashError struct {
	Program string
	Engine  string
	Slot    int                // BPF instruction slot, -1 if not known
	Line    *verifier.LineInfo // nil without line info
	Addr    uintptr            // address that faulted
	PC      uintptr            // machine code only
}

func (e *CrashError) Error() string {
	where := ""
	if e.Line != nil {
		where = fmt.Sprintf(", %s:%d", e.Line.File, e.Line.Line)
	}
	pc := ""
	if e.PC != 0 {
		pc = fmt.Sprintf(", pc %#x", e.PC)
	}
	return fmt.Sprintf("run %s (%s): bad access to address %#x at insn %d%s%s: this is a bug of modbpf",
		e.Program, e.Engine, e.Addr, e.Slot, pc, where)
}

// lineAt is the line of C a slot comes from, nil if not known.
func lineAt(p *verifier.Program, slot int) *verifier.LineInfo {
	var l *verifier.LineInfo
	for i := range p.Lines {
		if p.Lines[i].Insn > slot {
			break
		}
		l = &p.Lines[i]
	}
	return l
}

// faultAddr tells a memory fault of the Go runtime from other panics.
func faultAddr(r any) (uintptr, bool) {
	err, ok := r.(runtime.Error)
	if !ok {
		return 0, false
	}
	if a, ok := r.(interface{ Addr() uintptr }); ok {
		return a.Addr(), true
	}
	return 0, err.Error() == "runtime error: invalid memory address or nil pointer dereference"
}
