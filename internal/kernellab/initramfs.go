// SPDX-License-Identifier: Apache-2.0

package kernellab

import (
	"bytes"
	"context"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// The initramfs holds our agent as /init, and every module a test may want:
// all HID drivers, congestion controls, queue disciplines, and what makes
// devices for them. Modules lie uncompressed at /lib/modules/NAME.ko, because
// the emulated CPU unpacks far slower than ours.

// carried are the folders of modules a guest carries, below the kernel's module
// folder; single files are named without their suffix.
var carried = []string{
	"drivers/hid", "net/sched", "net/ipv4/tcp_*", "net/smc", "net/tls", "fs/binfmt_misc", "drivers/input/evdev", "drivers/input/mousedev",
	"drivers/input/joydev", "drivers/input/misc/uinput", "drivers/input/input-leds", "drivers/net/veth", "drivers/net/dummy", "drivers/net/ifb",
	"drivers/net/tun", "drivers/net/slip/slip", "drivers/net/macvlan", "drivers/net/ipvlan", "drivers/net/bonding", "drivers/net/vrf",
	"net/bridge/bridge", "net/netfilter/nf_conntrack", "net/netfilter/nf_nat", "net/netfilter/nf_tables", "net/netfilter/nf_flow_table", "net/ipv4/fou", "net/ipv4/netfilter/nf_defrag_ipv4", "net/ipv6/netfilter/nf_defrag_ipv6",
	"net/xfrm", "net/mptcp/mptcp_diag", "net/ipv4/inet_diag", "fs/fuse",
}

var moduleFile = regexp.MustCompile(`^(.+)\.ko(\.xz|\.zst|\.gz)?$`)

// moduleName is the kernel's name of a module file.
func moduleName(file string) string {
	m := moduleFile.FindStringSubmatch(filepath.Base(file))
	if m == nil {
		return ""
	}
	return strings.ReplaceAll(m[1], "-", "_")
}

// moduleFiles maps the name of every module of a kernel to its file.
func (k *Kernel) moduleFiles() (map[string]string, error) {
	all := map[string]string{}
	err := filepath.WalkDir(k.Modules(), func(p string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			if n := moduleName(p); n != "" {
				all[n] = p
			}
		}
		return err
	})
	return all, err
}

func (k *Kernel) isCarried(file string) bool {
	rel, err := filepath.Rel(k.Modules(), file)
	if err != nil {
		return false
	}
	base := moduleFile.ReplaceAllString(rel, "$1")
	for _, c := range carried {
		if strings.HasPrefix(rel, c+"/") {
			return true
		}
		if ok, err := filepath.Match(c, base); err == nil && ok {
			return true
		}
	}
	return false
}

// readModule is a module's ELF file, unpacked.
func readModule(ctx context.Context, file string) ([]byte, error) {
	for suffix, tool := range map[string]string{".xz": "xz", ".zst": "zstd", ".gz": "gzip"} {
		if strings.HasSuffix(file, suffix) {
			b, err := exec.CommandContext(ctx, tool, "-dc", file).Output()
			if err != nil {
				return nil, fmt.Errorf("unpack module %s with %s: %w", filepath.Base(file), tool, err)
			}
			return b, nil
		}
	}
	return os.ReadFile(file)
}

// moduleDeps reads the names of the modules a module needs from its .modinfo section.
func moduleDeps(raw []byte) ([]string, error) {
	f, err := elf.NewFile(bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	s := f.Section(".modinfo")
	if s == nil {
		return nil, fmt.Errorf("no .modinfo section")
	}
	info, err := s.Data()
	if err != nil {
		return nil, err
	}
	for _, kv := range strings.Split(string(info), "\x00") {
		if v, ok := strings.CutPrefix(kv, "depends="); ok && v != "" {
			return strings.Split(strings.ReplaceAll(v, "-", "_"), ","), nil
		}
	}
	return nil, nil
}

// moduleArchive is the part of the initramfs that depends on the kernel alone,
// kept beside it.
func (k *Kernel) moduleArchive(ctx context.Context) (archive string, deps map[string][]string, err error) {
	sum := sha256.Sum256([]byte(strings.Join(carried, " ")))
	archive = filepath.Join(k.dir, "modules-"+hex.EncodeToString(sum[:6])+".cpio")
	list := strings.TrimSuffix(archive, ".cpio") + ".json"
	unlock, err := lockFile(ctx, archive+".lock")
	if err != nil {
		return "", nil, err
	}
	defer unlock()
	if b, err := os.ReadFile(list); err == nil {
		return archive, deps, json.Unmarshal(b, &deps)
	}
	files, err := k.moduleFiles()
	if err != nil {
		return "", nil, err
	}
	var todo []string
	for n, f := range files {
		if k.isCarried(f) {
			todo = append(todo, n)
		}
	}
	deps = map[string][]string{}
	out, err := os.Create(archive)
	if err != nil {
		return "", nil, err
	}
	defer out.Close()
	w := newCpio(out)
	w.dir("lib")
	w.dir("lib/modules")
	for len(todo) > 0 {
		n := todo[0]
		todo = todo[1:]
		if _, done := deps[n]; done {
			continue
		}
		f, ok := files[n]
		if !ok {
			return "", nil, fmt.Errorf("module %s is needed but not part of kernel %s", n, k.Uname)
		}
		raw, err := readModule(ctx, f)
		if err != nil {
			return "", nil, err
		}
		d, err := moduleDeps(raw)
		if err != nil {
			return "", nil, fmt.Errorf("read module %s: %w", n, err)
		}
		deps[n] = append([]string{}, d...)
		todo = append(todo, d...)
		w.file("lib/modules/"+n+".ko", 0o644, raw)
	}
	if w.err == nil {
		w.err = out.Close()
	}
	if w.err != nil {
		return "", nil, fmt.Errorf("write modules of kernel %s: %w", k.Uname, w.err)
	}
	b, err := json.Marshal(deps)
	if err != nil {
		return "", nil, err
	}
	return archive, deps, os.WriteFile(list, b, 0o644)
}

// writeInitramfs makes the archive for one machine: the kernel's modules, the
// agent and the list of what to load. The kernel reads concatenated archives.
func (k *Kernel) writeInitramfs(ctx context.Context, w io.Writer, initBinary []byte, boot []string) error {
	archive, deps, err := k.moduleArchive(ctx)
	if err != nil {
		return err
	}
	list, err := json.Marshal(struct {
		Boot []string
		Deps map[string][]string
	}{boot, deps})
	if err != nil {
		return err
	}
	f, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := io.Copy(w, f); err != nil {
		return err
	}
	c := newCpio(w)
	for _, d := range []string{"bin", "dev", "proc", "sys", "tmp", "run"} {
		c.dir(d)
	}
	c.node("dev/console", 5, 1)
	config, err := os.ReadFile(k.Config())
	if err != nil {
		return err
	}
	c.dir("boot")
	c.file("boot/config-"+k.Uname, 0o644, config)
	c.file("init", 0o755, initBinary)
	c.link("bin/modprobe", "/init")
	c.link("bin/rmmod", "/init")
	c.file("lib/modules/lab.json", 0o644, list)
	c.trailer()
	return c.err
}

// cpio writes the "newc" format (Documentation/driver-api/early-userspace/buffer-format.rst).
type cpio struct {
	w   io.Writer
	ino int
	err error
}

func newCpio(w io.Writer) *cpio { return &cpio{w: w, ino: 1} }

func (c *cpio) entry(name string, mode uint32, major, minor int, data []byte) {
	if c.err != nil {
		return
	}
	c.ino++
	h := fmt.Sprintf("070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%s\x00",
		c.ino, mode, 0, 0, 1, 0, len(data), 0, 0, major, minor, len(name)+1, 0, name)
	var b bytes.Buffer
	b.WriteString(h)
	b.Write(make([]byte, -b.Len()&3))
	b.Write(data)
	b.Write(make([]byte, -b.Len()&3))
	_, c.err = c.w.Write(b.Bytes())
}

func (c *cpio) dir(name string)                            { c.entry(name, 0o040755, 0, 0, nil) }
func (c *cpio) file(name string, mode uint32, data []byte) { c.entry(name, 0o100000|mode, 0, 0, data) }

func (c *cpio) link(name, target string) { c.entry(name, 0o120777, 0, 0, []byte(target)) }

func (c *cpio) node(name string, major, minor int) { c.entry(name, 0o020600, major, minor, nil) }
func (c *cpio) trailer()                           { c.entry("TRAILER!!!", 0, 0, 0, nil) }
