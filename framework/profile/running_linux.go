// SPDX-License-Identifier: Apache-2.0

package profile

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/modbpf/modbpf/btf"
)

const btfDir = "/sys/kernel/btf"

// Running is the profile of the kernel this process runs on.
func Running() (*Profile, error) {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return nil, fmt.Errorf("read kernel release: %w", err)
	}
	uname := unix.ByteSliceToString(u.Release[:])
	raw, err := readBTF(filepath.Join(btfDir, "vmlinux"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("read types of the running kernel %s: %w: built without CONFIG_DEBUG_INFO_BTF", uname, ErrNoBTF)
	}
	if err != nil {
		return nil, fmt.Errorf("read types of the running kernel: %w", err)
	}
	spec, err := btf.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("read types of the running kernel: %w", err)
	}
	return newProfile("running", uname, Origin{Kind: "running"}, spec, runningParts{uname})
}

// runningParts reads what the running kernel shows of itself.
type runningParts struct{ uname string }

func (runningParts) moduleNames() []string {
	entries, err := os.ReadDir(btfDir)
	if err != nil {
		return nil // no module has BTF
	}
	var names []string
	for _, e := range entries {
		if e.Name() != "vmlinux" {
			names = append(names, e.Name())
		}
	}
	return names
}

func (runningParts) module(name string) ([]byte, error) {
	return os.ReadFile(filepath.Join(btfDir, filepath.Base(name)))
}

// config reads /proc/config.gz, or the file the distribution installed.
func (r runningParts) config() (*Config, error) {
	if raw, err := readGzip("/proc/config.gz"); err == nil {
		return ParseConfig(raw)
	} else if !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("read config of the running kernel: %w", err)
	}
	for _, f := range []string{"/boot/config-" + r.uname, "/usr/lib/modules/" + r.uname + "/config", "/lib/modules/" + r.uname + "/build/.config"} {
		raw, err := os.ReadFile(f)
		if err == nil {
			return ParseConfig(raw)
		}
		if !errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("read config of the running kernel: %w", err)
		}
	}
	return nil, fmt.Errorf("read config of the running kernel: neither /proc/config.gz nor /boot/config-%s: %w", r.uname, errMissing)
}

// symbols prefers Module.symvers of the installed headers, which knows
// everything; kallsyms has the names, and GPL-ness up to 7.1.
func (r runningParts) symbols() (*Symbols, error) {
	for _, f := range []string{"/lib/modules/" + r.uname + "/build/Module.symvers", "/usr/lib/modules/" + r.uname + "/symvers"} {
		raw, err := os.ReadFile(f)
		if err == nil {
			return ParseSymvers(raw)
		}
		if !errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("read exported symbols of the running kernel: %w", err)
		}
	}
	f, err := os.Open("/proc/kallsyms")
	if errors.Is(err, os.ErrNotExist) {
		return nil, errMissing
	}
	if err != nil {
		return nil, fmt.Errorf("read exported symbols of the running kernel: %w", err)
	}
	defer f.Close()
	s, err := exportsOfKallsyms(f)
	if err != nil {
		return nil, fmt.Errorf("read exported symbols of the running kernel: %w", err)
	}
	return s, nil
}

func readGzip(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	raw, err := io.ReadAll(z)
	return slices.Clip(raw), err
}
