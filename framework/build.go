// SPDX-License-Identifier: Apache-2.0

package framework

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/modbpf/modbpf/drivers/include"
	"github.com/modbpf/modbpf/framework/exitcode"
	"github.com/modbpf/modbpf/framework/manifest"
)

// BuildOptions of Build.
type BuildOptions struct {
	Clang    string   // compiler; "": $CLANG, clang-19, clang
	Includes []string // folders of headers beside modbpf's own
	Output   string   // object; "": beside the source
}

// SourceOf is the C file of a driver: the argument itself, or what a manifest's
// object is compiled from.
func SourceOf(path string) (string, error) {
	if strings.HasSuffix(path, ".c") {
		return path, nil
	}
	m, err := manifest.Load(path)
	if err != nil {
		var errs manifest.Errors
		if errors.As(err, &errs) {
			return "", exitcode.Manifest.With(err)
		}
		return "", exitcode.NotFound.With(err)
	}
	src, ok := strings.CutSuffix(m.ObjectPath(), ".o")
	if !ok {
		return "", exitcode.Manifest.With(m.Errorf("object", "does not end in .o: its source is not known"))
	}
	return src + ".c", nil
}

// Build compiles a driver's C file with modbpf's headers and reads the result.
// The object depends on the source, the headers and the compiler alone: paths
// are mapped away and debug information other than BTF is stripped.
func Build(ctx context.Context, src string, o BuildOptions) (*Driver, error) {
	if _, err := os.Stat(src); err != nil {
		return nil, exitcode.NotFound.Errorf("build %s: %w", src, err)
	}
	clang, err := findClang(o.Clang)
	if err != nil {
		return nil, fmt.Errorf("build %s: %w", src, err)
	}
	dir, err := os.MkdirTemp("", "modbpf-build")
	if err != nil {
		return nil, exitcode.IO.Errorf("build %s: %w", src, err)
	}
	defer os.RemoveAll(dir)
	if err := os.CopyFS(dir, include.Headers); err != nil {
		return nil, exitcode.IO.Errorf("build %s: %w", src, err)
	}
	out := o.Output
	if out == "" {
		out = strings.TrimSuffix(src, ".c") + ".o"
	}
	from, name := filepath.Split(src)
	if from == "" {
		from = "."
	}
	if from, err = filepath.Abs(from); err != nil {
		return nil, exitcode.IO.Errorf("build %s: %w", src, err)
	}
	made := filepath.Join(dir, "out.o")
	args := []string{
		"-g", "-O2", "--target=bpfel", "-mcpu=v3", "-std=gnu11", "-nostdinc", "-Wall", "-Werror", "-fno-ident",
		"-I" + dir, "-ffile-prefix-map=" + from + "=.", "-ffile-prefix-map=" + dir + "=include",
	}
	for _, i := range o.Includes {
		abs, err := filepath.Abs(i)
		if err != nil {
			return nil, exitcode.IO.Errorf("build %s: %w", src, err)
		}
		args = append(args, "-I"+abs)
	}
	if err := runTool(ctx, from, clang, append(args, "-c", name, "-o", made)...); err != nil {
		return nil, exitcode.Object.Errorf("build %s: %w", src, err)
	}
	// The compiler's own strip knows its objects; without it DWARF stays, which nothing reads.
	if strip, err := exec.LookPath(strings.Replace(clang, "clang", "llvm-strip", 1)); err == nil {
		if err := runTool(ctx, from, strip, "-g", made); err != nil {
			return nil, exitcode.Object.Errorf("build %s: %w", src, err)
		}
	}
	data, err := os.ReadFile(made)
	if err != nil {
		return nil, exitcode.IO.Errorf("build %s: %w", src, err)
	}
	if err := os.WriteFile(out, data, 0o644); err != nil {
		return nil, exitcode.IO.Errorf("build %s: %w", src, err)
	}
	return Load(out)
}

func findClang(asked string) (string, error) {
	names := []string{asked, os.Getenv("CLANG"), "clang-19", "clang", "clang-20", "clang-21", "clang-22", "clang-18"}
	for _, n := range names {
		if n == "" {
			continue
		}
		if p, err := exec.LookPath(n); err == nil {
			return p, nil
		} else if n == asked {
			return "", exitcode.NotFound.Errorf("find compiler: %w", err)
		}
	}
	return "", exitcode.NotFound.Errorf("no clang found: install clang (apt install clang-19), or name it with --clang")
}

// runTool runs a program and makes what it printed the error.
func runTool(ctx context.Context, dir, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	var b bytes.Buffer
	cmd.Stdout, cmd.Stderr = &b, &b
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w\n%s", filepath.Base(name), err, strings.TrimSpace(b.String()))
	}
	return nil
}
