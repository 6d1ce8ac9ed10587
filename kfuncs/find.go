// SPDX-License-Identifier: Apache-2.0

package kfuncs

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/modbpf/modbpf/bpf"
)

type kfuncHook struct {
	rels relMask
	typ  bpf.ProgType
	hook string
}

type kfuncRow struct {
	name, proto string
	regs        []regRow
}

type regRow struct {
	rels relMask
	Registration
}

type kfuncKey struct {
	rel  int
	name string
}

// found caches what Find made; rows are few and asked for again and again.
var found sync.Map // kfuncKey → *Kfunc

// Find is a kfunc as a release has it; nil if the release has none of the name.
// The result is shared: do not change it.
func Find(rel bpf.Release, name string) *Kfunc {
	key := kfuncKey{relIndex(rel), name}
	if k, ok := found.Load(key); ok {
		return k.(*Kfunc)
	}
	i, ok := slices.BinarySearchFunc(kfuncRows[:], name, func(r kfuncRow, want string) int { return strings.Compare(r.name, want) })
	if !ok {
		return nil
	}
	k := build(key.rel, &kfuncRows[i])
	if k == nil {
		return nil
	}
	v, _ := found.LoadOrStore(key, k)
	return v.(*Kfunc)
}

// All lists the kfuncs a release has, by name.
func All(rel bpf.Release) []*Kfunc {
	var out []*Kfunc
	for i := range kfuncRows {
		if k := Find(rel, kfuncRows[i].name); k != nil {
			out = append(out, k)
		}
	}
	return out
}

func build(rel int, row *kfuncRow) *Kfunc {
	k := &Kfunc{Name: row.name, Proto: row.proto}
	var all relMask
	for i := range row.regs {
		all |= row.regs[i].rels
		if row.regs[i].rels.has(rel) {
			r := row.regs[i].Registration
			describe(rel, row.name, &r)
			k.Registrations = append(k.Registrations, r)
		}
	}
	if len(k.Registrations) == 0 {
		return nil
	}
	for i, r := range Releases {
		if all.has(i) {
			if k.First.IsZero() {
				k.First = r
			}
			k.Last = r
		}
	}
	return k
}

// Lifetime says in which of the known releases a kfunc exists, whatever release
// the caller is interested in.
func Lifetime(name string) (first, last bpf.Release, ok bool) {
	i, ok := slices.BinarySearchFunc(kfuncRows[:], name, func(r kfuncRow, want string) int { return strings.Compare(r.name, want) })
	if !ok {
		return first, last, false
	}
	for j := range kfuncRows[i].regs {
		for n, r := range Releases {
			if kfuncRows[i].regs[j].rels.has(n) {
				if first.IsZero() || r.Less(first) {
					first = r
				}
				if last.IsZero() || last.Less(r) {
					last = r
				}
			}
		}
	}
	return first, last, true
}

// HookOf names the hook a program type looks its kfuncs up in ("tracing",
// "tc"); program types share hooks, and a registration for one of them is good
// for all. It is "" for types that have none: they may call common kfuncs only.
func HookOf(rel bpf.Release, t bpf.ProgType) string {
	r := relIndex(rel)
	for i := range kfuncHooks {
		if kfuncHooks[i].typ == t && kfuncHooks[i].rels.has(r) {
			return kfuncHooks[i].hook
		}
	}
	return ""
}

// For is the registration under which a program may call a kfunc; nil and the
// reason when none lets it.
func (k *Kfunc) For(rel bpf.Release, u Use) (*Registration, string) {
	hook := HookOf(rel, u.Type)
	why := ""
	for _, want := range [2]string{"common", hook} {
		if want == "" {
			continue
		}
		for i := range k.Registrations {
			r := &k.Registrations[i]
			if !slices.ContainsFunc(r.Hooks, func(t bpf.ProgType) bool { return HookOf(rel, t) == want }) {
				continue
			}
			if ok, missing := enabled(r.Config, u.Config); !ok {
				why = fmt.Sprintf("kfunc %s needs %s", k.Name, missing)
				continue
			}
			if ok, reason := filter(rel, k, r, u); !ok {
				why = fmt.Sprintf("kfunc %s is %s", k.Name, reason)
				continue
			}
			return r, ""
		}
	}
	if why == "" {
		why = fmt.Sprintf("kfunc %s is not for %s programs", k.Name, useName(u))
	}
	return nil, why
}

// Has reports whether a registration carries all of these flags.
func (r *Registration) Has(f Flags) bool { return r.Flags&f == f }

var flagNames = [...]string{
	"acquire", "release", "ret_null", "trusted_args", "sleepable", "destructive", "rcu", "iter_new", "iter_next", "iter_destroy",
	"rcu_protected", "fastcall", "arena_ret", "arena_arg1", "arena_arg2", "implicit_args", "spinlock_safe", "perfmon",
}

// Names lists the flags by name, as the kernel spells them less "KF_".
func (f Flags) Names() []string {
	var out []string
	for i, n := range flagNames {
		if f>>i&1 != 0 {
			out = append(out, n)
		}
	}
	return out
}

func (f Flags) String() string { return strings.Join(f.Names(), " ") }
