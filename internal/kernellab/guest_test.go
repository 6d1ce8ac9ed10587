// SPDX-License-Identifier: Apache-2.0

package kernellab_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/modbpf/modbpf/internal/kernellab"
	"github.com/modbpf/modbpf/internal/kernellab/labtest"
)

// TestKernels boots every kernel of the project and looks around inside.
func TestKernels(t *testing.T) {
	for _, series := range kernellab.Series {
		t.Run(series, func(t *testing.T) {
			if labtest.Reexec(t, series, labtest.Modules("sch_pie", "tcp_vegas")) {
				return
			}
			var u unix.Utsname
			if err := unix.Uname(&u); err != nil {
				t.Fatal(err)
			}
			if rel := unix.ByteSliceToString(u.Release[:]); !strings.HasPrefix(rel, series+".") {
				t.Errorf("uname says %s", rel)
			}
			for _, f := range []string{"/sys/kernel/btf/vmlinux", "/sys/kernel/btf/hid", "/sys/kernel/btf/sch_pie", "/dev/uhid", "/dev/net/tun", "/sys/fs/bpf", "/sys/module/tcp_vegas"} {
				if _, err := os.Stat(f); err != nil {
					t.Error(err)
				}
			}
			if out, err := exec.Command("rmmod", "sch_pie").CombinedOutput(); err != nil {
				t.Errorf("rmmod: %v: %s", err, out)
			}
			if out, err := exec.Command("modprobe", "no-such").CombinedOutput(); err == nil {
				t.Errorf("modprobe of a module that does not exist: %s", out)
			}
			if d := time.Since(time.Unix(1<<30, 0)); d < 20*365*24*time.Hour {
				t.Errorf("the clock is %v after 2004", d)
			}
		})
	}
}

// TestJobs is about what goes into a guest and what comes out.
func TestJobs(t *testing.T) {
	if labtest.InGuest() {
		switch os.Getenv("ACT") {
		case "exit":
			os.Exit(7)
		case "hang":
			time.Sleep(time.Hour)
		case "echo":
			var b bytes.Buffer
			if _, err := b.ReadFrom(os.Stdin); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile("/tmp/out.txt", bytes.ToUpper(b.Bytes()), 0o644); err != nil {
				t.Fatal(err)
			}
			os.Exit(0)
		}
	}
	l, k := labtest.Open(t, "7.2")
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	vm, err := l.Start(t.Context(), k, kernellab.Machine{})
	if err != nil {
		t.Fatal(err)
	}
	defer vm.Close()
	job := func(act string) kernellab.Job {
		return kernellab.Job{
			Args: []string{"/tmp/t", "-test.run", "^TestJobs$"}, Env: []string{"MODBPF_LAB_GUEST=1", "ACT=" + act},
			Files: map[string]string{"/tmp/t": exe},
		}
	}
	r, err := vm.Run(t.Context(), job("exit"))
	if err != nil || r.Exit != 7 {
		t.Fatalf("exit: %v, %v", r, err)
	}
	j := job("echo")
	big := strings.Repeat("abc\n", 200_000)
	j.Stdin, j.Out = strings.NewReader(big), []string{"/tmp/out.*"}
	r, err = vm.Run(t.Context(), j)
	if err != nil || r.Err() != nil || string(r.Files["/tmp/out.txt"]) != strings.ToUpper(big) {
		t.Fatalf("echo: %v, %v", r.Err(), err)
	}
	j = job("hang")
	j.Timeout = time.Second
	r, err = vm.Run(t.Context(), j)
	if err != nil || !r.TimedOut || r.Err() == nil {
		t.Fatalf("hang: %v, %v", r, err)
	}
	r, err = vm.Run(t.Context(), kernellab.Job{Args: []string{"/no/such"}})
	if err != nil || r.Error == "" {
		t.Fatalf("absent program: %v, %v", r, err)
	}
	if _, err := l.Kernel(t.Context(), "../x"); err == nil || errors.Is(err, kernellab.ErrUnavailable) {
		t.Errorf("a series that is none: %v", err)
	}
}
