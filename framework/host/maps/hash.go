// SPDX-License-Identifier: Apache-2.0

package maps

import (
	"math/bits"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/framework/host/mem"
	"github.com/modbpf/modbpf/framework/host/world"
	"github.com/modbpf/modbpf/jit"
)

// The hash table is laid out for machine code to walk without a lock.
//
//	buckets: 2^k words; each 0 or the address of the first element, or an end mark
//	element: +0   next: address of the next element, or an end mark
//	         +8   hash, 32 bits
//	         +12  recently used: any reader of an LRU map stores 1 (32 bits)
//	         +16  key, zero-padded to 8 bytes
//	         +16+round8(key size)  value (per-CPU maps: one for each CPU, each rounded up to 8)
//
// An end mark is odd: bucket index * 2 + 1. Elements are never unmapped while
// the map lives, but a deleted one is used again at once, perhaps in another
// bucket, and a reader standing on it is carried off there: a look-up that
// finds nothing and ends at another bucket's mark starts again. (The kernel does
// the same with its nulls lists.) A writer fills an element before it publishes
// it with one store; a deleted element keeps its next word.
//
// Hash of a key: h = seed; for each 8 bytes w of the zero-padded key,
// little-endian, h = fold((h ^ w) * hashMul), where fold xors the two halves of
// the 128-bit product; the element keeps the lower 32 bits, of which the bucket
// is the lowest k.
const (
	elemNext = 0
	elemHash = 8
	elemUsed = 12
	elemKey  = 16

	hashMul = 0x9e3779b97f4a7c15

	lockStripes = 64
	slabElems   = 512
)

type hash struct {
	*base
	buckets uintptr
	mask    uint32
	seed    uint64

	keySize  int
	valueOff uintptr
	stride   int // of one CPU's value
	elemSize int
	percpu   bool
	lru      bool

	count atomic.Int64
	locks [lockStripes]struct {
		sync.Mutex
		_ [56]byte
	}

	pool struct {
		sync.Mutex
		free  []uintptr
		slabs []uintptr
		fresh int // elements of the newest slab handed out
		hand  int // where the LRU clock stands
	}
}

func newHash(b *base) (Map, error) {
	s := b.spec
	if s.MaxEntries > 1<<31 {
		return nil, E2BIG
	}
	n := uint32(1) << bits.Len32(s.MaxEntries-1)
	h := &hash{base: b, mask: n - 1, keySize: int(s.KeySize), stride: round8(s.ValueSize)}
	h.valueOff = elemKey + uintptr(round8(s.KeySize))
	h.percpu = s.Type == bpf.MapPercpuHash || s.Type == bpf.MapLRUPercpuHash
	h.lru = s.Type == bpf.MapLRUHash || s.Type == bpf.MapLRUPercpuHash
	h.elemSize = int(h.valueOff) + h.stride
	if h.percpu {
		h.elemSize = int(h.valueOff) + h.stride*b.w.CPUs()
	}
	h.elemSize = (h.elemSize + 15) &^ 15
	if s.Flags&bpf.MapZeroSeed == 0 {
		h.seed = rand.Uint64()
	}
	p, err := b.mem.Map(int(n) * 8)
	if err != nil {
		return nil, err
	}
	h.buckets = p
	return h, nil
}

// Info describes the table; per-CPU values depend on more than the table.
func (h *hash) Info() jit.MapInfo {
	i := jit.MapInfo{Handle: h.handle}
	if !h.percpu {
		i.Hash = &jit.HashInfo{
			Buckets: h.buckets, Seed: h.seed, Mul: hashMul, Mask: h.mask,
			KeySize: uint32(h.keySize), Value: uint32(h.valueOff), LRU: h.lru,
		}
	}
	return i
}

func (h *hash) ValueLen() int {
	if h.percpu {
		return h.stride * h.w.CPUs()
	}
	return int(h.spec.ValueSize)
}

func fold(x uint64) uint64 {
	hi, lo := bits.Mul64(x, hashMul)
	return hi ^ lo
}

// hashOf hashes the key at an address.
func (h *hash) hashOf(key uintptr) uint32 {
	switch h.keySize {
	case 4:
		return uint32(fold(h.seed ^ uint64(*mem.U32(key))))
	case 8:
		return uint32(fold(h.seed ^ *mem.U64(key)))
	}
	v, n := h.seed, h.keySize
	for ; n >= 8; n, key = n-8, key+8 {
		v = fold(v ^ *mem.U64(key))
	}
	if n > 0 {
		v = fold(v ^ tail(key, n))
	}
	return uint32(v)
}

// tail is the last n < 8 bytes of a key as a zero-padded word.
func tail(p uintptr, n int) uint64 {
	var w uint64
	for i := range n {
		w |= uint64(*mem.U8(p + uintptr(i))) << (8 * i)
	}
	return w
}

// same compares a padded key of an element with a key.
func (h *hash) same(elem, key uintptr) bool {
	switch h.keySize {
	case 4:
		return *mem.U32(elem + elemKey) == *mem.U32(key)
	case 8:
		return *mem.U64(elem + elemKey) == *mem.U64(key)
	}
	p, n := elem+elemKey, h.keySize
	for ; n >= 8; n, key, p = n-8, key+8, p+8 {
		if *mem.U64(key) != *mem.U64(p) {
			return false
		}
	}
	return n == 0 || tail(key, n) == tail(p, n)
}

func loadWord(p uintptr) uintptr     { return atomic.LoadUintptr(mem.Word(p)) }
func storeWord(p uintptr, v uintptr) { atomic.StoreUintptr(mem.Word(p), v) }

func (h *hash) head(hv uint32) uintptr { return h.buckets + uintptr(hv&h.mask)*8 }

// find walks without a lock.
func (h *hash) find(key uintptr, hv uint32) uintptr {
	for {
		e := loadWord(h.head(hv))
		if e == 0 {
			return 0
		}
		for e&1 == 0 {
			if *mem.U32(e + elemHash) == hv && h.same(e, key) {
				return e
			}
			e = loadWord(e + elemNext)
		}
		if uint32(e>>1) == hv&h.mask {
			return 0
		}
	}
}

func (h *hash) lockOf(hv uint32) *sync.Mutex { return &h.locks[hv&h.mask&(lockStripes-1)].Mutex }

// locate finds an element and the word that points to it; the bucket is locked.
func (h *hash) locate(key uintptr, hv uint32) (link, elem uintptr) {
	link = h.head(hv)
	for e := loadWord(link); e != 0 && e&1 == 0; link, e = e+elemNext, loadWord(e+elemNext) {
		if *mem.U32(e + elemHash) == hv && h.same(e, key) {
			return link, e
		}
	}
	return 0, 0
}

// take returns an element that is in no bucket.
func (h *hash) take() uintptr {
	h.pool.Lock()
	defer h.pool.Unlock()
	if n := len(h.pool.free); n > 0 {
		e := h.pool.free[n-1]
		h.pool.free = h.pool.free[:n-1]
		return e
	}
	per := h.perSlab()
	if len(h.pool.slabs) == 0 || h.pool.fresh == per {
		p, err := h.mem.Map(per * h.elemSize)
		if err != nil {
			return 0
		}
		h.pool.slabs = append(h.pool.slabs, p)
		h.pool.fresh = 0
	}
	e := h.pool.slabs[len(h.pool.slabs)-1] + uintptr(h.pool.fresh*h.elemSize)
	h.pool.fresh++
	return e
}

func (h *hash) perSlab() int { return min(slabElems, int(h.spec.MaxEntries)+1) }

// give frees an element that is out of its bucket.
func (h *hash) give(e uintptr) {
	h.freeFields(e)
	h.pool.Lock()
	h.pool.free = append(h.pool.free, e)
	h.pool.Unlock()
}

func (h *hash) freeFields(e uintptr) {
	if h.rec.Empty() {
		return
	}
	n := 1
	if h.percpu {
		n = h.w.CPUs()
	}
	for cpu := range n {
		h.w.Objects.FreeFields(h.rec, e+h.valueOff+uintptr(cpu*h.stride))
	}
}

// value is where one CPU's value lies.
func (h *hash) value(e uintptr, cpu int) uintptr {
	if !h.percpu {
		cpu = 0
	}
	return e + h.valueOff + uintptr(cpu*h.stride)
}

// fill makes a taken element hold a key and a value and links it in first.
func (h *hash) fill(e, key uintptr, hv uint32, write func(e uintptr)) {
	head := h.head(hv)
	next := loadWord(head)
	if next == 0 {
		next = uintptr(hv&h.mask)<<1 | 1
	}
	pad := round8(h.spec.KeySize)
	if pad != h.keySize {
		*mem.U64(e + elemKey + uintptr(pad-8)) = 0
	}
	mem.Copy(e+elemKey, key, h.keySize)
	*mem.U32(e + elemHash) = hv
	*mem.U32(e + elemUsed) = 0
	write(e)
	storeWord(e+elemNext, next)
	storeWord(head, e)
}

// put is update for both user space and programs. inPlace changes an element
// that exists and says whether that was enough; write fills a new one, old
// being the one it replaces, or 0.
func (h *hash) put(key uintptr, flags uint64, inPlace func(e uintptr) bool, write func(e, old uintptr)) Errno {
	hv := h.hashOf(key)
	counted := false
	if h.find(key, hv) == 0 && flags&3 != Exist {
		if e := h.reserve(); e != 0 {
			return e
		}
		counted = true
	}
	fresh := h.take()
	if fresh == 0 {
		if counted {
			h.count.Add(-1)
		}
		return ENOMEM
	}
	l := h.lockOf(hv)
	l.Lock()
	link, old := h.locate(key, hv)
	e, used := Errno(0), false
	switch {
	case old == 0 && flags&3 == Exist:
		e = ENOENT
	case old == 0 && !counted && h.count.Add(1) > int64(h.spec.MaxEntries):
		h.count.Add(-1) // the element found at first is gone and others took its place
		e = E2BIG
	case old == 0:
		h.fill(fresh, key, hv, func(n uintptr) { write(n, 0) })
		counted, used = false, true
	case flags&3 == NoExist:
		e = EEXIST
	case inPlace != nil && inPlace(old):
	default:
		h.fill(fresh, key, hv, func(n uintptr) { write(n, old) })
		if link == h.head(hv) {
			link = fresh + elemNext // the new element went in front of it
		}
		storeWord(link, loadWord(old+elemNext))
		used = true
	}
	l.Unlock()
	if counted {
		h.count.Add(-1)
	}
	switch {
	case !used:
		h.pool.Lock()
		h.pool.free = append(h.pool.free, fresh)
		h.pool.Unlock()
	case old != 0:
		h.give(old)
	}
	return e
}

// reserve counts one more element, making room in an LRU map.
func (h *hash) reserve() Errno {
	for h.count.Add(1) > int64(h.spec.MaxEntries) {
		h.count.Add(-1)
		if !h.lru || !h.evict() {
			return E2BIG
		}
	}
	return 0
}

// evict drops the first element the clock hand meets that was not used since
// the hand last passed (Corbató's clock, an approximation of least recently
// used, as the kernel's lists are).
func (h *hash) evict() bool {
	h.pool.Lock()
	per := h.perSlab()
	total := 0
	if len(h.pool.slabs) > 0 {
		total = (len(h.pool.slabs)-1)*per + h.pool.fresh
	}
	for range 2*total + 1 {
		i := h.pool.hand
		h.pool.hand++
		if i >= total {
			h.pool.hand = 0
			continue
		}
		e := h.pool.slabs[i/per] + uintptr(i%per*h.elemSize)
		if atomic.SwapUint32(mem.U32(e+elemUsed), 0) != 0 {
			continue
		}
		h.pool.Unlock()
		if h.unlink(e) {
			h.count.Add(-1)
			h.give(e)
			return true
		}
		h.pool.Lock()
	}
	h.pool.Unlock()
	return false
}

// unlink takes a certain element out of its bucket, if it is in one.
func (h *hash) unlink(e uintptr) bool {
	hv := *mem.U32(e + elemHash)
	l := h.lockOf(hv)
	l.Lock()
	defer l.Unlock()
	link := h.head(hv)
	for x := loadWord(link); x != 0 && x&1 == 0; link, x = x+elemNext, loadWord(x+elemNext) {
		if x == e {
			storeWord(link, loadWord(e+elemNext))
			return true
		}
	}
	return false
}

// remove deletes a key; take, if given, sees the element before it is freed.
func (h *hash) remove(key uintptr, take func(e uintptr)) Errno {
	hv := h.hashOf(key)
	l := h.lockOf(hv)
	l.Lock()
	link, e := h.locate(key, hv)
	if e == 0 {
		l.Unlock()
		return ENOENT
	}
	storeWord(link, loadWord(e+elemNext))
	if take != nil {
		take(e)
	}
	l.Unlock()
	h.count.Add(-1)
	h.give(e)
	return 0
}

// Element finds the element by the slab it lies in.
func (h *hash) Element(p uintptr) (value, key uintptr) {
	h.pool.Lock()
	defer h.pool.Unlock()
	for _, s := range h.pool.slabs {
		if p >= s && p < s+uintptr(h.perSlab()*h.elemSize) {
			e := p - (p-s)%uintptr(h.elemSize)
			return e + h.valueOff, e + elemKey
		}
	}
	return 0, 0
}

// Len is the number of elements.
func (h *hash) Len() int { return int(h.count.Load()) }

func (h *hash) destroy() {
	if h.rec.Empty() {
		return
	}
	for b := range h.mask + 1 {
		for e := loadWord(h.head(b)); e != 0 && e&1 == 0; e = loadWord(e + elemNext) {
			h.freeFields(e)
		}
	}
}

// The program's side.

func (h *hash) At(r *world.Run, key uintptr) uintptr { return h.AtCPU(r.CPU, key) }

// AtCPU is bpf_map_lookup_percpu_elem.
func (h *hash) AtCPU(cpu int, key uintptr) uintptr {
	e := h.find(key, h.hashOf(key))
	if e == 0 || uint(cpu) >= uint(h.w.CPUs()) {
		return 0
	}
	if h.lru && *mem.U32(e + elemUsed) == 0 {
		atomic.StoreUint32(mem.U32(e+elemUsed), 1)
	}
	return h.value(e, cpu)
}

func (h *hash) Put(r *world.Run, key, value uintptr, flags uint64) int64 {
	n := int(h.spec.ValueSize)
	if h.percpu {
		if flags > Exist {
			return -int64(EINVAL)
		}
		return -int64(h.put(key, flags,
			func(e uintptr) bool { mem.Copy(h.value(e, r.CPU), value, n); return true },
			func(e, _ uintptr) {
				clear(mem.Bytes(e+h.valueOff, h.stride*h.w.CPUs()))
				mem.Copy(h.value(e, r.CPU), value, n)
			}))
	}
	return -int64(h.putValue(key, mem.Bytes(value, n), flags))
}

func (h *hash) putValue(key uintptr, value []byte, flags uint64) Errno {
	if e := h.checkFlags(flags, NoExist|Exist|WithLock); e != 0 {
		return e
	}
	var inPlace func(uintptr) bool
	if flags&WithLock != 0 {
		inPlace = func(e uintptr) bool { h.store(e+h.valueOff, value, flags); return true }
	}
	return h.put(key, flags, inPlace, func(e, _ uintptr) {
		v := mem.Bytes(e+h.valueOff, h.stride)
		if !h.rec.Empty() {
			clear(v)
		}
		h.rec.Copy(v[:h.spec.ValueSize], value)
	})
}

func (h *hash) Remove(_ *world.Run, key uintptr) int64 { return -int64(h.remove(key, nil)) }

func (h *hash) Each(r *world.Run, fn func(key, value uintptr) bool) int64 {
	n := int64(0)
	for b := range h.mask + 1 {
		for e := loadWord(h.head(b)); e != 0 && e&1 == 0; {
			next := loadWord(e + elemNext)
			n++
			if !fn(e+elemKey, h.value(e, r.CPU)) {
				return n
			}
			e = next
		}
	}
	return n
}
