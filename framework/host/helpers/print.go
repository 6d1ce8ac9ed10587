// SPDX-License-Identifier: Apache-2.0

package helpers

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/modbpf/modbpf/framework/host/maps"
	"github.com/modbpf/modbpf/framework/host/mem"
	"github.com/modbpf/modbpf/framework/host/world"
	"github.com/modbpf/modbpf/jit"
)

var printHelpers = []Helper{
	{6, "trace_printk", []string{"bpf_trace_printk_proto"}, tracePrintk},
	{177, "trace_vprintk", []string{"bpf_trace_vprintk_proto"}, traceVprintk},
	{165, "snprintf", []string{"bpf_snprintf_proto"}, snprintf},
}

func tracePrintk(f *jit.Frame, format, size, a1, a2, a3 uint64) uint64 {
	return printLine(f, uintptr(format), int(uint32(size)), func(i int) (uint64, bool) {
		return [...]uint64{a1, a2, a3, 0}[min(i, 3)], i < 3
	})
}

func traceVprintk(f *jit.Frame, format, size, data, dataLen, _ uint64) uint64 {
	if dataLen&7 != 0 || dataLen > maxPrintArgs*8 || dataLen != 0 && data == 0 {
		return maps.EINVAL.R0()
	}
	return printLine(f, uintptr(format), int(uint32(size)), argsAt(uintptr(data), int(dataLen/8)))
}

// maxPrintArgs is the kernel's MAX_BPRINTF_VARARGS.
const maxPrintArgs = 12

func argsAt(p uintptr, n int) func(int) (uint64, bool) {
	return func(i int) (uint64, bool) {
		if i >= n {
			return 0, false
		}
		return *mem.U64(p + uintptr(8*i)), true
	}
}

func printLine(f *jit.Frame, format uintptr, size int, arg func(int) (uint64, bool)) uint64 {
	fm, ok := cstring(format, size)
	if !ok {
		return maps.EINVAL.R0()
	}
	s, _, e := printf(fm, arg)
	if e != 0 {
		return e.R0()
	}
	r := run(f)
	r.World.Trace.Print(world.Line{Time: r.World.Clock.Now(), CPU: r.CPU, Text: strings.TrimSuffix(s, "\n")})
	return uint64(len(s))
}

// cstring reads a NUL-terminated string of at most n bytes.
func cstring(p uintptr, n int) (string, bool) {
	b := mem.Bytes(p, n)
	for i, c := range b {
		if c == 0 {
			return string(b[:i]), true
		}
	}
	return "", false
}

func snprintf(_ *jit.Frame, str, size, format, data, dataLen uint64) uint64 {
	if dataLen&7 != 0 || dataLen > maxPrintArgs*8 || dataLen != 0 && data == 0 {
		return maps.EINVAL.R0()
	}
	fm, ok := cstring(uintptr(format), 1<<20)
	if !ok {
		return maps.EINVAL.R0()
	}
	s, _, e := printf(fm, argsAt(uintptr(data), int(dataLen/8)))
	if e != 0 {
		return e.R0()
	}
	if n := int(uint32(size)); n > 0 {
		b := mem.Bytes(uintptr(str), n)
		m := copy(b[:n-1], s)
		b[m] = 0
	}
	return uint64(len(s)) + 1
}

// printf formats as the kernel's bpf_bprintf_prepare and vsnprintf do: d, i, u,
// x, X, c, s, p with its extensions, and %%, with flags, width and l or ll.
func printf(format string, arg func(int) (uint64, bool)) (out string, used int, e maps.Errno) {
	var b strings.Builder
	for i := 0; i < len(format); i++ {
		c := format[i]
		if c >= 0x80 || c < ' ' && c != '\n' && c != '\t' && c != '\r' {
			return "", 0, maps.EINVAL
		}
		if c != '%' {
			b.WriteByte(c)
			continue
		}
		if i+1 < len(format) && format[i+1] == '%' {
			b.WriteByte('%')
			i++
			continue
		}
		spec, next, ok := conversion(format, i+1)
		if !ok {
			return "", 0, maps.EINVAL
		}
		v, ok := arg(used)
		if !ok {
			return "", 0, maps.EINVAL
		}
		used++
		spec.write(&b, v)
		i = next - 1
	}
	return b.String(), used, 0
}

// conv is one conversion of a format.
type conv struct {
	verb  byte
	flags string // Go's: "-+ 0#"
	width int
	long  int    // 0: int, 1: long, 2: long long
	ext   string // after %p
}

func conversion(s string, i int) (conv, int, bool) {
	var c conv
	for i < len(s) && strings.IndexByte("0#+- ", s[i]) >= 0 {
		c.flags += s[i : i+1]
		i++
	}
	for i < len(s) && s[i] >= '0' && s[i] <= '9' {
		c.width = c.width*10 + int(s[i]-'0')
		if c.width > 1000 {
			return c, i, false
		}
		i++
	}
	if i < len(s) && s[i] == 'p' {
		i++
		j := i
		for j < len(s) && (s[j] >= 'a' && s[j] <= 'z' || s[j] >= 'A' && s[j] <= 'Z' || s[j] >= '0' && s[j] <= '9') {
			j++
		}
		c.verb = 'p'
		switch ext := s[i:j]; {
		case ext == "" || ext == "x" || ext == "K" || ext == "ks" || ext == "us" || ext == "s" || ext == "S" || ext == "B":
			c.ext, i = ext, j
		case ext == "i4" || ext == "I4" || ext == "i6" || ext == "I6":
			c.ext, i = ext, j
		default:
			return c, i, false
		}
		return c, i, true
	}
	for i < len(s) && s[i] == 'l' && c.long < 2 {
		c.long++
		i++
	}
	if i >= len(s) || strings.IndexByte("diuxXcs", s[i]) < 0 || c.long > 0 && (s[i] == 'c' || s[i] == 's') {
		return c, i, false
	}
	c.verb = s[i]
	return c, i + 1, true
}

func (c conv) write(b *strings.Builder, v uint64) {
	f := "%" + c.flags
	if c.width > 0 {
		f += strconv.Itoa(c.width)
	}
	switch c.verb {
	case 'd', 'i':
		n := int64(int32(v))
		if c.long > 0 {
			n = int64(v)
		}
		fmt.Fprintf(b, f+"d", n)
	case 'u', 'x', 'X':
		if c.long == 0 {
			v = uint64(uint32(v))
		}
		verb := "d"
		if c.verb != 'u' {
			verb = string(c.verb)
		}
		fmt.Fprintf(b, f+verb, v)
	case 'c':
		fmt.Fprintf(b, f+"s", string([]byte{byte(v)}))
	case 's':
		fmt.Fprintf(b, f+"s", probeString(uintptr(v), 512))
	case 'p':
		c.pointer(b, f, v)
	}
}

func (c conv) pointer(b *strings.Builder, f string, v uint64) {
	switch c.ext {
	case "ks", "us", "s":
		fmt.Fprintf(b, f+"s", probeString(uintptr(v), 512))
	case "i4", "I4", "i6", "I6":
		n := 4
		if c.ext[1] == '6' {
			n = 16
		}
		raw := make([]byte, n)
		if probeRead(raw, uintptr(v)) != nil {
			b.WriteString("(efault)")
			return
		}
		a, _ := netip.AddrFromSlice(raw)
		switch c.ext {
		case "i4":
			fmt.Fprintf(b, "%03d.%03d.%03d.%03d", raw[0], raw[1], raw[2], raw[3])
		case "i6":
			fmt.Fprintf(b, "%x", raw)
		case "I6":
			b.WriteString(a.StringExpanded())
		default:
			b.WriteString(a.String())
		}
	default:
		fmt.Fprintf(b, "%016x", v)
	}
}
