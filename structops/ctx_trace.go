// SPDX-License-Identifier: Apache-2.0

package structops

import "github.com/modbpf/modbpf/bpf"

var perfmon = []string{"CAP_BPF", "CAP_PERFMON"}

// anyRead is memory that may be read in aligned accesses of any size.
func anyRead(name string, off, size int) Access {
	return Access{Field: name, Off: off, Size: size, Read: true, Narrow: true, ReadSizes: 1 | 2 | 4 | 8}
}

// ptRegsSize is the size of struct pt_regs on amd64.
const ptRegsSize = 168

func kprobeHook(rel bpf.Release) Hook {
	regs := anyRead("regs", 0, ptRegsSize)
	ret := map[bpf.AttachType]Range{bpf.AttachTraceKprobeSession: {0, 1}}
	if rel.AtLeast(v618) {
		regs.Write, regs.WriteSizes = true, 1|2|4|8 // only uprobes may be attached once a program does
		ret[bpf.AttachTraceUprobeSession] = Range{0, 1}
	}
	return Hook{
		Name: "kprobe",
		Sections: []string{
			"kprobe/+", "kretprobe/+", "ksyscall/+", "kretsyscall/+", "kprobe.multi/+", "kretprobe.multi/+", "kprobe.session/+",
			"uprobe/+", "uprobe.s/+", "uretprobe/+", "uretprobe.s/+", "uprobe.multi/+", "uprobe.multi.s/+", "uretprobe.multi/+", "uretprobe.multi.s/+",
			"uprobe.session/+", "uprobe.session.s/+", "usdt/+", "usdt.s/+",
		},
		Attach: []bpf.AttachType{bpf.AttachTraceKprobeMulti, bpf.AttachTraceUprobeMulti, bpf.AttachTraceKprobeSession, bpf.AttachTraceUprobeSession},
		Ctx:    "pt_regs", CtxSize: ptRegsSize, Helpers: "kprobe_prog_func_proto", Sleepable: true, Caps: perfmon, FixedOff: true,
		CtxFields:   []Access{regs},
		RetByAttach: ret,
		File:        "kernel/trace/bpf_trace.c", Config: "CONFIG_BPF_EVENTS",
		Doc: "runs at an instruction of the kernel or of a process; only those of a process may sleep",
	}
}

func tracepointHook(rel bpf.Release) Hook {
	return Hook{
		Name: "tracepoint", Sections: []string{"tracepoint/+", "tp/+", "tracepoint.s/+", "tp.s/+"},
		CtxSize: 8192, Helpers: "tp_prog_func_proto", Sleepable: rel.AtLeast(v72), Caps: perfmon, FixedOff: true,
		CtxFields: []Access{anyRead("record", 8, 8192-8)},
		File:      "kernel/trace/bpf_trace.c", Config: "CONFIG_BPF_EVENTS",
		Doc: "runs at a tracepoint; its record is the context, whose first eight bytes are the kernel's own. Attaching compares what was read with the record's size",
	}
}

func rawTracepointHook(rel bpf.Release) Hook {
	return Hook{
		Name: "raw_tracepoint", Sections: []string{"raw_tracepoint/+", "raw_tp/+", "raw_tracepoint.s/+", "raw_tp.s/+"},
		Ctx: "bpf_raw_tracepoint_args", CtxSize: 96, Helpers: "raw_tp_prog_func_proto", Sleepable: rel.AtLeast(v72), Caps: perfmon, FixedOff: true,
		CtxFields: []Access{anyRead("args", 0, 96)},
		File:      "kernel/trace/bpf_trace.c", Config: "CONFIG_BPF_EVENTS",
		Doc: "runs at a tracepoint with its arguments as numbers",
	}
}

func rawTracepointWritableHook(bpf.Release) Hook {
	return Hook{
		Name: "raw_tracepoint_writable", Sections: []string{"raw_tracepoint.w/+", "raw_tp.w/+"},
		Ctx: "bpf_raw_tracepoint_args", CtxSize: 96, Helpers: "raw_tp_prog_func_proto", Caps: perfmon, FixedOff: true,
		CtxFields: []Access{pointer("args[0]", 0, 8, KindTPBuffer), anyRead("args", 8, 88), {Field: "args[0]", Off: 1, Size: 7, Read: true, Narrow: true, ReadSizes: 1 | 2 | 4}},
		File:      "kernel/trace/bpf_trace.c", Config: "CONFIG_BPF_EVENTS",
		Doc: "runs at a tracepoint that lets a buffer be written",
	}
}

func perfEventHook(bpf.Release) Hook {
	var a []Access
	for o := 0; o < ptRegsSize; o += 8 {
		a = append(a, field("regs", o, 8))
	}
	return Hook{
		Name: "perf_event", Sections: []string{"perf_event"}, Ctx: "bpf_perf_event_data", CtxSize: 184, Helpers: "pe_prog_func_proto", Caps: perfmon,
		CtxFields: rows(a, narrow("sample_period", 168, 8), narrow("addr", 176, 8)),
		File:      "kernel/trace/bpf_trace.c", Config: "CONFIG_BPF_EVENTS",
		Doc: "runs when a performance counter overflows",
	}
}

func tracingHook(rel bpf.Release) Hook {
	sleep := []bpf.AttachType{bpf.AttachTraceFentry, bpf.AttachTraceFexit, bpf.AttachModifyReturn, bpf.AttachTraceIter}
	ret := map[bpf.AttachType]Range{bpf.AttachTraceFentry: {0, 0}, bpf.AttachTraceFexit: {0, 0}, bpf.AttachTraceIter: {0, 1}}
	attach := []bpf.AttachType{bpf.AttachTraceRawTP, bpf.AttachTraceFentry, bpf.AttachTraceFexit, bpf.AttachModifyReturn, bpf.AttachTraceIter}
	if rel.AtLeast(v72) {
		more := []bpf.AttachType{bpf.AttachTraceFsession, bpf.AttachTraceFentryMulti, bpf.AttachTraceFexitMulti, bpf.AttachTraceFsessionMulti}
		for _, t := range more {
			ret[t] = Range{0, 0}
		}
		attach = append(attach, more...)
		sleep = append(append(sleep, bpf.AttachTraceRawTP), more...)
	}
	return Hook{
		Name: "tracing",
		Sections: []string{
			"tp_btf/+", "tp_btf.s/+", "fentry/+", "fentry.s/+", "fexit/+", "fexit.s/+", "fmod_ret/+", "fmod_ret.s/+", "iter/+", "iter.s/+",
			"fsession/+", "fsession.s/+", "fentry.multi/+", "fentry.multi.s/+", "fexit.multi/+", "fexit.multi.s/+", "fsession.multi/+", "fsession.multi.s/+",
		},
		Attach: attach, CtxSize: 96, CtxBTF: true, Helpers: "tracing_prog_func_proto", Sleepable: true, SleepableAttach: sleep, RetByAttach: ret,
		Caps: perfmon, FixedOff: true,
		File: "kernel/trace/bpf_trace.c", Config: "CONFIG_BPF_EVENTS",
		Doc: "runs at a function, a tracepoint or as an iterator, with typed arguments; a raw tracepoint or a changed return value may have any result",
	}
}

func lsmHook(rel bpf.Release) Hook {
	h := Hook{
		Name: "lsm", Sections: []string{"lsm/+", "lsm.s/+", "lsm_cgroup/+"}, Attach: []bpf.AttachType{bpf.AttachLSMMac, bpf.AttachLSMCgroup},
		CtxSize: 96, CtxBTF: true, Helpers: "bpf_lsm_func_proto", Sleepable: true, SleepableAttach: []bpf.AttachType{bpf.AttachLSMMac}, GPLOnly: true,
		Ret: nil, RetByAttach: map[bpf.AttachType]Range{bpf.AttachLSMCgroup: {0, 1}}, Caps: perfmon, FixedOff: true,
		File: "kernel/bpf/bpf_lsm.c", Config: "CONFIG_BPF_LSM",
		Doc: "runs at a security hook. A hook in the set bool_lsm_hooks returns 0 or 1, one without result anything, any other 0 or a negative error; " +
			"lsm_cgroup returns 1 for a hook without result. Only hooks in sleepable_lsm_hooks may sleep, those in bpf_lsm_disabled_hooks take no program",
	}
	if rel.AtLeast(v618) && rel.Less(v72) {
		h.SleepableAttach = nil // cgroup hooks were let through then
	}
	return h
}

func structOpsHook(bpf.Release) Hook {
	return Hook{
		Name: "struct_ops", Sections: []string{"struct_ops/+", "struct_ops.s/+"}, CtxSize: 96, CtxBTF: true, Sleepable: true, GPLOnly: true, Caps: perfmon,
		Attach: nil, Helpers: "", FixedOff: true,
		File: "kernel/bpf/bpf_struct_ops.c", Config: "CONFIG_BPF_JIT",
		Doc: "fills a slot of a struct_ops table; the table has the rules (see Table)",
	}
}

func extHook(bpf.Release) Hook {
	return Hook{
		Name: "ext", Sections: []string{"freplace/+"}, AttachStrict: true, Attach: []bpf.AttachType{0}, Caps: []string{"CAP_BPF", "CAP_NET_ADMIN", "CAP_PERFMON"},
		File: "kernel/bpf/verifier.c",
		Doc:  "replaces a global function of another program and lives by that program's rules",
	}
}

// hookMakers has a row for every program type.
var hookMakers = [...]hookMaker{
	{typ: bpf.ProgSocketFilter, make: socketFilterHook},
	{typ: bpf.ProgKprobe, make: kprobeHook},
	{typ: bpf.ProgSchedCls, make: tcHook("sched_cls",
		[]string{"tc", "classifier", "tc/ingress", "tc/egress", "tcx/ingress", "tcx/egress", "netkit/primary", "netkit/peer"},
		[]bpf.AttachType{bpf.AttachTCXIngress, bpf.AttachTCXEgress, bpf.AttachNetkitPrimary, bpf.AttachNetkitPeer})},
	{typ: bpf.ProgSchedAct, make: tcHook("sched_act", []string{"action"}, nil)},
	{typ: bpf.ProgTracepoint, make: tracepointHook},
	{typ: bpf.ProgXDP, make: xdpHook},
	{typ: bpf.ProgPerfEvent, make: perfEventHook},
	{typ: bpf.ProgCgroupSkb, make: cgroupSkbHook},
	{typ: bpf.ProgCgroupSock, make: cgroupSockHook},
	{typ: bpf.ProgLWTIn, make: lwtHook("lwt_in", "lwt_in_func_proto", false)},
	{typ: bpf.ProgLWTOut, make: lwtHook("lwt_out", "lwt_out_func_proto", false)},
	{typ: bpf.ProgLWTXmit, make: lwtHook("lwt_xmit", "lwt_xmit_func_proto", true)},
	{typ: bpf.ProgSockOps, make: sockOpsHook},
	{typ: bpf.ProgSKSkb, make: skSkbHook},
	{typ: bpf.ProgCgroupDevice, make: cgroupDeviceHook},
	{typ: bpf.ProgSKMsg, make: skMsgHook},
	{typ: bpf.ProgRawTracepoint, make: rawTracepointHook},
	{typ: bpf.ProgCgroupSockAddr, make: sockAddrHook},
	{typ: bpf.ProgLWTSeg6local, make: lwtHook("lwt_seg6local", "lwt_seg6local_func_proto", false)},
	{typ: bpf.ProgLircMode2, make: lircHook},
	{typ: bpf.ProgSKReuseport, make: skReuseportHook},
	{typ: bpf.ProgFlowDissector, make: flowDissectorHook},
	{typ: bpf.ProgCgroupSysctl, make: cgroupSysctlHook},
	{typ: bpf.ProgRawTracepointWritable, make: rawTracepointWritableHook},
	{typ: bpf.ProgCgroupSockopt, make: cgroupSockoptHook},
	{typ: bpf.ProgTracing, make: tracingHook},
	{typ: bpf.ProgStructOps, make: structOpsHook},
	{typ: bpf.ProgExt, make: extHook},
	{typ: bpf.ProgLSM, make: lsmHook},
	{typ: bpf.ProgSKLookup, make: skLookupHook},
	{typ: bpf.ProgSyscall, make: syscallHook},
	{typ: bpf.ProgNetfilter, make: netfilterHook},
}
