// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"bytes"
	"context"
	"crypto/sha256"
	"debug/elf"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/modbpf/modbpf/internal/kernellab"
)

// shipping are Debian packages that ship BPF objects, as files or inside
// programs (skeletons of libbpf embed the whole object).
var shipping = []string{
	"udev-hid-bpf", "ir-keytable", "xdp-tools", "xdp-tests", "libxdp1", "libbpf-tools", "bpftool", "libsystemd-shared",
	"systemd", "network-manager", "nsd", "libbpftune0", "bpftop", "mimic", "rsched", "veristat",
}

// Debian is the corpus of what Debian packages ship. Packages that the archive
// does not have are left out and said.
func Debian(ctx context.Context, w io.Writer) (*Corpus, error) {
	cache, err := CacheDir()
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(cache, "debian")
	stamp := filepath.Join(dir, "origin")
	origin, err := os.ReadFile(stamp)
	if errors.Is(err, os.ErrNotExist) {
		if origin, err = collectDebian(ctx, w, dir); err == nil {
			err = os.WriteFile(stamp, origin, 0o644)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("build corpus of Debian packages: %w", err)
	}
	c, err := OpenDir(dir)
	if err == nil {
		c.Name, c.Origin = "debian", string(origin)
	}
	return c, err
}

func collectDebian(ctx context.Context, w io.Writer, dir string) ([]byte, error) {
	lab, err := kernellab.Open()
	if err != nil {
		return nil, err
	}
	var origin []string
	seen := make(map[[32]byte]bool)
	for _, name := range shipping {
		p, err := lab.FetchPackage(ctx, name)
		if err != nil {
			fmt.Fprintf(w, "leaving out %s: %v\n", name, err)
			continue
		}
		root, err := os.MkdirTemp("", "modbpf-conformance-")
		if err != nil {
			return nil, err
		}
		out, err := exec.CommandContext(ctx, "dpkg-deb", "-x", p.Path, root).CombinedOutput()
		if err != nil {
			return nil, fmt.Errorf("unpack %s: %w: %s", name, err, out)
		}
		n, err := collectObjects(root, filepath.Join(dir, name), seen)
		if err := errors.Join(err, os.RemoveAll(root)); err != nil {
			return nil, err
		}
		fmt.Fprintf(w, "%s %s: %d objects\n", name, p.Version, n)
		origin = append(origin, name+" "+p.Version)
	}
	return []byte(strings.Join(origin, ", ")), nil
}

// collectObjects copies every BPF object beneath root, embedded ones too. The
// same object is taken once.
func collectObjects(root, dir string, seen map[[32]byte]bool) (int, error) {
	n := 0
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for i, obj := range embeddedObjects(data) {
			h := sha256.Sum256(obj)
			if seen[h] {
				continue
			}
			seen[h] = true
			name := strings.TrimSuffix(strings.TrimSuffix(filepath.Base(path), ".o"), ".bpf")
			if len(obj) != len(data) {
				name = fmt.Sprintf("%s@%d-%s", name, i, hex.EncodeToString(h[:3]))
			}
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(dir, name+".bpf.o"), obj, 0o644); err != nil {
				return err
			}
			n++
		}
		return nil
	})
	return n, err
}

// embeddedObjects finds BPF objects in a file: the file itself, or ELF files
// for the BPF machine among its bytes. How long one is, its own section table
// says, which linkers put at the end.
func embeddedObjects(data []byte) [][]byte {
	var out [][]byte
	magic := []byte(elf.ELFMAG)
	for at := 0; ; at++ {
		i := bytes.Index(data[at:], magic)
		if i < 0 {
			return out
		}
		at += i
		d := data[at:]
		if len(d) < 64 || elf.Class(d[elf.EI_CLASS]) != elf.ELFCLASS64 || elf.Data(d[elf.EI_DATA]) != elf.ELFDATA2LSB ||
			elf.Machine(binary.LittleEndian.Uint16(d[18:])) != elf.EM_BPF {
			continue
		}
		end := binary.LittleEndian.Uint64(d[40:]) + uint64(binary.LittleEndian.Uint16(d[58:]))*uint64(binary.LittleEndian.Uint16(d[60:]))
		if end > uint64(len(d)) || end < 64 {
			continue
		}
		out = append(out, slices.Clone(d[:end]))
	}
}
