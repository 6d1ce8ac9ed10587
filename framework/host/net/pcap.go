// SPDX-License-Identifier: Apache-2.0

package net

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Captures: pcap (both byte orders, micro- and nanoseconds) and pcapng in, pcap
// out. Formats: draft-ietf-opsawg-pcap and draft-ietf-opsawg-pcapng.

// ErrCapture is wrapped by errors about a capture's contents.
var ErrCapture = errors.New("broken capture")

// Packet is one packet of a capture.
type Packet struct {
	Time     uint64 // nanoseconds since 1970
	Data     []byte // as captured
	Len      int    // on the wire
	Inbound  bool   // direction, if the capture says so
	Outbound bool
	Link     uint32 // link type, 1 is Ethernet
}

// LinkEthernet is the only link type the models take.
const LinkEthernet = 1

const maxPacket = 256 << 10

// Capture reads packets one by one.
type Capture struct {
	r     *bufio.Reader
	order binary.ByteOrder
	nano  bool
	link  uint32
	ng    bool
	ifs   []ngInterface
	count int
}

type ngInterface struct {
	link   uint32
	snap   uint32
	perSec uint64
	offset int64
}

// OpenCapture reads the head of a capture.
func OpenCapture(r io.Reader) (*Capture, error) {
	c := &Capture{r: bufio.NewReaderSize(r, 1<<16)}
	head, err := c.r.Peek(4)
	if err != nil {
		return nil, c.broken("read magic number", err)
	}
	switch magic := binary.LittleEndian.Uint32(head); magic {
	case 0xa1b2c3d4, 0xa1b23c4d:
		c.order, c.nano = binary.LittleEndian, magic == 0xa1b23c4d
	case 0xd4c3b2a1, 0x4d3cb2a1:
		c.order, c.nano = binary.BigEndian, magic == 0x4d3cb2a1
	case 0x0a0d0d0a:
		c.ng, c.order = true, binary.LittleEndian
		return c, nil
	default:
		return nil, fmt.Errorf("open capture: magic number %#08x: %w", magic, ErrCapture)
	}
	var h [24]byte
	if _, err := io.ReadFull(c.r, h[:]); err != nil {
		return nil, c.broken("read header", err)
	}
	c.link = c.order.Uint32(h[20:]) & 0x0fffffff
	return c, nil
}

func (c *Capture) broken(what string, err error) error {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("%s of packet %d: %w: %w", what, c.count+1, ErrCapture, err)
}

// Next reads a packet; io.EOF at the end of a whole capture. Data is a fresh slice.
func (c *Capture) Next() (Packet, error) {
	if c.ng {
		return c.nextNG()
	}
	var h [16]byte
	if _, err := io.ReadFull(c.r, h[:]); err != nil {
		if err == io.EOF {
			return Packet{}, io.EOF
		}
		return Packet{}, c.broken("read header", err)
	}
	sub := uint64(c.order.Uint32(h[4:]))
	if !c.nano {
		sub *= 1000
	}
	n, wire := c.order.Uint32(h[8:]), c.order.Uint32(h[12:])
	if n > maxPacket {
		return Packet{}, fmt.Errorf("read packet %d: %d bytes: %w", c.count+1, n, ErrCapture)
	}
	p := Packet{Time: uint64(c.order.Uint32(h[:]))*1e9 + sub, Len: int(wire), Data: make([]byte, n), Link: c.link}
	if _, err := io.ReadFull(c.r, p.Data); err != nil {
		return Packet{}, c.broken("read data", err)
	}
	c.count++
	return p, nil
}

// nextNG reads blocks until one is a packet.
func (c *Capture) nextNG() (Packet, error) {
	for {
		var h [8]byte
		if _, err := io.ReadFull(c.r, h[:]); err != nil {
			if err == io.EOF {
				return Packet{}, io.EOF
			}
			return Packet{}, c.broken("read block", err)
		}
		typ := c.order.Uint32(h[:])
		if binary.LittleEndian.Uint32(h[:]) == 0x0a0d0d0a { // a section begins: its byte order is its own
			m, err := c.r.Peek(4)
			if err != nil {
				return Packet{}, c.broken("read section", err)
			}
			switch binary.LittleEndian.Uint32(m) {
			case 0x1a2b3c4d:
				c.order = binary.LittleEndian
			case 0x4d3c2b1a:
				c.order = binary.BigEndian
			default:
				return Packet{}, fmt.Errorf("read section: no byte-order mark: %w", ErrCapture)
			}
			typ, c.ifs = 0x0a0d0d0a, nil
		}
		n := c.order.Uint32(h[4:])
		if n < 12 || n%4 != 0 || n > maxPacket+1024 {
			return Packet{}, fmt.Errorf("read block before packet %d: %d bytes: %w", c.count+1, n, ErrCapture)
		}
		body := make([]byte, n-8)
		if _, err := io.ReadFull(c.r, body); err != nil {
			return Packet{}, c.broken("read block", err)
		}
		body = body[:len(body)-4]
		p, ok, err := c.block(typ, body)
		if err != nil {
			return Packet{}, err
		}
		if ok {
			c.count++
			return p, nil
		}
	}
}

func (c *Capture) block(typ uint32, b []byte) (Packet, bool, error) {
	short := func() (Packet, bool, error) {
		return Packet{}, false, fmt.Errorf("read block before packet %d: too short: %w", c.count+1, ErrCapture)
	}
	switch typ {
	case 1: // interface description
		if len(b) < 8 {
			return short()
		}
		i := ngInterface{link: uint32(c.order.Uint16(b)), snap: c.order.Uint32(b[4:]), perSec: 1e6}
		c.options(b[8:], func(code uint16, v []byte) {
			switch {
			case code == 9 && len(v) >= 1: // if_tsresol
				i.perSec = 1
				base, n := uint64(10), v[0]
				if n&0x80 != 0 {
					base, n = 2, n&0x7f
				}
				for range min(n, 63) {
					if i.perSec > 1<<62/base {
						break
					}
					i.perSec *= base
				}
			case code == 14 && len(v) >= 8: // if_tsoffset
				i.offset = int64(c.order.Uint64(v))
			}
		})
		c.ifs = append(c.ifs, i)
	case 6: // enhanced packet
		if len(b) < 20 {
			return short()
		}
		id, n := c.order.Uint32(b), c.order.Uint32(b[12:])
		if int(id) >= len(c.ifs) || uint64(n) > uint64(len(b)-20) {
			return short()
		}
		i := c.ifs[id]
		t := uint64(c.order.Uint32(b[4:]))<<32 | uint64(c.order.Uint32(b[8:]))
		p := Packet{Data: b[20 : 20+n], Len: int(c.order.Uint32(b[16:])), Link: i.link}
		p.Time = t/i.perSec*1e9 + uint64(float64(t%i.perSec)*(1e9/float64(i.perSec))) + uint64(i.offset)*1e9
		if rest := 20 + (int(n)+3)&^3; rest <= len(b) {
			c.options(b[rest:], func(code uint16, v []byte) {
				if code == 2 && len(v) >= 4 {
					d := c.order.Uint32(v) & 3
					p.Inbound, p.Outbound = d == 1, d == 2
				}
			})
		}
		return p, true, nil
	case 3: // simple packet
		if len(b) < 4 || len(c.ifs) == 0 {
			return short()
		}
		wire := c.order.Uint32(b)
		n := wire
		if s := c.ifs[0].snap; s != 0 {
			n = min(n, s)
		}
		if uint64(n) > uint64(len(b)-4) {
			return short()
		}
		return Packet{Data: b[4 : 4+n], Len: int(wire), Link: c.ifs[0].link}, true, nil
	}
	return Packet{}, false, nil
}

func (c *Capture) options(b []byte, fn func(code uint16, v []byte)) {
	for len(b) >= 4 {
		code, n := c.order.Uint16(b), int(c.order.Uint16(b[2:]))
		if code == 0 || 4+n > len(b) {
			return
		}
		fn(code, b[4:4+n])
		b = b[min(len(b), 4+(n+3)&^3):]
	}
}

// ReadCapture reads a whole capture; it must be of Ethernet.
func ReadCapture(r io.Reader) ([]Packet, error) {
	c, err := OpenCapture(r)
	if err != nil {
		return nil, err
	}
	var out []Packet
	for {
		p, err := c.Next()
		switch {
		case err == io.EOF:
			return out, nil
		case err != nil:
			return nil, err
		case p.Link != LinkEthernet:
			return nil, fmt.Errorf("read packet %d: link type %d, only Ethernet is modelled: %w", c.count, p.Link, ErrCapture)
		}
		out = append(out, p)
	}
}

// CaptureWriter writes a pcap file with nanoseconds.
type CaptureWriter struct{ w io.Writer }

// NewCaptureWriter writes the head of a capture of Ethernet frames.
func NewCaptureWriter(w io.Writer) (*CaptureWriter, error) {
	h := binary.LittleEndian.AppendUint32(nil, 0xa1b23c4d)
	h = binary.LittleEndian.AppendUint16(h, 2)
	h = binary.LittleEndian.AppendUint16(h, 4)
	h = append(h, make([]byte, 8)...)
	h = binary.LittleEndian.AppendUint32(h, maxPacket)
	h = binary.LittleEndian.AppendUint32(h, LinkEthernet)
	if _, err := w.Write(h); err != nil {
		return nil, fmt.Errorf("write capture: %w", err)
	}
	return &CaptureWriter{w}, nil
}

// Write adds a packet.
func (c *CaptureWriter) Write(t uint64, data []byte) error {
	h := binary.LittleEndian.AppendUint32(make([]byte, 0, 16+len(data)), uint32(t/1e9))
	h = binary.LittleEndian.AppendUint32(h, uint32(t%1e9))
	h = binary.LittleEndian.AppendUint32(h, uint32(len(data)))
	h = binary.LittleEndian.AppendUint32(h, uint32(len(data)))
	if _, err := c.w.Write(append(h, data...)); err != nil {
		return fmt.Errorf("write capture: %w", err)
	}
	return nil
}
