// SPDX-License-Identifier: Apache-2.0

//go:build unix

// Package bpfconformance runs programs of the public bpf_conformance suite: bare
// instructions with a piece of memory in R1 and its length in R2. It is what the
// plugin is made of.
package bpfconformance

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/internal/unchecked"
	"github.com/modbpf/modbpf/jit"
	"github.com/modbpf/modbpf/verifier"
)

// Options are the plugin's.
type Options struct {
	Interpret bool // the interpreter instead of machine code
	ELF       bool // the program is an ELF object
}

// Result is what a program did.
type Result struct {
	R0      uint64
	Memory  []byte // afterwards
	Verdict string // the verifier's
}

// ParseHex reads hex bytes, with or without spaces between them.
func ParseHex(s string) ([]byte, error) {
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		return nil, fmt.Errorf("read hex bytes: %w", err)
	}
	return b, nil
}

// Run runs a program given as bytes.
func Run(program, memory []byte, o Options) (*Result, error) {
	if o.ELF {
		var err error
		if program, err = text(program); err != nil {
			return nil, err
		}
	}
	insns, err := decode(program)
	if err != nil {
		return nil, err
	}
	mem, addr, err := outside(memory)
	if err != nil {
		return nil, err
	}
	defer func() {
		if mem != nil {
			_ = unix.Munmap(mem) // cannot fail: it is what Mmap gave
		}
	}()
	// R1 comes with the call; R2 is set by one instruction in front.
	insns = append([]bpf.Insn{{Op: bpf.ClassALU | bpf.AluMOV, Regs: 2, Imm: int32(len(memory))}}, insns...)
	p := &verifier.Program{Name: "conformance", Type: bpf.ProgSyscall, Flags: bpf.ProgSleepable, License: "GPL", Insns: insns}
	verdict := verifier.Accept.String()
	c, diag := verifier.Verify(p, suite{len(memory)}, verifier.Options{Facts: true})
	if diag != nil {
		// The suite also has programs no verifier lets pass, to see what engines do.
		verdict = fmt.Sprintf("%s: %s", diag.Verdict, diag.Message)
		c = unchecked.New(p)
	}
	mk := jit.Compile
	if o.Interpret {
		mk = jit.Interpret
	}
	x, err := mk(c, linker{})
	if err != nil {
		return nil, err
	}
	r0, err := x.Run(addr, nil)
	if err = errors.Join(err, x.Close()); err != nil {
		return nil, err
	}
	return &Result{R0: r0, Memory: bytes.Clone(mem[:len(memory)]), Verdict: verdict}, nil
}

// outside copies memory to a place that is not Go's.
func outside(memory []byte) ([]byte, uintptr, error) {
	if len(memory) == 0 {
		return nil, 0, nil
	}
	mem, err := unix.Mmap(-1, 0, len(memory), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return nil, 0, fmt.Errorf("map memory of the program: %w", err)
	}
	copy(mem, memory)
	return mem, uintptr(unsafe.Pointer(unsafe.SliceData(mem))), nil
}

func decode(b []byte) ([]bpf.Insn, error) {
	if len(b) == 0 || len(b)%bpf.Size != 0 {
		return nil, fmt.Errorf("program has %d bytes, not a multiple of %d", len(b), bpf.Size)
	}
	insns := make([]bpf.Insn, 0, len(b)/bpf.Size)
	for ; len(b) > 0; b = b[bpf.Size:] {
		insns = append(insns, bpf.Insn{
			Op: b[0], Regs: b[1],
			Off: int16(binary.LittleEndian.Uint16(b[2:])), Imm: int32(binary.LittleEndian.Uint32(b[4:])),
		})
	}
	return insns, nil
}

// text is the first section with code of an ELF object. Objects of the suite
// have one and no relocations.
func text(object []byte) ([]byte, error) {
	f, err := elf.NewFile(bytes.NewReader(object))
	if err != nil {
		return nil, fmt.Errorf("read ELF object: %w", err)
	}
	if f.Machine != elf.EM_BPF || f.Data != elf.ELFDATA2LSB {
		return nil, fmt.Errorf("read ELF object: machine %s, %s: want little-endian BPF", f.Machine, f.Data)
	}
	for i, s := range f.Sections {
		if s.Type != elf.SHT_PROGBITS || s.Flags&elf.SHF_EXECINSTR == 0 || s.Size == 0 {
			continue
		}
		for _, r := range f.Sections {
			if (r.Type == elf.SHT_REL || r.Type == elf.SHT_RELA) && int(r.Info) == i && r.Size > 0 {
				return nil, fmt.Errorf("read ELF object: section %s has relocations", s.Name)
			}
		}
		b, err := s.Data()
		if err != nil {
			return nil, fmt.Errorf("read ELF section %s: %w", s.Name, err)
		}
		return b, nil
	}
	return nil, errors.New("read ELF object: no section with code")
}

// linker gives programs of the suite the one helper it knows.
type linker struct{}

// helperUnwind ends the program when its argument is 0, and else returns it.
const helperUnwind = 5

func (linker) Helper(id int32) (*jit.Callee, error) {
	if id != helperUnwind {
		return nil, fmt.Errorf("helper %d: not in the suite", id)
	}
	return &jit.Callee{Name: "unwind", Fn: func(f *jit.Frame, r1, _, _, _, _ uint64) uint64 {
		if r1 == 0 {
			f.Throw(0)
		}
		return r1
	}}, nil
}

func (linker) Map(i int) (jit.MapInfo, error) {
	return jit.MapInfo{}, fmt.Errorf("map %d: the suite has none", i)
}

func (linker) Kfunc(name string) (*jit.Callee, error) {
	return nil, fmt.Errorf("kfunc %s: the suite has none", name)
}

func (linker) Ksym(name string) (uintptr, error) {
	return 0, fmt.Errorf("kernel variable %s: the suite has none", name)
}
