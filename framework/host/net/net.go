// SPDX-License-Identifier: Apache-2.0

// Package net is the host's network: packets as typed sk_buffs and xdp_buffs,
// devices with XDP, tcx and netkit hooks, qdiscs and a TCP sender, all driven by
// captures or by a scenario. It models what a driver can see; what it leaves out
// is refused by name, never guessed.
package net

import (
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/framework/host"
	"github.com/modbpf/modbpf/framework/host/mem"
	"github.com/modbpf/modbpf/framework/host/typed"
	"github.com/modbpf/modbpf/framework/host/world"
)

// Net is the network of one host.
type Net struct {
	Host *host.Host

	skb    skbLayout
	xdp    xdpLayout
	netdev *typed.Layout

	mu      sync.Mutex
	skbs    atomic.Pointer[[]*Skb] // by number; never shrinks
	free    []*Skb
	devices map[uint32]*Device
	next    uint32
}

// New adds the network model to a host; it must come before drivers that use it.
func New(h *host.Host) (*Net, error) {
	n := &Net{Host: h, devices: make(map[uint32]*Device)}
	if err := n.skb.resolve(h.Layouts); err != nil {
		return nil, fmt.Errorf("make network: %w", err)
	}
	if err := n.xdp.resolve(h.Layouts); err != nil {
		return nil, fmt.Errorf("make network: %w", err)
	}
	var err error
	if n.netdev, err = h.Layouts.Of("net_device"); err != nil {
		return nil, fmt.Errorf("make network: %w", err)
	}
	n.skbs.Store(&[]*Skb{nil})
	h.SetContext(bpf.ProgXDP, contextFunc(n.xdp.places, n.xdp.annex))
	for _, t := range skbTypes {
		h.SetContext(t, contextFunc(n.skb.places, n.skb.annex))
	}
	h.SetPacketLoad(n.packetLoad)
	h.World.Packet = n.packet
	n.addCalls()
	return n, nil
}

// packet finds a packet by what a dynptr refers to.
func (n *Net) packet(addr uintptr) world.Packet {
	if s := n.Skb(addr); s != nil {
		return s
	}
	return nil
}

type skbLayout struct {
	*typed.Layout
	annex  int
	places []place

	len, dataLen, data, head, tail, end, truesize typed.Field
	mark, priority, protocol, queue, hash         typed.Field
	vlanTCI, vlanProto, iif, dev, tstamp          typed.Field
	mac, network, transport, macLen               typed.Field
	cb, dataEnd, dataMeta, pktLen, cbData         typed.Field
	next, prev, encap                             typed.Field
}

func (s *skbLayout) resolve(all *typed.Layouts) (err error) {
	if s.Layout, err = all.Of("sk_buff"); err != nil {
		return err
	}
	s.annex = (s.Size + 15) &^ 15
	for path, f := range map[string]*typed.Field{
		"len": &s.len, "data_len": &s.dataLen, "data": &s.data, "head": &s.head, "tail": &s.tail, "end": &s.end,
		"truesize": &s.truesize, "mark": &s.mark, "priority": &s.priority, "protocol": &s.protocol, "queue_mapping": &s.queue,
		"hash": &s.hash, "vlan_tci": &s.vlanTCI, "vlan_proto": &s.vlanProto, "skb_iif": &s.iif, "dev": &s.dev, "tstamp": &s.tstamp,
		"mac_header": &s.mac, "network_header": &s.network, "transport_header": &s.transport, "mac_len": &s.macLen, "cb": &s.cb,
		"next": &s.next, "prev": &s.prev, "encapsulation": &s.encap,
	} {
		if *f, err = s.Field(path); err != nil {
			return err
		}
	}
	q, err := all.Of("qdisc_skb_cb")
	if err != nil {
		return err
	}
	d, err := all.Of("bpf_skb_data_end")
	if err != nil {
		return err
	}
	for _, r := range []struct {
		l    *typed.Layout
		path string
		f    *typed.Field
	}{{q, "pkt_len", &s.pktLen}, {q, "data", &s.cbData}, {d, "data_end", &s.dataEnd}, {d, "data_meta", &s.dataMeta}} {
		if *r.f, err = r.l.Field(r.path); err != nil {
			return err
		}
		r.f.Off += s.cb.Off
	}
	s.places, err = contextOf(all, s.Layout, skbRows)
	return err
}

type xdpLayout struct {
	*typed.Layout
	annex  int
	places []place

	data, dataEnd, dataMeta, hardStart, frameSize typed.Field
	headReserve                                   int // struct xdp_frame lies at the start of the buffer
	tailReserve                                   int // skb_shared_info at its end
}

func (x *xdpLayout) resolve(all *typed.Layouts) (err error) {
	if x.Layout, err = all.Of("xdp_buff"); err != nil {
		return err
	}
	x.annex = (x.Size + 15) &^ 15
	for path, f := range map[string]*typed.Field{
		"data": &x.data, "data_end": &x.dataEnd, "data_meta": &x.dataMeta,
		"data_hard_start": &x.hardStart, "frame_sz": &x.frameSize,
	} {
		if *f, err = x.Field(path); err != nil {
			return err
		}
	}
	frame, err := all.Of("xdp_frame")
	if err != nil {
		return err
	}
	shared, err := all.Of("skb_shared_info")
	if err != nil {
		return err
	}
	x.headReserve, x.tailReserve = frame.Size, (shared.Size+63)&^63
	x.places, err = contextOf(all, x.Layout, xdpRows)
	return err
}

// Device finds a device by its index.
func (n *Net) Device(ifindex uint32) *Device {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.devices[ifindex]
}

// newObject allocates a context: the structure, its annex, and nothing else.
func newContext(a *mem.Arena, l *typed.Layout, annex int) (uintptr, error) {
	p, err := a.Alloc(annex + annexSize)
	if err != nil {
		return 0, fmt.Errorf("allocate struct %s: %w", l.Name, err)
	}
	return p, nil
}
