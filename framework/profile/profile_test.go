// SPDX-License-Identifier: Apache-2.0

package profile

import (
	"errors"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/modbpf/modbpf/btf"
)

func running(t *testing.T) *Profile {
	t.Helper()
	if _, err := os.Stat("/sys/kernel/btf/vmlinux"); runtime.GOOS != "linux" || err != nil {
		t.Skip("the running kernel shows no BTF")
	}
	p, err := Find("running")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestRunning(t *testing.T) {
	p := running(t)
	if p.Release().Major < 5 || !strings.HasPrefix(p.Uname(), p.Release().Series()+".") {
		t.Errorf("release %v of %q", p.Release(), p.Uname())
	}
	if _, ok := p.BTF().Find("sk_buff", btf.KindStruct); !ok {
		t.Error("no struct sk_buff")
	}
	if p.HasConfig() && p.Config("CONFIG_BPF_SYSCALL") != "y" {
		t.Errorf("CONFIG_BPF_SYSCALL = %q", p.Config("CONFIG_BPF_SYSCALL"))
	}
	if n, ok := p.hasHelper(1); !ok || n != "map_lookup_elem" {
		t.Errorf("helper 1 is %q, %v", n, ok)
	}
	if _, ok := p.hasHelper(100000); ok {
		t.Error("helper 100000 exists")
	}
	if _, err := p.LoadModule("no_such_module"); !errors.Is(err, ErrNotFound) {
		t.Errorf("module that does not exist: %v", err)
	}
	if s, err := p.Symbols(); err == nil {
		if exported, _ := s.Lookup("vmalloc_noprof"); !exported && s.Len() > 0 {
			t.Logf("%d exports known", s.Len())
		}
	} else if !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
}

func TestParseConfig(t *testing.T) {
	c, err := ParseConfig([]byte("# comment\nCONFIG_A=y\n# CONFIG_B is not set\nCONFIG_HZ=1000\nCONFIG_S=\"x=y\"\n\n"))
	if err != nil {
		t.Fatal(err)
	}
	for k, want := range map[string]string{"CONFIG_A": "y", "CONFIG_B": "", "CONFIG_HZ": "1000", "CONFIG_S": `"x=y"`} {
		if got := c.Get(k); got != want {
			t.Errorf("%s = %q, want %q", k, got, want)
		}
	}
	if again, err := ParseConfig(c.text()); err != nil || again.Len() != c.Len() {
		t.Errorf("text read back: %v, %v", again, err)
	}
	for _, bad := range []string{"", "CONFIG_A\n", "garbage=1\n"} {
		if _, err := ParseConfig([]byte(bad)); !errors.Is(err, ErrFormat) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestParseSymvers(t *testing.T) {
	s, err := ParseSymvers([]byte("0x1234\tkfree\tvmlinux\tEXPORT_SYMBOL\t\n0x5678\thid_register\tdrivers/hid/hid\tEXPORT_SYMBOL_GPL\tNS\n"))
	if err != nil {
		t.Fatal(err)
	}
	if e, g := s.Lookup("kfree"); !e || g {
		t.Error("kfree", e, g)
	}
	if e, g := s.Lookup("hid_register"); !e || !g {
		t.Error("hid_register", e, g)
	}
	if e, _ := s.Lookup("absent"); e {
		t.Error("absent is exported")
	}
	if _, err := ParseSymvers([]byte("kfree\n")); !errors.Is(err, ErrFormat) {
		t.Error(err)
	}
}

func TestExportsOfKallsyms(t *testing.T) {
	list := "ffffffff81000000 T _text\n" +
		"ffffffff82000000 R __start___ksymtab\n" +
		"ffffffff82000000 r __ksymtab_kfree\n" +
		"ffffffff82000010 R __start___ksymtab_gpl\n" +
		"ffffffff82000010 r __ksymtab_bpf_prog_get\n" +
		"ffffffff82000020 R __stop___ksymtab_gpl\n" +
		"ffffffffc0000000 r __ksymtab_hid_x\t[hid]\n"
	s, err := exportsOfKallsyms(strings.NewReader(list))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name       string
		gpl, known bool
	}{{"kfree", false, true}, {"bpf_prog_get", true, true}, {"hid_x", false, false}} {
		e, g := s.Lookup(c.name)
		if !e || g != c.gpl || s.GPLKnown(c.name) != c.known {
			t.Errorf("%s: exported %v gpl %v known %v", c.name, e, g, s.GPLKnown(c.name))
		}
	}
	if _, err := exportsOfKallsyms(strings.NewReader("0 T x\n")); !errors.Is(err, errMissing) {
		t.Errorf("no exports: %v", err)
	}
	if _, err := exportsOfKallsyms(strings.NewReader("nonsense\n")); !errors.Is(err, ErrFormat) {
		t.Errorf("nonsense: %v", err)
	}
}
