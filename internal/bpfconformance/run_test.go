// SPDX-License-Identifier: Apache-2.0

//go:build unix

package bpfconformance

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"testing"
)

func TestRun(t *testing.T) {
	tests := []struct {
		name, program, memory string
		want                  uint64
	}{
		{"constant", "b7 00 00 00 2a 00 00 00 95 00 00 00 00 00 00 00", "", 42},
		{"memory and length", "71 10 01 00 00 00 00 00 0f 20 00 00 00 00 00 00 95 00 00 00 00 00 00 00", "01 0a 03", 13},
		{"unwind", "b7 01 00 00 00 00 00 00 85 00 00 00 05 00 00 00 b7 00 00 00 07 00 00 00 95 00 00 00 00 00 00 00", "", 0},
		{"no unwind", "b7 01 00 00 01 00 00 00 85 00 00 00 05 00 00 00 b7 00 00 00 07 00 00 00 95 00 00 00 00 00 00 00", "", 7},
		{"helper by register", "b7 02 00 00 05 00 00 00 b7 01 00 00 09 00 00 00 8d 02 00 00 00 00 00 00 95 00 00 00 00 00 00 00", "", 9},
	}
	for _, c := range tests {
		for _, interpret := range []bool{true, false} {
			program, err := ParseHex(c.program)
			if err != nil {
				t.Fatal(err)
			}
			memory, err := ParseHex(c.memory)
			if err != nil {
				t.Fatal(err)
			}
			for _, isELF := range []bool{false, true} {
				in := program
				if isELF {
					in = object(program)
				}
				r, err := Run(in, memory, Options{Interpret: interpret, ELF: isELF})
				if err != nil || r.R0 != c.want {
					t.Errorf("%s (interpret %v, elf %v): got %+v, want %d, %v", c.name, interpret, isELF, r, c.want, err)
				}
			}
		}
	}
}

func TestBadInput(t *testing.T) {
	for name, c := range map[string]struct {
		program []byte
		o       Options
	}{
		"nothing":      {nil, Options{}},
		"half":         {make([]byte, 12), Options{}},
		"no ELF":       {make([]byte, 16), Options{ELF: true}},
		"short ELF":    {object(make([]byte, 16))[:70], Options{ELF: true}},
		"bad opcode":   {bytes.Repeat([]byte{0xff}, 8), Options{}},
		"other helper": {[]byte{0x85, 0, 0, 0, 6, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0}, Options{}},
	} {
		if r, err := Run(c.program, nil, c.o); err == nil {
			t.Errorf("%s: ran: %+v", name, r)
		}
	}
	if _, err := ParseHex("0g"); err == nil {
		t.Error("bad hex was read")
	}
}

// object wraps code into the smallest ELF object: a header, one section of code
// and the section names.
func object(code []byte) []byte {
	names := []byte("\x00.text\x00.shstrtab\x00")
	const head = 64
	var b bytes.Buffer
	write := func(v any) {
		if err := binary.Write(&b, binary.LittleEndian, v); err != nil {
			panic(err)
		}
	}
	h := elf.Header64{
		Type: uint16(elf.ET_REL), Machine: uint16(elf.EM_BPF), Version: 1, Ehsize: head,
		Shoff: uint64(head + len(code) + len(names)), Shentsize: 64, Shnum: 3, Shstrndx: 2,
	}
	copy(h.Ident[:], "\x7fELF\x02\x01\x01")
	write(h)
	b.Write(code)
	b.Write(names)
	write(elf.Section64{})
	write(elf.Section64{Name: 1, Type: uint32(elf.SHT_PROGBITS), Flags: uint64(elf.SHF_ALLOC | elf.SHF_EXECINSTR), Off: head, Size: uint64(len(code))})
	write(elf.Section64{Name: 7, Type: uint32(elf.SHT_STRTAB), Off: uint64(head + len(code)), Size: uint64(len(names))})
	return b.Bytes()
}
