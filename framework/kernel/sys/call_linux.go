// SPDX-License-Identifier: Apache-2.0

package sys

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

func bpfCall(cmd int, attr unsafe.Pointer, size uintptr) (int, syscall.Errno) {
	r, _, errno := unix.Syscall(unix.SYS_BPF, uintptr(cmd), uintptr(attr), size)
	return int(r), errno
}

func closeFD(f FD) error { return unix.Close(int(f)) }
