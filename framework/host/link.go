// SPDX-License-Identifier: Apache-2.0

package host

import (
	"fmt"
	"strings"

	"github.com/modbpf/modbpf/jit"
	"github.com/modbpf/modbpf/verifier"
)

// linker answers the engine's questions about one program of a driver.
type linker struct {
	driver *Driver
	prog   *verifier.Program
}

func (l *linker) Map(i int) (jit.MapInfo, error) {
	m := l.driver.byMap[l.prog.Maps[i]]
	if m == nil {
		return jit.MapInfo{}, fmt.Errorf("map %s of type %s: %w", l.prog.Maps[i].Name, l.prog.Maps[i].Type, ErrNotBuilt)
	}
	return m.Info(), nil
}

func (l *linker) Helper(id int32) (*jit.Callee, error) {
	h := l.driver.host
	return h.Calls.Helper(id, strings.TrimPrefix(h.Kernel.HelperName(id), "bpf_"))
}

func (l *linker) Kfunc(name string) (*jit.Callee, error) { return l.driver.host.Calls.Kfunc(name) }

func (l *linker) Ksym(name string) (uintptr, error) { return l.driver.host.Calls.Ksym(name) }

// Context relocates accesses to contexts that the host lays out in its own way.
func (l *linker) Context(p *verifier.Program, off, size int, write bool) (jit.CtxAccess, error) {
	fn, whole, ok := l.driver.host.context(p.Type)
	switch {
	case whole:
		return jit.CtxAccess{Off: int16(off), Size: size}, nil
	case !ok:
		return jit.CtxAccess{}, fmt.Errorf("context of type %s: %w", p.Type, ErrNotBuilt)
	}
	return fn(p, off, size, write)
}

func (l *linker) PacketLoad() (*jit.Callee, error) {
	h := l.driver.host
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.packetLoad == nil {
		return nil, fmt.Errorf("packet load: %w", ErrNotBuilt)
	}
	return h.packetLoad, nil
}
