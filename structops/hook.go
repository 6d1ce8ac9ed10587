// SPDX-License-Identifier: Apache-2.0

package structops

import (
	"slices"
	"sync"

	"github.com/modbpf/modbpf/bpf"
)

// HookFor is the program hook of a type as a release has it; nil if the type is
// unknown. The result is shared: do not change it.
func HookFor(rel bpf.Release, t bpf.ProgType) *Hook {
	for i := range hookMakers {
		if hookMakers[i].typ == t {
			return hookMakers[i].at(rel)
		}
	}
	return nil
}

// Hooks lists the program hooks of a release, by program type.
func Hooks(rel bpf.Release) []*Hook {
	var out []*Hook
	for i := range hookMakers {
		if h := hookMakers[i].at(rel); h != nil {
			out = append(out, h)
		}
	}
	return out
}

// hookMaker builds a hook on first use, once for each side of a boundary
// between releases that matters to any of them.
type hookMaker struct {
	typ  bpf.ProgType
	make func(rel bpf.Release) Hook

	once [len(boundaries) + 1]sync.Once
	hook [len(boundaries) + 1]*Hook
}

// boundaries are the releases at which some hook changed.
var boundaries = [...]bpf.Release{{Major: 6, Minor: 18}, {Major: 7, Minor: 2}}

func (m *hookMaker) at(rel bpf.Release) *Hook {
	i := 0
	for i < len(boundaries) && rel.AtLeast(boundaries[i]) {
		i++
	}
	m.once[i].Do(func() {
		h := m.make(rel)
		h.Type = m.typ
		h.CtxFields = slices.DeleteFunc(h.CtxFields, func(a Access) bool {
			return !a.First.IsZero() && rel.Less(a.First) || !a.Last.IsZero() && a.Last.Less(rel)
		})
		m.hook[i] = &h
	})
	return m.hook[i]
}

// Find is the row that allows an access to the context; nil if none does. A
// load that extends the sign never yields a pointer.
func (h *Hook) Find(off, size int, write, signExtend bool, attach bpf.AttachType) *Access {
	if attach == 0 {
		attach = h.DefaultAttach
	}
	return find(h.CtxFields, off, size, write, signExtend, attach)
}

func find(rows []Access, off, size int, write, signExtend bool, attach bpf.AttachType) *Access {
	for i := range rows {
		a := &rows[i]
		sizes, only := a.ReadSizes, a.Attach
		if write {
			sizes = a.WriteSizes
			if a.WriteAttach != nil {
				only = a.WriteAttach
			}
		}
		switch {
		case off < a.Off || off+size > a.Off+a.Size,
			int(sizes)&size == 0 || size&(size-1) != 0,
			!a.Unaligned && off%size != 0,
			a.AtStart && off != a.Off,
			signExtend && a.Kind != KindScalar,
			only != nil && !slices.Contains(only, attach):
			continue
		}
		return a
	}
	return nil
}

// CanSleep reports whether a sleepable program may be loaded under an attach type.
func (h *Hook) CanSleep(attach bpf.AttachType) bool {
	return h.Sleepable && (h.SleepableAttach == nil || slices.Contains(h.SleepableAttach, attach))
}

// Returns is the interval a program must return under an attach type; false
// when any value will do. LSM hooks have an interval of their own each, which
// is asked for elsewhere.
func (h *Hook) Returns(attach bpf.AttachType) (Range, bool) {
	if attach == 0 {
		attach = h.DefaultAttach
	}
	if r, ok := h.RetByAttach[attach]; ok {
		return r, true
	}
	if h.Ret != nil {
		return *h.Ret, true
	}
	return Range{}, false
}

// AttachAllowed reports whether the kernel takes this expected attach type.
func (h *Hook) AttachAllowed(attach bpf.AttachType) bool {
	return !h.AttachStrict || slices.Contains(h.Attach, attach) || attach == 0 && h.DefaultAttach != 0
}

// FindObject is Find for an object that a program reads through a pointer of a
// special kind (a socket, flow keys) instead of by BTF; such objects are never
// written. It is nil for kinds that have no rows.
func FindObject(k ValueKind, off, size int) *Access {
	switch k {
	case KindSocket:
		return find(socketRows(), off, size, false, false, 0)
	case KindSockCommon:
		return find(sockCommonRows(), off, size, false, false, 0)
	case KindTCPSock:
		return find(tcpSockRows(), off, size, false, false, 0)
	case KindXDPSock:
		return find(xdpSockRows(), off, size, false, false, 0)
	}
	return nil
}

var (
	socketRows     = sync.OnceValue(func() []Access { return bpfSock(nil) })
	sockCommonRows = sync.OnceValue(func() []Access {
		// type to priority are fields of full sockets only
		return slices.DeleteFunc(bpfSock(nil), func(a Access) bool { return a.Off >= 8 && a.Off < 24 })
	})
	tcpSockRows = sync.OnceValue(tcpSock)
	xdpSockRows = sync.OnceValue(func() []Access { return []Access{field("queue_id", 0, 4)} })
)

// FlowKeysSize is the size of struct bpf_flow_keys, which may be read and
// written in any way within its bounds.
const FlowKeysSize = 56
