// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/modbpf/modbpf/internal/kernellab"
)

// Session is a conversation with one guest about one object: for few questions
// whose next depends on the last answer.
type Session struct {
	vm   *kernellab.VM
	in   *io.PipeWriter
	enc  *json.Encoder
	dec  *json.Decoder
	out  *io.PipeReader
	over chan error
	path string
}

// Converse starts a guest that knows an object.
func (g *Guest) Converse(ctx context.Context, elf []byte) (*Session, error) {
	exe := g.Exe
	if exe == "" {
		var err error
		if exe, err = os.Executable(); err != nil {
			return nil, err
		}
	}
	vm, err := g.Lab.Start(ctx, g.Kernel, g.Machine)
	if err != nil {
		return nil, err
	}
	inR, inW := io.Pipe()
	outR, outW := io.Pipe()
	s := &Session{vm: vm, in: inW, enc: json.NewEncoder(inW), out: outR, dec: json.NewDecoder(outR), over: make(chan error, 1), path: "/tmp/object.o"}
	go func() {
		res, err := vm.Run(ctx, kernellab.Job{
			Args: []string{"/tmp/answer", serveArg}, Files: map[string]string{"/tmp/answer": exe}, Data: map[string][]byte{s.path: elf},
			Stdin: inR, Stdout: outW, Timeout: 30 * time.Minute,
		})
		if err == nil {
			err = res.Err()
		}
		if err == nil {
			err = io.EOF
		}
		_ = outW.CloseWithError(err)
		_ = inR.CloseWithError(err)
		s.over <- err
	}()
	return s, nil
}

// Ask puts one question about the object.
func (s *Session) Ask(q Question) ([]Answer, error) {
	q.Path = s.path
	if err := s.enc.Encode(&q); err != nil {
		return nil, fmt.Errorf("ask guest: %w", err)
	}
	var out []Answer
	for {
		var a Answer
		if err := s.dec.Decode(&a); err != nil {
			return nil, fmt.Errorf("ask guest: %w", err)
		}
		switch a.Said.Verdict {
		case begins:
		case ends:
			return out, nil
		default:
			a.Said.Log = a.Log
			out = append(out, a)
		}
	}
}

// Close ends the guest.
func (s *Session) Close() {
	_ = s.in.Close()
	s.vm.Close()
	_ = s.out.Close()
	<-s.over
}
