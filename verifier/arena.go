// SPDX-License-Identifier: Apache-2.0

package verifier

// addrSpaceCast judges a cast between address spaces (MOV with Off == 1).
func (e *env) addrSpaceCast() *Diagnostic { return e.notBuilt("address space cast") }
