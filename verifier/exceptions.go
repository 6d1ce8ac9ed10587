// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"strings"

	"github.com/modbpf/modbpf/btf"
)

// Exceptions: bpf_throw unwinds every frame and returns from the program, with
// the cookie as result or through the program's exception callback, a global
// function named by the declaration tag exception_callback:NAME on the main
// function.

const excTag = "exception_callback:"

// exceptionEntry finds the first instruction of the function that an
// exception_callback tag of the main program names; -1 if there is none.
func (e *env) exceptionEntry() (int, *Diagnostic) {
	if e.prog.BTF == nil || len(e.prog.Funcs) == 0 {
		return -1, nil
	}
	s := e.prog.BTF
	name, n := "", 0
	for _, d := range s.DeclTags(e.prog.Funcs[0].Type) {
		if d.Component == -1 && strings.HasPrefix(d.Tag, excTag) {
			name, n = strings.TrimPrefix(d.Tag, excTag), n+1
		}
	}
	switch {
	case n == 0:
		return -1, nil
	case n > 1:
		return -1, e.errAt(-1, CodeExceptionCB, "multiple exception callback tags for main subprog")
	}
	id, ok := s.Find(name, btf.KindFunc)
	if !ok {
		return -1, e.errAt(-1, CodeExceptionCB, "exception callback '%s' could not be found in BTF", name)
	}
	if s.Linkage(id) != 1 {
		return -1, e.errAt(-1, CodeExceptionCB, "exception callback '%s' must have global linkage", name)
	}
	at := -1
	for i := range e.prog.Funcs {
		if e.prog.Funcs[i].Type == id {
			at = e.prog.Funcs[i].Insn
		}
	}
	switch at {
	case 0:
		return -1, e.errAt(-1, CodeExceptionCB, "invalid exception callback insn_off in func_info: 0")
	case -1:
		return -1, e.errAt(-1, CodeExceptionCB, "exception callback type id not found in func_info")
	}
	return at, nil
}

// checkThrow judges bpf_throw: without a callback the cookie in R1 is the
// program's result.
func (e *env) checkThrow() *Diagnostic {
	e.seenExc = true
	if e.excCB == 0 {
		return e.checkReturnCode(1, "R1")
	}
	return nil
}
