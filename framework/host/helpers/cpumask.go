// SPDX-License-Identifier: Apache-2.0

package helpers

import (
	"math/bits"
	"sync/atomic"

	"github.com/modbpf/modbpf/framework/host/mem"
	"github.com/modbpf/modbpf/framework/host/world"
	"github.com/modbpf/modbpf/jit"
)

// A cpumask is as long as the profile's struct says; only the bits of possible
// CPUs are ever looked at.
var cpumaskKfuncs = []Kfunc{
	{"bpf_cpumask_create", cpumaskCreate},
	{"bpf_cpumask_acquire", cpumaskAcquire},
	{"bpf_cpumask_release", cpumaskRelease},
	{"bpf_cpumask_first", func(f *jit.Frame, m, _, _, _, _ uint64) uint64 {
		return firstBit(f, func(i int) uint64 { return maskWord(m, i) })
	}},
	{"bpf_cpumask_first_zero", func(f *jit.Frame, m, _, _, _, _ uint64) uint64 {
		return firstBit(f, func(i int) uint64 { return ^maskWord(m, i) })
	}},
	{"bpf_cpumask_first_and", func(f *jit.Frame, a, b, _, _, _ uint64) uint64 {
		return firstBit(f, func(i int) uint64 { return maskWord(a, i) & maskWord(b, i) })
	}},
	{"bpf_cpumask_any_distribute", func(f *jit.Frame, m, _, _, _, _ uint64) uint64 {
		return firstBit(f, func(i int) uint64 { return maskWord(m, i) })
	}},
	{"bpf_cpumask_any_and_distribute", func(f *jit.Frame, a, b, _, _, _ uint64) uint64 {
		return firstBit(f, func(i int) uint64 { return maskWord(a, i) & maskWord(b, i) })
	}},
	{"bpf_cpumask_set_cpu", func(f *jit.Frame, cpu, m, _, _, _ uint64) uint64 { maskBit(f, cpu, m, setBit); return 0 }},
	{"bpf_cpumask_clear_cpu", func(f *jit.Frame, cpu, m, _, _, _ uint64) uint64 { maskBit(f, cpu, m, clearBit); return 0 }},
	{"bpf_cpumask_test_cpu", func(f *jit.Frame, cpu, m, _, _, _ uint64) uint64 { return maskBit(f, cpu, m, testBit) }},
	{"bpf_cpumask_test_and_set_cpu", func(f *jit.Frame, cpu, m, _, _, _ uint64) uint64 { return maskBit(f, cpu, m, setBit) }},
	{"bpf_cpumask_test_and_clear_cpu", func(f *jit.Frame, cpu, m, _, _, _ uint64) uint64 { return maskBit(f, cpu, m, clearBit) }},
	{"bpf_cpumask_setall", func(f *jit.Frame, m, _, _, _, _ uint64) uint64 {
		return maskFill(f, m, func(int) uint64 { return ^uint64(0) })
	}},
	{"bpf_cpumask_clear", func(f *jit.Frame, m, _, _, _, _ uint64) uint64 {
		return maskFill(f, m, func(int) uint64 { return 0 })
	}},
	{"bpf_cpumask_copy", func(f *jit.Frame, d, s, _, _, _ uint64) uint64 {
		return maskFill(f, d, func(i int) uint64 { return maskWord(s, i) })
	}},
	{"bpf_cpumask_and", func(f *jit.Frame, d, a, b, _, _ uint64) uint64 {
		maskFill(f, d, func(i int) uint64 { return maskWord(a, i) & maskWord(b, i) })
		return Bool(maskAny(f, func(i int) uint64 { return maskWord(d, i) }))
	}},
	{"bpf_cpumask_or", func(f *jit.Frame, d, a, b, _, _ uint64) uint64 {
		return maskFill(f, d, func(i int) uint64 { return maskWord(a, i) | maskWord(b, i) })
	}},
	{"bpf_cpumask_xor", func(f *jit.Frame, d, a, b, _, _ uint64) uint64 {
		return maskFill(f, d, func(i int) uint64 { return maskWord(a, i) ^ maskWord(b, i) })
	}},
	{"bpf_cpumask_equal", func(f *jit.Frame, a, b, _, _, _ uint64) uint64 {
		return Bool(!maskAny(f, func(i int) uint64 { return maskWord(a, i) ^ maskWord(b, i) }))
	}},
	{"bpf_cpumask_intersects", func(f *jit.Frame, a, b, _, _, _ uint64) uint64 {
		return Bool(maskAny(f, func(i int) uint64 { return maskWord(a, i) & maskWord(b, i) }))
	}},
	{"bpf_cpumask_subset", func(f *jit.Frame, a, b, _, _, _ uint64) uint64 {
		return Bool(!maskAny(f, func(i int) uint64 { return maskWord(a, i) &^ maskWord(b, i) }))
	}},
	{"bpf_cpumask_empty", func(f *jit.Frame, m, _, _, _, _ uint64) uint64 {
		return Bool(!maskAny(f, func(i int) uint64 { return maskWord(m, i) }))
	}},
	{"bpf_cpumask_full", func(f *jit.Frame, m, _, _, _, _ uint64) uint64 {
		return Bool(!maskAny(f, func(i int) uint64 { return ^maskWord(m, i) }))
	}},
	{"bpf_cpumask_weight", func(f *jit.Frame, m, _, _, _, _ uint64) uint64 {
		n := 0
		eachWord(f, func(i int, valid uint64) bool { n += bits.OnesCount64(maskWord(m, i) & valid); return true })
		return uint64(n)
	}},
}

func maskWord(m uint64, i int) uint64 { return atomic.LoadUint64(mem.U64(uintptr(m) + uintptr(8*i))) }

// eachWord calls fn with the index of each word and the bits of possible CPUs in it.
func eachWord(f *jit.Frame, fn func(i int, valid uint64) bool) {
	n := run(f).World.CPUs()
	for i := 0; 64*i < n; i++ {
		valid := ^uint64(0)
		if n-64*i < 64 {
			valid = 1<<(n-64*i) - 1
		}
		if !fn(i, valid) {
			return
		}
	}
}

// firstBit answers the first CPU set, the number of CPUs when there is none.
func firstBit(f *jit.Frame, word func(int) uint64) uint64 {
	at := run(f).World.CPUs()
	eachWord(f, func(i int, valid uint64) bool {
		if w := word(i) & valid; w != 0 {
			at = 64*i + bits.TrailingZeros64(w)
			return false
		}
		return true
	})
	return uint64(at)
}

func maskAny(f *jit.Frame, word func(int) uint64) bool {
	return firstBit(f, word) != uint64(run(f).World.CPUs())
}

func maskFill(f *jit.Frame, m uint64, word func(int) uint64) uint64 {
	eachWord(f, func(i int, valid uint64) bool {
		atomic.StoreUint64(mem.U64(uintptr(m)+uintptr(8*i)), word(i)&valid)
		return true
	})
	return 0
}

func setBit(p *uint64, b uint64) uint64   { return atomic.OrUint64(p, b) }
func clearBit(p *uint64, b uint64) uint64 { return atomic.AndUint64(p, ^b) }
func testBit(p *uint64, _ uint64) uint64  { return atomic.LoadUint64(p) }

// maskBit does something with a CPU's bit and answers what it was.
func maskBit(f *jit.Frame, cpu, m uint64, op func(*uint64, uint64) uint64) uint64 {
	c := uint32(cpu)
	if c >= uint32(run(f).World.CPUs()) {
		return 0
	}
	b := uint64(1) << (c % 64)
	return Bool(op(mem.U64(uintptr(m)+uintptr(c/64*8)), b)&b != 0)
}

// cpumaskType is the kernel's struct bpf_cpumask.
func cpumaskType(w *world.World) (size, usage int, ok bool) {
	l, err := w.Layouts.Of("bpf_cpumask")
	if err != nil {
		return 0, 0, false
	}
	u, err := l.Field("usage.refs.counter")
	return l.Size, u.Off, err == nil
}

func cpumaskCreate(f *jit.Frame, _, _, _, _, _ uint64) uint64 {
	w := run(f).World
	size, usage, ok := cpumaskType(w)
	if !ok {
		return 0
	}
	p, err := w.Mem.Alloc(size)
	if err != nil {
		return 0
	}
	*mem.U32(p + uintptr(usage)) = 1
	w.Objects.OnDrop("bpf_cpumask", func(p uintptr) { dropCpumask(w, p) })
	return uint64(p)
}

func cpumaskAcquire(f *jit.Frame, m, _, _, _, _ uint64) uint64 {
	_, usage, _ := cpumaskType(run(f).World)
	atomic.AddUint32(mem.U32(uintptr(m)+uintptr(usage)), 1)
	return m
}

func cpumaskRelease(f *jit.Frame, m, _, _, _, _ uint64) uint64 {
	dropCpumask(run(f).World, uintptr(m))
	return 0
}

func dropCpumask(w *world.World, m uintptr) {
	size, usage, ok := cpumaskType(w)
	if ok && atomic.AddUint32(mem.U32(m+uintptr(usage)), ^uint32(0)) == 0 {
		w.Defer(func() { w.Mem.Free(m, size) })
	}
}
