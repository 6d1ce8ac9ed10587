// SPDX-License-Identifier: Apache-2.0

package verifier

// checkKptrArg judges the destination argument of bpf_kptr_xchg.
func (e *env) checkKptrArg(regno int, call *helperCall) *Diagnostic {
	return e.notBuilt("kptr exchange")
}

// markKptrRet makes R0 what bpf_kptr_xchg gives back.
func (e *env) markKptrRet(call *helperCall) *Diagnostic { return e.notBuilt("kptr exchange") }
