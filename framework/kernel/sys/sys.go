// SPDX-License-Identifier: Apache-2.0

// Package sys talks to the kernel's bpf(2) and to nothing else. Attributes are
// laid out here as include/uapi/linux/bpf.h has them; everything returns
// errors that say what was asked of which object. On systems without bpf(2)
// every call answers ErrUnsupported.
//
// It is ours rather than a library's because maps and programs of an object
// must share one BTF object (list heads and rbtree roots are refused
// otherwise), struct_ops maps need their values filled member by member, and
// the verifier's oracle wants the kernel's log untouched.
package sys

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"syscall"
	"unsafe"
)

// ErrUnsupported is the answer on systems other than Linux.
var ErrUnsupported = errors.New("no bpf(2) on this system")

// enotsupp is what some parts of the kernel answer; it is no errno of user space.
const enotsupp = syscall.Errno(524)

// FD is a file descriptor of a BPF object. It is closed on exec.
type FD int

// None is no descriptor.
const None FD = -1

// Close closes the descriptor; None is ignored.
func (f FD) Close() error {
	if f < 0 {
		return nil
	}
	return closeFD(f)
}

// Error is a failed bpf(2) command.
type Error struct {
	Op   string // "load program", "create map", ...
	Name string
	Err  error  // syscall.Errno
	Log  string // the verifier's or BTF's log, if there is one
}

func (e *Error) Error() string {
	s := e.Op
	if e.Name != "" {
		s += " " + e.Name
	}
	s += ": " + describe(e.Err)
	if l := lastLine(e.Log); l != "" {
		s += ": " + l
	}
	return s
}

// Format prints the whole log with %+v.
func (e *Error) Format(f fmt.State, verb rune) {
	if verb == 'v' && f.Flag('+') && e.Log != "" {
		fmt.Fprintf(f, "%s %s: %s\n%s", e.Op, e.Name, describe(e.Err), e.Log)
		return
	}
	fmt.Fprint(f, e.Error())
}

func (e *Error) Unwrap() error { return e.Err }

// Denied reports whether an error says that privileges are missing.
func Denied(err error) bool {
	return errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES)
}

func describe(err error) string {
	switch {
	case errors.Is(err, enotsupp):
		return "operation not supported by the kernel"
	case errors.Is(err, syscall.EPERM):
		return "operation not permitted (needs CAP_BPF, and CAP_NET_ADMIN or CAP_PERFMON for most program types)"
	}
	return err.Error()
}

// lastLine is the line of a verifier log that says why.
func lastLine(log string) string {
	lines := strings.Split(strings.TrimRight(log, "\n\x00"), "\n")
	for i := len(lines) - 1; i >= 0; i-- {
		l := strings.TrimSpace(lines[i])
		if l == "" || isStats(l) {
			continue
		}
		return l
	}
	return ""
}

func isStats(l string) bool {
	return strings.HasPrefix(l, "processed ") || strings.HasPrefix(l, "verification time ") || strings.HasPrefix(l, "stack depth ")
}

// Commands of bpf(2).
const (
	cmdMapCreate     = 0
	cmdMapLookup     = 1
	cmdMapUpdate     = 2
	cmdMapDelete     = 3
	cmdMapNextKey    = 4
	cmdProgLoad      = 5
	cmdObjPin        = 6
	cmdObjGet        = 7
	cmdProgAttach    = 8
	cmdProgDetach    = 9
	cmdTestRun       = 10
	cmdProgNextID    = 11
	cmdMapNextID     = 12
	cmdProgByID      = 13
	cmdMapByID       = 14
	cmdInfo          = 15
	cmdRawTracepoint = 17
	cmdBTFLoad       = 18
	cmdBTFByID       = 19
	cmdMapFreeze     = 22
	cmdBTFNextID     = 23
	cmdLinkCreate    = 28
	cmdLinkUpdate    = 29
	cmdLinkByID      = 30
	cmdLinkNextID    = 31
	cmdIterCreate    = 33
	cmdLinkDetach    = 34
)

// call makes one bpf(2) call. Interrupted calls are repeated, as are program
// loads that the kernel gave up because a signal was pending.
func call[T any](cmd int, attr *T) (int, error) {
	for try := 0; ; try++ {
		n, errno := bpfCall(cmd, unsafe.Pointer(attr), unsafe.Sizeof(*attr))
		runtime.KeepAlive(attr)
		if errno == 0 {
			return n, nil
		}
		if errno == syscall.EINTR || errno == syscall.EAGAIN && cmd == cmdProgLoad && try < 30 {
			continue
		}
		if errno == errnoNone {
			return 0, ErrUnsupported
		}
		return 0, errno
	}
}

// errnoNone is what the stub of other systems answers.
const errnoNone = syscall.Errno(0x7fffffff)

// ptr is the address of a slice's first byte, nil for empty ones.
func ptr(b []byte) unsafe.Pointer {
	if len(b) == 0 {
		return nil
	}
	return unsafe.Pointer(unsafe.SliceData(b))
}

func cstr(s string) unsafe.Pointer { return ptr(append([]byte(s), 0)) }

// ObjName makes a name the kernel takes: 15 of [A-Za-z0-9_.], the rest replaced.
func ObjName(s string) (out [16]byte) {
	for i := 0; i < len(s) && i < 15; i++ {
		c := s[i]
		if c != '_' && c != '.' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			c = '_'
		}
		out[i] = c
	}
	return out
}

func goString(b []byte) string {
	s, _, _ := strings.Cut(string(b), "\x00")
	return s
}
