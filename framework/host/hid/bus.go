// SPDX-License-Identifier: Apache-2.0

// Package hid is the host's HID device model: what drivers/hid/hid-core.c and
// drivers/hid/bpf/hid_bpf_dispatch.c (Linux 7.3) do that a driver can see.
// Devices are objects of a kernel profile's BTF in host memory; reports go
// through the slots of the drivers attached to a device in the kernel's order,
// with its buffers, sizes and return values.
package hid

import (
	"errors"
	"fmt"
	"sync"

	"github.com/modbpf/modbpf/btf"
	"github.com/modbpf/modbpf/framework/host/mem"
	"github.com/modbpf/modbpf/framework/host/typed"
	"github.com/modbpf/modbpf/framework/host/world"
)

// Errno is a kernel error number as drivers see it, positive.
type Errno int

// Error numbers that the model answers with.
const (
	ENOENT    Errno = 2
	EIO       Errno = 5
	E2BIG     Errno = 7
	ENOMEM    Errno = 12
	ENODEV    Errno = 19
	EINVAL    Errno = 22
	EDEADLOCK Errno = 35
	ENOSYS    Errno = 38
)

var errnoNames = map[Errno]string{
	ENOENT: "ENOENT", EIO: "EIO", E2BIG: "E2BIG", ENOMEM: "ENOMEM", ENODEV: "ENODEV",
	EINVAL: "EINVAL", EDEADLOCK: "EDEADLOCK", ENOSYS: "ENOSYS",
}

func (e Errno) Error() string {
	if n := errnoNames[e]; n != "" {
		return n
	}
	return fmt.Sprintf("errno %d", int(e))
}

// Limits of the kernel.
const (
	MaxDrivers = 64 // HID_BPF_MAX_PROGS_PER_DEV
	MaxReport  = 16384
	BeforeFlag = 1 << 3 // BPF_F_BEFORE
)

// Errors of attaching.
var (
	ErrTooMany   = errors.New("the device has 64 drivers already")
	ErrHasFixup  = errors.New("another driver rewrites this device's descriptor already")
	ErrGone      = errors.New("the device is gone")
	ErrNoProfile = errors.New("the kernel profile has no HID-BPF")
)

// Bus holds the devices of one host and the memory they live in.
type Bus struct {
	world  *world.World
	arena  *mem.Arena
	device *typed.Layout // struct hid_device
	ctx    *typed.Layout // struct hid_bpf_ctx

	fHid, fAllocated, fSize typed.Field

	mu      sync.Mutex
	devices map[uint32]*Device
	next    uint32
}

// NewBus makes an empty bus in a host's world, whose profile must have HID-BPF.
func NewBus(w *world.World) (*Bus, error) { return newBus(w, w.Kernel.BTF(), w.Mem) }

// newBus lays objects out by spec, which declares struct hid_bpf_ctx.
func newBus(w *world.World, spec *btf.Spec, arena *mem.Arena) (*Bus, error) {
	l := typed.NewLayouts(spec)
	b := &Bus{world: w, arena: arena, devices: map[uint32]*Device{}}
	var err error
	if b.device, err = l.Of("hid_device"); err != nil {
		return nil, fmt.Errorf("set up HID devices: %w: %w", ErrNoProfile, err)
	}
	if b.ctx, err = l.Of("hid_bpf_ctx"); err != nil {
		return nil, fmt.Errorf("set up HID contexts: %w: %w", ErrNoProfile, err)
	}
	for _, f := range []struct {
		path string
		to   *typed.Field
	}{{"hid", &b.fHid}, {"allocated_size", &b.fAllocated}, {"size", &b.fSize}} {
		if *f.to, err = b.ctx.Field(f.path); err != nil {
			return nil, fmt.Errorf("set up HID contexts: %w", err)
		}
	}
	return b, nil
}

// enter opens a run for a callback from outside; tests without a world have none.
func (b *Bus) enter() (*world.Run, func()) {
	if b.world == nil {
		return nil, func() {}
	}
	r := b.world.Enter(nil)
	return r, r.Exit
}

// Device finds a device by its system-wide id.
func (b *Bus) Device(id uint32) *Device {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.devices[id]
}

// deviceAt finds the device whose struct hid_device lies at an address.
func (b *Bus) deviceAt(addr uintptr) *Device {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, d := range b.devices {
		if d.obj.Addr == addr {
			return d
		}
	}
	return nil
}
