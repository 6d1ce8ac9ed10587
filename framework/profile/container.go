// SPDX-License-Identifier: Apache-2.0

package profile

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/klauspost/compress/zstd"

	"github.com/modbpf/modbpf/btf"
)

// A profile file is what ships inside the binary and what `profile add` makes:
//
//	"MODBPFP1" | length of directory (u32, little-endian) | directory (JSON) | sections
//
// The directory and each section are one zstd frame, so opening a profile unpacks the kernel's own
// types and nothing else: 8 ms for a 5.5 MB vmlinux. Modules lie together in a
// few sections (all of HID, all of net/sched, ...), which packs far better than
// each alone and is still quick to unpack when one of them is asked for.

const (
	fileMagic = "MODBPFP1"
	// fileSuffix is the ending of profile files.
	fileSuffix = ".modbpf-profile"
	// maxSection bounds what a section may claim to unpack to.
	maxSection = 512 << 20
)

// directory describes a profile file.
type directory struct {
	Uname    string    `json:"uname"`
	Origin   Origin    `json:"origin"`
	Sections []section `json:"sections"`
	Modules  []modPart `json:"modules"`
	Config   int       `json:"config"`  // number of symbols set; 0: not known
	Exports  int       `json:"exports"` // number of exported symbols; 0: not known
}

type section struct {
	Name   string `json:"name"`
	Off    int64  `json:"off"` // from the end of the directory
	Packed int64  `json:"packed"`
	Size   int64  `json:"size"`
}

// modPart says where in a section the BTF of a module lies.
type modPart struct {
	Name    string `json:"n"`
	Section int    `json:"s"`
	Off     int64  `json:"o"`
	Size    int64  `json:"l"`
}

// container is an open profile file. It implements parts.
type container struct {
	dir  directory
	body []byte // sections
	btf  *btf.Spec

	mu      sync.Mutex
	unpackd map[int][]byte // module sections unpacked so far
}

// readDirectory reads the head of a profile file and checks that all it names
// lies inside.
func readDirectory(raw []byte) (*container, error) {
	if len(raw) < len(fileMagic)+4 || string(raw[:len(fileMagic)]) != fileMagic {
		return nil, fmt.Errorf("read profile: no profile header: %w", ErrFormat)
	}
	rest := raw[len(fileMagic):]
	n := uint64(binary.LittleEndian.Uint32(rest))
	rest = rest[4:]
	if n > uint64(len(rest)) {
		return nil, fmt.Errorf("read profile: truncated: %w", ErrFormat)
	}
	c := &container{body: rest[n:], unpackd: map[int][]byte{}}
	text, err := unzip(rest[:n], 0, 16<<20)
	if err != nil {
		return nil, fmt.Errorf("read profile directory: %w", errors.Join(ErrFormat, err))
	}
	if err := json.Unmarshal(text, &c.dir); err != nil {
		return nil, fmt.Errorf("read profile directory: %w: %w", ErrFormat, err)
	}
	for _, s := range c.dir.Sections {
		if s.Off < 0 || s.Packed < 0 || s.Off > int64(len(c.body)) || s.Packed > int64(len(c.body))-s.Off || s.Size < 0 || s.Size > maxSection {
			return nil, fmt.Errorf("read profile section %q: outside the file: %w", s.Name, ErrFormat)
		}
	}
	for _, m := range c.dir.Modules {
		if m.Section < 0 || m.Section >= len(c.dir.Sections) || m.Off < 0 || m.Size < 0 || m.Off > c.dir.Sections[m.Section].Size || m.Size > c.dir.Sections[m.Section].Size-m.Off {
			return nil, fmt.Errorf("read profile module %q: outside its section: %w", m.Name, ErrFormat)
		}
	}
	return c, nil
}

// openContainer makes a profile of a file's bytes, which it keeps.
func openContainer(name string, raw []byte) (*Profile, error) {
	c, err := readDirectory(raw)
	if err != nil {
		return nil, fmt.Errorf("open profile %s: %w", name, err)
	}
	types, err := c.section("btf")
	if err != nil {
		return nil, fmt.Errorf("open profile %s: %w", name, err)
	}
	if c.btf, err = btf.Parse(types); err != nil {
		return nil, fmt.Errorf("open profile %s: %w", name, errors.Join(ErrFormat, err))
	}
	return newProfile(name, c.dir.Uname, c.dir.Origin, c.btf, c)
}

func (c *container) section(name string) ([]byte, error) {
	i := slices.IndexFunc(c.dir.Sections, func(s section) bool { return s.Name == name })
	if i < 0 {
		return nil, fmt.Errorf("read profile section %q: %w", name, errMissing)
	}
	return c.unpack(i)
}

func (c *container) unpack(i int) ([]byte, error) {
	s := c.dir.Sections[i]
	// The size is what the directory claims: room is made for it only as far as
	// so few packed bytes can plausibly fill it.
	out, err := unzip(c.body[s.Off:s.Off+s.Packed], min(s.Size, 64*s.Packed), max(s.Size, 16<<20))
	if err != nil || int64(len(out)) != s.Size {
		return nil, fmt.Errorf("unpack profile section %q: %d bytes of %d: %w", s.Name, len(out), s.Size, errors.Join(ErrFormat, err))
	}
	return out, nil
}

// unzip unpacks one frame of at most limit bytes, with room for size made at once.
func unzip(b []byte, size, limit int64) ([]byte, error) {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(uint64(limit)))
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return d.DecodeAll(b, make([]byte, 0, size))
}

func (c *container) moduleNames() []string {
	names := make([]string, len(c.dir.Modules))
	for i, m := range c.dir.Modules {
		names[i] = m.Name
	}
	return names
}

func (c *container) module(name string) ([]byte, error) {
	i := slices.IndexFunc(c.dir.Modules, func(m modPart) bool { return m.Name == name })
	if i < 0 {
		return nil, ErrNotFound
	}
	m := c.dir.Modules[i]
	c.mu.Lock()
	defer c.mu.Unlock()
	all, ok := c.unpackd[m.Section]
	if !ok {
		var err error
		if all, err = c.unpack(m.Section); err != nil {
			return nil, err
		}
		c.unpackd[m.Section] = all
	}
	return all[m.Off : m.Off+m.Size], nil
}

func (c *container) config() (*Config, error) {
	raw, err := c.section("config")
	if err != nil {
		return nil, err
	}
	return ParseConfig(raw)
}

func (c *container) symbols() (*Symbols, error) {
	raw, err := c.section("exports")
	if err != nil {
		return nil, err
	}
	return unpackExports(raw, c.btf)
}
