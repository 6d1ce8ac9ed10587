// SPDX-License-Identifier: Apache-2.0

//lint:file-ignore U1000 the structures are laid out as the kernel wants them; not every field is set

package sys

import (
	"errors"
	"iter"
	"syscall"
	"unsafe"

	"github.com/modbpf/modbpf/bpf"
)

// Kind is a kind of BPF object that has ids.
type Kind uint8

// Kinds of objects.
const (
	Prog Kind = iota
	Map
	BTF
	Link
)

var kindName = [...]string{"program", "map", "BTF", "link"}

type idAttr struct{ id, next, flags, token uint32 }

// IDs yields the ids of all objects of a kind in the system.
func IDs(k Kind) iter.Seq2[uint32, error] {
	cmd := [...]int{cmdProgNextID, cmdMapNextID, cmdBTFNextID, cmdLinkNextID}[k]
	return func(yield func(uint32, error) bool) {
		at := idAttr{}
		for {
			if _, err := call(cmd, &at); err != nil {
				if !errors.Is(err, syscall.ENOENT) {
					yield(0, &Error{Op: "list ids of", Name: kindName[k], Err: err})
				}
				return
			}
			if !yield(at.next, nil) {
				return
			}
			at = idAttr{id: at.next}
		}
	}
}

// ByID opens an object by id.
func ByID(k Kind, id uint32) (FD, error) {
	at := idAttr{id: id}
	n, err := call([...]int{cmdProgByID, cmdMapByID, cmdBTFByID, cmdLinkByID}[k], &at)
	if err != nil {
		return None, &Error{Op: "open " + kindName[k] + " by id", Err: err}
	}
	return FD(n), nil
}

type infoAttr struct {
	fd, size uint32
	info     unsafe.Pointer
}

func info[T any](what string, fd FD, out *T) error {
	at := infoAttr{fd: uint32(fd), size: uint32(unsafe.Sizeof(*out)), info: unsafe.Pointer(out)}
	if _, err := call(cmdInfo, &at); err != nil {
		return &Error{Op: "read info of", Name: what, Err: err}
	}
	return nil
}

type progInfo struct {
	typ, id             uint32
	tag                 [8]byte
	jitedLen, xlatedLen uint32
	jited, xlated       unsafe.Pointer
	loadTime            uint64
	uid, nrMaps         uint32
	maps                unsafe.Pointer
	name                [16]byte
	ifindex, gpl        uint32
	netnsDev, netnsIno  uint64
	nrKsyms, nrFuncLens uint32
	ksyms, funcLens     unsafe.Pointer
	btfID, funcRec      uint32
	funcs               unsafe.Pointer
	nrFuncs, nrLines    uint32
	lines, jitedLines   unsafe.Pointer
	nrJitedLines, lnRec uint32
	jlnRec, nrTags      uint32
	tags                unsafe.Pointer
	runTime, runCnt     uint64
	misses              uint64
	verified, attachObj uint32
	attachID, _         uint32
}

// ProgInfo is what the kernel tells of a program.
type ProgInfo struct {
	Type                      bpf.ProgType
	ID                        uint32
	Tag                       [8]byte
	Name                      string
	GPL                       bool
	LoadTime                  uint64 // nanoseconds since boot
	UID                       uint32
	MapIDs                    []uint32
	BTFID                     uint32
	Verified                  uint32 // instructions the verifier processed
	RunTime                   uint64 // nanoseconds, when statistics are enabled
	RunCount                  uint64
	Misses                    uint64
	AttachBTFObj, AttachBTFID uint32
	Xlated, Jited             uint32 // bytes
}

// GetProgInfo reads what the kernel tells of a program.
func GetProgInfo(fd FD) (*ProgInfo, error) {
	var p progInfo
	if err := info("program", fd, &p); err != nil {
		return nil, err
	}
	out := &ProgInfo{
		Type: bpf.ProgType(p.typ), ID: p.id, Tag: p.tag, Name: goString(p.name[:]), GPL: p.gpl&1 != 0, LoadTime: p.loadTime, UID: p.uid,
		BTFID: p.btfID, Verified: p.verified, RunTime: p.runTime, RunCount: p.runCnt, Misses: p.misses,
		AttachBTFObj: p.attachObj, AttachBTFID: p.attachID, Xlated: p.xlatedLen, Jited: p.jitedLen,
	}
	if p.nrMaps > 0 {
		ids := make([]uint32, p.nrMaps)
		q := progInfo{nrMaps: p.nrMaps, maps: unsafe.Pointer(&ids[0])}
		if err := info("program", fd, &q); err != nil {
			return nil, err
		}
		out.MapIDs = ids[:min(int(q.nrMaps), len(ids))]
	}
	return out, nil
}

type mapInfo struct {
	typ, id, key, value, entries, flags uint32
	name                                [16]byte
	ifindex, vmlinuxValue               uint32
	netnsDev, netnsIno                  uint64
	btf, btfKey, btfValue, btfVmlinux   uint32
	extra                               uint64
	hash                                unsafe.Pointer
	hashSize, _                         uint32
}

// MapInfo is what the kernel tells of a map.
type MapInfo struct {
	Type                           bpf.MapType
	ID                             uint32
	Name                           string
	KeySize, ValueSize, MaxEntries uint32
	Flags                          uint32
	Extra                          uint64
	BTFID, Key, Value              uint32
	VmlinuxValue, VmlinuxBTF       uint32
}

// GetMapInfo reads what the kernel tells of a map.
func GetMapInfo(fd FD) (*MapInfo, error) {
	var m mapInfo
	if err := info("map", fd, &m); err != nil {
		return nil, err
	}
	return &MapInfo{
		Type: bpf.MapType(m.typ), ID: m.id, Name: goString(m.name[:]), KeySize: m.key, ValueSize: m.value, MaxEntries: m.entries,
		Flags: m.flags, Extra: m.extra, BTFID: m.btf, Key: m.btfKey, Value: m.btfValue, VmlinuxValue: m.vmlinuxValue, VmlinuxBTF: m.btfVmlinux,
	}, nil
}

// Types of links.
const (
	LinkRawTracepoint = 1
	LinkTracing       = 2
	LinkCgroup        = 3
	LinkIter          = 4
	LinkNetns         = 5
	LinkXDP           = 6
	LinkPerfEvent     = 7
	LinkKprobeMulti   = 8
	LinkStructOps     = 9
	LinkNetfilter     = 10
	LinkTCX           = 11
	LinkUprobeMulti   = 12
	LinkNetkit        = 13
	LinkSockmap       = 14
)

type linkInfo struct {
	typ, id, prog, _ uint32
	u                [64]byte
}

// LinkInfo is what the kernel tells of a link.
type LinkInfo struct {
	Type    uint32
	ID      uint32
	ProgID  uint32
	MapID   uint32         // struct_ops: 0 once it is detached
	IfIndex uint32         // xdp, tcx, netkit: 0 once the interface is gone
	Attach  bpf.AttachType // tracing, tcx, netkit, cgroup
	Cgroup  uint64
}

// GetLinkInfo reads what the kernel tells of a link.
func GetLinkInfo(fd FD) (*LinkInfo, error) {
	var l linkInfo
	if err := info("link", fd, &l); err != nil {
		return nil, err
	}
	word := func(i int) uint32 { return *(*uint32)(unsafe.Pointer(&l.u[4*i])) }
	out := &LinkInfo{Type: l.typ, ID: l.id, ProgID: l.prog}
	switch l.typ {
	case LinkStructOps:
		out.MapID = word(0)
	case LinkXDP:
		out.IfIndex = word(0)
	case LinkTCX, LinkNetkit:
		out.IfIndex, out.Attach = word(0), bpf.AttachType(word(1))
	case LinkTracing:
		out.Attach = bpf.AttachType(word(0))
	case LinkCgroup:
		out.Cgroup, out.Attach = uint64(word(0))|uint64(word(1))<<32, bpf.AttachType(word(2))
	}
	return out, nil
}

type btfInfo struct {
	btf             unsafe.Pointer
	size, id        uint32
	name            unsafe.Pointer
	nameLen, kernel uint32
}

// BTFInfo is what the kernel tells of a BTF object.
type BTFInfo struct {
	ID     uint32
	Name   string // "vmlinux", a module's name, or ""
	Kernel bool   // the kernel's own or a module's
	Size   uint32
}

// GetBTFInfo reads what the kernel tells of a BTF object.
func GetBTFInfo(fd FD) (*BTFInfo, error) {
	name := make([]byte, 128)
	b := btfInfo{name: ptr(name), nameLen: uint32(len(name))}
	if err := info("BTF", fd, &b); err != nil {
		return nil, err
	}
	return &BTFInfo{ID: b.id, Name: goString(name), Kernel: b.kernel != 0, Size: b.size}, nil
}

type btfLoadAttr struct {
	btf, log                         unsafe.Pointer
	size, logSize, logLevel, logTrue uint32
	flags                            uint32
	token                            int32
}

// BTFLoad gives the kernel the types of an object.
func BTFLoad(raw []byte) (FD, error) {
	at := btfLoadAttr{btf: ptr(raw), size: uint32(len(raw))}
	n, err := call(cmdBTFLoad, &at)
	if err == nil {
		return FD(n), nil
	}
	log := make([]byte, 64<<10)
	at.log, at.logSize, at.logLevel = ptr(log), uint32(len(log)), 1
	if n, err2 := call(cmdBTFLoad, &at); err2 == nil {
		return FD(n), nil
	}
	return None, &Error{Op: "load BTF", Err: err, Log: goString(log)}
}

// ModuleBTF opens the BTF of a kernel module; the kernel has it while the
// module is loaded.
func ModuleBTF(name string) (FD, error) {
	for id, err := range IDs(BTF) {
		if err != nil {
			return None, err
		}
		fd, err := ByID(BTF, id)
		if errors.Is(err, syscall.ENOENT) {
			continue // gone meanwhile
		}
		if err != nil {
			return None, err
		}
		i, err := GetBTFInfo(fd)
		if err == nil && i.Kernel && i.Name == name {
			return fd, nil
		}
		_ = fd.Close() // nothing was written through it
		if err != nil {
			return None, err
		}
	}
	return None, &Error{Op: "find BTF of module", Name: name, Err: syscall.ENOENT}
}
