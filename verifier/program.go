// SPDX-License-Identifier: Apache-2.0

// Package verifier proves a bound BPF program against a contract, for one
// kernel, without that kernel: memory safety, bounded execution, references as
// linear values, locks, GPL gating. It is an abstract interpreter; each concern
// is a file of its own.
package verifier

import (
	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/btf"
	"github.com/modbpf/modbpf/kfuncs"
	"github.com/modbpf/modbpf/structops"
)

// Program is one bound program: exactly what BPF_PROG_LOAD would be given, with
// file descriptors replaced by what they stand for. CO-RE relocations, kconfig
// and ksym externs, kfunc and map references are already resolved against the
// kernel it is to be judged for. It is not changed by verification.
type Program struct {
	Name       string
	Section    string
	Type       bpf.ProgType
	AttachType bpf.AttachType
	Flags      uint32 // BPF_F_* of BPF_PROG_LOAD, bpf.ProgSleepable among them
	License    string
	Insns      []bpf.Insn

	BTF    *btf.Spec  // the object's own types; nil without BTF
	BTFRaw []byte     // the blob BTF was parsed from, as it is to be loaded
	Funcs  []FuncInfo // sorted by Insn; Funcs[0].Insn == 0
	Lines  []LineInfo // sorted by Insn

	Maps    []*Map      // what bpf.PseudoMapFD and PseudoMapValue index
	Modules []*btf.Spec // what kfunc calls' Off and BTF loads' second Imm index; [0] is vmlinux

	// Attach target, for struct_ops, tracing, LSM and extension programs.
	AttachBTF  *btf.Spec // vmlinux, a module, or the target program's BTF
	AttachID   btf.ID    // struct_ops: the ops struct; otherwise the function, typedef or tracepoint
	StructOps  string    // name of the struct_ops table
	Slot       string    // its member this program fills
	Member     int       // index of that member
	AttachName string    // as written in the section, for messages
	AttachProg *Program  // extension and tracing of BPF programs
}

// FuncInfo says which BTF function begins at a slot.
type FuncInfo struct {
	Insn int
	Type btf.ID
}

// LineInfo says which C line a slot and those after it come from.
type LineInfo struct {
	Insn   int
	File   string
	Line   int
	Column int
	Source string
}

// Map is a map as the verifier needs to know it.
type Map struct {
	Name       string
	Type       bpf.MapType
	KeySize    uint32
	ValueSize  uint32
	MaxEntries uint32
	Flags      uint32
	Extra      uint64
	BTF        *btf.Spec // the object's; nil without
	Key, Value btf.ID
	Inner      *Map   // array/hash of maps
	Frozen     bool   // user space can no longer change it
	Contents   []byte // initial value of a data section (.rodata, .data); nil otherwise
	StructOps  string // struct_ops maps: the table
	Exclusive  bool
}

// Kernel is all a verdict needs to know of one kernel. A profile implements it.
type Kernel interface {
	// Release is the kernel's series.
	Release() bpf.Release
	// Has reports whether the kernel knows a named feature (see features.go).
	Has(Feature) bool
	// BTF is vmlinux; Module the BTF of a module, nil if the kernel lacks it.
	BTF() *btf.Spec
	Module(name string) *btf.Spec
	// Config is the value of a CONFIG_ symbol: "y", "m", a number, a quoted string, or "" when not set.
	Config(symbol string) string
	// HelperProto is the prototype a program of this kind gets for a helper id;
	// nil and a reason when the kernel knows the helper but not for it, nil and "" when it has no such helper.
	HelperProto(id int32, p *Program) (*kfuncs.Proto, string)
	// HelperName names a helper id whether or not this kernel has it.
	HelperName(id int32) string
	// Kfunc finds a kfunc by name; nil if no program may call it on this kernel.
	Kfunc(name string) *kfuncs.Kfunc
	// StructOps finds a struct_ops table's contracts, nil if the kernel lacks it or we have none.
	StructOps(table string) *structops.Table
	// Hook finds the program hook of a program type.
	Hook(t bpf.ProgType) *structops.Hook
	// Symbol reports whether a kernel symbol is exported, and GPL-only.
	Symbol(name string) (exported, gpl bool)
}

// Feature names something that changed between releases. The interpreter asks
// for features, never for releases; features.go says which releases have which.
type Feature uint16

// UseOf is what the helper tables look at in a program: an extension is judged
// as what it replaces.
func UseOf(p *Program) kfuncs.Use {
	q := p
	for range 8 {
		if q.Type != bpf.ProgExt || q.AttachProg == nil {
			break
		}
		q = q.AttachProg
	}
	return kfuncs.Use{
		Type: q.Type, Attach: q.AttachType, Sleepable: q.Flags&bpf.ProgSleepable != 0,
		StructOps: q.StructOps, Slot: q.Slot, AttachName: attachName(q),
	}
}

// attachName is the attach target by the name the kernel's tables use.
func attachName(p *Program) string {
	if p.AttachBTF == nil || p.AttachID == 0 || p.Type == bpf.ProgStructOps {
		return p.AttachName
	}
	n := p.AttachBTF.Name(p.AttachID)
	for _, pre := range []string{"bpf_lsm_", "btf_trace_", "bpf_iter_"} {
		if len(n) > len(pre) && n[:len(pre)] == pre {
			return n[len(pre):]
		}
	}
	return n
}
