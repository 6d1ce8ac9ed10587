// SPDX-License-Identifier: Apache-2.0

package sys

import (
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

type linkCreateAttr struct {
	prog, target, attach, flags uint32
	// tcx and netkit: where in the list of programs
	relative uint32
	_        uint32
	revision uint64
	_        [32]byte
}

// bpfStructOps is BPF_STRUCT_OPS of enum bpf_attach_type.
const bpfStructOps = 44

// LinkStructOpsMap puts a struct_ops map in force until the link goes.
func LinkStructOpsMap(m FD) (FD, error) {
	fd, err := Call(unix.BPF_LINK_CREATE, &linkCreateAttr{prog: uint32(m), attach: bpfStructOps})
	if err != nil {
		return NoFD, fmt.Errorf("attach struct_ops map: %w", err)
	}
	return FD(fd), nil
}

// LinkInterface attaches a program to an interface: XDP, tcx or netkit by its
// attach type; flags are XDP's mode flags or BPF_F_BEFORE and friends.
func LinkInterface(p FD, ifindex int, attach, flags uint32) (FD, error) {
	fd, err := Call(unix.BPF_LINK_CREATE, &linkCreateAttr{prog: uint32(p), target: uint32(ifindex), attach: attach, flags: flags})
	if err != nil {
		return NoFD, fmt.Errorf("attach program to interface %d: %w", ifindex, err)
	}
	return FD(fd), nil
}

type linkUpdateAttr struct{ link, new, flags, old uint32 }

// UpdateLink makes a link act on another struct_ops map or program, atomically.
func UpdateLink(link, to FD) error {
	if _, err := Call(unix.BPF_LINK_UPDATE, &linkUpdateAttr{link: uint32(link), new: uint32(to)}); err != nil {
		return fmt.Errorf("update link: %w", err)
	}
	return nil
}

// DetachLink detaches at once, whoever else holds the link.
func DetachLink(link FD) error {
	type attr struct{ link, _ uint32 }
	if _, err := Call(unix.BPF_LINK_DETACH, &attr{link: uint32(link)}); err != nil {
		return fmt.Errorf("detach link: %w", err)
	}
	return nil
}

type testRunAttr struct {
	prog, retval, dataInLen, dataOutLen uint32
	dataIn, dataOut                     uint64
	repeat, duration                    uint32
	ctxInLen, ctxOutLen                 uint32
	ctxIn, ctxOut                       uint64
	flags, cpu, batch, _                uint32
}

// RunSyscall runs a SEC("syscall") program once; ctx is its argument and holds
// what the program left there afterwards.
func RunSyscall(prog FD, ctx []byte) (uint32, error) {
	a := testRunAttr{prog: uint32(prog)}
	if len(ctx) > 0 {
		// A syscall program's context is read and written in place.
		a.ctxIn, a.ctxInLen = uint64(uintptr(unsafe.Pointer(&ctx[0]))), uint32(len(ctx))
	}
	_, err := Call(unix.BPF_PROG_TEST_RUN, &a)
	runtime.KeepAlive(ctx)
	if err != nil {
		return 0, fmt.Errorf("run program: %w", err)
	}
	return a.retval, nil
}
