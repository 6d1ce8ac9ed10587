// SPDX-License-Identifier: Apache-2.0

package net

import (
	"encoding/binary"

	"github.com/modbpf/modbpf/framework/host"
	"github.com/modbpf/modbpf/framework/host/helpers"
	"github.com/modbpf/modbpf/framework/host/maps"
	"github.com/modbpf/modbpf/framework/host/mem"
	"github.com/modbpf/modbpf/jit"
)

// addCalls adds what packet programs can call. The context that a helper gets
// is the address of the packet's own structure; Run.State is the *Skb or *Frame.
func (n *Net) addCalls() {
	for _, h := range []helpers.Helper{
		{ID: 44, Name: "xdp_adjust_head", Contract: []string{"bpf_xdp_adjust_head_proto"}, Fn: xdpAdjustHead},
		{ID: 54, Name: "xdp_adjust_meta", Contract: []string{"bpf_xdp_adjust_meta_proto"}, Fn: xdpAdjustMeta},
		{ID: 65, Name: "xdp_adjust_tail", Contract: []string{"bpf_xdp_adjust_tail_proto"}, Fn: xdpAdjustTail},
		{ID: 188, Name: "xdp_get_buff_len", Contract: []string{"bpf_xdp_get_buff_len_proto"}, Fn: xdpBuffLen},
		{ID: 189, Name: "xdp_load_bytes", Contract: []string{"bpf_xdp_load_bytes_proto"}, Fn: xdpLoad},
		{ID: 190, Name: "xdp_store_bytes", Contract: []string{"bpf_xdp_store_bytes_proto"}, Fn: xdpStore},
		{ID: 23, Name: "redirect", Contract: []string{"bpf_redirect_proto", "bpf_xdp_redirect_proto"}, Fn: redirectTo},
		{ID: 155, Name: "redirect_peer", Contract: []string{"bpf_redirect_peer_proto"}, Fn: redirectPeer},
		{ID: 51, Name: "redirect_map", Contract: []string{"bpf_xdp_redirect_map_proto"}, Fn: redirectMap},
		{ID: 13, Name: "clone_redirect", Contract: []string{"bpf_clone_redirect_proto"}, Fn: n.cloneRedirect},

		{ID: 9, Name: "skb_store_bytes", Contract: []string{"bpf_skb_store_bytes_proto"}, Fn: n.skbStore},
		{ID: 26, Name: "skb_load_bytes", Contract: []string{"bpf_skb_load_bytes_proto"}, Fn: n.skbLoad},
		{ID: 68, Name: "skb_load_bytes_relative", Contract: []string{"bpf_skb_load_bytes_relative_proto"}, Fn: n.skbLoadRelative},
		{ID: 10, Name: "l3_csum_replace", Contract: []string{"bpf_l3_csum_replace_proto"}, Fn: n.l3Replace},
		{ID: 11, Name: "l4_csum_replace", Contract: []string{"bpf_l4_csum_replace_proto"}, Fn: n.l4Replace},
		{ID: 40, Name: "csum_update", Contract: []string{"bpf_csum_update_proto"}, Fn: n.notComplete},
		{ID: 39, Name: "skb_pull_data", Contract: []string{"bpf_skb_pull_data_proto"}, Fn: n.skbPull},
		{ID: 38, Name: "skb_change_tail", Contract: []string{"bpf_skb_change_tail_proto"}, Fn: n.skbChangeTail},
		{ID: 43, Name: "skb_change_head", Contract: []string{"bpf_skb_change_head_proto"}, Fn: n.skbChangeHead},
		{ID: 50, Name: "skb_adjust_room", Contract: []string{"bpf_skb_adjust_room_proto"}, Fn: n.skbAdjustRoom},
		{ID: 32, Name: "skb_change_type", Contract: []string{"bpf_skb_change_type_proto"}, Fn: n.skbChangeType},
		{ID: 18, Name: "skb_vlan_push", Contract: []string{"bpf_skb_vlan_push_proto"}, Fn: n.vlanPush},
		{ID: 19, Name: "skb_vlan_pop", Contract: []string{"bpf_skb_vlan_pop_proto"}, Fn: n.vlanPop},
		{ID: 34, Name: "get_hash_recalc", Contract: []string{"bpf_get_hash_recalc_proto"}, Fn: n.hashRecalc},
		{ID: 41, Name: "set_hash_invalid", Contract: []string{"bpf_set_hash_invalid_proto"}, Fn: n.hashInvalid},
		{ID: 48, Name: "set_hash", Contract: []string{"bpf_set_hash_proto"}, Fn: n.hashSet},
		{ID: 97, Name: "skb_ecn_set_ce", Contract: []string{"bpf_skb_ecn_set_ce_proto"}, Fn: n.ecnSetCE},
	} {
		n.Host.Calls.AddHelper(h)
	}
	n.Host.Kfunc("bpf_dynptr_from_skb", n.dynptrFromSkb)
	n.Host.Kfunc("bpf_dynptr_from_xdp", n.dynptrFromXDP)
}

// frameOf is the frame whose program is running. A batch runs many frames under
// one State, so the frame is told by its context.
func frameOf(f *jit.Frame, ctx uint64) frameView {
	return frameView{&f.User.(*host.Run).State.(*Frame).net.xdp, uintptr(ctx)}
}

// frameView is a frame known by its context alone.
type frameView struct {
	l   *xdpLayout
	ctx uintptr
}

func (v frameView) get(off int) uintptr    { return *mem.Word(v.ctx + uintptr(off)) }
func (v frameView) set(off int, p uintptr) { *mem.Word(v.ctx + uintptr(off)) = p }
func (v frameView) data() uintptr          { return v.get(v.l.data.Off) }
func (v frameView) end() uintptr           { return v.get(v.l.dataEnd.Off) }
func (v frameView) meta() uintptr          { return v.get(v.l.dataMeta.Off) }
func (v frameView) low() uintptr           { return v.get(v.l.hardStart.Off) + uintptr(v.l.headReserve) }

const etherLen = 14

func xdpAdjustHead(f *jit.Frame, ctx, offset, _, _, _ uint64) uint64 {
	v := frameOf(f, ctx)
	d := uintptr(int32(offset))
	meta := int(v.data() - v.meta())
	data := v.data() + d
	if data < v.low()+uintptr(meta) || data > v.end()-etherLen {
		return maps.EINVAL.R0()
	}
	if meta > 0 {
		mem.Copy(v.meta()+d, v.meta(), meta)
	}
	v.set(v.l.dataMeta.Off, v.meta()+d)
	v.set(v.l.data.Off, data)
	return 0
}

// maxMeta is the most metadata a packet carries.
const maxMeta = 252

func xdpAdjustMeta(f *jit.Frame, ctx, offset, _, _, _ uint64) uint64 {
	v := frameOf(f, ctx)
	meta := v.meta() + uintptr(int32(offset))
	switch n := v.data() - meta; {
	case meta < v.low() || meta > v.data():
		return maps.EINVAL.R0()
	case n&3 != 0 || n > maxMeta:
		return maps.EACCES.R0()
	}
	v.set(v.l.dataMeta.Off, meta)
	return 0
}

func xdpAdjustTail(f *jit.Frame, ctx, offset, _, _, _ uint64) uint64 {
	v := frameOf(f, ctx)
	d := int(int32(offset))
	hardEnd := v.get(v.l.hardStart.Off) + uintptr(v.l.frameSize.Get(v.ctx)) - uintptr(v.l.tailReserve)
	end := v.end() + uintptr(d)
	if end > hardEnd || end < v.data()+etherLen {
		return maps.EINVAL.R0()
	}
	if d > 0 {
		clear(mem.Bytes(v.end(), d))
	}
	v.set(v.l.dataEnd.Off, end)
	return 0
}

func xdpBuffLen(f *jit.Frame, ctx, _, _, _, _ uint64) uint64 {
	v := frameOf(f, ctx)
	return uint64(v.end() - v.data())
}

// part is n bytes of the packet at an offset, nil outside.
func (v frameView) part(off, n uint64) []byte {
	off, n = uint64(uint32(off)), uint64(uint32(n))
	if off+n > uint64(v.end()-v.data()) {
		return nil
	}
	return mem.Bytes(v.data()+uintptr(off), int(n))
}

func xdpLoad(f *jit.Frame, ctx, off, buf, n, _ uint64) uint64 {
	p := frameOf(f, ctx).part(off, n)
	if p == nil {
		return maps.EINVAL.R0()
	}
	copy(mem.Bytes(uintptr(buf), len(p)), p)
	return 0
}

func xdpStore(f *jit.Frame, ctx, off, buf, n, _ uint64) uint64 {
	p := frameOf(f, ctx).part(off, n)
	if p == nil {
		return maps.EINVAL.R0()
	}
	copy(p, mem.Bytes(uintptr(buf), len(p)))
	return 0
}

// redirectTo notes where the packet goes; flag 1 is BPF_F_INGRESS for tc.
func redirectTo(f *jit.Frame, ifindex, flags, _, _, _ uint64) uint64 {
	switch s := f.User.(*host.Run).State.(type) {
	case *Frame:
		if flags != 0 {
			return XDPAborted
		}
		s.redirect = redirect{ifindex: uint32(ifindex)}
		return XDPRedirect
	case *Skb:
		if flags&^1 != 0 {
			return TCXDrop
		}
		s.redirect = redirect{ifindex: uint32(ifindex), ingress: flags&1 != 0}
		return TCXRedirect
	}
	return TCXDrop
}

func redirectPeer(f *jit.Frame, ifindex, flags, _, _, _ uint64) uint64 {
	s, ok := f.User.(*host.Run).State.(*Skb)
	if !ok || flags != 0 {
		return TCXDrop
	}
	s.redirect = redirect{ifindex: uint32(ifindex), peer: true}
	return TCXRedirect
}

// redirectMap: the lower two bits of flags are the answer when the key has no
// target; 8 and 16 are BPF_F_BROADCAST and BPF_F_EXCLUDE_INGRESS.
func redirectMap(f *jit.Frame, m, key, flags, _, _ uint64) uint64 {
	t, ok := maps.FromHandle(uintptr(m)).(maps.Target)
	s, frame := f.User.(*host.Run).State.(*Frame)
	if !ok || !frame || flags&^(3|8|16) != 0 {
		return XDPAborted
	}
	all := flags&8 != 0
	if _, has := t.Target(uint32(key)); !has && !all {
		return flags & 3
	}
	s.redirect = redirect{target: t, key: uint32(key), all: all, exclude: flags&16 != 0}
	return XDPRedirect
}

func (n *Net) cloneRedirect(f *jit.Frame, ctx, ifindex, flags, _, _ uint64) uint64 {
	s := n.Skb(uintptr(ctx))
	if flags&^1 != 0 {
		return maps.EINVAL.R0()
	}
	d := n.Device(uint32(ifindex))
	if d == nil {
		return maps.EINVAL.R0()
	}
	c, err := s.Clone()
	if err != nil {
		return maps.ENOMEM.R0()
	}
	r := f.User.(*host.Run)
	was := r.State
	defer func() { r.State = was }()
	if flags&1 != 0 {
		c.setDevice(d)
		d.Stats.RxPackets++
		err = d.deliver(r, c, r.Depth)
	} else {
		err = d.send(r, c, r.Depth)
	}
	if err != nil {
		return maps.EINVAL.R0()
	}
	return 0
}

func (n *Net) dynptrFromSkb(_ *jit.Frame, ctx, flags, ptr, _, _ uint64) uint64 {
	d := helpers.Dynptr(ptr)
	s := n.Skb(uintptr(ctx))
	if flags != 0 || s == nil {
		d.SetNull()
		return maps.EINVAL.R0()
	}
	d.SetPacket(s.ctx, s.Len(), false, false)
	return 0
}

// dynptrFromXDP: a frame is linear, so the dynptr is one to plain memory.
func (n *Net) dynptrFromXDP(f *jit.Frame, ctx, flags, ptr, _, _ uint64) uint64 {
	d := helpers.Dynptr(ptr)
	if flags != 0 {
		d.SetNull()
		return maps.EINVAL.R0()
	}
	v := frameOf(f, ctx)
	d.SetMem(v.data(), int(v.end()-v.data()))
	return 0
}

// packetLoad is LD_ABS and LD_IND: negative offsets count from the network
// (-0x100000) or MAC header (-0x200000), as the kernel has it.
func (n *Net) packetLoad(f *jit.Frame, ctx, offset, size, _, _ uint64) uint64 {
	s := n.Skb(uintptr(ctx))
	off := int(int32(offset))
	if off < 0 {
		switch {
		case off >= -0x100000:
			off = s.networkOff() + off + 0x100000
		case off >= -0x200000:
			off = off + 0x200000
		}
	}
	b := s.Bytes()
	k := int(size)
	if off < 0 || off+k > len(b) {
		f.FailLoad()
		return 0
	}
	switch k {
	case 1:
		return uint64(b[off])
	case 2:
		return uint64(binary.BigEndian.Uint16(b[off:]))
	}
	return uint64(binary.BigEndian.Uint32(b[off:]))
}
