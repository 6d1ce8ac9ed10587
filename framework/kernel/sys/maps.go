// SPDX-License-Identifier: Apache-2.0

//lint:file-ignore U1000 the structures are laid out as the kernel wants them; not every field is set

package sys

import (
	"errors"
	"syscall"
	"unsafe"

	"github.com/modbpf/modbpf/bpf"
)

// MapAttr is what BPF_MAP_CREATE takes.
type MapAttr struct {
	Name         string
	Type         bpf.MapType
	KeySize      uint32
	ValueSize    uint32
	MaxEntries   uint32
	Flags        uint32
	Extra        uint64
	NumaNode     uint32
	Inner        FD // None unless a map of maps
	BTF          FD // None without types
	Key, Value   uint32
	VmlinuxValue uint32 // struct_ops: BTF id of the value type
	VmlinuxBTF   FD     // module BTF it lives in, None for vmlinux
}

type mapCreateAttr struct {
	typ, keySize, valueSize, maxEntries, flags, inner, numa uint32
	name                                                    [16]byte
	ifindex, btf, key, value, vmlinuxValue                  uint32
	extra                                                   uint64
	valueBTF, token                                         int32
}

// MapCreate creates a map.
func MapCreate(a MapAttr) (FD, error) {
	at := mapCreateAttr{
		typ: uint32(a.Type), keySize: a.KeySize, valueSize: a.ValueSize, maxEntries: a.MaxEntries, flags: a.Flags,
		numa: a.NumaNode, name: ObjName(a.Name), key: a.Key, value: a.Value, vmlinuxValue: a.VmlinuxValue, extra: a.Extra,
	}
	if a.Inner > 0 {
		at.inner = uint32(a.Inner)
	}
	if a.BTF > 0 {
		at.btf = uint32(a.BTF)
	}
	if a.VmlinuxBTF > 0 {
		at.valueBTF, at.flags = int32(a.VmlinuxBTF), at.flags|bpf.MapVtypeBTFObjFD
	}
	n, err := call(cmdMapCreate, &at)
	if err != nil {
		return None, &Error{Op: "create " + a.Type.String() + " map", Name: a.Name, Err: err}
	}
	return FD(n), nil
}

type mapElemAttr struct {
	fd    uint32
	_     uint32
	key   unsafe.Pointer
	value unsafe.Pointer // or next key
	flags uint64
}

func mapElem(cmd int, op string, fd FD, key, value []byte, flags uint64) error {
	at := mapElemAttr{fd: uint32(fd), key: ptr(key), value: ptr(value), flags: flags}
	if _, err := call(cmd, &at); err != nil {
		return &Error{Op: op, Err: err}
	}
	return nil
}

// MapUpdate stores an element; flags are BPF_ANY, BPF_NOEXIST, BPF_EXIST, BPF_F_LOCK.
func MapUpdate(fd FD, key, value []byte, flags uint64) error {
	return mapElem(cmdMapUpdate, "update map element", fd, key, value, flags)
}

// MapLookup reads an element into value, which must have the map's value size
// (rounded up to 8 and times the number of possible CPUs for per-CPU maps).
func MapLookup(fd FD, key, value []byte) error {
	return mapElem(cmdMapLookup, "look up map element", fd, key, value, 0)
}

// MapDelete removes an element.
func MapDelete(fd FD, key []byte) error {
	return mapElem(cmdMapDelete, "delete map element", fd, key, nil, 0)
}

// MapNextKey finds the key after key (the first one when key is nil); false at the end.
func MapNextKey(fd FD, key, next []byte) (bool, error) {
	err := mapElem(cmdMapNextKey, "find next key of map", fd, key, next, 0)
	if errors.Is(err, syscall.ENOENT) {
		return false, nil
	}
	return err == nil, err
}

// MapFreeze forbids user space to change a map from now on.
func MapFreeze(fd FD) error {
	at := mapElemAttr{fd: uint32(fd)}
	if _, err := call(cmdMapFreeze, &at); err != nil {
		return &Error{Op: "freeze map", Err: err}
	}
	return nil
}

// mapping is memory of ours that a map shows through.
type mapping struct{ at, size uintptr }
