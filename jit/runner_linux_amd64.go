// SPDX-License-Identifier: Apache-2.0

package jit

// Runner runs one executable for one caller at a time.
type Runner struct {
	m    *runState // nil when interpreted or measured
	t    *thread
	code *machineCode
	x    Executable
}

func (r *Runner) prepare() error {
	x, ok := r.x.(*machineCode)
	if !ok {
		return nil
	}
	t, err := newThread(x)
	if err != nil {
		return err
	}
	r.code, r.t, r.m = x, t, t.m
	return nil
}

// Run is Executable.Run.
func (r *Runner) Run(ctx uintptr, user any) (uint64, error) {
	if r.m == nil {
		return r.x.Run(ctx, user)
	}
	if r.code.leave {
		r.t.Ctx, r.t.User = ctx, user
	}
	r0, code := enterOnce(r.m, ctx)
	if code == 0 {
		return r0, nil
	}
	r0, err := r.code.finish(r.t)
	r.t.User = nil
	return r0, err
}

// Close gives the run state back.
func (r *Runner) Close() {
	if r.t != nil {
		r.t.retire()
		r.t, r.code, r.m = nil, nil, nil
	}
}
