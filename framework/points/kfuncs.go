// SPDX-License-Identifier: Apache-2.0

package points

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/btf"
	"github.com/modbpf/modbpf/kfuncs"
)

// Kfunc is one kernel function programs may call, as a kernel has it.
type Kfunc struct {
	Name          string         `json:"name"`
	Prototype     string         `json:"prototype,omitempty"`
	Present       bool           `json:"present"`
	Why           string         `json:"why,omitempty"`
	Module        string         `json:"module,omitempty"`
	First         bpf.Release    `json:"first,omitzero"`
	Last          bpf.Release    `json:"last,omitzero"`
	Exported      bool           `json:"exported"` // also an exported symbol
	GPL           bool           `json:"gpl"`      // exported to GPL modules only
	Registrations []Registration `json:"registrations"`
}

// Registration is one group of programs that may call a kfunc.
type Registration struct {
	Programs []string `json:"programs"` // "common": every type that calls kfuncs
	Flags    []string `json:"flags,omitempty"`
	Tables   []string `json:"tables,omitempty"`
	Slots    []string `json:"slots,omitempty"`
	Filter   string   `json:"filter,omitempty"`
	Set      string   `json:"set"`
	Config   string   `json:"config,omitempty"`
	File     string   `json:"file"`
}

// Kfuncs lists the kfuncs whose names match a pattern of the shell ("hid_*"),
// by name: those of this kernel's release, and those of other releases as not
// present. It fails only when the pattern is malformed.
func Kfuncs(k Kernel, pattern string) ([]Kfunc, error) {
	if _, err := path.Match(pattern, ""); err != nil {
		return nil, fmt.Errorf("match kfuncs %q: %w", pattern, err)
	}
	var out []Kfunc
	seen := map[string]bool{}
	for _, rel := range append([]bpf.Release{k.Release()}, kfuncs.Releases[:]...) {
		for _, f := range kfuncs.All(rel) {
			if ok, _ := path.Match(pattern, f.Name); !ok || seen[f.Name] { // the pattern is good
				continue
			}
			seen[f.Name] = true
			out = append(out, kfuncOf(k, f))
		}
	}
	slices.SortFunc(out, func(a, b Kfunc) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

func kfuncOf(k Kernel, f *kfuncs.Kfunc) Kfunc {
	o := Kfunc{Name: f.Name, Prototype: f.Proto, First: f.First, Last: f.Last}
	o.Exported, o.GPL = k.Symbol(f.Name)
	own := kfuncs.Find(k.Release(), f.Name)
	o.Why = "not in this kernel's types"
	if own == nil {
		o.Why = "not in release " + kfuncs.Known(k.Release()).Series()
	}
	for _, r := range f.Registrations {
		reg := Registration{Flags: r.Flags.Names(), Tables: r.Tables, Slots: r.Slots, Filter: r.Filter, Set: r.Set, Config: r.Config, File: r.File}
		for _, h := range r.Hooks {
			n := h.String()
			if h == bpf.ProgUnspec {
				n = "common"
			}
			reg.Programs = append(reg.Programs, n)
		}
		o.Registrations = append(o.Registrations, reg)
		if own == nil || o.Present {
			continue
		}
		if !kfuncs.Enabled(r.Config, k.Config) {
			o.Why = "this kernel is built without " + r.Config
			continue
		}
		if id, ok := k.BTF().Find(f.Name, btf.KindFunc); ok {
			o.Present, o.Prototype = true, signature(k.BTF(), k.BTF().Type(id).Ref, f.Name)
		} else if r.Module != "" {
			if m := k.Module(r.Module); m != nil {
				if id, ok := m.Find(f.Name, btf.KindFunc); ok {
					o.Present, o.Module, o.Prototype = true, r.Module, signature(m, m.Type(id).Ref, f.Name)
				}
			} else {
				o.Why = fmt.Sprintf("in module %s, whose types are not at hand", r.Module)
			}
		}
	}
	if o.Present {
		o.Why = ""
	}
	return o
}
