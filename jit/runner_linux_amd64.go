// SPDX-License-Identifier: Apache-2.0

package jit

// Runner runs one executable for one caller at a time.
type Runner struct {
	x     Executable
	code  *machineCode // nil when interpreted or measured
	t     *thread
	ended uint32 // what enterOnce clears; nobody waits for it
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
	r.code, r.t = x, t
	return nil
}

// Run is Executable.Run.
func (r *Runner) Run(ctx uintptr, user any) (uint64, error) {
	x, t := r.code, r.t
	if x == nil {
		return r.x.Run(ctx, user)
	}
	if x.leave {
		t.Ctx, t.User = ctx, user
	}
	r0, code := enterOnce(t.m, x.entry, ctx, &r.ended)
	if code == 0 {
		return r0, nil
	}
	r0, err := x.finish(t)
	t.User = nil
	return r0, err
}

// Close gives the run state back.
func (r *Runner) Close() {
	if r.t != nil {
		r.t.retire()
		r.t, r.code = nil, nil
	}
}
