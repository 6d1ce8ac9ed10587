// SPDX-License-Identifier: Apache-2.0

package net

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/modbpf/modbpf/framework/host"
	"github.com/modbpf/modbpf/framework/host/mem"
)

// Skb is a packet as tc programs, qdiscs and sockets see it: a struct sk_buff
// whose data is always linear.
type Skb struct {
	net  *Net
	ctx  uintptr
	id   uint32
	buf  uintptr
	size int
	live bool
	dev  *Device
	// target of bpf_redirect, set while a program runs.
	redirect redirect
	// For models: when it was sent, and whatever they note.
	Sent uint64
	Note any
}

// skbHeadroom is what a packet has in front when it enters the stack.
const skbHeadroom = 256

// Ethernet types.
const (
	etherIPv4 = 0x0800
	etherIPv6 = 0x86dd
	etherVLAN = 0x8100
	etherQinQ = 0x88a8
)

// ErrShort is a packet without an Ethernet header.
var ErrShort = errors.New("packet is shorter than an Ethernet header")

// NewSkb makes an sk_buff of an Ethernet frame, its data beginning at the MAC
// header, as tcx sees it in either direction.
func (n *Net) NewSkb(frame []byte, dev *Device) (*Skb, error) {
	if len(frame) < 14 {
		return nil, fmt.Errorf("make sk_buff of %d bytes: %w", len(frame), ErrShort)
	}
	s, err := n.rawSkb(len(frame))
	if err != nil {
		return nil, err
	}
	copy(mem.Bytes(s.buf+skbHeadroom, len(frame)), frame)
	l := &n.skb
	l.data.Set(s.ctx, uint64(s.buf+skbHeadroom))
	l.len.Set(s.ctx, uint64(len(frame)))
	l.mac.Set(s.ctx, skbHeadroom)
	l.network.Set(s.ctx, skbHeadroom+14)
	l.transport.Set(s.ctx, skbHeadroom+14)
	l.macLen.Set(s.ctx, 14)
	l.protocol.Set(s.ctx, uint64(binary.LittleEndian.Uint16(frame[12:])))
	l.pktLen.Set(s.ctx, uint64(len(frame)))
	l.truesize.Set(s.ctx, uint64(s.size+512))
	s.setDevice(dev)
	s.sync()
	return s, nil
}

// rawSkb takes an sk_buff from the pool, zeroed, with room for n bytes.
func (n *Net) rawSkb(room int) (*Skb, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	var s *Skb
	if k := len(n.free); k > 0 {
		s = n.free[k-1]
		n.free = n.free[:k-1]
		clear(mem.Bytes(s.ctx, n.skb.annex+annexSize))
	} else {
		ctx, err := newContext(n.Host.Mem, n.skb.Layout, n.skb.annex)
		if err != nil {
			return nil, err
		}
		old := *n.skbs.Load()
		s = &Skb{net: n, ctx: ctx, id: uint32(len(old))}
		all := append(append(make([]*Skb, 0, 2*len(old)+1), old...), s)
		if cap(old) > len(old) {
			all = append(old, s)
		}
		n.skbs.Store(&all)
	}
	if err := s.resize(skbHeadroom + room + n.xdp.tailReserve); err != nil {
		n.free = append(n.free, s)
		return nil, err
	}
	s.live, s.dev, s.Sent, s.Note = true, nil, 0, nil
	*mem.U32(s.annex() + annexID) = s.id
	n.skb.head.Set(s.ctx, uint64(s.buf))
	return s, nil
}

// resize makes the buffer hold at least n bytes; its contents are lost.
func (s *Skb) resize(n int) error {
	if n <= s.size {
		return nil
	}
	n = (n + 1023) &^ 1023
	p, err := s.net.Host.Mem.Alloc(n)
	if err != nil {
		return fmt.Errorf("allocate packet: %w", err)
	}
	if s.buf != 0 {
		s.net.Host.Mem.Free(s.buf, s.size)
	}
	s.buf, s.size = p, n
	return nil
}

// Skb finds an sk_buff by its address.
func (n *Net) Skb(addr uintptr) *Skb {
	id := *mem.U32(addr + uintptr(n.skb.annex) + annexID)
	all := *n.skbs.Load()
	if id == 0 || int(id) >= len(all) || all[id].ctx != addr {
		return nil
	}
	return all[id]
}

// Free gives the packet back to the pool.
func (s *Skb) Free() {
	if !s.live {
		panic("net: packet freed twice")
	}
	s.live = false
	s.net.mu.Lock()
	defer s.net.mu.Unlock()
	s.net.free = append(s.net.free, s)
}

// Live is the number of packets that are not freed.
func (n *Net) Live() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(*n.skbs.Load()) - 1 - len(n.free)
}

// Ctx is the packet's struct sk_buff.
func (s *Skb) Ctx() uintptr { return s.ctx }

func (s *Skb) annex() uintptr { return s.ctx + uintptr(s.net.skb.annex) }
func (s *Skb) data() uintptr  { return *mem.Word(s.ctx + uintptr(s.net.skb.data.Off)) }

// Len is the packet's length.
func (s *Skb) Len() int { return int(*mem.U32(s.ctx + uintptr(s.net.skb.len.Off))) }

// Bytes is the packet as it is now.
func (s *Skb) Bytes() []byte { return mem.Bytes(s.data(), s.Len()) }

// SetNext and Next are the list of packets that lies in the packets themselves.
func (n *Net) SetNext(skb, next uintptr) { n.skb.next.Set(skb, uint64(next)) }
func (n *Net) Next(skb uintptr) uintptr  { return uintptr(n.skb.next.Get(skb)) }

// Hash is the packet's flow hash, as bpf_get_hash_recalc answers it.
func (s *Skb) Hash() uint32 { return uint32(s.net.hashRecalc(nil, uint64(s.ctx), 0, 0, 0, 0)) }

// Mark, Priority and Tstamp are fields models and tests look at.
func (s *Skb) Mark() uint32         { return uint32(s.net.skb.mark.Get(s.ctx)) }
func (s *Skb) Priority() uint32     { return uint32(s.net.skb.priority.Get(s.ctx)) }
func (s *Skb) SetPriority(p uint32) { s.net.skb.priority.Set(s.ctx, uint64(p)) }
func (s *Skb) SetTstamp(t uint64)   { s.net.skb.tstamp.Set(s.ctx, t) }
func (s *Skb) Tstamp() uint64       { return s.net.skb.tstamp.Get(s.ctx) }
func (s *Skb) protocol() uint16     { p := uint16(s.net.skb.protocol.Get(s.ctx)); return p>>8 | p<<8 }
func (s *Skb) setProtocol(p uint16) { s.net.skb.protocol.Set(s.ctx, uint64(p>>8|p<<8)) }
func (s *Skb) networkOff() int      { return int(s.buf) + int(s.net.skb.network.Get(s.ctx)) - int(s.data()) }
func (s *Skb) pktType() uint32      { return *mem.U32(s.annex() + annexPktType) }
func (s *Skb) setDevice(d *Device) {
	s.dev = d
	if d == nil {
		return
	}
	s.net.skb.dev.Set(s.ctx, uint64(d.obj.Addr))
	*mem.U32(s.annex() + annexIfindex) = d.Ifindex
}

// sync brings what follows from data and len up to date, as the kernel does in
// bpf_compute_data_pointers and skb_put.
func (s *Skb) sync() {
	l := &s.net.skb
	data, n := s.data(), s.Len()
	*mem.U64(s.ctx + uintptr(l.dataEnd.Off)) = uint64(data) + uint64(n)
	*mem.U64(s.ctx + uintptr(l.dataMeta.Off)) = uint64(data)
	l.tail.Set(s.ctx, uint64(data)+uint64(n)-uint64(s.buf))
	l.end.Set(s.ctx, uint64(s.size-s.net.xdp.tailReserve))
	*mem.U32(s.annex() + annexVlan) = 0
	if l.vlanProto.Get(s.ctx) != 0 {
		*mem.U32(s.annex() + annexVlan) = 1
	}
}

// Run runs a program whose context is __sk_buff.
func (s *Skb) Run(r *host.Run, p *host.Prog) (int32, error) {
	was := r.State
	r.State = s
	s.redirect = redirect{}
	v, err := p.Run(r, s.ctx)
	r.State = was
	return int32(v), err
}

// Clone copies the packet and what belongs to it.
func (s *Skb) Clone() (*Skb, error) {
	n := s.net
	c, err := n.rawSkb(s.size)
	if err != nil {
		return nil, err
	}
	keep := c.id
	mem.Copy(c.ctx, s.ctx, n.skb.annex+annexSize)
	*mem.U32(c.annex() + annexID) = keep
	off := s.data() - s.buf
	mem.Copy(c.buf, s.buf, int(off)+s.Len())
	n.skb.head.Set(c.ctx, uint64(c.buf))
	n.skb.data.Set(c.ctx, uint64(c.buf+off))
	c.dev, c.Sent, c.Note = s.dev, s.Sent, s.Note
	c.sync()
	return c, nil
}

// push makes the packet n bytes longer in front, moving it if need be.
func (s *Skb) push(n int) bool {
	room := int(s.data() - s.buf)
	if room < n {
		old := append([]byte(nil), s.Bytes()...)
		shift := n - room + skbHeadroom
		if s.resize(s.size+shift) != nil {
			return false
		}
		l := &s.net.skb
		copy(mem.Bytes(s.buf+uintptr(room+shift), len(old)), old)
		l.head.Set(s.ctx, uint64(s.buf))
		l.data.Set(s.ctx, uint64(s.buf)+uint64(room+shift))
		l.mac.Set(s.ctx, l.mac.Get(s.ctx)+uint64(shift))
		l.network.Set(s.ctx, l.network.Get(s.ctx)+uint64(shift))
		if t := l.transport.Get(s.ctx); t != noHeader {
			l.transport.Set(s.ctx, t+uint64(shift))
		}
	}
	s.setData(s.data()-uintptr(n), s.Len()+n)
	return true
}

func (s *Skb) setData(data uintptr, n int) {
	l := &s.net.skb
	l.data.Set(s.ctx, uint64(data))
	l.len.Set(s.ctx, uint64(n))
	s.sync()
}

// extend makes the packet n bytes long, zeroes behind what there was.
func (s *Skb) extend(n int) bool {
	off, have := int(s.data()-s.buf), s.Len()
	if off+n+s.net.xdp.tailReserve > s.size {
		old := append([]byte(nil), s.Bytes()...)
		if s.resize(off+n+s.net.xdp.tailReserve) != nil {
			return false
		}
		copy(mem.Bytes(s.buf+uintptr(off), have), old)
		s.net.skb.head.Set(s.ctx, uint64(s.buf))
	}
	if n > have {
		clear(mem.Bytes(s.buf+uintptr(off+have), n-have))
	}
	s.setData(s.buf+uintptr(off), n)
	return true
}

// ReadAt, WriteAt and Direct serve dynptrs.
func (s *Skb) ReadAt(b []byte, off int) bool {
	p := s.Bytes()
	return off >= 0 && off+len(b) <= len(p) && copy(b, p[off:]) == len(b)
}

func (s *Skb) WriteAt(b []byte, off int) bool {
	p := s.Bytes()
	return off >= 0 && off+len(b) <= len(p) && copy(p[off:], b) == len(b)
}

func (s *Skb) Direct(off, n int) uintptr {
	if off < 0 || off+n > s.Len() {
		return 0
	}
	return s.data() + uintptr(off)
}
