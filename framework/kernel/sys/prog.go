// SPDX-License-Identifier: Apache-2.0

//lint:file-ignore U1000 the structures are laid out as the kernel wants them; not every field is set

package sys

import (
	"encoding/binary"
	"errors"
	"runtime"
	"syscall"
	"unsafe"

	"github.com/modbpf/modbpf/bpf"
)

// Log levels of BPF_PROG_LOAD.
const (
	LogInstructions = 1 // every instruction walked
	LogStates       = 2 // and the state at each
	LogStats        = 4 // processed instructions and time; messages
)

// ProgAttr is what BPF_PROG_LOAD takes.
type ProgAttr struct {
	Name       string
	Type       bpf.ProgType
	AttachType uint32 // struct_ops: the member's index
	Insns      []bpf.Insn
	License    string
	Flags      uint32
	KernVer    uint32
	BTF        FD // None without types
	FuncInfo   []byte
	LineInfo   []byte
	AttachID   uint32
	AttachBTF  FD   // module BTF, None for vmlinux
	AttachProg FD   // extension and tracing of programs, None otherwise
	FDArray    []FD // module BTFs of kfunc calls, by index; [0] unused
	LogLevel   uint32
	LogSize    int // bytes of log to begin with; 0: a size that fits most
}

type progLoadAttr struct {
	typ, insnCnt        uint32
	insns, license      unsafe.Pointer
	logLevel, logSize   uint32
	logBuf              unsafe.Pointer
	kernVersion, flags  uint32
	name                [16]byte
	ifindex, attachType uint32
	btf, funcRec        uint32
	funcs               unsafe.Pointer
	funcCnt, lineRec    uint32
	lines               unsafe.Pointer
	lineCnt, attachID   uint32
	attachFD, coreCnt   uint32
	fdArray             unsafe.Pointer
	cores               unsafe.Pointer
	coreRec, trueSize   uint32
	token               int32
	fdCnt               uint32
}

const (
	firstLog = 64 << 10
	maxLog   = 256 << 20
)

// ProgLoad loads a program. The log is what the kernel said, at LogLevel;
// without a level it is asked for only when the kernel refuses. A log that does
// not fit is asked for again with a larger buffer.
func ProgLoad(a ProgAttr) (FD, string, error) {
	at := progLoadAttr{
		typ: uint32(a.Type), insnCnt: uint32(len(a.Insns)), insns: unsafe.Pointer(unsafe.SliceData(a.Insns)), license: cstr(a.License),
		kernVersion: a.KernVer, flags: a.Flags, name: ObjName(a.Name), attachType: a.AttachType, attachID: a.AttachID,
	}
	if a.BTF > 0 {
		at.btf = uint32(a.BTF)
		at.funcRec, at.funcs, at.funcCnt = 8, ptr(a.FuncInfo), uint32(len(a.FuncInfo)/8)
		at.lineRec, at.lines, at.lineCnt = 16, ptr(a.LineInfo), uint32(len(a.LineInfo)/16)
	}
	switch {
	case a.AttachProg > 0:
		at.attachFD = uint32(a.AttachProg)
	case a.AttachBTF > 0:
		at.attachFD = uint32(a.AttachBTF)
	}
	fds := make([]byte, 0, 4*len(a.FDArray))
	for _, f := range a.FDArray {
		fds = binary.NativeEndian.AppendUint32(fds, uint32(f))
	}
	at.fdArray = ptr(fds)
	level, size := a.LogLevel, max(a.LogSize, firstLog)
	for {
		var buf []byte
		if level != 0 {
			buf = make([]byte, size)
			at.logLevel, at.logBuf, at.logSize = level, ptr(buf), uint32(size)
		}
		n, err := call(cmdProgLoad, &at)
		runtime.KeepAlive(a.Insns)
		log := goString(buf)
		switch {
		case err == nil:
			return FD(n), log, nil
		case errors.Is(err, syscall.ENOSPC) && level != 0 && size < maxLog:
			size = max(4*size, int(at.trueSize)+1)
		case level == 0 && !errors.Is(err, ErrUnsupported) && !errors.Is(err, syscall.EPERM):
			level = LogInstructions
		default:
			return None, log, &Error{Op: "load program", Name: a.Name, Err: err, Log: log}
		}
	}
}

// TestRun is one BPF_PROG_TEST_RUN.
type TestRun struct {
	Data    []byte // packet or other input
	DataOut []byte // room for what comes out; resliced to what came
	Ctx     []byte
	CtxOut  []byte
	Repeat  uint32
	Flags   uint32
	CPU     uint32
}

type testRunAttr struct {
	fd, retval, sizeIn, sizeOut uint32
	in, out                     unsafe.Pointer
	repeat, duration            uint32
	ctxSizeIn, ctxSizeOut       uint32
	ctxIn, ctxOut               unsafe.Pointer
	flags, cpu, batch, _        uint32
}

// ProgTestRun runs a program on given input and returns its result and the
// average nanoseconds of a run.
func ProgTestRun(fd FD, r *TestRun) (retval, nanoseconds uint32, err error) {
	at := testRunAttr{
		fd: uint32(fd), sizeIn: uint32(len(r.Data)), sizeOut: uint32(len(r.DataOut)), in: ptr(r.Data), out: ptr(r.DataOut),
		repeat: r.Repeat, ctxSizeIn: uint32(len(r.Ctx)), ctxSizeOut: uint32(len(r.CtxOut)), ctxIn: ptr(r.Ctx), ctxOut: ptr(r.CtxOut),
		flags: r.Flags, cpu: r.CPU,
	}
	if _, err := call(cmdTestRun, &at); err != nil {
		return 0, 0, &Error{Op: "run program", Err: err}
	}
	r.DataOut = r.DataOut[:min(int(at.sizeOut), len(r.DataOut))]
	r.CtxOut = r.CtxOut[:min(int(at.ctxSizeOut), len(r.CtxOut))]
	return at.retval, at.duration, nil
}

type rawTracepointAttr struct {
	name   unsafe.Pointer
	fd, _  uint32
	cookie uint64
}

// RawTracepointOpen attaches a raw tracepoint, tracing or LSM program (with an
// empty name) and returns its link.
func RawTracepointOpen(prog FD, name string, cookie uint64) (FD, error) {
	at := rawTracepointAttr{fd: uint32(prog), cookie: cookie}
	if name != "" {
		at.name = cstr(name)
	}
	n, err := call(cmdRawTracepoint, &at)
	if err != nil {
		return None, &Error{Op: "open raw tracepoint", Name: name, Err: err}
	}
	return FD(n), nil
}

type attachAttr struct {
	target, prog, typ, flags, replace, relative uint32
	revision                                    uint64
}

// ProgAttach attaches a program without a link (cgroups, sockmaps, flow dissector).
func ProgAttach(target int, prog FD, typ bpf.AttachType, flags uint32) error {
	at := attachAttr{target: uint32(target), prog: uint32(prog), typ: uint32(typ), flags: flags}
	if _, err := call(cmdProgAttach, &at); err != nil {
		return &Error{Op: "attach program to", Name: typ.String(), Err: err}
	}
	return nil
}

// ProgDetach undoes ProgAttach.
func ProgDetach(target int, prog FD, typ bpf.AttachType) error {
	at := attachAttr{target: uint32(target), prog: uint32(prog), typ: uint32(typ)}
	if _, err := call(cmdProgDetach, &at); err != nil {
		return &Error{Op: "detach program from", Name: typ.String(), Err: err}
	}
	return nil
}
