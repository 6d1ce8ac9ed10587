// SPDX-License-Identifier: Apache-2.0

package testrun

import (
	"errors"
	"fmt"
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/modbpf/modbpf/bpf"
)

// Prog is a program loaded into the kernel.
type Prog struct{ fd int }

// Commands of bpf(2).
const (
	cmdMapCreate = 0
	cmdProgLoad  = 5
	cmdTestRun   = 10
)

func bpfCall(cmd uintptr, attr unsafe.Pointer, size uintptr) (int, error) {
	for {
		r, _, e := unix.Syscall(unix.SYS_BPF, cmd, uintptr(attr), size)
		switch {
		case e == 0:
			return int(r), nil
		case e == unix.EINTR || e == unix.EAGAIN:
			continue
		}
		return -1, e
	}
}

type loadAttr struct {
	progType    uint32
	insnCnt     uint32
	insns       uint64
	license     uint64
	logLevel    uint32
	logSize     uint32
	logBuf      uint64
	kernVersion uint32
	flags       uint32
	name        [16]byte
	ifindex     uint32
	attachType  uint32
	btfFD       uint32
	funcRecSize uint32
	funcs       uint64
	funcCnt     uint32
	_           [3]uint32
}

// ErrUnavailable means that this machine's kernel cannot be asked: no
// permission, or no such system call.
var ErrUnavailable = errors.New("kernel does not let us load programs")

// Load loads a program of the given type. Where the verifier refuses, the error
// holds its log.
func Load(t bpf.ProgType, insns []bpf.Insn) (*Prog, error) {
	license := []byte("Dual BSD/GPL\x00")
	a := loadAttr{progType: uint32(t), insnCnt: uint32(len(insns))}
	if t == bpf.ProgSyscall {
		a.flags = bpf.ProgSleepable
	}
	copy(a.name[:], "modbpf_test")
	var pin runtime.Pinner
	defer pin.Unpin()
	if funcs := functions(insns); funcs != nil {
		fd, err := funcBTF()
		if err != nil {
			return nil, err
		}
		pin.Pin(&funcs[0])
		a.btfFD, a.funcRecSize, a.funcCnt = uint32(fd), 8, uint32(len(funcs))
		a.funcs = uint64(uintptr(unsafe.Pointer(&funcs[0])))
	}
	pin.Pin(&insns[0])
	pin.Pin(&license[0])
	a.insns = uint64(uintptr(unsafe.Pointer(&insns[0])))
	a.license = uint64(uintptr(unsafe.Pointer(&license[0])))
	fd, err := bpfCall(cmdProgLoad, unsafe.Pointer(&a), unsafe.Sizeof(a))
	if err == nil {
		return &Prog{fd}, nil
	}
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSYS) {
		return nil, fmt.Errorf("load program: %w: %w", ErrUnavailable, err)
	}
	log := make([]byte, 1<<20)
	pin.Pin(&log[0])
	a.logLevel, a.logSize, a.logBuf = 1, uint32(len(log)), uint64(uintptr(unsafe.Pointer(&log[0])))
	if fd, again := bpfCall(cmdProgLoad, unsafe.Pointer(&a), unsafe.Sizeof(a)); again == nil {
		return &Prog{fd}, nil
	}
	return nil, fmt.Errorf("load program: %w: %s", err, cString(log))
}

func cString(b []byte) string {
	for i, c := range b {
		if c == 0 {
			return string(b[:i])
		}
	}
	return string(b)
}

// Close unloads the program.
func (p *Prog) Close() error { return unix.Close(p.fd) }

// FD is the program's descriptor.
func (p *Prog) FD() int { return p.fd }

type runAttr struct {
	fd, retval         uint32
	dataIn, dataOut    uint32
	in, out            uint64
	repeat, duration   uint32
	ctxIn, ctxOut      uint32
	ctxInPtr, ctxOutAd uint64
	flags, cpu, batch  uint32
	_                  uint32
}

// RunCtx runs a syscall program with ctx as its context, in place.
func (p *Prog) RunCtx(ctx []byte) (uint32, error) {
	a := runAttr{fd: uint32(p.fd)}
	var pin runtime.Pinner
	defer pin.Unpin()
	if len(ctx) > 0 {
		pin.Pin(&ctx[0])
		a.ctxIn = uint32(len(ctx))
		a.ctxInPtr = uint64(uintptr(unsafe.Pointer(&ctx[0])))
	}
	_, err := bpfCall(cmdTestRun, unsafe.Pointer(&a), unsafe.Sizeof(a))
	if err != nil {
		return 0, fmt.Errorf("run program: %w", err)
	}
	return a.retval, nil
}

// RunData runs a packet program on a packet, in place, repeatedly, and returns
// the mean time of one run as the kernel measured it.
func (p *Prog) RunData(data []byte, repeat int) (uint32, time.Duration, error) {
	a := runAttr{fd: uint32(p.fd), repeat: uint32(repeat), dataIn: uint32(len(data))}
	var pin runtime.Pinner
	defer pin.Unpin()
	pin.Pin(&data[0])
	a.in = uint64(uintptr(unsafe.Pointer(&data[0])))
	if repeat == 1 {
		a.out, a.dataOut = a.in, uint32(len(data))
	}
	if _, err := bpfCall(cmdTestRun, unsafe.Pointer(&a), unsafe.Sizeof(a)); err != nil {
		return 0, 0, fmt.Errorf("run program: %w", err)
	}
	return a.retval, time.Duration(a.duration), nil
}

type mapAttr struct {
	mapType, keySize, valueSize, maxEntries, flags uint32
	inner, numa                                    uint32
	name                                           [16]byte
	_                                              [64]byte
}

// NewMap creates a map and returns its descriptor.
func NewMap(t bpf.MapType, key, value, entries, flags uint32) (int, error) {
	a := mapAttr{mapType: uint32(t), keySize: key, valueSize: value, maxEntries: entries, flags: flags}
	fd, err := bpfCall(cmdMapCreate, unsafe.Pointer(&a), unsafe.Sizeof(a))
	if err != nil {
		return -1, fmt.Errorf("create %s map: %w", t, err)
	}
	return fd, nil
}
