// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/btf"
)

// GPL gating, as the kernel does it: by program type, kfunc, gpl_only helper
// and access through kernel pointers, never by EXPORT_SYMBOL_GPL.

const gplFix = "declare a GPL-compatible licence, such as \"GPL\" or \"Dual BSD/GPL\", if that is what the source has"

func (e *env) gplRefuse(code Code, format string, args ...any) *Diagnostic {
	d := e.errf(code, format, args...)
	d.Contract = "the object's licence is \"" + e.prog.License + "\", which the kernel does not take as GPL compatible"
	d.Fix = gplFix
	return d
}

// gplProgram judges the program type: struct_ops and LSM programs must be GPL.
func (e *env) gplProgram() *Diagnostic {
	if e.gpl {
		return nil
	}
	switch e.prog.Type {
	case bpf.ProgStructOps:
		return e.gplRefuse(CodeGPLProgram, "struct ops programs must have a GPL compatible license")
	case bpf.ProgLSM:
		return e.gplRefuse(CodeGPLProgram, "LSM programs must have a GPL compatible license")
	}
	return nil
}

// gplPointer judges access to a kernel structure.
func (e *env) gplPointer(s *btf.Spec, name string) *Diagnostic {
	if e.gpl || !e.isKernelBTF(s) {
		return nil
	}
	return e.gplRefuse(CodeGPLPointer, "Cannot access kernel 'struct %s' from non-GPL compatible program", name)
}

// gplKfunc judges the first kfunc call of a program.
func (e *env) gplKfunc(name string) *Diagnostic {
	if e.gpl {
		return nil
	}
	return e.gplRefuse(CodeGPLKfunc, "cannot call kernel function %s from non-GPL compatible program", name)
}
