// SPDX-License-Identifier: Apache-2.0

package maps

import (
	"sync/atomic"
)

// PerfEvents is BPF_MAP_TYPE_PERF_EVENT_ARRAY: what programs put out goes to a
// function. Without one there is no event to write to, and programs get ENOENT.
type PerfEvents struct {
	*base
	reader atomic.Pointer[func(cpu int, data []byte)]
}

func newPerfEvents(b *base) (Map, error) {
	if b.spec.KeySize != 4 || b.spec.ValueSize != 4 {
		return nil, EINVAL
	}
	return &PerfEvents{base: b}, nil
}

// SetReader says who gets the output; nil ends it. Data is valid during the call.
func (p *PerfEvents) SetReader(fn func(cpu int, data []byte)) {
	if fn == nil {
		p.reader.Store(nil)
		return
	}
	p.reader.Store(&fn)
}

// Output is bpf_perf_event_output on a CPU.
func (p *PerfEvents) Output(cpu int, flags uint64, data []byte) Errno {
	const indexMask, lengthMask = 0xffffffff, 0xfffff << 32
	if flags&^(indexMask|lengthMask) != 0 {
		return EINVAL
	}
	i := uint32(flags)
	if i == indexMask {
		i = uint32(cpu)
	}
	if i >= p.spec.MaxEntries {
		return E2BIG
	}
	fn := p.reader.Load()
	switch {
	case fn == nil:
		return ENOENT
	case int(i) != cpu:
		return EOPNOTSUP // an event of another CPU
	}
	(*fn)(cpu, data)
	return 0
}

func (p *PerfEvents) NextKey(key, next []byte) error {
	if err := p.sizes("walk", key, nil); err != nil {
		return err
	}
	return p.err("walk", nextIndex(key, next, p.spec.MaxEntries))
}
