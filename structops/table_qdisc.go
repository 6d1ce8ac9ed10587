// SPDX-License-Identifier: Apache-2.0

package structops

import "github.com/modbpf/modbpf/bpf"

// qdiscContract: net/sched/bpf_qdisc.c.
func qdiscContract(t *Table, _ bpf.Release) {
	t.Helpers = "bpf_base_func_proto"
	t.Doc = "a queueing discipline, as a device's root or a child of mq"
	lock := []string{"Qdisc.root_lock"}
	t.apply([]slotFacts{
		{"enqueue", Required, ContextSoftirq, lock, nil, "", "takes over a packet: queue it or drop it, and say which"},
		{"dequeue", Required, ContextSoftirq, lock, nil, "sk_buff", "gives the next packet, or null"},
		{"init", Required, ContextProcess, []string{"rtnl_mutex"}, nil, "", "the discipline is created"},
		{"reset", Required, ContextProcess, []string{"rtnl_mutex", "Qdisc.root_lock"}, nil, "", "drop all packets"},
		{"destroy", Required, ContextProcess, []string{"rtnl_mutex"}, nil, "", "the discipline is removed"},
	})
	if s := t.Slot("enqueue"); s != nil {
		s.Args = append(s.Args, ArgRule{Index: 2, BTF: "bpf_sk_buff_ptr"})
	}
	t.Writable = []Field{
		{Struct: "Qdisc", Member: "limit", AtStart: true},
		{Struct: "Qdisc", Member: "q.qlen", AtStart: true},
		{Struct: "Qdisc", Member: "qstats"},
		{Struct: "sk_buff", Member: "tstamp", AtStart: true},
		{Struct: "sk_buff", Member: "cb", Offset: 8, Size: 20}, // struct qdisc_skb_cb's data
	}
	t.Init = []FieldRule{
		{Member: "id", Name: true, Doc: "at most 15 bytes"},
		{Member: "priv_size", Min: 0, Max: 0, Doc: "the kernel sets it"},
	}
}
