// SPDX-License-Identifier: Apache-2.0

//go:build linux

package kfuncs_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/btf"
	"github.com/modbpf/modbpf/framework/kernel/sys"
	"github.com/modbpf/modbpf/framework/profile"
	"github.com/modbpf/modbpf/internal/kernellab/labtest"
	"github.com/modbpf/modbpf/kfuncs"
	"github.com/modbpf/modbpf/structops"
)

// machine is the kernel that is asked: its types, and its configuration if known.
type machine struct {
	*profile.Profile
	config func(string) string
}

// running is the machine's own kernel, or the guest's; the test is skipped
// where it cannot be asked.
func running(t *testing.T) machine {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root to ask the kernel")
	}
	p, err := profile.Running()
	if err != nil {
		t.Skipf("kernel without types: %v", err)
	}
	if _, err := load(t, use{Use: kfuncs.Use{Type: bpf.ProgSocketFilter}}, mov(0, 0), bpf.Insn{Op: bpf.OpExit}); err != nil {
		t.Skipf("kernel does not let us load programs: %v", err)
	}
	m := machine{Profile: p}
	if p.HasConfig() {
		m.config = p.Config
	}
	if labtest.InGuest() { // a guest has no file with its configuration
		e, err := profile.Find(p.Release().Series())
		if err != nil {
			t.Fatal(err)
		}
		m.config = e.Config
	}
	return m
}

func mov(dst uint8, v int32) bpf.Insn {
	return bpf.Insn{Op: bpf.ClassALU64 | bpf.AluMOV, Regs: bpf.Regs(dst, 0), Imm: v}
}

// use is a kind of program with what the kernel needs to load one.
type use struct {
	kfuncs.Use
	attachID btf.ID
	member   int
	ret      int32
}

func (u use) String() string {
	s := u.Type.String()
	if u.StructOps != "" {
		return s + " " + u.StructOps + "." + u.Slot
	}
	if u.Attach != 0 {
		s += " " + u.Attach.String()
	}
	if u.Sleepable {
		s += " sleepable"
	}
	return s
}

func load(t *testing.T, u use, insns ...bpf.Insn) (string, error) {
	t.Helper()
	a := sys.ProgAttr{Type: u.Type, AttachType: uint32(u.Attach), Insns: insns, License: "GPL", LogLevel: sys.LogInstructions, AttachID: uint32(u.attachID)}
	if u.Sleepable {
		a.Flags = bpf.ProgSleepable
	}
	if u.Type == bpf.ProgStructOps {
		a.AttachType = uint32(u.member)
	}
	fd, log, err := sys.ProgLoad(a)
	if err == nil {
		if err := unix.Close(int(fd)); err != nil {
			t.Error(err)
		}
	}
	return log, err
}

// targets are what programs with typed arguments are attached to.
var targets = map[bpf.AttachType]struct {
	name, attach string
	kind         btf.Kind
}{
	bpf.AttachTraceIter:   {"bpf_iter_task", "task", btf.KindFunc},
	bpf.AttachTraceRawTP:  {"btf_trace_sched_switch", "sched_switch", btf.KindTypedef},
	bpf.AttachTraceFentry: {"bpf_lsm_file_open", "bpf_lsm_file_open", btf.KindFunc},
	bpf.AttachTraceFexit:  {"bpf_lsm_file_open", "bpf_lsm_file_open", btf.KindFunc},
	bpf.AttachLSMMac:      {"bpf_lsm_file_open", "file_open", btf.KindFunc},
	bpf.AttachLSMCgroup:   {"bpf_lsm_socket_post_create", "socket_post_create", btf.KindFunc},
}

// uses lists every kind of program this kernel lets us load.
func uses(t *testing.T, p machine) []use {
	t.Helper()
	var all []use
	for _, h := range structops.Hooks(p.Release()) {
		attach := h.Attach
		if !h.AttachStrict && !h.CtxBTF {
			attach = append([]bpf.AttachType{0}, attach...)
		}
		for _, at := range attach {
			u := use{Use: kfuncs.Use{Type: h.Type, Attach: at, Sleepable: h.AlwaysSleepable, Config: p.config}}
			if r, ok := h.Returns(at); ok {
				u.ret = int32(r.Min)
			}
			if h.CtxBTF {
				tgt, ok := targets[at]
				if !ok || h.Type == bpf.ProgStructOps {
					continue
				}
				id, ok := p.BTF().Find(tgt.name, tgt.kind)
				if !ok {
					continue
				}
				u.AttachName, u.attachID = tgt.attach, id
				if h.CanSleep(at) && at != bpf.AttachTraceIter && at != bpf.AttachTraceRawTP {
					v := u
					v.Sleepable = true
					all = append(all, v)
				}
			}
			all = append(all, u)
		}
	}
	for _, name := range []string{"tcp", "unix"} {
		if id, ok := p.BTF().Find("bpf_iter_"+name, btf.KindFunc); ok {
			all = append(all, use{Use: kfuncs.Use{Type: bpf.ProgTracing, Attach: bpf.AttachTraceIter, AttachName: name, Config: p.config}, attachID: id})
		}
	}
	for _, name := range structops.TableNames(p.BTF()) {
		l, err := structops.Read(p.BTF(), name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range l.Members {
			if m.IsSlot() {
				all = append(all, use{Use: kfuncs.Use{Type: bpf.ProgStructOps, StructOps: name, Slot: m.Name, Config: p.config}, attachID: l.Type, member: m.Index})
			}
		}
	}
	var out []use
	for _, u := range all {
		log, err := load(t, u, mov(0, u.ret), bpf.Insn{Op: bpf.OpExit})
		if err != nil && (u.Type != bpf.ProgStructOps || strings.Contains(log, "attach to unsupported member") || strings.Contains(log, "is not supported") || log == "") {
			if u.Type != bpf.ProgStructOps {
				t.Logf("%s: not to be had from this kernel: %.100v", u, err)
			}
			continue
		}
		out = append(out, u)
	}
	return out
}

// TestHelpersLive calls every helper from every kind of program with nothing in
// its arguments: what the kernel complains about says whether it has a prototype.
func TestHelpersLive(t *testing.T) { helpersLive(t) }

func helpersLive(t *testing.T) {
	p := running(t)
	asked, bad := 0, 0
	for _, u := range uses(t, p) {
		for _, h := range kfuncs.Helpers(p.Release()) {
			if h.ID == 0 {
				continue
			}
			proto, why := kfuncs.HelperProto(p.Release(), h.ID, u.Use)
			log, err := load(t, u, mov(1, 0), mov(2, 0), mov(3, 0), mov(4, 0), mov(5, 0), bpf.Insn{Op: bpf.OpCall, Imm: h.ID}, mov(0, u.ret), bpf.Insn{Op: bpf.OpExit})
			got := err == nil || !strings.Contains(log, "cannot use helper") && !strings.Contains(log, "unknown func") && !strings.Contains(log, "invalid func")
			asked++
			if got != (proto != nil) {
				if bad++; bad < 40 {
					t.Errorf("%s, helper %s: kernel says %v, table %v (%s)\n%s", u, h.Name, got, proto != nil, why, log)
				}
			}
			if proto != nil && strings.Contains(log, "helper call is not allowed in probe") == kfuncs.Allowed(p.Release(), proto, u.Use) {
				t.Errorf("%s, helper %s: predicate %s: table says %v\n%s", u, h.Name, proto.Allowed, kfuncs.Allowed(p.Release(), proto, u.Use), log)
			}
		}
	}
	t.Logf("%d calls asked, %d differ", asked, bad)
}

// TestHelpersGPL does the same from programs without a licence: helpers that
// are for GPL programs only must be refused for that reason, and no others.
func TestHelpersGPL(t *testing.T) { helpersGPL(t) }

func helpersGPL(t *testing.T) {
	p := running(t)
	for _, typ := range []bpf.ProgType{bpf.ProgXDP, bpf.ProgSchedCls, bpf.ProgKprobe, bpf.ProgSockOps, bpf.ProgCgroupSockopt, bpf.ProgRawTracepoint, bpf.ProgPerfEvent, bpf.ProgSKSkb, bpf.ProgLWTXmit} {
		for _, h := range kfuncs.Helpers(p.Release()) {
			u := kfuncs.Use{Type: typ, Config: p.config}
			proto, _ := kfuncs.HelperProto(p.Release(), h.ID, u)
			if proto == nil {
				continue
			}
			fd, log, err := sys.ProgLoad(sys.ProgAttr{
				Type: typ, AttachType: attachFor(typ), License: "Proprietary", LogLevel: sys.LogInstructions,
				Insns: []bpf.Insn{mov(1, 0), mov(2, 0), mov(3, 0), mov(4, 0), mov(5, 0), {Op: bpf.OpCall, Imm: h.ID}, mov(0, 0), {Op: bpf.OpExit}},
			})
			if err == nil {
				if err := unix.Close(int(fd)); err != nil {
					t.Error(err)
				}
			}
			if got := strings.Contains(log, "cannot call GPL-restricted function"); got != proto.GPLOnly {
				t.Errorf("%s, helper %s: kernel says GPL-only %v, table %v", typ, h.Name, got, proto.GPLOnly)
			}
		}
	}
}

func attachFor(t bpf.ProgType) uint32 {
	if t == bpf.ProgCgroupSockopt {
		return uint32(bpf.AttachCgroupSetsockopt)
	}
	return 0
}

// TestKfuncsLive does for kfuncs what TestHelpersLive does for helpers.
func TestKfuncsLive(t *testing.T) { kfuncsLive(t) }

func kfuncsLive(t *testing.T) {
	p := running(t)
	all := uses(t, p)
	asked, bad, kfs := 0, 0, 0
	for id := range tagged(p.BTF()) {
		name := p.BTF().Name(id)
		k := kfuncs.Find(p.Release(), name)
		if k == nil && kfuncs.InSet(p.Release(), "fmodret", name) {
			continue // may be attached to, not called
		}
		if k == nil {
			t.Errorf("kfunc %s of the kernel is not in the table", name)
			continue
		}
		if k.Registrations[0].Set == "xdp_metadata_kfunc_ids" {
			continue // refused for want of a device before anything else is looked at
		}
		kfs++
		for _, u := range all {
			r, why := k.For(p.Release(), u.Use)
			log, err := load(t, u, mov(1, 0), mov(2, 0), mov(3, 0), mov(4, 0), mov(5, 0),
				bpf.Insn{Op: bpf.OpCall, Regs: bpf.Regs(0, bpf.PseudoKfuncCall), Imm: int32(id)}, mov(0, u.ret), bpf.Insn{Op: bpf.OpExit})
			if strings.Contains(log, "arena") {
				continue // arena arguments want an arena before anything else is looked at
			}
			got := err == nil || !strings.Contains(log, fmt.Sprintf("calling kernel function %s is not allowed", name))
			asked++
			if got != (r != nil) {
				if bad++; bad < 40 {
					t.Errorf("%s, kfunc %s: kernel says %v, table %v (%s)\n%s", u, name, got, r != nil, why, log)
				}
			}
			if r != nil && !u.Sleepable {
				if got := strings.Contains(log, "program must be sleepable to call"); got != r.Has(kfuncs.Sleepable) {
					t.Errorf("%s, kfunc %s: kernel says sleepable %v, table %v\n%s", u, name, got, r.Has(kfuncs.Sleepable), log)
				}
			}
		}
	}
	t.Logf("%d kfuncs, %d kinds of program, %d calls asked, %d differ", kfs, len(all), asked, bad)
}

// tagged is the set of functions with the tag that marks kfuncs.
func tagged(s *btf.Spec) map[btf.ID]bool {
	out := map[btf.ID]bool{}
	for id := range s.All() {
		if s.Kind(id) == btf.KindDeclTag {
			if d := s.DeclTag(id); d.Tag == "bpf_kfunc" {
				out[d.Target] = true
			}
		}
	}
	return out
}

// TestKfuncTags compares the names the kernel's own types mark as kfuncs with
// the table: neither may have one the other lacks.
func TestKfuncTags(t *testing.T) {
	p := running(t)
	have := map[string]bool{}
	for id := range tagged(p.BTF()) {
		have[p.BTF().Name(id)] = true
	}
	if len(have) == 0 {
		t.Skip("this kernel's types carry no kfunc tags")
	}
	for _, k := range kfuncs.All(p.Release()) {
		builtin := false
		for _, r := range k.Registrations {
			on := kfuncs.Enabled(r.Config, p.config)
			builtin = builtin || on && !isModule(r, p)
		}
		if builtin && !have[k.Name] {
			t.Errorf("kfunc %s of the table (%s) is not marked in the kernel's types", k.Name, k.Registrations[0].Config)
		}
		delete(have, k.Name)
	}
	for n := range have {
		if kfuncs.InSet(p.Release(), "fmodret", n) {
			continue
		}
		t.Errorf("kfunc %s is marked in the kernel's types but not in the table", n)
	}
}

func isModule(r kfuncs.Registration, p machine) bool {
	c := r.Config[strings.LastIndex(r.Config, " ")+1:]
	return p.config != nil && p.config(c) == "m"
}

// TestInGuests asks the kernels of the lab what TestHelpersLive, TestHelpersGPL
// and TestKfuncsLive ask the machine's own.
func TestInGuests(t *testing.T) {
	for _, series := range []string{"6.12", "6.18", "7.2", "7.3"} {
		t.Run(series, func(t *testing.T) {
			if labtest.Reexec(t, series, labtest.Timeout(20*time.Minute)) {
				return
			}
			t.Run("kfuncs", kfuncsLive)
			t.Run("helpers", helpersLive)
			t.Run("gpl", helpersGPL)
		})
	}
}
