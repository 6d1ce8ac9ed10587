// SPDX-License-Identifier: Apache-2.0

package kernellab

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/modbpf/modbpf/internal/kernellab/wire"
)

// Job is one command to run in a guest.
type Job struct {
	Args    []string          // the command; its program must be in Files, or a tool of the guest
	Env     []string          // beyond the guest's own
	Dir     string            // working folder, /tmp if empty
	Modules []string          // loaded before it, with what they need
	Files   map[string]string // guest path → host file, put there before it
	Data    map[string][]byte // guest path → contents, likewise
	Out     []string          // guest paths (globs) to bring back
	Stdin   io.Reader
	Stdout  io.Writer     // in addition to Result.Stdout
	Stderr  io.Writer     // in addition to Result.Stderr
	Timeout time.Duration // 5 minutes if zero
	Machine Machine       // for Run
}

// Result is how a job ended.
type Result struct {
	wire.Result
	Stdout, Stderr []byte
	Files          map[string][]byte // what Out matched
	Console        string            // the end of what the guest's kernel printed
	Total          time.Duration     // restore included, for Run
}

// Err is nil if the command ended with exit code 0, else an error with all that
// is known.
func (r *Result) Err() error {
	what := ""
	switch {
	case r.Error != "":
		what = r.Error
	case r.TimedOut:
		what = "timed out"
	case r.Signal != "":
		what = "killed by " + r.Signal
	case r.Exit != 0:
		what = fmt.Sprintf("exit code %d", r.Exit)
	default:
		return nil
	}
	return fmt.Errorf("run in guest: %s\nstdout:\n%s\nstderr:\n%s\nconsole:\n%s", what, r.Stdout, r.Stderr, r.Console)
}

// Run restores a guest, runs one job in it, and throws the guest away.
func (l *Lab) Run(ctx context.Context, k *Kernel, job Job) (*Result, error) {
	start := time.Now()
	vm, err := l.Start(ctx, k, job.Machine)
	if err != nil {
		return nil, err
	}
	defer vm.Close()
	r, err := vm.Run(ctx, job)
	if err != nil {
		return nil, err
	}
	r.Total = time.Since(start)
	return r, nil
}

// Run runs one job in this guest. What it changes there stays for the next.
func (vm *VM) Run(ctx context.Context, job Job) (*Result, error) {
	if job.Timeout == 0 {
		job.Timeout = 5 * time.Minute
	}
	if len(job.Args) == 0 {
		return nil, errors.New("run in guest: no command")
	}
	ctx, cancel := context.WithTimeout(ctx, job.Timeout+time.Minute)
	defer cancel()
	defer vm.deadline(ctx)()
	if err := vm.sendJob(job); err != nil {
		return nil, vm.failed(ctx, "send job to guest", err)
	}
	// Input flows beside output; its end is told when the program ends at the latest.
	inputDone := make(chan error, 1)
	stopInput := make(chan struct{})
	go func() { inputDone <- vm.sendInput(job.Stdin, stopInput) }()
	res, err := vm.receive(job)
	close(stopInput)
	if err != nil {
		return nil, vm.failed(ctx, "run in guest", err)
	}
	if err := <-inputDone; err != nil {
		return nil, vm.failed(ctx, "send input to guest", err)
	}
	res.Console = vm.Console()
	return res, nil
}

func (vm *VM) sendJob(job Job) error {
	seed := make([]byte, 64)
	if _, err := rand.Read(seed); err != nil {
		return err
	}
	spec := wire.JobSpec{
		Args: job.Args, Env: job.Env, Dir: job.Dir, Modules: job.Modules, Out: job.Out,
		Timeout: job.Timeout, Now: time.Now(), Seed: seed,
	}
	var bodies []io.Reader
	for to, from := range job.Files {
		f, err := os.Open(from)
		if err != nil {
			return err
		}
		defer f.Close()
		st, err := f.Stat()
		if err != nil {
			return err
		}
		spec.Files = append(spec.Files, wire.File{Path: to, Mode: st.Mode().Perm(), Size: st.Size()})
		bodies = append(bodies, f)
	}
	for to, b := range job.Data {
		spec.Files = append(spec.Files, wire.File{Path: to, Mode: 0o755, Size: int64(len(b))})
		bodies = append(bodies, bytes.NewReader(b))
	}
	if err := vm.conn.SendJSON(wire.Job, spec); err != nil {
		return err
	}
	for i, f := range spec.Files {
		if err := vm.conn.SendData(bodies[i], f.Size); err != nil {
			return fmt.Errorf("%s: %w", f.Path, err)
		}
	}
	return nil
}

// sendInput copies r to the guest until it ends or the program has.
func (vm *VM) sendInput(r io.Reader, stop <-chan struct{}) error {
	if r != nil {
		type chunk struct {
			b   []byte
			err error
		}
		chunks := make(chan chunk)
		go func() {
			for {
				b := make([]byte, 32<<10)
				n, err := r.Read(b)
				select {
				case chunks <- chunk{b[:n], err}:
				case <-stop:
					return
				}
				if err != nil {
					return
				}
			}
		}()
	copying:
		for {
			select {
			case c := <-chunks:
				if len(c.b) > 0 {
					if err := vm.conn.Send(wire.Stdin, c.b); err != nil {
						return err
					}
				}
				if errors.Is(c.err, io.EOF) {
					break copying
				}
				if c.err != nil {
					return c.err
				}
			case <-stop:
				break copying
			}
		}
	}
	return vm.conn.Send(wire.Stdin, nil)
}

func (vm *VM) receive(job Job) (*Result, error) {
	res := &Result{Files: map[string][]byte{}}
	for {
		t, p, err := vm.conn.Receive()
		if err != nil {
			return nil, err
		}
		switch t {
		case wire.Stdout:
			res.Stdout = append(res.Stdout, p...)
			err = tee(job.Stdout, p)
		case wire.Stderr:
			res.Stderr = append(res.Stderr, p...)
			err = tee(job.Stderr, p)
		case wire.OutFile:
			var f wire.File
			if err := json.Unmarshal(p, &f); err != nil {
				return nil, err
			}
			var b bytes.Buffer
			err = vm.conn.ReceiveData(&b, f.Size)
			res.Files[f.Path] = b.Bytes()
		case wire.Exit:
			return res, json.Unmarshal(p, &res.Result)
		case wire.Ready: // of an earlier greeting
		default:
			return nil, fmt.Errorf("unexpected frame %c", t)
		}
		if err != nil {
			return nil, err
		}
	}
}

func tee(w io.Writer, b []byte) error {
	if w == nil {
		return nil
	}
	_, err := w.Write(b)
	return err
}
