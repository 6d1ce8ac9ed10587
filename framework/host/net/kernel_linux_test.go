// SPDX-License-Identifier: Apache-2.0

package net

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/framework/host"
	"github.com/modbpf/modbpf/framework/host/mem"
	"github.com/modbpf/modbpf/framework/profile"
	"github.com/modbpf/modbpf/internal/testrun"
	"github.com/modbpf/modbpf/verifier"
)

func newNet(t testing.TB) (*Net, verifier.Kernel) {
	t.Helper()
	k, err := profile.Running()
	if err != nil {
		t.Skip("no profile of the running kernel:", err)
	}
	h, err := host.New(k, host.Options{CPUs: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	n, err := New(h)
	if err != nil {
		t.Fatal(err)
	}
	return n, k
}

// insert proves and links one program written by hand.
func insert(t testing.TB, n *Net, k verifier.Kernel, p *verifier.Program) (*host.Prog, error) {
	t.Helper()
	p.License = "GPL"
	p.Name = "test"
	c, diag := verifier.Verify(p, k, verifier.Options{Facts: true})
	if diag != nil {
		return nil, diag
	}
	d, err := n.Host.Insert(host.Spec{Name: fmt.Sprintf("d%d", len(n.Host.Drivers())), Programs: []*verifier.Checked{c}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d.Programs[0], nil
}

// testRun is BPF_PROG_TEST_RUN with room for a packet that grows.
func testRun(fd int, packet []byte) (uint32, []byte, error) {
	var a struct {
		fd, retval      uint32
		inLen, outLen   uint32
		in, out         uint64
		repeat, took    uint32
		ctxIn, ctxOut   uint32
		ctxInP, ctxOutP uint64
		flags, cpu      uint32
		batch, _        uint32
	}
	out := make([]byte, 70000)
	var pin runtime.Pinner
	defer pin.Unpin()
	pin.Pin(&packet[0])
	pin.Pin(&out[0])
	a.fd, a.inLen, a.outLen, a.repeat = uint32(fd), uint32(len(packet)), uint32(len(out)), 1
	a.in, a.out = uint64(uintptr(unsafe.Pointer(&packet[0]))), uint64(uintptr(unsafe.Pointer(&out[0])))
	_, _, e := unix.Syscall(unix.SYS_BPF, 10, uintptr(unsafe.Pointer(&a)), unsafe.Sizeof(a))
	if e != 0 {
		return 0, nil, e
	}
	return a.retval, out[:a.outLen], nil
}

// asm builds random programs: r6 is the context, r9 sums up all that was seen.
type asm struct {
	in     []bpf.Insn
	say    []string
	shrunk bool
}

func (a *asm) op(op, dst, src uint8, off int16, imm int32) {
	a.in = append(a.in, bpf.Insn{Op: op, Regs: bpf.Regs(dst, src), Off: off, Imm: imm})
}
func (a *asm) movi(d uint8, v int32) { a.op(bpf.ClassALU64|bpf.AluMOV, d, 0, 0, v) }
func (a *asm) mov(d, s uint8)        { a.op(bpf.ClassALU64|bpf.AluMOV|bpf.SrcX, d, s, 0, 0) }

// note adds a register to the sum.
func (a *asm) note(r uint8) {
	a.op(bpf.ClassALU64|bpf.AluMUL, 9, 0, 0, 31)
	a.op(bpf.ClassALU64|bpf.AluADD|bpf.SrcX, 9, r, 0, 0)
}

func (a *asm) call(name string, id int32, args ...any) {
	a.say = append(a.say, fmt.Sprint(name, args))
	a.mov(1, 6)
	for i, v := range args {
		r := uint8(2 + i)
		switch v := v.(type) {
		case int:
			a.movi(r, int32(v))
		case stack:
			a.mov(r, 10)
			a.op(bpf.ClassALU64|bpf.AluADD, r, 0, 0, int32(v))
		}
	}
	a.op(bpf.OpCall, 0, 0, 0, id)
	a.note(0)
}

type stack int32

func (a *asm) begin() {
	a.mov(6, 1)
	a.movi(9, 0)
	for i := range 4 {
		a.op(bpf.ClassST|bpf.ModeMEM|bpf.SizeDW, 10, 0, int16(-32+8*i), int32(0x01020304*(i+1)))
	}
}

func (a *asm) end() []bpf.Insn {
	a.mov(0, 9)
	a.op(bpf.ClassALU64|bpf.AluAND, 0, 0, 0, 0x7fffffff)
	a.op(bpf.OpExit, 0, 0, 0, 0)
	return a.in
}

func (a *asm) field(off int16, size uint8) {
	a.say = append(a.say, fmt.Sprintf("read ctx+%d", off))
	a.op(bpf.ClassLDX|bpf.ModeMEM|size, 0, 6, off, 0)
	a.note(0)
}

// packetByte reads a byte of the packet if there is one.
func (a *asm) packetByte(end int16, at int32) {
	a.say = append(a.say, fmt.Sprintf("byte %d", at))
	data := int16(0)
	if end == 80 {
		data = 76
	}
	a.op(bpf.ClassLDX|bpf.ModeMEM|bpf.SizeW, 2, 6, data, 0)
	a.op(bpf.ClassLDX|bpf.ModeMEM|bpf.SizeW, 3, 6, end, 0)
	a.mov(4, 2)
	a.op(bpf.ClassALU64|bpf.AluADD, 4, 0, 0, at+1)
	a.movi(0, -1)
	a.op(bpf.ClassJMP|bpf.JmpJGT|bpf.SrcX, 4, 3, 1, 0)
	a.op(bpf.ClassLDX|bpf.ModeMEM|bpf.SizeB, 0, 2, int16(at), 0)
	a.note(0)
}

func pick[T any](r *rand.Rand, v ...T) T { return v[r.IntN(len(v))] }

func skbStep(a *asm, r *rand.Rand) {
	off := func() int { return pick(r, 0, 6, 12, 14, 24, 26, 50, 66, 90, 200, 70000) }
	switch r.IntN(13) {
	case 0:
		a.call("store", 9, off(), stack(-32), pick(r, 1, 4, 16), pick(r, 0, 0, 1, 2, 4))
	case 1:
		a.call("load", 26, off(), stack(-16), pick(r, 1, 4, 16))
		a.op(bpf.ClassLDX|bpf.ModeMEM|bpf.SizeDW, 1, 10, -16, 0)
		a.note(1)
	case 2:
		a.call("l3", 10, pick(r, 24, 25, 90, 300), pick(r, 0, 0x1234), 0x4321, pick(r, 0, 2, 4, 3, 16))
	case 3:
		a.call("l4", 11, pick(r, 50, 51, 16, 300), pick(r, 0, 0x1234), 0x4321, pick(r, 0, 2, 4, 2|0x10, 2|0x20, 4|0x60, 3))
	case 4:
		a.shrunk = true
		a.call("change_tail", 38, pick(r, 10, 14, 40, 100, 150, 1000), pick(r, 0, 0, 0, 1))
	case 5:
		a.call("change_head", 43, pick(r, 0, 1, 14, 64, 300, -1), pick(r, 0, 0, 0, 1))
	case 6:
		diff, mode := pick(r, 8, 20, 24, -8, -20, -60, 5000), pick(r, 0, 1, 1, 2)
		if diff > 0 && a.shrunk {
			mode = 1 // the kernel moves bytes from behind a packet that ends in its IP header
		}
		a.shrunk = a.shrunk || diff < 0
		a.call("adjust_room", 50, diff, mode, pick(r, 0, 1, 2, 4, 2|8, 2|16, 6, 0x40, 1<<12))
	case 7:
		a.call("vlan_push", 18, pick(r, 0x0081, 0xa888, 0), pick(r, 5, 0x2007))
	case 8:
		a.call("vlan_pop", 19)
	case 9:
		a.call("change_type", 32, pick(r, 0, 1, 2, 3, 4))
	case 10:
		a.call("ecn_ce", 97)
	case 11:
		a.field(pick[int16](r, 0, 4, 8, 16, 20, 24, 28, 32, 44, 48, 52), bpf.SizeW)
	case 12:
		a.packetByte(80, pick[int32](r, 0, 13, 20, 34, 60))
	}
}

func xdpStep(a *asm, r *rand.Rand) {
	switch r.IntN(7) {
	case 0:
		a.call("adjust_head", 44, pick(r, 4, 14, -4, -100, -300, 90, 200))
	case 1:
		a.call("adjust_tail", 65, pick(r, 4, 100, -4, -50, -200, 5000))
	case 2:
		a.call("adjust_meta", 54, pick(r, 4, -4, -8, -30, -32, -300))
	case 3:
		a.call("buff_len", 188)
	case 4:
		a.call("load", 189, pick(r, 0, 12, 40, 95, 200), stack(-16), pick(r, 1, 4, 16))
		a.op(bpf.ClassLDX|bpf.ModeMEM|bpf.SizeDW, 1, 10, -16, 0)
		a.note(1)
	case 5:
		a.call("store", 190, pick(r, 0, 12, 40, 95, 200), stack(-32), pick(r, 1, 4, 16))
	case 6:
		a.packetByte(4, pick[int32](r, 0, 13, 20, 34, 60))
	}
}

func tcpPacket(r *rand.Rand) []byte {
	p := make([]byte, 100)
	for i := range p {
		p[i] = byte(i * 7)
	}
	copy(p, []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, byte(r.IntN(4)), 0, 86})
	p[23] = 6
	if r.IntN(6) == 0 {
		copy(p[12:], []byte{0x81, 0, 0, 9, 8, 0})
	}
	if r.IntN(6) == 0 {
		copy(p[12:], []byte{0x86, 0xdd, 0x60, 0x10})
	}
	return p
}

// TestAgainstTheKernel runs random sequences of packet helpers on the same
// packet here and in the machine's kernel: results and packets must be equal.
func TestAgainstTheKernel(t *testing.T) {
	for _, c := range []struct {
		name string
		typ  bpf.ProgType
		step func(*asm, *rand.Rand)
	}{{"skb", bpf.ProgSchedCls, skbStep}, {"xdp", bpf.ProgXDP, xdpStep}} {
		t.Run(c.name, func(t *testing.T) {
			n, k := newNet(t)
			seed := rand.Uint64()
			r := rand.New(rand.NewPCG(seed, 7))
			dev, err := n.AddDevice("lo0")
			if err != nil {
				t.Fatal(err)
			}
			dev.MAC = [6]byte{} // as the kernel's loopback device, which it runs packets on
			ran := 0
			for range 400 {
				var a asm
				a.begin()
				for range 1 + r.IntN(6) {
					c.step(&a, r)
				}
				insns := a.end()
				kp, err := testrun.Load(c.typ, insns)
				if errors.Is(err, testrun.ErrUnavailable) {
					t.Skip(err)
				}
				if err != nil {
					continue // a constant the kernel's verifier refuses
				}
				packet := tcpPacket(r)
				want, wantData, kerr := testRun(kp.FD(), bytes.Clone(packet))
				if err := kp.Close(); err != nil {
					t.Fatal(err)
				}
				if kerr != nil {
					t.Fatalf("kernel: %v", kerr)
				}
				p, err := insert(t, n, k, &verifier.Program{Type: c.typ, Insns: insns})
				if err != nil {
					t.Fatalf("our verifier refuses %s: %v", strings.Join(a.say, "; "), err)
				}
				run := n.Host.Enter(nil)
				var got uint32
				var data []byte
				if c.typ == bpf.ProgXDP {
					f, ferr := n.NewFrame(len(packet))
					if ferr != nil {
						t.Fatal(ferr)
					}
					if err := f.Load(packet, dev.Ifindex, 0); err != nil {
						t.Fatal(err)
					}
					got, err = f.Run(run, p)
					data = append(bytes.Clone(f.Meta()), f.Bytes()...) // the kernel copies out from the metadata on
					f.Free()
				} else {
					s, serr := n.NewSkb(packet, nil)
					if serr != nil {
						t.Fatal(serr)
					}
					*mem.U32(s.annex() + annexPktType) = dev.packetType(packet)
					n.skb.macLen.Set(s.ctx, 0) // a test run leaves it unset
					n.skb.transport.Set(s.ctx, noHeader)
					var v int32
					v, err = s.Run(run, p)
					got = uint32(v)
					data = bytes.Clone(s.Bytes())
					s.Free()
				}
				run.Exit()
				if err != nil {
					t.Fatal(err)
				}
				ran++
				if got != want || !bytes.Equal(data, wantData) {
					t.Fatalf("seed %d, packet type %x: %s:\nours   %#x %x\nkernel %#x %x", seed,
						binary.BigEndian.Uint16(packet[12:]), strings.Join(a.say, "; "), got, data, want, wantData)
				}
			}
			if ran < 100 {
				t.Errorf("only %d programs ran", ran)
			}
		})
	}
}
