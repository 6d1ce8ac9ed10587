// SPDX-License-Identifier: Apache-2.0

package maps

import (
	"context"
	"math/bits"
	"sync"
	"sync/atomic"

	"github.com/modbpf/modbpf/framework/host/mem"
)

// Ring is BPF_MAP_TYPE_RINGBUF: programs reserve records and commit them in any
// order; the reader gets them in the order they were reserved. Positions count
// bytes and never wrap; a record begins at position & mask. The kernel maps the
// buffer twice in a row so that a record may cross its end; here the mapping is
// simply twice as long, and since a record's place follows from its position
// alone, a record that crosses is read where it was written.
//
// A record is an 8-byte header {length with busy and discard bits, number of
// the map} and data, rounded up to 8.
type Ring struct {
	*base
	data     uintptr
	mask     uint64
	mu       sync.Mutex // producers
	producer atomic.Uint64
	consumer atomic.Uint64
	pending  uint64 // oldest record that may not be committed yet
	wake     chan struct{}
}

const (
	ringBusy    = 1 << 31
	ringDiscard = 1 << 30
	ringHeader  = 8
	ringMaxRec  = 1<<32/4 - 1

	// Flags of ring buffer helpers.
	RingNoWakeup    = 1
	RingForceWakeup = 2
)

func newRing(b *base) (Map, error) {
	s := b.spec
	if s.KeySize != 0 || s.ValueSize != 0 || bits.OnesCount32(s.MaxEntries) != 1 || int(s.MaxEntries)%mem.PageSize() != 0 {
		return nil, EINVAL
	}
	p, err := b.mem.Map(2 * int(s.MaxEntries))
	if err != nil {
		return nil, err
	}
	return &Ring{base: b, data: p, mask: uint64(s.MaxEntries) - 1, wake: make(chan struct{}, 1)}, nil
}

func (r *Ring) header(pos uint64) *uint32 { return mem.U32(r.data + uintptr(pos&r.mask)) }

// Reserve makes a record of n bytes and returns its address, 0 when the buffer
// is full.
func (r *Ring) Reserve(n uint64) uintptr {
	total := (n + ringHeader + 7) &^ 7
	if n > ringMaxRec || total > r.mask+1 {
		return 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	prod := r.producer.Load()
	cons := r.consumer.Load()
	// The reader stops at the first record that is busy: everything from there on
	// takes room although the reader may have passed records before it.
	if r.pending < cons {
		r.pending = cons
	}
	for r.pending < prod {
		h := atomic.LoadUint32(r.header(r.pending))
		if h&ringBusy != 0 {
			break
		}
		r.pending += (uint64(h&^(ringBusy|ringDiscard)) + ringHeader + 7) &^ 7
	}
	next := prod + total
	if next-cons > r.mask+1 || next-r.pending > r.mask+1 {
		return 0
	}
	h := r.header(prod)
	atomic.StoreUint32(h, uint32(n)|ringBusy)
	p := r.data + uintptr(prod&r.mask)
	*mem.U32(p + 4) = uint32(*mem.U64(r.handle - 8))
	r.producer.Store(next)
	return p + ringHeader
}

// Commit gives a reserved record to the reader, or to nobody.
func (r *Ring) Commit(rec uintptr, discard bool, flags uint64) {
	h := mem.U32(rec - ringHeader)
	v := *h &^ ringBusy
	if discard {
		v |= ringDiscard
	}
	atomic.SwapUint32(h, v)
	at := uint64(rec - ringHeader - r.data)
	if flags&RingForceWakeup != 0 || flags&RingNoWakeup == 0 && r.consumer.Load()&r.mask == at {
		select {
		case r.wake <- struct{}{}:
		default:
		}
	}
}

// RingOf is the ring a reserved record lies in.
func RingOf(rec uintptr) *Ring {
	return (*registry.tab.Load())[*mem.U32(rec - 4)].(*Ring)
}

// Output is reserve, copy and commit in one.
func (r *Ring) Output(data []byte, flags uint64) Errno {
	if flags&^(RingNoWakeup|RingForceWakeup) != 0 {
		return EINVAL
	}
	p := r.Reserve(uint64(len(data)))
	if p == 0 {
		return EAGAIN
	}
	copy(mem.Bytes(p, len(data)), data)
	r.Commit(p, false, flags)
	return 0
}

// Query is bpf_ringbuf_query.
func (r *Ring) Query(what uint64) uint64 {
	prod, cons := r.producer.Load(), r.consumer.Load()
	switch what {
	case 0:
		return prod - cons
	case 1:
		return r.mask + 1
	case 2:
		return cons
	case 3:
		return prod
	}
	return 0
}

// Read calls fn with each committed record, in order, until none is left, and
// returns their number. One reader at a time; data is valid during the call.
func (r *Ring) Read(fn func(data []byte)) int {
	n := 0
	for cons := r.consumer.Load(); cons < r.producer.Load(); {
		h := atomic.LoadUint32(r.header(cons))
		if h&ringBusy != 0 {
			break
		}
		size := uint64(h &^ (ringBusy | ringDiscard))
		if h&ringDiscard == 0 {
			fn(mem.Bytes(r.data+uintptr(cons&r.mask)+ringHeader, int(size)))
			n++
		}
		cons += (size + ringHeader + 7) &^ 7
		r.consumer.Store(cons)
	}
	return n
}

// Wait returns when records may be there to read.
func (r *Ring) Wait(ctx context.Context) error {
	if r.consumer.Load() < r.producer.Load() && atomic.LoadUint32(r.header(r.consumer.Load()))&ringBusy == 0 {
		return nil
	}
	select {
	case <-r.wake:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// UserRing is BPF_MAP_TYPE_USER_RINGBUF: user space writes records, a program
// drains them.
type UserRing struct {
	*base
	mu      sync.Mutex
	limit   int
	used    int
	records [][]byte
	busy    atomic.Bool
}

func newUserRing(b *base) (Map, error) {
	s := b.spec
	if s.KeySize != 0 || s.ValueSize != 0 || bits.OnesCount32(s.MaxEntries) != 1 || int(s.MaxEntries)%mem.PageSize() != 0 {
		return nil, EINVAL
	}
	return &UserRing{base: b, limit: int(s.MaxEntries)}, nil
}

// Write adds a record; ENOSPC when the buffer is full.
func (r *UserRing) Write(data []byte) error {
	n := (len(data) + ringHeader + 7) &^ 7
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case n > r.limit:
		return r.err("write to", E2BIG)
	case r.used+n > r.limit:
		return r.err("write to", ENOSPC)
	}
	r.used += n
	r.records = append(r.records, append([]byte(nil), data...))
	return nil
}

// maxDrain is how many records one drain takes at most, as in the kernel.
const maxDrain = 128 << 10

// Drain calls fn with each record at an address until it answers false, and
// returns how many it took; EBUSY while another drain is on.
func (r *UserRing) Drain(fn func(p uintptr, n int) bool) int64 {
	if !r.busy.CompareAndSwap(false, true) {
		return -int64(EBUSY)
	}
	defer r.busy.Store(false)
	taken := int64(0)
	for more := true; more && taken < maxDrain; taken++ {
		r.mu.Lock()
		if len(r.records) == 0 {
			r.mu.Unlock()
			break
		}
		rec := r.records[0]
		r.records = r.records[1:]
		r.used -= (len(rec) + ringHeader + 7) &^ 7
		r.mu.Unlock()
		p, err := r.mem.Alloc(max(len(rec), 1))
		if err != nil {
			return -int64(ENOMEM)
		}
		copy(mem.Bytes(p, len(rec)), rec)
		more = fn(p, len(rec))
		r.mem.Free(p, max(len(rec), 1))
	}
	return taken
}
