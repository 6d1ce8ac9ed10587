// SPDX-License-Identifier: Apache-2.0

package object

import (
	"github.com/modbpf/modbpf/btf"
	"github.com/modbpf/modbpf/verifier"
)

// Bound is an object bound to one kernel: what a loader or the host needs to
// make its maps and load its programs.
type Bound struct {
	Object   *Object
	Kernel   verifier.Kernel
	Maps     []*BoundMap     // same order as Object.Maps
	Programs []*BoundProgram // same order as Object.Programs
}

// BoundMap is a map as it is to be created.
type BoundMap struct {
	Spec *MapSpec
	// Map is shared by all programs that use it. For data sections its Contents
	// are what the map holds before the first program runs, parameters included.
	Map   *verifier.Map
	Slots []Slot
	// StructOps is set for struct_ops variables.
	StructOps *BoundStructOps
	// Err says why the map, and so each program that needs it, cannot exist.
	Err error
}

// BoundStructOps is a struct_ops variable in the kernel's layout.
type BoundStructOps struct {
	Table   string
	BTF     *btf.Spec // where the types below live: vmlinux or a module
	Type    btf.ID    // the table, struct hid_bpf_ops
	ValueID btf.ID    // struct bpf_struct_ops_hid_bpf_ops: the map's value type
	DataOff uint32    // where the table begins in the value
	Value   []byte    // the map's value; function members still zero
	Members []BoundMember
	Link    bool // attached by a link
	Absent  []FuncRef
}

// BoundMember is one function member that has a program.
type BoundMember struct {
	Name    string
	Program string
	Index   int    // in the kernel's struct: expected_attach_type
	Offset  uint32 // in Value: where the program's descriptor goes
}

// BoundProgram is a program ready to be judged and loaded, or the reason why it
// cannot be.
type BoundProgram struct {
	Spec *ProgramSpec
	// Program is nil when Err is set.
	Program *verifier.Program
	Err     error
	// MapIndex[i] is the place in Bound.Maps of Program.Maps[i].
	MapIndex []int
	// FuncInfo and LineInfo are the records as BPF_PROG_LOAD takes them.
	FuncInfo, LineInfo []byte
	// Symbols are untyped ksyms whose address only the running kernel knows;
	// the instructions hold a stand-in until a loader fills them in.
	Symbols []SymbolRef
}

// SymbolRef is a 64-bit load that is to hold a kernel symbol's address.
type SymbolRef struct {
	Insn int
	Name string
	Weak bool
}

// Program finds a bound program by name.
func (b *Bound) Program(name string) *BoundProgram {
	for _, p := range b.Programs {
		if p.Spec.Name == name {
			return p
		}
	}
	return nil
}

// Map finds a bound map by name.
func (b *Bound) Map(name string) *BoundMap {
	for i, m := range b.Object.Maps {
		if m.Name == name || m.Section == name && m.Kind != MapUser && m.Kind != MapStructOps {
			return b.Maps[i]
		}
	}
	return nil
}

// StructOps lists the struct_ops variables.
func (b *Bound) StructOps() []*BoundMap {
	var out []*BoundMap
	for _, m := range b.Maps {
		if m.Spec.Kind == MapStructOps {
			out = append(out, m)
		}
	}
	return out
}
