// SPDX-License-Identifier: Apache-2.0

package amd64

import (
	"encoding/binary"
	"testing"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/jit/prog"
	"github.com/modbpf/modbpf/verifier"
)

// FuzzCompile: whatever bytes decode compile too, and all offsets stay inside.
// Odd bits of the first byte choose the machine and the facts.
func FuzzCompile(f *testing.F) {
	for _, c := range fuseCases {
		b := []byte{1}
		for _, i := range c.insns {
			b = append(b, i.Op, i.Regs)
			b = binary.LittleEndian.AppendUint16(b, uint16(i.Off))
			b = binary.LittleEndian.AppendUint32(b, uint32(i.Imm))
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < 9 || len(b) > 1<<12 {
			return
		}
		how := b[0]
		var insns []bpf.Insn
		for b = b[1:]; len(b) >= 8; b = b[8:] {
			insns = append(insns, bpf.Insn{
				Op: b[0], Regs: b[1], Off: int16(binary.LittleEndian.Uint16(b[2:])), Imm: int32(binary.LittleEndian.Uint32(b[4:])),
			})
		}
		var facts *verifier.Facts
		if how&2 != 0 {
			facts = &verifier.Facts{Insns: make([]verifier.InsnFact, len(insns))}
			for i := range facts.Insns {
				facts.Insns[i].Mem = verifier.MemKind(uint8(i)*how) % (verifier.MemOther + 1)
			}
		}
		p, err := prog.Decode(insns, facts)
		if err != nil {
			return
		}
		target := &Target{BMI2: how&1 != 0, StackAlign: 1 << 18, Lookup: -1, Program: 1, Arena: 1 << 40}
		for i := range p.Insns {
			if n := &p.Insns[i]; n.Kind == prog.Call || n.Kind == prog.TailCall || n.Kind == prog.LdPacket {
				n.Callee = 0
				if n.IsHelper(1) {
					target.Lookup = 0
				}
			}
		}
		target.Inline = map[uint64]Array{0: {Base: 1 << 33, Stride: 24, Entries: 5}, 1: {Base: 1 << 20, Stride: 64, Entries: 5}}
		target.Hashes = map[uint64]Hash{2: {KeySize: 8}, 3: {KeySize: 40, LRU: true}}
		c, err := Compile(p, target)
		if err != nil {
			t.Fatalf("decoded but not compiled: %v", err)
		}
		n := int32(len(c.Bytes))
		last := int32(0)
		for i, s := range c.Slots {
			if s < last || s > n {
				t.Fatalf("slot %d at %d after %d of %d", i, s, last, n)
			}
			last = s
		}
		for _, x := range c.Fixups {
			if x.Off < 0 || x.Off+4 > n {
				t.Fatalf("fixup at %d of %d", x.Off, n)
			}
		}
		last = -1
		for _, x := range c.Faults {
			if x.Off <= last || x.Next < x.Off || x.Next > n {
				t.Fatalf("fault %+v after %d of %d", x, last, n)
			}
			last = x.Off
		}
	})
}
