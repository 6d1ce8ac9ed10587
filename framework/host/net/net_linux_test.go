// SPDX-License-Identifier: Apache-2.0

package net

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/framework/host"
	"github.com/modbpf/modbpf/verifier"
)

func mustInsert(t testing.TB, n *Net, k verifier.Kernel, p *verifier.Program) *host.Prog {
	t.Helper()
	prog, err := insert(t, n, k, p)
	if err != nil {
		t.Fatal(err)
	}
	return prog
}

// dropper drops IPv4 packets after reading their type and passes the others.
func dropper() []bpf.Insn {
	var a asm
	a.op(bpf.ClassLDX|bpf.ModeMEM|bpf.SizeW, 2, 1, 0, 0)
	a.op(bpf.ClassLDX|bpf.ModeMEM|bpf.SizeW, 3, 1, 4, 0)
	a.mov(4, 2)
	a.op(bpf.ClassALU64|bpf.AluADD, 4, 0, 0, 34)
	a.op(bpf.ClassJMP|bpf.JmpJGT|bpf.SrcX, 4, 3, 4, 0)
	a.op(bpf.ClassLDX|bpf.ModeMEM|bpf.SizeH, 5, 2, 12, 0)
	a.op(bpf.ClassJMP|bpf.JmpJNE, 5, 0, 2, 8)
	a.movi(0, XDPDrop)
	a.op(bpf.OpExit, 0, 0, 0, 0)
	a.movi(0, XDPPass)
	a.op(bpf.OpExit, 0, 0, 0, 0)
	return a.in
}

func redirector(ifindex int32, flags int32) []bpf.Insn {
	var a asm
	a.movi(1, ifindex)
	a.movi(2, flags)
	a.op(bpf.OpCall, 0, 0, 0, 23)
	a.op(bpf.OpExit, 0, 0, 0, 0)
	return a.in
}

func ipv4(n int) []byte {
	p := make([]byte, n)
	copy(p, []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45})
	return p
}

func TestDevices(t *testing.T) {
	n, k := newNet(t)
	a, err := n.AddDevice("eth0")
	if err != nil {
		t.Fatal(err)
	}
	b, err := n.AddDevice("eth1")
	if err != nil {
		t.Fatal(err)
	}
	var wire, stack [][]byte
	b.Wire = func(s *Skb) { wire = append(wire, bytes.Clone(s.Bytes())) }
	a.Stack = func(s *Skb) { stack = append(stack, bytes.Clone(s.Bytes())) }
	r := n.Host.Enter(nil)
	defer r.Exit()
	arp := ipv4(60)
	arp[13] = 6

	// XDP: IPv4 is dropped, the rest reaches the stack.
	drop := mustInsert(t, n, k, &verifier.Program{Type: bpf.ProgXDP, Insns: dropper()})
	if err := a.AttachXDP(drop); err != nil {
		t.Fatal(err)
	}
	if err := a.AttachXDP(drop); !errors.Is(err, ErrTakeover) {
		t.Errorf("second XDP program: %v", err)
	}
	for _, p := range [][]byte{ipv4(60), arp, ipv4(20)} {
		if err := a.Receive(r, p, 5); err != nil {
			t.Fatal(err)
		}
	}
	if len(stack) != 2 || !bytes.Equal(stack[0], arp) || a.Stats.XDP[XDPDrop] != 1 {
		t.Errorf("stack got %d packets, %+v", len(stack), a.Stats)
	}
	a.Detach(drop)

	// tcx: everything goes out of the other device.
	fwd := mustInsert(t, n, k, &verifier.Program{Type: bpf.ProgSchedCls, Insns: redirector(int32(b.Ifindex), 0)})
	a.AttachTCX(fwd, false)
	tagged := append(append(bytes.Clone(arp[:12]), 0x81, 0, 0x20, 7), arp[12:]...)
	for _, p := range [][]byte{arp, tagged} {
		if err := a.Receive(r, p, 5); err != nil {
			t.Fatal(err)
		}
	}
	if len(wire) != 2 || !bytes.Equal(wire[0], arp) || !bytes.Equal(wire[1], tagged) {
		t.Errorf("wire got %x", wire)
	}

	// A circle ends.
	back := mustInsert(t, n, k, &verifier.Program{Type: bpf.ProgSchedCls, Insns: redirector(int32(a.Ifindex), 1)})
	b.AttachTCX(back, true)
	if err := a.Receive(r, arp, 5); err != nil {
		t.Fatal(err)
	}
	if a.Stats.Lost+b.Stats.Lost != 1 || len(wire) != 2 {
		t.Errorf("circle: %+v %+v", a.Stats, b.Stats)
	}
	if n.Live() != 0 {
		t.Errorf("%d packets leaked", n.Live())
	}
}

func TestPairs(t *testing.T) {
	n, k := newNet(t)
	a, b, err := n.AddPair("nk0", "nk1", true)
	if err != nil {
		t.Fatal(err)
	}
	got := 0
	b.Stack = func(*Skb) { got++ }
	r := n.Host.Enter(nil)
	defer r.Exit()
	send := func() {
		t.Helper()
		s, err := n.NewSkb(ipv4(60), a)
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Send(r, s); err != nil {
			t.Fatal(err)
		}
	}
	send()
	var drop asm
	drop.movi(0, TCXDrop)
	drop.op(bpf.OpExit, 0, 0, 0, 0)
	p := mustInsert(t, n, k, &verifier.Program{Type: bpf.ProgSchedCls, AttachType: bpf.AttachNetkitPrimary, Insns: drop.in})
	if err := a.AttachNetkit(p); err != nil {
		t.Fatal(err)
	}
	send()
	if got != 1 || a.Stats.Dropped != 1 || n.Live() != 0 {
		t.Errorf("peer got %d, %+v, %d live", got, a.Stats, n.Live())
	}
	eth, err := n.AddDevice("eth0")
	if err != nil {
		t.Fatal(err)
	}
	if err := eth.AttachNetkit(p); err == nil {
		t.Error("netkit program on an Ethernet device")
	}
}

func TestNoFacts(t *testing.T) {
	n, k := newNet(t)
	c, diag := verifier.Verify(&verifier.Program{Name: "x", License: "GPL", Type: bpf.ProgXDP, Insns: dropper()}, k, verifier.Options{})
	if diag != nil {
		t.Fatal(diag)
	}
	if _, err := n.Host.Insert(host.Spec{Name: "x", Programs: []*verifier.Checked{c}}); !errors.Is(err, host.ErrNoFacts) {
		t.Errorf("packet program without facts: %v", err)
	}
}

func TestCaptures(t *testing.T) {
	var buf bytes.Buffer
	w, err := NewCaptureWriter(&buf)
	if err != nil {
		t.Fatal(err)
	}
	want := []Packet{{Time: 1_000_000_007, Data: []byte("hello, this is a frame")}, {Time: 2_500_000_000, Data: []byte("another")}}
	for _, p := range want {
		if err := w.Write(p.Time, p.Data); err != nil {
			t.Fatal(err)
		}
	}
	whole := buf.Bytes()
	got, err := ReadCapture(bytes.NewReader(whole))
	if err != nil || len(got) != 2 || got[0].Time != want[0].Time || !bytes.Equal(got[1].Data, want[1].Data) {
		t.Fatalf("%v, %+v", err, got)
	}
	if _, err := ReadCapture(bytes.NewReader(whole[:len(whole)-3])); !errors.Is(err, ErrCapture) || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("truncated: %v", err)
	}
	if _, err := ReadCapture(bytes.NewReader([]byte("no capture at all"))); !errors.Is(err, ErrCapture) {
		t.Errorf("not a capture: %v", err)
	}
	// pcapng, big-endian, one interface with nanoseconds, one packet going out.
	be := binary.BigEndian
	block := func(typ uint32, body []byte) []byte {
		n := uint32(12 + len(body))
		b := be.AppendUint32(be.AppendUint32(nil, typ), n)
		return be.AppendUint32(append(b, body...), n)
	}
	ng := block(0x0a0d0d0a, append(be.AppendUint32(nil, 0x1a2b3c4d), 0, 1, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255))
	ng = append(ng, block(1, []byte{0, 1, 0, 0, 0, 0, 0, 0, 0, 9, 0, 1, 9, 0, 0, 0, 0, 0, 0, 0})...)
	ts := uint64(3_000_000_123)
	pk := be.AppendUint32(nil, 0)
	pk = be.AppendUint32(pk, uint32(ts>>32))
	pk = be.AppendUint32(pk, uint32(ts))
	pk = be.AppendUint32(pk, 5)
	pk = be.AppendUint32(pk, 60)
	pk = append(pk, 'a', 'b', 'c', 'd', 'e', 0, 0, 0, 0, 2, 0, 4, 0, 0, 0, 2, 0, 0, 0, 0)
	ng = append(ng, block(6, pk)...)
	got, err = ReadCapture(bytes.NewReader(ng))
	if err != nil || len(got) != 1 || got[0].Time != ts || string(got[0].Data) != "abcde" || got[0].Len != 60 || !got[0].Outbound {
		t.Fatalf("pcapng: %v, %+v", err, got)
	}
}

func FuzzCapture(f *testing.F) {
	var buf bytes.Buffer
	w, err := NewCaptureWriter(&buf)
	if err != nil {
		f.Fatal(err)
	}
	if err := w.Write(1, []byte("frame")); err != nil {
		f.Fatal(err)
	}
	f.Add(buf.Bytes())
	f.Add([]byte("\x0a\x0d\x0d\x0a\x1c\x00\x00\x00\x4d\x3c\x2b\x1a\x01\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := OpenCapture(bytes.NewReader(b))
		for err == nil {
			_, err = c.Next()
		}
	})
}

// BenchmarkXDPDrop is parse-and-drop of 64-byte packets from a capture in memory.
func BenchmarkXDPDrop(b *testing.B) {
	n, k := newNet(b)
	p := mustInsert(b, n, k, &verifier.Program{Type: bpf.ProgXDP, Insns: dropper()})
	batch, err := n.NewBatch(p, 64)
	if err != nil {
		b.Fatal(err)
	}
	defer batch.Free()
	packets := make([][]byte, 1024)
	for i := range packets {
		packets[i] = ipv4(64)
	}
	var v [5]uint64
	r := n.Host.Enter(nil)
	defer r.Exit()
	b.ReportAllocs()
	for b.Loop() {
		if err := batch.Run(r, packets, 1, &v); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1024, "ns/packet")
	if v[XDPDrop] == 0 || v[XDPPass] != 0 {
		b.Fatalf("verdicts %v", v)
	}
}

// BenchmarkTCXRedirect takes a packet from one device to another.
func BenchmarkTCXRedirect(b *testing.B) {
	n, k := newNet(b)
	in, err := n.AddDevice("eth0")
	if err != nil {
		b.Fatal(err)
	}
	out, err := n.AddDevice("eth1")
	if err != nil {
		b.Fatal(err)
	}
	got := 0
	out.Wire = func(*Skb) { got++ }
	in.AttachTCX(mustInsert(b, n, k, &verifier.Program{Type: bpf.ProgSchedCls, Insns: redirector(int32(out.Ifindex), 0)}), false)
	r := n.Host.Enter(nil)
	defer r.Exit()
	p := ipv4(64)
	b.ReportAllocs()
	for b.Loop() {
		if err := in.Receive(r, p, 1); err != nil {
			b.Fatal(err)
		}
	}
	if got == 0 {
		b.Fatal("nothing came out")
	}
}
