// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"strings"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/verifier"
)

// Families sort programs by the feature they are about: by the name of their
// object where that says it, else by the kind of program.
var families = []struct{ family, names string }{
	{"dynptrs", "dynptr"},
	{"iterators", "iters bpf_iter iter_ open_coded verifier_iterating cgroup_iter task_vma"},
	{"exceptions", "exceptions"},
	{"lists and rbtrees", "linked_list rbtree refcounted_kptr graph"},
	{"kptrs", "kptr cgrp_kfunc task_kfunc cpumask percpu_alloc local_storage_kptr jit_probe map_kptr crypto"},
	{"locks", "spin_lock res_spin"},
	{"rcu, preempt and irq", "rcu preempt irq"},
	{"timers and workqueues", "timer wq_ wq"},
	{"arena", "arena"},
	{"may_goto and loops", "may_goto loop bounded bpf_loop cond_break"},
	{"sleepable", "sleepable lsm_"},
	{"struct_ops", "struct_ops tcp_ca bpf_cubic bpf_dctcp bpf_cc dummy_st tcp_incompl tcp_unsup"},
	{"callbacks", "callback for_each find_vma verifier_iterating_callbacks cb_refs"},
	{"ring buffers", "ringbuf"},
	{"tail calls", "tailcall tail_call"},
	{"subprograms", "subprog global_func func calls"},
	{"references", "ref_track sk_lookup lookup_and"},
	{"atomics", "atomic"},
	{"CO-RE", "core_ core test_core"},
	{"BTF pointers", "btf_ptr btf_ctx nested_trust trust vma raw_tp"},
	{"kfunc calls", "kfunc"},
	{"maps", "map array htab lpm bloom"},
	{"scalars and stack", "bounds scalar ldsx sdiv bswap movsx stack spill var_off reg_ value_ signed precision const"},
	{"context", "ctx"},
	{"packets", "xdp tc_ packet skb direct sock cgroup netns lwt tcp udp"},
}

func family(object string, p *verifier.Program) string {
	object = strings.TrimPrefix(object, "test_")
	for _, f := range families {
		for _, n := range strings.Fields(f.names) {
			if strings.Contains(object, n) {
				return f.family
			}
		}
	}
	if p == nil {
		return "other"
	}
	switch p.Type {
	case bpf.ProgTracing, bpf.ProgLSM, bpf.ProgKprobe, bpf.ProgTracepoint, bpf.ProgRawTracepoint, bpf.ProgPerfEvent, bpf.ProgRawTracepointWritable:
		return "tracing"
	case bpf.ProgStructOps:
		return "struct_ops"
	case bpf.ProgXDP, bpf.ProgSchedCls, bpf.ProgSchedAct, bpf.ProgSocketFilter, bpf.ProgCgroupSkb:
		return "packets"
	}
	return "other"
}
