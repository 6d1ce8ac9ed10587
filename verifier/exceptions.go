// SPDX-License-Identifier: Apache-2.0

package verifier

// findExceptionCB finds the subprogram named by an exception_callback tag and
// sets e.excCB; it runs after subprograms are known.
func (e *env) findExceptionCB() *Diagnostic { return nil }
