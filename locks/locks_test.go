// SPDX-License-Identifier: Apache-2.0

package locks

import "testing"

func TestAcquire(t *testing.T) {
	a, b := Object{1, 1}, Object{1, 2}
	for _, c := range []struct {
		name string
		held []Held
		kind Kind
		obj  Object
		want Violation
	}{
		{"first", nil, Spin, a, OK},
		{"second spin", []Held{{Spin, a, 0}}, Spin, b, SecondSpin},
		{"res beside res", []Held{{ResSpin, a, 0}}, ResSpin, b, OK},
		{"same res", []Held{{ResSpin, a, 0}}, ResSpinIRQ, a, SameAgain},
		{"res under spin", []Held{{Spin, b, 0}}, ResSpin, a, OK},
		{"spin under irq", []Held{{IRQ, Object{}, 0}}, Spin, a, OK},
	} {
		if got := Acquire(c.held, c.kind, c.obj); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}

func TestRelease(t *testing.T) {
	a, b := Object{1, 1}, Object{2, 0}
	both := []Held{{ResSpin, a, 0}, {IRQ, Object{}, 0}, {ResSpin, b, 0}}
	for _, c := range []struct {
		name string
		held []Held
		kind Kind
		obj  Object
		want Violation
	}{
		{"held", []Held{{Spin, a, 0}}, Spin, a, OK},
		{"none", []Held{{RCU, Object{}, 0}}, Spin, a, NotHeld},
		{"other object", []Held{{Spin, a, 0}}, Spin, b, WrongObject},
		{"other kind", []Held{{ResSpinIRQ, a, 0}}, ResSpin, a, WrongObject},
		{"inner", both, ResSpin, b, OK},
		{"outer first", both, ResSpin, a, OutOfOrder},
	} {
		if got := Release(c.held, c.kind, c.obj); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}

func TestInversions(t *testing.T) {
	x, y := Class{Map: "x", Field: "bpf_res_spin_lock"}, Class{Map: "y", Field: "bpf_res_spin_lock"}
	facts := []Fact{
		{Class: y, Held: []Class{x}, Program: "p"},
		{Class: x, Held: []Class{y}, Program: "q"},
		{Class: x, Program: "r"},
	}
	got := Inversions(Orders(facts))
	if len(got) != 1 || got[0][0].Program != "p" || got[0][1].Program != "q" {
		t.Fatalf("inversions: %+v", got)
	}
}

func TestRulesComplete(t *testing.T) {
	for k := range nKinds {
		if r := RuleOf(k); r.Kind != k || r.Name == "" || r.Region == "" {
			t.Errorf("rule %d: %+v", k, r)
		}
	}
}
