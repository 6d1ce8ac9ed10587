// SPDX-License-Identifier: Apache-2.0

// Package profile holds kernel profiles: everything a verdict needs to know of
// one kernel. The running kernel is one profile; others ship inside the binary
// or are extracted from a distribution's kernel package. A profile's own data
// (types, config, exported symbols) comes from that very kernel; what BTF does
// not say (kfunc flags, contracts of extension points) comes from the tables of
// packages kfuncs and structops, for the kernel's release.
package profile

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/btf"
)

// Errors of this package, to be told apart with errors.Is.
var (
	// ErrNotFound: no profile of that name, and no such file.
	ErrNotFound = errors.New("kernel profile not found")
	// ErrNoBTF: the kernel or file carries no BTF, without which nothing can be judged.
	ErrNoBTF = errors.New("no BTF")
	// ErrFormat: a file is not what its name or header promises.
	ErrFormat = errors.New("malformed")
	// ErrUnsupported: a format that is recognized but that we cannot read.
	ErrUnsupported = errors.New("unsupported format")
)

// Origin says where a profile's data was taken from.
type Origin struct {
	Kind     string    `json:"kind"`               // "running", "embedded", "package", "bzImage", "vmlinux", "btf"
	Packages []Package `json:"packages,omitempty"` // distribution packages it was extracted from
	File     string    `json:"file,omitempty"`     // name of the file it was extracted from, without its folder
	SHA256   string    `json:"sha256,omitempty"`   // of that file
}

// Package identifies one distribution package.
type Package struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	SHA256  string `json:"sha256"`
}

// Profile is one kernel. It implements verifier.Kernel, is immutable to its
// users and safe for concurrent use; modules, config and symbols are read when
// they are first asked for.
type Profile struct {
	name    string
	uname   string
	release bpf.Release
	origin  Origin
	btf     *btf.Spec
	parts   parts

	config  lazy[*Config]
	symbols lazy[*Symbols]

	helpers helperCache

	modMu   sync.Mutex
	modules map[string]*btf.Spec
	modErr  map[string]error
	modList []string
}

// parts is where a profile's pieces lie: the running kernel's files, or the
// sections of a profile file. A missing piece is errMissing.
type parts interface {
	moduleNames() []string
	module(name string) ([]byte, error)
	config() (*Config, error)
	symbols() (*Symbols, error)
}

// errMissing says that a profile has no such piece: nothing is known, which is
// not the same as known to be empty.
var errMissing = errors.New("not part of this profile")

// lazy is a value made on first use, together with the error of making it.
type lazy[T any] struct {
	once sync.Once
	val  T
	err  error
}

func (l *lazy[T]) get(f func() (T, error)) (T, error) {
	l.once.Do(func() { l.val, l.err = f() })
	return l.val, l.err
}

func newProfile(name, uname string, origin Origin, vmlinux *btf.Spec, p parts) (*Profile, error) {
	rel, err := bpf.ParseRelease(uname)
	if err != nil {
		return nil, fmt.Errorf("open profile %s: %w", name, err)
	}
	vmlinux.SetName("vmlinux")
	names := slices.Clone(p.moduleNames())
	slices.Sort(names)
	return &Profile{
		name: name, uname: uname, release: rel, origin: origin, btf: vmlinux, parts: p,
		modules: map[string]*btf.Spec{}, modErr: map[string]error{}, modList: names,
	}, nil
}

// Name is how the profile is asked for: "running", "6.12", a file.
func (p *Profile) Name() string { return p.name }

// Uname is the full release string, as uname -r prints it.
func (p *Profile) Uname() string { return p.uname }

// Origin says where the data comes from.
func (p *Profile) Origin() Origin { return p.origin }

// Release is the kernel's series and patch level.
func (p *Profile) Release() bpf.Release { return p.release }

// BTF is the kernel's own types.
func (p *Profile) BTF() *btf.Spec { return p.btf }

// Modules lists, sorted, the modules whose BTF the profile has.
func (p *Profile) Modules() []string { return slices.Clone(p.modList) }

// LoadModule is the BTF of a module. ErrNotFound says that the profile has no
// such module, ErrFormat that its BTF cannot be read.
func (p *Profile) LoadModule(name string) (*btf.Spec, error) {
	if name == "vmlinux" || name == "" {
		return p.btf, nil
	}
	p.modMu.Lock()
	defer p.modMu.Unlock()
	if s, ok := p.modules[name]; ok {
		return s, p.modErr[name]
	}
	s, err := p.readModule(name)
	p.modules[name], p.modErr[name] = s, err
	return s, err
}

func (p *Profile) readModule(name string) (*btf.Spec, error) {
	if _, ok := slices.BinarySearch(p.modList, name); !ok {
		return nil, fmt.Errorf("read BTF of module %s of %s: %w", name, p.name, ErrNotFound)
	}
	raw, err := p.parts.module(name)
	if err != nil {
		return nil, fmt.Errorf("read BTF of module %s of %s: %w", name, p.name, err)
	}
	s, err := btf.ParseSplit(raw, p.btf)
	if err != nil {
		return nil, fmt.Errorf("read BTF of module %s of %s: %w", name, p.name, errors.Join(ErrFormat, err))
	}
	return s.SetName(name), nil
}

// Module is LoadModule for the verifier: nil when the kernel lacks the module
// or its BTF is unusable, which is as good as lacking it (the kernel then
// offers no type of it either).
func (p *Profile) Module(name string) *btf.Spec {
	s, err := p.LoadModule(name)
	if err != nil {
		return nil
	}
	return s
}

// KernelConfig is the kernel's build configuration.
func (p *Profile) KernelConfig() (*Config, error) { return p.config.get(p.parts.config) }

// Config is the value of a CONFIG_ symbol: "y", "m", a number, a quoted
// string, or "" when it is not set or the configuration is not known (HasConfig
// tells).
func (p *Profile) Config(symbol string) string {
	c, err := p.KernelConfig()
	if err != nil {
		return ""
	}
	return c.Get(symbol)
}

// HasConfig reports whether the build configuration is known.
func (p *Profile) HasConfig() bool {
	_, err := p.KernelConfig()
	return err == nil
}

// Symbols are the kernel's exported symbols; errors.Is(err, ErrNotFound) when
// they are not known.
func (p *Profile) Symbols() (*Symbols, error) {
	s, err := p.symbols.get(p.parts.symbols)
	if errors.Is(err, errMissing) {
		return nil, fmt.Errorf("read exported symbols of %s: %w: %w", p.name, ErrNotFound, err)
	}
	return s, err
}

// Symbol reports whether a kernel symbol is exported to modules, and only to
// GPL-compatible ones. Both are false when the exports are not known.
func (p *Profile) Symbol(name string) (exported, gpl bool) {
	s, err := p.Symbols()
	if err != nil {
		return false, false
	}
	return s.Lookup(name)
}
