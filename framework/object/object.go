// SPDX-License-Identifier: Apache-2.0

// Package object reads BPF objects (ELF files as clang writes them) and binds
// them to a kernel profile.
//
// Open is the reading half: sections, symbols, BTF, map definitions, struct_ops
// variables, relocations. It knows no kernel and an Object never changes.
// Bind is the other half: everything that depends on a kernel (CO-RE
// relocations, kconfig and ksym externs, kfuncs, struct_ops layouts, attach
// targets) is resolved and each program becomes a verifier.Program. Neither
// half makes a system call, so both work offline and on any system.
//
// The conventions are libbpf's, because that is what authors write for.
// Objects are hostile input: every offset and count is checked before use.
package object

import (
	"errors"
	"fmt"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/btf"
)

// Errors that Open wraps.
var (
	ErrNotELF     = errors.New("not an ELF file")
	ErrMachine    = errors.New("not a BPF object")
	ErrBigEndian  = errors.New("big-endian BPF object")
	ErrInvalid    = errors.New("invalid BPF object")
	ErrNoBTF      = errors.New("object has no BTF")
	ErrLegacyMaps = errors.New("legacy \"maps\" section: define maps in \".maps\" with BTF")
	ErrNotFound   = errors.New("not found")
)

// Object is an opened BPF object. It is immutable.
type Object struct {
	Name     string // file name without .bpf.o or .o
	License  string // the license section, "" without one
	Version  uint32 // the version section (old kprobes), 0 without one
	Programs []*ProgramSpec
	Maps     []*MapSpec

	// BTF is the object's types as the kernel will get them: sizes and offsets
	// of data sections filled in, hidden symbols static, externs allocated.
	// Both are nil without BTF.
	BTF    *btf.Spec
	BTFRaw []byte
	// Untyped says why kernels refuse the object's types, "" if they do not.
	// Programs and maps are then loaded, and judged, without types.
	Untyped string

	elf     *elfFile
	funcs   []*function // all functions, programs included, by section and offset
	externs []*extern
	text    int // section index of .text, 0 without one
	arena   int // index in Maps of the arena that .addr_space.1 lives in, -1 without
}

// ProgramSpec is one entry program of an object.
type ProgramSpec struct {
	Name     string
	Section  string // as written, with a leading "?" if there is one
	Optional bool   // section begins with "?": not loaded unless asked for
	Def      SectionDef
	Target   string // what follows the section's prefix: "vfs_read" of "fentry/vfs_read"

	fn *function
}

// Instructions is the number of slots of the program itself, without
// subprograms.
func (p *ProgramSpec) Instructions() int { return len(p.fn.insns) }

// function is a run of instructions with a name: a program or a subprogram.
type function struct {
	name    string
	sec     int
	off     int // first slot within the section
	insns   []bpf.Insn
	global  bool
	hidden  bool
	program *ProgramSpec // nil for subprograms
	relocs  []reloc      // rising by insn
	core    []coreReloc
	lines   []lineRecord
	types   []funcRecord
	excCB   *function // exception callback named by a decl tag
}

// Program finds a program by name.
func (o *Object) Program(name string) *ProgramSpec {
	for _, p := range o.Programs {
		if p.Name == name {
			return p
		}
	}
	return nil
}

// Map finds a map by name; data sections go by their section's name.
func (o *Object) Map(name string) *MapSpec {
	for _, m := range o.Maps {
		if m.Name == name || m.Section == name && m.Kind != MapUser && m.Kind != MapStructOps {
			return m
		}
	}
	return nil
}

func invalid(format string, args ...any) error {
	return fmt.Errorf(format+": %w", append(args, ErrInvalid)...)
}

// fnAt finds the function that begins at or contains a slot of a section.
func (o *Object) fnAt(sec, slot int) *function {
	lo, hi := 0, len(o.funcs)
	for lo < hi {
		m := (lo + hi) / 2
		if f := o.funcs[m]; f.sec < sec || f.sec == sec && f.off <= slot {
			lo = m + 1
		} else {
			hi = m
		}
	}
	if lo == 0 {
		return nil
	}
	if f := o.funcs[lo-1]; f.sec == sec && slot < f.off+len(f.insns) {
		return f
	}
	return nil
}
