// SPDX-License-Identifier: Apache-2.0

// Package conformance compares our verifier's verdicts with a real kernel's.
//
// A corpus is a folder of BPF objects. Each program of each object is judged
// twice: first by our verifier, in a process of its own to which the kernel
// refuses bpf(2), and then by the machine's kernel, which is asked to load the
// very instructions that were judged. Nothing is attached. README.md says how
// to run it.
package conformance

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/modbpf/modbpf/internal/kernellab"
)

// Sources are the Debian packages whose selftests can be a corpus; the first
// is what we are measured on, the others keep us from tuning to it.
var Sources = []string{"linux-source-6.12", "linux-source-7.2", "linux-source-7.3"}

// cflags compile the selftests; ATOMICS as the kernel's own build has it on x86.
var cflags = []string{
	"-g", "-O2", "--target=bpfel", "-mcpu=v3", "-D__TARGET_ARCH_x86", "-mlittle-endian", "-std=gnu11",
	"-fno-strict-aliasing", "-fms-extensions", "-DENABLE_ATOMICS_TESTS", "-Wno-everything",
}

// Corpus is a folder of objects and where they came from.
type Corpus struct {
	Name    string
	Dir     string
	Origin  string // package and version, compiler
	Objects []string
	Failed  []string // sources that do not compile
}

// CacheDir is where this package keeps what it fetched, built and asked.
func CacheDir() (string, error) {
	d, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find cache folder: %w", err)
	}
	d = filepath.Join(d, "modbpf", "conformance")
	return d, os.MkdirAll(d, 0o755)
}

// OpenDir takes the objects of a folder, and of those beneath it, as a corpus.
func OpenDir(dir string) (*Corpus, error) {
	c := &Corpus{Name: filepath.Base(dir), Dir: dir, Origin: dir}
	err := filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.HasSuffix(p, ".o") {
			c.Objects = append(c.Objects, p)
		}
		return err
	})
	if err == nil && len(c.Objects) == 0 {
		err = fmt.Errorf("open corpus %s: no objects in it", dir)
	}
	return c, err
}

// Selftests is the kernel's own selftests of one source package, compiled. What
// is missing is fetched and built, once; progress goes to w.
func Selftests(ctx context.Context, w io.Writer, selftests string) (*Corpus, error) {
	cache, err := CacheDir()
	if err != nil {
		return nil, err
	}
	clang, err := findClang(ctx)
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(cache, selftests)
	objs := filepath.Join(dir, "objects-"+clang.tag)
	c := &Corpus{Name: selftests, Dir: objs}
	origin, err := os.ReadFile(filepath.Join(objs, "origin"))
	if err != nil {
		if err := buildSelftests(ctx, w, selftests, dir, objs, clang); err != nil {
			return nil, fmt.Errorf("build corpus %s: %w", selftests, err)
		}
		if origin, err = os.ReadFile(filepath.Join(objs, "origin")); err != nil {
			return nil, fmt.Errorf("build corpus %s: %w", selftests, err)
		}
	}
	lines := strings.Split(strings.TrimSpace(string(origin)), "\n")
	c.Origin, c.Failed = lines[0], lines[1:]
	c.Objects, err = filepath.Glob(filepath.Join(objs, "*.bpf.o"))
	if err == nil && len(c.Objects) == 0 {
		err = fmt.Errorf("open corpus %s: no objects in %s", selftests, objs)
	}
	return c, err
}

type compiler struct{ path, version, tag string }

func findClang(ctx context.Context) (*compiler, error) {
	for _, n := range []string{"clang-19", "clang-22", "clang-21", "clang-20", "clang"} {
		p, err := exec.LookPath(n)
		if err != nil {
			continue
		}
		out, err := exec.CommandContext(ctx, p, "--version").Output()
		if err != nil {
			return nil, fmt.Errorf("ask %s for its version: %w", n, err)
		}
		v, _, _ := strings.Cut(string(out), "\n")
		h := sha256.Sum256([]byte(v + strings.Join(cflags, " ")))
		return &compiler{p, v, hex.EncodeToString(h[:4])}, nil
	}
	return nil, fmt.Errorf("find clang: install clang-19 (Debian: apt-get install clang-19): %w", kernellab.ErrUnavailable)
}

func buildSelftests(ctx context.Context, w io.Writer, selftests, dir, objs string, cc *compiler) error {
	lab, err := kernellab.Open()
	if err != nil {
		return err
	}
	var origin []string
	fetch := func(pkg string) (string, error) {
		fmt.Fprintf(w, "fetching %s\n", pkg)
		p, err := lab.FetchPackage(ctx, pkg)
		if err != nil {
			return "", err
		}
		origin = append(origin, p.Name+" "+p.Version)
		return p.Path, nil
	}
	src := filepath.Join(dir, "src")
	tools := filepath.Join(src, selftests, "tools")
	if deb, err := fetch(selftests); err != nil {
		return err
	} else if _, err := os.Stat(filepath.Join(tools, "testing/selftests/bpf/progs")); err != nil {
		fmt.Fprintf(w, "unpacking %s\n", selftests)
		if err := os.MkdirAll(src, 0o755); err != nil {
			return err
		}
		script := `dpkg-deb --fsys-tarfile "$1" | tar -xO ./usr/src/` + selftests + `.tar.xz | tar -xJ -C "$2" ` +
			selftests + `/tools/testing/selftests/bpf ` + selftests + `/tools/include ` + selftests + `/tools/lib/bpf`
		if out, err := exec.CommandContext(ctx, "sh", "-e", "-c", script, "sh", deb, src).CombinedOutput(); err != nil {
			return fmt.Errorf("unpack %s: %w: %s", selftests, err, out)
		}
	}
	root := filepath.Join(dir, "root")
	for _, pkg := range []string{"libbpf-dev", "libbpf1", "bpftool"} {
		if pkg == "libbpf-dev" || pkg == "libbpf1" {
			pkg += "/trixie"
		}
		if pkg == "bpftool" {
			pkg += "/bookworm-backports"
		}
		deb, err := fetch(pkg)
		if err != nil {
			return err
		}
		if out, err := exec.CommandContext(ctx, "dpkg-deb", "-x", deb, root).CombinedOutput(); err != nil {
			return fmt.Errorf("unpack %s: %w: %s", pkg, err, out)
		}
	}
	inc := filepath.Join(dir, "include")
	if err := vmlinuxHeader(ctx, root, inc); err != nil {
		return err
	}
	tmp := objs + ".part"
	if err := os.MkdirAll(tmp, 0o755); err != nil {
		return err
	}
	failed, err := compileAll(ctx, w, cc, tools, root, inc, tmp)
	if err != nil {
		return err
	}
	text := strings.Join(origin, ", ") + ", " + cc.version + "\n" + strings.Join(failed, "\n") + "\n"
	if err := os.WriteFile(filepath.Join(tmp, "origin"), []byte(text), 0o644); err != nil {
		return err
	}
	return os.Rename(tmp, objs)
}

// vmlinuxHeader makes vmlinux.h of the running kernel's types.
func vmlinuxHeader(ctx context.Context, root, inc string) error {
	if err := os.MkdirAll(inc, 0o755); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, filepath.Join(root, "usr/sbin/bpftool"), "btf", "dump", "file", "/sys/kernel/btf/vmlinux", "format", "c")
	cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+filepath.Join(root, "usr/lib", multiarch()))
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("make vmlinux.h: %w", err)
	}
	return os.WriteFile(filepath.Join(inc, "vmlinux.h"), out, 0o644)
}

func multiarch() string {
	if runtime.GOARCH == "arm64" {
		return "aarch64-linux-gnu"
	}
	return "x86_64-linux-gnu"
}

// compileAll compiles every program; which ones cannot be is returned.
func compileAll(ctx context.Context, w io.Writer, cc *compiler, tools, root, inc, out string) ([]string, error) {
	bpf := filepath.Join(tools, "testing/selftests/bpf")
	srcs, err := filepath.Glob(filepath.Join(bpf, "progs", "*.c"))
	if err != nil || len(srcs) == 0 {
		return nil, fmt.Errorf("find programs in %s: %d: %w", bpf, len(srcs), err)
	}
	fmt.Fprintf(w, "compiling %d programs with %s\n", len(srcs), cc.version)
	flags := append(slices.Clone(cflags),
		"-I"+inc, "-I"+filepath.Join(root, "usr/include"), "-I"+bpf, "-I"+filepath.Join(bpf, "progs"), "-I"+filepath.Join(bpf, "libarena/include"),
		"-I"+filepath.Join(tools, "include/uapi"), "-I"+filepath.Join(tools, "include"),
		"-idirafter", "/usr/include/"+multiarch(), "-idirafter", "/usr/include")
	var mu sync.Mutex
	var failed []string
	work := make(chan string)
	var wg sync.WaitGroup
	for range runtime.NumCPU() {
		wg.Go(func() {
			for s := range work {
				name := strings.TrimSuffix(filepath.Base(s), ".c")
				obj := filepath.Join(out, name+".bpf.o")
				_, err := os.Stat(obj)
				ok := err == nil // by an earlier, interrupted run
				// Headers of a new vmlinux.h declare kfuncs that some sources declare too.
				for _, extra := range [][]string{nil, {"-DBPF_NO_KFUNC_PROTOTYPES"}} {
					if ok {
						break
					}
					args := append(append(slices.Clone(flags), extra...), "-c", s, "-o", obj)
					cmd := exec.CommandContext(ctx, cc.path, args...)
					cmd.Dir = filepath.Dir(s)
					ok = cmd.Run() == nil
				}
				if !ok {
					mu.Lock()
					failed = append(failed, name)
					mu.Unlock()
				}
			}
		})
	}
	for _, s := range srcs {
		work <- s
	}
	close(work)
	wg.Wait()
	slices.Sort(failed)
	return failed, ctx.Err()
}
