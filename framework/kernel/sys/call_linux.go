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

// mapArena maps an arena somewhere into our memory.
func mapArena(fd FD, size uintptr) (mapping, error) {
	at, _, errno := unix.Syscall6(unix.SYS_MMAP, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED, uintptr(fd), 0)
	if errno != 0 {
		return mapping{}, &Error{Op: "map arena", Err: errno}
	}
	return mapping{at, size}, nil
}

func (m mapping) unmap() error {
	if _, _, errno := unix.Syscall(unix.SYS_MUNMAP, m.at, m.size, 0); errno != 0 {
		return &Error{Op: "unmap arena", Err: errno}
	}
	return nil
}
