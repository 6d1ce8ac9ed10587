// SPDX-License-Identifier: Apache-2.0

//lint:file-ignore U1000 the structures are laid out as the kernel wants them; not every field is set

package sys

import (
	"unsafe"

	"github.com/modbpf/modbpf/bpf"
)

// LinkAttr is what BPF_LINK_CREATE takes for the kinds of links we make.
type LinkAttr struct {
	Prog      FD  // the program, or the map of a struct_ops link
	Target    int // descriptor or interface index
	Type      bpf.AttachType
	Flags     uint32
	BTFID     uint32 // tracing: BTF id of the target
	Cookie    uint64 // tracing, perf event
	Relative  uint32 // tcx, netkit: descriptor or id to be placed next to
	Revision  uint64 // tcx, netkit: expected revision
	Netfilter *NetfilterAttr
}

// NetfilterAttr places a netfilter program.
type NetfilterAttr struct {
	Family, Hook uint32
	Priority     int32
	Flags        uint32
}

type linkCreateAttr struct {
	prog, target, typ, flags uint32
	a                        uint32 // first word of the union
	b                        uint32
	c                        uint64
	_                        [32]byte
}

// LinkCreate attaches; the link lives as long as its descriptor or a pin.
func LinkCreate(l LinkAttr) (FD, error) {
	at := linkCreateAttr{prog: uint32(l.Prog), target: uint32(l.Target), typ: uint32(l.Type), flags: l.Flags}
	switch {
	case l.Netfilter != nil:
		at.a, at.b = l.Netfilter.Family, l.Netfilter.Hook
		at.c = uint64(uint32(l.Netfilter.Priority)) | uint64(l.Netfilter.Flags)<<32
	case l.Type == bpf.AttachTCXIngress || l.Type == bpf.AttachTCXEgress || l.Type == bpf.AttachNetkitPrimary || l.Type == bpf.AttachNetkitPeer:
		at.a, at.c = l.Relative, l.Revision
	case l.Type == bpf.AttachPerfEvent:
		at.a, at.b = uint32(l.Cookie), uint32(l.Cookie>>32)
	default:
		at.a, at.c = l.BTFID, l.Cookie
	}
	n, err := call(cmdLinkCreate, &at)
	if err != nil {
		return None, &Error{Op: "create link of type", Name: l.Type.String(), Err: err}
	}
	return FD(n), nil
}

type linkUpdateAttr struct{ link, next, flags, old uint32 }

// LinkUpdate puts another program, or another struct_ops map, behind a link in
// one step. old, unless None, must be what is there now.
func LinkUpdate(link, next, old FD) error {
	at := linkUpdateAttr{link: uint32(link), next: uint32(next)}
	if old > 0 {
		at.flags, at.old = 4, uint32(old) // BPF_F_REPLACE
	}
	if _, err := call(cmdLinkUpdate, &at); err != nil {
		return &Error{Op: "update link", Err: err}
	}
	return nil
}

// LinkDetach detaches a link whoever else holds it.
func LinkDetach(link FD) error {
	at := struct{ fd uint32 }{uint32(link)}
	if _, err := call(cmdLinkDetach, &at); err != nil {
		return &Error{Op: "detach link", Err: err}
	}
	return nil
}

// IterCreate makes a readable descriptor of an iterator link.
func IterCreate(link FD) (FD, error) {
	at := struct{ fd, flags uint32 }{fd: uint32(link)}
	n, err := call(cmdIterCreate, &at)
	if err != nil {
		return None, &Error{Op: "create iterator", Err: err}
	}
	return FD(n), nil
}

type objAttr struct {
	path      unsafe.Pointer
	fd, flags uint32
	dir       int32
	_         uint32
}

// ObjPin gives an object a name in a bpf file system.
func ObjPin(path string, fd FD) error {
	at := objAttr{path: cstr(path), fd: uint32(fd)}
	if _, err := call(cmdObjPin, &at); err != nil {
		return &Error{Op: "pin", Name: path, Err: err}
	}
	return nil
}

// ObjGet opens a pinned object.
func ObjGet(path string) (FD, error) {
	at := objAttr{path: cstr(path)}
	n, err := call(cmdObjGet, &at)
	if err != nil {
		return None, &Error{Op: "open pinned object", Name: path, Err: err}
	}
	return FD(n), nil
}
