// SPDX-License-Identifier: Apache-2.0

package profile

import (
	"bytes"
	"compress/gzip"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/modbpf/modbpf/btf"
)

// addVmlinux takes release, BTF, exported symbols and, where the kernel carries
// it (CONFIG_IKCONFIG), the configuration from an uncompressed kernel.
func (x *Extraction) addVmlinux(raw []byte) error {
	f, err := elf.NewFile(bytes.NewReader(raw))
	if err != nil {
		return fmt.Errorf("kernel image: %w", errors.Join(ErrFormat, err))
	}
	if f.ByteOrder != binary.LittleEndian || f.Class != elf.ELFCLASS64 {
		return fmt.Errorf("kernel image: %s, %s: %w", f.Class, f.Data, ErrUnsupported)
	}
	if x.BTF, err = findBTF(f, raw); err != nil {
		return err
	}
	if u := banner(raw); u != "" {
		x.Uname = u
	}
	if s, err := exportsOfVmlinux(f); err != nil {
		return err
	} else if s != nil && x.Symbols == nil {
		x.Symbols = s
	}
	if c := embeddedConfig(raw); c != nil && x.Config == nil {
		if x.Config, err = ParseConfig(c); err != nil {
			return err
		}
	}
	return nil
}

// findBTF takes the .BTF section, or in a kernel without section headers the
// first bytes that parse as BTF.
func findBTF(f *elf.File, raw []byte) ([]byte, error) {
	if s := f.Section(".BTF"); s != nil {
		b, err := s.Data()
		if err != nil {
			return nil, fmt.Errorf("kernel image: section .BTF: %w", errors.Join(ErrFormat, err))
		}
		return b, nil
	}
	head := []byte{0x9f, 0xeb, 1, 0, 24, 0, 0, 0}
	for at := 0; ; at++ {
		i := bytes.Index(raw[at:], head)
		if i < 0 || len(raw)-at-i < 24 {
			return nil, fmt.Errorf("kernel image: %w: built without CONFIG_DEBUG_INFO_BTF", ErrNoBTF)
		}
		at += i
		u32 := func(o int) uint64 { return uint64(binary.LittleEndian.Uint32(raw[at+o:])) }
		end := 24 + max(u32(8)+u32(12), u32(16)+u32(20))
		if end > uint64(len(raw)-at) {
			continue
		}
		b := raw[at : at+int(end)]
		if s, err := btf.Parse(b); err == nil && s.NumTypes() > 1000 {
			return b, nil
		}
	}
}

// banner is the release in "Linux version 7.2.12+deb13-amd64 (…".
func banner(raw []byte) string {
	key := []byte("Linux version ")
	for {
		i := bytes.Index(raw, key)
		if i < 0 {
			return ""
		}
		raw = raw[i+len(key):]
		end := bytes.IndexAny(raw[:min(len(raw), 80)], " \n\x00")
		if end > 0 && raw[0] >= '1' && raw[0] <= '9' {
			return string(raw[:end])
		}
	}
}

// embeddedConfig is the .config that CONFIG_IKCONFIG puts between two marks.
func embeddedConfig(raw []byte) []byte {
	from := bytes.Index(raw, []byte("IKCFG_ST\x1f\x8b"))
	if from < 0 {
		return nil
	}
	z, err := gzip.NewReader(bytes.NewReader(raw[from+8:]))
	if err != nil {
		return nil
	}
	z.Multistream(false)
	b, err := readBounded(z)
	if err != nil {
		return nil
	}
	return b
}

// exportsOfVmlinux reads the tables of exported symbols. An entry is two or
// three 32-bit offsets, each relative to its own place: value, name, namespace.
// Up to 7.1 GPL-only symbols have a table of their own; from 7.2 __kflagstab
// has a byte for each entry, bit 0 of which says GPL-only.
func exportsOfVmlinux(f *elf.File) (*Symbols, error) {
	names := f.Section("__ksymtab_strings")
	if names == nil {
		return nil, nil // no loadable modules: nothing is exported
	}
	text, err := names.Data()
	if err != nil {
		return nil, fmt.Errorf("kernel image: exported names: %w", errors.Join(ErrFormat, err))
	}
	var flags []byte
	if s := f.Section("__kflagstab"); s != nil {
		if flags, err = s.Data(); err != nil {
			return nil, fmt.Errorf("kernel image: export flags: %w", errors.Join(ErrFormat, err))
		}
	}
	out := &Symbols{exports: map[string]export{}}
	for _, t := range []struct {
		section string
		kind    export
	}{{"__ksymtab", exportPlain}, {"__ksymtab_gpl", exportGPL}} {
		s := f.Section(t.section)
		if s == nil {
			continue
		}
		tab, err := s.Data()
		if err != nil {
			return nil, fmt.Errorf("kernel image: %s: %w", t.section, errors.Join(ErrFormat, err))
		}
		list := exportNames(tab, s.Addr, text, names.Addr)
		if list == nil && len(tab) > 0 {
			return nil, fmt.Errorf("kernel image: %s: entries are of no known form: %w", t.section, ErrUnsupported)
		}
		for i, n := range list {
			kind := t.kind
			if flags != nil {
				if len(flags) != len(list) {
					return nil, fmt.Errorf("kernel image: %d export flags for %d symbols: %w", len(flags), len(list), ErrFormat)
				}
				kind = exportPlain
				if flags[i]&1 != 0 {
					kind = exportGPL
				}
			}
			out.exports[n] = kind
		}
	}
	return out, nil
}

// exportNames reads the names of a table whose entries are 12 or 8 bytes; nil
// when neither makes sense.
func exportNames(tab []byte, addr uint64, text []byte, textAddr uint64) []string {
next:
	for _, size := range []int{12, 8} {
		if len(tab)%size != 0 {
			continue
		}
		var out []string
		for o := 0; o < len(tab); o += size {
			at := addr + uint64(o) + 4
			name := at + uint64(int64(int32(binary.LittleEndian.Uint32(tab[o+4:])))) - textAddr
			if name >= uint64(len(text)) {
				continue next
			}
			n, _, ok := bytes.Cut(text[name:], []byte{0})
			if !ok || !isSymbol(n) {
				continue next
			}
			out = append(out, string(n))
		}
		return out
	}
	return nil
}

// isSymbol reports whether b can be the name of a C symbol. Names may begin
// inside others: linkers merge strings with equal ends.
func isSymbol(b []byte) bool {
	for _, c := range b {
		if c != '_' && c != '.' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return len(b) > 0 && (b[0] < '0' || b[0] > '9')
}

// moduleData is what one module file has for us.
type moduleData struct {
	name, path string
	btf        []byte
	exports    map[string]export
	skip       string
}

func (x *Extraction) addModule(name string, raw []byte) error {
	m, err := readModule(name, raw)
	if err != nil {
		return err
	}
	x.takeModule(m)
	return nil
}

func (x *Extraction) takeModule(m *moduleData) {
	if m.skip != "" {
		x.Skipped = append(x.Skipped, m.name+": "+m.skip)
	} else {
		x.Modules[m.name] = Module{m.path, group(m.path), m.btf}
	}
	if len(m.exports) > 0 {
		if x.Symbols == nil {
			x.Symbols = &Symbols{exports: map[string]export{}}
		}
		for n, k := range m.exports {
			x.Symbols.exports[n] = k
		}
	}
}

// readModule reads a module file, named by its path below the module folder.
func readModule(name string, raw []byte) (*moduleData, error) {
	raw, err := inflate(name, raw)
	if err != nil {
		return nil, err
	}
	f, err := elf.NewFile(bytes.NewReader(raw))
	if err != nil {
		return nil, errors.Join(ErrFormat, err)
	}
	base := koSuffix.ReplaceAllString(path.Base(name), "")
	m := &moduleData{name: strings.ReplaceAll(base, "-", "_"), path: koSuffix.ReplaceAllString(name, ""), exports: exportsOfModule(f)}
	s := f.Section(".BTF")
	switch {
	case s == nil:
		m.skip = "no BTF"
	case f.Section(".BTF.base") != nil:
		m.skip = "built outside the kernel's tree, its BTF continues another kernel's"
	default:
		if m.btf, err = s.Data(); err != nil {
			return nil, errors.Join(ErrFormat, err)
		}
	}
	return m, nil
}

// group is the folder a module's BTF is stored with: two levels of its path.
func group(name string) string {
	parts := strings.Split(path.Dir(name), "/")
	return strings.Join(parts[:min(len(parts), 2)], "/")
}

// exportsOfModule reads the symbols that a module (not yet linked) exports: the
// section of "__ksymtab_NAME" up to 7.1, the byte at "__flags_NAME" from 7.2.
func exportsOfModule(f *elf.File) map[string]export {
	syms, err := f.Symbols()
	if err != nil {
		return nil // stripped of symbols: exports nothing
	}
	var flags []byte
	if s := f.Section("__kflagstab"); s != nil {
		if flags, err = s.Data(); err != nil {
			return nil
		}
	}
	out := map[string]export{}
	for _, s := range syms {
		if n, ok := strings.CutPrefix(s.Name, "__ksymtab_"); ok && int(s.Section) < len(f.Sections) {
			kind := exportPlain
			if f.Sections[s.Section].Name == "__ksymtab_gpl" {
				kind = exportGPL
			}
			if out[n] != exportGPL {
				out[n] = kind
			}
		}
		if n, ok := strings.CutPrefix(s.Name, "__flags_"); ok && s.Value < uint64(len(flags)) && flags[s.Value]&1 != 0 {
			out[n] = exportGPL
		}
	}
	return out
}
