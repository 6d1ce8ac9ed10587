// SPDX-License-Identifier: Apache-2.0

package maps

import (
	"github.com/modbpf/modbpf/framework/host/mem"
)

// withKey calls fn with the key at an address outside the Go heap.
func (h *hash) withKey(key []byte, fn func(k uintptr) Errno) Errno {
	k, err := h.mem.Alloc(len(key))
	if err != nil {
		return ENOMEM
	}
	defer h.mem.Free(k, len(key))
	copy(mem.Bytes(k, len(key)), key)
	return fn(k)
}

func (h *hash) Lookup(key, value []byte, flags uint64) error {
	if err := h.sizes("look up in", key, value); err != nil {
		return err
	}
	if e := h.checkFlags(flags, WithLock); e != 0 {
		return h.err("look up in", e)
	}
	return h.err("look up in", h.withKey(key, func(k uintptr) Errno {
		hv := h.hashOf(k)
		l := h.lockOf(hv)
		l.Lock()
		defer l.Unlock()
		_, e := h.locate(k, hv)
		if e == 0 {
			return ENOENT
		}
		h.copyOut(value, e, flags)
		return 0
	}))
}

func (h *hash) copyOut(value []byte, e uintptr, flags uint64) {
	if !h.percpu {
		h.load(value, e+h.valueOff, flags)
		return
	}
	clear(value)
	for cpu := range h.w.CPUs() {
		h.load(value[cpu*h.stride:][:h.spec.ValueSize], h.value(e, cpu), 0)
	}
}

func (h *hash) Update(key, value []byte, flags uint64) error {
	if err := h.sizes("update", key, value); err != nil {
		return err
	}
	if e := h.writable(); e != 0 {
		return h.err("update", e)
	}
	return h.err("update", h.withKey(key, func(k uintptr) Errno {
		if !h.percpu {
			return h.putValue(k, value, flags)
		}
		if flags > Exist {
			return EINVAL
		}
		all := func(e uintptr) {
			for cpu := range h.w.CPUs() {
				copy(mem.Bytes(h.value(e, cpu), int(h.spec.ValueSize)), value[cpu*h.stride:])
			}
		}
		return h.put(k, flags, func(e uintptr) bool { all(e); return true }, func(e, _ uintptr) {
			clear(mem.Bytes(e+h.valueOff, h.stride*h.w.CPUs()))
			all(e)
		})
	}))
}

func (h *hash) Delete(key []byte) error {
	if err := h.sizes("delete from", key, nil); err != nil {
		return err
	}
	if e := h.writable(); e != 0 {
		return h.err("delete from", e)
	}
	return h.err("delete from", h.withKey(key, func(k uintptr) Errno { return h.remove(k, nil) }))
}

func (h *hash) LookupAndDelete(key, value []byte, flags uint64) error {
	if err := h.sizes("look up and delete in", key, value); err != nil {
		return err
	}
	if e := h.writable(); e != 0 {
		return h.err("look up and delete in", e)
	}
	if e := h.checkFlags(flags, WithLock); e != 0 {
		return h.err("look up and delete in", e)
	}
	return h.err("look up and delete in", h.withKey(key, func(k uintptr) Errno {
		return h.remove(k, func(e uintptr) { h.copyOut(value, e, flags) })
	}))
}

func (h *hash) NextKey(key, next []byte) error {
	if err := h.sizes("walk", key, nil); err != nil {
		return err
	}
	b, e := uint32(0), uintptr(0)
	if key != nil {
		h.withKey(key, func(k uintptr) Errno {
			hv := h.hashOf(k)
			if at := h.find(k, hv); at != 0 {
				b, e = hv&h.mask, at
			}
			return 0
		})
	}
	if e != 0 {
		e = loadWord(e + elemNext)
	} else {
		e = loadWord(h.head(b))
	}
	for e == 0 || e&1 != 0 {
		if b++; b > h.mask || b == 0 {
			return h.err("walk", ENOENT)
		}
		e = loadWord(h.head(b))
	}
	copy(next, mem.Bytes(e+elemKey, h.keySize))
	return nil
}
