// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package sys

import (
	"syscall"
	"unsafe"
)

func bpfCall(int, unsafe.Pointer, uintptr) (int, syscall.Errno) { return 0, errnoNone }

func closeFD(FD) error { return ErrUnsupported }

func mapArena(FD, uintptr) (mapping, error) { return mapping{}, ErrUnsupported }

func (mapping) unmap() error { return ErrUnsupported }
