// SPDX-License-Identifier: Apache-2.0

package net

import (
	"errors"
	"fmt"

	"github.com/modbpf/modbpf/framework/host"
	"github.com/modbpf/modbpf/framework/host/mem"
)

// XDP verdicts (enum xdp_action).
const (
	XDPAborted  = 0
	XDPDrop     = 1
	XDPPass     = 2
	XDPTx       = 3
	XDPRedirect = 4
)

// xdpHeadroom is XDP_PACKET_HEADROOM, what drivers leave in front of a packet.
const xdpHeadroom = 256

// Frame is one packet as an XDP program sees it: a page-sized buffer as a
// network driver has it. A frame is used again for packet after packet.
type Frame struct {
	net  *Net
	ctx  uintptr
	buf  uintptr
	size int
	// target of bpf_redirect and bpf_redirect_map, set while the program runs.
	redirect redirect
}

// ErrTooLarge is a packet that does not fit the model's frames: they are linear.
var ErrTooLarge = errors.New("packet is larger than a linear frame")

// NewFrame makes a frame for packets as large as a page holds, or larger when asked.
func (n *Net) NewFrame(maxLen int) (*Frame, error) {
	size := max(4096, (xdpHeadroom+maxLen+n.xdp.tailReserve+4095)&^4095)
	ctx, err := newContext(n.Host.Mem, n.xdp.Layout, n.xdp.annex)
	if err != nil {
		return nil, err
	}
	buf, err := n.Host.Mem.Alloc(size)
	if err != nil {
		n.Host.Mem.Free(ctx, n.xdp.annex+annexSize)
		return nil, fmt.Errorf("allocate frame: %w", err)
	}
	n.xdp.hardStart.Set(ctx, uint64(buf))
	n.xdp.frameSize.Set(ctx, uint64(size))
	return &Frame{net: n, ctx: ctx, buf: buf, size: size}, nil
}

// Free gives the frame's memory back.
func (f *Frame) Free() {
	f.net.Host.Mem.Free(f.ctx, f.net.xdp.annex+annexSize)
	f.net.Host.Mem.Free(f.buf, f.size)
}

// Load puts a packet into the frame, as received by a device's queue.
func (f *Frame) Load(packet []byte, ifindex, queue uint32) error {
	if len(packet) > f.size-xdpHeadroom-f.net.xdp.tailReserve {
		return ErrTooLarge
	}
	data := f.buf + xdpHeadroom
	copy(mem.Bytes(data, len(packet)), packet)
	x := &f.net.xdp
	*mem.U64(f.ctx + uintptr(x.data.Off)) = uint64(data)
	*mem.U64(f.ctx + uintptr(x.dataMeta.Off)) = uint64(data)
	*mem.U64(f.ctx + uintptr(x.dataEnd.Off)) = uint64(data) + uint64(len(packet))
	annex := f.ctx + uintptr(x.annex)
	*mem.U32(annex + annexIngress) = ifindex
	*mem.U32(annex + annexQueue) = queue
	return nil
}

// Ctx is what the program gets.
func (f *Frame) Ctx() uintptr { return f.ctx }

func (f *Frame) data() uintptr    { return *mem.Word(f.ctx + uintptr(f.net.xdp.data.Off)) }
func (f *Frame) dataEnd() uintptr { return *mem.Word(f.ctx + uintptr(f.net.xdp.dataEnd.Off)) }
func (f *Frame) meta() uintptr    { return *mem.Word(f.ctx + uintptr(f.net.xdp.dataMeta.Off)) }

// Bytes is the packet as it is now; valid until the next Load.
func (f *Frame) Bytes() []byte { return mem.Bytes(f.data(), int(f.dataEnd()-f.data())) }

// Meta is what the program put in front of the packet.
func (f *Frame) Meta() []byte { return mem.Bytes(f.meta(), int(f.data()-f.meta())) }

// Run runs an XDP program on the frame.
func (f *Frame) Run(r *host.Run, p *host.Prog) (uint32, error) {
	was := r.State
	r.State = f
	f.redirect = redirect{}
	v, err := p.Run(r, f.ctx)
	r.State = was
	return uint32(v), err
}

// ReadAt, WriteAt and Direct serve dynptrs.
func (f *Frame) ReadAt(b []byte, off int) bool {
	p := f.Bytes()
	return off >= 0 && off+len(b) <= len(p) && copy(b, p[off:]) == len(b)
}

func (f *Frame) WriteAt(b []byte, off int) bool {
	p := f.Bytes()
	return off >= 0 && off+len(b) <= len(p) && copy(p[off:], b) == len(b)
}

func (f *Frame) Direct(off, n int) uintptr {
	if off < 0 || off+n > len(f.Bytes()) {
		return 0
	}
	return f.data() + uintptr(off)
}

// Batch runs an XDP program over packets of a capture in memory.
type Batch struct {
	net    *Net
	prog   *host.Prog
	frames []*Frame
	ctxs   []uintptr
	out    []uint64
}

// batchFrames is how many packets one entry into machine code takes: few enough
// to stay in the first-level cache.
const batchFrames = 32

// NewBatch prepares frames for a program that is run over many packets.
func (n *Net) NewBatch(p *host.Prog, maxLen int) (*Batch, error) {
	b := &Batch{net: n, prog: p, out: make([]uint64, batchFrames)}
	for range batchFrames {
		f, err := n.NewFrame(maxLen)
		if err != nil {
			b.Free()
			return nil, err
		}
		b.frames = append(b.frames, f)
		b.ctxs = append(b.ctxs, f.ctx)
	}
	return b, nil
}

// Free gives the frames back.
func (b *Batch) Free() {
	for _, f := range b.frames {
		f.Free()
	}
	b.frames = nil
}

// Run runs the program over all packets and counts verdicts; unknown ones count
// as aborted. What a program redirects or sends back is only counted here: use
// a Device to follow packets. It allocates nothing.
func (b *Batch) Run(r *host.Run, packets [][]byte, ifindex uint32, verdicts *[5]uint64) error {
	r.State = b.frames[0]
	defer func() { r.State = nil }()
	for len(packets) > 0 {
		k := min(len(packets), batchFrames)
		for i, p := range packets[:k] {
			if err := b.frames[i].Load(p, ifindex, 0); err != nil {
				return err
			}
		}
		if err := b.prog.Exec.RunBatch(b.ctxs[:k], b.out[:k], r); err != nil {
			return err
		}
		for _, v := range b.out[:k] {
			if v > XDPRedirect {
				v = XDPAborted
			}
			verdicts[v]++
		}
		b.prog.Stats.Count.Add(uint64(k))
		packets = packets[k:]
		r.Quiesce()
	}
	return nil
}
