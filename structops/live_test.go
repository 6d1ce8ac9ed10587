// SPDX-License-Identifier: Apache-2.0

//go:build linux

package structops_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/framework/kernel/sys"
	"github.com/modbpf/modbpf/structops"
)

// running is the series of the machine's own kernel; the test is skipped where
// it cannot be asked.
func running(t *testing.T) bpf.Release {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root to ask the kernel")
	}
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		t.Fatal(err)
	}
	rel, err := bpf.ParseRelease(unix.ByteSliceToString(u.Release[:]))
	if err != nil {
		t.Fatal(err)
	}
	fd, _, err := sys.ProgLoad(sys.ProgAttr{Type: bpf.ProgSocketFilter, License: "GPL", Insns: []bpf.Insn{mov(0, 0), {Op: bpf.OpExit}}})
	if err != nil {
		t.Skipf("kernel does not let us load programs: %v", err)
	}
	closeFD(t, fd)
	return rel
}

func closeFD(t *testing.T, fd sys.FD) {
	t.Helper()
	if err := unix.Close(int(fd)); err != nil {
		t.Error(err)
	}
}

func mov(dst uint8, v int32) bpf.Insn {
	return bpf.Insn{Op: bpf.ClassALU64 | bpf.AluMOV, Regs: bpf.Regs(dst, 0), Imm: v}
}

var sizeBits = map[int]uint8{1: bpf.SizeB, 2: bpf.SizeH, 4: bpf.SizeW, 8: bpf.SizeDW}

// access is the program that makes one access to the context and returns what it must.
func access(h *structops.Hook, attach bpf.AttachType, off, size int, write bool) []bpf.Insn {
	ret := int32(0)
	if r, ok := h.Returns(attach); ok {
		ret = int32(r.Min)
	}
	in := bpf.Insn{Op: bpf.ClassLDX | bpf.ModeMEM | sizeBits[size], Regs: bpf.Regs(2, 1), Off: int16(off)}
	if write {
		in = bpf.Insn{Op: bpf.ClassSTX | bpf.ModeMEM | sizeBits[size], Regs: bpf.Regs(1, 2), Off: int16(off)}
	}
	return []bpf.Insn{mov(2, 0), in, mov(0, ret), {Op: bpf.OpExit}}
}

// TestContextAccess asks the running kernel about every offset, size and
// direction of every context, under every attach type.
func TestContextAccess(t *testing.T) { contextAccess(t) }

func contextAccess(t *testing.T) {
	rel := running(t)
	total := 0
	for _, h := range structops.Hooks(rel) {
		if h.CtxBTF || h.Type == bpf.ProgExt {
			continue // typed arguments: BTF is their table
		}
		attach := h.Attach
		if h.DefaultAttach != 0 || len(attach) == 0 || !h.AttachStrict {
			attach = append([]bpf.AttachType{0}, attach...)
		}
		t.Run(h.Name, func(t *testing.T) {
			n, loads := 0, 0
			for _, at := range attach {
				k := asker{t: t, h: h, attach: at}
				if !k.available() {
					t.Logf("attach type %s: the kernel has no such program", at)
					continue
				}
				hardened := false
				if h.Type == bpf.ProgKprobe && h.Find(0, 8, true, false, at) != nil {
					// Some kernels are built to refuse what 6.18 began to allow.
					if ok, _ := k.ask(0, 8, true); !ok {
						hardened = true
						t.Logf("attach type %s: this kernel lets no program store to registers", at)
					}
				}
				for _, off := range offsets(h) {
					if off < 0 && h.Type == bpf.ProgTracepoint {
						continue // an unsigned comparison lets the kernel read what lies before the record; we do not
					}
					for _, size := range []int{1, 2, 4, 8} {
						for _, write := range []bool{false, true} {
							want := h.Find(off, size, write, false, at) != nil && !(write && hardened)
							got, log := k.ask(off, size, write)
							loads++
							if got != want {
								if n++; n < 20 {
									t.Errorf("attach %s, offset %d, size %d, write %v: kernel says %v, table %v\n%s", at, off, size, write, got, want, log)
								}
							}
						}
					}
				}
			}
			t.Logf("%d accesses asked, %d differ", loads, n)
			total += loads
		})
	}
	t.Logf("%d accesses in all", total)
}

// offsets are all offsets of a small context, and the ends of a large one.
func offsets(h *structops.Hook) []int {
	var out []int
	for o := -8; o < h.CtxSize+9; o++ {
		if h.CtxSize > 512 && o > 24 && o < h.CtxSize-24 {
			continue
		}
		if o <= 32767 && o >= -32768 {
			out = append(out, o)
		}
	}
	return out
}

type asker struct {
	t      *testing.T
	h      *structops.Hook
	attach bpf.AttachType
}

func (k asker) load(insns []bpf.Insn) (string, error) {
	a := sys.ProgAttr{Type: k.h.Type, AttachType: uint32(k.attach), Insns: insns, License: "GPL", LogLevel: sys.LogInstructions}
	if k.h.AlwaysSleepable {
		a.Flags = bpf.ProgSleepable
	}
	fd, log, err := sys.ProgLoad(a)
	if err == nil {
		closeFD(k.t, fd)
	}
	return log, err
}

// available reports whether the kernel takes an empty program of this kind.
func (k asker) available() bool {
	ret := int32(0)
	if r, ok := k.h.Returns(k.attach); ok {
		ret = int32(r.Min)
	}
	_, err := k.load([]bpf.Insn{mov(0, ret), {Op: bpf.OpExit}})
	return err == nil
}

func (k asker) ask(off, size int, write bool) (bool, string) {
	k.t.Helper()
	log, err := k.load(access(k.h, k.attach, off, size, write))
	if err == nil {
		return true, ""
	}
	for _, m := range []string{"invalid bpf_context access", "misaligned context access", "dereference of modified ctx", "negative offset ctx ptr", "min value is negative", "outside of the allowed memory range"} {
		if strings.Contains(log, m) {
			return false, log
		}
	}
	if !errors.Is(err, syscall.EACCES) || log != "" {
		k.t.Errorf("offset %d, size %d, write %v: refused for another reason: %v", off, size, write, err)
	}
	return false, ""
}

// TestReturnRange asks for values at the edges of what a program may return.
func TestReturnRange(t *testing.T) {
	rel := running(t)
	for _, h := range structops.Hooks(rel) {
		if h.CtxBTF || h.Type == bpf.ProgExt {
			continue
		}
		for _, at := range append([]bpf.AttachType{0}, h.Attach...) {
			k := asker{t: t, h: h, attach: at}
			if !h.AttachAllowed(at) || !k.available() {
				continue
			}
			for v := int32(-2); v <= 5; v++ {
				r, limited := h.Returns(at)
				want := !limited || int64(v) >= r.Min && int64(v) <= r.Max
				log, err := k.load([]bpf.Insn{mov(0, v), {Op: bpf.OpExit}})
				if (err == nil) != want {
					t.Errorf("%s, attach %s, return %d: kernel says %v, table %v\n%s", h.Name, at, v, err == nil, want, log)
				}
			}
		}
	}
}

// TestAttachTypes asks which expected attach types the kernel takes.
func TestAttachTypes(t *testing.T) {
	rel := running(t)
	for _, h := range structops.Hooks(rel) {
		if h.CtxBTF || h.Type == bpf.ProgExt {
			continue
		}
		if !(asker{t: t, h: h, attach: firstAttach(h)}).available() {
			t.Logf("%s: the kernel has no such program", h.Name)
			continue
		}
		for at := bpf.AttachType(0); at <= bpf.AttachTraceUprobeSession; at++ {
			want := h.AttachAllowed(at)
			if got := (asker{t: t, h: h, attach: at}).available(); got != want {
				t.Errorf("%s, attach type %s: kernel says %v, table %v", h.Name, at, got, want)
			}
		}
	}
}

func firstAttach(h *structops.Hook) bpf.AttachType {
	if h.AttachStrict {
		return h.Attach[0]
	}
	return 0
}

// TestSleepable asks which program types take BPF_F_SLEEPABLE.
func TestSleepable(t *testing.T) {
	rel := running(t)
	for _, h := range structops.Hooks(rel) {
		if h.CtxBTF || h.Type == bpf.ProgExt || !(asker{t: t, h: h, attach: firstAttach(h)}).available() {
			continue
		}
		for _, flags := range []uint32{0, bpf.ProgSleepable} {
			want := flags == 0 && !h.AlwaysSleepable || flags != 0 && h.CanSleep(firstAttach(h))
			ret := int32(0)
			if r, ok := h.Returns(firstAttach(h)); ok {
				ret = int32(r.Min)
			}
			fd, log, err := sys.ProgLoad(sys.ProgAttr{Type: h.Type, AttachType: uint32(firstAttach(h)), License: "GPL", Flags: flags, Insns: []bpf.Insn{mov(0, ret), {Op: bpf.OpExit}}})
			if err == nil {
				closeFD(t, fd)
			}
			if (err == nil) != want {
				t.Errorf("%s, flags %#x: kernel says %v, table %v\n%s", h.Name, flags, err == nil, want, log)
			}
		}
	}
}

// TestSocketFields asks about every offset and size of the objects that are
// read through socket pointers.
func TestSocketFields(t *testing.T) {
	running(t)
	call := func(id int32) bpf.Insn { return bpf.Insn{Op: bpf.OpCall, Imm: id} }
	nullCheck := bpf.Insn{Op: bpf.ClassJMP | bpf.JmpJNE, Off: 2}
	exit := []bpf.Insn{mov(0, 0), {Op: bpf.OpExit}}
	// r1 = skb->sk; if null exit
	common := append([]bpf.Insn{{Op: bpf.ClassLDX | bpf.ModeMEM | bpf.SizeDW, Regs: bpf.Regs(1, 1), Off: 168}, {Op: nullCheck.Op, Regs: bpf.Regs(1, 0), Off: 2}}, exit...)
	after := func(id int32) []bpf.Insn { // r1 = helper(r1); if null exit
		p := append(append([]bpf.Insn{}, common...), call(id), bpf.Insn{Op: nullCheck.Op, Regs: bpf.Regs(0, 0), Off: 2})
		p = append(p, exit...)
		return append(p, bpf.Insn{Op: bpf.ClassALU64 | bpf.AluMOV | bpf.SrcX, Regs: bpf.Regs(1, 0)})
	}
	for _, tt := range []struct {
		name  string
		kind  structops.ValueKind
		setup []bpf.Insn
		size  int
	}{
		{"sock_common", structops.KindSockCommon, common, 80},
		{"sock", structops.KindSocket, after(95), 80},       // sk_fullsock
		{"tcp_sock", structops.KindTCPSock, after(96), 112}, // tcp_sock
	} {
		n := 0
		for off := 0; off < tt.size+4; off++ {
			for _, size := range []int{1, 2, 4, 8} {
				p := append(append([]bpf.Insn{}, tt.setup...), bpf.Insn{Op: bpf.ClassLDX | bpf.ModeMEM | sizeBits[size], Regs: bpf.Regs(2, 1), Off: int16(off)})
				p = append(p, exit...)
				fd, log, err := sys.ProgLoad(sys.ProgAttr{Type: bpf.ProgSchedCls, License: "GPL", Insns: p, LogLevel: sys.LogInstructions})
				if err == nil {
					closeFD(t, fd)
				} else if !strings.Contains(log, fmt.Sprintf("invalid %s access", tt.name)) && !strings.Contains(log, "error during ctx access conversion") && !strings.Contains(log, "bpf verifier is misconfigured") {
					t.Fatalf("%s: refused for another reason: %v", tt.name, err)
				}
				n++
				if want := structops.FindObject(tt.kind, off, size) != nil; (err == nil) != want {
					t.Errorf("%s, offset %d, size %d: kernel says %v, table %v", tt.name, off, size, err == nil, want)
				}
			}
		}
		t.Logf("%s: %d accesses", tt.name, n)
	}
}
