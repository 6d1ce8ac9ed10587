// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"sync"
	"time"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/framework/kernel/sys"
	"github.com/modbpf/modbpf/framework/object"
	"github.com/modbpf/modbpf/framework/profile"
	"github.com/modbpf/modbpf/internal/kernellab"
)

// A guest of the kernel lab answers where the machine's own kernel cannot: for
// other releases, and for HID-BPF, queue disciplines, sched_ext, fentry and LSM.
// This very binary runs inside, binds each object to the guest's kernel, loads
// its programs one by one, attaches nothing, and writes a row for each.

// serveArg makes this binary the one that answers inside a guest.
const serveArg = "answer-in-guest"

// MaybeServe turns this process into the answering one if it was started as
// such, and then never returns. It belongs at the beginning of main.
func MaybeServe() {
	if len(os.Args) != 2 || os.Args[1] != serveArg {
		return
	}
	if err := serve(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// Question is an object whose programs a kernel is to judge.
type Question struct {
	Name     string            `json:"name"`
	ELF      []byte            `json:"-"`
	Path     string            `json:"path"`               // in the guest
	Programs []string          `json:"programs,omitempty"` // nil: all
	Contents map[string][]byte `json:"contents,omitempty"` // data sections that differ from the object's own, by map
	Verbose  bool              `json:"verbose,omitempty"`  // keep the whole log
	Insns    []bpf.Insn        `json:"insns,omitempty"`    // to load in place of the (only) program's own
}

// Answer is what the kernel said of one program.
type Answer struct {
	Object  string  `json:"object"`
	Program string  `json:"program"`
	Said    Kernels `json:"said"`
	Log     string  `json:"log,omitempty"`
}

// Verdicts of rows that only say where the answering process is.
const (
	begins = "begins" // with an object
	ends   = "ends"
)

func serve(in io.Reader, out io.Writer) error {
	p, err := profile.Running()
	if err != nil {
		return err
	}
	dec, enc := json.NewDecoder(in), json.NewEncoder(out)
	for {
		var q Question
		if err := dec.Decode(&q); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read question: %w", err)
		}
		if err := answer(&q, p, enc); err != nil {
			return err
		}
		if err := enc.Encode(Answer{Object: q.Name, Said: Kernels{Verdict: ends}}); err != nil {
			return err
		}
	}
}

func answer(q *Question, k *profile.Profile, enc *json.Encoder) error {
	if err := enc.Encode(Answer{Object: q.Name, Said: Kernels{Verdict: begins}}); err != nil {
		return err
	}
	b, err := Bind(q.Path, k)
	if err != nil {
		return enc.Encode(Answer{Object: q.Name, Said: Kernels{Verdict: "cannot", Insn: -1, Message: err.Error()}})
	}
	for _, m := range b.Maps {
		if c, ok := q.Contents[m.Map.Name]; ok && len(c) == len(m.Map.Contents) {
			m.Map.Contents = c
		}
	}
	l := sys.NewLoader(b)
	defer l.Close() //nolint:errcheck // nothing was written through it
	for _, p := range b.Programs {
		if q.Programs != nil && !slices.Contains(q.Programs, p.Spec.Name) {
			continue
		}
		a := Answer{Object: q.Name, Program: p.Spec.Name}
		if p.Err != nil {
			a.Said = Kernels{Verdict: "cannot", Insn: -1, Message: p.Err.Error()}
			if _, ok := object.Missing(p.Err); ok {
				a.Said.Verdict = "unsupported"
			}
		} else {
			if q.Insns != nil {
				other := *p.Program
				other.Insns = q.Insns
				changed := *p
				changed.Program = &other
				p = &changed
			}
			a.Said = ask(l, p, q.Verbose)
			a.Said.Key, a.Log = keyOf(p), a.Said.Log
			if !q.Verbose {
				a.Log = tail(a.Log, 40)
			}
		}
		if err := enc.Encode(a); err != nil {
			return err
		}
	}
	return nil
}

// Guest asks a kernel of the lab.
type Guest struct {
	Lab     *kernellab.Lab
	Kernel  *kernellab.Kernel
	Exe     string // the binary to run inside, this one if empty
	Machine kernellab.Machine
	Restart int // guests that had to be thrown away
}

// OpenGuest finds a kernel of the lab by its series.
func OpenGuest(ctx context.Context, series string, opts ...kernellab.Option) (*Guest, error) {
	lab, err := kernellab.Open(opts...)
	if err != nil {
		return nil, err
	}
	k, err := lab.Kernel(ctx, series)
	if err != nil {
		return nil, err
	}
	return &Guest{Lab: lab, Kernel: k, Machine: kernellab.Machine{Memory: 2048, Modules: guestModules}}, nil
}

// guestModules are loaded in the guest: the modules that offer kfuncs, whose BTF
// embedded profiles have. A kernel without them would refuse what calls them.
var guestModules = append(slices.Clone(kernellab.DefaultModules), "tcp_bbr", "tcp_dctcp", "nf_conntrack", "nf_nat", "nf_flow_table", "xfrm_interface", "fou")

// batch is how many objects go into one guest: it is thrown away afterwards, so
// that nothing one object does to the kernel is seen by many others.
const batch = 25

// Ask puts questions to guests, as many at a time as the lab allows, and calls
// each with every answer, one at a time. A guest that dies takes the object it
// was at with it ("cannot"), and the rest go to a fresh one.
func (g *Guest) Ask(ctx context.Context, questions []Question, each func(Answer)) error {
	exe := g.Exe
	if exe == "" {
		var err error
		if exe, err = os.Executable(); err != nil {
			return err
		}
	}
	work := make(chan []Question)
	var wg sync.WaitGroup
	var mu sync.Mutex
	var first error
	for range min(2, (len(questions)+batch-1)/batch) {
		wg.Go(func() {
			for qs := range work {
				err := g.askBatch(ctx, exe, qs, func(a Answer) {
					mu.Lock()
					defer mu.Unlock()
					each(a)
				})
				mu.Lock()
				if err != nil && first == nil {
					first = err
				}
				mu.Unlock()
			}
		})
	}
	for qs := range slices.Chunk(questions, batch) {
		work <- qs
	}
	close(work)
	wg.Wait()
	return first
}

func (g *Guest) askBatch(ctx context.Context, exe string, qs []Question, each func(Answer)) error {
	for len(qs) > 0 {
		done, err := g.askOnce(ctx, exe, qs, each)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil || done < 0 {
			return err
		}
		// The object it was at is to blame: it was asked and did not end.
		g.Restart++
		each(Answer{Object: qs[done].Name, Said: Kernels{Verdict: "cannot", Insn: -1, Message: "the guest ended: " + err.Error()}})
		qs = qs[done+1:]
	}
	return nil
}

// askOnce runs one guest over questions. done is the index of the question it
// was at when it failed, -1 if it had not come that far.
func (g *Guest) askOnce(ctx context.Context, exe string, qs []Question, each func(Answer)) (done int, err error) {
	job := kernellab.Job{
		Args: []string{"/tmp/answer", serveArg}, Files: map[string]string{"/tmp/answer": exe}, Data: map[string][]byte{},
		Timeout: 10*time.Minute + time.Duration(len(qs))*time.Minute, Machine: g.Machine,
	}
	var in bytes.Buffer
	enc := json.NewEncoder(&in)
	for i := range qs {
		qs[i].Path = path.Join("/tmp/objects", fmt.Sprint(i), path.Base(qs[i].Name)+".o")
		job.Data[qs[i].Path] = qs[i].ELF
		if err := enc.Encode(&qs[i]); err != nil {
			return -1, err
		}
	}
	job.Stdin = &in
	pr, pw := io.Pipe()
	job.Stdout = pw
	done = -1
	read := make(chan error, 1)
	go func() {
		d := json.NewDecoder(bufio.NewReader(pr))
		for {
			var a Answer
			if err := d.Decode(&a); errors.Is(err, io.EOF) {
				read <- nil
				return
			} else if err != nil {
				_ = pr.CloseWithError(err)
				read <- err
				return
			}
			a.Said.Log = a.Log
			if i := slices.IndexFunc(qs, func(q Question) bool { return q.Name == a.Object }); i >= 0 {
				done = i
			}
			if a.Said.Verdict != begins && a.Said.Verdict != ends {
				each(a)
			}
		}
	}()
	res, err := g.Lab.Run(ctx, g.Kernel, job)
	_ = pw.Close() // ends the reader
	if rerr := <-read; err == nil && rerr != nil {
		err = rerr
	}
	if err == nil {
		err = res.Err()
	}
	return done, err
}
