// SPDX-License-Identifier: Apache-2.0

package kernellab

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// Kernel is an unpacked Debian kernel.
type Kernel struct {
	Series   string    `json:"series"`
	Uname    string    `json:"uname"` // "7.2.12+deb13-amd64"
	Packages []Package `json:"packages"`
	dir      string
}

// Vmlinux is the path of the uncompressed kernel, an ELF file.
func (k *Kernel) Vmlinux() string { return filepath.Join(k.dir, "vmlinux") }

// Config is the path of its build configuration.
func (k *Kernel) Config() string {
	return k.find("boot/config-"+k.Uname, "usr/lib/modules/"+k.Uname+"/config")
}

// SystemMap is the path of its symbol listing.
func (k *Kernel) SystemMap() string {
	return k.find("boot/System.map-"+k.Uname, "usr/lib/modules/"+k.Uname+"/System.map")
}

// Modules is the folder of its modules, "…/kernel".
func (k *Kernel) Modules() string {
	return k.find("usr/lib/modules/"+k.Uname+"/kernel", "lib/modules/"+k.Uname+"/kernel")
}

func (k *Kernel) find(names ...string) string {
	for _, n := range names {
		p := filepath.Join(k.dir, "root", n)
		if _, err := os.Stat(p); err == nil {
			return p
		}
	}
	return filepath.Join(k.dir, "root", names[0])
}

// Kernel is the newest Debian kernel of a series ("7.2") that the archive had
// when the series was first asked for; it is fetched and unpacked then, and
// found in the cache afterwards. The versions and hashes are recorded beside it.
func (l *Lab) Kernel(ctx context.Context, series string) (*Kernel, error) {
	if !regexp.MustCompile(`^\d+\.\d+$`).MatchString(series) {
		return nil, fmt.Errorf("open kernel %q: want a series like 7.2", series)
	}
	dir := filepath.Join(l.dir, "kernels", series)
	if k, err := loadKernel(dir); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return k, err
	}
	unlock, err := lockFile(ctx, dir+".lock")
	if err != nil {
		return nil, err
	}
	defer unlock()
	if k, err := loadKernel(dir); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return k, err
	}
	k, err := l.fetchKernel(ctx, series, dir)
	if err != nil {
		return nil, fmt.Errorf("fetch kernel %s: %w", series, err)
	}
	return k, nil
}

// Refresh forgets the cached kernel of a series, so that the next Kernel
// resolves it anew.
func (l *Lab) Refresh(series string) error {
	return os.RemoveAll(filepath.Join(l.dir, "kernels", series))
}

func loadKernel(dir string) (*Kernel, error) {
	b, err := os.ReadFile(filepath.Join(dir, "kernel.json"))
	if err != nil {
		return nil, err
	}
	k := &Kernel{dir: dir}
	if err := json.Unmarshal(b, k); err != nil {
		return nil, fmt.Errorf("read cached kernel %s: %w", filepath.Base(dir), err)
	}
	return k, nil
}

// fetchKernel resolves, downloads and unpacks into dir; kernel.json comes last,
// so a broken attempt is started over.
func (l *Lab) fetchKernel(ctx context.Context, series, dir string) (*Kernel, error) {
	apt, err := l.apt(ctx)
	if err != nil {
		return nil, err
	}
	names, err := apt.kernelPackages(ctx, series)
	if err != nil {
		return nil, err
	}
	if err := os.RemoveAll(dir); err != nil {
		return nil, err
	}
	root := filepath.Join(dir, "root")
	if err := os.MkdirAll(root, 0o755); err != nil {
		return nil, err
	}
	k := &Kernel{Series: series, dir: dir}
	for _, n := range names {
		p, err := apt.download(ctx, n)
		if err != nil {
			return nil, err
		}
		if out, err := exec.CommandContext(ctx, "dpkg-deb", "-x", p.Path, root).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("unpack %s: %w\n%s", filepath.Base(p.Path), err, out)
		}
		k.Packages = append(k.Packages, *p)
	}
	_, k.Uname, _ = strings.Cut(strings.TrimPrefix(names[0], "linux-"), "-")
	image := k.find("usr/lib/modules/"+k.Uname+"/vmlinuz", "boot/vmlinuz-"+k.Uname)
	b, err := os.ReadFile(image)
	if err != nil {
		return nil, err
	}
	elf, err := unpackImage(b)
	if err != nil {
		return nil, fmt.Errorf("unpack %s: %w", filepath.Base(image), err)
	}
	if err := os.WriteFile(k.Vmlinux(), elf, 0o644); err != nil {
		return nil, err
	}
	js, err := json.MarshalIndent(k, "", "\t")
	if err != nil {
		return nil, err
	}
	return k, os.WriteFile(filepath.Join(dir, "kernel.json"), js, 0o644)
}

// kernelPackages names the packages that make up the newest kernel of a series:
// one linux-image up to 6.18, three from 6.19.
func (r *aptRoot) kernelPackages(ctx context.Context, series string) ([]string, error) {
	re := regexp.MustCompile(`^linux-(image|binary)-(` + regexp.QuoteMeta(series) + `\.(\d+)\+deb\d+-amd64)$`)
	type found struct {
		kind, uname string
		patch       int
	}
	var all []found
	for _, prefix := range []string{"linux-image-" + series + ".", "linux-binary-" + series + "."} {
		names, err := r.names(ctx, prefix)
		if err != nil {
			return nil, err
		}
		for _, n := range names {
			if m := re.FindStringSubmatch(n); m != nil {
				patch, err := strconv.Atoi(m[3])
				if err != nil {
					return nil, err
				}
				all = append(all, found{m[1], m[2], patch})
			}
		}
	}
	// "binary" before "image": where both exist linux-image is only a wrapper.
	slices.SortFunc(all, func(a, b found) int {
		if a.patch != b.patch {
			return b.patch - a.patch
		}
		return strings.Compare(a.kind, b.kind)
	})
	if len(all) == 0 {
		return nil, fmt.Errorf("%w: the archive has no kernel %s", ErrUnavailable, series)
	}
	u := all[0].uname
	if all[0].kind == "binary" {
		return []string{"linux-binary-" + u, "linux-modules-" + u, "linux-base-" + u}, nil
	}
	return []string{"linux-image-" + u}, nil
}

// unpackImage takes the ELF kernel out of a bzImage: the setup header says
// where its compressed payload lies (Documentation/arch/x86/boot.rst).
func unpackImage(b []byte) ([]byte, error) {
	if len(b) < 0x260 || string(b[0x202:0x206]) != "HdrS" {
		return nil, errors.New("not a bzImage")
	}
	setup := int(b[0x1f1])
	if setup == 0 {
		setup = 4
	}
	off := uint64((setup+1)*512) + uint64(binary.LittleEndian.Uint32(b[0x248:]))
	size := uint64(binary.LittleEndian.Uint32(b[0x24c:]))
	if size < 8 || off+size > uint64(len(b)) {
		return nil, errors.New("payload lies outside the image")
	}
	payload := b[off : off+size-4] // the last four bytes are the unpacked size
	if !bytes.HasPrefix(payload, []byte{0x28, 0xb5, 0x2f, 0xfd}) {
		return nil, fmt.Errorf("payload begins with % x: only zstd, as Debian uses, is read here", payload[:6])
	}
	d, err := zstd.NewReader(nil)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return d.DecodeAll(payload, nil)
}
