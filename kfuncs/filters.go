// SPDX-License-Identifier: Apache-2.0

package kfuncs

import (
	"slices"
	"strings"

	"github.com/modbpf/modbpf/bpf"
)

// A set of kfuncs can come with a filter, a C function that looks at the
// program. There are a dozen in all releases together; each is written out
// here under its C name, and a test compares the list with the rows.

type filterFunc func(rel bpf.Release, k *Kfunc, r *Registration, u Use) (bool, string)

var filters = map[string]filterFunc{
	// kernel/trace/bpf_trace.c: session kfuncs
	"bpf_kprobe_multi_filter": func(rel bpf.Release, _ *Kfunc, _ *Registration, u Use) (bool, string) {
		ok := u.Type == bpf.ProgKprobe && (u.Attach == bpf.AttachTraceKprobeSession ||
			u.Attach == bpf.AttachTraceUprobeSession && rel.AtLeast(bpf.Release{Major: 6, Minor: 18}))
		return ok, "for session programs only"
	},
	"bpf_session_filter": func(_ bpf.Release, _ *Kfunc, _ *Registration, u Use) (bool, string) {
		ok := u.Type == bpf.ProgKprobe && (u.Attach == bpf.AttachTraceKprobeSession || u.Attach == bpf.AttachTraceUprobeSession) ||
			u.Type == bpf.ProgTracing && (u.Attach == bpf.AttachTraceFsession || u.Attach == bpf.AttachTraceFsessionMulti)
		return ok, "for session programs only"
	},
	// net/core/filter.c
	"tracing_iter_filter": func(_ bpf.Release, _ *Kfunc, _ *Registration, u Use) (bool, string) {
		return u.Attach == bpf.AttachTraceIter, "for iterators only"
	},
	// fs/verity/measure.c
	"bpf_get_fsverity_digest_filter": func(_ bpf.Release, _ *Kfunc, _ *Registration, u Use) (bool, string) {
		return u.Type == bpf.ProgLSM, "for lsm programs only"
	},
	// fs/bpf_fs_kfuncs.c
	"bpf_fs_kfuncs_filter": func(rel bpf.Release, k *Kfunc, _ *Registration, u Use) (bool, string) {
		if u.Type == bpf.ProgLSM {
			return true, ""
		}
		ok := u.Type == bpf.ProgStructOps && u.StructOps == "binfmt_misc_ops" && !InSet(rel, "bpf_fs_kfunc_lsm_only_ids", k.Name)
		return ok, "for lsm programs only"
	},
	// fs/binfmt_misc_bpf.c
	"bm_bpf_kfunc_filter": slotFilter,
	// net/core/bpf_ksock.c
	"bpf_ksock_kfunc_filter": func(_ bpf.Release, _ *Kfunc, _ *Registration, u Use) (bool, string) {
		return u.Type == bpf.ProgSyscall || u.Type == bpf.ProgLSM && attachFunc(&u) != "bpf_lsm_socket_sendmsg", "not for this hook"
	},
	// net/sched/bpf_qdisc.c and kernel/sched/ext/ext.c: what describe put into the registration
	"bpf_qdisc_kfunc_filter":   slotFilter,
	"scx_kfunc_context_filter": slotFilter,
}

// filter asks a registration's filter.
func filter(rel bpf.Release, k *Kfunc, r *Registration, u Use) (bool, string) {
	if r.Filter == "" {
		return true, ""
	}
	f, ok := filters[r.Filter]
	if !ok {
		return false, "behind the filter " + r.Filter + ", which is not in the tables"
	}
	return f(rel, k, r, u)
}

// slotFilter is a filter that is fully said by a registration's tables and
// slots. Programs of other types it lets through: where they may not call, the
// set is not registered for them.
func slotFilter(_ bpf.Release, _ *Kfunc, r *Registration, u Use) (bool, string) {
	if u.Type != bpf.ProgStructOps {
		return true, ""
	}
	if r.Tables != nil && !slices.Contains(r.Tables, u.StructOps) {
		return false, "for slots of " + strings.Join(r.Tables, ", ") + " only"
	}
	slot := u.StructOps + "." + u.Slot
	if slices.Contains(r.Deny, slot) || r.Slots != nil && !slices.Contains(r.Slots, slot) {
		return false, "not for " + slot
	}
	return true, ""
}

// describe fills in the tables and slots a registration's filter narrows it to.
func describe(rel int, name string, r *Registration) {
	switch r.Filter {
	case "bpf_qdisc_kfunc_filter":
		r.Tables = []string{"Qdisc_ops"}
		switch {
		case InSet(Releases[rel], "qdisc_common_kfunc_set", name):
		case InSet(Releases[rel], "qdisc_enqueue_kfunc_set", name) && InSet(Releases[rel], "qdisc_dequeue_kfunc_set", name):
			r.Slots = []string{"Qdisc_ops.enqueue", "Qdisc_ops.dequeue"}
		case InSet(Releases[rel], "qdisc_enqueue_kfunc_set", name):
			r.Slots = []string{"Qdisc_ops.enqueue"}
		case InSet(Releases[rel], "qdisc_dequeue_kfunc_set", name):
			r.Slots = []string{"Qdisc_ops.dequeue"}
		default:
			r.Slots = []string{}
		}
	case "bm_bpf_kfunc_filter":
		r.Tables, r.Slots = []string{"binfmt_misc_ops"}, []string{"binfmt_misc_ops.load"}
	case "scx_kfunc_context_filter":
		describeSched(rel, name, r)
	}
}

// schedSlots says which slots of sched_ext may call a context-sensitive group
// of kfuncs (scx_kf_allow_flags in kernel/sched/ext/ext.c).
var schedSlots = map[string][]string{
	"scx_kfunc_ids_select_cpu":       {"select_cpu", "enqueue"},
	"scx_kfunc_ids_enqueue_dispatch": {"select_cpu", "enqueue", "dispatch", "sub_ecaps_updated"},
	"scx_kfunc_ids_dispatch":         {"dispatch", "sub_ecaps_updated"},
	"scx_kfunc_ids_cpu_release":      {"cpu_release"},
	"scx_kfunc_ids_init":             {"init"},
	"scx_kfunc_ids_init_cids":        {"init_cids"},
	"scx_kfunc_ids_unlocked": {
		"init_task", "dump", "cgroup_init", "cgroup_exit", "cgroup_prep_move", "cgroup_cancel_move", "cgroup_set_weight",
		"cgroup_set_bandwidth", "cgroup_set_idle", "sub_attach", "sub_detach", "cpu_online", "cpu_offline", "init_cids", "init", "exit",
	},
}

// describeSched: a kfunc in several groups may be called where any of them may.
func describeSched(rel int, name string, r *Registration) {
	v73 := Releases[rel].AtLeast(bpf.Release{Major: 7, Minor: 3})
	r.Tables = []string{"sched_ext_ops", "sched_ext_ops_cid"}
	cpuOnly := InSet(Releases[rel], "scx_kfunc_ids_cpu_only", name)
	if cpuOnly {
		r.Tables = r.Tables[:1]
	}
	slots, limited := map[string]bool{}, true
	i, _ := slices.BinarySearchFunc(kfuncRows[:], name, func(k kfuncRow, want string) int { return strings.Compare(k.name, want) })
	for _, row := range kfuncRows[i].regs {
		if !row.rels.has(rel) || row.Filter != r.Filter {
			continue
		}
		s, ok := schedSlots[row.Set]
		limited = limited && ok
		for _, m := range s {
			if m == "sub_ecaps_updated" && !v73 {
				continue
			}
			slots[m] = true
		}
	}
	if !limited {
		return
	}
	r.Slots = []string{}
	for m := range slots {
		for _, t := range r.Tables {
			r.Slots = append(r.Slots, t+"."+m)
			if c := cidName(m); t == "sched_ext_ops_cid" && c != m {
				r.Slots = append(r.Slots, t+"."+c)
			}
		}
	}
	slices.Sort(r.Slots)
}

// cidName is the name a slot of sched_ext_ops has in sched_ext_ops_cid.
func cidName(m string) string {
	switch m {
	case "select_cpu":
		return "select_cid"
	case "cpu_online", "cpu_offline":
		return "cid" + m[3:]
	}
	if rest, ok := strings.CutPrefix(m, "cgroup_"); ok {
		return "cpuctl_" + rest
	}
	return m
}
