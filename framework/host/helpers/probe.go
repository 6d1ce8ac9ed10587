// SPDX-License-Identifier: Apache-2.0

package helpers

import (
	"errors"
	"runtime/debug"

	"github.com/modbpf/modbpf/framework/host/mem"
)

// errFault is what a read of a bad address answers.
var errFault = errors.New("bad address")

// probeRead copies from an address that may be bad. The fault, if there is one,
// becomes a panic of this goroutine that ends here (runtime/debug.SetPanicOnFault);
// addresses that cannot be of this process are not tried, because the machine
// reports those without an address.
func probeRead(dst []byte, p uintptr) (err error) {
	if len(dst) == 0 {
		return nil
	}
	if p < 4096 || p+uintptr(len(dst)) < p || p+uintptr(len(dst)) > 1<<47 {
		return errFault
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			if _, ok := r.(interface{ Addr() uintptr }); !ok {
				panic(r)
			}
			err = errFault
		}
	}()
	copy(dst, mem.Bytes(p, len(dst)))
	return nil
}

// probeString reads a string of at most n bytes from an address that may be
// bad; what cannot be read is left out.
func probeString(p uintptr, n int) string {
	b, _ := probeStr(p, n)
	return string(b)
}

// probeStr reads up to a NUL, page by page so that it never reads past one it
// need not. It answers what it got and whether a bad address ended it.
func probeStr(p uintptr, n int) ([]byte, error) {
	var out []byte
	page := uintptr(mem.PageSize())
	for n > 0 {
		k := min(int(page-p%page), n)
		part := make([]byte, k)
		if err := probeRead(part, p); err != nil {
			return out, err
		}
		for i, c := range part {
			if c == 0 {
				return append(out, part[:i]...), nil
			}
		}
		out = append(out, part...)
		p, n = p+uintptr(k), n-k
	}
	return out, nil
}
