// SPDX-License-Identifier: Apache-2.0

package object

import (
	"strings"

	"github.com/modbpf/modbpf/bpf"
)

// SectionDef says what a section name stands for.
type SectionDef struct {
	Prefix     string // the section's name up to its first "/" that matters
	Type       bpf.ProgType
	Attach     bpf.AttachType // expected attach type, 0 if none
	Extra      bool           // "prefix" and "prefix/anything"; otherwise the exact name
	BTFTarget  bool           // what follows the prefix names a BTF function or tracepoint
	Sleepable  bool
	Frags      bool // XDP with multi-buffer packets
	AutoAttach bool // the name holds all that attaching needs
}

// ParseSection finds what a section name stands for, and what follows the
// prefix. A leading "?" is not part of the name. ok is false for names that
// stand for nothing: the program's type must then come from elsewhere.
func ParseSection(name string) (def SectionDef, target string, ok bool) {
	name = strings.TrimPrefix(name, "?")
	for _, d := range sectionDefs {
		rest, has := strings.CutPrefix(name, d.Prefix)
		if !has || rest != "" && (!d.Extra || rest[0] != '/') {
			continue
		}
		return d, strings.TrimPrefix(rest, "/"), true
	}
	return SectionDef{}, "", false
}

func newProgramSpec(section string, f *function) *ProgramSpec {
	def, target, _ := ParseSection(section)
	return &ProgramSpec{Name: f.name, Section: section, Optional: strings.HasPrefix(section, "?"), Def: def, Target: target, fn: f}
}

// sectionDefs are the names libbpf 1.7 knows (tools/lib/bpf/libbpf.c,
// section_defs, Linux 7.3), in its order: the first match counts.
var sectionDefs = [...]SectionDef{
	{Prefix: "socket", Type: bpf.ProgSocketFilter},
	{Prefix: "sk_reuseport/migrate", Type: bpf.ProgSKReuseport, Attach: bpf.AttachSKReuseportSelectOrMigrate},
	{Prefix: "sk_reuseport", Type: bpf.ProgSKReuseport, Attach: bpf.AttachSKReuseportSelect},
	{Prefix: "kprobe", Type: bpf.ProgKprobe, Extra: true, AutoAttach: true},
	{Prefix: "uprobe", Type: bpf.ProgKprobe, Extra: true, AutoAttach: true},
	{Prefix: "uprobe.s", Type: bpf.ProgKprobe, Extra: true, Sleepable: true, AutoAttach: true},
	{Prefix: "kretprobe", Type: bpf.ProgKprobe, Extra: true, AutoAttach: true},
	{Prefix: "uretprobe", Type: bpf.ProgKprobe, Extra: true, AutoAttach: true},
	{Prefix: "uretprobe.s", Type: bpf.ProgKprobe, Extra: true, Sleepable: true, AutoAttach: true},
	{Prefix: "kprobe.multi", Type: bpf.ProgKprobe, Attach: bpf.AttachTraceKprobeMulti, Extra: true, AutoAttach: true},
	{Prefix: "kretprobe.multi", Type: bpf.ProgKprobe, Attach: bpf.AttachTraceKprobeMulti, Extra: true, AutoAttach: true},
	{Prefix: "kprobe.session", Type: bpf.ProgKprobe, Attach: bpf.AttachTraceKprobeSession, Extra: true, AutoAttach: true},
	{Prefix: "uprobe.multi", Type: bpf.ProgKprobe, Attach: bpf.AttachTraceUprobeMulti, Extra: true, AutoAttach: true},
	{Prefix: "uretprobe.multi", Type: bpf.ProgKprobe, Attach: bpf.AttachTraceUprobeMulti, Extra: true, AutoAttach: true},
	{Prefix: "uprobe.session", Type: bpf.ProgKprobe, Attach: bpf.AttachTraceUprobeSession, Extra: true, AutoAttach: true},
	{Prefix: "uprobe.multi.s", Type: bpf.ProgKprobe, Attach: bpf.AttachTraceUprobeMulti, Extra: true, Sleepable: true, AutoAttach: true},
	{Prefix: "uretprobe.multi.s", Type: bpf.ProgKprobe, Attach: bpf.AttachTraceUprobeMulti, Extra: true, Sleepable: true, AutoAttach: true},
	{Prefix: "uprobe.session.s", Type: bpf.ProgKprobe, Attach: bpf.AttachTraceUprobeSession, Extra: true, Sleepable: true, AutoAttach: true},
	{Prefix: "ksyscall", Type: bpf.ProgKprobe, Extra: true, AutoAttach: true},
	{Prefix: "kretsyscall", Type: bpf.ProgKprobe, Extra: true, AutoAttach: true},
	{Prefix: "usdt", Type: bpf.ProgKprobe, Attach: bpf.AttachTraceUprobeMulti, Extra: true, AutoAttach: true},
	{Prefix: "usdt.s", Type: bpf.ProgKprobe, Attach: bpf.AttachTraceUprobeMulti, Extra: true, Sleepable: true, AutoAttach: true},
	{Prefix: "tc/ingress", Type: bpf.ProgSchedCls, Attach: bpf.AttachTCXIngress},
	{Prefix: "tc/egress", Type: bpf.ProgSchedCls, Attach: bpf.AttachTCXEgress},
	{Prefix: "tcx/ingress", Type: bpf.ProgSchedCls, Attach: bpf.AttachTCXIngress},
	{Prefix: "tcx/egress", Type: bpf.ProgSchedCls, Attach: bpf.AttachTCXEgress},
	{Prefix: "tc", Type: bpf.ProgSchedCls},
	{Prefix: "classifier", Type: bpf.ProgSchedCls},
	{Prefix: "action", Type: bpf.ProgSchedAct},
	{Prefix: "netkit/primary", Type: bpf.ProgSchedCls, Attach: bpf.AttachNetkitPrimary},
	{Prefix: "netkit/peer", Type: bpf.ProgSchedCls, Attach: bpf.AttachNetkitPeer},
	{Prefix: "tracepoint", Type: bpf.ProgTracepoint, Extra: true, AutoAttach: true},
	{Prefix: "tp", Type: bpf.ProgTracepoint, Extra: true, AutoAttach: true},
	{Prefix: "tracepoint.s", Type: bpf.ProgTracepoint, Extra: true, Sleepable: true, AutoAttach: true},
	{Prefix: "tp.s", Type: bpf.ProgTracepoint, Extra: true, Sleepable: true, AutoAttach: true},
	{Prefix: "raw_tracepoint", Type: bpf.ProgRawTracepoint, Extra: true, AutoAttach: true},
	{Prefix: "raw_tp", Type: bpf.ProgRawTracepoint, Extra: true, AutoAttach: true},
	{Prefix: "raw_tracepoint.s", Type: bpf.ProgRawTracepoint, Extra: true, Sleepable: true, AutoAttach: true},
	{Prefix: "raw_tp.s", Type: bpf.ProgRawTracepoint, Extra: true, Sleepable: true, AutoAttach: true},
	{Prefix: "raw_tracepoint.w", Type: bpf.ProgRawTracepointWritable, Extra: true, AutoAttach: true},
	{Prefix: "raw_tp.w", Type: bpf.ProgRawTracepointWritable, Extra: true, AutoAttach: true},
	{Prefix: "tp_btf", Type: bpf.ProgTracing, Attach: bpf.AttachTraceRawTP, Extra: true, BTFTarget: true, AutoAttach: true},
	{Prefix: "tp_btf.s", Type: bpf.ProgTracing, Attach: bpf.AttachTraceRawTP, Extra: true, Sleepable: true, BTFTarget: true, AutoAttach: true},
	{Prefix: "fentry", Type: bpf.ProgTracing, Attach: bpf.AttachTraceFentry, Extra: true, BTFTarget: true, AutoAttach: true},
	{Prefix: "fmod_ret", Type: bpf.ProgTracing, Attach: bpf.AttachModifyReturn, Extra: true, BTFTarget: true, AutoAttach: true},
	{Prefix: "fexit", Type: bpf.ProgTracing, Attach: bpf.AttachTraceFexit, Extra: true, BTFTarget: true, AutoAttach: true},
	{Prefix: "fentry.s", Type: bpf.ProgTracing, Attach: bpf.AttachTraceFentry, Extra: true, Sleepable: true, BTFTarget: true, AutoAttach: true},
	{Prefix: "fmod_ret.s", Type: bpf.ProgTracing, Attach: bpf.AttachModifyReturn, Extra: true, Sleepable: true, BTFTarget: true, AutoAttach: true},
	{Prefix: "fexit.s", Type: bpf.ProgTracing, Attach: bpf.AttachTraceFexit, Extra: true, Sleepable: true, BTFTarget: true, AutoAttach: true},
	{Prefix: "fsession", Type: bpf.ProgTracing, Attach: bpf.AttachTraceFsession, Extra: true, BTFTarget: true, AutoAttach: true},
	{Prefix: "fsession.s", Type: bpf.ProgTracing, Attach: bpf.AttachTraceFsession, Extra: true, Sleepable: true, BTFTarget: true, AutoAttach: true},
	{Prefix: "fsession.multi", Type: bpf.ProgTracing, Attach: bpf.AttachTraceFsessionMulti, Extra: true, AutoAttach: true},
	{Prefix: "fsession.multi.s", Type: bpf.ProgTracing, Attach: bpf.AttachTraceFsessionMulti, Extra: true, Sleepable: true, AutoAttach: true},
	{Prefix: "fentry.multi", Type: bpf.ProgTracing, Attach: bpf.AttachTraceFentryMulti, Extra: true, AutoAttach: true},
	{Prefix: "fexit.multi", Type: bpf.ProgTracing, Attach: bpf.AttachTraceFexitMulti, Extra: true, AutoAttach: true},
	{Prefix: "fentry.multi.s", Type: bpf.ProgTracing, Attach: bpf.AttachTraceFentryMulti, Extra: true, Sleepable: true, AutoAttach: true},
	{Prefix: "fexit.multi.s", Type: bpf.ProgTracing, Attach: bpf.AttachTraceFexitMulti, Extra: true, Sleepable: true, AutoAttach: true},
	{Prefix: "freplace", Type: bpf.ProgExt, Extra: true, BTFTarget: true, AutoAttach: true},
	{Prefix: "lsm", Type: bpf.ProgLSM, Attach: bpf.AttachLSMMac, Extra: true, BTFTarget: true, AutoAttach: true},
	{Prefix: "lsm.s", Type: bpf.ProgLSM, Attach: bpf.AttachLSMMac, Extra: true, Sleepable: true, BTFTarget: true, AutoAttach: true},
	{Prefix: "lsm_cgroup", Type: bpf.ProgLSM, Attach: bpf.AttachLSMCgroup, Extra: true, BTFTarget: true},
	{Prefix: "iter", Type: bpf.ProgTracing, Attach: bpf.AttachTraceIter, Extra: true, BTFTarget: true, AutoAttach: true},
	{Prefix: "iter.s", Type: bpf.ProgTracing, Attach: bpf.AttachTraceIter, Extra: true, Sleepable: true, BTFTarget: true, AutoAttach: true},
	{Prefix: "syscall", Type: bpf.ProgSyscall, Sleepable: true},
	{Prefix: "xdp.frags/devmap", Type: bpf.ProgXDP, Attach: bpf.AttachXDPDevmap, Frags: true},
	{Prefix: "xdp/devmap", Type: bpf.ProgXDP, Attach: bpf.AttachXDPDevmap},
	{Prefix: "xdp.frags/cpumap", Type: bpf.ProgXDP, Attach: bpf.AttachXDPCpumap, Frags: true},
	{Prefix: "xdp/cpumap", Type: bpf.ProgXDP, Attach: bpf.AttachXDPCpumap},
	{Prefix: "xdp.frags", Type: bpf.ProgXDP, Attach: bpf.AttachXDP, Frags: true},
	{Prefix: "xdp", Type: bpf.ProgXDP, Attach: bpf.AttachXDP},
	{Prefix: "perf_event", Type: bpf.ProgPerfEvent},
	{Prefix: "lwt_in", Type: bpf.ProgLWTIn},
	{Prefix: "lwt_out", Type: bpf.ProgLWTOut},
	{Prefix: "lwt_xmit", Type: bpf.ProgLWTXmit},
	{Prefix: "lwt_seg6local", Type: bpf.ProgLWTSeg6local},
	{Prefix: "sockops", Type: bpf.ProgSockOps, Attach: bpf.AttachCgroupSockOps},
	{Prefix: "sk_skb/stream_parser", Type: bpf.ProgSKSkb, Attach: bpf.AttachSKSkbStreamParser},
	{Prefix: "sk_skb/stream_verdict", Type: bpf.ProgSKSkb, Attach: bpf.AttachSKSkbStreamVerdict},
	{Prefix: "sk_skb/verdict", Type: bpf.ProgSKSkb, Attach: bpf.AttachSKSkbVerdict},
	{Prefix: "sk_skb", Type: bpf.ProgSKSkb},
	{Prefix: "sk_msg", Type: bpf.ProgSKMsg, Attach: bpf.AttachSKMsgVerdict},
	{Prefix: "lirc_mode2", Type: bpf.ProgLircMode2, Attach: bpf.AttachLircMode2},
	{Prefix: "flow_dissector", Type: bpf.ProgFlowDissector, Attach: bpf.AttachFlowDissector},
	{Prefix: "cgroup_skb/ingress", Type: bpf.ProgCgroupSkb, Attach: bpf.AttachCgroupInetIngress},
	{Prefix: "cgroup_skb/egress", Type: bpf.ProgCgroupSkb, Attach: bpf.AttachCgroupInetEgress},
	{Prefix: "cgroup/skb", Type: bpf.ProgCgroupSkb},
	{Prefix: "cgroup/sock_create", Type: bpf.ProgCgroupSock, Attach: bpf.AttachCgroupInetSockCreate},
	{Prefix: "cgroup/sock_release", Type: bpf.ProgCgroupSock, Attach: bpf.AttachCgroupInetSockRelease},
	{Prefix: "cgroup/sock", Type: bpf.ProgCgroupSock, Attach: bpf.AttachCgroupInetSockCreate},
	{Prefix: "cgroup/post_bind4", Type: bpf.ProgCgroupSock, Attach: bpf.AttachCgroupInet4PostBind},
	{Prefix: "cgroup/post_bind6", Type: bpf.ProgCgroupSock, Attach: bpf.AttachCgroupInet6PostBind},
	{Prefix: "cgroup/bind4", Type: bpf.ProgCgroupSockAddr, Attach: bpf.AttachCgroupInet4Bind},
	{Prefix: "cgroup/bind6", Type: bpf.ProgCgroupSockAddr, Attach: bpf.AttachCgroupInet6Bind},
	{Prefix: "cgroup/connect4", Type: bpf.ProgCgroupSockAddr, Attach: bpf.AttachCgroupInet4Connect},
	{Prefix: "cgroup/connect6", Type: bpf.ProgCgroupSockAddr, Attach: bpf.AttachCgroupInet6Connect},
	{Prefix: "cgroup/connect_unix", Type: bpf.ProgCgroupSockAddr, Attach: bpf.AttachCgroupUnixConnect},
	{Prefix: "cgroup/sendmsg4", Type: bpf.ProgCgroupSockAddr, Attach: bpf.AttachCgroupUdp4Sendmsg},
	{Prefix: "cgroup/sendmsg6", Type: bpf.ProgCgroupSockAddr, Attach: bpf.AttachCgroupUdp6Sendmsg},
	{Prefix: "cgroup/sendmsg_unix", Type: bpf.ProgCgroupSockAddr, Attach: bpf.AttachCgroupUnixSendmsg},
	{Prefix: "cgroup/recvmsg4", Type: bpf.ProgCgroupSockAddr, Attach: bpf.AttachCgroupUdp4Recvmsg},
	{Prefix: "cgroup/recvmsg6", Type: bpf.ProgCgroupSockAddr, Attach: bpf.AttachCgroupUdp6Recvmsg},
	{Prefix: "cgroup/recvmsg_unix", Type: bpf.ProgCgroupSockAddr, Attach: bpf.AttachCgroupUnixRecvmsg},
	{Prefix: "cgroup/getpeername4", Type: bpf.ProgCgroupSockAddr, Attach: bpf.AttachCgroupInet4Getpeername},
	{Prefix: "cgroup/getpeername6", Type: bpf.ProgCgroupSockAddr, Attach: bpf.AttachCgroupInet6Getpeername},
	{Prefix: "cgroup/getpeername_unix", Type: bpf.ProgCgroupSockAddr, Attach: bpf.AttachCgroupUnixGetpeername},
	{Prefix: "cgroup/getsockname4", Type: bpf.ProgCgroupSockAddr, Attach: bpf.AttachCgroupInet4Getsockname},
	{Prefix: "cgroup/getsockname6", Type: bpf.ProgCgroupSockAddr, Attach: bpf.AttachCgroupInet6Getsockname},
	{Prefix: "cgroup/getsockname_unix", Type: bpf.ProgCgroupSockAddr, Attach: bpf.AttachCgroupUnixGetsockname},
	{Prefix: "cgroup/sysctl", Type: bpf.ProgCgroupSysctl, Attach: bpf.AttachCgroupSysctl},
	{Prefix: "cgroup/getsockopt", Type: bpf.ProgCgroupSockopt, Attach: bpf.AttachCgroupGetsockopt},
	{Prefix: "cgroup/setsockopt", Type: bpf.ProgCgroupSockopt, Attach: bpf.AttachCgroupSetsockopt},
	{Prefix: "cgroup/dev", Type: bpf.ProgCgroupDevice, Attach: bpf.AttachCgroupDevice},
	{Prefix: "struct_ops", Type: bpf.ProgStructOps, Extra: true, AutoAttach: true},
	{Prefix: "struct_ops.s", Type: bpf.ProgStructOps, Extra: true, Sleepable: true, AutoAttach: true},
	{Prefix: "sk_lookup", Type: bpf.ProgSKLookup, Attach: bpf.AttachSKLookup},
	{Prefix: "netfilter", Type: bpf.ProgNetfilter, Attach: bpf.AttachNetfilter},
}
