// SPDX-License-Identifier: Apache-2.0

package framework

import (
	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/framework/manifest"
	"github.com/modbpf/modbpf/framework/object"
)

// hookRow is a program hook a manifest can name, and how the kernel target
// attaches it. What has no row can be checked but not inserted.
type hookRow struct {
	name string
	typ  bpf.ProgType
	// attach are the attach types by direction; "" stands for hooks without one.
	attach map[string]bpf.AttachType
	// iface says that an interface is needed.
	iface bool
}

var hookTable = []hookRow{
	{"xdp", bpf.ProgXDP, map[string]bpf.AttachType{"": bpf.AttachXDP}, true},
	{"tcx", bpf.ProgSchedCls, map[string]bpf.AttachType{"ingress": bpf.AttachTCXIngress, "egress": bpf.AttachTCXEgress}, true},
	{"netkit", bpf.ProgSchedCls, map[string]bpf.AttachType{"": bpf.AttachNetkitPrimary, "peer": bpf.AttachNetkitPeer}, true},
}

func hookByName(name string) *hookRow {
	for i := range hookTable {
		if hookTable[i].name == name {
			return &hookTable[i]
		}
	}
	return nil
}

// hookTakes reports whether a program of the object can be meant by a hook's
// name: by its section's prefix, or for the hooks of the table by its type.
func hookTakes(name string, p *object.ProgramSpec) bool {
	if r := hookByName(name); r != nil {
		if p.Def.Type != r.typ {
			return false
		}
		if p.Def.Attach == 0 || r.typ == bpf.ProgXDP {
			return true // SEC("tc"), SEC("classifier")
		}
		for _, a := range r.attach {
			if a == p.Def.Attach {
				return true
			}
		}
		return false
	}
	return p.Def.Prefix == name
}

// hookDirection is the direction a program's section fixes, "" if it leaves it open.
func hookDirection(p *object.ProgramSpec) string {
	switch p.Def.Attach {
	case bpf.AttachTCXIngress:
		return "ingress"
	case bpf.AttachTCXEgress:
		return "egress"
	}
	return ""
}

// XDP_FLAGS_* of the kernel's if_link.h.
var xdpModes = map[string]uint32{"": 0, "generic": 1 << 1, "native": 1 << 2, "offload": 1 << 3}

// attachOf finds how a hook is attached; the text says what is wrong with it.
func attachOf(ep *manifest.ExtensionPoint, p *object.ProgramSpec) (a bpf.AttachType, flags uint32, field, wrong string) {
	r := hookByName(ep.Program)
	at := ep.Attach
	if at == nil {
		at = &manifest.Attach{}
	}
	if r == nil {
		return 0, 0, "program", "modbpf cannot attach " + ep.Program + " yet: not built"
	}
	if r.iface && at.Interface == "" {
		return 0, 0, "attach", ep.Program + " needs attach.interface"
	}
	key := ""
	switch r.name {
	case "tcx":
		if key = at.Direction; key == "" {
			key = hookDirection(p)
		}
		if key == "" {
			return 0, 0, "attach", "tcx needs attach.direction"
		}
	case "netkit":
		if at.Peer {
			key = "peer"
		}
	}
	if r.name == "xdp" {
		flags = xdpModes[at.Mode]
	} else if at.Mode != "" {
		return 0, 0, "attach.mode", "belongs to xdp"
	}
	return r.attach[key], flags, "", ""
}
