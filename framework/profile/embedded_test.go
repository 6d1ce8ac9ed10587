// SPDX-License-Identifier: Apache-2.0

package profile

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modbpf/modbpf/btf"
)

func TestEmbedded(t *testing.T) {
	entries, err := fs.Glob(os.DirFS("data"), "*"+fileSuffix)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(Embedded(), " "); got != "6.12 6.18 7.2 7.3" || len(entries) != 4 {
		t.Fatalf("embedded: %q, files %v", got, entries)
	}
	for _, name := range Embedded() {
		t.Run(name, func(t *testing.T) {
			p, err := Find(name)
			if err != nil {
				t.Fatal(err)
			}
			if p.Release().Series() != name || p.Name() != name {
				t.Errorf("release %v, name %s", p.Release(), p.Name())
			}
			if o := p.Origin(); o.Kind != "embedded" || len(o.Packages) == 0 || len(o.Packages[0].SHA256) != 64 {
				t.Errorf("origin %+v", o)
			}
			if p.Config("CONFIG_BPF_JIT") != "y" || p.Config("CONFIG_HID") != "m" || p.Config("CONFIG_NO_SUCH") != "" {
				t.Error("config")
			}
			for sym, gpl := range map[string]bool{"kfree": false, "hid_parse_report": true, "bpf_prog_put": true, "tcp_register_congestion_control": true, "__kmalloc_noprof": false} {
				if e, g := p.Symbol(sym); !e || g != gpl {
					t.Errorf("%s: exported %v, GPL-only %v", sym, e, g)
				}
			}
			if e, _ := p.Symbol("no_such_symbol"); e {
				t.Error("no_such_symbol is exported")
			}
			for _, m := range []string{"hid", "hid_generic", "sch_pie", "tcp_bbr", "nf_conntrack", "veth"} {
				s, err := p.LoadModule(m)
				if err != nil {
					t.Error(err)
				} else if s.Base() != p.BTF() || s.ModuleName() != m {
					t.Errorf("%s: base, name %q", m, s.ModuleName())
				}
			}
			if id, ok := p.Module("hid").Find("hid_parse_report", btf.KindFunc); !ok || id < p.Module("hid").FirstID() {
				t.Error("hid.ko has no function hid_parse_report")
			}
			_, hid := p.BTF().Find("hid_bpf_ops", btf.KindStruct)
			if want := name != "6.12"; hid != want {
				t.Errorf("hid_bpf_ops in BTF: %v", hid)
			}
		})
	}
}

func TestFind(t *testing.T) {
	t.Setenv("XDG_DATA_HOME", t.TempDir())
	if _, err := Find("5.99"); !errors.Is(err, ErrNotFound) {
		t.Errorf("unknown: %v", err)
	}
	all, err := FindAll("all")
	if err != nil || len(all) != len(Embedded()) {
		t.Fatalf("all: %d, %v", len(all), err)
	}
	// A kernel's raw BTF, stored under a release of its own.
	raw, err := embedded()[0].read()
	if err != nil {
		t.Fatal(err)
	}
	c, err := readDirectory(raw)
	if err != nil {
		t.Fatal(err)
	}
	types, err := c.section("btf")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "my.btf")
	if err := os.WriteFile(file, types, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Add([]string{file}, ExtractOptions{}); err == nil || !strings.Contains(err.Error(), "--release") {
		t.Errorf("BTF without a release: %v", err)
	}
	conf := filepath.Join(dir, "config-5.99")
	if err := os.WriteFile(conf, []byte("CONFIG_HZ=1000\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	info, err := Add([]string{file, conf}, ExtractOptions{Release: "5.99.3-mine"})
	if err != nil {
		t.Fatal(err)
	}
	if info.Name != "5.99.3-mine" || info.Config != 1 || info.Exports != 0 || info.Origin.Kind != "btf" || info.Origin.File != "my.btf" {
		t.Errorf("info %+v", info)
	}
	for _, name := range []string{"5.99", "5.99.3-mine", info.Path} {
		p, err := Find(name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if p.Config("CONFIG_HZ") != "1000" || p.Uname() != "5.99.3-mine" {
			t.Errorf("%s: %s, %q", name, p.Uname(), p.Config("CONFIG_HZ"))
		}
		if _, err := p.Symbols(); !errors.Is(err, ErrNotFound) {
			t.Errorf("exports are not known, but: %v", err)
		}
	}
	list, err := List()
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, i := range list {
		found = found || i.Uname == "5.99.3-mine"
	}
	if !found {
		t.Error("the added profile is not listed")
	}
	if err := Remove("5.99.3-mine"); err != nil {
		t.Error(err)
	}
	if _, err := Find("5.99"); !errors.Is(err, ErrNotFound) {
		t.Errorf("removed: %v", err)
	}
}

func TestAddRefuses(t *testing.T) {
	t.Setenv("XDG_DATA_HOME", t.TempDir())
	dir := t.TempDir()
	for name, c := range map[string]struct {
		text string
		want error
	}{
		"text.txt":   {"hello", ErrUnsupported},
		"empty":      {"", ErrUnsupported},
		"x.deb":      {"!<arch>\nfoo", ErrFormat},
		"vmlinux":    {"\x7fELF garbage", ErrFormat},
		"short.btf":  {"\x9f\xeb\x01\x00\x18", ErrFormat},
		"vmlinuz":    {strings.Repeat("\x00", 0x202) + "HdrS" + strings.Repeat("\x00", 0x100), ErrFormat},
		"config-1.2": {"nonsense", ErrFormat},
		"a.ko":       {"no module", ErrFormat},
	} {
		f := filepath.Join(dir, name)
		if err := os.WriteFile(f, []byte(c.text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Add([]string{f}, ExtractOptions{}); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if _, err := Add([]string{filepath.Join(dir, "absent")}, ExtractOptions{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("absent: %v", err)
	}
}

func FuzzContainer(f *testing.F) {
	x := &Extraction{Uname: "6.1.2", BTF: []byte{0x9f, 0xeb, 1, 0, 24, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0}, Symbols: &Symbols{exports: map[string]export{"a": exportGPL}}}
	raw, err := x.Pack(compress)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := openContainer("fuzz", b)
		if err != nil {
			return
		}
		p.Symbol("a")
		p.Config("CONFIG_A")
		for _, m := range p.Modules() {
			p.Module(m)
		}
	})
}

func TestLZ4(t *testing.T) {
	// Literals "abcd", then twelve bytes from four back, then literals "xyz".
	block := []byte{0x48, 'a', 'b', 'c', 'd', 4, 0, 0x30, 'x', 'y', 'z'}
	frame := append([]byte{byte(len(block)), 0, 0, 0}, block...)
	got, err := unpackLZ4(frame)
	if err != nil || string(got) != "abcdabcdabcdabcdxyz" {
		t.Fatalf("%q, %v", got, err)
	}
	for i := range block {
		if _, err := lz4Block(nil, bytes.Clone(block[:i]), 100); err != nil && !errors.Is(err, ErrFormat) {
			t.Errorf("cut at %d: %v", i, err)
		}
	}
	if _, err := lz4Block(nil, []byte{0x10, 'a', 9, 0}, 100); !errors.Is(err, ErrFormat) {
		t.Errorf("distance beyond the start: %v", err)
	}
}

func BenchmarkOpenEmbedded(b *testing.B) {
	for b.Loop() {
		p, err := Find("7.3")
		if err != nil {
			b.Fatal(err)
		}
		if _, ok := p.BTF().Find("sk_buff", btf.KindStruct); !ok {
			b.Fatal("sk_buff")
		}
	}
}
