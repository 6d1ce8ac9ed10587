// SPDX-License-Identifier: Apache-2.0

package net

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/modbpf/modbpf/framework/host"
	"github.com/modbpf/modbpf/framework/host/maps"
	"github.com/modbpf/modbpf/framework/host/mem"
	"github.com/modbpf/modbpf/framework/host/typed"
)

// tcx and netkit verdicts; both have -1 for "the next program decides".
const (
	TCXNext     = -1
	TCXPass     = 0 // TC_ACT_OK, NETKIT_PASS
	TCXDrop     = 2 // TC_ACT_SHOT, NETKIT_DROP
	TCXRedirect = 7
)

// Device is a network device of the model. Packets enter by Receive (from the
// wire) or Send (from the stack); what leaves it goes to the functions below.
type Device struct {
	Name    string
	Ifindex uint32
	MTU     int
	MAC     [6]byte

	net  *Net
	obj  *typed.Object
	up   bool
	peer *Device // netkit, veth
	kit  bool

	xdp     *host.Prog
	ingress []*host.Prog
	egress  []*host.Prog
	netkit  []*host.Prog // on transmit; the primary's or the peer's
	frame   *Frame

	// Wire gets what is sent out of the device, Stack what reaches the stack. The
	// packet is the model's again when they return.
	Wire  func(s *Skb)
	Stack func(s *Skb)
	Stats Counters
}

// Counters of a device.
type Counters struct {
	RxPackets, RxBytes uint64
	TxPackets, TxBytes uint64
	XDP                [5]uint64 // by verdict
	Dropped            uint64    // by a program
	Redirected         uint64
	Lost               uint64 // redirected or sent to where nothing takes it
}

// ErrTakeover is a second XDP program on a device.
var ErrTakeover = errors.New("the device has an XDP program")

// AddDevice makes an Ethernet device.
func (n *Net) AddDevice(name string) (*Device, error) {
	if len(name) == 0 || len(name) > 15 {
		return nil, fmt.Errorf("add device %q: names have 1 to 15 characters", name)
	}
	o, err := n.netdev.New(n.Host.Mem, 0)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.next++
	d := &Device{Name: name, Ifindex: n.next, MTU: 1500, net: n, obj: o, up: true}
	d.MAC = [6]byte{0x02, 0, 0, 0, byte(n.next >> 8), byte(n.next)}
	o.Set("ifindex", uint64(d.Ifindex))
	o.Set("mtu", uint64(d.MTU))
	o.SetString("name", name)
	n.devices[d.Ifindex] = d
	return d, nil
}

// AddPair makes two devices of which each receives what the other sends: a veth
// pair, or a netkit pair with programs on transmit.
func (n *Net) AddPair(name, peer string, netkit bool) (*Device, *Device, error) {
	a, err := n.AddDevice(name)
	if err != nil {
		return nil, nil, err
	}
	b, err := n.AddDevice(peer)
	if err != nil {
		a.Remove()
		return nil, nil, err
	}
	a.peer, b.peer, a.kit, b.kit = b, a, netkit, netkit
	return a, b, nil
}

// Addr is the device's struct net_device.
func (d *Device) Addr() uintptr { return d.obj.Addr }

// Remove takes the device away.
func (d *Device) Remove() {
	n := d.net
	n.Host.Freed(d.obj.Addr)
	n.mu.Lock()
	delete(n.devices, d.Ifindex)
	n.mu.Unlock()
	if d.peer != nil {
		d.peer.peer = nil
	}
	if d.frame != nil {
		d.frame.Free()
	}
	d.obj.Free()
}

// SetUp sets the link state.
func (d *Device) SetUp(up bool) { d.up = up }

// AttachXDP sets the device's XDP program; nil takes it off.
func (d *Device) AttachXDP(p *host.Prog) error {
	if p != nil && d.xdp != nil {
		return fmt.Errorf("attach XDP program to %s: %w", d.Name, ErrTakeover)
	}
	d.xdp = p
	return nil
}

// AttachTCX adds a program behind those there are.
func (d *Device) AttachTCX(p *host.Prog, egress bool) {
	if egress {
		d.egress = append(d.egress, p)
	} else {
		d.ingress = append(d.ingress, p)
	}
}

// AttachNetkit adds a program to what the device transmits.
func (d *Device) AttachNetkit(p *host.Prog) error {
	if !d.kit {
		return fmt.Errorf("attach netkit program to %s: not a netkit device", d.Name)
	}
	d.netkit = append(d.netkit, p)
	return nil
}

// Detach takes a program off wherever it is.
func (d *Device) Detach(p *host.Prog) {
	is := func(o *host.Prog) bool { return o == p }
	if d.xdp == p {
		d.xdp = nil
	}
	d.ingress = slices.DeleteFunc(d.ingress, is)
	d.egress = slices.DeleteFunc(d.egress, is)
	d.netkit = slices.DeleteFunc(d.netkit, is)
}

// maxHops bounds redirects that lead in circles (the kernel's XMIT_RECURSION_LIMIT).
const maxHops = 8

// redirect is where a program sent a packet.
type redirect struct {
	ifindex uint32
	ingress bool
	peer    bool
	target  maps.Target
	key     uint32
	all     bool // to every device of the map
	exclude bool // but the one it came from
}

// Receive takes a frame from the wire: XDP, then tcx ingress, then the stack.
func (d *Device) Receive(r *host.Run, frame []byte, t uint64) error {
	return d.receive(r, frame, t, 0)
}

func (d *Device) receive(r *host.Run, frame []byte, t uint64, hops int) error {
	if !d.up {
		d.Stats.Lost++
		return nil
	}
	d.Stats.RxPackets++
	d.Stats.RxBytes += uint64(len(frame))
	if d.xdp != nil {
		pass, err := d.runXDP(r, frame, t, hops)
		if err != nil || !pass {
			return err
		}
		frame = d.frame.Bytes()
	}
	s, err := d.net.NewSkb(frame, d)
	if err != nil {
		return err
	}
	d.net.skb.iif.Set(s.ctx, uint64(d.Ifindex))
	*mem.U32(s.annex() + annexPktType) = d.packetType(frame)
	s.untag()
	s.SetTstamp(t)
	return d.deliver(r, s, hops)
}

// packetType is whom a frame is for: this host (0), all (1), some (2) or another (3).
func (d *Device) packetType(frame []byte) uint32 {
	switch {
	case bytes.Equal(frame[:6], []byte{255, 255, 255, 255, 255, 255}):
		return 1
	case frame[0]&1 != 0:
		return 2
	case bytes.Equal(frame[:6], d.MAC[:]):
		return 0
	}
	return 3
}

// runXDP answers whether the packet goes on to the stack.
func (d *Device) runXDP(r *host.Run, frame []byte, t uint64, hops int) (bool, error) {
	if d.frame == nil || len(frame) > d.frame.size-xdpHeadroom-d.net.xdp.tailReserve {
		if d.frame != nil {
			d.frame.Free()
		}
		f, err := d.net.NewFrame(len(frame))
		if err != nil {
			return false, err
		}
		d.frame = f
	}
	f := d.frame
	if err := f.Load(frame, d.Ifindex, 0); err != nil {
		return false, err
	}
	v, err := f.Run(r, d.xdp)
	if err != nil {
		return false, fmt.Errorf("run XDP program on %s: %w", d.Name, err)
	}
	if v > XDPRedirect {
		v = XDPAborted
	}
	d.Stats.XDP[v]++
	switch v {
	case XDPPass:
		return true, nil
	case XDPTx:
		return false, d.transmitBytes(r, f.Bytes(), t, hops+1)
	case XDPRedirect:
		return false, d.net.follow(r, d, f.redirect, f.Bytes(), t, hops+1)
	}
	d.Stats.Dropped++
	return false, nil
}

// deliver runs tcx ingress and hands the packet to the stack.
func (d *Device) deliver(r *host.Run, s *Skb, hops int) error {
	v, err := runChain(r, s, d.ingress)
	if err != nil {
		s.Free()
		return fmt.Errorf("run ingress program on %s: %w", d.Name, err)
	}
	return d.act(r, s, v, hops, func() error {
		if d.Stack == nil {
			d.Stats.Lost++
		} else {
			d.Stack(s)
		}
		s.Free()
		return nil
	})
}

// Send takes a packet from the stack: tcx egress, then the wire. The packet is
// the device's from here on.
func (d *Device) Send(r *host.Run, s *Skb) error { return d.send(r, s, 0) }

func (d *Device) send(r *host.Run, s *Skb, hops int) error {
	if hops > maxHops || !d.up {
		d.Stats.Lost++
		s.Free()
		return nil
	}
	s.setDevice(d)
	v, err := runChain(r, s, d.egress)
	if err != nil {
		s.Free()
		return fmt.Errorf("run egress program on %s: %w", d.Name, err)
	}
	return d.act(r, s, v, hops, func() error { return d.transmit(r, s, hops) })
}

// transmit is the device's own doing once egress programs are through.
func (d *Device) transmit(r *host.Run, s *Skb, hops int) error {
	d.Stats.TxPackets++
	d.Stats.TxBytes += uint64(s.Len())
	if d.kit {
		v, err := runChain(r, s, d.netkit)
		if err != nil {
			s.Free()
			return fmt.Errorf("run netkit program on %s: %w", d.Name, err)
		}
		return d.act(r, s, v, hops, func() error { return d.cross(r, s, hops) })
	}
	return d.cross(r, s, hops)
}

// cross hands a packet to the peer or the wire.
func (d *Device) cross(r *host.Run, s *Skb, hops int) error {
	switch {
	case !s.tag():
		d.Stats.Lost++
	case d.peer != nil:
		b := append([]byte(nil), s.Bytes()...)
		t := s.Tstamp()
		s.Free()
		return d.peer.receive(r, b, t, hops+1)
	case d.Wire != nil:
		d.Wire(s)
	default:
		d.Stats.Lost++
	}
	s.Free()
	return nil
}

func (d *Device) transmitBytes(r *host.Run, frame []byte, t uint64, hops int) error {
	s, err := d.net.NewSkb(frame, d)
	if err != nil {
		return err
	}
	s.SetTstamp(t)
	if hops > maxHops {
		s.Free()
		d.Stats.Lost++
		return nil
	}
	d.Stats.TxPackets++
	d.Stats.TxBytes += uint64(s.Len())
	return d.cross(r, s, hops)
}

// runChain runs programs in order until one decides.
func runChain(r *host.Run, s *Skb, progs []*host.Prog) (int32, error) {
	for _, p := range progs {
		v, err := s.Run(r, p)
		if err != nil {
			return 0, err
		}
		if v != TCXNext {
			return v, nil
		}
	}
	return TCXPass, nil
}

// act does what a verdict says; pass is what happens to a packet that goes on.
func (d *Device) act(r *host.Run, s *Skb, v int32, hops int, pass func() error) error {
	switch v {
	case TCXNext, TCXPass:
		return pass()
	case TCXRedirect:
		to := s.redirect
		t := d.net.Device(to.ifindex)
		if to.peer && t != nil {
			t = t.peer
		}
		if t == nil || hops > maxHops {
			d.Stats.Lost++
			s.Free()
			return nil
		}
		d.Stats.Redirected++
		if to.ingress || to.peer {
			s.setDevice(t)
			t.Stats.RxPackets++
			t.Stats.RxBytes += uint64(s.Len())
			return t.deliver(r, s, hops+1)
		}
		return t.send(r, s, hops+1)
	}
	d.Stats.Dropped++
	s.Free()
	return nil
}

// follow carries out what an XDP program asked for.
func (n *Net) follow(r *host.Run, from *Device, to redirect, frame []byte, t uint64, hops int) error {
	if hops > maxHops {
		from.Stats.Lost++
		return nil
	}
	var out []uint32
	switch {
	case to.all:
		for key := range to.target.Keys() {
			if i, ok := to.target.Target(key); ok && !(to.exclude && i == from.Ifindex) {
				out = append(out, i)
			}
		}
	case to.target != nil:
		if i, ok := to.target.Target(to.key); ok {
			out = append(out, i)
		}
	default:
		out = append(out, to.ifindex)
	}
	sent := false
	for _, i := range out {
		d := n.Device(i)
		if d == nil || !d.up {
			continue
		}
		sent = true
		if err := d.transmitBytes(r, frame, t, hops); err != nil {
			return err
		}
	}
	if sent {
		from.Stats.Redirected++
	} else {
		from.Stats.Lost++
	}
	return nil
}
