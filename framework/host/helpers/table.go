// SPDX-License-Identifier: Apache-2.0

// Package helpers holds the BPF helpers and generic kfuncs of the host. Each is
// a row that names the contract it implements (a kernel function prototype that
// the verifier's tables know), so that none can exist without the verifier
// knowing it. What has no row is refused by name when a program is linked.
//
// Callees find the run they are in as Frame.User, a *world.Run.
package helpers

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/modbpf/modbpf/framework/host/world"
	"github.com/modbpf/modbpf/jit"
)

// ErrMissing is wrapped when the host lacks a helper, kfunc or variable.
var ErrMissing = errors.New("not in the host")

// Helper is a row of the table of helpers.
type Helper struct {
	ID       int32
	Name     string   // as in the kernel's enum, without "BPF_FUNC_"
	Contract []string // the prototypes it implements (struct bpf_func_proto by C name)
	Fn       jit.Func
}

// Kfunc is a row of the table of kfuncs. Its contract is the kfunc of that name.
type Kfunc struct {
	Name string
	Fn   jit.Func
}

// Set is what programs of one host can call: the generic rows, and those its
// device models add. It is safe for concurrent use.
type Set struct {
	mu      sync.RWMutex
	helpers map[int32]*jit.Callee
	kfuncs  map[string]*jit.Callee
	ksyms   map[string]uintptr
}

// NewSet is a set of the generic rows.
func NewSet() *Set {
	s := &Set{helpers: make(map[int32]*jit.Callee), kfuncs: make(map[string]*jit.Callee), ksyms: make(map[string]uintptr)}
	for _, rows := range helperRows {
		for _, h := range rows {
			s.AddHelper(h)
		}
	}
	for _, rows := range kfuncRows {
		for _, k := range rows {
			s.AddKfunc(k)
		}
	}
	return s
}

// AddHelper adds a row, or replaces the generic one by a model's.
func (s *Set) AddHelper(h Helper) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.helpers[h.ID] = &jit.Callee{Name: "bpf_" + h.Name, Fn: h.Fn}
}

// AddKfunc adds a row, or replaces the generic one by a model's.
func (s *Set) AddKfunc(k Kfunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kfuncs[k.Name] = &jit.Callee{Name: k.Name, Fn: k.Fn}
}

// AddKsym gives a kernel variable an address.
func (s *Set) AddKsym(name string, addr uintptr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ksyms[name] = addr
}

// Helper finds the implementation of a helper id; name is for the message.
func (s *Set) Helper(id int32, name string) (*jit.Callee, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if c := s.helpers[id]; c != nil {
		return c, nil
	}
	if name == "" {
		return nil, fmt.Errorf("helper %d: %w", id, ErrMissing)
	}
	return nil, fmt.Errorf("helper bpf_%s: %w", name, ErrMissing)
}

// Kfunc finds the implementation of a kfunc.
func (s *Set) Kfunc(name string) (*jit.Callee, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if c := s.kfuncs[name]; c != nil {
		return c, nil
	}
	return nil, fmt.Errorf("kfunc %s: %w", name, ErrMissing)
}

// Ksym finds the address of a kernel variable.
func (s *Set) Ksym(name string) (uintptr, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if a := s.ksyms[name]; a != 0 {
		return a, nil
	}
	return 0, fmt.Errorf("kernel variable %s: %w", name, ErrMissing)
}

// Kfuncs are the names of all kfuncs in the set.
func (s *Set) Kfuncs() []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Sorted(maps.Keys(s.kfuncs))
}

// HelperRows are the generic rows, for tests and listings.
func HelperRows() []Helper { return slices.Concat(helperRows...) }

// KfuncRows are the generic rows, for tests and listings.
func KfuncRows() []Kfunc { return slices.Concat(kfuncRows...) }

// run is the run a callee is in.
func run(f *jit.Frame) *world.Run { return f.User.(*world.Run) }
