// SPDX-License-Identifier: Apache-2.0

package structops

import "github.com/modbpf/modbpf/bpf"

func cgroupDeviceHook(bpf.Release) Hook {
	return Hook{
		Name: "cgroup_device", Sections: []string{"cgroup/dev"}, Attach: []bpf.AttachType{bpf.AttachCgroupDevice},
		Ctx: "bpf_cgroup_dev_ctx", CtxSize: 12, Helpers: "cgroup_dev_func_proto", Ret: interval(0, 1), Caps: netAdmin,
		CtxFields: rows(narrow("access_type", 0, 4), field("major", 4, 4), field("minor", 8, 4)),
		File:      "kernel/bpf/cgroup.c", Config: "CONFIG_CGROUP_BPF",
		Doc: "1 lets a process of the cgroup use a device, 0 refuses",
	}
}

func cgroupSysctlHook(bpf.Release) Hook {
	return Hook{
		Name: "cgroup_sysctl", Sections: []string{"cgroup/sysctl"}, Attach: []bpf.AttachType{bpf.AttachCgroupSysctl},
		Ctx: "bpf_sysctl", CtxSize: 8, Helpers: "sysctl_func_proto", Ret: interval(0, 1), Caps: netAdmin,
		CtxFields: rows(narrow("write", 0, 4), narrow("file_pos", 4, 4).writable()),
		File:      "kernel/bpf/cgroup.c", Config: "CONFIG_CGROUP_BPF",
		Doc: "1 lets a process of the cgroup read or write a sysctl, 0 refuses",
	}
}

func cgroupSockoptHook(bpf.Release) Hook {
	get, set := bpf.AttachCgroupGetsockopt, bpf.AttachCgroupSetsockopt
	return Hook{
		Name: "cgroup_sockopt", Sections: []string{"cgroup/getsockopt", "cgroup/setsockopt"}, Attach: []bpf.AttachType{get, set}, AttachStrict: true,
		Ctx: "bpf_sockopt", CtxSize: 40, Helpers: "cg_sockopt_func_proto", Ret: interval(0, 1), Caps: netAdmin,
		DirectPacket: true, DirectPacketWrite: true,
		CtxFields: rows(pointer("sk", 0, 8, KindSocket), pointer("optval", 8, 8, KindPacket), pointer("optval_end", 16, 8, KindPacketEnd),
			field("level", 24, 4).writableOn(set), field("optname", 28, 4).writableOn(set), field("optlen", 32, 4).writable(),
			field("retval", 36, 4).writable().on(get)),
		File: "kernel/bpf/cgroup.c", Config: "CONFIG_CGROUP_BPF",
		Doc: "sees and changes socket options that processes of the cgroup set or ask for",
	}
}

func lircHook(bpf.Release) Hook {
	return Hook{
		Name: "lirc_mode2", Sections: []string{"lirc_mode2"}, Attach: []bpf.AttachType{bpf.AttachLircMode2},
		Ctx: "unsigned int", CtxSize: 4, Helpers: "lirc_mode2_func_proto", Caps: []string{"CAP_BPF"},
		CtxFields: rows(field("sample", 0, 4)),
		File:      "drivers/media/rc/bpf-lirc.c", Config: "CONFIG_BPF_LIRC_MODE2",
		Doc: "decodes infrared pulses",
	}
}

func netfilterHook(bpf.Release) Hook {
	btf := func(name string, off int, s string) Access {
		a := pointer(name, off, 8, KindBTF)
		a.BTF = s
		return a
	}
	return Hook{
		Name: "netfilter", Sections: []string{"netfilter"}, Attach: []bpf.AttachType{bpf.AttachNetfilter}, AttachStrict: true,
		Ctx: "bpf_nf_ctx", CtxSize: 16, Helpers: "bpf_nf_func_proto", Ret: interval(0, 1), Caps: netAdmin,
		CtxFields: rows(btf("state", 0, "nf_hook_state"), btf("skb", 8, "sk_buff")),
		File:      "net/netfilter/nf_bpf_link.c", Config: "CONFIG_NETFILTER_BPF_LINK",
		Doc: "1 accepts a packet at a netfilter hook, 0 drops it",
	}
}

func syscallHook(rel bpf.Release) Hook {
	h := Hook{
		Name: "syscall", Sections: []string{"syscall"}, Ctx: "", CtxSize: 65535, Helpers: "syscall_prog_func_proto",
		Sleepable: true, AlwaysSleepable: true, AttachStrict: true, Attach: []bpf.AttachType{0}, Caps: []string{"CAP_BPF"}, FixedOff: true,
		File: "kernel/bpf/syscall.c",
		Doc:  "is run by a process with a context of its own making, in that process's context",
	}
	// Whatever begins before the last byte is in bounds up to 6.18.
	word := func(size int, s Sizes) Access {
		return Access{Field: "bytes", Size: size, Read: true, Write: true, Narrow: true, ReadSizes: s, WriteSizes: s}
	}
	if rel.AtLeast(v72) {
		a := word(65535, 1|2|4|8)
		a.Unaligned = true
		h.CtxFields, h.VarOff = []Access{a}, true
	} else {
		h.CtxFields = rows(word(65535, 1), word(65536, 2|4|8))
	}
	return h
}
