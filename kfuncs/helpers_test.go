// SPDX-License-Identifier: Apache-2.0

package kfuncs

import (
	"strings"
	"testing"

	"github.com/modbpf/modbpf/bpf"
)

var (
	v612 = bpf.Release{Major: 6, Minor: 12}
	v618 = bpf.Release{Major: 6, Minor: 18}
	v73  = bpf.Release{Major: 7, Minor: 3}
)

func TestHelperProto(t *testing.T) {
	sys := Use{Type: bpf.ProgSyscall, Sleepable: true}
	lsm := func(attach bpf.AttachType, hook string) Use {
		return Use{Type: bpf.ProgLSM, Attach: attach, AttachName: hook}
	}
	tcp := func(slot string) Use {
		return Use{Type: bpf.ProgStructOps, StructOps: "tcp_congestion_ops", Slot: slot}
	}
	off := func(sym string) func(string) string {
		return func(s string) string {
			if s == sym {
				return ""
			}
			return "y"
		}
	}
	tests := []struct {
		name, helper string
		rel          bpf.Release
		use          Use
		proto, why   string // why: part of the reason when proto is ""
	}{
		{"own row", "xdp_adjust_head", v618, Use{Type: bpf.ProgXDP}, "bpf_xdp_adjust_head_proto", ""},
		{"base set", "map_lookup_elem", v618, Use{Type: bpf.ProgXDP}, "bpf_map_lookup_elem_proto", ""},
		{"per type", "perf_event_output", v618, Use{Type: bpf.ProgSchedCls}, "bpf_skb_event_output_proto", ""},
		{"not for the type", "skb_store_bytes", v618, Use{Type: bpf.ProgXDP}, "", "not for xdp programs"},
		{"socket filter has no csum_diff", "csum_diff", v618, Use{Type: bpf.ProgSocketFilter}, "", "socket_filter"},
		{"attach type", "get_retval", v618, Use{Type: bpf.ProgCgroupSkb, Attach: bpf.AttachCgroupInetIngress}, "", "attach type cgroup_inet_ingress"},
		{"attach type allowed", "get_retval", v618, Use{Type: bpf.ProgCgroupSockopt, Attach: bpf.AttachCgroupSetsockopt}, "bpf_get_retval_proto", ""},
		{"bind on connect", "bind", v612, Use{Type: bpf.ProgCgroupSockAddr, Attach: bpf.AttachCgroupInet4Connect}, "bpf_bind_proto", ""},
		{"bind on sendmsg", "bind", v612, Use{Type: bpf.ProgCgroupSockAddr, Attach: bpf.AttachCgroupUdp4Sendmsg}, "", "attach type"},
		{"sleepable variant", "get_task_stack", v618, Use{Type: bpf.ProgTracing, Attach: bpf.AttachTraceFentry, Sleepable: true}, "bpf_get_task_stack_sleepable_proto", ""},
		{"iterator", "seq_printf", v618, Use{Type: bpf.ProgTracing, Attach: bpf.AttachTraceIter, AttachName: "task"}, "bpf_seq_printf_proto", ""},
		{"not an iterator", "seq_printf", v618, Use{Type: bpf.ProgTracing, Attach: bpf.AttachTraceFentry}, "", "trace_iter"},
		{"tcp iterator", "setsockopt", v618, Use{Type: bpf.ProgTracing, Attach: bpf.AttachTraceIter, AttachName: "tcp"}, "bpf_sk_setsockopt_proto", ""},
		{"other iterator", "setsockopt", v618, Use{Type: bpf.ProgTracing, Attach: bpf.AttachTraceIter, AttachName: "task"}, "", "tcp iterator"},
		{"struct_ops slot", "setsockopt", v73, tcp("init"), "bpf_sk_setsockopt_nodelay_proto", ""},
		{"struct_ops slot before 7.x", "setsockopt", v612, tcp("init"), "bpf_sk_setsockopt_proto", ""},
		{"release slot", "setsockopt", v73, tcp("release"), "", "not for tcp_congestion_ops.release"},
		{"other struct_ops", "setsockopt", v73, Use{Type: bpf.ProgStructOps, StructOps: "hid_bpf_ops", Slot: "hid_rdesc_fixup"}, "", "not for hid_bpf_ops"},
		{"table without helpers", "map_lookup_elem", v73, Use{Type: bpf.ProgStructOps, StructOps: "bpf_dummy_ops"}, "", "call no helpers"},
		{"lsm locked hook", "setsockopt", v618, lsm(bpf.AttachLSMCgroup, "socket_post_create"), "bpf_unlocked_sk_setsockopt_proto", ""},
		{"lsm cookie", "get_attach_cookie", v618, lsm(bpf.AttachLSMMac, "file_open"), "bpf_get_attach_cookie_proto", ""},
		{"syscall", "sys_bpf", v618, sys, "bpf_sys_bpf_proto", ""},
		{"tracing set under syscall", "copy_from_user", v618, sys, "bpf_copy_from_user_proto", ""},
		{"config off", "skb_get_xfrm_state", v618, Use{Type: bpf.ProgSchedCls, Config: off("CONFIG_XFRM")}, "", ""},
		{"config on", "skb_get_xfrm_state", v618, Use{Type: bpf.ProgSchedCls}, "bpf_skb_get_xfrm_state_proto", ""},
		{"kprobe multi", "get_func_ip", v618, Use{Type: bpf.ProgKprobe, Attach: bpf.AttachTraceKprobeMulti}, "bpf_get_func_ip_proto_kprobe_multi", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, why := HelperProto(tt.rel, ByName(tt.helper).ID, tt.use)
			switch {
			case tt.proto != "" && p == nil:
				t.Fatalf("refused: %s", why)
			case tt.proto != "" && p.Name != tt.proto:
				t.Fatalf("got %s, want %s", p.Name, tt.proto)
			case tt.proto == "" && p != nil:
				t.Fatalf("got %s, want a refusal", p.Name)
			case tt.proto == "" && (why == "" || !strings.Contains(why, tt.why)):
				t.Fatalf("reason %q does not say %q", why, tt.why)
			}
		})
	}
}

// TestTablesComplete asks for every row: whatever a rule names must exist.
func TestTablesComplete(t *testing.T) {
	for i, rel := range Releases {
		if n := len(Helpers(rel)); n != 212 {
			t.Errorf("%s: %d helpers", rel, n)
		}
		if n := len(Protos(rel)); n < 270 {
			t.Errorf("%s: %d prototypes", rel, n)
		}
		for _, f := range protoFuncs {
			for _, g := range f.groups {
				if !g.rels.has(i) {
					continue
				}
				for _, a := range g.alts {
					switch a.act {
					case actProto:
						if proto(i, a.target) == nil {
							t.Errorf("%s: %s: no prototype %s", rel, f.name, a.target)
						}
					case actCall, actTry:
						if _, why := HelperProto(rel, 1, Use{Type: bpf.ProgXDP}); why != "" {
							t.Errorf("%s: %s", rel, why)
						}
					}
				}
			}
		}
	}
	if p, why := HelperProto(v618, 9999, Use{Type: bpf.ProgXDP}); p != nil || why != "" {
		t.Errorf("unknown id: got %v %q", p, why)
	}
}

func TestSets(t *testing.T) {
	if !InSet(v618, "sleepable_lsm_hooks", "bpf_lsm_file_open") {
		t.Error("file_open must be sleepable")
	}
	if InSet(v618, "sleepable_lsm_hooks", "bpf_lsm_task_free") {
		t.Error("task_free must not be sleepable")
	}
	d := proto(relIndex(v618), "bpf_d_path_proto")
	if !Allowed(v618, d, Use{Type: bpf.ProgTracing, Attach: bpf.AttachTraceFentry, AttachName: "vfs_truncate"}) {
		t.Error("d_path must be allowed in vfs_truncate")
	}
	if Allowed(v618, d, Use{Type: bpf.ProgTracing, Attach: bpf.AttachTraceFentry, AttachName: "schedule"}) {
		t.Error("d_path must not be allowed in schedule")
	}
}

func TestConfigExpr(t *testing.T) {
	cfg := func(s string) string {
		return map[string]string{"CONFIG_A": "y", "CONFIG_B": "m"}[s]
	}
	for expr, want := range map[string]bool{
		"": true, "CONFIG_A": true, "CONFIG_B": true, "CONFIG_C": false, "!CONFIG_C": true,
		"CONFIG_A && CONFIG_C": false, "(CONFIG_A || CONFIG_C) && CONFIG_B": true, "!(CONFIG_A && CONFIG_B)": false,
	} {
		if got := Enabled(expr, cfg); got != want {
			t.Errorf("%q: got %v", expr, got)
		}
	}
}

func BenchmarkHelperProto(b *testing.B) {
	u := Use{Type: bpf.ProgStructOps, StructOps: "tcp_congestion_ops", Slot: "init"}
	for b.Loop() {
		HelperProto(v73, 113, u)
	}
}
