// SPDX-License-Identifier: Apache-2.0

package guest

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// warmBTF loads the smallest program that makes the kernel look at its own
// types (a raw tracepoint on a BTF id that is no tracepoint: refused, after the
// parse). The verdict does not matter.
func warmBTF() {
	insns := [...]uint64{0xb7, 0x95} // r0 = 0; exit
	license := [...]byte{'G', 'P', 'L', 0}
	var attr [144]byte
	put32 := func(o int, v uint32) { *(*uint32)(unsafe.Pointer(&attr[o])) = v }
	put64 := func(o int, p unsafe.Pointer) { *(*uint64)(unsafe.Pointer(&attr[o])) = uint64(uintptr(p)) }
	put32(0, 26) // BPF_PROG_TYPE_TRACING
	put32(4, uint32(len(insns)))
	put64(8, unsafe.Pointer(&insns[0]))
	put64(16, unsafe.Pointer(&license[0]))
	put32(68, 23) // expected_attach_type BPF_TRACE_RAW_TP
	put32(108, 1) // attach_btf_id
	fd, _, e := unix.Syscall(unix.SYS_BPF, 5 /* BPF_PROG_LOAD */, uintptr(unsafe.Pointer(&attr[0])), uintptr(len(attr)))
	if e == 0 {
		_ = unix.Close(int(fd))
	}
}
