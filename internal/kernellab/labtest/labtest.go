// SPDX-License-Identifier: Apache-2.0

// Package labtest lets Go tests run under real kernels:
//
//	func TestInsert(t *testing.T) {
//		if labtest.Reexec(t, "7.2") {
//			return // ran in the guest
//		}
//		... what runs in the guest, as root, on a kernel of its own ...
//	}
//
// Such tests run when MODBPF_KERNEL_TESTS is set (make test-kernel sets it),
// and skip otherwise.
package labtest

import (
	"context"
	"debug/elf"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/modbpf/modbpf/internal/kernellab"
)

const (
	enable = "MODBPF_KERNEL_TESTS"
	inside = "MODBPF_LAB_GUEST"
)

// InGuest reports whether this process runs in a lab guest.
func InGuest() bool { return os.Getenv(inside) != "" }

// Open gives the lab and a kernel, or skips the test when kernel tests are not
// asked for or the lab cannot work here.
func Open(t testing.TB, series string) (*kernellab.Lab, *kernellab.Kernel) {
	t.Helper()
	if os.Getenv(enable) == "" {
		t.Skipf("kernel tests run when %s=1 (make test-kernel)", enable)
	}
	l, err := kernellab.Open()
	if err == nil {
		var k *kernellab.Kernel
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
		defer cancel()
		if k, err = l.Kernel(ctx, series); err == nil {
			return l, k
		}
	}
	if errors.Is(err, kernellab.ErrUnavailable) {
		t.Skipf("SKIPPED, NOT TESTED: %v", err)
	}
	t.Fatal(err)
	return nil, nil
}

// Option changes what a test gets in its guest.
type Option func(*kernellab.Job)

// Modules loads kernel modules before the test.
func Modules(names ...string) Option {
	return func(j *kernellab.Job) { j.Modules = append(j.Modules, names...) }
}

// Files puts host files or whole folders below the guest's working folder, at
// the same relative path.
func Files(paths ...string) Option {
	return func(j *kernellab.Job) {
		for _, p := range paths {
			_ = filepath.WalkDir(p, func(name string, d os.DirEntry, err error) error {
				if err == nil && !d.IsDir() {
					j.Files[filepath.Join("/tmp/test", name)] = name
				}
				return err // a path that does not exist shows when the job is sent
			})
			if _, err := os.Stat(p); err != nil {
				j.Files[filepath.Join("/tmp/test", p)] = p
			}
		}
	}
}

// Machine sets the guest's hardware.
func Machine(m kernellab.Machine) Option { return func(j *kernellab.Job) { j.Machine = m } }

// Timeout sets how long the test may take in the guest.
func Timeout(d time.Duration) Option { return func(j *kernellab.Job) { j.Timeout = d } }

// Reexec runs the calling test in a guest of its own and takes over its
// outcome. It returns true outside (the test has run), false inside (run it).
func Reexec(t *testing.T, series string, opts ...Option) bool {
	t.Helper()
	if InGuest() {
		return false
	}
	l, k := Open(t, series)
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := static(exe); err != nil {
		t.Fatal(err)
	}
	job := kernellab.Job{
		Args:  []string{"/tmp/test/run.test", "-test.run", pattern(t.Name()), "-test.v", "-test.count=1"},
		Env:   []string{inside + "=" + series},
		Dir:   "/tmp/test",
		Files: map[string]string{"/tmp/test/run.test": exe},
	}
	for _, o := range opts {
		o(&job)
	}
	res, err := l.Run(t.Context(), k, job)
	if err != nil {
		t.Fatal(err)
	}
	out := string(res.Stdout)
	if err := res.Err(); err != nil {
		t.Fatalf("on kernel %s: %v", k.Uname, err)
	}
	if !strings.Contains(out, "--- PASS: "+t.Name()) {
		t.Fatalf("on kernel %s the test did not pass:\n%s", k.Uname, out)
	}
	t.Logf("on kernel %s (%v):\n%s", k.Uname, res.Total.Round(time.Millisecond), out)
	return true
}

// pattern selects exactly one test or subtest.
func pattern(name string) string {
	parts := strings.Split(name, "/")
	for i, p := range parts {
		parts[i] = "^" + p + "$"
	}
	return strings.Join(parts, "/")
}

// static checks that a binary needs no loader: the guest has none.
func static(exe string) error {
	f, err := elf.Open(exe)
	if err != nil {
		return err
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return errors.New("the test binary is linked dynamically and cannot run in a guest: run go test with CGO_ENABLED=0")
		}
	}
	return nil
}
