// SPDX-License-Identifier: Apache-2.0

package structops

import (
	"fmt"

	"github.com/modbpf/modbpf/bpf"
)

// bpfSock is struct bpf_sock. As a context (attach is not nil) some fields
// belong to some attach types; through a socket pointer all may be read.
func bpfSock(attach *sockAttach) []Access {
	a := rows(
		field("bound_dev_if", 0, 4), narrow("family", 4, 4).start(), narrow("type", 8, 4).start(), narrow("protocol", 12, 4).start(),
		field("mark", 16, 4), field("priority", 20, 4),
		narrow("src_ip4", 24, 4), narrowArray("src_ip6", 28, 4), narrow("src_port", 44, 4).start(),
		narrow("dst_port", 48, 2), Access{Field: "dst_port", Off: 48, Size: 4, Read: true, ReadSizes: 4},
		narrow("dst_ip4", 52, 4), narrowArray("dst_ip6", 56, 4),
		narrow("state", 72, 4).start(), narrow("rx_queue_mapping", 76, 4).start(),
	)
	if attach == nil {
		return a
	}
	for i := range a {
		switch o := a[i].Off; {
		case o == 0 || o == 16 || o == 20:
			a[i] = a[i].writable().on(attach.whole...)
		case o == 24:
			a[i] = a[i].on(attach.post4...)
		case o >= 28 && o < 44:
			a[i] = a[i].on(attach.post6...)
		case o == 44:
			a[i] = a[i].on(append(append([]bpf.AttachType{}, attach.post4...), attach.post6...)...)
		}
	}
	return a
}

// sockAttach groups the attach types of CGROUP_SOCK programs.
type sockAttach struct{ whole, post4, post6 []bpf.AttachType }

func cgroupSockHook(bpf.Release) Hook {
	return Hook{
		Name: "cgroup_sock", Sections: []string{"cgroup/sock_create", "cgroup/sock_release", "cgroup/sock", "cgroup/post_bind4", "cgroup/post_bind6"},
		Attach:       []bpf.AttachType{bpf.AttachCgroupInetSockCreate, bpf.AttachCgroupInetSockRelease, bpf.AttachCgroupInet4PostBind, bpf.AttachCgroupInet6PostBind},
		AttachStrict: true, DefaultAttach: bpf.AttachCgroupInetSockCreate,
		Ctx: "bpf_sock", CtxSize: 80, Helpers: "sock_filter_func_proto", Ret: interval(0, 1), Caps: netAdmin,
		CtxFields: bpfSock(&sockAttach{
			whole: []bpf.AttachType{bpf.AttachCgroupInetSockCreate, bpf.AttachCgroupInetSockRelease},
			post4: []bpf.AttachType{bpf.AttachCgroupInet4PostBind},
			post6: []bpf.AttachType{bpf.AttachCgroupInet6PostBind},
		}),
		File: "net/core/filter.c", Config: "CONFIG_NET && CONFIG_CGROUP_BPF",
		Doc: "1 lets a process of the cgroup create, bind or release a socket, 0 refuses",
	}
}

func sockAddrHook(bpf.Release) Hook {
	four := []bpf.AttachType{
		bpf.AttachCgroupInet4Bind, bpf.AttachCgroupInet4Connect, bpf.AttachCgroupInet4Getpeername,
		bpf.AttachCgroupInet4Getsockname, bpf.AttachCgroupUdp4Sendmsg, bpf.AttachCgroupUdp4Recvmsg,
	}
	six := []bpf.AttachType{
		bpf.AttachCgroupInet6Bind, bpf.AttachCgroupInet6Connect, bpf.AttachCgroupInet6Getpeername,
		bpf.AttachCgroupInet6Getsockname, bpf.AttachCgroupUdp6Sendmsg, bpf.AttachCgroupUdp6Recvmsg,
	}
	unix := []bpf.AttachType{
		bpf.AttachCgroupUnixConnect, bpf.AttachCgroupUnixSendmsg, bpf.AttachCgroupUnixRecvmsg,
		bpf.AttachCgroupUnixGetpeername, bpf.AttachCgroupUnixGetsockname,
	}
	ret := map[bpf.AttachType]Range{bpf.AttachCgroupInet4Bind: {0, 3}, bpf.AttachCgroupInet6Bind: {0, 3}}
	for _, t := range []bpf.AttachType{
		bpf.AttachCgroupUdp4Recvmsg, bpf.AttachCgroupUdp6Recvmsg, bpf.AttachCgroupUnixRecvmsg,
		bpf.AttachCgroupInet4Getpeername, bpf.AttachCgroupInet6Getpeername, bpf.AttachCgroupUnixGetpeername,
		bpf.AttachCgroupInet4Getsockname, bpf.AttachCgroupInet6Getsockname, bpf.AttachCgroupUnixGetsockname,
	} {
		ret[t] = Range{1, 1}
	}
	// An IPv6 address is read and written by words, by aligned double words, and read in parts.
	ip6 := func(name string, off int, on ...bpf.AttachType) Access {
		return Access{Field: name, Off: off, Size: 16, Read: true, Write: true, Narrow: true, ReadSizes: 1 | 2 | 4 | 8, WriteSizes: 4 | 8, Attach: on}
	}
	return Hook{
		Name: "cgroup_sock_addr",
		Sections: []string{
			"cgroup/bind4", "cgroup/bind6", "cgroup/connect4", "cgroup/connect6", "cgroup/connect_unix",
			"cgroup/sendmsg4", "cgroup/sendmsg6", "cgroup/sendmsg_unix", "cgroup/recvmsg4", "cgroup/recvmsg6", "cgroup/recvmsg_unix",
			"cgroup/getpeername4", "cgroup/getpeername6", "cgroup/getpeername_unix", "cgroup/getsockname4", "cgroup/getsockname6", "cgroup/getsockname_unix",
		},
		Attach: append(append(append([]bpf.AttachType{}, four...), six...), unix...), AttachStrict: true,
		Ctx: "bpf_sock_addr", CtxSize: 72, Helpers: "sock_addr_func_proto", Ret: interval(0, 1), RetByAttach: ret, Caps: netAdmin,
		CtxFields: rows(
			field("user_family", 0, 4), narrow("user_ip4", 4, 4).writable().on(four...), ip6("user_ip6", 8, six...),
			narrow("user_port", 24, 4).writable(), field("family", 28, 4), field("type", 32, 4), field("protocol", 36, 4),
			narrow("msg_src_ip4", 40, 4).writable().on(bpf.AttachCgroupUdp4Sendmsg), ip6("msg_src_ip6", 44, bpf.AttachCgroupUdp6Sendmsg),
			pointer("sk", 64, 8, KindSocket),
		),
		File: "net/core/filter.c", Config: "CONFIG_NET && CONFIG_CGROUP_BPF",
		Doc: "sees and changes the address of a socket call of the cgroup's processes",
	}
}

func sockOpsHook(bpf.Release) Hook {
	a := rows(field("op", 0, 4), field("reply", 4, 4).writable())
	for i := 1; i < 4; i++ { // args and replylong share a union; only the first word is reply
		a = append(a, field(fmt.Sprintf("args[%d]", i), 4+4*i, 4))
	}
	a = rows(a, field("family", 20, 4), field("remote_ip4", 24, 4), field("local_ip4", 28, 4), array("remote_ip6", 32, 4), array("local_ip6", 48, 4))
	for i, n := range []string{
		"remote_port", "local_port", "is_fullsock", "snd_cwnd", "srtt_us", "bpf_sock_ops_cb_flags", "state", "rtt_min", "snd_ssthresh",
		"rcv_nxt", "snd_nxt", "snd_una", "mss_cache", "ecn_flags", "rate_delivered", "rate_interval_us", "packets_out", "retrans_out",
		"total_retrans", "segs_in", "data_segs_in", "segs_out", "data_segs_out", "lost_out", "sacked_out",
	} {
		a = append(a, field(n, 64+4*i, 4))
	}
	return Hook{
		Name: "sock_ops", Sections: []string{"sockops"}, Attach: []bpf.AttachType{bpf.AttachCgroupSockOps},
		Ctx: "bpf_sock_ops", CtxSize: 224, Helpers: "sock_ops_func_proto", Ret: interval(0, 1), Caps: netAdmin,
		CtxFields: rows(a, field("sk_txhash", 164, 4).writable(), field("bytes_received", 168, 8), field("bytes_acked", 176, 8),
			pointer("sk", 184, 8, KindSocket).null(), pointer("skb_data", 192, 8, KindPacket), pointer("skb_data_end", 200, 8, KindPacketEnd),
			field("skb_len", 208, 4), narrow("skb_tcp_flags", 212, 4).start(), field("skb_hwtstamp", 216, 8)),
		File: "net/core/filter.c", Config: "CONFIG_NET",
		Doc: "is told of the life of the cgroup's TCP connections and answers some questions",
	}
}

func skMsgHook(bpf.Release) Hook {
	return Hook{
		Name: "sk_msg", Sections: []string{"sk_msg"}, Attach: []bpf.AttachType{bpf.AttachSKMsgVerdict},
		Ctx: "sk_msg_md", CtxSize: 80, Helpers: "sk_msg_func_proto", DirectPacket: true, DirectPacketWrite: true, Caps: netAdmin,
		CtxFields: rows(pointer("data", 0, 8, KindPacket), pointer("data_end", 8, 8, KindPacketEnd), field("family", 16, 4),
			field("remote_ip4", 20, 4), field("local_ip4", 24, 4), array("remote_ip6", 28, 4), array("local_ip6", 44, 4),
			field("remote_port", 60, 4), field("local_port", 64, 4), field("size", 68, 4), pointer("sk", 72, 8, KindSocket)),
		File: "net/core/filter.c", Config: "CONFIG_NET",
		Doc: "judges what a socket in a sockmap sends",
	}
}

func skReuseportHook(bpf.Release) Hook {
	return Hook{
		Name: "sk_reuseport", Sections: []string{"sk_reuseport", "sk_reuseport/migrate"},
		Attach:       []bpf.AttachType{bpf.AttachSKReuseportSelect, bpf.AttachSKReuseportSelectOrMigrate},
		AttachStrict: true, DefaultAttach: bpf.AttachSKReuseportSelect,
		Ctx: "sk_reuseport_md", CtxSize: 56, Helpers: "sk_reuseport_func_proto", DirectPacket: true, Caps: []string{"CAP_BPF"},
		CtxFields: rows(pointer("data", 0, 8, KindPacket), pointer("data_end", 8, 8, KindPacketEnd), narrow("len", 16, 4),
			narrow("eth_protocol", 20, 4).sizes(2|4), narrow("ip_protocol", 24, 4), narrow("bind_inany", 28, 4), field("hash", 32, 4),
			pointer("sk", 40, 8, KindSocket), pointer("migrating_sk", 48, 8, KindSockCommon).null()),
		File: "net/core/filter.c", Config: "CONFIG_INET",
		Doc: "chooses the socket of a reuseport group",
	}
}

func skLookupHook(bpf.Release) Hook {
	return Hook{
		Name: "sk_lookup", Sections: []string{"sk_lookup"}, Attach: []bpf.AttachType{bpf.AttachSKLookup}, AttachStrict: true,
		Ctx: "bpf_sk_lookup", CtxSize: 72, Helpers: "sk_lookup_func_proto", Ret: interval(0, 1), Caps: []string{"CAP_BPF"},
		CtxFields: rows(pointer("sk", 0, 8, KindSocket).null(), narrow("family", 8, 4), narrow("protocol", 12, 4), narrow("remote_ip4", 16, 4),
			narrowArray("remote_ip6", 20, 4), narrow("remote_port", 36, 2), Access{Field: "remote_port", Off: 36, Size: 4, Read: true, ReadSizes: 4},
			narrow("", 38, 2), narrow("local_ip4", 40, 4), narrowArray("local_ip6", 44, 4), narrow("local_port", 60, 4), narrow("ingress_ifindex", 64, 4)),
		File: "net/core/filter.c", Config: "CONFIG_INET",
		Doc: "chooses the socket for an incoming packet or connection",
	}
}

// tcpSock is struct bpf_tcp_sock.
func tcpSock() []Access {
	var a []Access
	for i, n := range []string{
		"snd_cwnd", "srtt_us", "rtt_min", "snd_ssthresh", "rcv_nxt", "snd_nxt", "snd_una", "mss_cache", "ecn_flags", "rate_delivered",
		"rate_interval_us", "packets_out", "retrans_out", "total_retrans", "segs_in", "data_segs_in", "segs_out", "data_segs_out", "lost_out", "sacked_out",
	} {
		a = append(a, field(n, 4*i, 4))
	}
	return rows(a, field("bytes_received", 80, 8), field("bytes_acked", 88, 8),
		field("dsack_dups", 96, 4), field("delivered", 100, 4), field("delivered_ce", 104, 4), field("icsk_retransmits", 108, 4))
}
