// SPDX-License-Identifier: Apache-2.0

package structops

import (
	"fmt"

	"github.com/modbpf/modbpf/bpf"
)

// The layouts below are include/uapi/linux/bpf.h's; which rows a program type
// has and with which sizes is from the is_valid_access functions in
// net/core/filter.c, kernel/bpf/cgroup.c, kernel/trace/bpf_trace.c,
// kernel/bpf/syscall.c, net/netfilter/nf_bpf_link.c and
// drivers/media/rc/bpf-lirc.c, which differ between 6.12 and 7.3 only where a
// row says so. A test asks the running kernel about every offset and size.

// field is a row that may be read as a whole.
func field(name string, off, size int) Access {
	return Access{Field: name, Off: off, Size: size, Read: true, ReadSizes: Sizes(size)}
}

// narrow is a row that may be read as a whole or in aligned parts.
func narrow(name string, off, size int) Access {
	return Access{Field: name, Off: off, Size: size, Read: true, Narrow: true, ReadSizes: Sizes(2*size - 1)}
}

// array is n words, each read as a whole.
func array(name string, off, n int) []Access {
	out := make([]Access, n)
	for i := range out {
		out[i] = field(fmt.Sprintf("%s[%d]", name, i), off+4*i, 4)
	}
	return out
}

// narrowArray is n words, each read as a whole or in parts.
func narrowArray(name string, off, n int) []Access {
	out := array(name, off, n)
	for i := range out {
		out[i].Narrow, out[i].ReadSizes = true, 1|2|4
	}
	return out
}

// pointer is a row that yields a pointer.
func pointer(name string, off, size int, k ValueKind) Access {
	a := field(name, off, size)
	a.Kind = k
	return a
}

func (a Access) null() Access { a.MayNull = true; return a }

func (a Access) start() Access { a.AtStart = true; return a }

func (a Access) on(t ...bpf.AttachType) Access { a.Attach = t; return a }

// writable lets the row be stored to as a whole.
func (a Access) writable() Access {
	a.Write, a.WriteSizes = true, Sizes(a.Size)
	return a
}

func (a Access) writableOn(t ...bpf.AttachType) Access {
	a = a.writable()
	a.WriteAttach = t
	return a
}

// sizes sets the sizes of loads.
func (a Access) sizes(s Sizes) Access {
	a.ReadSizes = s
	a.Narrow = int(s) != a.Size
	return a
}

// rows joins rows and lists of rows.
func rows(parts ...any) []Access {
	var out []Access
	for _, p := range parts {
		switch p := p.(type) {
		case Access:
			out = append(out, p)
		case []Access:
			out = append(out, p...)
		}
	}
	return out
}

func interval(lo, hi int64) *Range { return &Range{lo, hi} }

var (
	v618 = bpf.Release{Major: 6, Minor: 18}
	v72  = bpf.Release{Major: 7, Minor: 2}
)
