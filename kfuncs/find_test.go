// SPDX-License-Identifier: Apache-2.0

package kfuncs

import (
	"slices"
	"strings"
	"testing"

	"github.com/modbpf/modbpf/bpf"
)

var v72 = bpf.Release{Major: 7, Minor: 2}

func slot(table, member string) Use {
	return Use{Type: bpf.ProgStructOps, StructOps: table, Slot: member}
}

func TestKfuncFor(t *testing.T) {
	tests := []struct {
		name  string
		rel   bpf.Release
		kfunc string
		use   Use
		flags Flags
		why   string // part of the reason when refused
	}{
		{"hid in struct_ops", v72, "hid_bpf_get_data", slot("hid_bpf_ops", "hid_device_event"), RetNull, ""},
		{"hid not in syscall", v72, "hid_bpf_get_data", Use{Type: bpf.ProgSyscall}, 0, "not for syscall programs"},
		{"hid sleepable", v72, "hid_bpf_hw_request", Use{Type: bpf.ProgSyscall}, 0, ""},
		{"common for xdp", v618, "bpf_rcu_read_lock", Use{Type: bpf.ProgXDP}, 0, ""},
		{"generic for xdp", v618, "bpf_obj_new_impl", Use{Type: bpf.ProgXDP}, Acquire | RetNull, ""},
		{"generic not for socket filters", v618, "bpf_obj_new_impl", Use{Type: bpf.ProgSocketFilter}, 0, "not for socket_filter programs"},
		{"lsm shares the tracing hook", v618, "bpf_task_acquire", Use{Type: bpf.ProgLSM, Attach: bpf.AttachLSMMac, AttachName: "file_open"}, Acquire | RetNull | RCU, ""},
		{"no kfuncs for sockops in 6.12", v612, "bpf_sock_ops_enable_tx_tstamp", Use{Type: bpf.ProgSockOps}, 0, "absent"},
		{"qdisc enqueue", v72, "bpf_qdisc_skb_drop", slot("Qdisc_ops", "enqueue"), Release, ""},
		{"qdisc drop elsewhere", v72, "bpf_qdisc_skb_drop", slot("Qdisc_ops", "reset"), 0, "not for Qdisc_ops.reset"},
		{"qdisc in another table", v72, "bpf_kfree_skb", slot("tcp_congestion_ops", "init"), 0, "Qdisc_ops only"},
		{"sched_ext dispatch", v72, "scx_bpf_dsq_move_to_local", slot("sched_ext_ops", "dispatch"), 0, ""},
		{"sched_ext dispatch elsewhere", v72, "scx_bpf_dsq_move_to_local", slot("sched_ext_ops", "running"), 0, "not for sched_ext_ops.running"},
		{"sched_ext in tracing", v72, "scx_bpf_nr_cpu_ids", Use{Type: bpf.ProgRawTracepoint}, 0, ""},
		{"sched_ext in other tables", v72, "scx_bpf_nr_cpu_ids", slot("tcp_congestion_ops", "init"), 0, "sched_ext_ops"},
		{"sched_ext numbers", v73, "scx_bpf_dsq_move_to_local", slot("sched_ext_ops_cid", "dispatch"), 0, ""},
		{"iterator only", v618, "bpf_sock_destroy", Use{Type: bpf.ProgTracing, Attach: bpf.AttachTraceIter, AttachName: "tcp"}, 0, ""},
		{"not an iterator", v618, "bpf_sock_destroy", Use{Type: bpf.ProgTracing, Attach: bpf.AttachTraceFentry}, 0, "iterators only"},
		{"fs for lsm", v618, "bpf_get_task_exe_file", Use{Type: bpf.ProgLSM}, Acquire | TrustedArgs | RetNull, ""},
		{"fs for tracing", v618, "bpf_get_task_exe_file", Use{Type: bpf.ProgTracing}, 0, "lsm"},
		{"config", v72, "hid_bpf_get_data", Use{Type: bpf.ProgStructOps, StructOps: "hid_bpf_ops", Config: func(string) string { return "" }}, 0, "needs CONFIG_HID_BPF"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k := Find(tt.rel, tt.kfunc)
			if tt.why == "absent" {
				if k != nil {
					t.Fatalf("%s has %s", tt.rel, tt.kfunc)
				}
				return
			}
			if k == nil {
				t.Fatalf("%s has no %s", tt.rel, tt.kfunc)
			}
			r, why := k.For(tt.rel, tt.use)
			switch {
			case tt.why == "" && r == nil:
				t.Fatalf("refused: %s", why)
			case tt.why == "" && !r.Has(tt.flags):
				t.Fatalf("flags %s, want %s", r.Flags, tt.flags)
			case tt.why != "" && r != nil:
				t.Fatalf("allowed by %s", r.Set)
			case tt.why != "" && !strings.Contains(why, tt.why):
				t.Fatalf("reason %q does not say %q", why, tt.why)
			}
		})
	}
}

// TestFiltersKnown: a filter in the rows that is not written out would refuse
// every program.
func TestFiltersKnown(t *testing.T) {
	seen := map[string]bool{}
	for _, row := range kfuncRows {
		for _, r := range row.regs {
			if r.Filter != "" && filters[r.Filter] == nil {
				t.Errorf("kfunc %s: filter %s is not written out", row.name, r.Filter)
			}
			seen[r.Filter] = true
		}
	}
	for f := range filters {
		if !seen[f] {
			t.Errorf("filter %s is in no row", f)
		}
	}
}

// TestSchedGroupsKnown: each set behind sched_ext's filter must be a group we
// know or one that any slot may call.
func TestSchedGroupsKnown(t *testing.T) {
	anywhere := []string{"scx_kfunc_ids_any", "scx_kfunc_ids_idle", "scx_kfunc_ids_cid"}
	for _, row := range kfuncRows {
		for _, r := range row.regs {
			if r.Filter == "scx_kfunc_context_filter" && schedSlots[r.Set] == nil && !slices.Contains(anywhere, r.Set) {
				t.Errorf("kfunc %s: group %s is not known", row.name, r.Set)
			}
		}
	}
}

func TestAll(t *testing.T) {
	for _, tt := range []struct {
		rel bpf.Release
		min int
	}{{v612, 190}, {v618, 240}, {v72, 300}, {v73, 340}} {
		n := len(All(tt.rel))
		t.Logf("%s: %d kfuncs", tt.rel, n)
		if n < tt.min {
			t.Errorf("%s: %d kfuncs, want at least %d", tt.rel, n, tt.min)
		}
	}
	first, last, ok := Lifetime("hid_bpf_get_data")
	if !ok || first != v612 || last != v73 {
		t.Errorf("hid_bpf_get_data: %v to %v", first, last)
	}
}
