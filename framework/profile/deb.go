// SPDX-License-Identifier: Apache-2.0

package profile

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"

	"github.com/klauspost/compress/zstd"

	"github.com/modbpf/modbpf/framework/profile/xz"
)

// A Debian package is an ar archive of two tars: control.tar.* names the
// package and its version, data.tar.* holds the files (deb(5)).

// addPackage takes all that a kernel package has: image, config, modules,
// Module.symvers, in whichever of a kernel's packages they come.
func (x *Extraction) addPackage(r io.Reader) error {
	x.Origin.Packages = append(x.Origin.Packages, Package{})
	pkg := &x.Origin.Packages[len(x.Origin.Packages)-1]
	data := false
	err := eachMember(r, func(name string, body io.Reader) error {
		switch {
		case strings.HasPrefix(name, "control.tar"):
			return x.readControl(name, body, pkg)
		case strings.HasPrefix(name, "data.tar"):
			data = true
			return x.readData(name, body)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if pkg.Name == "" || !data {
		return fmt.Errorf("an ar archive, but no Debian package: %w", ErrFormat)
	}
	return nil
}

// eachMember walks an ar archive (common format, ar(5)).
func eachMember(r io.Reader, f func(name string, body io.Reader) error) error {
	br := bufio.NewReaderSize(r, 1<<18)
	var magic [8]byte
	if _, err := io.ReadFull(br, magic[:]); err != nil || string(magic[:]) != "!<arch>\n" {
		return fmt.Errorf("ar archive: no header: %w", ErrFormat)
	}
	for {
		var h [60]byte
		if _, err := io.ReadFull(br, h[:]); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("ar archive: truncated: %w", ErrFormat)
		}
		size, err := strconv.ParseInt(strings.TrimSpace(string(h[48:58])), 10, 64)
		if err != nil || size < 0 || h[58] != '`' || h[59] != '\n' {
			return fmt.Errorf("ar archive: member header: %w", ErrFormat)
		}
		body := &io.LimitedReader{R: br, N: size}
		if err := f(strings.TrimSuffix(strings.TrimSpace(string(h[:16])), "/"), body); err != nil {
			return err
		}
		if _, err := io.Copy(io.Discard, body); err != nil {
			return err
		}
		if body.N > 0 {
			return fmt.Errorf("ar archive: truncated: %w", ErrFormat)
		}
		if size%2 != 0 {
			if _, err := br.Discard(1); err != nil && !errors.Is(err, io.EOF) {
				return err
			}
		}
	}
}

// untar opens a compressed tar by the ending of its name.
func untar(name string, r io.Reader) (*tar.Reader, func(), error) {
	switch path.Ext(name) {
	case ".xz":
		return tar.NewReader(xz.NewReader(r)), func() {}, nil
	case ".zst":
		z, err := zstd.NewReader(r, zstd.WithDecoderMaxMemory(maxSection))
		if err != nil {
			return nil, nil, err
		}
		return tar.NewReader(z), z.Close, nil
	case ".gz":
		z, err := gzip.NewReader(r)
		if err != nil {
			return nil, nil, errors.Join(ErrFormat, err)
		}
		return tar.NewReader(z), func() {}, nil
	case ".tar":
		return tar.NewReader(r), func() {}, nil
	}
	return nil, nil, fmt.Errorf("package member %s: %w", name, ErrUnsupported)
}

func eachFile(name string, r io.Reader, f func(h *tar.Header, body io.Reader) error) error {
	t, done, err := untar(name, r)
	if err != nil {
		return err
	}
	defer done()
	for {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("package member %s: %w", name, errors.Join(ErrFormat, err))
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		if err := f(h, t); err != nil {
			return err
		}
	}
}

func (x *Extraction) readControl(name string, r io.Reader, pkg *Package) error {
	return eachFile(name, r, func(h *tar.Header, body io.Reader) error {
		if path.Clean(h.Name) != "control" {
			return nil
		}
		text, err := readBounded(body)
		if err != nil {
			return err
		}
		for _, line := range strings.Split(string(text), "\n") {
			if v, ok := strings.CutPrefix(line, "Package: "); ok {
				pkg.Name = v
			}
			if v, ok := strings.CutPrefix(line, "Version: "); ok {
				pkg.Version = v
			}
		}
		return nil
	})
}

var (
	packageImage  = regexp.MustCompile(`^(boot/vmlinuz-|(usr/)?lib/modules/[^/]+/vmlinuz$|usr/lib/debug/(boot/|lib/modules/[^/]+/)vmlinux)`)
	packageConfig = regexp.MustCompile(`^(boot/config-|(usr/)?lib/modules/[^/]+/config$)`)
	packageModule = regexp.MustCompile(`^(?:usr/)?lib/modules/[^/]+/(?:kernel|extra|updates)/(.+)\.ko(\.xz|\.zst|\.gz)?$`)
)

// readData walks the files of a package. Modules are unpacked and read by as
// many goroutines as there are CPUs, while the walk goes on.
func (x *Extraction) readData(name string, r io.Reader) error {
	type job struct {
		name string
		raw  []byte
	}
	jobs := make(chan job, runtime.NumCPU())
	var wg sync.WaitGroup
	var mu sync.Mutex // of x.Modules, x.Symbols and x.Skipped
	var failed error
	for range runtime.NumCPU() {
		wg.Go(func() {
			for j := range jobs {
				m, err := readModule(j.name, j.raw)
				mu.Lock()
				if err != nil && failed == nil {
					failed = fmt.Errorf("module %s: %w", path.Base(j.name), err)
				} else if err == nil {
					x.takeModule(m)
				}
				mu.Unlock()
			}
		})
	}
	err := eachFile(name, r, func(h *tar.Header, body io.Reader) error {
		file := path.Clean(strings.TrimPrefix(h.Name, "./"))
		if m := packageModule.FindStringSubmatch(file); m != nil {
			if x.keep != nil && !x.keep(m[1]) {
				return nil
			}
			raw, err := readBounded(body)
			if err == nil {
				jobs <- job{m[1] + ".ko" + m[2], raw}
			}
			return err
		}
		if !packageImage.MatchString(file) && !packageConfig.MatchString(file) && path.Base(file) != "Module.symvers" {
			return nil
		}
		raw, err := readBounded(body)
		if err != nil {
			return err
		}
		base := path.Base(file)
		if bytes.HasPrefix(raw, []byte("\x7fELF")) || packageConfig.MatchString(file) || base == "Module.symvers" || packageImage.MatchString(file) {
			mu.Lock()
			defer mu.Unlock()
			if _, err := x.addBytes(base, raw); err != nil {
				return fmt.Errorf("%s: %w", file, err)
			}
		}
		return nil
	})
	close(jobs)
	wg.Wait()
	if err == nil {
		err = failed
	}
	return err
}
