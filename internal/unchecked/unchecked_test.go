// SPDX-License-Identifier: Apache-2.0

package unchecked

import (
	"bufio"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestOnlyTestsAndThePluginImport keeps the door shut: outside test files, only
// the test support listed here may import it.
func TestOnlyTestsAndThePluginImport(t *testing.T) {
	allowed := []string{"internal/unchecked/", "internal/bpfconformance/", "internal/bpfdiff/", "internal/jitbench/"}
	root := filepath.Join("..", "..")
	files := 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		files++
		for _, a := range allowed {
			if strings.HasPrefix(filepath.ToSlash(rel), a) {
				return nil
			}
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		for s := bufio.NewScanner(f); s.Scan(); {
			line := strings.TrimSpace(s.Text())
			if strings.HasSuffix(line, `modbpf/internal/unchecked"`) {
				t.Errorf("%s imports internal/unchecked", rel)
			}
			if strings.HasSuffix(line, `modbpf/internal/door"`) && filepath.ToSlash(rel) != "verifier/door.go" {
				t.Errorf("%s imports internal/door", rel)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 10 {
		t.Fatalf("looked at %d files only", files)
	}
}
