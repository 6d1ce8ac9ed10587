// SPDX-License-Identifier: Apache-2.0

//go:build !linux || !amd64

package jit

// Runner runs one executable for one caller at a time.
type Runner struct{ x Executable }

func (r *Runner) prepare() error { return nil }

// Run is Executable.Run.
func (r *Runner) Run(ctx uintptr, user any) (uint64, error) { return r.x.Run(ctx, user) }

// Close gives the run state back.
func (r *Runner) Close() {}
