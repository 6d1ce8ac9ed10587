// SPDX-License-Identifier: Apache-2.0

package points

import (
	"fmt"
	"slices"
	"strings"

	"github.com/modbpf/modbpf/kfuncs"
	"github.com/modbpf/modbpf/structops"
)

// Change is one difference between two kernels.
type Change struct {
	What   string `json:"what"` // table, slot, kfunc, helper, hook
	Name   string `json:"name"`
	Change string `json:"change"` // added, removed, changed
	Detail string `json:"detail,omitempty"`
}

// Diff says what changed from one kernel to another, by kind and name.
func Diff(from, to Kernel) []Change {
	var out []Change
	out = append(out, diffTables(from, to)...)
	out = append(out, diffHooks(from, to)...)
	out = append(out, diffKfuncs(from, to)...)
	out = append(out, diffHelpers(from, to)...)
	return out
}

// pairs compares two sets of named things.
func pairs[T any](what string, a, b map[string]T, changed func(name string, x, y T) []Change) []Change {
	names := map[string]bool{}
	for n := range a {
		names[n] = true
	}
	for n := range b {
		names[n] = true
	}
	var out []Change
	for _, n := range sorted(names) {
		x, inA := a[n]
		y, inB := b[n]
		switch {
		case !inA:
			out = append(out, Change{What: what, Name: n, Change: "added"})
		case !inB:
			out = append(out, Change{What: what, Name: n, Change: "removed"})
		default:
			out = append(out, changed(n, x, y)...)
		}
	}
	return out
}

func sorted(m map[string]bool) []string {
	out := make([]string, 0, len(m))
	for n := range m {
		out = append(out, n)
	}
	slices.Sort(out)
	return out
}

func differ(what, name, label, a, b string) []Change {
	if a == b {
		return nil
	}
	none := func(s string) string {
		if s == "" {
			return "none"
		}
		return s
	}
	return []Change{{What: what, Name: name, Change: "changed", Detail: fmt.Sprintf("%s: %s → %s", label, none(a), none(b))}}
}

func diffTables(from, to Kernel) []Change {
	load := func(k Kernel) map[string]*Detail {
		m := map[string]*Detail{}
		for _, p := range List(k) {
			if p.Kind == StructOps && p.Present {
				m[p.Name] = showTable(k, p)
			}
		}
		return m
	}
	return pairs("table", load(from), load(to), func(name string, x, y *Detail) []Change {
		slots := func(d *Detail) map[string]SlotDetail {
			m := map[string]SlotDetail{}
			for _, s := range d.Members {
				m[name+"."+s.Name] = s
			}
			return m
		}
		out := differ("table", name, "writable", strings.Join(x.Writable, " "), strings.Join(y.Writable, " "))
		out = append(out, differ("table", name, "update", fmt.Sprint(x.Update), fmt.Sprint(y.Update))...)
		return append(out, pairs("slot", slots(x), slots(y), func(n string, a, b SlotDetail) []Change {
			out := differ("slot", n, "need", a.Need, b.Need)
			out = append(out, differ("slot", n, "sleepable", a.Sleepable, b.Sleepable)...)
			out = append(out, differ("slot", n, "prototype", a.Prototype, b.Prototype)...)
			return append(out, differ("slot", n, "arguments", strings.Join(a.Args, "; "), strings.Join(b.Args, "; "))...)
		})...)
	})
}

func diffHooks(from, to Kernel) []Change {
	load := func(k Kernel) map[string]*structops.Hook {
		m := map[string]*structops.Hook{}
		for _, h := range structops.Hooks(k.Release()) {
			if kfuncs.Enabled(h.Config, k.Config) {
				m[h.Name] = h
			}
		}
		return m
	}
	return pairs("hook", load(from), load(to), func(name string, x, y *structops.Hook) []Change {
		out := differ("hook", name, "attach types", strings.Join(attachNames(x.Attach), " "), strings.Join(attachNames(y.Attach), " "))
		sleeps := func(h *structops.Hook) string {
			switch {
			case !h.Sleepable:
				return "never"
			case h.SleepableAttach == nil:
				return "any"
			}
			return strings.Join(attachNames(h.SleepableAttach), " ")
		}
		out = append(out, differ("hook", name, "may sleep", sleeps(x), sleeps(y))...)
		fields := func(h *structops.Hook) string {
			var l []string
			for _, a := range h.CtxFields {
				l = append(l, fmt.Sprintf("%s@%d+%d r%d w%d", a.Field, a.Off, a.Size, a.ReadSizes, a.WriteSizes))
			}
			return strings.Join(l, ", ")
		}
		if fields(x) != fields(y) {
			out = append(out, Change{What: "hook", Name: name, Change: "changed", Detail: "context accesses"})
		}
		return out
	})
}

func diffKfuncs(from, to Kernel) []Change {
	load := func(k Kernel) map[string]Kfunc {
		m := map[string]Kfunc{}
		for _, f := range kfuncs.All(k.Release()) {
			if o := kfuncOf(k, f); o.Present {
				m[f.Name] = o
			}
		}
		return m
	}
	text := func(f Kfunc, of func(r *Registration) []string) string {
		var l []string
		for i := range f.Registrations {
			l = append(l, of(&f.Registrations[i])...)
		}
		slices.Sort(l)
		return strings.Join(slices.Compact(l), " ")
	}
	return pairs("kfunc", load(from), load(to), func(name string, x, y Kfunc) []Change {
		flags := func(r *Registration) []string {
			// implied from 7.2 on, where the flag is gone
			return slices.DeleteFunc(slices.Clone(r.Flags), func(f string) bool { return f == "trusted_args" })
		}
		out := differ("kfunc", name, "flags", text(x, flags), text(y, flags))
		out = append(out, differ("kfunc", name, "programs", text(x, func(r *Registration) []string { return r.Programs }), text(y, func(r *Registration) []string { return r.Programs }))...)
		out = append(out, differ("kfunc", name, "slots", text(x, func(r *Registration) []string { return r.Slots }), text(y, func(r *Registration) []string { return r.Slots }))...)
		return append(out, differ("kfunc", name, "prototype", x.Prototype, y.Prototype)...)
	})
}

func diffHelpers(from, to Kernel) []Change {
	load := func(k Kernel) map[string]*kfuncs.Proto {
		m := map[string]*kfuncs.Proto{}
		for _, p := range kfuncs.Protos(k.Release()) {
			if kfuncs.Enabled(p.Config, k.Config) {
				m[p.Name] = p
			}
		}
		return m
	}
	return pairs("helper prototype", load(from), load(to), func(name string, x, y *kfuncs.Proto) []Change {
		a, b := *x, *y
		a.File, b.File, a.Config, b.Config = "", "", "", ""
		if a == b {
			return nil
		}
		var l []string
		if a.GPLOnly != b.GPLOnly {
			l = append(l, "gpl_only")
		}
		if a.MightSleep != b.MightSleep {
			l = append(l, "might_sleep")
		}
		if a.AllowFastcall != b.AllowFastcall {
			l = append(l, "allow_fastcall")
		}
		if a.PktAccess != b.PktAccess {
			l = append(l, "pkt_access")
		}
		if a.Ret != b.Ret {
			l = append(l, "result")
		}
		for i := range a.Args {
			if a.Args[i] != b.Args[i] {
				l = append(l, fmt.Sprintf("argument %d", i+1))
			}
		}
		if len(l) == 0 {
			return nil // another function behind it
		}
		return []Change{{What: "helper prototype", Name: name, Change: "changed", Detail: strings.Join(l, ", ")}}
	})
}
