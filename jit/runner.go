// SPDX-License-Identifier: Apache-2.0

package jit

// NewRunner makes a Runner: an executable's Run for a caller that runs it again
// and again and never twice at once, a CPU of the host or a device's goroutine.
// It costs half of Run, which has to find and lock a run state first. The
// executable must outlive it.
func NewRunner(x Executable) (*Runner, error) {
	r := &Runner{x: x}
	return r, r.prepare()
}
