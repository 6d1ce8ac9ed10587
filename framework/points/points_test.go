// SPDX-License-Identifier: Apache-2.0

package points

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/modbpf/modbpf/framework/profile"
)

func running(t *testing.T) *profile.Profile {
	t.Helper()
	p, err := profile.Running()
	if err != nil {
		t.Skipf("kernel without types: %v", err)
	}
	return p
}

func TestList(t *testing.T) {
	k := running(t)
	all := List(k)
	find := func(name string) *Point {
		for i := range all {
			if all[i].Name == name {
				return &all[i]
			}
		}
		t.Fatalf("%s is not listed", name)
		return nil
	}
	for _, p := range all {
		if p.Present == (p.Why != "") {
			t.Errorf("%s: present %v and yet %q", p.Name, p.Present, p.Why)
		}
	}
	if p := find("tcp_congestion_ops"); p.Present && (slices.Contains(p.Slots, "get_info") || !slices.Contains(p.Slots, "ssthresh")) {
		t.Errorf("slots of tcp_congestion_ops: %v", p.Slots)
	}
	if p := find("binfmt_misc_ops"); p.Present || !strings.Contains(p.Why, "7.3") || !strings.Contains(p.Why, "CONFIG_BINFMT_MISC_BPF") {
		t.Errorf("binfmt_misc_ops on %s: %+v", k.Release(), p)
	}
	if p := find("xdp"); !p.Present || p.Kind != Program {
		t.Errorf("xdp: %+v", p)
	}
}

func TestShow(t *testing.T) {
	k := running(t)
	d, err := Show(k, "tcp_congestion_ops")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(d.Helpers, "bpf_map_lookup_elem") || slices.Contains(d.Helpers, "bpf_setsockopt") {
		t.Errorf("helpers of all slots: %v", d.Helpers)
	}
	for _, s := range d.Members {
		if s.Name == "init" && !slices.Contains(s.Helpers, "bpf_setsockopt") {
			t.Errorf("init may call setsockopt: %v", s.Helpers)
		}
		if s.Name == "release" && slices.Contains(s.Helpers, "bpf_setsockopt") {
			t.Error("release may not call setsockopt")
		}
		if s.Name == "ssthresh" && (s.Need != "required" || s.Prototype != "__u32 ssthresh(struct sock *)" && s.Prototype != "u32 ssthresh(struct sock *)") {
			t.Errorf("ssthresh: %+v", s)
		}
	}
	lacking, err := Show(k, "binfmt_misc_ops")
	if err != nil {
		t.Fatalf("a table another release has: %v", err)
	}
	if k.Release().Major < 7 && (lacking.Present || len(lacking.Members) != 2) {
		t.Errorf("binfmt_misc_ops: %+v", lacking)
	}
	if _, err := Show(k, "no_such_ops"); !errors.Is(err, ErrUnknown) {
		t.Errorf("unknown point: %v", err)
	}
	x, err := Show(k, "xdp")
	if err != nil || len(x.Context) != 6 || !slices.Contains(x.Helpers, "bpf_xdp_adjust_head") {
		t.Errorf("xdp: %+v, %v", x, err)
	}
}

func TestKfuncs(t *testing.T) {
	k := running(t)
	l, err := Kfuncs(k, "bpf_rcu_read_*")
	if err != nil || len(l) != 2 || !l[0].Present || l[0].Prototype != "void bpf_rcu_read_lock(void)" {
		t.Errorf("%+v, %v", l, err)
	}
	if _, err := Kfuncs(k, "["); err == nil {
		t.Error("a malformed pattern is no error")
	}
}

func TestDiffSame(t *testing.T) {
	k := running(t)
	if d := Diff(k, k); len(d) != 0 {
		t.Errorf("a kernel differs from itself: %+v", d)
	}
}
