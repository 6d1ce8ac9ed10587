// SPDX-License-Identifier: Apache-2.0

package bpf

import "fmt"

// Program, attach and map types: the numbers of include/uapi/linux/bpf.h of
// Linux 7.3. Numbers are only ever added there, so one table serves every release.

// ProgType is enum bpf_prog_type.
type ProgType uint32

const (
	ProgUnspec                ProgType = 0
	ProgSocketFilter          ProgType = 1
	ProgKprobe                ProgType = 2
	ProgSchedCls              ProgType = 3
	ProgSchedAct              ProgType = 4
	ProgTracepoint            ProgType = 5
	ProgXDP                   ProgType = 6
	ProgPerfEvent             ProgType = 7
	ProgCgroupSkb             ProgType = 8
	ProgCgroupSock            ProgType = 9
	ProgLWTIn                 ProgType = 10
	ProgLWTOut                ProgType = 11
	ProgLWTXmit               ProgType = 12
	ProgSockOps               ProgType = 13
	ProgSKSkb                 ProgType = 14
	ProgCgroupDevice          ProgType = 15
	ProgSKMsg                 ProgType = 16
	ProgRawTracepoint         ProgType = 17
	ProgCgroupSockAddr        ProgType = 18
	ProgLWTSeg6local          ProgType = 19
	ProgLircMode2             ProgType = 20
	ProgSKReuseport           ProgType = 21
	ProgFlowDissector         ProgType = 22
	ProgCgroupSysctl          ProgType = 23
	ProgRawTracepointWritable ProgType = 24
	ProgCgroupSockopt         ProgType = 25
	ProgTracing               ProgType = 26
	ProgStructOps             ProgType = 27
	ProgExt                   ProgType = 28
	ProgLSM                   ProgType = 29
	ProgSKLookup              ProgType = 30
	ProgSyscall               ProgType = 31
	ProgNetfilter             ProgType = 32
)

var progTypeNames = [...]string{
	0:  "unspec",
	1:  "socket_filter",
	2:  "kprobe",
	3:  "sched_cls",
	4:  "sched_act",
	5:  "tracepoint",
	6:  "xdp",
	7:  "perf_event",
	8:  "cgroup_skb",
	9:  "cgroup_sock",
	10: "lwt_in",
	11: "lwt_out",
	12: "lwt_xmit",
	13: "sock_ops",
	14: "sk_skb",
	15: "cgroup_device",
	16: "sk_msg",
	17: "raw_tracepoint",
	18: "cgroup_sock_addr",
	19: "lwt_seg6local",
	20: "lirc_mode2",
	21: "sk_reuseport",
	22: "flow_dissector",
	23: "cgroup_sysctl",
	24: "raw_tracepoint_writable",
	25: "cgroup_sockopt",
	26: "tracing",
	27: "struct_ops",
	28: "ext",
	29: "lsm",
	30: "sk_lookup",
	31: "syscall",
	32: "netfilter",
}

func (t ProgType) String() string {
	if int(t) < len(progTypeNames) {
		return progTypeNames[t]
	}
	return fmt.Sprintf("ProgType(%d)", uint32(t))
}

// AttachType is enum bpf_attach_type.
type AttachType uint32

const (
	AttachCgroupInetIngress          AttachType = 0
	AttachCgroupInetEgress           AttachType = 1
	AttachCgroupInetSockCreate       AttachType = 2
	AttachCgroupSockOps              AttachType = 3
	AttachSKSkbStreamParser          AttachType = 4
	AttachSKSkbStreamVerdict         AttachType = 5
	AttachCgroupDevice               AttachType = 6
	AttachSKMsgVerdict               AttachType = 7
	AttachCgroupInet4Bind            AttachType = 8
	AttachCgroupInet6Bind            AttachType = 9
	AttachCgroupInet4Connect         AttachType = 10
	AttachCgroupInet6Connect         AttachType = 11
	AttachCgroupInet4PostBind        AttachType = 12
	AttachCgroupInet6PostBind        AttachType = 13
	AttachCgroupUdp4Sendmsg          AttachType = 14
	AttachCgroupUdp6Sendmsg          AttachType = 15
	AttachLircMode2                  AttachType = 16
	AttachFlowDissector              AttachType = 17
	AttachCgroupSysctl               AttachType = 18
	AttachCgroupUdp4Recvmsg          AttachType = 19
	AttachCgroupUdp6Recvmsg          AttachType = 20
	AttachCgroupGetsockopt           AttachType = 21
	AttachCgroupSetsockopt           AttachType = 22
	AttachTraceRawTP                 AttachType = 23
	AttachTraceFentry                AttachType = 24
	AttachTraceFexit                 AttachType = 25
	AttachModifyReturn               AttachType = 26
	AttachLSMMac                     AttachType = 27
	AttachTraceIter                  AttachType = 28
	AttachCgroupInet4Getpeername     AttachType = 29
	AttachCgroupInet6Getpeername     AttachType = 30
	AttachCgroupInet4Getsockname     AttachType = 31
	AttachCgroupInet6Getsockname     AttachType = 32
	AttachXDPDevmap                  AttachType = 33
	AttachCgroupInetSockRelease      AttachType = 34
	AttachXDPCpumap                  AttachType = 35
	AttachSKLookup                   AttachType = 36
	AttachXDP                        AttachType = 37
	AttachSKSkbVerdict               AttachType = 38
	AttachSKReuseportSelect          AttachType = 39
	AttachSKReuseportSelectOrMigrate AttachType = 40
	AttachPerfEvent                  AttachType = 41
	AttachTraceKprobeMulti           AttachType = 42
	AttachLSMCgroup                  AttachType = 43
	AttachStructOps                  AttachType = 44
	AttachNetfilter                  AttachType = 45
	AttachTCXIngress                 AttachType = 46
	AttachTCXEgress                  AttachType = 47
	AttachTraceUprobeMulti           AttachType = 48
	AttachCgroupUnixConnect          AttachType = 49
	AttachCgroupUnixSendmsg          AttachType = 50
	AttachCgroupUnixRecvmsg          AttachType = 51
	AttachCgroupUnixGetpeername      AttachType = 52
	AttachCgroupUnixGetsockname      AttachType = 53
	AttachNetkitPrimary              AttachType = 54
	AttachNetkitPeer                 AttachType = 55
	AttachTraceKprobeSession         AttachType = 56
	AttachTraceUprobeSession         AttachType = 57
	AttachTraceFsession              AttachType = 58
	AttachTraceFentryMulti           AttachType = 59
	AttachTraceFexitMulti            AttachType = 60
	AttachTraceFsessionMulti         AttachType = 61
)

var attachTypeNames = [...]string{
	0:  "cgroup_inet_ingress",
	1:  "cgroup_inet_egress",
	2:  "cgroup_inet_sock_create",
	3:  "cgroup_sock_ops",
	4:  "sk_skb_stream_parser",
	5:  "sk_skb_stream_verdict",
	6:  "cgroup_device",
	7:  "sk_msg_verdict",
	8:  "cgroup_inet4_bind",
	9:  "cgroup_inet6_bind",
	10: "cgroup_inet4_connect",
	11: "cgroup_inet6_connect",
	12: "cgroup_inet4_post_bind",
	13: "cgroup_inet6_post_bind",
	14: "cgroup_udp4_sendmsg",
	15: "cgroup_udp6_sendmsg",
	16: "lirc_mode2",
	17: "flow_dissector",
	18: "cgroup_sysctl",
	19: "cgroup_udp4_recvmsg",
	20: "cgroup_udp6_recvmsg",
	21: "cgroup_getsockopt",
	22: "cgroup_setsockopt",
	23: "trace_raw_tp",
	24: "trace_fentry",
	25: "trace_fexit",
	26: "modify_return",
	27: "lsm_mac",
	28: "trace_iter",
	29: "cgroup_inet4_getpeername",
	30: "cgroup_inet6_getpeername",
	31: "cgroup_inet4_getsockname",
	32: "cgroup_inet6_getsockname",
	33: "xdp_devmap",
	34: "cgroup_inet_sock_release",
	35: "xdp_cpumap",
	36: "sk_lookup",
	37: "xdp",
	38: "sk_skb_verdict",
	39: "sk_reuseport_select",
	40: "sk_reuseport_select_or_migrate",
	41: "perf_event",
	42: "trace_kprobe_multi",
	43: "lsm_cgroup",
	44: "struct_ops",
	45: "netfilter",
	46: "tcx_ingress",
	47: "tcx_egress",
	48: "trace_uprobe_multi",
	49: "cgroup_unix_connect",
	50: "cgroup_unix_sendmsg",
	51: "cgroup_unix_recvmsg",
	52: "cgroup_unix_getpeername",
	53: "cgroup_unix_getsockname",
	54: "netkit_primary",
	55: "netkit_peer",
	56: "trace_kprobe_session",
	57: "trace_uprobe_session",
	58: "trace_fsession",
	59: "trace_fentry_multi",
	60: "trace_fexit_multi",
	61: "trace_fsession_multi",
}

func (t AttachType) String() string {
	if int(t) < len(attachTypeNames) {
		return attachTypeNames[t]
	}
	return fmt.Sprintf("AttachType(%d)", uint32(t))
}

// MapType is enum bpf_map_type.
type MapType uint32

const (
	MapUnspec              MapType = 0
	MapHash                MapType = 1
	MapArray               MapType = 2
	MapProgArray           MapType = 3
	MapPerfEventArray      MapType = 4
	MapPercpuHash          MapType = 5
	MapPercpuArray         MapType = 6
	MapStackTrace          MapType = 7
	MapCgroupArray         MapType = 8
	MapLRUHash             MapType = 9
	MapLRUPercpuHash       MapType = 10
	MapLPMTrie             MapType = 11
	MapArrayOfMaps         MapType = 12
	MapHashOfMaps          MapType = 13
	MapDevmap              MapType = 14
	MapSockmap             MapType = 15
	MapCpumap              MapType = 16
	MapXskmap              MapType = 17
	MapSockhash            MapType = 18
	MapCgroupStorage       MapType = 19
	MapReuseportSockarray  MapType = 20
	MapPercpuCgroupStorage MapType = 21
	MapQueue               MapType = 22
	MapStack               MapType = 23
	MapSKStorage           MapType = 24
	MapDevmapHash          MapType = 25
	MapStructOps           MapType = 26
	MapRingbuf             MapType = 27
	MapInodeStorage        MapType = 28
	MapTaskStorage         MapType = 29
	MapBloomFilter         MapType = 30
	MapUserRingbuf         MapType = 31
	MapCgrpStorage         MapType = 32
	MapArena               MapType = 33
	MapInsnArray           MapType = 34
	MapRhash               MapType = 35
)

var mapTypeNames = [...]string{
	0:  "unspec",
	1:  "hash",
	2:  "array",
	3:  "prog_array",
	4:  "perf_event_array",
	5:  "percpu_hash",
	6:  "percpu_array",
	7:  "stack_trace",
	8:  "cgroup_array",
	9:  "lru_hash",
	10: "lru_percpu_hash",
	11: "lpm_trie",
	12: "array_of_maps",
	13: "hash_of_maps",
	14: "devmap",
	15: "sockmap",
	16: "cpumap",
	17: "xskmap",
	18: "sockhash",
	19: "cgroup_storage",
	20: "reuseport_sockarray",
	21: "percpu_cgroup_storage",
	22: "queue",
	23: "stack",
	24: "sk_storage",
	25: "devmap_hash",
	26: "struct_ops",
	27: "ringbuf",
	28: "inode_storage",
	29: "task_storage",
	30: "bloom_filter",
	31: "user_ringbuf",
	32: "cgrp_storage",
	33: "arena",
	34: "insn_array",
	35: "rhash",
}

func (t MapType) String() string {
	if int(t) < len(mapTypeNames) {
		return mapTypeNames[t]
	}
	return fmt.Sprintf("MapType(%d)", uint32(t))
}

// Flags of BPF_PROG_LOAD that change the verdict.
const (
	ProgStrictAlignment   = 1 << 0
	ProgAnyAlignment      = 1 << 1
	ProgTestRndHi32       = 1 << 2
	ProgTestStateFreq     = 1 << 3
	ProgSleepable         = 1 << 4
	ProgXDPHasFrags       = 1 << 5
	ProgXDPDevBoundOnly   = 1 << 6
	ProgTestRegInvariants = 1 << 7
)

// Flags of BPF_MAP_CREATE.
const (
	MapNoPrealloc    = 1 << 0
	MapNoCommonLRU   = 1 << 1
	MapNumaNode      = 1 << 2
	MapRdonly        = 1 << 3
	MapWronly        = 1 << 4
	MapStackBuildID  = 1 << 5
	MapZeroSeed      = 1 << 6
	MapRdonlyProg    = 1 << 7
	MapWronlyProg    = 1 << 8
	MapClone         = 1 << 9
	MapMmapable      = 1 << 10
	MapPreserveElems = 1 << 11
	MapInnerMap      = 1 << 12
	MapLink          = 1 << 13
	MapPathFD        = 1 << 14
	MapVtypeBTFObjFD = 1 << 15
	MapTokenFD       = 1 << 16
	MapSegvOnFault   = 1 << 17
	MapNoUserConv    = 1 << 18
)
