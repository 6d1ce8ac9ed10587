// SPDX-License-Identifier: Apache-2.0

package kfuncs

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/modbpf/modbpf/bpf"
)

// Which prototype a program gets for a helper is decided in the kernel by one
// C function for each kind of program, a switch over the helper's id that ends
// in a call of a more general one. The generator turned each into rows: for an
// id, alternatives in order, each with conditions. Evaluating them gives the
// kernel's answer, and the condition that failed gives the reason.

type condKind uint8

const (
	condCap        condKind = iota // str: capability; always granted here, kept for the reason
	condConfig                     // str: CONFIG_ expression
	condAttach                     // attach: expected attach type is one of
	condType                       // str: program type's name
	condSleepable                  //
	condTrampoline                 // attached through a trampoline
	condRecur                      // guarded against recursion
	condSet                        // str: attach target is in this set of names
	condSlot                       // str: "table.member"
	condIter                       // str: iterator's name
	condLocked                     // str: what lockdown forbids, "WRITE_USER" or "READ_KERNEL"
)

type cond struct {
	kind   condKind
	not    bool
	attach []bpf.AttachType
	str    string
}

type action uint8

const (
	actProto action = iota // target is the prototype
	actNone                // no prototype
	actCall                // whatever the function target says
	actTry                 // what target says unless it has none
)

type alt struct {
	conds  []cond
	act    action
	target string
}

type group struct {
	rels relMask
	id   int32 // 0: ids without a group of their own
	alts []alt
}

type protoFunc struct {
	name   string
	groups []group // by id
}

type protoEntry struct {
	rels      relMask
	typ       bpf.ProgType
	structOps string // struct_ops table
	iter      string // iterator
	fn        string
	config    string
}

type protoRow struct {
	rels relMask
	Proto
}

type helperRow struct {
	rels relMask
	Helper
}

// ByID finds a helper id of any release the tables know; nil if there is none.
func ByID(id int32) *Helper {
	i, ok := slices.BinarySearchFunc(helperRows[:], id, func(r helperRow, want int32) int { return int(r.ID - want) })
	if !ok {
		return nil
	}
	return &helperRows[i].Helper
}

var helperNames = sync.OnceValue(func() map[string]*Helper {
	m := make(map[string]*Helper, len(helperRows))
	for i := range helperRows {
		m[helperRows[i].Name] = &helperRows[i].Helper
	}
	return m
})

// ByName finds a helper by name, with or without "bpf_"; nil if there is none.
func ByName(name string) *Helper { return helperNames()[strings.TrimPrefix(name, "bpf_")] }

// Helpers lists the helpers a release has, by id.
func Helpers(rel bpf.Release) []*Helper {
	r := relIndex(rel)
	var out []*Helper
	for i := range helperRows {
		if helperRows[i].rels.has(r) {
			out = append(out, &helperRows[i].Helper)
		}
	}
	return out
}

// Protos lists every prototype a release has, by C name.
func Protos(rel bpf.Release) []*Proto {
	r := relIndex(rel)
	var out []*Proto
	for i := range protoRows {
		if protoRows[i].rels.has(r) {
			out = append(out, &protoRows[i].Proto)
		}
	}
	return out
}

// HelperProto is the prototype a program gets for a helper id. It is nil with a
// reason when the kernel has the helper but not for this program, and nil with
// "" when the release has no such id. The predicate in Proto.Allowed is not
// asked: the kernel asks it later and answers otherwise (see Allowed).
func HelperProto(rel bpf.Release, id int32, u Use) (*Proto, string) {
	r := relIndex(rel)
	i, ok := slices.BinarySearchFunc(helperRows[:], id, func(h helperRow, want int32) int { return int(h.ID - want) })
	if !ok || !helperRows[i].rels.has(r) || id == 0 {
		return nil, ""
	}
	e := entry(r, u)
	if e == nil {
		return nil, fmt.Sprintf("%s programs call no helpers", useName(u))
	}
	if ok, missing := enabled(e.config, u.Config); !ok {
		return nil, fmt.Sprintf("%s programs need %s", useName(u), missing)
	}
	q := query{r: r, id: id, u: u}
	name := q.ask(e.fn, 0)
	if name == "" {
		if q.why == "" {
			q.why = fmt.Sprintf("helper bpf_%s is not for %s programs", helperRows[i].Name, useName(u))
		}
		return nil, q.why
	}
	p := proto(r, name)
	if p == nil {
		return nil, fmt.Sprintf("prototype %s is not in the tables", name)
	}
	if ok, missing := enabled(p.Config, u.Config); !ok {
		return nil, fmt.Sprintf("helper bpf_%s needs %s", helperRows[i].Name, missing)
	}
	return p, ""
}

func useName(u Use) string {
	if u.StructOps != "" {
		return u.StructOps
	}
	return u.Type.String()
}

func entry(r int, u Use) *protoEntry {
	for i := range protoEntries {
		e := &protoEntries[i]
		if !e.rels.has(r) || e.iter != "" || e.typ != u.Type {
			continue
		}
		if u.Type == bpf.ProgStructOps && e.structOps != u.StructOps {
			continue
		}
		return e
	}
	return nil
}

func proto(r int, name string) *Proto {
	i, ok := slices.BinarySearchFunc(protoRows[:], name, func(p protoRow, want string) int { return strings.Compare(p.Name, want) })
	for ; ok && i < len(protoRows) && protoRows[i].Name == name; i++ {
		if protoRows[i].rels.has(r) {
			return &protoRows[i].Proto
		}
	}
	return nil
}

// query is one question on its way through the functions.
type query struct {
	r   int
	id  int32
	u   Use
	why string // first condition that stood between the program and a prototype
}

func (q *query) ask(fn string, depth int) string {
	i, ok := slices.BinarySearchFunc(protoFuncs[:], fn, func(f protoFunc, want string) int { return strings.Compare(f.name, want) })
	if !ok || depth > 8 {
		return ""
	}
	groups := protoFuncs[i].groups
	g := findGroup(groups, q.r, q.id)
	if g == nil {
		g = findGroup(groups, q.r, 0)
	}
	if g == nil {
		return ""
	}
	for i := range g.alts {
		a := &g.alts[i]
		if !q.holds(a) {
			continue
		}
		switch a.act {
		case actProto:
			return a.target
		case actNone:
			for _, c := range a.conds {
				if q.why == "" && c.kind == condAttach && !c.not {
					q.why = fmt.Sprintf("helper bpf_%s is not for attach type %s", ByID(q.id).Name, q.u.Attach)
				}
			}
			return ""
		case actCall:
			return q.ask(a.target, depth+1)
		case actTry:
			if name := q.ask(a.target, depth+1); name != "" {
				return name
			}
		}
	}
	return ""
}

func findGroup(groups []group, r int, id int32) *group {
	i, ok := slices.BinarySearchFunc(groups, id, func(g group, want int32) int { return int(g.id - want) })
	for ; ok && i < len(groups) && groups[i].id == id; i++ {
		if groups[i].rels.has(r) {
			return &groups[i]
		}
	}
	return nil
}

func (q *query) holds(a *alt) bool {
	for i := range a.conds {
		ok, why := q.cond(&a.conds[i])
		if !ok {
			if (a.act == actProto || a.conds[i].kind == condIter) && q.why == "" && why != "" {
				q.why = fmt.Sprintf("helper bpf_%s is %s", ByID(q.id).Name, why)
			}
			return false
		}
	}
	return true
}

func (q *query) cond(c *cond) (ok bool, why string) {
	u := &q.u
	not := ""
	if c.not {
		not = "not "
	}
	switch c.kind {
	case condCap:
		ok = true
	case condConfig:
		var missing string
		if ok, missing = enabled(c.str, u.Config); missing != "" {
			why = "built only with " + missing
		}
	case condAttach:
		ok = slices.Contains(c.attach, u.Attach)
		names := make([]string, len(c.attach))
		for i, t := range c.attach {
			names[i] = t.String()
		}
		why = not + "for attach type " + strings.Join(names, ", ") + " only"
		if c.not {
			why = "not for attach type " + u.Attach.String()
		}
	case condType:
		ok = u.Type.String() == c.str
		why = not + "for " + c.str + " programs only"
	case condSleepable:
		ok = u.Sleepable
		why = not + "for sleepable programs only"
	case condTrampoline:
		ok = hasTrampoline(u)
		why = not + "for programs attached to function entry or exit only"
	case condRecur:
		ok = checksRecursion(u)
	case condSet:
		ok = InSet(Releases[q.r], c.str, attachFunc(u))
		why = "not for this attach point"
	case condSlot:
		ok = u.StructOps+"."+u.Slot == c.str
		why = not + "for " + c.str + " only"
		if c.not {
			why = "not for " + c.str
		}
	case condLocked:
		ok = lockedDown(c.str, u.Config)
		why = "not for a kernel that is locked down"
	case condIter:
		ok = u.AttachName == c.str
		why = not + "for the " + c.str + " iterator only"
	}
	return ok != c.not, why
}

// lockedDown reports whether the kernel's configuration forces a lockdown that
// forbids something; one chosen at boot is not known here. Integrity forbids
// writing to processes, confidentiality reading the kernel as well.
func lockedDown(what string, config func(string) string) bool {
	if config == nil {
		return false
	}
	return config("CONFIG_LOCK_DOWN_KERNEL_FORCE_CONFIDENTIALITY") == "y" ||
		what == "WRITE_USER" && config("CONFIG_LOCK_DOWN_KERNEL_FORCE_INTEGRITY") == "y"
}

// attachFunc is the kernel function an attach point stands for.
func attachFunc(u *Use) string {
	if u.Type == bpf.ProgLSM && !strings.HasPrefix(u.AttachName, "bpf_lsm_") {
		return "bpf_lsm_" + u.AttachName
	}
	return u.AttachName
}

// hasTrampoline is the kernel's bpf_prog_has_trampoline. Attach types that a
// release lacks cannot be asked for, so one list serves all.
func hasTrampoline(u *Use) bool {
	switch u.Type {
	case bpf.ProgTracing:
		switch u.Attach {
		case bpf.AttachTraceFentry, bpf.AttachTraceFexit, bpf.AttachModifyReturn, bpf.AttachTraceFsession,
			bpf.AttachTraceFentryMulti, bpf.AttachTraceFexitMulti, bpf.AttachTraceFsessionMulti:
			return true
		}
	case bpf.ProgLSM:
		return u.Attach == bpf.AttachLSMMac
	}
	return false
}

// checksRecursion is the kernel's bpf_prog_check_recur of 6.12.
func checksRecursion(u *Use) bool {
	switch u.Type {
	case bpf.ProgTracing:
		return u.Attach != bpf.AttachTraceIter
	case bpf.ProgStructOps, bpf.ProgLSM:
		return false
	}
	return true
}

// Allowed evaluates Proto.Allowed: whether a helper may be called at this
// attach point. The kernel says "helper call is not allowed in probe".
func Allowed(rel bpf.Release, p *Proto, u Use) bool {
	switch p.Allowed {
	case "":
		return true
	case "bpf_d_path_allowed":
		switch {
		case u.Type == bpf.ProgTracing && u.Attach == bpf.AttachTraceIter:
			return true
		case u.Type == bpf.ProgLSM:
			return InSet(rel, "sleepable_lsm_hooks", attachFunc(&u))
		}
		return InSet(rel, "btf_allowlist_d_path", u.AttachName)
	case "bpf_ima_inode_hash_allowed":
		return InSet(rel, "sleepable_lsm_hooks", attachFunc(&u))
	case "bpf_sk_storage_tracing_allowed":
		switch u.Attach {
		case bpf.AttachTraceRawTP, bpf.AttachTraceIter:
			return true
		case bpf.AttachTraceFentry, bpf.AttachTraceFexit, bpf.AttachTraceFsession:
			return !strings.HasPrefix(u.AttachName, "bpf_sk_storage")
		}
		return false
	}
	return false
}
