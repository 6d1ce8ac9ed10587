// SPDX-License-Identifier: Apache-2.0

package profile

import (
	"bytes"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
)

// Symbols are the symbols a kernel exports to its modules (EXPORT_SYMBOL), each
// GPL-only or not. The kernel does not gate BPF by them; `info` shows them and
// a manifest's policy may ask.
type Symbols struct {
	exports map[string]export
}

// export is how a symbol is exported.
type export uint8

const (
	exportPlain   export = iota // to every module
	exportGPL                   // to GPL-compatible modules
	exportUnknown               // exported; to whom is not known
)

// Lookup reports whether a symbol is exported, and only to GPL-compatible modules.
func (s *Symbols) Lookup(name string) (exported, gpl bool) {
	e, ok := s.exports[name]
	return ok, e == exportGPL
}

// GPLKnown reports whether it is known to whom an exported symbol is exported.
func (s *Symbols) GPLKnown(name string) bool {
	e, ok := s.exports[name]
	return ok && e != exportUnknown
}

// Len is the number of exported symbols.
func (s *Symbols) Len() int { return len(s.exports) }

// All yields the exported symbols in order of name, with GPL-ness.
func (s *Symbols) All() iter.Seq2[string, bool] {
	return func(yield func(string, bool) bool) {
		for _, n := range slices.Sorted(maps.Keys(s.exports)) {
			if !yield(n, s.exports[n] == exportGPL) {
				return
			}
		}
	}
}

// ParseSymvers reads a Module.symvers file: lines of CRC, symbol, module,
// export kind and, from 5.4 on, namespace, separated by tabs. Symbols of
// modules are taken as well as vmlinux's.
func ParseSymvers(raw []byte) (*Symbols, error) {
	s := &Symbols{exports: map[string]export{}}
	for n, line := range bytes.Split(raw, []byte{'\n'}) {
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		f := strings.Split(string(line), "\t")
		if len(f) < 4 || !strings.HasPrefix(f[0], "0x") || f[1] == "" || !strings.HasPrefix(f[3], "EXPORT_") {
			return nil, fmt.Errorf("parse Module.symvers line %d: want CRC, symbol, module, export kind: %w", n+1, ErrFormat)
		}
		kind := exportPlain
		if strings.Contains(f[3], "GPL") {
			kind = exportGPL
		}
		s.exports[f[1]] = kind
	}
	if len(s.exports) == 0 {
		return nil, fmt.Errorf("parse Module.symvers: no symbols: %w", ErrFormat)
	}
	return s, nil
}
