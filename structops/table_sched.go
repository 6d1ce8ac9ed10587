// SPDX-License-Identifier: Apache-2.0

package structops

import "github.com/modbpf/modbpf/bpf"

// schedContract: kernel/sched/ext.c, from 7.2 kernel/sched/ext/ext.c. The table
// with "cid" in its name numbers processors densely; its slots are the same but
// for those that speak of processors.
func schedContract(t *Table, rel bpf.Release) {
	t.Helpers = "bpf_base_func_proto"
	t.Doc = "a CPU scheduler; one at a time, and the kernel falls back to its own when it fails"
	rq, pi := []string{"rq.__lock"}, []string{"task_struct.pi_lock", "rq.__lock"}
	row := func(m string, ctx Context, holds []string, doc string) slotFacts {
		return slotFacts{member: m, ctx: ctx, holds: holds, doc: doc}
	}
	cgroup := []string{"scx_cgroup_ops_rwsem"}
	t.apply([]slotFacts{
		row("select_cpu", ContextIRQ, pi[:1], "chooses a processor for a task that wakes"),
		row("select_cid", ContextIRQ, pi[:1], "chooses a processor for a task that wakes"),
		row("enqueue", ContextIRQ, rq, "a task is ready: put it into a queue"),
		row("dequeue", ContextIRQ, rq, "a task leaves before it ran"),
		row("dispatch", ContextIRQ, rq, "a processor wants tasks"),
		row("tick", ContextIRQ, rq, "a task runs on at a tick"),
		row("runnable", ContextIRQ, rq, "a task becomes ready"),
		row("running", ContextIRQ, rq, "a task begins to run"),
		row("stopping", ContextIRQ, rq, "a task stops running"),
		row("quiescent", ContextIRQ, rq, "a task is no longer ready"),
		row("yield", ContextIRQ, rq, "a task gives way; the result says whether to another one"),
		row("core_sched_before", ContextIRQ, rq, "orders two tasks of one core"),
		row("set_weight", ContextIRQ, rq, "a task's weight changed"),
		row("set_cpumask", ContextIRQ, rq, "a task's processors changed"),
		row("set_cmask", ContextIRQ, rq, "a task's processors changed"),
		row("update_idle", ContextIRQ, rq, "a processor goes to rest or wakes"),
		row("cpu_acquire", ContextIRQ, rq, "a processor comes back to the scheduler"),
		row("cpu_release", ContextIRQ, rq, "a processor is taken from the scheduler"),
		row("init_task", ContextProcess, nil, "a task is about to come to the scheduler; a negative result refuses it"),
		row("exit_task", ContextIRQ, rq, "a task is gone"),
		row("enable", ContextIRQ, rq, "a task comes to the scheduler"),
		row("disable", ContextIRQ, rq, "a task leaves the scheduler"),
		row("cgroup_init", ContextProcess, cgroup, "a cgroup is about to come; a negative result refuses it"),
		row("cpuctl_init", ContextProcess, cgroup, "a cgroup is about to come; a negative result refuses it"),
		row("cgroup_exit", ContextProcess, cgroup, "a cgroup is gone"),
		row("cpuctl_exit", ContextProcess, cgroup, "a cgroup is gone"),
		row("cgroup_prep_move", ContextProcess, cgroup, "a task is about to change its cgroup; a negative result refuses"),
		row("cpuctl_prep_move", ContextProcess, cgroup, "a task is about to change its cgroup; a negative result refuses"),
		row("cgroup_move", ContextIRQ, rq, "a task changes its cgroup"),
		row("cpuctl_move", ContextIRQ, rq, "a task changes its cgroup"),
		row("cgroup_cancel_move", ContextProcess, cgroup, "a task does not change its cgroup after all"),
		row("cpuctl_cancel_move", ContextProcess, cgroup, "a task does not change its cgroup after all"),
		row("cgroup_set_weight", ContextProcess, cgroup, "a cgroup's weight changed"),
		row("cpuctl_set_weight", ContextProcess, cgroup, "a cgroup's weight changed"),
		row("cgroup_set_bandwidth", ContextProcess, cgroup, "a cgroup's bandwidth changed"),
		row("cpuctl_set_bandwidth", ContextProcess, cgroup, "a cgroup's bandwidth changed"),
		row("cgroup_set_idle", ContextProcess, cgroup, "a cgroup became idle or no longer is"),
		row("cpuctl_set_idle", ContextProcess, cgroup, "a cgroup became idle or no longer is"),
		row("sub_attach", ContextProcess, nil, "a scheduler is put beneath this one; a negative result refuses it"),
		row("sub_detach", ContextProcess, nil, "a scheduler beneath this one is gone"),
		row("sub_caps_updated", ContextIRQ, rq, "what the scheduler above allows changed"),
		row("sub_ecaps_updated", ContextIRQ, rq, "what the schedulers above allow together changed"),
		row("cpu_online", ContextProcess, nil, "a processor is there"),
		row("cid_online", ContextProcess, nil, "a processor is there"),
		row("cpu_offline", ContextProcess, nil, "a processor is gone"),
		row("cid_offline", ContextProcess, nil, "a processor is gone"),
		row("init_cids", ContextProcess, nil, "numbers the processors"),
		row("init", ContextProcess, nil, "the scheduler begins; a negative result stops it"),
		row("exit", ContextProcess, nil, "the scheduler ended; says why"),
		row("dump", ContextIRQ, nil, "adds to the report of a failure"),
		row("dump_cpu", ContextIRQ, rq, "adds to the report of a failure"),
		row("dump_cid", ContextIRQ, rq, "adds to the report of a failure"),
		row("dump_task", ContextIRQ, nil, "adds to the report of a failure"),
	})
	t.Writable = writable("task_struct", "scx.disallow")
	if t.Name == "sched_ext_ops" || rel.Less(bpf.Release{Major: 7, Minor: 3}) { // 7.3 took two fields from the newer table
		t.Writable = writable("task_struct", "scx.slice", "scx.dsq_vtime", "scx.disallow")
	}
	flags := uint64(0x1000f)
	switch {
	case rel.AtLeast(v72):
		flags = 0x1ff
	case rel.AtLeast(v618):
		flags = 0x1007f
	}
	t.Init = []FieldRule{
		{Member: "name", Name: true, Doc: "at most 127 bytes"},
		{Member: "dispatch_max_batch", Min: 0, Max: 1<<31 - 1, Doc: "how many tasks dispatch may put out at once"},
		{Member: "flags", Mask: flags, Doc: "SCX_OPS_* flags"},
		{Member: "timeout_ms", Min: 0, Max: 30000, Doc: "how long a ready task may wait before the kernel ends the scheduler"},
		{Member: "exit_dump_len", Min: 0, Max: 1<<32 - 1, Doc: "bytes for the report of a failure"},
		{Member: "hotplug_seq", Min: 0, Max: 1<<63 - 1, Doc: "the state of the processors the scheduler was made for"},
	}
	if rel.AtLeast(v72) {
		t.Init = append(t.Init, FieldRule{Member: "sub_cgroup_id", Min: 0, Max: 1<<63 - 1, Doc: "the cgroup of a scheduler beneath another (CONFIG_EXT_SUB_SCHED)"})
	}
	if rel.AtLeast(bpf.Release{Major: 7, Minor: 3}) {
		t.Init = append(t.Init,
			FieldRule{Member: "cid_shard_size", Min: 0, Max: 1<<32 - 1, Doc: "processors of a shard"},
			FieldRule{Member: "rescue_bandwidth_ppt", Min: 0, Max: 1<<32 - 1, Doc: "parts of a thousand kept for rescue"},
			FieldRule{Member: "rescue_quantum_us", Min: 0, Max: 1<<32 - 1, Doc: "the rescue's time slice"})
	}
}
