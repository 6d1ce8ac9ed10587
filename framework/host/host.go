// SPDX-License-Identifier: Apache-2.0

// Package host is the kernel-in-miniature drivers run in where no kernel takes
// them: it links checked programs with maps, helpers and kfuncs of its own and
// gives device models the slots to call. It trusts nobody but the verifier.
package host

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/framework/host/helpers"
	"github.com/modbpf/modbpf/framework/host/world"
	"github.com/modbpf/modbpf/jit"
	"github.com/modbpf/modbpf/verifier"
)

// Run is one entry into a program, see world.Run.
type Run = world.Run

// Errors that Insert wraps.
var (
	ErrNotProven = errors.New("the program was not judged by modbpf's verifier")
	ErrNotBuilt  = errors.New("not built in the host")
	ErrClosed    = errors.New("the host is closed")
	ErrBusy      = errors.New("already inserted")
	// ErrNoFacts is a packet program verified without Options.Facts: which of its
	// accesses are to the context is not known.
	ErrNoFacts = errors.New("verified without the facts that its context needs")
)

// Engine chooses what runs the programs.
type Engine uint8

// Engines.
const (
	EngineAuto        Engine = iota // machine code where there is a backend, else the interpreter
	EngineInterpreter               // always the interpreter
	EngineJIT                       // machine code or an error
)

// Options of a host; the zero value is what a user gets.
type Options struct {
	CPUs   int    // possible CPUs; 0: those of the machine
	Engine Engine // what runs the programs
	Seed   uint64 // makes prandom repeatable if not 0
}

// Host is one kernel-in-miniature, laid out as one kernel profile.
type Host struct {
	*world.World
	Calls *helpers.Set // what programs can call; device models add to it
	opt   Options

	mu         sync.Mutex
	drivers    []*Driver
	closed     bool
	contexts   map[bpf.ProgType]ContextFunc
	packetLoad *jit.Callee
}

// ContextFunc answers where a field of a program type's context, at an offset
// of the structure in the user-space API, lies in the memory that a device
// model hands to programs.
type ContextFunc func(p *verifier.Program, off, size int, write bool) (jit.CtxAccess, error)

// SetContext is called by a device model that runs programs of a type.
func (h *Host) SetContext(t bpf.ProgType, fn ContextFunc) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.contexts == nil {
		h.contexts = make(map[bpf.ProgType]ContextFunc)
	}
	h.contexts[t] = fn
}

// SetPacketLoad is called by the packet model: what LD_ABS and LD_IND do.
func (h *Host) SetPacketLoad(fn jit.Func) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.packetLoad = &jit.Callee{Name: "packet load", Fn: fn}
}

// context is the context layout of a program type; whole says that programs see
// the kernel's own structure and nothing is relocated.
func (h *Host) context(t bpf.ProgType) (fn ContextFunc, whole, ok bool) {
	if t == bpf.ProgStructOps || t == bpf.ProgSyscall {
		return nil, true, true
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	fn = h.contexts[t]
	return fn, false, fn != nil
}

// New makes an empty host for a kernel profile.
func New(k verifier.Kernel, opt Options) (*Host, error) {
	if k == nil {
		return nil, errors.New("make host: no kernel profile")
	}
	w, err := world.New(k, opt.CPUs)
	if err != nil {
		return nil, fmt.Errorf("make host: %w", err)
	}
	w.Seed = opt.Seed
	return &Host{World: w, Calls: helpers.NewSet(), opt: opt}, nil
}

// Kfunc adds a kfunc of a device model. The contract is the kfunc of that name
// in the verifier's tables. Programs linked before do not see it.
func (h *Host) Kfunc(name string, fn jit.Func) {
	h.Calls.AddKfunc(helpers.Kfunc{Name: name, Fn: fn})
}

// Drivers are the drivers inserted at the moment, oldest first.
func (h *Host) Drivers() []*Driver {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.drivers)
}

// Driver finds an inserted driver by name.
func (h *Host) Driver(name string) (*Driver, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, d := range h.drivers {
		if d.Name == name {
			return d, true
		}
	}
	return nil, false
}

// Close removes every driver and frees the host's memory. Device models must
// have stopped.
func (h *Host) Close() error {
	var errs []error
	for _, d := range h.Drivers() {
		errs = append(errs, d.Close())
	}
	h.mu.Lock()
	was := h.closed
	h.closed = true
	h.mu.Unlock()
	if was {
		return errors.Join(errs...)
	}
	return errors.Join(append(errs, h.World.Close())...)
}

// compile makes a program executable by the chosen engine.
func (h *Host) compile(c *verifier.Checked, l jit.Linker) (jit.Executable, error) {
	return engines[h.opt.Engine](c, l)
}

var engines = map[Engine]func(*verifier.Checked, jit.Linker) (jit.Executable, error){
	EngineAuto: func(c *verifier.Checked, l jit.Linker) (jit.Executable, error) {
		x, err := jit.Compile(c, l)
		if errors.Is(err, jit.ErrNoJIT) {
			return jit.Interpret(c, l)
		}
		return x, err
	},
	EngineInterpreter: jit.Interpret,
	EngineJIT:         jit.Compile,
}
