// SPDX-License-Identifier: Apache-2.0

package sys

import (
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

type elemAttr struct {
	mapFD      uint32
	_          uint32
	key, value uint64
	flags      uint64
}

func bytesPointer(b []byte) uint64 {
	if len(b) == 0 {
		return 0
	}
	return uint64(uintptr(unsafe.Pointer(&b[0])))
}

// Lookup reads the value of a key into value, which has the map's value size
// (times the number of CPUs, rounded up to 8, for per-CPU maps).
func Lookup(m FD, key, value []byte) error {
	a := elemAttr{mapFD: uint32(m), key: bytesPointer(key), value: bytesPointer(value)}
	_, err := Call(unix.BPF_MAP_LOOKUP_ELEM, &a)
	runtime.KeepAlive(key)
	runtime.KeepAlive(value)
	if err != nil {
		return fmt.Errorf("look up map element: %w", err)
	}
	return nil
}

// Update writes a value; flags are BPF_ANY, BPF_NOEXIST or BPF_EXIST.
func Update(m FD, key, value []byte, flags uint64) error {
	a := elemAttr{mapFD: uint32(m), key: bytesPointer(key), value: bytesPointer(value), flags: flags}
	_, err := Call(unix.BPF_MAP_UPDATE_ELEM, &a)
	runtime.KeepAlive(key)
	runtime.KeepAlive(value)
	if err != nil {
		return fmt.Errorf("update map element: %w", err)
	}
	return nil
}

// NextKey reads the key after key (the first for nil) into next; false at the end.
func NextKey(m FD, key, next []byte) (bool, error) {
	a := elemAttr{mapFD: uint32(m), key: bytesPointer(key), value: bytesPointer(next)}
	_, err := Call(unix.BPF_MAP_GET_NEXT_KEY, &a)
	runtime.KeepAlive(key)
	runtime.KeepAlive(next)
	switch err {
	case nil:
		return true, nil
	case unix.ENOENT:
		return false, nil
	}
	return false, fmt.Errorf("walk map: %w", err)
}

// Freeze forbids user space to change a map from now on.
func Freeze(m FD) error {
	type attr struct{ mapFD, _ uint32 }
	if _, err := Call(unix.BPF_MAP_FREEZE, &attr{mapFD: uint32(m)}); err != nil {
		return fmt.Errorf("freeze map: %w", err)
	}
	return nil
}

// mapCreateAttr is the part of BPF_MAP_CREATE's attribute that a map without
// types needs.
type mapCreateAttr struct {
	typ, keySize, valueSize, entries, flags, inner, node uint32
	name                                                 [16]byte
	ifindex                                              uint32
}

// NewArray makes an array map that programs cannot write, without BTF.
func NewArray(name string, valueSize, entries uint32) (FD, error) {
	a := mapCreateAttr{typ: 2, keySize: 4, valueSize: valueSize, entries: entries, flags: unix.BPF_F_RDONLY_PROG}
	copy(a.name[:15], name)
	fd, err := Call(unix.BPF_MAP_CREATE, &a)
	if err != nil {
		return NoFD, fmt.Errorf("create map %s: %w", name, err)
	}
	return FD(fd), nil
}
