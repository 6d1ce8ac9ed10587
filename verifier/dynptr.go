// SPDX-License-Identifier: Apache-2.0

package verifier

import "github.com/modbpf/modbpf/kfuncs"

// processDynptrArg judges a dynptr argument of a helper.
func (e *env) processDynptrArg(regno int, flags kfuncs.ArgFlags, call *helperCall) *Diagnostic {
	return e.notBuilt("dynptr argument")
}

// markDynptrHelperRet fills R0 and registers a dynptr for the dynptr helpers
// after their arguments were judged.
func (e *env) dynptrHelper(call *helperCall) *Diagnostic { return e.notBuilt("dynptr helper") }

// destroyDynptrAt forgets the dynptr that slot spi of a frame is part of because
// the program overwrites it; an error if it is referenced.
func (e *env) destroyDynptrAt(f *Frame, spi int) *Diagnostic {
	return e.notBuilt("dynptr on the stack")
}
