// SPDX-License-Identifier: Apache-2.0

//go:build linux

package jit

import (
	"encoding/binary"
	"errors"
	"fmt"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/internal/testrun"
	"github.com/modbpf/modbpf/internal/unchecked"
	"github.com/modbpf/modbpf/verifier"
)

// Tests in this package run one program on every engine there is: the
// interpreter, the machine code, and the machine's own kernel. A program gets in
// R1 the address of a block of eight 64-bit words that it may read and write.

const blockSize = 64

type block [blockSize / 8]uint64

// outside is memory that is not Go's, as programs need it.
func outside(t testing.TB, size int) []byte {
	t.Helper()
	m, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Munmap(m); err != nil {
			t.Error(err)
		}
	})
	return m
}

func addrOf(m []byte) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(m))) }

// engine is one way of running a program on a block.
type engine struct {
	name string
	make func(testing.TB, []bpf.Insn) (func(*block) (uint64, error), error)
}

// testLinker resolves what test programs refer to.
type testLinker struct {
	helpers map[int32]Func
	packet  Func
}

func (l *testLinker) Map(int) (MapInfo, error) { return MapInfo{}, errors.New("no maps") }
func (l *testLinker) Helper(id int32) (*Callee, error) {
	if f := l.helpers[id]; f != nil {
		return &Callee{Name: fmt.Sprint("helper ", id), Fn: f}, nil
	}
	return nil, fmt.Errorf("helper %d: not in the test", id)
}

func (l *testLinker) Kfunc(n string) (*Callee, error) { return nil, fmt.Errorf("kfunc %s: none", n) }
func (l *testLinker) Ksym(n string) (uintptr, error)  { return 0, fmt.Errorf("ksym %s: none", n) }
func (l *testLinker) PacketLoad() (*Callee, error) {
	if l.packet == nil {
		return nil, errors.New("no packet")
	}
	return &Callee{Name: "packet load", Fn: l.packet}, nil
}

func checked(insns []bpf.Insn) *verifier.Checked {
	return unchecked.New(&verifier.Program{Name: "test", Type: bpf.ProgSyscall, Insns: insns})
}

func onEngine(mk func(*verifier.Checked, Linker) (Executable, error), l Linker) func(testing.TB, []bpf.Insn) (func(*block) (uint64, error), error) {
	return func(t testing.TB, insns []bpf.Insn) (func(*block) (uint64, error), error) {
		x, err := mk(checked(insns), l)
		if err != nil {
			return nil, err
		}
		t.Cleanup(func() {
			if err := x.Close(); err != nil {
				t.Error(err)
			}
		})
		mem := outside(t, blockSize)
		return func(b *block) (uint64, error) {
			for i, v := range b {
				binary.LittleEndian.PutUint64(mem[8*i:], v)
			}
			r, err := x.Run(addrOf(mem), nil)
			for i := range b {
				b[i] = binary.LittleEndian.Uint64(mem[8*i:])
			}
			return r, err
		}, nil
	}
}

// onKernel wraps the program: the last word of the block receives R0, of which
// the system call returns only half.
func onKernel(t testing.TB, insns []bpf.Insn) (func(*block) (uint64, error), error) {
	wrapped := append([]bpf.Insn{
		movX(6, 1),
		{Op: bpf.OpCall, Regs: bpf.Regs(0, bpf.PseudoCall), Imm: 3},
		stx(bpf.SizeDW, 6, blockSize, 0),
		movK(0, 0),
		exit,
	}, insns...)
	p, err := testrun.Load(bpf.ProgSyscall, wrapped)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return func(b *block) (uint64, error) {
		ctx := make([]byte, blockSize+8)
		for i, v := range b {
			binary.LittleEndian.PutUint64(ctx[8*i:], v)
		}
		_, err := p.RunCtx(ctx)
		for i := range b {
			b[i] = binary.LittleEndian.Uint64(ctx[8*i:])
		}
		return binary.LittleEndian.Uint64(ctx[blockSize:]), err
	}, nil
}

// ourEngines are the engines of this package on this machine.
func ourEngines(l Linker) []engine {
	var e []engine
	for name, mk := range makers {
		e = append(e, engine{name, onEngine(mk, l)})
	}
	return e
}

// allEngines adds the kernel where it lets us.
func allEngines(t *testing.T) []engine {
	e := ourEngines(&testLinker{})
	_, err := onKernel(t, []bpf.Insn{movK(0, 0), exit})
	switch {
	case errors.Is(err, testrun.ErrUnavailable):
		t.Log("without the kernel: ", err)
	case err != nil:
		t.Fatal(err)
	default:
		e = append(e, engine{"kernel", onKernel})
	}
	return e
}

// Shorthands for instructions.
var exit = bpf.Insn{Op: bpf.OpExit}

func movK(d uint8, v int32) bpf.Insn { return bpf.Insn{Op: 0xb7, Regs: d, Imm: v} }
func movX(d, s uint8) bpf.Insn       { return bpf.Insn{Op: 0xbf, Regs: bpf.Regs(d, s)} }
func ldx(size, d, s uint8, off int16) bpf.Insn {
	return bpf.Insn{Op: bpf.ClassLDX | bpf.ModeMEM | size, Regs: bpf.Regs(d, s), Off: off}
}

func stx(size, d uint8, off int16, s uint8) bpf.Insn {
	return bpf.Insn{Op: bpf.ClassSTX | bpf.ModeMEM | size, Regs: bpf.Regs(d, s), Off: off}
}

func alu(op, d, s uint8, off int16, imm int32) bpf.Insn {
	return bpf.Insn{Op: op, Regs: bpf.Regs(d, s), Off: off, Imm: imm}
}

func lddw(d uint8, v uint64) []bpf.Insn {
	return []bpf.Insn{{Op: bpf.OpLdImm64, Regs: d, Imm: int32(v)}, {Imm: int32(v >> 32)}}
}

func call(id int32) bpf.Insn { return bpf.Insn{Op: bpf.OpCall, Imm: id} }
func local(rel int32) bpf.Insn {
	return bpf.Insn{Op: bpf.OpCall, Regs: bpf.Regs(0, bpf.PseudoCall), Imm: rel}
}

// program glues instructions and slices of them together.
func program(parts ...any) []bpf.Insn {
	var r []bpf.Insn
	for _, p := range parts {
		switch p := p.(type) {
		case bpf.Insn:
			r = append(r, p)
		case []bpf.Insn:
			r = append(r, p...)
		default:
			panic(fmt.Sprintf("program part %T", p))
		}
	}
	return r
}
