// SPDX-License-Identifier: Apache-2.0

package maps

import (
	"sync"

	"github.com/modbpf/modbpf/framework/host/mem"
)

// queue is BPF_MAP_TYPE_QUEUE and, with lifo, BPF_MAP_TYPE_STACK. User space
// pushes with Update, peeks with Lookup and pops with LookupAndDelete, all with
// a nil key.
type queue struct {
	*base
	lifo   bool
	mu     sync.Mutex
	values uintptr
	stride int
	first  uint32
	n      uint32
}

func newQueue(lifo bool) func(*base) (Map, error) {
	return func(b *base) (Map, error) {
		q := &queue{base: b, lifo: lifo, stride: round8(b.spec.ValueSize)}
		p, err := b.mem.Map(q.stride * int(b.spec.MaxEntries))
		if err != nil {
			return nil, err
		}
		q.values = p
		return q, nil
	}
}

func (q *queue) at(i uint32) uintptr {
	return q.values + uintptr((uint64(q.first)+uint64(i))%uint64(q.spec.MaxEntries))*uintptr(q.stride)
}

func (q *queue) push(v []byte, flags uint64) Errno {
	if flags != Any && flags != Exist {
		return EINVAL
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.n == q.spec.MaxEntries {
		if flags != Exist {
			return E2BIG
		}
		q.first = uint32((uint64(q.first) + 1) % uint64(q.spec.MaxEntries)) // the oldest makes room
		q.n--
	}
	copy(mem.Bytes(q.at(q.n), int(q.spec.ValueSize)), v)
	q.n++
	return 0
}

func (q *queue) get(v []byte, take bool) Errno {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.n == 0 {
		clear(v)
		return ENOENT
	}
	i := uint32(0)
	if q.lifo {
		i = q.n - 1
	}
	copy(v, mem.Bytes(q.at(i), int(q.spec.ValueSize)))
	if take {
		if !q.lifo {
			q.first = uint32((uint64(q.first) + 1) % uint64(q.spec.MaxEntries))
		}
		q.n--
	}
	return 0
}

func (q *queue) Push(value uintptr, flags uint64) int64 {
	return -int64(q.push(mem.Bytes(value, int(q.spec.ValueSize)), flags))
}

func (q *queue) Pop(value uintptr) int64 {
	return -int64(q.get(mem.Bytes(value, int(q.spec.ValueSize)), true))
}

func (q *queue) Peek(value uintptr) int64 {
	return -int64(q.get(mem.Bytes(value, int(q.spec.ValueSize)), false))
}

func (q *queue) Update(_, value []byte, flags uint64) error {
	if err := q.sizes("push to", nil, value); err != nil {
		return err
	}
	if e := q.writable(); e != 0 {
		return q.err("push to", e)
	}
	return q.err("push to", q.push(value, flags))
}

func (q *queue) Lookup(_, value []byte, flags uint64) error {
	if err := q.sizes("peek at", nil, value); err != nil {
		return err
	}
	if flags != 0 {
		return q.err("peek at", EINVAL)
	}
	return q.err("peek at", q.get(value, false))
}

func (q *queue) LookupAndDelete(_, value []byte, flags uint64) error {
	if err := q.sizes("pop from", nil, value); err != nil {
		return err
	}
	if flags != 0 {
		return q.err("pop from", EINVAL)
	}
	if e := q.writable(); e != 0 {
		return q.err("pop from", e)
	}
	return q.err("pop from", q.get(value, true))
}

func (q *queue) Delete([]byte) error       { return q.err("delete from", EINVAL) }
func (q *queue) NextKey(_, _ []byte) error { return q.err("walk", EINVAL) }
