// SPDX-License-Identifier: Apache-2.0

package main

// Facts is what one kernel release's source says, in our own form. One JSON
// file a release is kept under facts/, so that the tables can be made again
// without a source tree that is not at hand.
type Facts struct {
	Release string      `json:"release"` // "6.12"
	Origin  string      `json:"origin"`  // package and version
	Helpers []Helper    `json:"helpers"`
	Protos  []Proto     `json:"protos"`
	Funcs   []ProtoFunc `json:"protoFuncs"`
	Entries []Entry     `json:"entries"`
	Sets    []Set       `json:"sets"`
	Kfuncs  []Kfunc     `json:"kfuncs"`
	Hooks   []HookRow   `json:"hooks"`

	StructOps []StructOps `json:"structOps"`
}

// Helper is one row of the helper enumeration.
type Helper struct {
	ID   int    `json:"id"`
	Name string `json:"name"`
}

// Proto is one struct bpf_func_proto. Kinds and flags are the Go constants of
// package kfuncs.
type Proto struct {
	Name     string   `json:"name"`
	Func     string   `json:"func,omitempty"`
	GPL      bool     `json:"gpl,omitempty"`
	Pkt      bool     `json:"pkt,omitempty"`
	Sleep    bool     `json:"sleep,omitempty"`
	Fastcall bool     `json:"fastcall,omitempty"`
	Ret      string   `json:"ret"`
	RetFlags []string `json:"retFlags,omitempty"`
	RetBTF   string   `json:"retBTF,omitempty"`
	Args     []Arg    `json:"args,omitempty"`
	Allowed  string   `json:"allowed,omitempty"`
	Config   string   `json:"config,omitempty"`
	File     string   `json:"file"`
}

// Arg is one argument of a prototype.
type Arg struct {
	Kind  string   `json:"kind"`
	Flags []string `json:"flags,omitempty"`
	Size  int      `json:"size,omitempty"`
	BTF   string   `json:"btf,omitempty"`
}

// Cond is one condition of an alternative.
type Cond struct {
	Kind   string   `json:"kind"`
	Not    bool     `json:"not,omitempty"`
	Attach []string `json:"attach,omitempty"` // names of enum bpf_attach_type
	Str    string   `json:"str,omitempty"`
}

// Alt is one alternative: when its conditions hold, its action is taken.
type Alt struct {
	Conds  []Cond `json:"conds,omitempty"`
	Act    string `json:"act"`
	Target string `json:"target,omitempty"`
}

// Group is what a function says about one helper id, 0 for all others.
type Group struct {
	ID   int   `json:"id"`
	Alts []Alt `json:"alts"`
}

// ProtoFunc is one get_func_proto function.
type ProtoFunc struct {
	Name   string  `json:"name"`
	Groups []Group `json:"groups"`
}

// Entry says which function a program type, struct_ops table or iterator asks.
type Entry struct {
	Type      string `json:"type"` // "BPF_PROG_TYPE_XDP"
	StructOps string `json:"structOps,omitempty"`
	Iter      string `json:"iter,omitempty"`
	Func      string `json:"func"`
	Config    string `json:"config,omitempty"`
}

// Set is a sorted set of names.
type Set struct {
	Name  string   `json:"name"`
	Names []string `json:"names"`
}

// Kfunc is one kernel function programs may call.
type Kfunc struct {
	Name  string         `json:"name"`
	Proto string         `json:"proto,omitempty"`
	Regs  []Registration `json:"regs"`
}

// Registration is one id set that holds a kfunc, registered for hooks.
type Registration struct {
	Set    string   `json:"set"`
	Hooks  []string `json:"hooks"` // "BPF_PROG_TYPE_XDP"
	Flags  []string `json:"flags,omitempty"`
	Filter string   `json:"filter,omitempty"`
	Module string   `json:"module,omitempty"`
	Config string   `json:"config,omitempty"`
	File   string   `json:"file"`
}

// HookRow says which hook a program type looks its kfuncs up in.
type HookRow struct {
	Type string `json:"type"`
	Hook string `json:"hook"`
}

// StructOps is one struct_ops table.
type StructOps struct {
	Name      string     `json:"name"`
	File      string     `json:"file"`
	Config    string     `json:"config,omitempty"`
	Module    string     `json:"module,omitempty"`
	Update    bool       `json:"update,omitempty"`
	SleepAll  bool       `json:"sleepAll,omitempty"`  // any member may sleep
	Sleep     []string   `json:"sleep,omitempty"`     // these may
	MustSleep []string   `json:"mustSleep,omitempty"` // these must
	Slots     []SlotFact `json:"slots"`
}

// SlotFact is one function pointer of a table.
type SlotFact struct {
	Member string      `json:"member"`
	Stub   string      `json:"stub,omitempty"` // "" if programs cannot fill it
	Guard  string      `json:"guard,omitempty"`
	Args   []ArgSuffix `json:"args,omitempty"`
}

// ArgSuffix is what a stub's parameter name says of an argument.
type ArgSuffix struct {
	Index  int    `json:"index"`
	Suffix string `json:"suffix"`
}
