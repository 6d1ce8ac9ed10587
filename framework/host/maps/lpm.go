// SPDX-License-Identifier: Apache-2.0

package maps

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"sync"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/framework/host/mem"
	"github.com/modbpf/modbpf/framework/host/world"
)

// lpm is BPF_MAP_TYPE_LPM_TRIE: keys are a prefix length (32 bits, host order)
// and data in network order; a look-up finds the longest prefix of the data.
// The trie is binary with path compression; nodes without a value only fork.
type lpm struct {
	*base
	data  int // bytes of data in a key
	bits  uint32
	mu    sync.RWMutex
	root  *lpmNode
	count uint32
}

type lpmNode struct {
	child  [2]*lpmNode
	prefix uint32
	data   []byte
	value  uintptr // 0: forks only
}

func newLPM(b *base) (Map, error) {
	s := b.spec
	if s.Flags&bpf.MapNoPrealloc == 0 || s.KeySize < 5 || s.KeySize > 260 {
		return nil, EINVAL
	}
	return &lpm{base: b, data: int(s.KeySize) - 4, bits: (s.KeySize - 4) * 8}, nil
}

func bitOf(data []byte, i uint32) int { return int(data[i/8]>>(7-i%8)) & 1 }

// match is the length of the prefix that a node and a key have in common.
func (t *lpm) match(n *lpmNode, prefix uint32, data []byte) uint32 {
	limit := min(n.prefix, prefix)
	for i := range t.data {
		if d := n.data[i] ^ data[i]; d != 0 {
			return min(uint32(8*i+bits.LeadingZeros8(d)), limit)
		}
		if uint32(8*i+8) >= limit {
			break
		}
	}
	return limit
}

func (t *lpm) find(key []byte) uintptr {
	prefix, data := binary.LittleEndian.Uint32(key), key[4:]
	if prefix > t.bits {
		return 0
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	var found uintptr
	for n := t.root; n != nil; {
		m := t.match(n, prefix, data)
		if m == t.bits {
			return orElse(n.value, found)
		}
		if m < n.prefix {
			break
		}
		if n.value != 0 {
			found = n.value
		}
		n = n.child[bitOf(data, n.prefix)]
	}
	return found
}

func orElse(v, other uintptr) uintptr {
	if v != 0 {
		return v
	}
	return other
}

// locate finds where a prefix is or would be.
func (t *lpm) locate(prefix uint32, data []byte) (slot **lpmNode, m uint32) {
	slot = &t.root
	for n := *slot; n != nil; n = *slot {
		m = t.match(n, prefix, data)
		if n.prefix != m || n.prefix == prefix || n.prefix == t.bits {
			break
		}
		slot = &n.child[bitOf(data, n.prefix)]
	}
	return slot, m
}

func (t *lpm) put(key, value []byte, flags uint64) Errno {
	if flags > Exist {
		return EINVAL
	}
	prefix, data := binary.LittleEndian.Uint32(key), bytes.Clone(key[4:])
	if prefix > t.bits {
		return EINVAL
	}
	v, err := t.mem.Alloc(int(t.spec.ValueSize))
	if err != nil {
		return ENOMEM
	}
	copy(mem.Bytes(v, int(t.spec.ValueSize)), value)
	t.mu.Lock()
	defer t.mu.Unlock()
	slot, m := t.locate(prefix, data)
	n := *slot
	exact := n != nil && n.prefix == prefix && m == prefix
	e := Errno(0)
	switch {
	case exact && n.value != 0 && flags == NoExist:
		e = EEXIST
	case (!exact || n.value == 0) && flags == Exist:
		e = ENOENT
	case (!exact || n.value == 0) && t.count == t.spec.MaxEntries:
		e = ENOSPC
	}
	if e != 0 {
		t.mem.Free(v, int(t.spec.ValueSize))
		return e
	}
	if exact {
		old := n.value
		n.value, n.data = v, data // data beyond the prefix is kept as it was last given
		if old != 0 {
			t.freeValue(old)
		} else {
			t.count++
		}
		return 0
	}
	t.count++
	fresh := &lpmNode{prefix: prefix, data: data, value: v}
	switch {
	case n == nil:
		*slot = fresh
	case m == prefix: // the new prefix is part of the node's
		fresh.child[bitOf(n.data, m)] = n
		*slot = fresh
	default: // they part at bit m
		fork := &lpmNode{prefix: m, data: n.data}
		fork.child[bitOf(data, m)] = fresh
		fork.child[1-bitOf(data, m)] = n
		*slot = fork
	}
	return 0
}

// freeValue frees a value once no program can hold its address.
func (t *lpm) freeValue(v uintptr) {
	t.w.Defer(func() {
		if t.refs.Load() > 0 {
			t.mem.Free(v, int(t.spec.ValueSize))
		}
	})
}

func (t *lpm) remove(key []byte) Errno {
	prefix, data := binary.LittleEndian.Uint32(key), key[4:]
	if prefix > t.bits {
		return EINVAL
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	var up, slot **lpmNode // the words that point to the parent and to the node
	slot = &t.root
	n := *slot
	for n != nil {
		m := t.match(n, prefix, data)
		if n.prefix != m || n.prefix == prefix {
			break
		}
		up, slot = slot, &n.child[bitOf(data, n.prefix)]
		n = *slot
	}
	if n == nil || n.prefix != prefix || t.match(n, prefix, data) != prefix || n.value == 0 {
		return ENOENT
	}
	t.freeValue(n.value)
	n.value = 0
	t.count--
	switch {
	case n.child[0] != nil && n.child[1] != nil: // stays as a fork
	case n.child[0] != nil:
		*slot = n.child[0]
	case n.child[1] != nil:
		*slot = n.child[1]
	default:
		*slot = nil
		if up != nil && (*up).value == 0 { // a fork with one branch left is none
			p := *up
			if p.child[0] == nil {
				*up = p.child[1]
			} else {
				*up = p.child[0]
			}
		}
	}
	return 0
}

func (t *lpm) At(_ *world.Run, key uintptr) uintptr {
	return t.find(mem.Bytes(key, int(t.spec.KeySize)))
}

func (t *lpm) Put(_ *world.Run, key, value uintptr, flags uint64) int64 {
	return -int64(t.put(mem.Bytes(key, int(t.spec.KeySize)), mem.Bytes(value, int(t.spec.ValueSize)), flags))
}

func (t *lpm) Remove(_ *world.Run, key uintptr) int64 {
	return -int64(t.remove(mem.Bytes(key, int(t.spec.KeySize))))
}

func (t *lpm) Lookup(key, value []byte, flags uint64) error {
	if err := t.sizes("look up in", key, value); err != nil {
		return err
	}
	if flags != 0 {
		return t.err("look up in", EINVAL)
	}
	r := t.w.Enter(nil)
	defer r.Exit()
	v := t.find(key)
	if v == 0 {
		return t.err("look up in", ENOENT)
	}
	copy(value, mem.Bytes(v, len(value)))
	return nil
}

func (t *lpm) Update(key, value []byte, flags uint64) error {
	if err := t.sizes("update", key, value); err != nil {
		return err
	}
	if e := t.writable(); e != 0 {
		return t.err("update", e)
	}
	return t.err("update", t.put(key, value, flags))
}

func (t *lpm) Delete(key []byte) error {
	if err := t.sizes("delete from", key, nil); err != nil {
		return err
	}
	if e := t.writable(); e != 0 {
		return t.err("delete from", e)
	}
	return t.err("delete from", t.remove(key))
}

// NextKey walks children before their parent, the most specific prefixes first.
func (t *lpm) NextKey(key, next []byte) error {
	if err := t.sizes("walk", key, nil); err != nil {
		return err
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	var first, after *lpmNode
	seen := false
	var walk func(*lpmNode) bool
	walk = func(n *lpmNode) bool {
		if n == nil {
			return true
		}
		if !walk(n.child[0]) || !walk(n.child[1]) {
			return false
		}
		if n.value == 0 {
			return true
		}
		if first == nil {
			first = n
		}
		if seen {
			after = n
			return false
		}
		if key != nil && n.prefix == binary.LittleEndian.Uint32(key) && t.match(n, n.prefix, key[4:]) == n.prefix {
			seen = true
		}
		return key != nil
	}
	walk(t.root)
	n := after
	if key == nil || !seen {
		n = first
	}
	if n == nil {
		return t.err("walk", ENOENT)
	}
	binary.LittleEndian.PutUint32(next, n.prefix)
	copy(next[4:], n.data)
	return nil
}
