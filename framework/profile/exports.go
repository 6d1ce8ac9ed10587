// SPDX-License-Identifier: Apache-2.0

package profile

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/modbpf/modbpf/btf"
)

// Most exported symbols are functions and variables that the kernel's BTF names
// as well, so a profile file stores two bit maps over the type ids (exported;
// GPL-only) and as text only what BTF has not:
//
//	number of bytes of a map (u32) | exported | GPL-only | lines: 'P', 'G' or '?', name

var exportLetter = map[export]byte{exportPlain: 'P', exportGPL: 'G', exportUnknown: '?'}

func packExports(s *Symbols, spec *btf.Spec) []byte {
	n := (spec.NumTypes() + 7) / 8
	exported, gpl := make([]byte, n), make([]byte, n)
	var rest bytes.Buffer
	for name := range s.All() {
		kind := s.exports[name]
		id, ok := spec.Find(name, btf.KindFunc, btf.KindVar)
		if !ok || kind == exportUnknown {
			rest.WriteByte(exportLetter[kind])
			rest.WriteString(name)
			rest.WriteByte('\n')
			continue
		}
		exported[id/8] |= 1 << (id % 8)
		if kind == exportGPL {
			gpl[id/8] |= 1 << (id % 8)
		}
	}
	out := binary.LittleEndian.AppendUint32(nil, uint32(n))
	return bytes.Join([][]byte{out, exported, gpl, rest.Bytes()}, nil)
}

func unpackExports(raw []byte, spec *btf.Spec) (*Symbols, error) {
	n := (spec.NumTypes() + 7) / 8
	if len(raw) < 4 || int64(binary.LittleEndian.Uint32(raw)) != int64(n) || len(raw) < 4+2*n {
		return nil, fmt.Errorf("read exported symbols: bit map does not fit the BTF: %w", ErrFormat)
	}
	exported, gpl, rest := raw[4:4+n], raw[4+n:4+2*n], raw[4+2*n:]
	s := &Symbols{exports: make(map[string]export, 1<<14)}
	for i, b := range exported {
		for bit := 0; b != 0; bit, b = bit+1, b>>1 {
			if b&1 == 0 {
				continue
			}
			kind := exportPlain
			if gpl[i]>>bit&1 != 0 {
				kind = exportGPL
			}
			if name := spec.Name(btf.ID(8*i + bit)); name != "" {
				s.exports[name] = kind
			}
		}
	}
	for _, line := range bytes.Split(bytes.TrimSuffix(rest, []byte{'\n'}), []byte{'\n'}) {
		if len(line) == 0 {
			continue
		}
		found := false
		for kind, letter := range exportLetter {
			if line[0] == letter && len(line) > 1 {
				s.exports[string(line[1:])] = kind
				found = true
			}
		}
		if !found {
			return nil, fmt.Errorf("read exported symbols: line %q: %w", line, ErrFormat)
		}
	}
	return s, nil
}
