// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// TestFresh: the tables in the tree are those the facts in the tree give.
func TestFresh(t *testing.T) {
	fs, err := loadFacts("facts")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, emit := range []func([]*Facts, string) error{emitHelpers, emitKfuncs, emitTables} {
		if err := emit(fs, dir); err != nil {
			t.Fatal(err)
		}
	}
	for made, kept := range map[string]string{
		"helpers_gen.go": "../../../kfuncs/helpers_gen.go",
		"kfuncs_gen.go":  "../../../kfuncs/kfuncs_gen.go",
		"tables_gen.go":  "../../../structops/tables_gen.go",
	} {
		a, err := os.ReadFile(filepath.Join(dir, made))
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(kept)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(a, b) {
			t.Errorf("%s is not what the facts give: run go generate ./kfuncs", kept)
		}
	}
}
