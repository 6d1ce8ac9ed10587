// SPDX-License-Identifier: Apache-2.0

package jit

import (
	"math/bits"
	"sync/atomic"
	"unsafe"

	"github.com/modbpf/modbpf/bpf"
)

// Access to process memory by address, as the interpreter needs it. The
// addresses are not Go pointers: they come from programs, lie outside the Go
// heap, and may fault.

// at makes an address usable. The detour says to vet, rightly, that this is no
// arithmetic on Go pointers.
func at(a uint64) unsafe.Pointer {
	p := uintptr(a)
	return *(*unsafe.Pointer)(unsafe.Pointer(&p))
}

func load(a uint64, op uint8) uint64 {
	switch op & 0x18 {
	case bpf.SizeB:
		return uint64(*(*uint8)(at(a)))
	case bpf.SizeH:
		return uint64(*(*uint16)(at(a)))
	case bpf.SizeW:
		return uint64(*(*uint32)(at(a)))
	}
	return *(*uint64)(at(a))
}

func loadSigned(a uint64, op uint8) uint64 {
	switch op & 0x18 {
	case bpf.SizeB:
		return uint64(int64(*(*int8)(at(a))))
	case bpf.SizeH:
		return uint64(int64(*(*int16)(at(a))))
	}
	return uint64(int64(*(*int32)(at(a))))
}

func store(a uint64, op uint8, v uint64) {
	switch op & 0x18 {
	case bpf.SizeB:
		*(*uint8)(at(a)) = uint8(v)
	case bpf.SizeH:
		*(*uint16)(at(a)) = uint16(v)
	case bpf.SizeW:
		*(*uint32)(at(a)) = uint32(v)
	default:
		*(*uint64)(at(a)) = v
	}
}

// quietly runs an access that may fault and says whether it did not. The caller
// has asked for panics on faults (debug.SetPanicOnFault).
func quietly(access func()) (ok bool) {
	defer func() {
		if r := recover(); r != nil {
			if _, fault := faultAddr(r); !fault {
				panic(r)
			}
			ok = false
		}
	}()
	access()
	return true
}

// atomicOp carries out an atomic instruction on memory at a: src is the operand,
// r0 the value a compare-and-exchange expects. It returns the old value, zero-extended.
func atomicOp(a uint64, op uint8, kind int32, src, r0 uint64) uint64 {
	switch kind {
	case bpf.AtomicLoadACQ:
		return loadAcquire(a, op)
	case bpf.AtomicStoreREL:
		storeRelease(a, op, src)
		return 0
	}
	if op&0x18 == bpf.SizeDW {
		p := (*uint64)(at(a))
		switch kind {
		case bpf.AtomicXCHG:
			return atomic.SwapUint64(p, src)
		case bpf.AtomicCMPXCHG:
			for {
				old := atomic.LoadUint64(p)
				if old != r0 || atomic.CompareAndSwapUint64(p, old, src) {
					return old
				}
			}
		}
		for {
			old := atomic.LoadUint64(p)
			if atomic.CompareAndSwapUint64(p, old, fetchOp(kind, old, src)) {
				return old
			}
		}
	}
	p := (*uint32)(at(a))
	switch kind {
	case bpf.AtomicXCHG:
		return uint64(atomic.SwapUint32(p, uint32(src)))
	case bpf.AtomicCMPXCHG:
		for {
			old := atomic.LoadUint32(p)
			if old != uint32(r0) || atomic.CompareAndSwapUint32(p, old, uint32(src)) {
				return uint64(old)
			}
		}
	}
	for {
		old := atomic.LoadUint32(p)
		if atomic.CompareAndSwapUint32(p, old, uint32(fetchOp(kind, uint64(old), src))) {
			return uint64(old)
		}
	}
}

func fetchOp(kind int32, old, src uint64) uint64 {
	switch kind &^ bpf.AtomicFetch {
	case bpf.AluADD:
		return old + src
	case bpf.AluAND:
		return old & src
	case bpf.AluOR:
		return old | src
	}
	return old ^ src
}

// word32 is the aligned 32-bit word an address of one or two bytes lies in, and
// the shift of its lowest bit.
func word32(a uint64) (*uint32, uint) { return (*uint32)(at(a &^ 3)), uint(a&3) * 8 }

func loadAcquire(a uint64, op uint8) uint64 {
	switch op & 0x18 {
	case bpf.SizeDW:
		return atomic.LoadUint64((*uint64)(at(a)))
	case bpf.SizeW:
		return uint64(atomic.LoadUint32((*uint32)(at(a))))
	}
	p, shift := word32(a)
	v := uint64(atomic.LoadUint32(p) >> shift)
	if op&0x18 == bpf.SizeB {
		return v & 0xff
	}
	return v & 0xffff
}

func storeRelease(a uint64, op uint8, v uint64) {
	mask := uint32(0xffff)
	switch op & 0x18 {
	case bpf.SizeDW:
		atomic.StoreUint64((*uint64)(at(a)), v)
		return
	case bpf.SizeW:
		atomic.StoreUint32((*uint32)(at(a)), uint32(v))
		return
	case bpf.SizeB:
		mask = 0xff
	}
	p, shift := word32(a)
	for {
		old := atomic.LoadUint32(p)
		if atomic.CompareAndSwapUint32(p, old, old&^(mask<<shift)|uint32(v)&mask<<shift) {
			return
		}
	}
}

// swapBytes is the byte swap of the low bits of v, zero-extended.
func swapBytes(v uint64, width int32) uint64 {
	switch width {
	case 16:
		return uint64(bits.ReverseBytes16(uint16(v)))
	case 32:
		return uint64(bits.ReverseBytes32(uint32(v)))
	}
	return bits.ReverseBytes64(v)
}
