// SPDX-License-Identifier: Apache-2.0

package profile

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/klauspost/compress/zstd"

	"github.com/modbpf/modbpf/btf"
)

// Compressor makes one zstd frame of a section.
type Compressor func([]byte) ([]byte, error)

// compress is the Compressor of profiles made on the user's machine; the
// generator of the embedded ones has more time.
func compress(b []byte) ([]byte, error) {
	e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBetterCompression), zstd.WithWindowSize(8<<20))
	if err != nil {
		return nil, err
	}
	defer e.Close()
	return e.EncodeAll(b, nil), nil
}

// Pack writes an extraction as a profile file.
func (x *Extraction) Pack(zip Compressor) ([]byte, error) {
	if len(x.BTF) == 0 {
		return nil, fmt.Errorf("write profile of %s: %w", x.Uname, ErrNoBTF)
	}
	spec, err := btf.Parse(x.BTF)
	if err != nil {
		return nil, fmt.Errorf("write profile of %s: %w", x.Uname, err)
	}
	d := directory{Uname: x.Uname, Origin: x.Origin, Modules: []modPart{}}
	var body bytes.Buffer
	add := func(name string, raw []byte) error {
		packed, err := zip(raw)
		if err != nil {
			return fmt.Errorf("write profile section %q: %w", name, err)
		}
		d.Sections = append(d.Sections, section{name, int64(body.Len()), int64(len(packed)), int64(len(raw))})
		body.Write(packed)
		return nil
	}
	if err := add("btf", x.BTF); err != nil {
		return nil, err
	}
	if x.Config != nil {
		d.Config = x.Config.Len()
		if err := add("config", x.Config.text()); err != nil {
			return nil, err
		}
	}
	if x.Symbols != nil {
		d.Exports = x.Symbols.Len()
		if err := add("exports", packExports(x.Symbols, spec)); err != nil {
			return nil, err
		}
	}
	groups := map[string][]string{}
	for _, n := range slices.Sorted(maps.Keys(x.Modules)) {
		g := x.Modules[n].Group
		groups[g] = append(groups[g], n)
	}
	for _, g := range slices.Sorted(maps.Keys(groups)) {
		var raw bytes.Buffer
		for _, n := range groups[g] {
			m := x.Modules[n]
			d.Modules = append(d.Modules, modPart{n, len(d.Sections), int64(raw.Len()), int64(len(m.BTF))})
			raw.Write(m.BTF)
		}
		if err := add("modules/"+g, raw.Bytes()); err != nil {
			return nil, err
		}
	}
	dir, err := json.Marshal(d)
	if err == nil {
		dir, err = zip(dir)
	}
	if err != nil {
		return nil, fmt.Errorf("write profile directory: %w", err)
	}
	out := append([]byte(fileMagic), binary.LittleEndian.AppendUint32(nil, uint32(len(dir)))...)
	return append(append(out, dir...), body.Bytes()...), nil
}

// storedZstd is the fastest Compressor, for profiles that are opened at once
// and thrown away.
func storedZstd(b []byte) ([]byte, error) {
	e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		return nil, err
	}
	defer e.Close()
	return e.EncodeAll(b, nil), nil
}
