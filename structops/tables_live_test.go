// SPDX-License-Identifier: Apache-2.0

//go:build linux

package structops_test

import (
	"strings"
	"testing"
	"time"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/framework/kernel/sys"
	"github.com/modbpf/modbpf/framework/profile"
	"github.com/modbpf/modbpf/internal/kernellab/labtest"
	"github.com/modbpf/modbpf/structops"
)

// TestSlotsLive loads a program into every slot of every table the running
// kernel has, sleepable and not: it must load exactly where the table says.
func TestSlotsLive(t *testing.T) { slotsLive(t) }

func slotsLive(t *testing.T) {
	rel := running(t)
	p, err := profile.Running()
	if err != nil {
		t.Skipf("kernel without types: %v", err)
	}
	names := structops.TableNames(p.BTF())
	if len(names) == 0 {
		t.Fatal("this kernel has no struct_ops table at all")
	}
	for _, name := range names {
		l, err := structops.Read(p.BTF(), name)
		if err != nil {
			t.Fatal(err)
		}
		tab := structops.TableFor(rel, name)
		if tab == nil {
			t.Errorf("table %s of the kernel is not in ours", name)
			continue
		}
		asked := 0
		for _, m := range l.Members {
			if !m.IsSlot() {
				if s := tab.Slot(m.Name); s != nil {
					t.Errorf("%s.%s is no slot in the kernel", name, m.Name)
				}
				continue
			}
			s := tab.Slot(m.Name)
			if s == nil {
				t.Errorf("slot %s.%s of the kernel is not in the table", name, m.Name)
				continue
			}
			if got, want := m.Args, onlySuffixes(s.Args); len(got) != len(want) {
				t.Errorf("%s.%s: types say of arguments %+v, the table %+v", name, m.Name, got, want)
			}
			for _, flags := range []uint32{0, bpf.ProgSleepable} {
				want := s.Need != structops.NotImplementable && (flags == 0 && !s.MustSleep || flags != 0 && s.Sleepable)
				fd, log, err := sys.ProgLoad(sys.ProgAttr{
					Type: bpf.ProgStructOps, AttachType: uint32(m.Index), AttachID: uint32(l.Type), License: "GPL", Flags: flags,
					LogLevel: sys.LogInstructions, Insns: []bpf.Insn{mov(0, 0), {Op: bpf.OpExit}},
				})
				if err == nil {
					closeFD(t, fd)
				}
				asked++
				got := err == nil || !strings.Contains(log, "attach to unsupported member")
				if got != want {
					t.Errorf("%s.%s, flags %#x: kernel says %v, table %v: %v", name, m.Name, flags, got, want, err)
				}
			}
		}
		for _, s := range tab.Slots {
			if l.Member(s.Member) == nil && s.Config == "" {
				t.Errorf("slot %s.%s of the table is not in the kernel", name, s.Member)
			}
		}
		for _, f := range tab.Init {
			if l.Member(f.Member) == nil {
				t.Errorf("member %s.%s of the table is not in the kernel", name, f.Member)
			}
		}
		t.Logf("%s: %d members, %d loads asked", name, len(l.Members), asked)
	}
}

// onlySuffixes leaves the rules that the kernel reads from a stub's parameter names.
func onlySuffixes(in []structops.ArgRule) []structops.ArgRule {
	var out []structops.ArgRule
	for _, a := range in {
		if a.BTF == "" {
			out = append(out, a)
		}
	}
	return out
}

// TestInGuests asks the kernels of the lab about slots and contexts.
func TestInGuests(t *testing.T) {
	for _, series := range []string{"6.12", "6.18", "7.2", "7.3"} {
		t.Run(series, func(t *testing.T) {
			if labtest.Reexec(t, series, labtest.Timeout(20*time.Minute)) {
				return
			}
			t.Run("slots", slotsLive)
			t.Run("writable", writableLive)
			t.Run("returns", TestReturnRange)
			t.Run("attach", TestAttachTypes)
			t.Run("sleep", TestSleepable)
			t.Run("sockets", TestSocketFields)
			if series == "6.12" || series == "7.3" { // the oldest and the newest: between them little changed, and it takes minutes
				t.Run("contexts", contextAccess)
			}
		})
	}
}
