// SPDX-License-Identifier: Apache-2.0

package helpers

import (
	"os"
	"sync/atomic"

	"github.com/modbpf/modbpf/framework/host/maps"
	"github.com/modbpf/modbpf/framework/host/mem"
	"github.com/modbpf/modbpf/framework/host/world"
	"github.com/modbpf/modbpf/jit"
)

var controlHelpers = []Helper{
	{181, "loop", []string{"bpf_loop_proto"}, loop},
	{93, "spin_lock", []string{"bpf_spin_lock_proto"}, spinLock},
	{94, "spin_unlock", []string{"bpf_spin_unlock_proto"}, spinUnlock},
	{194, "kptr_xchg", []string{"bpf_kptr_xchg_proto"}, kptrXchg},
	{153, "per_cpu_ptr", []string{"bpf_per_cpu_ptr_proto"}, perCPUPtr},
	{154, "this_cpu_ptr", []string{"bpf_this_cpu_ptr_proto"}, thisCPUPtr},
}

var taskHelpers = []Helper{
	{14, "get_current_pid_tgid", []string{"bpf_get_current_pid_tgid_proto"}, currentPidTgid},
	{15, "get_current_uid_gid", []string{"bpf_get_current_uid_gid_proto"}, currentUidGid},
	{16, "get_current_comm", []string{"bpf_get_current_comm_proto"}, currentComm},
	{35, "get_current_task", []string{"bpf_get_current_task_proto"}, currentTask},
	{158, "get_current_task_btf", []string{"bpf_get_current_task_btf_proto"}, currentTask},
	{80, "get_current_cgroup_id", []string{"bpf_get_current_cgroup_id_proto"}, one},
	{183, "get_func_arg", []string{"bpf_get_func_arg_proto"}, funcArg},
	{184, "get_func_ret", []string{"bpf_get_func_ret_proto"}, funcRet},
	{185, "get_func_arg_cnt", []string{"bpf_get_func_arg_cnt_proto"}, funcArgCount},
	{174, "get_attach_cookie", []string{"bpf_get_attach_cookie_proto_tracing"}, attachCookie},
}

// maxLoops is BPF_MAX_LOOPS.
const maxLoops = 8 << 20

func loop(f *jit.Frame, n, fn, ctx, flags, _ uint64) uint64 {
	n = uint64(uint32(n))
	if flags != 0 {
		return maps.EINVAL.R0()
	}
	if n > maxLoops {
		return maps.E2BIG.R0()
	}
	for i := range n {
		r, err := f.Call(fn, i, ctx, 0, 0, 0)
		if err != nil || r != 0 {
			return i + 1
		}
	}
	return n
}

func spinLock(_ *jit.Frame, l, _, _, _, _ uint64) uint64 {
	world.Lock(uintptr(l))
	return 0
}

func spinUnlock(_ *jit.Frame, l, _, _, _, _ uint64) uint64 {
	world.Unlock(uintptr(l))
	return 0
}

func kptrXchg(_ *jit.Frame, slot, p, _, _, _ uint64) uint64 {
	return atomic.SwapUint64(mem.U64(uintptr(slot)), p)
}

func perCPUPtr(f *jit.Frame, p, cpu, _, _, _ uint64) uint64 {
	w := run(f).World
	if uint32(cpu) >= uint32(w.CPUs()) {
		return 0
	}
	return uint64(w.Objects.PerCPU(uintptr(p), int(uint32(cpu))))
}

func thisCPUPtr(f *jit.Frame, p, _, _, _, _ uint64) uint64 {
	r := run(f)
	return uint64(r.World.Objects.PerCPU(uintptr(p), r.CPU))
}

func one(*jit.Frame, uint64, uint64, uint64, uint64, uint64) uint64 { return 1 }

func currentPidTgid(f *jit.Frame, _, _, _, _, _ uint64) uint64 {
	r := run(f)
	t := r.World.Current()
	if t == nil {
		return maps.EINVAL.R0()
	}
	task := t.Layout.At(r.CurrentTask())
	return task.Get("tgid")<<32 | task.Get("pid")&0xffffffff
}

func currentUidGid(*jit.Frame, uint64, uint64, uint64, uint64, uint64) uint64 {
	return uint64(uint32(os.Getgid()))<<32 | uint64(uint32(os.Getuid()))
}

func currentComm(f *jit.Frame, buf, size, _, _, _ uint64) uint64 {
	r := run(f)
	b := mem.Bytes(uintptr(buf), int(uint32(size)))
	clear(b)
	t := r.World.Current()
	if t == nil || len(b) == 0 {
		return maps.EINVAL.R0()
	}
	copy(b[:len(b)-1], t.Layout.At(r.CurrentTask()).String("comm"))
	return 0
}

func currentTask(f *jit.Frame, _, _, _, _, _ uint64) uint64 { return uint64(run(f).CurrentTask()) }

func funcArg(_ *jit.Frame, ctx, n, value, _, _ uint64) uint64 {
	out := mem.U64(uintptr(value))
	if uint64(uint32(n)) >= *mem.U64(uintptr(ctx) - 8) {
		return maps.EINVAL.R0()
	}
	*out = *mem.U64(uintptr(ctx) + 8*uintptr(uint32(n)))
	return 0
}

func funcRet(_ *jit.Frame, ctx, value, _, _, _ uint64) uint64 {
	*mem.U64(uintptr(value)) = *mem.U64(uintptr(ctx) + 8*uintptr(*mem.U64(uintptr(ctx) - 8)))
	return 0
}

func funcArgCount(_ *jit.Frame, ctx, _, _, _, _ uint64) uint64 { return *mem.U64(uintptr(ctx) - 8) }
func attachCookie(_ *jit.Frame, ctx, _, _, _, _ uint64) uint64 { return *mem.U64(uintptr(ctx) - 16) }
