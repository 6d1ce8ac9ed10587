// SPDX-License-Identifier: Apache-2.0

// Package points answers what a driver can be attached to and call on a
// kernel: its extension points and kfuncs, one of them in full, and what
// changed between two kernels. The answers are plain data; printing them is
// the caller's affair.
package points

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/btf"
	"github.com/modbpf/modbpf/kfuncs"
	"github.com/modbpf/modbpf/structops"
)

// Kernel is what this package needs to know of a kernel. A profile is one.
type Kernel interface {
	Release() bpf.Release
	BTF() *btf.Spec
	Module(name string) *btf.Spec
	Config(symbol string) string
	Symbol(name string) (exported, gpl bool)
}

// ErrUnknown means that neither the kernel nor the tables know a name.
var ErrUnknown = errors.New("no such extension point")

// Kind says what an extension point is.
type Kind string

// Kinds of extension points.
const (
	StructOps Kind = "struct_ops"
	Program   Kind = "program"
)

// Point is one extension point in a line.
type Point struct {
	Name     string      `json:"name"`
	Kind     Kind        `json:"kind"`
	Present  bool        `json:"present"`
	Why      string      `json:"why,omitempty"` // why it is not present
	First    bpf.Release `json:"first,omitzero"`
	Config   string      `json:"config,omitempty"`
	Module   string      `json:"module,omitempty"`   // where it is, if not in the kernel proper
	Contract bool        `json:"contract"`           // false: known from types alone
	Slots    []string    `json:"slots,omitempty"`    // struct_ops: what can be filled
	Sections []string    `json:"sections,omitempty"` // program: names of ELF sections
	Doc      string      `json:"doc,omitempty"`
}

// List lists every extension point that the kernel has or the tables know.
func List(k Kernel) []Point {
	var out []Point
	known := structops.Names()
	for _, n := range known {
		out = append(out, tablePoint(k, n))
	}
	for _, n := range structops.TableNames(k.BTF()) {
		if !slices.Contains(known, n) {
			out = append(out, tablePoint(k, n))
		}
	}
	slices.SortFunc(out, func(a, b Point) int { return strings.Compare(a.Name, b.Name) })
	for _, h := range structops.Hooks(k.Release()) {
		if h.Type == bpf.ProgStructOps {
			continue // its tables are the points
		}
		out = append(out, hookPoint(k, h))
	}
	return out
}

func tablePoint(k Kernel, name string) Point {
	p := Point{Name: name, Kind: StructOps}
	t := structops.TableFor(k.Release(), name)
	l := layout(k, name, t)
	if t == nil {
		t = structops.Newest(name)
	}
	if t != nil {
		p.Contract, p.First, p.Config, p.Doc = true, t.First, t.Config, t.Doc
	}
	if l == nil {
		p.Why = whyAbsent(k, t)
		return p
	}
	p.Present = true
	if l.Module != "vmlinux" {
		p.Module = l.Module
	}
	for _, m := range l.Members {
		if !m.IsSlot() {
			continue
		}
		if t != nil {
			if s := t.Slot(m.Name); s != nil && s.Need == structops.NotImplementable {
				continue
			}
		}
		p.Slots = append(p.Slots, m.Name)
	}
	return p
}

// layout finds a table in the kernel's types or in those of its module.
func layout(k Kernel, name string, t *structops.Table) *structops.Layout {
	if l, err := structops.Read(k.BTF(), name); err == nil {
		return l
	}
	if t == nil || t.Module == "" {
		return nil
	}
	if m := k.Module(t.Module); m != nil {
		if l, err := structops.Read(m, name); err == nil {
			return l
		}
	}
	return nil
}

func whyAbsent(k Kernel, t *structops.Table) string {
	switch {
	case t == nil:
		return "not in this kernel's types"
	case k.Release().Less(t.First):
		return fmt.Sprintf("first in %s, built by %s", t.First.Series(), t.Config)
	case !kfuncs.Enabled(t.Config, k.Config):
		return fmt.Sprintf("this kernel is built without %s", t.Config)
	case t.Module != "":
		return fmt.Sprintf("in module %s, whose types are not at hand", t.Module)
	}
	return "not in this kernel's types"
}

func hookPoint(k Kernel, h *structops.Hook) Point {
	p := Point{Name: h.Name, Kind: Program, Contract: true, First: h.First, Config: h.Config, Sections: h.Sections, Doc: h.Doc}
	if p.Present = kfuncs.Enabled(h.Config, k.Config); !p.Present {
		p.Why = fmt.Sprintf("this kernel is built without %s", h.Config)
	}
	return p
}
