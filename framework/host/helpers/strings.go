// SPDX-License-Identifier: Apache-2.0

package helpers

import (
	"github.com/modbpf/modbpf/framework/host/maps"
	"github.com/modbpf/modbpf/jit"
)

var stringKfuncs = []Kfunc{
	{"bpf_strcmp", func(_ *jit.Frame, a, b, _, _, _ uint64) uint64 { return strCompare(a, b, maxString, false) }},
	{"bpf_strcasecmp", func(_ *jit.Frame, a, b, _, _, _ uint64) uint64 { return strCompare(a, b, maxString, true) }},
	{"bpf_strncasecmp", func(_ *jit.Frame, a, b, n, _, _ uint64) uint64 { return strCompare(a, b, n, true) }},
	{"bpf_strnchr", func(_ *jit.Frame, s, n, c, _, _ uint64) uint64 { return strChr(s, n, byte(c)) }},
	{"bpf_strchr", func(_ *jit.Frame, s, c, _, _, _ uint64) uint64 { return strChr(s, maxString, byte(c)) }},
	{"bpf_strchrnul", strChrNul},
	{"bpf_strrchr", strRChr},
	{"bpf_strnlen", func(_ *jit.Frame, s, n, _, _, _ uint64) uint64 { return strLen(s, n) }},
	{"bpf_strlen", func(_ *jit.Frame, s, _, _, _, _ uint64) uint64 { return strLen(s, maxString) }},
	{"bpf_strspn", func(_ *jit.Frame, s, set, _, _, _ uint64) uint64 { return strSpan(s, set, true) }},
	{"bpf_strcspn", func(_ *jit.Frame, s, set, _, _, _ uint64) uint64 { return strSpan(s, set, false) }},
	{"bpf_strstr", func(_ *jit.Frame, a, b, _, _, _ uint64) uint64 { return strStr(a, b, maxString, false) }},
	{"bpf_strcasestr", func(_ *jit.Frame, a, b, _, _, _ uint64) uint64 { return strStr(a, b, maxString, true) }},
	{"bpf_strnstr", func(_ *jit.Frame, a, b, n, _, _ uint64) uint64 { return strStr(a, b, n, false) }},
	{"bpf_strncasestr", func(_ *jit.Frame, a, b, n, _, _ uint64) uint64 { return strStr(a, b, n, true) }},
}

// maxString is the kernel's limit on strings it looks at (XATTR_SIZE_MAX).
const maxString = 65536

// str is a program's string, read as far as it goes.
type str struct {
	b     []byte
	fault bool // a bad address ended it
}

// readString reads a string for the string kfuncs; an address that cannot be
// the kernel's is ERANGE there, and here one that cannot be this process's.
func readString(p uint64) (str, maps.Errno) {
	if p < 4096 || p >= 1<<47 {
		return str{}, maps.ERANGE
	}
	b, err := probeStr(uintptr(p), maxString+1)
	return str{b, err != nil}, 0
}

// at is byte i: a NUL at the end, false where a bad address is.
func (s str) at(i int) (byte, bool) {
	switch {
	case i < len(s.b):
		return s.b[i], true
	case s.fault:
		return 0, false
	}
	return 0, true
}

func two(a, b uint64) (x, y str, e maps.Errno) {
	if x, e = readString(a); e == 0 {
		y, e = readString(b)
	}
	return x, y, e
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + 32
	}
	return c
}

func strCompare(a, b, n uint64, fold bool) uint64 {
	x, y, e := two(a, b)
	if e != 0 {
		return e.R0()
	}
	i := 0
	for ; uint64(i) < n && i < maxString; i++ {
		c, ok := x.at(i)
		d, ok2 := y.at(i)
		if !ok || !ok2 {
			return maps.EFAULT.R0()
		}
		if fold {
			c, d = lower(c), lower(d)
		}
		if c != d {
			if int8(c) < int8(d) {
				return ^uint64(0)
			}
			return 1
		}
		if c == 0 {
			return 0
		}
	}
	return tooLong(i, 0)
}

func tooLong(i int, r uint64) uint64 {
	if i == maxString {
		return maps.E2BIG.R0()
	}
	return r
}

func strChr(p, n uint64, want byte) uint64 {
	s, e := readString(p)
	if e != 0 {
		return e.R0()
	}
	i := 0
	for ; uint64(i) < n && i < maxString; i++ {
		c, ok := s.at(i)
		switch {
		case !ok:
			return maps.EFAULT.R0()
		case c == want:
			return uint64(i)
		case c == 0:
			return maps.ENOENT.R0()
		}
	}
	return tooLong(i, maps.ENOENT.R0())
}

func strChrNul(_ *jit.Frame, p, want, _, _, _ uint64) uint64 {
	s, e := readString(p)
	if e != 0 {
		return e.R0()
	}
	for i := range maxString {
		c, ok := s.at(i)
		switch {
		case !ok:
			return maps.EFAULT.R0()
		case c == 0 || c == byte(want):
			return uint64(i)
		}
	}
	return maps.E2BIG.R0()
}

func strRChr(_ *jit.Frame, p, want, _, _, _ uint64) uint64 {
	s, e := readString(p)
	if e != 0 {
		return e.R0()
	}
	last := maps.ENOENT.R0()
	for i := range maxString {
		c, ok := s.at(i)
		if !ok {
			return maps.EFAULT.R0()
		}
		if int64(int8(c)) == int64(int32(want)) {
			last = uint64(i)
		}
		if c == 0 {
			return last
		}
	}
	return maps.E2BIG.R0()
}

func strLen(p, n uint64) uint64 {
	s, e := readString(p)
	if e != 0 {
		return e.R0()
	}
	i := 0
	for ; uint64(i) < n && i < maxString; i++ {
		c, ok := s.at(i)
		switch {
		case !ok:
			return maps.EFAULT.R0()
		case c == 0:
			return uint64(i)
		}
	}
	return tooLong(i, uint64(i))
}

// strSpan is strspn, or strcspn when in is false.
func strSpan(p, set uint64, in bool) uint64 {
	s, t, e := two(p, set)
	if e != 0 {
		return e.R0()
	}
	for i := range maxString {
		c, ok := s.at(i)
		if !ok {
			return maps.EFAULT.R0()
		}
		if c == 0 {
			return uint64(i)
		}
		found := false
		for j := 0; ; j++ {
			if j == maxString {
				return maps.E2BIG.R0()
			}
			d, ok := t.at(j)
			if !ok {
				return maps.EFAULT.R0()
			}
			if found = d == c; found || d == 0 {
				break
			}
		}
		if found != in {
			return uint64(i)
		}
	}
	return maps.E2BIG.R0()
}

func strStr(a, b, n uint64, fold bool) uint64 {
	s, t, e := two(a, b)
	if e != 0 {
		return e.R0()
	}
	for i := range maxString {
		j := 0
		for ; uint64(i+j) <= n && j < maxString; j++ {
			d, ok := t.at(j)
			if !ok {
				return maps.EFAULT.R0()
			}
			if d == 0 {
				return uint64(i)
			}
			if uint64(i+j) == n {
				break
			}
			c, ok := s.at(i + j)
			if !ok {
				return maps.EFAULT.R0()
			}
			if fold {
				c, d = lower(c), lower(d)
			}
			if c == 0 {
				return maps.ENOENT.R0()
			}
			if c != d {
				break
			}
		}
		if j == maxString {
			return maps.E2BIG.R0()
		}
		if uint64(i+j) == n {
			return maps.ENOENT.R0()
		}
	}
	return maps.E2BIG.R0()
}
