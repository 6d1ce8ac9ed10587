// SPDX-License-Identifier: Apache-2.0

package profile

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// eachKallsym walks a kallsyms (or System.map) listing: address, type letter,
// name and, for symbols of modules, "[module]".
func eachKallsym(r io.Reader, f func(addr uint64, name, module string)) error {
	sc := bufio.NewScanner(r)
	for n := 1; sc.Scan(); n++ {
		addr, rest, ok := strings.Cut(sc.Text(), " ")
		if !ok || len(rest) < 3 || rest[1] != ' ' {
			return fmt.Errorf("parse symbol listing line %d: want address, type, name: %w", n, ErrFormat)
		}
		a, err := strconv.ParseUint(addr, 16, 64)
		if err != nil {
			return fmt.Errorf("parse symbol listing line %d: %w: %w", n, ErrFormat, err)
		}
		name, mod, _ := strings.Cut(rest[2:], "\t")
		f(a, name, strings.Trim(mod, "[]"))
	}
	return sc.Err()
}

// exportsOfKallsyms collects exported symbols from the "__ksymtab_NAME" entries
// of a listing. Up to 7.1 GPL-only ones lie between two markers; from 7.2 one
// table holds all and the listing does not tell, nor where addresses are hidden,
// nor for modules. A kernel without loadable modules has no such entries, and
// its exports are not known.
func exportsOfKallsyms(r io.Reader) (*Symbols, error) {
	type entry struct {
		addr   uint64
		name   string
		module bool
	}
	var entries []entry
	var gplStart, gplStop uint64
	markers := false
	err := eachKallsym(r, func(addr uint64, name, module string) {
		switch {
		case name == "__start___ksymtab_gpl":
			gplStart, markers = addr, true
		case name == "__stop___ksymtab_gpl":
			gplStop = addr
		case strings.HasPrefix(name, "__ksymtab_"):
			entries = append(entries, entry{addr, name[len("__ksymtab_"):], module != ""})
		}
	})
	if err != nil {
		return nil, err
	}
	if len(entries) == 0 {
		return nil, errMissing
	}
	s := &Symbols{exports: make(map[string]export, len(entries))}
	for _, e := range entries {
		kind := exportUnknown
		if markers && e.addr != 0 && !e.module {
			kind = exportPlain
			if e.addr >= gplStart && e.addr < gplStop {
				kind = exportGPL
			}
		}
		s.exports[e.name] = kind
	}
	return s, nil
}
