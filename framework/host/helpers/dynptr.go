// SPDX-License-Identifier: Apache-2.0

package helpers

import (
	"github.com/modbpf/modbpf/framework/host/maps"
	"github.com/modbpf/modbpf/framework/host/mem"
	"github.com/modbpf/modbpf/framework/host/world"
	"github.com/modbpf/modbpf/jit"
)

// A dynptr lies in program memory as the kernel's does: the address of the data
// (or of the packet), 24 bits of size with type and read-only bits above, and an
// offset.
const (
	dynSizeMask  = 0xffffff
	dynTypeShift = 28
	dynRdonly    = 1 << 31

	dynLocal   = 1
	dynRingbuf = 2
	dynSkb     = 3
	dynXdp     = 4
)

var dynptrHelpers = []Helper{
	{197, "dynptr_from_mem", []string{"bpf_dynptr_from_mem_proto"}, dynptrFromMem},
	{201, "dynptr_read", []string{"bpf_dynptr_read_proto"}, dynptrRead},
	{202, "dynptr_write", []string{"bpf_dynptr_write_proto"}, dynptrWrite},
	{203, "dynptr_data", []string{"bpf_dynptr_data_proto"}, dynptrData},
}

var dynptrKfuncs = []Kfunc{
	{"bpf_dynptr_slice", dynptrSlice},
	{"bpf_dynptr_slice_rdwr", dynptrSliceRdwr},
	{"bpf_dynptr_adjust", dynptrAdjust},
	{"bpf_dynptr_is_null", dynptrIsNull},
	{"bpf_dynptr_is_rdonly", dynptrIsRdonly},
	{"bpf_dynptr_size", dynptrSize},
	{"bpf_dynptr_clone", dynptrClone},
	{"bpf_dynptr_copy", dynptrCopy},
	{"bpf_dynptr_memset", dynptrMemset},
}

// Dynptr is a dynptr in program memory.
type Dynptr uintptr

func (d Dynptr) data() uintptr   { return *mem.Word(uintptr(d)) }
func (d Dynptr) word() *uint32   { return mem.U32(uintptr(d) + 8) }
func (d Dynptr) offset() *uint32 { return mem.U32(uintptr(d) + 12) }
func (d Dynptr) null() bool      { return d.data() == 0 }
func (d Dynptr) size() uint64    { return uint64(*d.word() & dynSizeMask) }
func (d Dynptr) rdonly() bool    { return *d.word()&dynRdonly != 0 }
func (d Dynptr) kind() uint32    { return *d.word() >> dynTypeShift & 7 }
func (d Dynptr) packet() bool    { k := d.kind(); return k == dynSkb || k == dynXdp }

func (d Dynptr) setNull() { *mem.Word(uintptr(d)), *d.word(), *d.offset() = 0, 0, 0 }

func (d Dynptr) set(data uintptr, size uint32, kind uint32) {
	*mem.Word(uintptr(d)) = data
	*d.word() = size | kind<<dynTypeShift
	*d.offset() = 0
}

// SetPacket makes d refer to a packet that World.Packet knows by an address.
func (d Dynptr) SetPacket(addr uintptr, size int, xdp, rdonly bool) {
	k := uint32(dynSkb)
	if xdp {
		k = dynXdp
	}
	d.set(addr, uint32(size), k)
	if rdonly {
		*d.word() |= dynRdonly
	}
}

// SetMem makes d refer to n bytes of memory.
func (d Dynptr) SetMem(p uintptr, n int) { d.set(p, uint32(n), dynLocal) }

// SetNull makes d a dynptr to nothing.
func (d Dynptr) SetNull() { d.setNull() }

// within reports whether [off, off+n) is inside.
func (d Dynptr) within(off, n uint64) bool { return n <= d.size() && off <= d.size()-n }

func (d Dynptr) at(off uint64) uintptr { return d.data() + uintptr(*d.offset()) + uintptr(off) }

// read copies out; the caller has checked the range.
func (d Dynptr) read(w *world.World, dst []byte, off uint64) maps.Errno {
	if !d.packet() {
		copy(dst, mem.Bytes(d.at(off), len(dst)))
		return 0
	}
	p := w.Packet(d.data())
	if p == nil || !p.ReadAt(dst, int(*d.offset())+int(off)) {
		return maps.EFAULT
	}
	return 0
}

func (d Dynptr) write(w *world.World, src []byte, off uint64) maps.Errno {
	if !d.packet() {
		copy(mem.Bytes(d.at(off), len(src)), src)
		return 0
	}
	p := w.Packet(d.data())
	if p == nil || !p.WriteAt(src, int(*d.offset())+int(off)) {
		return maps.EFAULT
	}
	return 0
}

func dynptrFromMem(_ *jit.Frame, data, size, flags, ptr, _ uint64) uint64 {
	d := Dynptr(ptr)
	n := uint32(size)
	switch {
	case n > dynSizeMask:
		d.setNull()
		return maps.E2BIG.R0()
	case flags != 0:
		d.setNull()
		return maps.EINVAL.R0()
	}
	d.set(uintptr(data), n, dynLocal)
	return 0
}

func dynptrRead(f *jit.Frame, dst, n, src, off, flags uint64) uint64 {
	d := Dynptr(src)
	switch {
	case d.null() || flags != 0:
		return maps.EINVAL.R0()
	case !d.within(off, n):
		return maps.E2BIG.R0()
	}
	if e := d.read(run(f).World, mem.Bytes(uintptr(dst), int(n)), off); e != 0 {
		return e.R0()
	}
	return 0
}

func dynptrWrite(f *jit.Frame, dst, off, src, n, flags uint64) uint64 {
	d := Dynptr(dst)
	switch {
	case d.null() || d.rdonly() || flags != 0 && d.kind() != dynSkb:
		return maps.EINVAL.R0()
	case !d.within(off, n):
		return maps.E2BIG.R0()
	}
	if e := d.write(run(f).World, mem.Bytes(uintptr(src), int(n)), off); e != 0 {
		return e.R0()
	}
	return 0
}

func dynptrData(_ *jit.Frame, ptr, off, n, _, _ uint64) uint64 {
	d := Dynptr(ptr)
	if d.null() || !d.within(off, n) || d.rdonly() || d.packet() {
		return 0
	}
	return uint64(d.at(off))
}

// dynptrSlice answers the address of the bytes, or of the buffer they were
// copied to when they are not in one piece.
func dynptrSlice(f *jit.Frame, ptr, off, buf, n, _ uint64) uint64 {
	d := Dynptr(ptr)
	if d.null() || !d.within(off, n) {
		return 0
	}
	if !d.packet() {
		return uint64(d.at(off))
	}
	w := run(f).World
	p := w.Packet(d.data())
	if p == nil {
		return 0
	}
	if a := p.Direct(int(*d.offset())+int(off), int(n)); a != 0 {
		return uint64(a)
	}
	if buf == 0 || d.read(w, mem.Bytes(uintptr(buf), int(n)), off) != 0 {
		return 0
	}
	return buf
}

func dynptrSliceRdwr(f *jit.Frame, ptr, off, buf, n, _ uint64) uint64 {
	d := Dynptr(ptr)
	if d.null() || d.rdonly() {
		return 0
	}
	return dynptrSlice(f, ptr, off, buf, n, 0)
}

func dynptrAdjust(_ *jit.Frame, ptr, start, end, _, _ uint64) uint64 {
	d := Dynptr(ptr)
	switch {
	case d.null() || start > end:
		return maps.EINVAL.R0()
	case end > d.size():
		return maps.ERANGE.R0()
	}
	*d.offset() += uint32(start)
	*d.word() = *d.word()&^dynSizeMask | uint32(end-start)
	return 0
}

func dynptrIsNull(_ *jit.Frame, ptr, _, _, _, _ uint64) uint64 { return Bool(Dynptr(ptr).null()) }

func dynptrIsRdonly(_ *jit.Frame, ptr, _, _, _, _ uint64) uint64 {
	d := Dynptr(ptr)
	return Bool(!d.null() && d.rdonly())
}

func dynptrSize(_ *jit.Frame, ptr, _, _, _, _ uint64) uint64 {
	d := Dynptr(ptr)
	if d.null() {
		return maps.EINVAL.R0()
	}
	return d.size()
}

func dynptrClone(_ *jit.Frame, ptr, clone, _, _, _ uint64) uint64 {
	d, c := Dynptr(ptr), Dynptr(clone)
	if d.null() {
		c.setNull()
		return maps.EINVAL.R0()
	}
	mem.Copy(uintptr(c), uintptr(d), 16)
	return 0
}

func dynptrCopy(f *jit.Frame, dst, dstOff, src, srcOff, n uint64) uint64 {
	d, s := Dynptr(dst), Dynptr(src)
	switch {
	case d.null() || s.null() || d.rdonly():
		return maps.EINVAL.R0()
	case !d.within(dstOff, n) || !s.within(srcOff, n):
		return maps.E2BIG.R0()
	}
	w := run(f).World
	if !d.packet() && !s.packet() {
		mem.Copy(d.at(dstOff), s.at(srcOff), int(n))
		return 0
	}
	tmp := make([]byte, n)
	if e := s.read(w, tmp, srcOff); e != 0 {
		return e.R0()
	}
	if e := d.write(w, tmp, dstOff); e != 0 {
		return e.R0()
	}
	return 0
}

func dynptrMemset(f *jit.Frame, ptr, off, n, val, _ uint64) uint64 {
	d := Dynptr(ptr)
	switch {
	case d.null() || d.rdonly():
		return maps.EINVAL.R0()
	case !d.within(off, n):
		return maps.E2BIG.R0()
	}
	if !d.packet() {
		b := mem.Bytes(d.at(off), int(n))
		for i := range b {
			b[i] = byte(val)
		}
		return 0
	}
	var chunk [256]byte
	for i := range chunk {
		chunk[i] = byte(val)
	}
	for n > 0 {
		k := min(n, uint64(len(chunk)))
		if e := d.write(run(f).World, chunk[:k], off); e != 0 {
			return e.R0()
		}
		off, n = off+k, n-k
	}
	return 0
}

// Bool is a C bool.
func Bool(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}
