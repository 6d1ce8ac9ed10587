// SPDX-License-Identifier: Apache-2.0

// Package evdev reads what the kernel makes of an input device: its
// capabilities and its events (include/uapi/linux/input.h).
package evdev

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Event types.
const (
	EvSyn = 0x00
	EvKey = 0x01
	EvRel = 0x02
	EvAbs = 0x03
	EvMsc = 0x04
	EvSw  = 0x05
	EvLed = 0x11
	EvRep = 0x14
	evCnt = 0x20
	keys  = 0x300
)

// Event is one input event without its time.
type Event struct {
	Type, Code uint16
	Value      int32
}

func (e Event) String() string { return fmt.Sprintf("%d/%d=%d", e.Type, e.Code, e.Value) }

// Abs is the range of an absolute axis.
type Abs struct{ Min, Max, Fuzz, Flat, Resolution int32 }

// Caps is what a node says it can do.
type Caps struct {
	Name  string
	Bits  map[uint16][]uint16 // codes by event type
	Abs   map[uint16]Abs
	Props []uint16
}

// Node is an open event node.
type Node struct {
	fd   int
	Path string
}

// Open opens an event node for reading.
func Open(path string) (*Node, error) {
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return &Node{fd, path}, nil
}

// Close closes the node.
func (n *Node) Close() error { return unix.Close(n.fd) }

// Fd is the file descriptor, to wait on.
func (n *Node) Fd() int { return n.fd }

func ioc(dir, nr, size uintptr) uintptr { return dir<<30 | size<<16 | 'E'<<8 | nr }

func (n *Node) ioctl(req uintptr, p unsafe.Pointer) (int, error) {
	r, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(n.fd), req, uintptr(p))
	if e != 0 {
		return 0, e
	}
	return int(r), nil
}

func (n *Node) bits(nr uintptr) ([]uint16, error) {
	var buf [keys / 8]byte
	if _, err := n.ioctl(ioc(2, nr, uintptr(len(buf))), unsafe.Pointer(&buf)); err != nil {
		return nil, err
	}
	var out []uint16
	for i := range len(buf) * 8 {
		if buf[i/8]>>(i%8)&1 != 0 {
			out = append(out, uint16(i))
		}
	}
	return out, nil
}

// Caps reads the node's capabilities.
func (n *Node) Caps() (*Caps, error) {
	c := &Caps{Bits: map[uint16][]uint16{}, Abs: map[uint16]Abs{}}
	var name [256]byte
	l, err := n.ioctl(ioc(2, 0x06, uintptr(len(name))), unsafe.Pointer(&name))
	if err != nil {
		return nil, fmt.Errorf("read name of %s: %w", n.Path, err)
	}
	c.Name = unix.ByteSliceToString(name[:l])
	types, err := n.bits(0x20)
	if err != nil {
		return nil, fmt.Errorf("read capabilities of %s: %w", n.Path, err)
	}
	for _, t := range types {
		if t == EvSyn || t == EvRep || t >= evCnt {
			c.Bits[t] = nil
			continue
		}
		if c.Bits[t], err = n.bits(0x20 + uintptr(t)); err != nil {
			return nil, fmt.Errorf("read capabilities of %s: %w", n.Path, err)
		}
	}
	for _, code := range c.Bits[EvAbs] {
		var a [6]int32 // value, minimum, maximum, fuzz, flat, resolution
		if _, err := n.ioctl(ioc(2, 0x40+uintptr(code), 24), unsafe.Pointer(&a)); err != nil {
			return nil, fmt.Errorf("read axis %d of %s: %w", code, n.Path, err)
		}
		c.Abs[code] = Abs{a[1], a[2], a[3], a[4], a[5]}
	}
	if c.Props, err = n.bits(0x09); err != nil {
		return nil, fmt.Errorf("read properties of %s: %w", n.Path, err)
	}
	return c, nil
}

// NoRepeat puts off the keyboard's autorepeat, which depends on time.
func (n *Node) NoRepeat() error {
	rep := [2]uint32{1 << 30, 1 << 30}
	if _, err := n.ioctl(ioc(1, 0x03, 8), unsafe.Pointer(&rep)); err != nil && !errors.Is(err, unix.ENOSYS) {
		return fmt.Errorf("put off autorepeat of %s: %w", n.Path, err)
	}
	return nil
}

// Grab takes all events of the node for this reader, or gives them back.
func (n *Node) Grab(on bool) error {
	v := uintptr(0)
	if on {
		v = 1
	}
	if _, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(n.fd), ioc(1, 0x90, 4), v); e != 0 {
		return fmt.Errorf("grab %s: %w", n.Path, e)
	}
	return nil
}

// Read returns the events that are waiting, none if there are none.
func (n *Node) Read() ([]Event, error) {
	var out []Event
	var buf [64 * 24]byte
	for {
		l, err := unix.Read(n.fd, buf[:])
		if errors.Is(err, unix.EAGAIN) {
			return out, nil
		}
		if err != nil {
			return out, fmt.Errorf("read %s: %w", n.Path, err)
		}
		for b := buf[:l]; len(b) >= 24; b = b[24:] {
			out = append(out, Event{binary.LittleEndian.Uint16(b[16:]), binary.LittleEndian.Uint16(b[18:]), int32(binary.LittleEndian.Uint32(b[20:]))})
		}
	}
}

// Merge is the union of several nodes' capabilities: what a device split into
// several nodes can do as a whole. Names are dropped.
func Merge(all []*Caps) *Caps {
	m := &Caps{Bits: map[uint16][]uint16{}, Abs: map[uint16]Abs{}}
	for _, c := range all {
		for t, codes := range c.Bits {
			m.Bits[t] = union(m.Bits[t], codes)
		}
		for code, a := range c.Abs {
			m.Abs[code] = a
		}
		m.Props = union(m.Props, c.Props)
	}
	return m
}

func union(a, b []uint16) []uint16 {
	r := append(slices.Clone(a), b...)
	slices.Sort(r)
	return slices.Compact(r)
}
