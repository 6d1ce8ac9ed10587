// SPDX-License-Identifier: Apache-2.0

package framework

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/modbpf/modbpf/framework/exitcode"
	"github.com/modbpf/modbpf/framework/object"
	"github.com/modbpf/modbpf/internal/conformance"
	"github.com/modbpf/modbpf/internal/kernellab"
	"github.com/modbpf/modbpf/internal/kernellab/guest"
	"github.com/modbpf/modbpf/verifier"
)

// Exact asks the very kernel that the driver is bound for about every program
// that was judged: a Debian kernel of that series, in a guest under QEMU, with
// this binary inside. Where both decide and differ, a reproducer is written.
func (b *Bound) Exact(ctx context.Context, results []*Result, o ExactOptions) ([]*Opinion, error) {
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	if b.Kernel.Name() == "running" {
		return nil, exitcode.Usage.Errorf("ask the running kernel in a guest: name a series the kernel lab has, such as --kernel 7.2")
	}
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	series := b.Kernel.Release().Series()
	o.Progress("preparing kernel " + series)
	g, err := conformance.OpenGuest(ctx, series, kernellab.WithInit(exe))
	if errors.Is(err, kernellab.ErrUnavailable) {
		return nil, exitcode.Unsupported.Errorf("ask kernel %s in a guest: %w", series, err)
	}
	if err != nil {
		return nil, fmt.Errorf("ask kernel %s in a guest: %w", series, err)
	}
	if g.Kernel.Uname != b.Kernel.Uname() {
		b.Notes = append(b.Notes, fmt.Sprintf("the kernel that was asked is %s, the profile is of %s", g.Kernel.Uname, b.Kernel.Uname()))
	}
	elf, err := os.ReadFile(b.Driver.ObjectPath)
	if err != nil {
		return nil, err
	}
	o.Progress("asking kernel " + g.Kernel.Uname)
	s, err := g.Converse(ctx, elf)
	if err != nil {
		return nil, fmt.Errorf("ask kernel %s in a guest: %w", series, err)
	}
	defer s.Close()
	x := &exact{b: b, s: s, uname: g.Kernel.Uname, o: o, contents: map[string][]byte{}}
	for _, m := range b.Object.Maps {
		if m.Map != nil && m.Map.Contents != nil {
			x.contents[m.Map.Name] = m.Map.Contents
		}
	}
	return x.ask(results, elf)
}

// EnterGuest takes over if this process is one that Exact started inside a
// guest, as its first process or as the one that answers; else it returns at
// once. It belongs at the beginning of main.
func EnterGuest() {
	guest.MainIfInit()
	conformance.MaybeServe()
}

// exact is one run of Exact.
type exact struct {
	b        *Bound
	s        *conformance.Session
	uname    string
	o        ExactOptions
	contents map[string][]byte
}

func (x *exact) ask(results []*Result, elf []byte) ([]*Opinion, error) {
	q := conformance.Question{Name: x.b.Object.Object.Name, Contents: x.contents, Verbose: true}
	for _, r := range results {
		q.Programs = append(q.Programs, r.Program)
	}
	answers, err := x.s.Ask(q)
	if err != nil {
		return nil, err
	}
	byName := map[string]conformance.Answer{}
	for _, a := range answers {
		if a.Program == "" {
			return nil, fmt.Errorf("ask kernel %s: %s", x.uname, a.Said.Message)
		}
		byName[a.Program] = a
	}
	var out []*Opinion
	for _, r := range results {
		a, ok := byName[r.Program]
		if !ok {
			continue
		}
		op := &Opinion{
			Program: r.Program, Kernel: x.uname, Verdict: a.Said.Verdict, Message: a.Said.Message, Insn: a.Said.Insn, Processed: a.Said.Processed,
			Differs: differ(r.Verdict, a.Said.Verdict),
		}
		if op.Differs && x.o.Reproducers != "" {
			if op.Reproducer, err = x.reproduce(r, a, elf); err != nil {
				return nil, fmt.Errorf("write reproducer of %s: %w", r.Program, err)
			}
		}
		out = append(out, op)
	}
	return out, nil
}

// differ reports whether two verdicts, both decisions, are not the same.
func differ(ours verifier.Verdict, theirs string) bool {
	switch theirs {
	case "accept":
		return ours == verifier.Reject || ours == verifier.Unsupported
	case "reject", "unsupported":
		return ours == verifier.Accept
	}
	return false
}

func (x *exact) program(name string) *object.BoundProgram { return x.b.Object.Program(name) }
