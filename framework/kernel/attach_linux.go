// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/framework/exitcode"
	"github.com/modbpf/modbpf/framework/kernel/sys"
)

// attach makes the link of one point: from here on the kernel calls the driver,
// for as long as the descriptor or a pin of it is there.
func attach(p *Point, fd sys.FD) (sys.FD, error) {
	if p.Table != "" {
		l, err := sys.LinkCreate(sys.LinkAttr{Prog: fd, Type: bpf.AttachStructOps})
		if err != nil {
			return sys.None, attachError(p, err)
		}
		return l, nil
	}
	l := sys.None
	err := inNetns(p.Netns, func() error {
		ifc, err := net.InterfaceByName(p.Interface)
		if err != nil {
			return exitcode.NotFound.Errorf("attach %s: no interface %s here", p.what(), p.Interface)
		}
		l, err = sys.LinkCreate(sys.LinkAttr{Prog: fd, Target: ifc.Index, Type: bpf.AttachType(p.Attach), Flags: p.Flags})
		return err
	})
	if err != nil {
		return sys.None, attachError(p, err)
	}
	return l, nil
}

// attachError says what the kernel's answer to an attachment means.
func attachError(p *Point, err error) error {
	var told exitcode.Code
	if errors.As(err, &told) {
		return err
	}
	switch {
	case errors.Is(err, syscall.EBUSY), errors.Is(err, syscall.EEXIST):
		what := "something else is attached there already"
		switch p.Table {
		case "tcp_congestion_ops":
			what = "a congestion control named " + quote(p.Name) + " is registered already"
		case "Qdisc_ops":
			what = "a queueing discipline named " + quote(p.Name) + " is registered already"
		case "sched_ext_ops":
			what = "another BPF scheduler is running"
		}
		return exitcode.Busy.Errorf("attach %s: %w: %s", p.what(), err, what)
	case errors.Is(err, syscall.EINVAL) && p.Table == "hid_bpf_ops":
		return exitcode.Busy.Errorf("attach %s: %w: the device has a driver with hid_rdesc_fixup already, or is gone", p.what(), err)
	case errors.Is(err, syscall.ENODEV):
		return exitcode.NotFound.Errorf("attach %s: %w: the device is gone", p.what(), err)
	case errors.Is(err, syscall.E2BIG):
		return exitcode.Busy.Errorf("attach %s: %w: the device has as many drivers as the kernel allows", p.what(), err)
	}
	return explain("attach "+p.what(), err, capsFor(bpf.ProgStructOps))
}

// inNetns runs f in a network namespace: "" is the present one, a name is
// looked up under /run/netns, a path is taken as it is.
func inNetns(name string, f func() error) error {
	if name == "" {
		return f()
	}
	path := name
	if !strings.Contains(name, "/") {
		path = filepath.Join("/run/netns", name)
	}
	ns, err := os.Open(path)
	if err != nil {
		return exitcode.NotFound.Errorf("enter network namespace %s: %w", name, err)
	}
	defer ns.Close()
	runtime.LockOSThread()
	old, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		runtime.UnlockOSThread()
		return exitcode.IO.Errorf("enter network namespace %s: %w", name, err)
	}
	defer old.Close()
	if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
		runtime.UnlockOSThread()
		return explain("enter network namespace "+name, err, []capability{capSysAdmin})
	}
	ferr := f()
	if err := unix.Setns(int(old.Fd()), unix.CLONE_NEWNET); err != nil {
		// The thread cannot go back: leave it locked, so that it ends with this goroutine.
		return errors.Join(ferr, exitcode.IO.Errorf("leave network namespace %s: %w", name, err))
	}
	runtime.UnlockOSThread()
	return ferr
}
