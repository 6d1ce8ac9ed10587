// SPDX-License-Identifier: Apache-2.0

package helpers

import (
	"github.com/modbpf/modbpf/framework/host/maps"
	"github.com/modbpf/modbpf/framework/host/mem"
	"github.com/modbpf/modbpf/jit"
)

var memoryHelpers = []Helper{
	{4, "probe_read", []string{"bpf_probe_read_compat_proto"}, probeReadHelper},
	{45, "probe_read_str", []string{"bpf_probe_read_compat_str_proto"}, probeReadStrHelper},
	{112, "probe_read_user", []string{"bpf_probe_read_user_proto"}, probeReadHelper},
	{113, "probe_read_kernel", []string{"bpf_probe_read_kernel_proto"}, probeReadHelper},
	{114, "probe_read_user_str", []string{"bpf_probe_read_user_str_proto"}, probeReadStrHelper},
	{115, "probe_read_kernel_str", []string{"bpf_probe_read_kernel_str_proto"}, probeReadStrHelper},
	{148, "copy_from_user", []string{"bpf_copy_from_user_proto"}, probeReadHelper},
	{182, "strncmp", []string{"bpf_strncmp_proto"}, strncmp},
	{105, "strtol", []string{"bpf_strtol_proto"}, strtol},
	{106, "strtoul", []string{"bpf_strtoul_proto"}, strtoul},
	{28, "csum_diff", []string{"bpf_csum_diff_proto"}, csumDiff},
}

func probeReadHelper(_ *jit.Frame, dst, size, src, _, _ uint64) uint64 {
	b := mem.Bytes(uintptr(dst), int(uint32(size)))
	if err := probeRead(b, uintptr(src)); err != nil {
		clear(b)
		return maps.EFAULT.R0()
	}
	return 0
}

// probeReadStrHelper answers the length with the NUL.
func probeReadStrHelper(_ *jit.Frame, dst, size, src, _, _ uint64) uint64 {
	n := int(uint32(size))
	if n == 0 {
		return 0
	}
	b := mem.Bytes(uintptr(dst), n)
	s, err := probeStr(uintptr(src), n)
	if err != nil {
		clear(b)
		return maps.EFAULT.R0()
	}
	s = s[:min(len(s), n-1)]
	copy(b, s)
	b[len(s)] = 0
	return uint64(len(s) + 1)
}

func strncmp(_ *jit.Frame, s1, size, s2, _, _ uint64) uint64 {
	for i := range uintptr(uint32(size)) {
		a, b := *mem.U8(uintptr(s1) + i), *mem.U8(uintptr(s2) + i)
		if a != b {
			return uint64(int64(a) - int64(b))
		}
		if a == 0 {
			break
		}
	}
	return 0
}

// number reads what the kernel's strtol helpers read: spaces, a sign, digits in
// a base that may be 0, and nothing past the end. It answers the bytes used.
func number(buf uintptr, size int, flags uint64) (v uint64, neg bool, used int, e maps.Errno) {
	base := flags & 31
	if size == 0 || flags&^31 != 0 || base != 0 && base != 8 && base != 10 && base != 16 {
		return 0, false, 0, maps.EINVAL
	}
	b := mem.Bytes(buf, size)
	i := 0
	for i < size && (b[i] == ' ' || b[i] >= '\t' && b[i] <= '\r' || b[i] == 0xa0) {
		i++
	}
	if i < size && b[i] == '-' {
		neg = true
		i++
	}
	if i >= size {
		return 0, false, 0, maps.EINVAL
	}
	b = b[:min(size, i+64)]
	hex := i+2 < len(b) && b[i] == '0' && b[i+1]|0x20 == 'x' && digit(b[i+2]) < 16
	if base == 0 {
		switch {
		case hex:
			base = 16
		case b[i] == '0':
			base = 8
		default:
			base = 10
		}
	}
	if base == 16 && i+1 < len(b) && b[i] == '0' && b[i+1]|0x20 == 'x' {
		i += 2
	}
	digits := 0
	for ; i < len(b) && digit(b[i]) < base; i++ {
		if v > (^uint64(0)-digit(b[i]))/base {
			return 0, false, 0, maps.ERANGE
		}
		v = v*base + digit(b[i])
		digits++
	}
	if digits == 0 {
		return 0, false, 0, maps.EINVAL
	}
	return v, neg, i, 0
}

func digit(c byte) uint64 {
	switch {
	case c >= '0' && c <= '9':
		return uint64(c - '0')
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return uint64(c|0x20-'a') + 10
	}
	return 99
}

func strtol(_ *jit.Frame, buf, size, flags, res, _ uint64) uint64 {
	out := mem.U64(uintptr(res))
	*out = 0
	v, neg, used, e := number(uintptr(buf), int(uint32(size)), flags)
	switch {
	case e != 0:
		return e.R0()
	case neg && v > 1<<63, !neg && v > 1<<63-1:
		return maps.ERANGE.R0()
	case neg:
		v = -v
	}
	*out = v
	return uint64(used)
}

func strtoul(_ *jit.Frame, buf, size, flags, res, _ uint64) uint64 {
	out := mem.U64(uintptr(res))
	*out = 0
	v, neg, used, e := number(uintptr(buf), int(uint32(size)), flags)
	if e != 0 {
		return e.R0()
	}
	if neg {
		return maps.EINVAL.R0()
	}
	*out = v
	return uint64(used)
}

// Sum adds n bytes to a one's complement sum of 32 bits (RFC 1071), the last
// odd byte as if a zero followed.
func Sum(p uintptr, n int, seed uint32) uint32 {
	s := uint64(seed)
	for ; n >= 4; n, p = n-4, p+4 {
		s += uint64(*mem.U32(p))
	}
	if n >= 2 {
		s += uint64(*mem.U16(p))
		n, p = n-2, p+2
	}
	if n > 0 {
		s += uint64(*mem.U8(p))
	}
	return Fold32(s)
}

// Fold32 and Fold16 bring a sum down to 32 and 16 bits by end-around carry.
func Fold32(s uint64) uint32 {
	s = s&0xffffffff + s>>32
	return uint32(s + s>>32)
}

func Fold16(s uint32) uint16 {
	s = s&0xffff + s>>16
	return uint16(s + s>>16)
}

// csumDiff answers 16 bits folded, as every kernel from 6.13 does; earlier ones
// answered the same sum unfolded, which differs for those who don't fold it.
func csumDiff(_ *jit.Frame, from, fromSize, to, toSize, seed uint64) uint64 {
	nf, nt, s := int(uint32(fromSize)), int(uint32(toSize)), uint32(seed)
	switch {
	case nf > 0 && nt > 0:
		s = Fold32(uint64(Sum(uintptr(to), nt, s)) + uint64(^Sum(uintptr(from), nf, 0)))
	case nt > 0:
		s = Sum(uintptr(to), nt, s)
	case nf > 0:
		s = ^Sum(uintptr(from), nf, ^s)
	}
	return uint64(Fold16(s))
}
