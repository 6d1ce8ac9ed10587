// SPDX-License-Identifier: Apache-2.0

package sys

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// FD is an open BPF object: map, program, link or BTF.
type FD int

// NoFD is no object.
const NoFD FD = -1

// Close gives the descriptor back; what nothing else holds is freed.
func (f FD) Close() error {
	if f < 0 {
		return nil
	}
	return unix.Close(int(f))
}

// Call is bpf(2) with one of unix.BPF_* and its attribute.
func Call[A any](cmd int, attr *A) (int, error) {
	for {
		r, _, e := unix.Syscall(unix.SYS_BPF, uintptr(cmd), uintptr(unsafe.Pointer(attr)), unsafe.Sizeof(*attr))
		runtime.KeepAlive(attr)
		switch e {
		case 0:
			return int(r), nil
		case unix.EINTR:
			continue
		}
		return -1, e
	}
}

func pointer[T any](p *T) uint64 { return uint64(uintptr(unsafe.Pointer(p))) }

type objAttr struct {
	path  uint64
	fd    uint32
	flags uint32
	dirFD int32
	_     uint32
}

// Pin makes an object outlive the process under a path of the bpf file system.
func Pin(f FD, path string) error {
	p, err := unix.BytePtrFromString(path)
	if err != nil {
		return fmt.Errorf("pin %s: %w", path, err)
	}
	a := objAttr{path: pointer(p), fd: uint32(f)}
	_, err = Call(unix.BPF_OBJ_PIN, &a)
	runtime.KeepAlive(p)
	if err != nil {
		return &os.PathError{Op: "pin", Path: path, Err: err}
	}
	return nil
}

// Get opens a pinned object.
func Get(path string) (FD, error) {
	p, err := unix.BytePtrFromString(path)
	if err != nil {
		return NoFD, fmt.Errorf("open pin %s: %w", path, err)
	}
	a := objAttr{path: pointer(p)}
	fd, err := Call(unix.BPF_OBJ_GET, &a)
	runtime.KeepAlive(p)
	if err != nil {
		return NoFD, &os.PathError{Op: "open pin", Path: path, Err: err}
	}
	return FD(fd), nil
}

type infoAttr struct {
	fd   uint32
	size uint32
	info uint64
}

func info[T any](f FD, out *T) error {
	a := infoAttr{fd: uint32(f), size: uint32(unsafe.Sizeof(*out)), info: pointer(out)}
	_, err := Call(unix.BPF_OBJ_GET_INFO_BY_FD, &a)
	runtime.KeepAlive(out)
	return err
}

// cstring reads a NUL-terminated name.
func cstring(b []byte) string {
	s, _, _ := strings.Cut(string(b), "\x00")
	return s
}

// MapInfo is what the kernel says of a map.
type MapInfo struct {
	Type, ID, KeySize, ValueSize, MaxEntries, Flags uint32
	name                                            [16]byte
	Ifindex, VmlinuxValueType                       uint32
	netnsDev, netnsIno                              uint64
	BTF, KeyType, ValueType, VmlinuxBTF             uint32
	Extra                                           uint64
}

// Name is the map's name, cut at 15 bytes by the kernel.
func (i *MapInfo) Name() string { return cstring(i.name[:]) }

// InfoOfMap asks the kernel about a map.
func InfoOfMap(f FD) (*MapInfo, error) {
	var i MapInfo
	if err := info(f, &i); err != nil {
		return nil, fmt.Errorf("ask about map: %w", err)
	}
	return &i, nil
}

// ProgInfo is what the kernel says of a program.
type ProgInfo struct {
	Type, ID             uint32
	Tag                  [8]byte
	JitedLen, XlatedLen  uint32
	jited, xlated        uint64
	LoadTime             uint64 // nanoseconds since boot
	UID                  uint32
	NumMaps              uint32
	maps                 uint64
	name                 [16]byte
	Ifindex              uint32
	gpl                  uint32
	netnsDev, netnsIno   uint64
	nJitedSyms, nJitLens uint32
	jitedSyms, jitLens   uint64
	BTF                  uint32
	funcRec              uint32
	funcs                uint64
	nFuncs, nLines       uint32
	lines, jitedLines    uint64
	nJitedLines, lineRec uint32
	jitedLineRec, nTags  uint32
	tags                 uint64
	RunTime, RunCount    uint64
	Recursion            uint64
	VerifiedInsns        uint32
	attachBTFObj         uint32
	attachBTF            uint32
	_                    uint32
}

// Name is the program's name, cut at 15 bytes by the kernel.
func (i *ProgInfo) Name() string { return cstring(i.name[:]) }

// InfoOfProg asks the kernel about a program.
func InfoOfProg(f FD) (*ProgInfo, error) {
	var i ProgInfo
	if err := info(f, &i); err != nil {
		return nil, fmt.Errorf("ask about program: %w", err)
	}
	return &i, nil
}

// Kinds of links (enum bpf_link_type) that modbpf makes.
const (
	LinkXDP       = 6
	LinkStructOps = 9
	LinkTCX       = 11
	LinkNetkit    = 13
)

// LinkInfo is what the kernel says of a link.
type LinkInfo struct {
	Type, ID, Prog uint32
	_              uint32
	// First is the first word of what depends on Type: the map id of a
	// struct_ops link, the interface index of XDP, tcx and netkit links.
	First, Second uint32
	_             [40]byte
}

// Map is the id of the map a struct_ops link has in force, 0 once detached.
func (i *LinkInfo) Map() uint32 {
	if i.Type != LinkStructOps {
		return 0
	}
	return i.First
}

// Ifindex is the interface of a network link, 0 once the interface is gone.
func (i *LinkInfo) Ifindex() uint32 {
	switch i.Type {
	case LinkXDP, LinkTCX, LinkNetkit:
		return i.First
	}
	return 0
}

// InfoOfLink asks the kernel about a link.
func InfoOfLink(f FD) (*LinkInfo, error) {
	var i LinkInfo
	if err := info(f, &i); err != nil {
		return nil, fmt.Errorf("ask about link: %w", err)
	}
	return &i, nil
}

// MapByID, ProgByID and LinkByID open an object by its number.
func MapByID(id uint32) (FD, error)  { return byID(unix.BPF_MAP_GET_FD_BY_ID, "map", id) }
func ProgByID(id uint32) (FD, error) { return byID(unix.BPF_PROG_GET_FD_BY_ID, "program", id) }
func LinkByID(id uint32) (FD, error) { return byID(unix.BPF_LINK_GET_FD_BY_ID, "link", id) }

type idAttr struct{ id, next, flags, _ uint32 }

func byID(cmd int, what string, id uint32) (FD, error) {
	fd, err := Call(cmd, &idAttr{id: id})
	if err != nil {
		return NoFD, fmt.Errorf("open %s %d: %w", what, id, err)
	}
	return FD(fd), nil
}

// NextLink is the lowest link number above id; false when there is none.
func NextLink(id uint32) (uint32, bool) {
	a := idAttr{id: id}
	_, err := Call(unix.BPF_LINK_GET_NEXT_ID, &a)
	return a.next, err == nil
}
