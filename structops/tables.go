// SPDX-License-Identifier: Apache-2.0

package structops

import (
	"slices"
	"sync"

	"github.com/modbpf/modbpf/bpf"
)

type tableRow struct {
	rels                       uint8 // bit i: releases[i]
	name, file, config, module string
	update                     bool
}

type slotRow struct {
	rels                        uint8
	table, member, stub, config string
	sleep, mustSleep            bool
	args                        []ArgRule
}

// contracts are the hand-written parts, one file a table: each adds to what
// the generated rows say what only reading the kernel tells.
var contracts = map[string]func(t *Table, rel bpf.Release){
	"hid_bpf_ops":        hidContract,
	"tcp_congestion_ops": tcpContract,
	"Qdisc_ops":          qdiscContract,
	"sched_ext_ops":      schedContract,
	"sched_ext_ops_cid":  schedContract,
	"bpf_dummy_ops":      dummyContract,
	"io_uring_bpf_ops":   ioUringContract,
	"smc_hs_ctrl":        smcContract,
	"binfmt_misc_ops":    binfmtContract,
}

func relIndex(rel bpf.Release) int {
	i := len(releases) - 1
	for i > 0 && rel.Less(releases[i]) {
		i--
	}
	return i
}

type tableKey struct {
	rel  int
	name string
}

var made sync.Map // tableKey → *Table

// TableFor is a struct_ops table with its contracts as a release has it; nil if
// that release's source has none of the name. The result is shared: do not change it.
func TableFor(rel bpf.Release, name string) *Table {
	key := tableKey{relIndex(rel), name}
	if t, ok := made.Load(key); ok {
		return t.(*Table)
	}
	t := build(key.rel, name)
	if t == nil {
		return nil
	}
	v, _ := made.LoadOrStore(key, t)
	return v.(*Table)
}

// Tables lists the struct_ops tables of a release, by name.
func Tables(rel bpf.Release) []*Table {
	var out []*Table
	for _, n := range Names() {
		if t := TableFor(rel, n); t != nil {
			out = append(out, t)
		}
	}
	return out
}

// Names lists every table of any known release.
func Names() []string {
	var out []string
	for i := range tableRows {
		out = append(out, tableRows[i].name)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Newest is a table as the newest release that has it says; nil if none has.
func Newest(name string) *Table {
	for i := len(releases) - 1; i >= 0; i-- {
		if t := TableFor(releases[i], name); t != nil {
			return t
		}
	}
	return nil
}

func build(rel int, name string) *Table {
	var t *Table
	first, last := -1, -1
	for i := range tableRows {
		r := &tableRows[i]
		if r.name != name {
			continue
		}
		for j := range releases {
			if r.rels>>j&1 != 0 {
				if first < 0 || j < first {
					first = j
				}
				last = max(last, j)
			}
		}
		if r.rels>>rel&1 != 0 {
			t = &Table{Name: name, File: r.file, Config: r.config, Module: r.module, Update: r.update}
		}
	}
	if t == nil {
		return nil
	}
	t.First = releases[first]
	for i := range slotRows {
		r := &slotRows[i]
		if r.table != name || r.rels>>rel&1 == 0 {
			continue
		}
		s := Slot{Member: r.member, Stub: r.stub, Config: r.config, Sleepable: r.sleep, MustSleep: r.mustSleep, Args: slices.Clone(r.args)}
		if r.stub == "" {
			s.Need = NotImplementable
		}
		lifetime(&s, name, first, last)
		t.Slots = append(t.Slots, s)
	}
	if c := contracts[name]; c != nil {
		c(t, releases[rel])
	}
	return t
}

// lifetime fills in First and Last where the slot is younger than the table or
// gone before it.
func lifetime(s *Slot, table string, first, last int) {
	var all uint8
	for i := range slotRows {
		if r := &slotRows[i]; r.table == table && r.member == s.Member && (r.stub == "") == (s.Need == NotImplementable) {
			all |= r.rels
		}
	}
	lo, hi := -1, -1
	for j := range releases {
		if all>>j&1 != 0 {
			if lo < 0 {
				lo = j
			}
			hi = j
		}
	}
	if lo > first {
		s.First = releases[lo]
	}
	if hi >= 0 && hi < last {
		s.Last = releases[hi]
	}
}

// Slot finds a slot by member name; nil if the table has none.
func (t *Table) Slot(member string) *Slot {
	for i := range t.Slots {
		if t.Slots[i].Member == member {
			return &t.Slots[i]
		}
	}
	return nil
}

// slotFacts is what a contract says of one slot.
type slotFacts struct {
	member string
	need   Need
	ctx    Context
	holds  []string
	ret    *Range
	retPtr string
	doc    string
}

// apply adds what a contract says; slots the release lacks are passed over.
func (t *Table) apply(facts []slotFacts) {
	for _, f := range facts {
		s := t.Slot(f.member)
		if s == nil || s.Need == NotImplementable {
			continue
		}
		s.Need, s.Context, s.Holds, s.Ret, s.RetPtr, s.Doc = f.need, f.ctx, f.holds, f.ret, f.retPtr, f.doc
	}
}

func writable(structName string, members ...string) []Field {
	out := make([]Field, len(members))
	for i, m := range members {
		out[i] = Field{Struct: structName, Member: m}
	}
	return out
}

func atStart(f []Field) []Field {
	for i := range f {
		f[i].AtStart = true
	}
	return f
}
