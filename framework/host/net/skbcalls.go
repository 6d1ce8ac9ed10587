// SPDX-License-Identifier: Apache-2.0

package net

import (
	"encoding/binary"

	"github.com/modbpf/modbpf/framework/host/helpers"
	"github.com/modbpf/modbpf/framework/host/maps"
	"github.com/modbpf/modbpf/framework/host/mem"
	"github.com/modbpf/modbpf/jit"
)

// part is n bytes of the packet at an offset, nil outside.
func (s *Skb) part(off, n uint64) []byte {
	off, n = uint64(uint32(off)), uint64(uint32(n))
	if off > 0x7fffffff || off+n > uint64(s.Len()) {
		return nil
	}
	return mem.Bytes(s.data()+uintptr(off), int(n))
}

func (n *Net) skbStore(_ *jit.Frame, ctx, off, from, size, flags uint64) uint64 {
	s := n.Skb(uintptr(ctx))
	if flags&^3 != 0 { // BPF_F_RECOMPUTE_CSUM, BPF_F_INVALIDATE_HASH
		return maps.EINVAL.R0()
	}
	p := s.part(off, size)
	if p == nil {
		return maps.EFAULT.R0()
	}
	copy(p, mem.Bytes(uintptr(from), len(p)))
	if flags&2 != 0 {
		n.skb.hash.Set(s.ctx, 0)
	}
	return 0
}

func (n *Net) skbLoad(_ *jit.Frame, ctx, off, to, size, _ uint64) uint64 {
	p := n.Skb(uintptr(ctx)).part(off, size)
	if p == nil {
		clear(mem.Bytes(uintptr(to), int(uint32(size))))
		return maps.EFAULT.R0()
	}
	copy(mem.Bytes(uintptr(to), len(p)), p)
	return 0
}

// skbLoadRelative counts from the MAC (0) or the network (1) header.
func (n *Net) skbLoadRelative(_ *jit.Frame, ctx, off, to, size, from uint64) uint64 {
	s := n.Skb(uintptr(ctx))
	base := int(s.buf) - int(s.data())
	switch uint32(from) {
	case 0:
		base += int(n.skb.mac.Get(s.ctx))
	case 1:
		base += int(n.skb.network.Get(s.ctx))
	default:
		base = -1 << 30
	}
	start := base + int(uint32(off))
	k := int(uint32(size))
	if uint32(off) > 0xffff || start < 0 || start+k > s.Len() {
		clear(mem.Bytes(uintptr(to), k))
		return maps.EFAULT.R0()
	}
	copy(mem.Bytes(uintptr(to), k), s.Bytes()[start:])
	return 0
}

// csumReplace is the arithmetic of RFC 1624 on a checksum field.
func csumReplace(p []byte, from, to uint32) {
	sum := uint32(^binary.LittleEndian.Uint16(p))
	sum = helpers.Fold32(uint64(sum) + uint64(^from) + uint64(to))
	binary.LittleEndian.PutUint16(p, ^helpers.Fold16(sum))
}

func csumDiff(p []byte, diff uint32) {
	sum := helpers.Fold32(uint64(uint32(^binary.LittleEndian.Uint16(p))) + uint64(diff))
	binary.LittleEndian.PutUint16(p, ^helpers.Fold16(sum))
}

// replace updates the checksum at an offset for a field of the size in flags.
func (s *Skb) replace(off, from, to, flags uint64, skipZero bool) uint64 {
	if off > 0xffff || off&1 != 0 {
		return maps.EFAULT.R0()
	}
	p := s.part(off, 2)
	if p == nil {
		return maps.EFAULT.R0()
	}
	if skipZero && p[0]|p[1] == 0 {
		return 0
	}
	switch flags & 15 {
	case 0:
		if from != 0 {
			return maps.EINVAL.R0()
		}
		csumDiff(p, uint32(to))
	case 2:
		csumReplace(p, uint32(uint16(from)), uint32(uint16(to)))
	case 4:
		csumReplace(p, uint32(from), uint32(to))
	default:
		return maps.EINVAL.R0()
	}
	return 0
}

func (n *Net) l3Replace(_ *jit.Frame, ctx, off, from, to, flags uint64) uint64 {
	if flags&^15 != 0 {
		return maps.EINVAL.R0()
	}
	return n.Skb(uintptr(ctx)).replace(uint64(uint32(off)), from, to, flags, false)
}

// l4Replace: 0x10 is BPF_F_PSEUDO_HDR, 0x20 MARK_MANGLED_0, 0x40 MARK_ENFORCE,
// 0x80 IPV6. Packets of the model carry whole checksums, so the pseudo header
// needs nothing of its own.
func (n *Net) l4Replace(_ *jit.Frame, ctx, off, from, to, flags uint64) uint64 {
	if flags&^0xff != 0 {
		return maps.EINVAL.R0()
	}
	s := n.Skb(uintptr(ctx))
	mangled := flags&0x20 != 0
	r := s.replace(uint64(uint32(off)), from, to, flags, mangled && flags&0x40 == 0)
	if p := s.part(off, 2); r == 0 && mangled && p != nil && p[0]|p[1] == 0 && flags&0x40 != 0 {
		p[0], p[1] = 0xff, 0xff
	}
	return r
}

// notComplete: no packet of the model has CHECKSUM_COMPLETE.
func (n *Net) notComplete(*jit.Frame, uint64, uint64, uint64, uint64, uint64) uint64 {
	return maps.ENOTSUPP.R0()
}

func (n *Net) skbPull(_ *jit.Frame, ctx, size, _, _, _ uint64) uint64 {
	s := n.Skb(uintptr(ctx))
	s.sync()
	if int(uint32(size)) > s.Len() {
		return maps.ENOMEM.R0()
	}
	return 0
}

// noHeader is a header offset that nobody set.
const noHeader = 0xffff

// maxSkb is the length a program may grow a packet to (BPF_SKB_MAX_LEN).
const maxSkb = 65535 + 128

func (n *Net) skbChangeTail(_ *jit.Frame, ctx, size, flags, _, _ uint64) uint64 {
	s := n.Skb(uintptr(ctx))
	least := max(s.networkOff(), 0)
	if h := n.skb.transport.Get(s.ctx); h != noHeader {
		if t := int(s.buf) + int(h) - int(s.data()); t > 0 {
			least = t
		}
	}
	if flags != 0 || uint32(size) > maxSkb || int(uint32(size)) < least {
		return maps.EINVAL.R0()
	}
	if n.skb.encap.Get(s.ctx) != 0 {
		return maps.ENOTSUPP.R0()
	}
	if !s.extend(int(uint32(size))) {
		return maps.ENOMEM.R0()
	}
	return 0
}

func (n *Net) skbChangeHead(_ *jit.Frame, ctx, room, flags, _, _ uint64) uint64 {
	s := n.Skb(uintptr(ctx))
	k := int(int32(room))
	if flags != 0 || k < 0 || s.Len()+k > maxSkb {
		return maps.EINVAL.R0()
	}
	if !s.push(k) {
		return maps.ENOMEM.R0()
	}
	clear(mem.Bytes(s.data(), k))
	n.skb.mac.Set(s.ctx, uint64(s.data()-s.buf))
	n.skb.macLen.Set(s.ctx, n.skb.network.Get(s.ctx)-n.skb.mac.Get(s.ctx))
	return 0
}

// Flags of bpf_skb_adjust_room.
const (
	roomFixedGSO = 1 << 0
	roomIPv4     = 1 << 1
	roomIPv6     = 1 << 2
	roomGRE      = 1 << 3
	roomUDP      = 1 << 4
	roomNoReset  = 1 << 5
	roomEth      = 1 << 6
	roomDecap4   = 1 << 7
	roomDecap6   = 1 << 8
	roomL2       = uint64(0xff) << 56
	roomAll      = roomFixedGSO | roomIPv4 | roomIPv6 | roomGRE | roomUDP | roomNoReset | roomEth | roomDecap4 | roomDecap6 | roomL2
)

// skbAdjustRoom grows or shrinks the packet behind the MAC (mode 1) or the
// network (mode 0) header. Nothing is segmented in the model, so GSO flags only
// have to be known.
func (n *Net) skbAdjustRoom(_ *jit.Frame, ctx, diff, mode, flags, _ uint64) uint64 {
	s := n.Skb(uintptr(ctx))
	d := int(int32(diff))
	size := max(d, -d)
	base := map[uint16]int{etherIPv4: 20, etherIPv6: 40}[s.protocol()]
	l := &n.skb
	off := int(l.network.Get(s.ctx)) - int(l.mac.Get(s.ctx))
	switch {
	case flags&^roomAll != 0:
		return maps.EINVAL.R0()
	case size > 0xfff:
		return maps.EFAULT.R0()
	case base == 0 || uint32(mode) > 1:
		return maps.ENOTSUPP.R0()
	}
	if uint32(mode) == 0 {
		off += base
	}
	least := base
	if dec := flags & (roomDecap4 | roomDecap6); dec != 0 {
		switch {
		case d >= 0 || dec == roomDecap4|roomDecap6:
			return maps.EINVAL.R0()
		case dec == roomDecap4:
			least = 20
		default:
			least = 40
		}
	}
	cur := s.Len() - s.networkOff()
	if d < 0 && (size >= cur || cur-size < least) || d >= 0 && s.Len()+size > maxSkb {
		return maps.ENOTSUPP.R0()
	}
	if d < 0 {
		if flags&^(roomDecap4|roomDecap6|roomFixedGSO|roomNoReset) != 0 {
			return maps.EINVAL.R0()
		}
		return s.shrink(off, size, flags)
	}
	return s.widen(off, size, flags)
}

func (s *Skb) shrink(off, size int, flags uint64) uint64 {
	if off+size > s.Len() {
		return maps.ENOMEM.R0()
	}
	mem.Copy(s.data()+uintptr(size), s.data(), off)
	s.setData(s.data()+uintptr(size), s.Len()-size)
	s.moveHeaders(size)
	switch {
	case flags&roomDecap4 != 0:
		s.setProtocol(etherIPv4)
	case flags&roomDecap6 != 0:
		s.setProtocol(etherIPv6)
	}
	return 0
}

func (s *Skb) widen(off, size int, flags uint64) uint64 {
	l := &s.net.skb
	encap := flags & (roomIPv4 | roomIPv6)
	inner := int(flags >> 56)
	if encap != 0 {
		switch {
		case encap == roomIPv4|roomIPv6, flags&roomGRE != 0 && flags&roomUDP != 0, flags&roomEth != 0 && inner < etherLen:
			return maps.EINVAL.R0()
		case l.encap.Get(s.ctx) != 0:
			return maps.EALREADY.R0()
		case inner > size:
			return maps.EINVAL.R0()
		}
	}
	macLen := l.network.Get(s.ctx) - l.mac.Get(s.ctx)
	if !s.push(size) {
		return maps.ENOMEM.R0()
	}
	mem.Copy(s.data(), s.data()+uintptr(size), off)
	clear(mem.Bytes(s.data()+uintptr(off), size))
	s.moveHeaders(-size)
	if encap == 0 {
		return 0
	}
	l.encap.Set(s.ctx, 1)
	start := uint64(s.data() - s.buf)
	l.network.Set(s.ctx, start+macLen)
	header := uint64(20)
	if encap == roomIPv6 {
		header = 40
	}
	if flags&(roomGRE|roomUDP) != 0 {
		l.transport.Set(s.ctx, start+macLen+header)
	}
	s.setProtocol(map[uint64]uint16{roomIPv4: etherIPv4, roomIPv6: etherIPv6}[encap])
	return 0
}

// moveHeaders follows data that moved by d bytes. The transport header moves
// only while nobody has told it from the network header.
func (s *Skb) moveHeaders(d int) {
	l := &s.net.skb
	same := l.transport.Get(s.ctx) == l.network.Get(s.ctx)
	move := func(off uint64) uint64 { return uint64(int64(off) + int64(d)) }
	l.mac.Set(s.ctx, move(l.mac.Get(s.ctx)))
	l.network.Set(s.ctx, move(l.network.Get(s.ctx)))
	if same {
		l.transport.Set(s.ctx, l.network.Get(s.ctx))
	}
	s.sync()
}

func (n *Net) skbChangeType(_ *jit.Frame, ctx, typ, _, _, _ uint64) uint64 {
	s := n.Skb(uintptr(ctx))
	if s.pktType() > 3 || uint32(typ) > 3 { // PACKET_OTHERHOST is the last that may be set
		return maps.EINVAL.R0()
	}
	*mem.U32(s.annex() + annexPktType) = uint32(typ)
	return 0
}

// vlanPush sets the tag beside the packet, after moving one that is there into
// it, as the kernel's accelerated path does.
func (n *Net) vlanPush(_ *jit.Frame, ctx, proto, tci, _, _ uint64) uint64 {
	s := n.Skb(uintptr(ctx))
	p := uint16(proto)
	if host := p>>8 | p<<8; host != etherVLAN && host != etherQinQ {
		p = etherVLAN>>8 | etherVLAN&0xff<<8
	}
	l := &n.skb
	if !s.tag() {
		return maps.ENOMEM.R0()
	}
	l.vlanProto.Set(s.ctx, uint64(p))
	l.vlanTCI.Set(s.ctx, uint64(uint16(tci)))
	s.resetMacLen()
	s.sync()
	return 0
}

func (s *Skb) resetMacLen() {
	l := &s.net.skb
	l.macLen.Set(s.ctx, l.network.Get(s.ctx)-l.mac.Get(s.ctx))
}

func (n *Net) vlanPop(_ *jit.Frame, ctx, _, _, _, _ uint64) uint64 {
	s := n.Skb(uintptr(ctx))
	l := &n.skb
	if l.vlanProto.Get(s.ctx) != 0 {
		l.vlanProto.Set(s.ctx, 0)
		l.vlanTCI.Set(s.ctx, 0)
	} else {
		if p := s.protocol(); p != etherVLAN && p != etherQinQ {
			return 0
		}
		if s.Len() < etherLen+4 {
			s.resetMacLen()
			return maps.ENOMEM.R0()
		}
		s.stripTag()
	}
	// A tag further in takes the place beside the packet.
	if p := s.protocol(); (p == etherVLAN || p == etherQinQ) && s.Len() < etherLen+4 {
		s.resetMacLen()
		return maps.ENOMEM.R0()
	}
	s.untag()
	s.resetMacLen()
	s.sync()
	return 0
}

// untag moves a tag that came in the packet beside it, as the kernel does before
// ingress programs run.
func (s *Skb) untag() {
	if p := s.protocol(); p != etherVLAN && p != etherQinQ || s.Len() < etherLen+4 {
		return
	}
	l := &s.net.skb
	tci, proto := binary.BigEndian.Uint16(s.Bytes()[14:]), l.protocol.Get(s.ctx)
	s.stripTag()
	l.vlanProto.Set(s.ctx, proto)
	l.vlanTCI.Set(s.ctx, uint64(tci))
	s.sync()
}

// tag puts the tag beside the packet into it, as a device without offload does.
func (s *Skb) tag() bool {
	l := &s.net.skb
	proto := l.vlanProto.Get(s.ctx)
	if proto == 0 {
		return true
	}
	if !s.push(4) {
		return false
	}
	mem.Copy(s.data(), s.data()+4, 12)
	*mem.U16(s.data() + 12) = uint16(proto)
	t := uint16(l.vlanTCI.Get(s.ctx))
	*mem.U16(s.data() + 14) = t>>8 | t<<8
	l.mac.Set(s.ctx, l.mac.Get(s.ctx)-4)
	l.network.Set(s.ctx, l.network.Get(s.ctx)-4) // it stays right behind the MAC header
	l.protocol.Set(s.ctx, proto)
	l.vlanProto.Set(s.ctx, 0)
	l.vlanTCI.Set(s.ctx, 0)
	s.sync()
	return true
}

// stripTag takes the tag out of the packet itself. What follows may be a length
// instead of a type (IEEE 802.3); the kernel has numbers of its own for that.
func (s *Skb) stripTag() {
	l := &s.net.skb
	inner := *mem.U16(s.data() + 16)
	if p := inner>>8 | inner<<8; p < 0x600 {
		inner = 0x0400 // ETH_P_802_2, big-endian
		if s.Len() >= 20 && *mem.U16(s.data() + 18) == 0xffff {
			inner = 0x0100 // ETH_P_802_3
		}
	}
	mem.Copy(s.data()+4, s.data(), 12)
	s.setData(s.data()+4, s.Len()-4)
	l.mac.Set(s.ctx, l.mac.Get(s.ctx)+4)
	l.protocol.Set(s.ctx, uint64(inner))
	if s.networkOff() < etherLen {
		l.network.Set(s.ctx, uint64(s.data()-s.buf)+etherLen)
	}
	s.resetMacLen()
}

// hashRecalc is a hash of addresses and ports. The kernel's is keyed and random
// at each boot; only its stability for a flow can be relied on.
func (n *Net) hashRecalc(_ *jit.Frame, ctx, _, _, _, _ uint64) uint64 {
	s := n.Skb(uintptr(ctx))
	if h := n.skb.hash.Get(s.ctx); h != 0 {
		return h
	}
	h := uint32(2166136261)
	for _, c := range flowKey(s.Bytes(), s.networkOff(), s.protocol()) {
		h = (h ^ uint32(c)) * 16777619
	}
	n.skb.hash.Set(s.ctx, uint64(max(h, 1)))
	return uint64(max(h, 1))
}

// flowKey is the part of a packet that tells its flow.
func flowKey(b []byte, off int, proto uint16) []byte {
	var key []byte
	var l4 byte
	switch {
	case proto == etherIPv4 && len(b) >= off+20:
		l4 = b[off+9]
		key = append(append(key, l4), b[off+12:off+20]...)
		off += int(b[off]&15) * 4
	case proto == etherIPv6 && len(b) >= off+40:
		l4 = b[off+6]
		key = append(append(key, l4), b[off+8:off+40]...)
		off += 40
	default:
		return b[:min(len(b), 12)]
	}
	if (l4 == 6 || l4 == 17) && len(b) >= off+4 {
		key = append(key, b[off:off+4]...)
	}
	return key
}

func (n *Net) hashInvalid(_ *jit.Frame, ctx, _, _, _, _ uint64) uint64 {
	n.skb.hash.Set(uintptr(ctx), 0)
	return 0
}

func (n *Net) hashSet(_ *jit.Frame, ctx, hash, _, _, _ uint64) uint64 {
	n.skb.hash.Set(uintptr(ctx), hash)
	return 0
}

// ecnSetCE marks an ECN-capable IP packet; 1 when it is marked. Like the kernel
// it looks for the protocol behind tags that are in the packet, but for the IP
// header at the network header, wherever that is.
func (n *Net) ecnSetCE(_ *jit.Frame, ctx, _, _, _, _ uint64) uint64 {
	s := n.Skb(uintptr(ctx))
	b, proto := s.Bytes(), s.protocol()
	at := int(n.skb.macLen.Get(s.ctx)) - 4
	if at < 0 {
		at = etherLen
	}
	for ; proto == etherVLAN || proto == etherQinQ; at += 4 {
		if at+4 > len(b) {
			return 0
		}
		proto = binary.BigEndian.Uint16(b[at+2:])
	}
	return setCE(b, s.networkOff(), proto)
}

func setCE(b []byte, off int, proto uint16) uint64 {
	switch {
	case off < 0:
		return 0
	case proto == etherIPv4 && len(b) >= off+20:
		ecn := (b[off+1] + 1) & 3
		if ecn&2 == 0 {
			return helpers.Bool(ecn == 0)
		}
		// The type of service grows by 1 or 2: so does the header's sum.
		add := 0xfffb + uint16(ecn)
		add = add>>8 | add<<8
		old := binary.LittleEndian.Uint16(b[off+10:])
		sum := old + add
		if sum < add {
			sum++
		}
		binary.LittleEndian.PutUint16(b[off+10:], sum)
		b[off+1] |= 3
		return 1
	case proto == etherIPv6 && len(b) >= off+40:
		if b[off+1]>>4&3 == 0 {
			return 0
		}
		b[off+1] |= 0x30
		return 1
	}
	return 0
}
