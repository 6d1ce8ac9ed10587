// SPDX-License-Identifier: Apache-2.0

package profile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/modbpf/modbpf/bpf"
)

// Info is what a list of profiles shows of one; making it unpacks nothing.
type Info struct {
	Name    string      `json:"name"` // what Find takes
	Uname   string      `json:"uname"`
	Release bpf.Release `json:"release"`
	Origin  Origin      `json:"origin"`
	Bytes   int64       `json:"bytes"` // size of the profile file; 0 for the running kernel
	Types   int64       `json:"btf_bytes"`
	Modules int         `json:"modules"`
	Config  int         `json:"config"`  // symbols set, 0 if the configuration is not known
	Exports int         `json:"exports"` // exported symbols, 0 if not known
	Path    string      `json:"path,omitempty"`
	Skipped []string    `json:"skipped,omitempty"` // modules that Add could not take
}

// Dir is the folder of the user's own profiles.
func Dir() (string, error) {
	if d := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(d) {
		return filepath.Join(d, "modbpf", "profiles"), nil
	}
	if runtime.GOOS == "windows" {
		if d := os.Getenv("LocalAppData"); d != "" {
			return filepath.Join(d, "modbpf", "profiles"), nil
		}
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("find folder of kernel profiles: %w", err)
	}
	return filepath.Join(home, ".local", "share", "modbpf", "profiles"), nil
}

// systemDir holds profiles that a distribution installs for everybody; with the
// build tag modbpf_noprofiles they take the place of the embedded ones.
const systemDir = "/usr/share/modbpf/profiles"

// Add extracts a profile from files of one kernel (see Extract) and stores it
// under the kernel's full release, in place of an earlier one.
func Add(files []string, opts ExtractOptions) (*Info, error) {
	x, err := Extract(files, opts)
	if err != nil {
		return nil, fmt.Errorf("add profile: %w", err)
	}
	raw, err := x.Pack(compress)
	if err != nil {
		return nil, fmt.Errorf("add profile: %w", err)
	}
	dir, err := Dir()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("add profile: %w", err)
	}
	name := filepath.Join(dir, fileName(x.Uname))
	if err := writeFile(name, raw); err != nil {
		return nil, fmt.Errorf("add profile: %w", err)
	}
	c, err := readDirectory(raw)
	if err != nil {
		return nil, err
	}
	i := c.info(x.Uname, name, int64(len(raw)))
	i.Skipped = x.Skipped
	return &i, nil
}

// fileName is where a release's profile is stored. A release is text from a
// file that may be anything: keep it from being a path.
func fileName(uname string) string {
	clean := strings.Map(func(r rune) rune {
		if r == '/' || r == '\\' || r == ':' || r < ' ' {
			return '_'
		}
		return r
	}, uname)
	return clean + fileSuffix
}

// writeFile replaces a file as a whole or not at all.
func writeFile(name string, raw []byte) error {
	f, err := os.CreateTemp(filepath.Dir(name), ".profile-")
	if err != nil {
		return err
	}
	_, err = f.Write(raw)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Chmod(f.Name(), 0o644)
	}
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// Remove deletes a profile that Add stored.
func Remove(name string) error {
	s, err := findStored(name)
	if err != nil {
		return fmt.Errorf("remove profile %s: %w", name, err)
	}
	return os.Remove(s)
}

func (c *container) info(name, path string, size int64) Info {
	i := Info{
		Name: name, Uname: c.dir.Uname, Origin: c.dir.Origin, Bytes: size, Modules: len(c.dir.Modules),
		Config: c.dir.Config, Exports: c.dir.Exports, Path: path,
	}
	if r, err := bpf.ParseRelease(c.dir.Uname); err == nil {
		i.Release = r
	}
	for _, s := range c.dir.Sections {
		if s.Name == "btf" {
			i.Types = s.Size
		}
	}
	return i
}

// List describes every profile there is: the running kernel's, the embedded
// ones, the user's own. A stored file that cannot be read is an error beside
// the others.
func List() ([]Info, error) {
	var out []Info
	var errs []error
	if p, err := Running(); err == nil {
		i := Info{Name: "running", Uname: p.uname, Release: p.release, Origin: p.origin, Modules: len(p.modList)}
		if c, err := p.KernelConfig(); err == nil {
			i.Config = c.Len()
		}
		out = append(out, i)
	} else if !errors.Is(err, ErrUnsupported) && !errors.Is(err, ErrNoBTF) {
		errs = append(errs, err)
	}
	for _, e := range embedded() {
		raw, err := e.read()
		if err != nil {
			errs = append(errs, err)
			continue
		}
		c, err := readDirectory(raw)
		if err != nil {
			errs = append(errs, fmt.Errorf("embedded profile %s: %w", e.series, err))
			continue
		}
		out = append(out, c.info(e.series, "", int64(len(raw))))
	}
	stored, err := storedFiles()
	if err != nil {
		errs = append(errs, err)
	}
	for _, f := range stored {
		raw, err := os.ReadFile(f)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		c, err := readDirectory(raw)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", f, err))
			continue
		}
		out = append(out, c.info(c.dir.Uname, f, int64(len(raw))))
	}
	return out, errors.Join(errs...)
}

// ReadFolder describes the profile files of one folder, oldest kernel first.
func ReadFolder(dir string) ([]Info, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*"+fileSuffix))
	if err != nil {
		return nil, err
	}
	var out []Info
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			return nil, err
		}
		c, err := readDirectory(raw)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", filepath.Base(f), err)
		}
		out = append(out, c.info(c.dir.Uname, f, int64(len(raw))))
	}
	slices.SortFunc(out, func(a, b Info) int {
		if a.Release.Less(b.Release) {
			return -1
		}
		return 1
	})
	return out, nil
}

// storedFiles lists profile files, the user's before the system's.
func storedFiles() ([]string, error) {
	dir, err := Dir()
	if err != nil {
		return nil, err
	}
	var out []string
	for _, d := range []string{dir, systemDir} {
		entries, err := os.ReadDir(d)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("list kernel profiles: %w", err)
		}
		for _, e := range entries {
			if strings.HasSuffix(e.Name(), fileSuffix) {
				out = append(out, filepath.Join(d, e.Name()))
			}
		}
	}
	return out, nil
}

// findStored finds a stored profile by full release, or the newest of a series.
func findStored(name string) (string, error) {
	files, err := storedFiles()
	if err != nil {
		return "", err
	}
	best, bestRel := "", bpf.Release{}
	for _, f := range files {
		uname := strings.TrimSuffix(filepath.Base(f), fileSuffix)
		if uname+fileSuffix == fileName(name) {
			return f, nil
		}
		r, err := bpf.ParseRelease(uname)
		if err == nil && r.Series() == name && (best == "" || bestRel.Patch < r.Patch) {
			best, bestRel = f, r
		}
	}
	if best == "" {
		return "", ErrNotFound
	}
	return best, nil
}

// Find opens the profile a user names:
//
//   - "running": this machine's kernel;
//   - a series ("7.2"): the embedded profile, or else the newest stored one;
//   - a full release ("7.2.13+deb14-amd64"): the profile of exactly that kernel;
//   - a file: a profile file, or anything Extract reads.
func Find(name string) (*Profile, error) {
	if name == "running" {
		return Running()
	}
	if f, err := findStored(name); err == nil && strings.TrimSuffix(filepath.Base(f), fileSuffix) == name {
		return openFile(name, f) // exactly that kernel, and perhaps with more modules than ship
	}
	for _, e := range embedded() {
		if e.series == name || e.uname == name {
			raw, err := e.read()
			if err != nil {
				return nil, fmt.Errorf("open profile %s: %w", name, err)
			}
			return openContainer(e.series, raw)
		}
	}
	if f, err := findStored(name); err == nil {
		return openFile(name, f)
	} else if !errors.Is(err, ErrNotFound) {
		return nil, fmt.Errorf("open profile %s: %w", name, err)
	}
	if st, err := os.Stat(name); err == nil && st.Mode().IsRegular() {
		return openFile(name, name)
	}
	return nil, fmt.Errorf("open profile %s: %w (there are: %s; others come by `modbpf profile add FILE`)", name, ErrNotFound, strings.Join(append([]string{"running"}, Embedded()...), ", "))
}

func openFile(name, file string) (*Profile, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("open profile %s: %w", name, err)
	}
	if !strings.HasPrefix(string(raw[:min(len(raw), len(fileMagic))]), fileMagic) {
		x, err := Extract([]string{file}, ExtractOptions{})
		if err != nil {
			return nil, fmt.Errorf("open profile %s: %w", name, err)
		}
		if raw, err = x.Pack(storedZstd); err != nil {
			return nil, fmt.Errorf("open profile %s: %w", name, err)
		}
	}
	return openContainer(name, raw)
}

// FindAll is Find, and for "all" every embedded profile.
func FindAll(name string) ([]*Profile, error) {
	names := []string{name}
	if name == "all" {
		names = Embedded()
	}
	var out []*Profile
	for _, n := range names {
		p, err := Find(n)
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}

// Embedded lists the series of the embedded profiles, oldest first.
func Embedded() []string {
	var out []string
	for _, e := range embedded() {
		out = append(out, e.series)
	}
	slices.SortFunc(out, func(a, b string) int {
		ra, errA := bpf.ParseRelease(a)
		rb, errB := bpf.ParseRelease(b)
		switch {
		case errA != nil || errB != nil:
			return strings.Compare(a, b)
		case ra.Less(rb):
			return -1
		case rb.Less(ra):
			return 1
		}
		return 0
	})
	return out
}

// embeddedProfile is one profile that ships with modbpf.
type embeddedProfile struct {
	series, uname string
	read          func() ([]byte, error)
}
