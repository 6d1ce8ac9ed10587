// SPDX-License-Identifier: Apache-2.0

package world

import (
	"os"
	"slices"

	"github.com/modbpf/modbpf/framework/host/typed"
)

// Current is the task_struct programs see as the current task: this process,
// unless the model that runs them set another. Nil when the profile has no such
// type.
func (w *World) Current() *typed.Object {
	w.current.once.Do(func() {
		l, err := w.Layouts.Of("task_struct")
		if err != nil {
			return
		}
		t, err := l.New(w.Mem, 0)
		if err != nil {
			return
		}
		t.SetIfHas("pid", uint64(os.Getpid()))
		t.SetIfHas("tgid", uint64(os.Getpid()))
		if l.Has("comm") {
			t.SetString("comm", "modbpf")
		}
		for _, f := range []string{"group_leader", "real_parent", "parent"} {
			t.SetIfHas(f, uint64(t.Addr))
		}
		w.current.task = t
	})
	return w.current.task
}

// CurrentTask is the address of the run's current task, 0 if there is none.
func (r *Run) CurrentTask() uintptr {
	if r.Task != 0 {
		return r.Task
	}
	if t := r.World.Current(); t != nil {
		return t.Addr
	}
	return 0
}

// OnFree has fn called when a model frees a kernel object: local storage goes
// with it. The result ends that.
func (w *World) OnFree(fn func(addr uintptr)) (stop func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	h := &freeHook{fn}
	w.freed = append(slices.Clone(w.freed), h)
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.freed = slices.DeleteFunc(slices.Clone(w.freed), func(o *freeHook) bool { return o == h })
	}
}

type freeHook struct{ fn func(addr uintptr) }

// Freed is called by models when a kernel object goes, before its memory does.
func (w *World) Freed(addr uintptr) {
	w.mu.Lock()
	all := w.freed
	w.mu.Unlock()
	for _, h := range all {
		h.fn(addr)
	}
}
