// SPDX-License-Identifier: Apache-2.0

package points

import (
	"fmt"
	"slices"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/kfuncs"
	"github.com/modbpf/modbpf/structops"
)

// Detail is one extension point in full.
type Detail struct {
	Point
	File     string            `json:"file,omitempty"` // kernel source the rules are from
	Update   bool              `json:"update"`         // can be replaced in place
	NoLink   bool              `json:"noLink,omitempty"`
	OneOf    [][]string        `json:"oneOf,omitempty"` // of each group at least one slot must be filled
	Members  []SlotDetail      `json:"slotDetails,omitempty"`
	Data     []DataMember      `json:"data,omitempty"`
	Writable []string          `json:"writable,omitempty"`
	Context  []ContextField    `json:"context,omitempty"`
	Attach   []string          `json:"attach,omitempty"`
	Returns  map[string]string `json:"returns,omitempty"` // by attach type, "" for all
	Sleeps   []string          `json:"sleeps,omitempty"`  // attach types under which programs may sleep; "any"
	GPLOnly  bool              `json:"gplOnly"`
	Caps     []string          `json:"capabilities,omitempty"`
	Helpers  []string          `json:"helpers,omitempty"`
	Kfuncs   []string          `json:"kfuncs,omitempty"` // struct_ops: in every slot
}

// SlotDetail is the contract of one slot.
type SlotDetail struct {
	Name      string   `json:"name"`
	Prototype string   `json:"prototype,omitempty"`
	Need      string   `json:"need"` // required, optional, not implementable
	Sleepable string   `json:"sleepable"`
	Context   string   `json:"context,omitempty"`
	Holds     []string `json:"holds,omitempty"`
	Args      []string `json:"args,omitempty"` // "0: handed over"
	First     string   `json:"first,omitempty"`
	Last      string   `json:"last,omitempty"`
	Doc       string   `json:"doc,omitempty"`
	Helpers   []string `json:"helpers,omitempty"` // beyond the table's
	Kfuncs    []string `json:"kfuncs,omitempty"`  // beyond the table's
}

// DataMember is a plain member of a table.
type DataMember struct {
	Name  string `json:"name"`
	Rule  string `json:"rule"`
	Doc   string `json:"doc,omitempty"`
	Known bool   `json:"-"`
}

// ContextField is one row of a program's context.
type ContextField struct {
	Name   string   `json:"name"`
	Off    int      `json:"offset"`
	Size   int      `json:"size"`
	Read   []int    `json:"read,omitempty"` // sizes of loads
	Write  []int    `json:"write,omitempty"`
	Kind   string   `json:"kind"`
	Attach []string `json:"attach,omitempty"`
}

// Show is one extension point in full. A point that the kernel lacks is
// answered too, with Present false, the reason, and its contract in the newest
// release that has it.
func Show(k Kernel, name string) (*Detail, error) {
	for _, h := range structops.Hooks(k.Release()) {
		if h.Name == name && h.Type != bpf.ProgStructOps {
			return showHook(k, h), nil
		}
	}
	p := tablePoint(k, name)
	if !p.Present && !p.Contract {
		return nil, fmt.Errorf("show %s: %w", name, ErrUnknown)
	}
	return showTable(k, p), nil
}

var (
	needs    = [...]string{"optional", "required", "not implementable"}
	contexts = [...]string{"", "process", "softirq", "irq"}
)

func showTable(k Kernel, p Point) *Detail {
	d := &Detail{Point: p, GPLOnly: true, Caps: []string{"CAP_BPF", "CAP_PERFMON"}}
	rel := k.Release()
	t := structops.TableFor(rel, p.Name)
	if t == nil {
		if t = structops.Newest(p.Name); t != nil {
			rel = kfuncs.Releases[len(kfuncs.Releases)-1]
		}
	}
	l := layout(k, p.Name, t)
	if t != nil {
		d.File, d.Update, d.NoLink, d.OneOf = t.File, t.Update, t.NoLink, t.OneOf
		for _, f := range t.Writable {
			d.Writable = append(d.Writable, f.Struct+"."+f.Member)
		}
	}
	if l == nil {
		for i := range t.Slots {
			d.Members = append(d.Members, slotDetail(&t.Slots[i]))
		}
		return d
	}
	for i := range l.Members {
		m := &l.Members[i]
		if !m.IsSlot() {
			d.Data = append(d.Data, dataMember(t, m.Name))
			continue
		}
		s := &structops.Slot{Member: m.Name, Args: m.Args, Sleepable: true}
		if t != nil {
			if known := t.Slot(m.Name); known != nil {
				s = known
			}
		}
		sd := slotDetail(s)
		sd.Prototype = signature(l.Spec, m.Proto, m.Name)
		if t == nil {
			sd.Need, sd.Sleepable = "not known", "not known"
		}
		if s.Need != structops.NotImplementable {
			u := kfuncs.Use{Type: bpf.ProgStructOps, StructOps: p.Name, Slot: m.Name, Sleepable: s.MustSleep, Config: k.Config}
			sd.Helpers, sd.Kfuncs = callable(rel, u)
		}
		d.Members = append(d.Members, sd)
	}
	d.Helpers = common(d.Members, func(s *SlotDetail) *[]string { return &s.Helpers })
	d.Kfuncs = common(d.Members, func(s *SlotDetail) *[]string { return &s.Kfuncs })
	return d
}

// common takes out of every slot what all of them have.
func common(slots []SlotDetail, of func(*SlotDetail) *[]string) []string {
	var all []string
	first := true
	for i := range slots {
		if slots[i].Need == needs[structops.NotImplementable] {
			continue
		}
		if first {
			all, first = slices.Clone(*of(&slots[i])), false
			continue
		}
		all = slices.DeleteFunc(all, func(n string) bool { return !slices.Contains(*of(&slots[i]), n) })
	}
	for i := range slots {
		l := of(&slots[i])
		*l = slices.DeleteFunc(*l, func(n string) bool { return slices.Contains(all, n) })
	}
	return all
}

// callable lists the helpers and kfuncs a kind of program may call.
func callable(rel bpf.Release, u kfuncs.Use) (helpers, kfs []string) {
	for _, h := range kfuncs.Helpers(rel) {
		if p, _ := kfuncs.HelperProto(rel, h.ID, u); p != nil {
			helpers = append(helpers, "bpf_"+h.Name)
		}
	}
	for _, f := range kfuncs.All(rel) {
		if r, _ := f.For(rel, u); r != nil {
			kfs = append(kfs, f.Name)
		}
	}
	return helpers, kfs
}

func slotDetail(s *structops.Slot) SlotDetail {
	d := SlotDetail{Name: s.Member, Need: needs[s.Need], Context: contexts[s.Context], Holds: s.Holds, Doc: s.Doc}
	switch {
	case s.MustSleep:
		d.Sleepable = "must"
	case s.Sleepable:
		d.Sleepable = "may"
	default:
		d.Sleepable = "never"
	}
	if !s.First.IsZero() {
		d.First = s.First.Series()
	}
	if !s.Last.IsZero() {
		d.Last = s.Last.Series()
	}
	for _, a := range s.Args {
		text := ""
		switch {
		case a.Ref:
			text = "handed over: the program must dispose of it"
		case a.Arena && a.Nullable:
			text = "in the arena, may be null"
		case a.Arena:
			text = "in the arena"
		case a.Nullable:
			text = "may be null"
		case a.BTF != "":
			text = "given as struct " + a.BTF
		}
		d.Args = append(d.Args, fmt.Sprintf("%d: %s", a.Index, text))
	}
	return d
}

func dataMember(t *structops.Table, name string) DataMember {
	d := DataMember{Name: name, Rule: "must be zero"}
	if t == nil {
		d.Rule = "not known"
		return d
	}
	for _, f := range t.Init {
		if f.Member != name {
			continue
		}
		d.Doc = f.Doc
		switch {
		case f.Name:
			d.Rule = "a name"
		case f.Mask != 0:
			d.Rule = fmt.Sprintf("flags %#x", f.Mask)
		default:
			d.Rule = fmt.Sprintf("%d to %d", f.Min, f.Max)
		}
	}
	return d
}

var valueKinds = [...]string{
	"number", "packet", "packet metadata", "end of the packet", "struct bpf_sock (common fields)", "struct bpf_sock",
	"struct bpf_tcp_sock", "struct bpf_flow_keys", "kernel struct", "struct bpf_xdp_sock", "buffer",
}

func showHook(k Kernel, h *structops.Hook) *Detail {
	d := &Detail{Point: hookPoint(k, h), File: h.File, GPLOnly: h.GPLOnly, Caps: h.Caps, Attach: attachNames(h.Attach), Returns: map[string]string{}}
	if h.Ret != nil {
		d.Returns[""] = fmt.Sprintf("%d to %d", h.Ret.Min, h.Ret.Max)
	}
	for at, r := range h.RetByAttach {
		d.Returns[at.String()] = fmt.Sprintf("%d to %d", r.Min, r.Max)
	}
	switch {
	case h.Sleepable && h.SleepableAttach == nil:
		d.Sleeps = []string{"any"}
	case h.Sleepable:
		d.Sleeps = attachNames(h.SleepableAttach)
	}
	for _, a := range h.CtxFields {
		f := ContextField{Name: a.Field, Off: a.Off, Size: a.Size, Read: sizeList(a.ReadSizes), Write: sizeList(a.WriteSizes), Kind: valueKinds[a.Kind], Attach: attachNames(a.Attach)}
		if a.Kind == structops.KindBTF {
			f.Kind = "struct " + a.BTF
		}
		if a.MayNull {
			f.Kind += " or null"
		}
		d.Context = append(d.Context, f)
	}
	u := kfuncs.Use{Type: h.Type, Sleepable: h.AlwaysSleepable, Config: k.Config}
	if len(h.Attach) > 0 {
		u.Attach = h.Attach[0]
	}
	d.Helpers, d.Kfuncs = callable(k.Release(), u)
	return d
}

func sizeList(s structops.Sizes) []int {
	var out []int
	for n := 1; n <= 8; n *= 2 {
		if int(s)&n != 0 {
			out = append(out, n)
		}
	}
	return out
}

func attachNames(at []bpf.AttachType) []string {
	var out []string
	for _, t := range at {
		out = append(out, t.String())
	}
	return out
}
