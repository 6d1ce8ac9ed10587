// SPDX-License-Identifier: Apache-2.0

// Package wire is the language that the lab speaks with the agent in a guest,
// over one virtio-serial port: frames of a type byte, a length and a payload.
// The host sends a Job frame, the bytes of its files, and the program's input;
// the guest answers with output as it comes, the files asked for, and one Exit.
package wire

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// Type is the kind of a frame.
type Type byte

// Kinds of frames.
const (
	Ready    Type = 'R' // guest → host: JSON Hello; sent once after boot and in answer to Ping
	Ping     Type = 'P' // host → guest: are you there? payload is echoed in Ready
	Job      Type = 'J' // host → guest: JSON JobSpec, then Data frames with its files
	Data     Type = 'D' // bytes of the files announced last, in their order
	Stdin    Type = 'I' // host → guest: input; an empty frame is its end
	Stdout   Type = '1'
	Stderr   Type = '2'
	OutFile  Type = 'O' // guest → host: JSON File, then Data frames
	Exit     Type = 'X' // guest → host: JSON Result; the job is over
	maxFrame      = 1 << 20
)

// ErrFrame says that what arrived is no frame.
var ErrFrame = errors.New("malformed frame")

// Hello is what the agent says of itself.
type Hello struct {
	Token  string // what Ping carried
	Uname  string
	Failed []string // modules that could not be loaded at boot, with the reason
}

// File is a file to be written before a job, or read after it.
type File struct {
	Path string
	Mode os.FileMode
	Size int64
}

// JobSpec is one command to run in the guest.
type JobSpec struct {
	Args    []string
	Env     []string
	Dir     string
	Modules []string // loaded, with what they depend on, before the command
	Files   []File   // written before it; their bytes follow in Data frames
	Out     []string // paths (globs) to send back afterwards
	Timeout time.Duration
	Now     time.Time // the guest's clock stood still in a snapshot
	Seed    []byte    // likewise its entropy
}

// Result is how a job ended.
type Result struct {
	Exit     int    // exit code, -1 if killed by a signal or not started
	Signal   string // name of the signal that killed it
	TimedOut bool
	Error    string // why the command could not be run
	Duration time.Duration
}

// Conn sends and receives frames. One goroutine may read while others write.
type Conn struct {
	r  *bufio.Reader
	mu sync.Mutex
	w  io.Writer
}

// NewConn speaks over rw.
func NewConn(rw io.ReadWriter) *Conn { return &Conn{r: bufio.NewReaderSize(rw, 1<<16), w: rw} }

// Send writes one frame.
func (c *Conn) Send(t Type, payload []byte) error {
	if len(payload) > maxFrame {
		return fmt.Errorf("send frame %c: %d bytes: %w", t, len(payload), ErrFrame)
	}
	b := make([]byte, 5+len(payload))
	b[0] = byte(t)
	binary.BigEndian.PutUint32(b[1:], uint32(len(payload)))
	copy(b[5:], payload)
	c.mu.Lock()
	defer c.mu.Unlock()
	_, err := c.w.Write(b)
	return err
}

// SendJSON writes one frame whose payload is v.
func (c *Conn) SendJSON(t Type, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return c.Send(t, b)
}

// SendData writes everything of r in Data frames; it must be size bytes.
func (c *Conn) SendData(r io.Reader, size int64) error {
	buf := make([]byte, maxFrame)
	for size > 0 {
		n, err := io.ReadFull(r, buf[:min(int64(len(buf)), size)])
		if err != nil {
			return err
		}
		if err := c.Send(Data, buf[:n]); err != nil {
			return err
		}
		size -= int64(n)
	}
	return nil
}

// Receive reads one frame. io.EOF means that the other side is gone, or not there yet.
func (c *Conn) Receive() (Type, []byte, error) {
	var h [5]byte
	if _, err := io.ReadFull(c.r, h[:]); err != nil {
		return 0, nil, err
	}
	n := binary.BigEndian.Uint32(h[1:])
	if n > maxFrame {
		return 0, nil, fmt.Errorf("receive frame %q: %d bytes: %w", h[0], n, ErrFrame)
	}
	p := make([]byte, n)
	if _, err := io.ReadFull(c.r, p); err != nil {
		return 0, nil, err
	}
	return Type(h[0]), p, nil
}

// ReceiveData copies size bytes of Data frames to w.
func (c *Conn) ReceiveData(w io.Writer, size int64) error {
	for size > 0 {
		t, p, err := c.Receive()
		if err != nil {
			return err
		}
		if t != Data || int64(len(p)) > size {
			return fmt.Errorf("receive file: frame %c of %d bytes, %d left: %w", t, len(p), size, ErrFrame)
		}
		if _, err := w.Write(p); err != nil {
			return err
		}
		size -= int64(len(p))
	}
	return nil
}
