// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestTutorial follows docs/tutorial-hid.md: it writes the files, runs the
// commands in order and looks for each line of output that the page promises.
func TestTutorial(t *testing.T) {
	if _, err := exec.LookPath("clang-19"); err != nil {
		t.Skip("clang-19 is not installed")
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(root, "docs/tutorial-hid.md"))
	if err != nil {
		t.Fatal(err)
	}
	dir, bin, run := t.TempDir(), t.TempDir(), t.TempDir()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// The test binary is modbpf when it is called so (see TestMain).
	if err := os.Symlink(exe, filepath.Join(bin, "modbpf")); err != nil {
		t.Fatal(err)
	}
	env := append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "MODBPF="+root, "XDG_RUNTIME_DIR="+run)
	blocks := regexp.MustCompile("(?ms)^```(file \\S+|run|output)\n(.*?)^```$").FindAllStringSubmatch(string(page), -1)
	if len(blocks) < 8 {
		t.Fatalf("%d blocks in the tutorial", len(blocks))
	}
	out := ""
	for _, b := range blocks {
		switch {
		case strings.HasPrefix(b[1], "file "):
			name := filepath.Join(dir, strings.TrimPrefix(b[1], "file "))
			if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(name, []byte(b[2]), 0o644); err != nil {
				t.Fatal(err)
			}
		case b[1] == "run":
			c := exec.Command("sh", "-ec", b[2])
			c.Dir, c.Env = dir, env
			text, err := c.CombinedOutput()
			if out = string(text); err != nil {
				t.Fatalf("%s%v\n%s", b[2], err, out)
			}
		default:
			for line := range strings.Lines(b[2]) {
				if !strings.Contains(out, strings.TrimSpace(line)) {
					t.Errorf("not in the output: %q\n%s", line, out)
				}
			}
		}
	}
}
