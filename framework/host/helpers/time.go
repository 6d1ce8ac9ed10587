// SPDX-License-Identifier: Apache-2.0

package helpers

import (
	"github.com/modbpf/modbpf/jit"
)

var timeHelpers = []Helper{
	{5, "ktime_get_ns", []string{"bpf_ktime_get_ns_proto"}, ktimeNS},
	{125, "ktime_get_boot_ns", []string{"bpf_ktime_get_boot_ns_proto"}, ktimeNS},
	{160, "ktime_get_coarse_ns", []string{"bpf_ktime_get_coarse_ns_proto"}, ktimeCoarse},
	{208, "ktime_get_tai_ns", []string{"bpf_ktime_get_tai_ns_proto"}, ktimeTAI},
	{118, "jiffies64", []string{"bpf_jiffies64_proto"}, jiffies},
	{7, "get_prandom_u32", []string{"bpf_get_prandom_u32_proto"}, prandom},
	{8, "get_smp_processor_id", []string{"bpf_get_smp_processor_id_proto", "bpf_get_raw_smp_processor_id_proto"}, smpID},
	{42, "get_numa_node_id", []string{"bpf_get_numa_node_id_proto"}, zero},
}

func zero(*jit.Frame, uint64, uint64, uint64, uint64, uint64) uint64 { return 0 }

func ktimeNS(f *jit.Frame, _, _, _, _, _ uint64) uint64 { return run(f).World.Clock.Now() }

func ktimeCoarse(f *jit.Frame, _, _, _, _, _ uint64) uint64 {
	c := run(f).World.Clock
	tick := 1_000_000_000 / c.HZ()
	return c.Now() / tick * tick
}

// taiOffset is TAI minus UTC since 2017.
const taiOffset = 37_000_000_000

func ktimeTAI(f *jit.Frame, _, _, _, _, _ uint64) uint64 {
	return run(f).World.Clock.Wall() + taiOffset
}

func jiffies(f *jit.Frame, _, _, _, _, _ uint64) uint64 { return run(f).World.Clock.Jiffies() }

func prandom(f *jit.Frame, _, _, _, _, _ uint64) uint64 { return run(f).Rand() >> 32 }

func smpID(f *jit.Frame, _, _, _, _, _ uint64) uint64 { return uint64(run(f).CPU) }
