// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/modbpf/modbpf/btf"
	"github.com/modbpf/modbpf/framework/profile"
)

func condition(c string) (bool, error) {
	if c == "root" {
		if os.Getuid() != 0 {
			return false, nil
		}
		dir, err := os.MkdirTemp("", "modbpf")
		if err != nil {
			return false, err
		}
		defer os.Remove(dir)
		if unix.Mount("bpf", dir, "bpf", 0, "") != nil {
			return false, nil
		}
		return true, unix.Unmount(dir, 0)
	}
	if table, ok := strings.CutPrefix(c, "struct_ops:"); ok {
		k, err := profile.Running()
		if err != nil {
			return false, nil // a kernel without BTF has no tables
		}
		_, ok := k.BTF().Find("bpf_struct_ops_"+table, btf.KindStruct)
		return ok, nil
	}
	return false, errors.New("unknown condition " + c)
}

func nobody(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: nobody CODE PROGRAM ARG...")
	}
	path, err := exec.LookPath(args[1])
	if err != nil {
		// testscript puts its programs on the script's PATH only.
		for _, d := range strings.Split(ts.Getenv("PATH"), ":") {
			if _, serr := os.Stat(d + "/" + args[1]); serr == nil {
				path, err = d+"/"+args[1], nil
				break
			}
		}
	}
	ts.Check(err)
	// The program lies in folders only root may enter: give it by descriptor.
	f, err := os.Open(path)
	ts.Check(err)
	defer f.Close()
	cmd := exec.Command("/proc/self/fd/3", args[2:]...)
	cmd.Args[0] = args[1]
	cmd.ExtraFiles = []*os.File{f}
	cmd.Dir = "/"
	cmd.Env = []string{"TERM=dumb"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	ts.Logf("%s", out)
	got := 0
	var ee *exec.ExitError
	if errors.As(err, &ee) {
		got = ee.ExitCode()
	} else {
		ts.Check(err)
	}
	if strconv.Itoa(got) != args[0] {
		ts.Fatalf("exit code %d, want %s", got, args[0])
	}
	ts.Check(os.WriteFile(ts.MkAbs("nobody.out"), out, 0o644))
}

func bpffs(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: bpffs DIR")
	}
	dir := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(dir, 0o755))
	ts.Check(unix.Mount("bpf", dir, "bpf", 0, "mode=700"))
	ts.Defer(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			ts.Logf("unmount: %v", err)
		}
	})
}

// netns makes a network namespace with lo up and puts its path into a variable.
func netns(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: netns VARIABLE")
	}
	path := ts.MkAbs("netns")
	ts.Check(os.WriteFile(path, nil, 0o644))
	ts.Check(inNewNetns(func() error {
		lo, err := netlink.LinkByName("lo")
		if err != nil {
			return err
		}
		if err := netlink.LinkSetUp(lo); err != nil {
			return err
		}
		return unix.Mount("/proc/thread-self/ns/net", path, "", unix.MS_BIND, "")
	}))
	ts.Defer(func() {
		if err := unix.Unmount(path, unix.MNT_DETACH); err != nil {
			ts.Logf("unmount: %v", err)
		}
	})
	ts.Setenv(args[0], path)
}

// inNewNetns runs f on a thread of its own in a new namespace; the thread ends with it.
func inNewNetns(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread is thrown away
		err := unix.Unshare(unix.CLONE_NEWNET)
		if err == nil {
			err = f()
		}
		done <- err
	}()
	return <-done
}

// traffic sends datagrams over lo of a namespace.
func traffic(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: traffic NETNS COUNT")
	}
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread is thrown away
		done <- func() error {
			ns, err := os.Open(args[0])
			if err != nil {
				return err
			}
			defer ns.Close()
			if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
				return err
			}
			fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			to := &unix.SockaddrInet4{Port: 4242, Addr: [4]byte{127, 0, 0, 1}}
			if err := unix.Bind(fd, to); err != nil {
				return err
			}
			for range n {
				if err := unix.Sendto(fd, []byte("x"), 0, to); err != nil {
					return err
				}
			}
			b := make([]byte, 8)
			for range n {
				if _, err := unix.Read(fd, b); err != nil {
					return err
				}
			}
			return nil
		}()
	}()
	ts.Check(<-done)
}

func readonly(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: readonly DIR")
	}
	ts.Check(unix.Mount("", ts.MkAbs(args[0]), "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, ""))
}
