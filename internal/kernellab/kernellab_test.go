// SPDX-License-Identifier: Apache-2.0

package kernellab

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
)

func TestAptEntries(t *testing.T) {
	got := aptEntries("# x\ndeb [arch=amd64 signed-by=/k] http://m/debian trixie main contrib\ndeb-src http://m/debian trixie main\ndeb http://m/x stable other\n", false)
	if want := []aptEntry{{"http://m/debian", "trixie"}}; !reflect.DeepEqual(got, want) {
		t.Errorf("one-line: %v", got)
	}
	got = aptEntries("Types: deb\n# c\nURIs: http://m/debian\nSuites: bookworm bookworm-updates\nComponents: main\n\nTypes: deb\nEnabled: no\nURIs: http://off\nSuites: sid\nComponents: main\n", true)
	if want := []aptEntry{{"http://m/debian", "bookworm"}, {"http://m/debian", "bookworm-updates"}}; !reflect.DeepEqual(got, want) {
		t.Errorf("deb822: %v", got)
	}
}

func TestUnpackImageRefuses(t *testing.T) {
	for _, b := range [][]byte{nil, make([]byte, 0x300), append(append(make([]byte, 0x202), "HdrS"...), make([]byte, 0x100)...)} {
		if _, err := unpackImage(b); err == nil {
			t.Errorf("%d bytes are taken for a kernel", len(b))
		}
	}
}

// TestInitramfs has the system's own cpio read what ours wrote.
func TestCpio(t *testing.T) {
	var b bytes.Buffer
	c := newCpio(&b)
	c.dir("bin")
	c.file("bin/x", 0o755, []byte("hello"))
	c.link("bin/y", "x")
	c.trailer()
	if c.err != nil {
		t.Fatal(c.err)
	}
	if b.Len()%4 != 0 {
		t.Errorf("length %d is not a multiple of four: archives could not be concatenated", b.Len())
	}
	if n := bytes.Count(b.Bytes(), []byte("070701")); n != 4 {
		t.Errorf("%d entries", n)
	}
}

func TestTidySnapshots(t *testing.T) {
	dir := t.TempDir()
	l := &Lab{dir: dir}
	if err := os.MkdirAll(filepath.Join(dir, "snapshots"), 0o755); err != nil {
		t.Fatal(err)
	}
	for i := range keepSnapshots + 3 {
		if err := os.WriteFile(filepath.Join(dir, "snapshots", string(rune('a'+i))+".state"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.tidySnapshots(); err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(filepath.Join(dir, "snapshots", "*.state"))
	if err != nil || len(left) != keepSnapshots {
		t.Errorf("%d left, %v", len(left), err)
	}
}

func TestKernelPackageOrder(t *testing.T) {
	if !slices.Contains(Series, "7.2") {
		t.Error("7.2 is the reference kernel of the conformance harness")
	}
	if moduleName("/x/hid-generic.ko.xz") != "hid_generic" || moduleName("/x/modules.order") != "" {
		t.Error("module names")
	}
}
