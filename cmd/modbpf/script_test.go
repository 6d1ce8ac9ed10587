// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"modbpf": func() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) },
	})
}

// TestScripts runs the command as users do. The scripts' own words, besides
// those of testscript:
//
//	exits CODE PROGRAM ARG...   run and want this exit code
//	spoil HOW FROM TO           make a damaged copy of an object
//	replace OLD NEW FILE        replace bytes in a file
//	nobody CODE PROGRAM ARG...  as exits, without any capability
//	bpffs DIR                   mount a bpf file system for this script
//	readonly DIR                make it read-only
//	netns VARIABLE              make a network namespace, its path in the variable
//	traffic NETNS COUNT         send datagrams over lo there
//
// and the conditions [root] and [struct_ops:NAME].
func TestScripts(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv("DRIVERS", filepath.Join(root, "drivers"))
			e.Setenv("BPF", filepath.Join(root, "cmd/modbpf/testdata/bpf"))
			e.Setenv("MANIFESTS", filepath.Join(root, "manifests"))
			e.Setenv("ALGO", fmt.Sprintf("mbs%09d", os.Getpid()%1e9))
			e.Setenv("XDG_CACHE_HOME", filepath.Join(e.WorkDir, "cache"))
			return os.Chmod(e.WorkDir, 0o755)
		},
		Condition: condition,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "spoil": spoil, "replace": replace, "nobody": nobody, "bpffs": bpffs, "readonly": readonly, "netns": netns, "traffic": traffic,
		},
	})
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARG...")
	}
	got := 0
	var ee *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &ee) {
		got = ee.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if strconv.Itoa(got) != args[0] {
		ts.Fatalf("exit code %d, want %s", got, args[0])
	}
}

func spoil(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: spoil HOW FROM TO")
	}
	b, err := os.ReadFile(ts.MkAbs(args[1]))
	ts.Check(err)
	b = bytes.Clone(b)
	switch args[0] {
	case "truncated":
		b = b[:len(b)/3]
	case "header":
		b = b[:40]
	case "machine":
		binary.LittleEndian.PutUint16(b[18:], 62) // x86-64
	case "big-endian":
		b[5] = 2
		b[16], b[17] = b[17], b[16]
		b[18], b[19] = b[19], b[18]
		b[20], b[23] = b[23], b[20]
	case "no-btf":
		b = bytes.ReplaceAll(b, []byte("\x00.BTF\x00"), []byte("\x00.ATF\x00"))
		b = bytes.ReplaceAll(b, []byte(".rel.BTF\x00"), []byte(".rel.ATF\x00"))
	case "not-elf":
		b = []byte("\x7fEXF nothing\x00")
	case "license":
		b = bytes.Replace(b, []byte("Dual BSD/GPL\x00"), []byte("Proprietary!\x00"), 1)
	default:
		ts.Fatalf("spoil: no way %s", args[0])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), b, 0o644))
}

func replace(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: replace OLD NEW FILE")
	}
	b, err := os.ReadFile(ts.MkAbs(args[2]))
	ts.Check(err)
	if !bytes.Contains(b, []byte(args[0])) {
		ts.Fatalf("%s has no %q", args[2], args[0])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), bytes.ReplaceAll(b, []byte(args[0]), []byte(args[1])), 0o644))
}
