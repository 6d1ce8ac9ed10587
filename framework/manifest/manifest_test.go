// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/modbpf/modbpf/bpf"
)

var update = flag.Bool("update", false, "write generated files")

func TestGood(t *testing.T) {
	files, _ := filepath.Glob("testdata/good/*.yaml")
	if len(files) == 0 {
		t.Fatal("no inputs")
	}
	for _, f := range files {
		m, err := Load(f)
		if err != nil {
			t.Fatal(err)
		}
		if m.Name+".yaml" != filepath.Base(f) {
			t.Errorf("%s: name %q", f, m.Name)
		}
	}
}

var wantError = regexp.MustCompile(`# ERR (\d+) ([^#\n]*)`)

// TestBad reads manifests whose mistakes are written beside them as
// "# ERR column text": each must be found there, and nothing else.
func TestBad(t *testing.T) {
	files, _ := filepath.Glob("testdata/bad/*.yaml")
	if len(files) == 0 {
		t.Fatal("no inputs")
	}
	for _, f := range files {
		t.Run(filepath.Base(f), func(t *testing.T) {
			data, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			_, err = Parse(f, data)
			var errs Errors
			if !errors.As(err, &errs) {
				t.Fatalf("no Errors: %v", err)
			}
			found := make([]bool, len(errs))
			for i, line := range strings.Split(string(data), "\n") {
			wanted:
				for _, g := range wantError.FindAllStringSubmatch(line, -1) {
					col, _ := strconv.Atoi(g[1])
					for j, e := range errs {
						if !found[j] && e.Line == i+1 && e.Column == col && strings.Contains(e.Message, strings.TrimSpace(g[2])) {
							found[j] = true
							continue wanted
						}
					}
					t.Errorf("missing: %s:%d:%d: %s", f, i+1, col, g[2])
				}
			}
			for j, e := range errs {
				if !found[j] {
					t.Errorf("unexpected: %v", e)
				}
			}
		})
	}
}

func TestSet(t *testing.T) {
	m, err := Load("testdata/good/huion-dial-2.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		want string // NAME=VALUE of all parameters, or a part of the error
		fail bool
	}{
		{nil, "invert=false speed=1 mode=slow label=dial", false},
		{[]string{"invert", "speed=-4", "mode=fast", "label=", "mask=0xffffffffffffffff"}, "invert=true speed=-4 mode=fast label= mask=0xffffffffffffffff", false},
		{[]string{"invert=off"}, "invert=false speed=1 mode=slow label=dial", false},
		{[]string{"speed=17"}, "a whole number from -4 to 16", true},
		{[]string{"speed"}, "no value given", true},
		{[]string{"sped=1"}, `did you mean "speed"?`, true},
		{[]string{"mode=medium"}, "one of slow, fast", true},
		{[]string{"label=0123456789abcdef"}, "at most 15 bytes", true},
		{[]string{"invert=perhaps"}, "true or false", true},
		{[]string{"mask=-1"}, "a whole number", true},
		{[]string{"speed=1", "speed=2"}, "set twice", true},
	} {
		v, err := m.Set(c.args)
		if c.fail {
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Set(%q): error %v, want %q", c.args, err, c.want)
			}
			continue
		}
		var got []string
		for _, x := range v {
			got = append(got, x.Parameter().Name+"="+x.String())
		}
		if err != nil || strings.Join(got, " ") != c.want {
			t.Errorf("Set(%q) = %q, %v; want %q", c.args, got, err, c.want)
		}
	}
}

func TestValueBytes(t *testing.T) {
	num := func(typ, s string) Value {
		v, err := (&Parameter{Name: "p", Type: typ, MaxLength: 100}).Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for _, c := range []struct {
		v      Value
		size   int
		signed bool
		want   []byte // nil: does not fit
	}{
		{num("int", "-1"), 4, true, []byte{255, 255, 255, 255}},
		{num("int", "-1"), 4, false, nil},
		{num("int", "-129"), 1, true, nil},
		{num("int", "-128"), 1, true, []byte{128}},
		{num("int", "255"), 1, false, []byte{255}},
		{num("int", "256"), 1, false, nil},
		{num("uint", "0x1234"), 2, false, []byte{0x34, 0x12}},
		{num("uint", "0x8000"), 2, true, nil},
		{num("uint", "18446744073709551615"), 8, false, []byte{255, 255, 255, 255, 255, 255, 255, 255}},
		{num("uint", "18446744073709551615"), 8, true, nil},
		{num("bool", "yes"), 1, false, []byte{1}},
		{num("bool", "yes"), 3, false, nil},
		{num("string", "abc"), 4, false, []byte("abc\x00")},
		{num("string", "abcd"), 4, false, nil},
	} {
		b, err := c.v.Bytes(c.size, c.signed)
		if (err != nil) != (c.want == nil) || !bytes.Equal(b, c.want) {
			t.Errorf("%s %s in %d bytes: %x, %v; want %x", c.v.param.Type, c.v.text, c.size, b, err, c.want)
		}
	}
}

func TestLicenseAgrees(t *testing.T) {
	for _, c := range []struct {
		spdx, object string
		ok           bool
	}{
		{"GPL-2.0-only", "GPL", true},
		{"GPL-2.0-or-later", "GPL v2", true},
		{"GPL-2.0-only OR BSD-2-Clause", "Dual BSD/GPL", true},
		{"(GPL-2.0-only WITH Linux-syscall-note) OR MIT", "Dual MIT/GPL", true},
		{"GPL-2.0-only OR BSD-2-Clause", "GPL", true},
		{"GPL-2.0-only", "Dual BSD/GPL", false},
		{"MIT", "GPL", false},
		{"GPL-2.0-only AND MIT", "GPL", false},
		{"GPL-2.0-only", "Proprietary", false},
		{"LicenseRef-ours", "Proprietary", true},
		{"GPL-2.0-only", "", false},
		{"Apache-2.0", "Apache-2.0", true},
	} {
		l, err := ParseLicense(c.spdx)
		if err != nil {
			t.Errorf("%s: %v", c.spdx, err)
			continue
		}
		if err := l.Agrees(c.object); (err == nil) != c.ok {
			t.Errorf("%s with %q: %v", c.spdx, c.object, err)
		}
	}
	for _, s := range []string{"", "GPL", "(MIT", "MIT OR", "MIT WITH x", "MIT)", strings.Repeat("(MIT OR ISC) AND ", 9) + "MIT"} {
		if _, err := ParseLicense(s); err == nil {
			t.Errorf("%q was taken", s)
		}
	}
}

func TestRange(t *testing.T) {
	k := bpf.Release{Major: 6, Minor: 12, Patch: 95}
	for s, want := range map[string]bool{
		">=6.12": true, ">6.12": false, "<7.0": true, ">=6.11 <6.12": false, "=6.12": true, "<=6.12,>=6.1": true, ">=6.12<7.3": true,
	} {
		r, err := ParseRange(s)
		if err != nil || r.Contains(k) != want {
			t.Errorf("%s contains 6.12.95: %v, %v; want %v", s, r.Contains(k), err, want)
		}
	}
	for _, s := range []string{"", " ", "6.12", ">=6", "=>6.12", ">= 6.12 x", "==6.1"} {
		if _, err := ParseRange(s); err == nil {
			t.Errorf("%q was taken", s)
		}
	}
}

func TestModalias(t *testing.T) {
	m, err := Load("testdata/good/huion-dial-2.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := m.Match[0].Pattern(), "hid:b0003g*v0000256Cp00000060"; got != want {
		t.Errorf("pattern %s, want %s", got, want)
	}
	for alias, want := range map[string]bool{
		"hid:b0003g0001v0000256Cp00000060": true, "hid:b0003g0001v0000256Cp00000061": true,
		"hid:b0005g0001v0000256Cp00000060": false, "hid:b0003g0001v0000256Cp00000062": false, "": false,
	} {
		if m.MatchModalias(alias) != want {
			t.Errorf("%q: want %v", alias, want)
		}
	}
	for _, c := range []struct {
		p, s string
		want bool
	}{{"a*c", "abbc", true}, {"a*c", "ab", false}, {"?x", "ax", true}, {"[a-c]1", "b1", true}, {"[!a-c]1", "b1", false}, {"**", "", true}, {"[", "[", true}} {
		if Glob(c.p, c.s) != c.want {
			t.Errorf("Glob(%q, %q) != %v", c.p, c.s, c.want)
		}
	}
}

// TestGenerated holds the committed schema and reference to the Go types.
func TestGenerated(t *testing.T) {
	for file, want := range map[string][]byte{
		"../../docs/driver.schema.json":    JSONSchema(),
		"../../docs/reference-manifest.md": Reference(),
	} {
		if *update {
			if err := os.WriteFile(file, want, 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		got, err := os.ReadFile(file)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what the Go types say (%v): run go generate ./framework/manifest", file, err)
		}
	}
	var v any
	if err := json.Unmarshal(JSONSchema(), &v); err != nil {
		t.Error(err)
	}
}

func FuzzParse(f *testing.F) {
	for _, g := range []string{"testdata/good/*.yaml", "testdata/bad/*.yaml"} {
		files, _ := filepath.Glob(g)
		for _, name := range files {
			data, err := os.ReadFile(name)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := Parse("fuzz.yaml", data)
		if err != nil {
			var errs Errors
			if !errors.As(err, &errs) || len(errs) == 0 {
				t.Fatalf("not Errors: %v", err)
			}
			for _, e := range errs {
				if e.Line < 1 || e.Column < 1 || e.Message == "" {
					t.Fatalf("no place or message: %v", e)
				}
			}
			return
		}
		if m.Name == "" || m.Object == "" || m.License.String() == "" {
			t.Fatalf("accepted without name, object or licence: %+v", m)
		}
		if _, err := m.Set(nil); err != nil {
			t.Fatalf("defaults are refused: %v", err)
		}
		m.MatchModalias("hid:b0003g0001v0000256Cp00000060")
	})
}
