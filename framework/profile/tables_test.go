// SPDX-License-Identifier: Apache-2.0

package profile

import (
	"testing"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/btf"
	"github.com/modbpf/modbpf/kfuncs"
)

// retold is an embedded kernel that claims to be of another release.
func retold(t *testing.T, series, uname string) *Profile {
	t.Helper()
	p, err := Find(series)
	if err != nil {
		t.Fatal(err)
	}
	q, err := newProfile(uname, uname, Origin{}, p.btf, p.parts)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// TestBetweenReleases: a kernel between two releases of the tables has what the
// older one had, and of the newer one what its own types name.
func TestBetweenReleases(t *testing.T) {
	old, newer := bpf.Release{Major: 6, Minor: 12}, bpf.Release{Major: 6, Minor: 18}
	with, without := retold(t, "6.18", "6.15.1"), retold(t, "6.12", "6.15.1")
	n := 0
	for _, k := range kfuncs.All(newer) {
		if kfuncs.Find(old, k.Name) != nil {
			continue
		}
		if _, ok := with.BTF().Find(k.Name, btf.KindFunc); !ok {
			continue
		}
		n++
		if got := with.Kfunc(k.Name); got != k {
			t.Errorf("%s is in the kernel's types, but: %v", k.Name, got)
		}
		if _, ok := without.BTF().Find(k.Name, btf.KindFunc); !ok && without.Kfunc(k.Name) != nil {
			t.Errorf("%s is not in the kernel's types, but found", k.Name)
		}
	}
	if n < 10 {
		t.Errorf("only %d kfuncs came between 6.12 and 6.18", n)
	}
	same := retold(t, "6.18", "6.12.1")
	for _, k := range kfuncs.All(newer) {
		if kfuncs.Find(old, k.Name) == nil && same.Kfunc(k.Name) != nil {
			t.Errorf("%s is found for 6.12, which the tables know", k.Name)
		}
	}
	if with.Kfunc("bpf_obj_new_impl") != kfuncs.Find(old, "bpf_obj_new_impl") {
		t.Error("a kfunc of both releases is not taken from the older")
	}
}
