// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/modbpf/modbpf/framework/exitcode"
)

// capability is a bit of capabilities(7).
type capability uint

const (
	capNetAdmin capability = unix.CAP_NET_ADMIN
	capSysAdmin capability = unix.CAP_SYS_ADMIN
	capPerfmon  capability = unix.CAP_PERFMON
	capBPF      capability = unix.CAP_BPF
)

var capsNone []capability

func (c capability) String() string {
	switch c {
	case capNetAdmin:
		return "CAP_NET_ADMIN"
	case capSysAdmin:
		return "CAP_SYS_ADMIN"
	case capPerfmon:
		return "CAP_PERFMON"
	case capBPF:
		return "CAP_BPF"
	}
	return fmt.Sprintf("capability %d", uint(c))
}

// effective is the process's effective capability set; ok is false if it is not known.
func effective() (set uint64, ok bool) {
	b, err := os.ReadFile("/proc/thread-self/status")
	if err != nil {
		return 0, false
	}
	_, rest, found := strings.Cut(string(b), "\nCapEff:")
	line, _, _ := strings.Cut(rest, "\n")
	set, err = strconv.ParseUint(strings.TrimSpace(line), 16, 64)
	return set, found && err == nil
}

// missing are the wanted capabilities the process lacks. CAP_SYS_ADMIN stands
// for CAP_BPF and CAP_PERFMON, as in the kernel.
func missing(want []capability) []string {
	set, ok := effective()
	if !ok {
		return nil
	}
	var out []string
	for _, c := range want {
		has := set&(1<<c) != 0 || (c == capBPF || c == capPerfmon) && set&(1<<capSysAdmin) != 0
		if !has {
			out = append(out, c.String())
		}
	}
	return out
}

// explain turns a system call's answer into an error that says what to do, with
// its exit code. want are the capabilities the step needs.
func explain(doing string, err error, want []capability) error {
	switch {
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		if m := missing(want); len(m) > 0 {
			return exitcode.Permission.Errorf("%s: %w: missing %s (run as root, or give modbpf these capabilities)", doing, err, strings.Join(m, ", "))
		}
		if len(want) > 0 {
			return exitcode.Permission.Errorf("%s: %w: every capability needed is there, so a policy forbids it (kernel lockdown, a security module, a container's seccomp filter)", doing, err)
		}
		return exitcode.Permission.Errorf("%s: %w: run as the owner of the bpf file system (root)", doing, err)
	case errors.Is(err, unix.EROFS):
		return exitcode.IO.Errorf("%s: %w: the file system is mounted read-only (mount -o remount,rw)", doing, err)
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.ENOMEM), errors.Is(err, unix.EDQUOT):
		return exitcode.IO.Errorf("%s: %w: the system has no room left", doing, err)
	case errors.Is(err, unix.ENOSYS):
		return exitcode.Unsupported.Errorf("%s: %w: this kernel is built without bpf()", doing, err)
	case errors.Is(err, fs.ErrNotExist):
		return exitcode.NotFound.Errorf("%s: %w", doing, err)
	}
	return exitcode.IO.Errorf("%s: %w", doing, err)
}
