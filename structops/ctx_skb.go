// SPDX-License-Identifier: Apache-2.0

package structops

import (
	"slices"

	"github.com/modbpf/modbpf/bpf"
)

// skbRows is struct __sk_buff: every field a packet program may have, less
// those without, with stores to those written. data and data_end are there for
// types with direct access to packets.
func skbRows(without, written []string) []Access {
	all := rows(
		narrow("len", 0, 4), narrow("pkt_type", 4, 4), narrow("mark", 8, 4), narrow("queue_mapping", 12, 4),
		narrow("protocol", 16, 4), narrow("vlan_present", 20, 4), narrow("vlan_tci", 24, 4), narrow("vlan_proto", 28, 4),
		narrow("priority", 32, 4), narrow("ingress_ifindex", 36, 4), narrow("ifindex", 40, 4), narrow("tc_index", 44, 4),
		Access{Field: "cb", Off: 48, Size: 20, Read: true, Narrow: true, ReadSizes: 1 | 2 | 4 | 8},
		narrow("hash", 68, 4), narrow("tc_classid", 72, 4),
		pointer("data", 76, 4, KindPacket), pointer("data_end", 80, 4, KindPacketEnd),
		narrow("napi_id", 84, 4),
		narrow("family", 88, 4), field("remote_ip4", 92, 4), field("local_ip4", 96, 4),
		array("remote_ip6", 100, 4), array("local_ip6", 116, 4),
		narrow("remote_port", 132, 4), narrow("local_port", 136, 4),
		pointer("data_meta", 140, 4, KindPacketMeta),
		field("tstamp", 152, 8), narrow("wire_len", 160, 4), narrow("gso_segs", 164, 4),
		pointer("sk", 168, 8, KindSockCommon).null(),
		narrow("gso_size", 176, 4), field("tstamp_type", 180, 1), field("hwtstamp", 184, 8),
	)
	all = slices.DeleteFunc(all, func(a Access) bool {
		return slices.Contains(without, a.Field) || a.Off >= 88 && a.Off < 140 && slices.Contains(without, "family...local_port")
	})
	for i := range all {
		if slices.Contains(written, all[i].Field) {
			all[i] = all[i].writable()
			if all[i].Field == "cb" {
				all[i].WriteSizes = 1 | 2 | 4 | 8
			}
		}
	}
	return all
}

func skbHook(h Hook, without, written []string) Hook {
	h.Ctx, h.CtxSize = "__sk_buff", 192
	h.CtxFields = skbRows(without, written)
	h.File = "net/core/filter.c"
	h.Config = "CONFIG_NET"
	return h
}

func socketFilterHook(bpf.Release) Hook {
	return skbHook(Hook{
		Name: "socket_filter", Sections: []string{"socket"}, Helpers: "sk_filter_func_proto", LdAbs: true,
		Doc: "sees the packets of a socket; the result is how many bytes to keep, 0 drops",
	}, []string{"tc_classid", "data", "data_meta", "data_end", "family...local_port", "tstamp", "wire_len", "hwtstamp", "tstamp_type"}, []string{"cb"})
}

func tcHook(name string, sections []string, attach []bpf.AttachType) func(bpf.Release) Hook {
	return func(bpf.Release) Hook {
		return skbHook(Hook{
			Name: name, Sections: sections, Attach: attach, Helpers: "tc_cls_act_func_proto", LdAbs: true,
			DirectPacket: true, DirectPacketWrite: true, Caps: netAdmin,
			Doc: "runs on a device's ingress or egress, as a classifier, tcx or netkit program",
		}, []string{"family...local_port"}, []string{"mark", "tc_index", "priority", "tc_classid", "cb", "tstamp", "queue_mapping"})
	}
}

func cgroupSkbHook(bpf.Release) Hook {
	h := skbHook(Hook{
		Name: "cgroup_skb", Sections: []string{"cgroup_skb/ingress", "cgroup_skb/egress", "cgroup/skb"},
		Attach: []bpf.AttachType{bpf.AttachCgroupInetIngress, bpf.AttachCgroupInetEgress}, AttachStrict: true,
		Helpers: "cg_skb_func_proto", DirectPacket: true, Ret: interval(0, 1),
		RetByAttach: map[bpf.AttachType]Range{bpf.AttachCgroupInetEgress: {0, 3}},
		Doc:         "1 lets a packet of the cgroup's sockets pass, 0 drops it; on egress bit 1 signals congestion",
	}, []string{"tc_classid", "data_meta", "wire_len", "tstamp_type"}, []string{"mark", "priority", "cb", "tstamp"})
	h.Config = "CONFIG_NET && CONFIG_CGROUP_BPF"
	return h
}

func lwtHook(name, fn string, write bool) func(bpf.Release) Hook {
	return func(bpf.Release) Hook {
		return skbHook(Hook{
			Name: name, Sections: []string{name}, Helpers: fn, DirectPacket: true, DirectPacketWrite: write, Caps: netAdmin,
			Doc: "runs where a route with a light-weight tunnel takes a packet",
		}, []string{"tc_classid", "family...local_port", "data_meta", "tstamp", "wire_len", "hwtstamp", "tstamp_type"}, []string{"mark", "priority", "cb"})
	}
}

func skSkbHook(bpf.Release) Hook {
	return skbHook(Hook{
		Name: "sk_skb", Sections: []string{"sk_skb", "sk_skb/stream_parser", "sk_skb/stream_verdict", "sk_skb/verdict"},
		Attach:  []bpf.AttachType{bpf.AttachSKSkbStreamParser, bpf.AttachSKSkbStreamVerdict, bpf.AttachSKSkbVerdict},
		Helpers: "sk_skb_func_proto", DirectPacket: true, DirectPacketWrite: true, Caps: netAdmin,
		Doc: "parses or judges what a socket in a sockmap receives",
	}, []string{"tc_classid", "data_meta", "tstamp", "wire_len", "hwtstamp", "mark", "tstamp_type"}, []string{"tc_index", "priority"})
}

func flowDissectorHook(bpf.Release) Hook {
	return Hook{
		Name: "flow_dissector", Sections: []string{"flow_dissector"}, Attach: []bpf.AttachType{bpf.AttachFlowDissector},
		Ctx: "__sk_buff", CtxSize: 192, Helpers: "flow_dissector_func_proto", DirectPacket: true, Caps: netAdmin,
		CtxFields: rows(pointer("data", 76, 4, KindPacket), pointer("data_end", 80, 4, KindPacketEnd), pointer("flow_keys", 144, 8, KindFlowKeys)),
		File:      "net/core/filter.c", Config: "CONFIG_NET",
		Doc: "fills in the keys of a packet's flow",
	}
}

func xdpHook(bpf.Release) Hook {
	return Hook{
		Name: "xdp", Sections: []string{"xdp", "xdp.frags", "xdp/devmap", "xdp.frags/devmap", "xdp/cpumap", "xdp.frags/cpumap"},
		Attach: []bpf.AttachType{bpf.AttachXDP, bpf.AttachXDPDevmap, bpf.AttachXDPCpumap},
		Ctx:    "xdp_md", CtxSize: 24, Helpers: "xdp_func_proto", DirectPacket: true, DirectPacketWrite: true, Caps: netAdmin,
		CtxFields: rows(
			pointer("data", 0, 4, KindPacket), pointer("data_end", 4, 4, KindPacketEnd), pointer("data_meta", 8, 4, KindPacketMeta),
			field("ingress_ifindex", 12, 4), field("rx_queue_index", 16, 4), field("egress_ifindex", 20, 4).on(bpf.AttachXDPDevmap),
		),
		File: "net/core/filter.c", Config: "CONFIG_NET",
		Doc: "runs on a packet before the network stack has it",
	}
}

var netAdmin = []string{"CAP_BPF", "CAP_NET_ADMIN"}
