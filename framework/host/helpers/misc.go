// SPDX-License-Identifier: Apache-2.0

package helpers

import (
	"time"

	"github.com/modbpf/modbpf/framework/host/maps"
	"github.com/modbpf/modbpf/framework/host/mem"
	"github.com/modbpf/modbpf/framework/host/world"
	"github.com/modbpf/modbpf/jit"
)

// A run is a read-side section from Enter to Exit and keeps its CPU: marking
// sections within it needs nothing more.
var sectionKfuncs = []Kfunc{
	{"bpf_rcu_read_lock", zero},
	{"bpf_rcu_read_unlock", zero},
	{"bpf_preempt_disable", zero},
	{"bpf_preempt_enable", zero},
	{"bpf_local_irq_save", irqSave},
	{"bpf_local_irq_restore", zero},
	{"bpf_res_spin_lock", resLock},
	{"bpf_res_spin_unlock", resUnlock},
	{"bpf_res_spin_lock_irqsave", resLockIRQ},
	{"bpf_res_spin_unlock_irqrestore", resUnlock},
}

var miscKfuncs = []Kfunc{
	{"bpf_throw", throw},
	{"bpf_cast_to_kern_ctx", first},
	{"bpf_rdonly_cast", first},
	{"bpf_task_acquire", first},
	{"bpf_task_release", zero},
	{"bpf_task_from_pid", taskFromPid},
	{"bpf_task_from_vpid", taskFromPid},
	{"bpf_map_sum_elem_count", mapCount},
	{"bpf_stream_vprintk", streamPrintk},
	{"bpf_stream_vprintk_impl", streamPrintk},
	{"bpf_arena_alloc_pages", arenaAlloc},
	{"bpf_arena_free_pages", arenaFree},
}

func first(_ *jit.Frame, p, _, _, _, _ uint64) uint64 { return p }

func throw(f *jit.Frame, cookie, _, _, _, _ uint64) uint64 {
	f.Throw(cookie)
	return 0
}

func irqSave(_ *jit.Frame, flags, _, _, _, _ uint64) uint64 {
	*mem.U64(uintptr(flags)) = 0
	return 0
}

// resTimeout is how long the kernel's resilient lock waits before it gives up.
const resTimeout = 250 * time.Millisecond

func resLock(f *jit.Frame, l, _, _, _, _ uint64) uint64 {
	r := run(f)
	if r.Holds(uintptr(l)) {
		return maps.EDEADLK.R0()
	}
	if !world.LockFor(uintptr(l), resTimeout) {
		return maps.ETIMEDOUT.R0()
	}
	r.Took(uintptr(l))
	return 0
}

func resLockIRQ(f *jit.Frame, l, flags, _, _, _ uint64) uint64 {
	if e := resLock(f, l, 0, 0, 0, 0); e != 0 {
		return e
	}
	*mem.U64(uintptr(flags)) = 0
	return 0
}

func resUnlock(f *jit.Frame, l, _, _, _, _ uint64) uint64 {
	run(f).Gave(uintptr(l))
	world.Unlock(uintptr(l))
	return 0
}

// taskFromPid knows only the current task: the host has no others.
func taskFromPid(f *jit.Frame, pid, _, _, _, _ uint64) uint64 {
	r := run(f)
	t := r.World.Current()
	if t == nil || int32(t.Layout.At(r.CurrentTask()).Get("pid")) != int32(pid) {
		return 0
	}
	return uint64(r.CurrentTask())
}

func mapCount(_ *jit.Frame, m, _, _, _, _ uint64) uint64 {
	if c, ok := maps.FromHandle(uintptr(m)).(interface{ Len() int }); ok {
		return uint64(c.Len())
	}
	return 0
}

func streamPrintk(f *jit.Frame, stream, format, args, n, _ uint64) uint64 {
	if s := int32(stream); s != 1 && s != 2 {
		return maps.ENOENT.R0()
	}
	if n&7 != 0 || uint32(n) > maxPrintArgs*8 || uint32(n) != 0 && args == 0 {
		return maps.EINVAL.R0()
	}
	return printLine(f, uintptr(format), 1<<20, argsAt(uintptr(args), int(uint32(n)/8)))
}

func arenaAlloc(_ *jit.Frame, m, addr, n, _, flags uint64) uint64 {
	if flags != 0 {
		return 0
	}
	return maps.FromHandle(uintptr(m)).(*maps.Arena).Alloc(addr, uint32(n))
}

func arenaFree(_ *jit.Frame, m, addr, n, _, _ uint64) uint64 {
	maps.FromHandle(uintptr(m)).(*maps.Arena).Free(addr, uint32(n))
	return 0
}
