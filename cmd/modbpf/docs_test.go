// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"flag"
	"os"
	"strings"
	"testing"
)

//go:generate go test -run TestReference -update .

var update = flag.Bool("update", false, "write generated files")

// TestReference holds the committed manual to the commands.
func TestReference(t *testing.T) {
	root := (&app{}).root()
	for file, want := range map[string][]byte{
		"../../docs/reference-commands.md": commandReference(root),
		"../../docs/reference-json.md":     jsonReference(),
	} {
		if *update {
			if err := os.WriteFile(file, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(file)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what the commands say (%v): run go generate ./cmd/modbpf", file, err)
		}
	}
}

// TestManPages looks for what breaks a manual page and for commands without words.
func TestManPages(t *testing.T) {
	for _, c := range documented((&app{}).root()) {
		if c.Short == "" || strings.HasSuffix(c.Short, ".") {
			t.Errorf("%s: short text %q", c.CommandPath(), c.Short)
		}
		p := string(manPage(c))
		for _, want := range []string{".TH ", ".SH NAME", ".SH SYNOPSIS", ".SH DESCRIPTION", ".SH EXIT STATUS"} {
			if !strings.Contains(p, want) {
				t.Errorf("%s: no %s", c.CommandPath(), want)
			}
		}
		if strings.Count(p, ".nf\n") != strings.Count(p, ".fi\n") {
			t.Errorf("%s: .nf and .fi do not match", c.CommandPath())
		}
	}
}
