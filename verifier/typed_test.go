// SPDX-License-Identifier: Apache-2.0

package verifier_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/btf"
	"github.com/modbpf/modbpf/framework/profile"
	. "github.com/modbpf/modbpf/verifier"
)

type ins []bpf.Insn

func (p ins) mov(dst, src uint8) ins {
	return append(slices.Clip(p), bpf.Insn{Op: bpf.ClassALU64 | bpf.AluMOV | bpf.SrcX, Regs: src<<4 | dst})
}

func (p ins) set(dst uint8, v int32) ins {
	return append(slices.Clip(p), bpf.Insn{Op: bpf.ClassALU64 | bpf.AluMOV, Regs: dst, Imm: v})
}

// fp sets dst to the address r10 + off.
func (p ins) fp(dst uint8, off int32) ins {
	return append(p.mov(dst, 10), bpf.Insn{Op: bpf.ClassALU64 | bpf.AluADD, Regs: dst, Imm: off})
}

func (p ins) load(dst, src uint8, off int16) ins {
	return append(slices.Clip(p), bpf.Insn{Op: bpf.ClassLDX | bpf.SizeW | bpf.ModeMEM, Regs: src<<4 | dst, Off: off})
}

func (p ins) store(dst uint8, off int16, v int32) ins {
	return append(slices.Clip(p), bpf.Insn{Op: bpf.ClassST | bpf.SizeW | bpf.ModeMEM, Regs: dst, Off: off, Imm: v})
}

// zero jumps off slots further if a register is 0.
func (p ins) zero(reg uint8, off int16) ins {
	return append(slices.Clip(p), bpf.Insn{Op: bpf.ClassJMP | bpf.JmpJEQ, Regs: reg, Off: off})
}

func (p ins) helper(id int32) ins { return append(slices.Clip(p), bpf.Insn{Op: bpf.OpCall, Imm: id}) }

func (p ins) ret() ins { return append(p.set(0, 0), bpf.Insn{Op: bpf.OpExit}) }

// TestTyped judges programs made of kernel functions: of each rule one that
// keeps it and one that breaks it.
func TestTyped(t *testing.T) {
	const (
		getTask = 158 // bpf_get_current_task_btf
		sleeps  = 148 // bpf_copy_from_user
	)
	for _, rel := range []string{"6.12", "7.2", "7.3"} {
		k, err := profile.Find(rel)
		if err != nil {
			t.Skipf("profile %s: %v", rel, err)
		}
		kf := func(p ins, name string) ins {
			id, ok := k.BTF().Find(name, btf.KindFunc)
			if !ok && rel != "6.12" {
				t.Fatalf("%s has no %s", rel, name)
			}
			return append(slices.Clip(p), bpf.Insn{Op: bpf.OpCall, Regs: bpf.PseudoKfuncCall << 4, Imm: int32(id)})
		}
		pid, ok := fieldOf(k.BTF(), "task_struct", "pid")
		if !ok {
			t.Fatal("no task_struct.pid")
		}
		newIter := kf(ins{}.fp(1, -8).set(2, 0).set(3, 4), "bpf_iter_num_new")
		fromPid := kf(ins{}.set(1, 1), "bpf_task_from_pid")
		irq := func(p ins, off int32, name string) ins { return kf(p.fp(1, off), name) }
		gone := CodeKfuncRelease
		if rel == "6.12" {
			gone = CodeKfuncArgType
		}
		cases := []struct {
			name  string
			prog  ins
			want  Code
			since string
		}{
			{"rcu kept", kf(kf(nil, "bpf_rcu_read_lock"), "bpf_rcu_read_unlock").ret(), 0, ""},
			{"rcu left", kf(nil, "bpf_rcu_read_lock").ret(), CodeLeakRCU, ""},
			{"rcu unlocked alone", kf(nil, "bpf_rcu_read_unlock").ret(), CodeRCUUnmatched, ""},
			{"preemption kept", kf(kf(nil, "bpf_preempt_disable"), "bpf_preempt_enable").ret(), 0, ""},
			{"preemption left", kf(nil, "bpf_preempt_disable").ret(), CodeLeakPreempt, ""},
			{"preemption enabled alone", kf(nil, "bpf_preempt_enable").ret(), CodePreemptUnmatched, ""},
			{"iterator kept", kf(kf(newIter.fp(1, -8), "bpf_iter_num_next").fp(1, -8), "bpf_iter_num_destroy").ret(), 0, ""},
			{"iterator left", newIter.ret(), CodeRefLeak, ""},
			{"iterator used before", kf(ins{}.fp(1, -8), "bpf_iter_num_next").ret(), CodeIterUninit, ""},
			{"iterator made twice", kf(newIter.fp(1, -8).set(2, 0).set(3, 4), "bpf_iter_num_new").ret(), CodeIterInit, ""},
			{"task kept", kf(fromPid.zero(0, 2).mov(1, 0), "bpf_task_release").ret(), 0, ""},
			{"task left", fromPid.ret(), CodeRefLeak, ""},
			{"task unchecked", kf(fromPid.mov(1, 0), "bpf_task_release").ret(), CodeKfuncNull, ""},
			{"task released twice", kf(kf(fromPid.mov(6, 0).zero(0, 4).mov(1, 0), "bpf_task_release").mov(1, 6), "bpf_task_release").ret(), gone, ""},
			{"task used after", kf(fromPid.mov(6, 0).zero(0, 3).mov(1, 0), "bpf_task_release").load(1, 6, pid).ret(), CodeMemInvalid, ""},
			{"borrowed task released", kf(ins{}.helper(getTask).mov(1, 0), "bpf_task_release").ret(), CodeKfuncRelease, ""},
			{"task read", ins{}.helper(getTask).load(1, 0, pid).ret(), 0, ""},
			{"task written", ins{}.helper(getTask).store(0, pid, 1).ret(), CodeBTFWrite, ""},
			{"task before its start", ins{}.helper(getTask).load(1, 0, -4).ret(), CodeBTFOffset, ""},
			{"number as task", kf(ins{}.set(1, 5), "bpf_task_acquire").ret(), CodeKfuncArgType, ""},
			{"interrupts kept", irq(irq(nil, -8, "bpf_local_irq_save"), -8, "bpf_local_irq_restore").ret(), 0, "7.2"},
			{"interrupts left", irq(nil, -8, "bpf_local_irq_save").ret(), CodeLeakIrq, "7.2"},
			{"interrupts out of order", irq(irq(irq(nil, -8, "bpf_local_irq_save"), -16, "bpf_local_irq_save"), -8, "bpf_local_irq_restore").ret(), CodeIrqOrder, "7.2"},
			{"interrupts restored alone", irq(nil, -8, "bpf_local_irq_restore").ret(), CodeIrqUninit, "7.2"},
		}
		for _, c := range cases {
			if c.since == "7.2" && rel == "6.12" {
				continue
			}
			t.Run(rel+"/"+c.name, func(t *testing.T) {
				var log strings.Builder
				p := &Program{Type: bpf.ProgSchedCls, Insns: c.prog, License: "GPL"}
				_, d := Verify(p, k, Options{Log: &Log{W: &log}})
				var got Code
				if d != nil {
					got = d.Code
				}
				if got != c.want {
					t.Errorf("%v, want %v\n%s", d, c.want, log.String())
				}
			})
		}
		// A licence that is not GPL may not call a function for GPL programs.
		p := &Program{Type: bpf.ProgSchedCls, Insns: ins{}.helper(getTask).ret(), License: "Proprietary"}
		if _, d := Verify(p, k, Options{}); d == nil {
			t.Errorf("%s: a GPL helper in a proprietary program is accepted", rel)
		}
		p = &Program{
			Type: bpf.ProgSyscall, Flags: bpf.ProgSleepable, License: "GPL",
			Insns: kf(kf(nil, "bpf_rcu_read_lock").fp(1, -8).set(2, 8).set(3, 0).helper(sleeps), "bpf_rcu_read_unlock").ret(),
		}
		if _, d := Verify(p, k, Options{}); d == nil || d.Code != CodeHelperSleep {
			t.Errorf("%s: sleeping in an RCU section: %v", rel, d)
		}
	}
}

// fieldOf is the offset of a struct's member.
func fieldOf(s *btf.Spec, typ, member string) (int16, bool) {
	id, ok := s.Find(typ, btf.KindStruct)
	if !ok {
		return 0, false
	}
	for i := range s.Type(id).Vlen {
		if m := s.Member(id, i); m.Name == member {
			return int16(m.BitOff / 8), true
		}
	}
	return 0, false
}
