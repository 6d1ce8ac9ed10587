// SPDX-License-Identifier: Apache-2.0

package verifier

// checkSpinLockArg judges bpf_spin_lock (lock) and bpf_spin_unlock of Regs[regno].
func (e *env) checkSpinLockArg(regno int, lock bool) *Diagnostic { return e.notBuilt("spin lock") }

// checkTimerArg judges the bpf_timer argument of a timer helper.
func (e *env) checkTimerArg(regno int, call *helperCall) *Diagnostic { return e.notBuilt("timer") }
