// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"slices"
	"strings"

	"github.com/modbpf/modbpf/structops"
)

// Mode is how one version takes another's place.
type Mode string

// Modes.
const (
	// Update: the kernel exchanges the two in one step; no event is missed or seen twice.
	Update Mode = "update"
	// NewThenOld: the new version is attached beside the old, which then goes.
	NewThenOld Mode = "new-then-old"
	// OldThenNew: the two cannot be there together; between them there is a gap.
	OldThenNew Mode = "old-then-new"
)

// Plan is how an upgrade or rollback will go, said beforehand.
type Plan struct {
	Mode   Mode   `json:"mode"`
	Reason string `json:"reason"`
	Gap    string `json:"gap"` // what users of the driver notice
}

// tableRules are the tables whose rules differ from the default: unknown tables
// are taken for exclusive, which is always possible.
var tableRules = map[string]Plan{
	"tcp_congestion_ops": {
		Update, "the kernel can exchange a congestion control of the same name in one step",
		"none: open connections go on with the new version",
	},
	"bpf_dummy_ops": {OldThenNew, "only one can be registered", "the slots are not called in between"},
	"Qdisc_ops": {
		OldThenNew, "a queueing discipline's name can be registered only once",
		"qdiscs of the old version stay on their interfaces with the old code; new ones use the new version",
	},
	"sched_ext_ops": {
		OldThenNew, "the kernel runs one BPF scheduler at a time",
		"tasks are scheduled by the kernel's own scheduler in between",
	},
}

// PlanSwitch decides how to get from one version to another. tables looks up
// what the kernel says of a table.
func PlanSwitch(from, to *Meta, tables func(string) *structops.Table) Plan {
	// The weakest point decides, so that all points switch the same way.
	plan := Plan{Mode: Update, Reason: "the kernel can exchange programs of a link in one step", Gap: "none"}
	rank := map[Mode]int{Update: 0, NewThenOld: 1, OldThenNew: 2}
	take := func(p Plan) {
		if rank[p.Mode] > rank[plan.Mode] || plan.Mode == Update && p.Mode == Update && p.Gap != "none" {
			plan = p
		}
	}
	if len(from.Points) != len(to.Points) || !slices.EqualFunc(from.Points, to.Points, func(a, b Point) bool { return a.alike(&b) || a.renamed(&b) }) {
		take(Plan{OldThenNew, "the versions use different extension points", "the driver is away in between"})
		return plan
	}
	for i := range to.Points {
		take(planPoint(&from.Points[i], &to.Points[i], tables))
	}
	return plan
}

// renamed reports whether only the variable or program is called differently.
func (p *Point) renamed(q *Point) bool {
	a := *p
	a.Variable, a.Program = q.Variable, q.Program
	return a.alike(q)
}

func planPoint(from, to *Point, tables func(string) *structops.Table) Plan {
	if to.Table == "" {
		return Plan{Mode: Update, Reason: "the kernel can exchange programs of a link in one step", Gap: "none"}
	}
	if to.Table == "hid_bpf_ops" {
		has := func(p *Point) bool { return slices.Contains(p.Slots, "hid_rdesc_fixup") }
		switch {
		case has(from) && has(to):
			return Plan{OldThenNew, "a device takes one hid_rdesc_fixup", "the device is probed twice; programs that hold it open must reopen it, reports in between are lost"}
		case has(from) || has(to):
			return Plan{NewThenOld, "two drivers may sit on one device", "the device is probed again; programs that hold it open must reopen it, reports in between are lost"}
		}
		return Plan{NewThenOld, "two drivers may sit on one device", "for a moment both see each report"}
	}
	rule, ok := tableRules[to.Table]
	if !ok {
		rule = Plan{OldThenNew, "nothing says that two of " + to.Table + " may coexist", "the driver is away in between"}
		if t := tables(to.Table); t != nil && t.Update {
			rule = Plan{Update, "the kernel can exchange two of this table in one step", "none"}
		}
	}
	if rule.Mode == Update && from.Name != to.Name {
		return Plan{NewThenOld, "the name changes from " + quote(from.Name) + " to " + quote(to.Name), "users of the old name keep what they have; new ones must ask for the new name"}
	}
	return rule
}

func quote(s string) string {
	if s == "" {
		return "none"
	}
	return strings.ToValidUTF8(s, "?")
}
