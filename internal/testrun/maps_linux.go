// SPDX-License-Identifier: Apache-2.0

package testrun

import (
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Commands on elements.
const (
	cmdLookup          = 1
	cmdUpdate          = 2
	cmdDelete          = 3
	cmdLookupAndDelete = 21
)

type elemAttr struct {
	fd         uint32
	_          uint32
	key, value uint64
	flags      uint64
}

func elem(cmd uintptr, fd int, key, value []byte, flags uint64) error {
	a := elemAttr{fd: uint32(fd), flags: flags}
	var pin runtime.Pinner
	defer pin.Unpin()
	if len(key) > 0 {
		pin.Pin(&key[0])
		a.key = uint64(uintptr(unsafe.Pointer(&key[0])))
	}
	if len(value) > 0 {
		pin.Pin(&value[0])
		a.value = uint64(uintptr(unsafe.Pointer(&value[0])))
	}
	_, err := bpfCall(cmd, unsafe.Pointer(&a), unsafe.Sizeof(a))
	return err
}

// Update sets an element of a kernel map.
func Update(fd int, key, value []byte) error {
	if err := elem(cmdUpdate, fd, key, value, 0); err != nil {
		return fmt.Errorf("update map: %w", err)
	}
	return nil
}

// Lookup reads an element; false when there is none.
func Lookup(fd int, key, value []byte) (bool, error) { return found(cmdLookup, fd, key, value) }

// Pop takes an element out of a queue or stack; false when it is empty.
func Pop(fd int, value []byte) (bool, error) { return found(cmdLookupAndDelete, fd, nil, value) }

// Delete removes an element; false when there is none.
func Delete(fd int, key []byte) (bool, error) { return found(cmdDelete, fd, key, nil) }

func found(cmd uintptr, fd int, key, value []byte) (bool, error) {
	err := elem(cmd, fd, key, value, 0)
	if errors.Is(err, unix.ENOENT) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("access map: %w", err)
	}
	return true, nil
}

// MapMemory maps the values of an mmapable array.
func MapMemory(fd, size int) ([]byte, error) {
	b, err := unix.Mmap(fd, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map array: %w", err)
	}
	return b, nil
}
