// SPDX-License-Identifier: Apache-2.0

package profile

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/klauspost/compress/zstd"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/btf"
	"github.com/modbpf/modbpf/framework/profile/xz"
)

// Extraction is what was found of a kernel in files.
type Extraction struct {
	Uname   string
	Origin  Origin
	BTF     []byte
	Modules map[string]Module
	Config  *Config
	Symbols *Symbols
	Skipped []string // modules without usable BTF, with the reason

	keep func(path string) bool
	read func(n int)
}

// Module is the BTF of one module, and the group it is stored with.
type Module struct {
	Path  string // below the kernel's module folder: "drivers/hid/hid-generic"
	Group string
	BTF   []byte
}

// ExtractOptions says what to take.
type ExtractOptions struct {
	// Release is the kernel's release, for files that do not tell (raw BTF).
	Release string
	// Modules chooses modules by path below the kernel's module folder, without
	// ".ko" ("drivers/hid/hid-generic"); nil takes all.
	Modules func(path string) bool
	// Progress is told now and then how many bytes of the files were read.
	Progress func(done, total int64)
}

// Extract reads everything a profile needs from files of one kernel: a Debian
// kernel package (or the several a kernel is split into), a bzImage, a vmlinux,
// or raw BTF; and beside these a .config, a Module.symvers, modules (.ko).
func Extract(files []string, opts ExtractOptions) (*Extraction, error) {
	x := &Extraction{Modules: map[string]Module{}, keep: opts.Modules, Uname: opts.Release}
	if err := x.watch(files, opts.Progress); err != nil {
		return nil, err
	}
	for _, f := range files {
		if err := x.addFile(f); err != nil {
			return nil, fmt.Errorf("read %s: %w", filepath.Base(f), err)
		}
	}
	if x.BTF == nil {
		return nil, fmt.Errorf("read %s: %w: give the package or file that holds the kernel image as well", names(files), ErrNoBTF)
	}
	if x.Uname == "" {
		return nil, fmt.Errorf("read %s: the file does not tell its kernel's release: give it (--release 6.12.3)", names(files))
	}
	if _, err := bpf.ParseRelease(x.Uname); err != nil {
		return nil, fmt.Errorf("read %s: %w: %w", names(files), ErrFormat, err)
	}
	spec, err := btf.Parse(x.BTF)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", names(files), errors.Join(ErrFormat, err))
	}
	x.checkModules(spec)
	return x, nil
}

// watch makes reading the files tell how far it has come.
func (x *Extraction) watch(files []string, progress func(done, total int64)) error {
	x.read = func(int) {}
	if progress == nil {
		return nil
	}
	var done, total int64
	for _, f := range files {
		st, err := os.Stat(f)
		if err != nil {
			return fmt.Errorf("read %s: %w", filepath.Base(f), err)
		}
		total += st.Size()
	}
	x.read = func(n int) {
		done += int64(n)
		progress(done, total)
	}
	return nil
}

// watched counts what is read of a file.
type watched struct {
	io.Reader
	read func(n int)
}

func (w watched) Read(b []byte) (int, error) {
	n, err := w.Reader.Read(b)
	w.read(n)
	return n, err
}

func names(files []string) string {
	var n []string
	for _, f := range files {
		n = append(n, filepath.Base(f))
	}
	return strings.Join(n, ", ")
}

// checkModules drops modules whose BTF does not continue this kernel's.
func (x *Extraction) checkModules(spec *btf.Spec) {
	for n, m := range x.Modules {
		if _, err := btf.ParseSplit(m.BTF, spec); err != nil {
			delete(x.Modules, n)
			x.Skipped = append(x.Skipped, fmt.Sprintf("%s: %v", n, err))
		}
	}
}

// addFile finds out what a file is by its first bytes, and takes what it has.
func (x *Extraction) addFile(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	head := make([]byte, 0x210)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return err
	}
	head = head[:n]
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	h := sha256.New()
	r := io.TeeReader(watched{f, x.read}, h)
	kind := ""
	if bytes.HasPrefix(head, []byte("!<arch>\n")) {
		kind = "package"
		err = x.addPackage(r)
	} else {
		var raw []byte
		if raw, err = io.ReadAll(r); err == nil {
			kind, err = x.addBytes(path.Base(filepath.ToSlash(name)), raw)
		}
	}
	if err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, r); err != nil {
		return err
	}
	sum := hex.EncodeToString(h.Sum(nil))
	switch kind {
	case "package":
		x.Origin.Kind = kind
		x.Origin.Packages[len(x.Origin.Packages)-1].SHA256 = sum
	case "bzImage", "vmlinux", "btf":
		x.Origin.Kind, x.Origin.File, x.Origin.SHA256 = kind, filepath.Base(name), sum
	}
	return nil
}

var koSuffix = regexp.MustCompile(`\.ko(\.xz|\.zst|\.gz)?$`)

// addBytes takes a file that is held in memory.
func (x *Extraction) addBytes(name string, raw []byte) (kind string, err error) {
	switch {
	case koSuffix.MatchString(name):
		return "module", x.addModule(name, raw)
	case len(raw) > 0x206 && string(raw[0x202:0x206]) == "HdrS":
		elf, err := unpackBzImage(raw)
		if err != nil {
			return "", err
		}
		return "bzImage", x.addVmlinux(elf)
	case bytes.HasPrefix(raw, []byte("\x7fELF")):
		return "vmlinux", x.addVmlinux(raw)
	case len(raw) > 4 && raw[0] == 0x9f && raw[1] == 0xeb:
		if _, err := btf.Parse(raw); err != nil {
			return "", errors.Join(ErrFormat, err)
		}
		x.BTF = raw
		return "btf", nil
	case strings.Contains(name, "symvers"):
		if raw, err = inflate(name, raw); err != nil {
			return "", err
		}
		x.Symbols, err = ParseSymvers(raw)
		return "symvers", err
	case strings.Contains(name, "config"):
		if raw, err = inflate(name, raw); err != nil {
			return "", err
		}
		x.Config, err = ParseConfig(raw)
		return "config", err
	}
	return "", fmt.Errorf("%w: neither a Debian package, a bzImage, an ELF kernel, raw BTF, a config, a Module.symvers nor a module", ErrUnsupported)
}

// inflate unpacks by the ending of a name.
func inflate(name string, raw []byte) ([]byte, error) {
	switch path.Ext(name) {
	case ".xz":
		b, err := xz.Decode(raw)
		if err != nil {
			return nil, errors.Join(ErrFormat, err)
		}
		return b, nil
	case ".zst":
		d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxSection))
		if err != nil {
			return nil, err
		}
		defer d.Close()
		b, err := d.DecodeAll(raw, nil)
		if err != nil {
			return nil, errors.Join(ErrFormat, err)
		}
		return b, nil
	case ".gz":
		z, err := gzip.NewReader(bytes.NewReader(raw))
		if err != nil {
			return nil, errors.Join(ErrFormat, err)
		}
		return readBounded(z)
	}
	return raw, nil
}

// readBounded reads everything, up to the size no part of a kernel exceeds.
func readBounded(r io.Reader) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxSection+1))
	if err != nil {
		return nil, errors.Join(ErrFormat, err)
	}
	if len(b) > maxSection {
		return nil, fmt.Errorf("unpacks to more than %d bytes: %w", maxSection, ErrFormat)
	}
	return b, nil
}
