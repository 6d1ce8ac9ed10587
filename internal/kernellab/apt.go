// SPDX-License-Identifier: Apache-2.0

package kernellab

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A private apt root fetches packages of suites that the machine itself does
// not use, without touching the system's own lists: sources, lists and cache
// are folders of ours. The addresses come from the system's apt configuration,
// so a mirror or proxy set up there serves us too.

// suites that the lab takes packages from.
var suites = []struct {
	name     string
	security bool
}{
	{"bookworm", false},
	{"bookworm-backports", false},
	{"bookworm-security", true},
	{"trixie", false},
	{"trixie-backports", false},
	{"sid", false},
}

const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"

// Package is one package as it was fetched.
type Package struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	SHA256  string `json:"sha256"`
	Path    string `json:"-"` // the .deb
}

type aptRoot struct{ dir string }

// apt makes the private root ready, updating its lists when they are older than
// a week.
func (l *Lab) apt(ctx context.Context) (*aptRoot, error) {
	r := &aptRoot{filepath.Join(l.dir, "apt")}
	if _, err := exec.LookPath("apt-get"); err != nil {
		return nil, fmt.Errorf("fetch packages: %w: no apt-get on this machine", ErrUnavailable)
	}
	for _, d := range []string{"etc", "lists/partial", "cache/archives/partial", "dl"} {
		if err := os.MkdirAll(filepath.Join(r.dir, d), 0o755); err != nil {
			return nil, err
		}
	}
	unlock, err := lockFile(ctx, filepath.Join(r.dir, "lock"))
	if err != nil {
		return nil, err
	}
	defer unlock()
	main, security, err := systemMirrors()
	if err != nil {
		return nil, err
	}
	var b strings.Builder
	for _, s := range suites {
		if s.security && security == "" {
			continue
		}
		uri := main
		if s.security {
			uri = security
		}
		fmt.Fprintf(&b, "deb [signed-by=%s] %s %s main\n", keyring, uri, s.name)
	}
	list := filepath.Join(r.dir, "etc", "sources.list")
	old, err := os.ReadFile(list)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	stale := string(old) != b.String()
	if st, err := os.Stat(filepath.Join(r.dir, "lists", "partial")); err != nil || time.Since(st.ModTime()) > 7*24*time.Hour {
		stale = true
	}
	if !stale {
		return r, nil
	}
	if err := os.WriteFile(list, []byte(b.String()), 0o644); err != nil {
		return nil, err
	}
	if out, err := r.run(ctx, "", "apt-get", "update"); err != nil {
		_ = os.Remove(list) // so that the next try updates again
		return nil, fmt.Errorf("update private package lists: %w: %w\n%s", ErrUnavailable, err, out)
	}
	now := time.Now()
	return r, os.Chtimes(filepath.Join(r.dir, "lists", "partial"), now, now)
}

func (r *aptRoot) run(ctx context.Context, dir, tool string, args ...string) (string, error) {
	opts := []string{
		"-o", "Dir::Etc::sourcelist=" + filepath.Join(r.dir, "etc/sources.list"), "-o", "Dir::Etc::sourceparts=/dev/null",
		"-o", "Dir::State::lists=" + filepath.Join(r.dir, "lists"), "-o", "Dir::Cache=" + filepath.Join(r.dir, "cache"),
		"-o", "Dir::State::status=/dev/null", "-o", "APT::Get::List-Cleanup=0", "-o", "Debug::NoLocking=1",
		"-o", "APT::Sandbox::User=", "-o", "Acquire::Retries=3",
	}
	cmd := exec.CommandContext(ctx, tool, append(opts, args...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	b, err := cmd.CombinedOutput()
	return string(b), err
}

// systemMirrors finds the addresses of the Debian archive and of its security
// archive in the system's apt configuration.
func systemMirrors() (main, security string, err error) {
	var files []string
	for _, g := range []string{"/etc/apt/sources.list", "/etc/apt/sources.list.d/*.list", "/etc/apt/sources.list.d/*.sources"} {
		m, err := filepath.Glob(g)
		if err != nil {
			return "", "", err
		}
		files = append(files, m...)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			return "", "", fmt.Errorf("read the system's apt configuration: %w", err)
		}
		for _, e := range aptEntries(string(b), strings.HasSuffix(f, ".sources")) {
			switch {
			case !isDebianSuite(e.suite):
			case strings.HasSuffix(e.suite, "-security"):
				security = firstOf(security, e.uri)
			default:
				main = firstOf(main, e.uri)
			}
		}
	}
	if main == "" {
		return "", "", fmt.Errorf("find a Debian mirror: %w: the system's apt configuration names none", ErrUnavailable)
	}
	return main, security, nil
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func isDebianSuite(s string) bool {
	s, _, _ = strings.Cut(s, "-")
	return slices.Contains([]string{"bookworm", "trixie", "forky", "sid", "stable", "oldstable", "testing", "unstable"}, s)
}

type aptEntry struct{ uri, suite string }

// aptEntries reads one-line ("deb [options] URI SUITE COMPONENT...") or deb822 sources.
func aptEntries(text string, deb822 bool) []aptEntry {
	var out []aptEntry
	if !deb822 {
		for _, line := range strings.Split(text, "\n") {
			if i := strings.IndexByte(line, '['); i >= 0 {
				if j := strings.IndexByte(line[i:], ']'); j >= 0 {
					line = line[:i] + line[i+j+1:]
				}
			}
			f := strings.Fields(line)
			if len(f) >= 4 && f[0] == "deb" && slices.Contains(f[3:], "main") {
				out = append(out, aptEntry{f[1], f[2]})
			}
		}
		return out
	}
	for _, stanza := range strings.Split(text, "\n\n") {
		field := map[string][]string{}
		key := ""
		for _, line := range strings.Split(stanza, "\n") {
			if strings.HasPrefix(line, "#") {
				continue
			}
			if k, v, ok := strings.Cut(line, ":"); ok && !strings.HasPrefix(line, " ") {
				key = strings.ToLower(k)
				field[key] = append(field[key], strings.Fields(v)...)
			} else {
				field[key] = append(field[key], strings.Fields(line)...)
			}
		}
		if !slices.Contains(field["types"], "deb") || !slices.Contains(field["components"], "main") || slices.Contains(field["enabled"], "no") {
			continue
		}
		for _, u := range field["uris"] {
			for _, s := range field["suites"] {
				out = append(out, aptEntry{u, s})
			}
		}
	}
	return out
}

// names lists the package names the private root knows with a prefix.
func (r *aptRoot) names(ctx context.Context, prefix string) ([]string, error) {
	out, err := r.run(ctx, "", "apt-cache", "pkgnames", prefix)
	if err != nil {
		return nil, fmt.Errorf("list packages: %w\n%s", err, out)
	}
	return strings.Fields(out), nil
}

// download fetches one package (NAME, NAME=VERSION or NAME/SUITE) into the dl folder.
func (r *aptRoot) download(ctx context.Context, name string) (*Package, error) {
	dl := filepath.Join(r.dir, "dl")
	if p, err := findDeb(ctx, dl, name); err != nil || p != nil {
		return p, err
	}
	tmp, err := os.MkdirTemp(r.dir, "fetch-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(tmp)
	if out, err := r.run(ctx, tmp, "apt-get", "download", name); err != nil {
		return nil, fmt.Errorf("download package %s: %w: %w\n%s", name, ErrUnavailable, err, out)
	}
	debs, err := filepath.Glob(filepath.Join(tmp, "*.deb"))
	if err != nil || len(debs) != 1 {
		return nil, fmt.Errorf("download package %s: %d files arrived", name, len(debs))
	}
	final := filepath.Join(dl, filepath.Base(debs[0]))
	if err := os.Rename(debs[0], final); err != nil {
		return nil, err
	}
	return describeDeb(ctx, final)
}

// findDeb looks for an earlier download of exactly this package.
func findDeb(ctx context.Context, dl, name string) (*Package, error) {
	name, suite, _ := strings.Cut(name, "/")
	name, version, _ := strings.Cut(name, "=")
	if suite != "" {
		return nil, nil // which version a suite holds now, only the archive knows
	}
	debs, err := filepath.Glob(filepath.Join(dl, name+"_*.deb"))
	if err != nil || len(debs) == 0 {
		return nil, err
	}
	for _, d := range debs {
		p, err := describeDeb(ctx, d)
		if err != nil {
			return nil, err
		}
		if version == "" || p.Version == version {
			return p, nil
		}
	}
	return nil, nil
}

func describeDeb(ctx context.Context, path string) (*Package, error) {
	p := &Package{Path: path}
	for _, f := range []struct {
		field string
		to    *string
	}{{"Package", &p.Name}, {"Version", &p.Version}} {
		b, err := exec.CommandContext(ctx, "dpkg-deb", "-f", path, f.field).Output()
		if err != nil {
			return nil, fmt.Errorf("read package %s: %w", filepath.Base(path), err)
		}
		*f.to = strings.TrimSpace(string(b))
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return nil, fmt.Errorf("read package %s: %w", filepath.Base(path), err)
	}
	p.SHA256 = hex.EncodeToString(h.Sum(nil))
	return p, nil
}

// FetchPackage downloads one Debian package (NAME, NAME=VERSION or NAME/SUITE)
// through the private apt root, or finds it where an earlier run put it.
func (l *Lab) FetchPackage(ctx context.Context, name string) (*Package, error) {
	r, err := l.apt(ctx)
	if err != nil {
		return nil, err
	}
	return r.download(ctx, name)
}
