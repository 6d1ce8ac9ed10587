// SPDX-License-Identifier: Apache-2.0

package verifier

// prepareArgs reads the BTF types and tags of a global subprogram's arguments
// into subs[sub].args. A refusal is for calls only; argsState says if it was read.
func (e *env) prepareArgs(sub int) *Diagnostic { return e.notBuilt("arguments of global functions") }

// checkTypedArg judges an argument of a call to a global function that is a
// dynptr or BTF pointer.
func (e *env) checkTypedArg(regno int, a *subArg) *Diagnostic {
	return e.notBuilt("typed argument of a global function")
}
