// SPDX-License-Identifier: Apache-2.0

// Package kernellab runs programs under real Debian kernels, in QEMU without
// hardware virtualization and without root. It fetches kernels by a private apt
// root, unpacks them into a cache, boots a tiny initramfs whose only process is
// our agent, takes a snapshot, and from then on restores that snapshot for
// every job, so that a job costs about a second.
//
//	lab, err := kernellab.Open()
//	k, err := lab.Kernel(ctx, "7.2")
//	res, err := lab.Run(ctx, k, kernellab.Job{Args: []string{"/tmp/t"}, Files: ...})
//
// It imports none of the project's rooms: what it says of a kernel is said by
// that kernel.
package kernellab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"time"
)

// ErrUnavailable is why the lab cannot work here: no QEMU, no apt, no network.
// Tests skip on it, loudly.
var ErrUnavailable = errors.New("kernel lab is not available")

// Series are the kernels the project tests against.
var Series = []string{"6.12", "6.18", "7.2", "7.3"}

// Lab is a cache folder and the tools to use it. It may be used concurrently,
// and by several processes at once.
type Lab struct {
	dir  string
	qemu string
	init string // binary that serves as /init; built on first use when empty

	mu sync.Mutex // of init while it is built
}

// Option changes a Lab.
type Option func(*Lab)

// WithDir keeps everything under dir instead of ${XDG_CACHE_HOME}/modbpf.
func WithDir(dir string) Option { return func(l *Lab) { l.dir = dir } }

// WithInit names a static binary whose main begins with guest.MainIfInit, to
// serve as /init; without it one is built with the Go toolchain.
func WithInit(binary string) Option { return func(l *Lab) { l.init = binary } }

// Open checks that QEMU is there and makes the cache folder.
func Open(opts ...Option) (*Lab, error) {
	l := &Lab{}
	for _, o := range opts {
		o(l)
	}
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		return nil, fmt.Errorf("open kernel lab: %w: it runs on linux/amd64 only, not %s/%s", ErrUnavailable, runtime.GOOS, runtime.GOARCH)
	}
	q, err := exec.LookPath("qemu-system-x86_64")
	if err != nil {
		return nil, fmt.Errorf("open kernel lab: %w: qemu-system-x86_64 is not installed (Debian: apt install qemu-system-x86)", ErrUnavailable)
	}
	l.qemu = q
	if l.dir == "" {
		base, err := os.UserCacheDir() // honours XDG_CACHE_HOME
		if err != nil {
			return nil, fmt.Errorf("open kernel lab: %w", err)
		}
		l.dir = filepath.Join(base, "modbpf")
	}
	for _, d := range []string{"kernels", "snapshots", "init"} {
		if err := os.MkdirAll(filepath.Join(l.dir, d), 0o755); err != nil {
			return nil, fmt.Errorf("open kernel lab: %w", err)
		}
	}
	return l, nil
}

// Dir is the lab's cache folder.
func (l *Lab) Dir() string { return l.dir }

// Machine is what a guest's hardware and preparation are.
type Machine struct {
	CPUs    int      // 1 if zero
	Memory  int      // MiB, 1024 if zero
	Modules []string // loaded at boot, before the snapshot; DefaultModules if nil
	Append  string   // further words of the kernel command line
	QEMU    []string // further arguments, for what a snapshot allows
}

// DefaultModules are loaded at boot unless a Machine says otherwise. Every other
// module the guest carries can be loaded by a job.
var DefaultModules = []string{"uhid", "hid-generic", "uinput", "evdev", "veth", "dummy", "tun"}

func (m Machine) normal() Machine {
	if m.CPUs == 0 {
		m.CPUs = 1
	}
	if m.Memory == 0 {
		m.Memory = 1024
	}
	if m.Modules == nil {
		m.Modules = DefaultModules
	}
	return m
}

// initBinary is the path of the /init to use.
func (l *Lab) initBinary(ctx context.Context) (string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.init != "" {
		return l.init, nil
	}
	out := filepath.Join(l.dir, "init", fmt.Sprintf("init.%d", os.Getpid()))
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", out, "github.com/modbpf/modbpf/internal/kernellab/cmd/init")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64", "GOFLAGS=-buildvcs=false")
	if b, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the guest's init: %w\n%s", err, b)
	}
	final := filepath.Join(l.dir, "init", "init")
	if err := os.Rename(out, final); err != nil {
		return "", fmt.Errorf("build the guest's init: %w", err)
	}
	l.init = final
	return final, nil
}

// bootTimeout is generous: under emulation on a busy machine a boot that takes
// six seconds alone may take a minute.
const bootTimeout = 4 * time.Minute
