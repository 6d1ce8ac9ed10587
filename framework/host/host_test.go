// SPDX-License-Identifier: Apache-2.0

package host

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/framework/host/helpers"
	"github.com/modbpf/modbpf/internal/unchecked"
	"github.com/modbpf/modbpf/jit"
	"github.com/modbpf/modbpf/verifier"
)

func newHost(t testing.TB, opt Options) *Host {
	t.Helper()
	h, err := New(testKernel(t), opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
		if n := h.Mem.Mapped(); n != 0 {
			t.Errorf("%d bytes mapped after close", n)
		}
	})
	return h
}

// Instructions, for programs written here by hand.
func mov(d, s uint8) bpf.Insn {
	return bpf.Insn{Op: bpf.ClassALU64 | bpf.AluMOV | bpf.SrcX, Regs: bpf.Regs(d, s)}
}

func movi(d uint8, v int32) bpf.Insn {
	return bpf.Insn{Op: bpf.ClassALU64 | bpf.AluMOV, Regs: bpf.Regs(d, 0), Imm: v}
}

func addi(d uint8, v int32) bpf.Insn {
	return bpf.Insn{Op: bpf.ClassALU64 | bpf.AluADD, Regs: bpf.Regs(d, 0), Imm: v}
}

func ldx(d, s uint8, off int16) bpf.Insn {
	return bpf.Insn{Op: bpf.ClassLDX | bpf.ModeMEM | bpf.SizeDW, Regs: bpf.Regs(d, s), Off: off}
}

func stx(d, s uint8, off int16) bpf.Insn {
	return bpf.Insn{Op: bpf.ClassSTX | bpf.ModeMEM | bpf.SizeDW, Regs: bpf.Regs(d, s), Off: off}
}
func call(id int32) bpf.Insn { return bpf.Insn{Op: bpf.OpCall, Imm: id} }
func exit() bpf.Insn         { return bpf.Insn{Op: bpf.OpExit} }
func jeqi(d uint8, v int32, off int16) bpf.Insn {
	return bpf.Insn{Op: bpf.ClassJMP | bpf.JmpJEQ, Regs: bpf.Regs(d, 0), Imm: v, Off: off}
}

func ldmap(d uint8, i int32) []bpf.Insn {
	return []bpf.Insn{{Op: bpf.OpLdImm64, Regs: bpf.Regs(d, bpf.PseudoMapFD), Imm: i}, {}}
}

// counter adds its second argument to element 0 of map 0 and returns the sum.
func counter(m *verifier.Map) *verifier.Program {
	var in []bpf.Insn
	in = append(in, ldx(6, 1, 8), movi(1, 0), stx(10, 1, -8))
	in = append(in, ldmap(1, 0)...)
	in = append(in, mov(2, 10), addi(2, -8), call(1), jeqi(0, 0, 4))
	in = append(in, ldx(1, 0, 0),
		bpf.Insn{Op: bpf.ClassALU64 | bpf.AluADD | bpf.SrcX, Regs: bpf.Regs(1, 6)}, stx(0, 1, 0), mov(0, 1), exit())
	return &verifier.Program{Name: "count", Type: bpf.ProgStructOps, StructOps: "test_ops", Slot: "count", License: "GPL", Insns: in, Maps: []*verifier.Map{m}}
}

func TestSlot(t *testing.T) {
	h := newHost(t, Options{})
	m := &verifier.Map{Name: "sum", Type: bpf.MapArray, KeySize: 4, ValueSize: 8, MaxEntries: 1}
	d, err := h.Insert(Spec{Name: "t", Programs: []*verifier.Checked{unchecked.New(counter(m))}})
	if err != nil {
		t.Fatal(err)
	}
	s := d.Slot("test_ops", "count")
	if s == nil || d.Slot("test_ops", "other") != nil {
		t.Fatal("slot not found, or one too many")
	}
	r := h.Enter(nil)
	for i := range uint64(40) {
		got, err := s.Call(r, 0, i)
		if want := i * (i + 1) / 2; err != nil || got != want {
			t.Fatalf("call %d: %d, %v; want %d", i, got, err, want)
		}
	}
	r.Exit()
	v := make([]byte, 8)
	if err := d.Map("sum").Lookup(make([]byte, 4), v, 0); err != nil || binary.LittleEndian.Uint64(v) != 780 {
		t.Fatalf("map holds %x, %v", v, err)
	}
	if n := s.Stats.Count.Load(); n != 40 {
		t.Errorf("%d runs counted", n)
	}
	if s.Stats.Sampled.Load() != 3 || s.Stats.Worst.Load() == 0 {
		t.Errorf("time: %d samples, worst %d ns", s.Stats.Sampled.Load(), s.Stats.Worst.Load())
	}
	if _, err := h.Insert(Spec{Name: "t"}); !errors.Is(err, ErrBusy) {
		t.Errorf("same name twice: %v", err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if len(h.Drivers()) != 0 {
		t.Error("driver listed after removal")
	}
}

func TestOnlyProven(t *testing.T) {
	h := newHost(t, Options{})
	m := &verifier.Map{Name: "sum", Type: bpf.MapArray, KeySize: 4, ValueSize: 8, MaxEntries: 1}
	for name, c := range map[string]*verifier.Checked{"zero": {}, "nil": nil, "kernel": verifier.KernelJudged(counter(m))} {
		if _, err := h.Insert(Spec{Name: name, Programs: []*verifier.Checked{c}}); !errors.Is(err, ErrNotProven) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestMissingIsNamed(t *testing.T) {
	h := newHost(t, Options{})
	p := &verifier.Program{Name: "p", Type: bpf.ProgSyscall, Insns: []bpf.Insn{call(67), exit()}}
	_, err := h.Insert(Spec{Name: "x", Programs: []*verifier.Checked{unchecked.New(p)}})
	if !errors.Is(err, helpers.ErrMissing) || !strings.Contains(err.Error(), "bpf_get_stack") {
		t.Errorf("missing helper: %v", err)
	}
	if len(h.Drivers()) != 0 {
		t.Error("something was left")
	}
}

func TestModelKfuncSeesItsState(t *testing.T) {
	h := newHost(t, Options{})
	type event struct{ n uint64 }
	h.Kfunc("hid_bpf_get_data", func(f *jit.Frame, a, _, _, _, _ uint64) uint64 {
		return f.User.(*Run).State.(*event).n + a
	})
	c, err := h.Calls.Kfunc("hid_bpf_get_data")
	if err != nil {
		t.Fatal(err)
	}
	r := h.Enter(&event{41})
	defer r.Exit()
	if got := c.Fn(&jit.Frame{User: r}, 1, 0, 0, 0, 0); got != 42 {
		t.Fatalf("kfunc answered %d", got)
	}
}

func BenchmarkSlot(b *testing.B) {
	h := newHost(b, Options{})
	m := &verifier.Map{Name: "sum", Type: bpf.MapArray, KeySize: 4, ValueSize: 8, MaxEntries: 1}
	d, err := h.Insert(Spec{Name: "t", Programs: []*verifier.Checked{unchecked.New(counter(m))}})
	if err != nil {
		b.Fatal(err)
	}
	s := d.Slot("test_ops", "count")
	b.ReportAllocs()
	b.Logf("engine %s", d.Engine())
	for b.Loop() {
		r := h.Enter(nil)
		if _, err := s.Call(r, 0, 1); err != nil {
			b.Fatal(err)
		}
		r.Exit()
	}
}
