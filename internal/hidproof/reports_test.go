// SPDX-License-Identifier: Apache-2.0

package hidproof

import (
	"math/rand/v2"

	"github.com/modbpf/modbpf/framework/host/hid/descriptor"
	"github.com/modbpf/modbpf/framework/host/hid/recording"
)

// reports makes what the device says: the recording, every field of every
// report at its edges, short and over-long reports, ids that do not exist, and
// random ones, always the same.
func reports(rec *recording.Device, d *descriptor.Descriptor, random int) [][]byte {
	var out [][]byte
	for _, e := range rec.Events {
		out = append(out, e.Data)
	}
	ids := []uint8{}
	for id := 0; id < 256; id++ {
		r := d.Reports[descriptor.Input][uint8(id)]
		if r == nil {
			continue
		}
		ids = append(ids, uint8(id))
		blank := func() []byte {
			b := make([]byte, r.Len())
			if r.ID != 0 {
				b[0] = r.ID
			}
			return b
		}
		out = append(out, blank())
		for _, f := range r.Fields {
			for i := range f.Count {
				for _, v := range []uint32{0, 1, ^uint32(0), uint32(f.LogicalMin), uint32(f.LogicalMax), uint32(f.LogicalMax) + 1, uint32(f.LogicalMin) - 1} {
					b := blank()
					body := b
					if r.ID != 0 {
						body = b[1:]
					}
					setBits(body, f.Offset+i*f.Size, f.Size, v)
					out = append(out, b)
				}
				if len(out) > 1500 {
					break
				}
			}
		}
		out = append(out, blank())
		for n := 1; n < r.Len(); n++ {
			b := blank()
			for i := 1; i < min(len(b), 4); i++ {
				b[i] = 0x5a
			}
			out = append(out, b[:n])
		}
		out = append(out, append(blank(), 1, 2, 3, 4, 5), blank())
	}
	if len(ids) == 0 {
		return out
	}
	if d.Numbered[descriptor.Input] {
		for _, id := range []uint8{0, 99, 200, 255} {
			if d.Reports[descriptor.Input][id] == nil {
				out = append(out, []byte{id, 1, 2, 3, 4, 5, 6, 7})
			}
		}
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for range random {
		out = append(out, randomReport(rng, d.Reports[descriptor.Input][ids[rng.IntN(len(ids))]]))
	}
	return released(out, d)
}

// released puts an empty report of the same id before each change of id: where
// one side makes one event node of several applications, a key that two of them
// have would otherwise be down already.
func released(in [][]byte, d *descriptor.Descriptor) [][]byte {
	if !d.Numbered[descriptor.Input] {
		return in
	}
	var out [][]byte
	var last *descriptor.Report
	for _, b := range in {
		r := d.Report(descriptor.Input, b)
		if last != nil && r != last {
			blank := make([]byte, last.Len())
			blank[0] = last.ID
			out = append(out, blank)
		}
		if r != nil {
			last = r
		}
		out = append(out, b)
	}
	return out
}

// randomReport fills fields at random, single bits sparsely: a reader's event
// buffer holds little more than 32 key changes, and what does not fit is lost.
func randomReport(rng *rand.Rand, r *descriptor.Report) []byte {
	b := make([]byte, r.Len())
	body := b
	if r.ID != 0 {
		b[0], body = r.ID, b[1:]
	}
	for _, f := range r.Fields {
		for i := range f.Count {
			switch {
			case f.Size == 1 && rng.IntN(max(f.Count/4, 2)) != 0:
			case f.Size > 1 && rng.IntN(4) == 0:
			default:
				setBits(body, f.Offset+i*f.Size, f.Size, rng.Uint32())
			}
		}
	}
	return b
}

func setBits(b []byte, off, n int, v uint32) {
	for i := range min(n, 32) {
		if v>>i&1 != 0 && (off+i)/8 < len(b) {
			b[(off+i)/8] |= 1 << ((off + i) % 8)
		}
	}
}
