// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/modbpf/modbpf/structops"
)

// TestCrash kills a process that inserts, upgrades, rolls back or removes, at
// every system call that can change anything, and looks at what is left: it
// must be the old insertion, the new one, or none, and a rerun must get to where
// the killed one was going. The process is stepped by ptrace from call to call.

var everyCall = flag.Bool("every", false, "kill at every system call, also at those that change nothing")

const crashEnv = "MODBPF_TEST_CRASH"

func TestMain(m *testing.M) {
	if verb := os.Getenv(crashEnv); verb != "" {
		if err := crashChild(verb); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(3)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// crashChild does what is to be interrupted.
func crashChild(verb string) error {
	tg, err := Open(Options{Root: os.Getenv("MODBPF_TEST_ROOT")})
	if err != nil {
		return err
	}
	var j *Job
	switch verb {
	case "insert", "upgrade":
		if j, err = tcpJob("1.0.0", os.Getenv("MODBPF_TEST_NAME")); err != nil {
			return err
		}
	}
	// From here on system calls count.
	if err := unix.Access("/modbpf-test-begins", 0); err == nil {
		return errors.New("the marker exists")
	}
	switch verb {
	case "insert":
		_, _, err = tg.Insert(j)
	case "upgrade":
		j.Meta.Version, j.Meta.Object = "2.0.0", "2.0.0"
		_, err = tg.Upgrade(j, nil)
	case "rollback":
		_, err = tg.Rollback("tcp-test", "default", nil, func(string) *structops.Table { return nil })
	case "remove":
		if _, err = tg.Remove("tcp-test", "default"); errors.Is(err, ErrNotInserted) {
			err = nil // a rerun finds nothing more to do
		}
	}
	return err
}

// changing are the system calls that can change what is in the kernel.
var changing = map[uint64]bool{
	unix.SYS_BPF: true, unix.SYS_MKDIRAT: true, unix.SYS_UNLINKAT: true, unix.SYS_RENAMEAT: true, unix.SYS_FLOCK: true,
	unix.SYS_MOUNT: true, unix.SYS_EXIT_GROUP: true,
}

// crashAt runs the child and kills it as it enters the n-th call that counts;
// done is true when it ended by itself before. It returns the calls seen.
func crashAt(t *testing.T, verb, root, name string, n int) (calls int, done bool) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), crashEnv+"="+verb, "MODBPF_TEST_ROOT="+root, "MODBPF_TEST_NAME="+name)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	leader := cmd.Process.Pid
	var ws syscall.WaitStatus
	if _, err := syscall.Wait4(leader, &ws, 0, nil); err != nil {
		t.Fatal(err)
	}
	if err := syscall.PtraceSetOptions(leader, syscall.PTRACE_O_TRACESYSGOOD|syscall.PTRACE_O_TRACECLONE|0x100000 /* EXITKILL */); err != nil {
		t.Fatal(err)
	}
	if err := syscall.PtraceSyscall(leader, 0); err != nil {
		t.Fatal(err)
	}
	inside := map[int]bool{}
	begun, killed := false, false
	for {
		pid, err := syscall.Wait4(-1, &ws, syscall.WALL, nil)
		if err != nil {
			t.Fatalf("wait: %v", err)
		}
		if ws.Exited() || ws.Signaled() {
			if pid != leader {
				continue
			}
			if !killed && ws.ExitStatus() != 0 {
				t.Fatalf("%s failed by itself", verb)
			}
			return calls, !killed
		}
		sig := 0
		switch stop := ws.StopSignal(); {
		case stop == syscall.SIGTRAP|0x80:
			inside[pid] = !inside[pid]
			if !inside[pid] || killed {
				break
			}
			var regs syscall.PtraceRegs
			if err := syscall.PtraceGetRegs(pid, &regs); err != nil {
				break // the thread is gone
			}
			if regs.Orig_rax == unix.SYS_ACCESS || regs.Orig_rax == unix.SYS_FACCESSAT || regs.Orig_rax == unix.SYS_FACCESSAT2 {
				begun = true
				break
			}
			if begun && (*everyCall || changing[regs.Orig_rax]) {
				if calls == n {
					killed = true
					if err := syscall.Kill(leader, syscall.SIGKILL); err != nil {
						t.Fatal(err)
					}
				} else {
					calls++
				}
			}
		case stop == syscall.SIGTRAP, stop == syscall.SIGSTOP:
		default:
			sig = int(stop)
		}
		if err := syscall.PtraceSyscall(pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
			t.Fatal(err)
		}
	}
}

func TestCrash(t *testing.T) {
	if testing.Short() {
		t.Skip("takes twenty seconds")
	}
	if runtime.GOARCH != "amd64" {
		t.Skip("reads the registers of amd64")
	}
	root := mounted(t)
	tg := open(t, root)
	name := algorithm(os.Getpid())
	job(t, "1.0.0") // skips where the kernel has no such table
	for _, c := range []struct {
		verb        string
		start, goal string // versions in force before and after, "" for none
	}{
		{"insert", "", "1.0.0"}, {"upgrade", "1.0.0", "2.0.0"}, {"rollback", "2.0.0", "1.0.0"}, {"remove", "1.0.0", ""},
	} {
		t.Run(c.verb, func(t *testing.T) {
			seen := map[string]int{}
			for n := 0; ; n++ {
				setUp(t, tg, name, c.start, c.goal)
				calls, done := crashAt(t, c.verb, root, name, n)
				got := inForce(t, tg, name)
				if got != c.start && got != c.goal {
					t.Fatalf("killed at call %d of %s: %q is in force, neither %q nor %q", n, c.verb, got, c.start, c.goal)
				}
				if !done {
					seen[got]++
					// A rerun gets there. What is there already is no failure.
					if _, done := crashAt(t, c.verb, root, name, 1<<30); !done {
						t.Fatal("the rerun was killed")
					}
					if c.verb != "rollback" || got == c.start { // a second rollback returns
						got = inForce(t, tg, name)
					}
				}
				if c.verb == "rollback" && !done && got != c.goal && got != c.start || (c.verb != "rollback" || done) && got != c.goal {
					t.Fatalf("killed at call %d of %s, rerun: %q is in force, not %q", n, c.verb, got, c.goal)
				}
				clear := remove(tg)
				if clear != nil && !errors.Is(clear, ErrNotInserted) {
					t.Fatal(clear)
				}
				if l := litter(t, root); len(l) > 0 {
					t.Fatalf("killed at call %d of %s: left behind after a rerun and remove: %q", n, c.verb, l)
				}
				if done {
					t.Logf("%s: %d system calls, killed at each: %q in force %d times, %q %d times", c.verb, calls, c.start, seen[c.start], c.goal, seen[c.goal])
					return
				}
			}
		})
	}
}

func remove(tg *Target) error {
	_, err := tg.Remove("tcp-test", "default")
	return err
}

// setUp makes start the version in force, with goal as the one before for a rollback.
func setUp(t *testing.T, tg *Target, name, start, goal string) {
	t.Helper()
	if start == "" {
		return
	}
	first := start
	if start == "2.0.0" {
		first = goal
	}
	for i, v := range []string{first, start} {
		j, err := tcpJob(v, name)
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			_, _, err = tg.Insert(j)
		} else if v != first {
			_, err = tg.Upgrade(j, nil)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// inForce is the version the kernel has, "" for none. The kernel lets go of a
// killed process's objects some time after the process is gone.
func inForce(t *testing.T, tg *Target, name string) string {
	t.Helper()
	var version string
	for range 200 {
		in, err := tg.read("tcp-test", "default")
		if err != nil {
			t.Fatal(err)
		}
		version = ""
		if in != nil && in.State == Attached {
			version = in.Meta.Version
		}
		if (version != "") == available(t, name) {
			return version
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("list says version %q, but the kernel has the congestion control: %v", version, available(t, name))
	return ""
}
