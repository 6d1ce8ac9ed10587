// SPDX-License-Identifier: Apache-2.0

package net

import (
	"fmt"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/framework/host/typed"
	"github.com/modbpf/modbpf/jit"
	"github.com/modbpf/modbpf/verifier"
)

// What a program gets as its context is the kernel's own structure (xdp_buff,
// sk_buff), laid out by the profile's BTF, followed by an annex: words for what
// the kernel computes from elsewhere (the device's index, bit fields). Programs
// are written against the user-space API's structure (xdp_md, __sk_buff); each
// access is relocated when the program is linked, by the rows below.
//
//	context  ──► struct xdp_buff or sk_buff | annex
//
// A kfunc that is given the context as a kernel pointer gets the same address.

// annex are the words behind the structure, by offset.
const (
	annexZero     = 0 // reads as 0: the upper half of fields that are narrower in the kernel
	annexIfindex  = 8
	annexIngress  = 12
	annexQueue    = 16
	annexEgress   = 20
	annexVlan     = 24 // vlan_present
	annexPktType  = 28
	annexGsoSegs  = 32
	annexGsoSize  = 36
	annexTsType   = 40
	annexSocket   = 44 // napi_id and the socket's addresses: 14 words
	annexHwtstamp = 104
	annexID       = 112 // the packet's number, for Go
	annexSize     = 128
)

// field is a row: a field of the user-space structure and where it lies. A path
// is looked up in the kernel structure; several may be given, for structures
// that lie in skb->cb.
type field struct {
	off, size int
	path      string // member of the kernel's structure
	in        string // "cb": path is of this structure, which lies in cb
	annex     int    // used when there is no path
}

var xdpRows = []field{
	{off: 0, size: 4, path: "data"},
	{off: 4, size: 4, path: "data_end"},
	{off: 8, size: 4, path: "data_meta"},
	{off: 12, size: 4, annex: annexIngress},
	{off: 16, size: 4, annex: annexQueue},
	{off: 20, size: 4, annex: annexEgress},
}

var skbRows = []field{
	{off: 0, size: 4, path: "len"},
	{off: 4, size: 4, annex: annexPktType},
	{off: 8, size: 4, path: "mark"},
	{off: 12, size: 4, path: "queue_mapping"},
	{off: 16, size: 4, path: "protocol"},
	{off: 20, size: 4, annex: annexVlan},
	{off: 24, size: 4, path: "vlan_tci"},
	{off: 28, size: 4, path: "vlan_proto"},
	{off: 32, size: 4, path: "priority"},
	{off: 36, size: 4, path: "skb_iif"},
	{off: 40, size: 4, annex: annexIfindex},
	{off: 44, size: 4, path: "tc_index"},
	{off: 48, size: 20, in: "qdisc_skb_cb", path: "data"},
	{off: 68, size: 4, path: "hash"},
	{off: 72, size: 4, in: "qdisc_skb_cb", path: "tc_classid"},
	{off: 76, size: 4, path: "data"},
	{off: 80, size: 4, in: "bpf_skb_data_end", path: "data_end"},
	{off: 84, size: 56, annex: annexSocket},
	{off: 140, size: 4, in: "bpf_skb_data_end", path: "data_meta"},
	{off: 152, size: 8, path: "tstamp"},
	{off: 160, size: 4, in: "qdisc_skb_cb", path: "pkt_len"},
	{off: 164, size: 4, annex: annexGsoSegs},
	{off: 168, size: 8, path: "sk"},
	{off: 176, size: 4, annex: annexGsoSize},
	{off: 180, size: 1, annex: annexTsType},
	{off: 184, size: 8, annex: annexHwtstamp},
}

// place is a row resolved against a profile.
type place struct {
	field
	at    int // offset in the context
	width int // bytes there
}

// contextOf resolves rows against a kernel structure.
func contextOf(all *typed.Layouts, l *typed.Layout, rows []field) ([]place, error) {
	annex := (l.Size + 15) &^ 15
	var out []place
	for _, r := range rows {
		p := place{field: r, at: annex + r.annex, width: r.size}
		if r.path != "" {
			in, base := l, 0
			if r.in != "" {
				cb, err := l.Field("cb")
				if err != nil {
					return nil, err
				}
				if in, err = all.Of(r.in); err != nil {
					return nil, err
				}
				base = cb.Off
			}
			f, err := in.Field(r.path)
			if err != nil {
				return nil, err
			}
			p.at, p.width = base+f.Off, f.Size
		}
		out = append(out, p)
	}
	return out, nil
}

// locate answers for one access of a program.
func locate(places []place, annex, off, size int) (jit.CtxAccess, error) {
	for _, p := range places {
		d := off - p.off
		if d < 0 || d+size > p.size {
			continue
		}
		switch {
		case p.size == 4 && p.width == 8: // an address: the program's 4 bytes stand for all 8
			return jit.CtxAccess{Off: int16(p.at), Size: 8}, nil
		case d >= p.width:
			return jit.CtxAccess{Off: int16(annex + annexZero), Size: size}, nil
		}
		return jit.CtxAccess{Off: int16(p.at + d), Size: min(size, p.width-d)}, nil
	}
	return jit.CtxAccess{}, fmt.Errorf("no such field in the host's context")
}

// contextFunc serves a program type.
func contextFunc(places []place, annex int) func(*verifier.Program, int, int, bool) (jit.CtxAccess, error) {
	return func(_ *verifier.Program, off, size int, _ bool) (jit.CtxAccess, error) {
		return locate(places, annex, off, size)
	}
}

// skbTypes are the program types whose context is __sk_buff.
var skbTypes = []bpf.ProgType{bpf.ProgSchedCls, bpf.ProgSchedAct, bpf.ProgSocketFilter, bpf.ProgCgroupSkb}
