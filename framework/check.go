// SPDX-License-Identifier: Apache-2.0

package framework

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/btf"
	"github.com/modbpf/modbpf/framework/exitcode"
	"github.com/modbpf/modbpf/framework/object"
	"github.com/modbpf/modbpf/verifier"
)

func idOf(in bpf.Insn) btf.ID { return btf.ID(uint32(in.Imm)) }

// Result is the verdict on one program.
type Result struct {
	Program, Section string
	Verdict          verifier.Verdict
	// Checked is set when the program may be inserted.
	Checked *verifier.Checked
	// Diagnostic says why not, Missing what the kernel lacks, Err what kept us
	// from judging. At most one is set.
	Diagnostic *verifier.Diagnostic
	Missing    *object.MissingError
	Err        error
	// Optional: the manifest lets the driver do without this program here.
	Optional bool
	// Needed: an extension point calls it.
	Needed       bool
	Instructions int
	Nanoseconds  int64 // the verdict took

	why string // why the kernel lacks Missing, "" if that is not known
}

// Code is the diagnostic's code, "" without one.
func (r *Result) Code() string {
	if r.Diagnostic == nil {
		return ""
	}
	return r.Diagnostic.Code.String()
}

// Message is why the program was not accepted, in one line.
func (r *Result) Message() string {
	switch {
	case r.Diagnostic != nil:
		return r.Diagnostic.Message
	case r.Missing != nil:
		return r.Missing.Error() + r.why
	case r.Err != nil:
		return r.Err.Error()
	}
	return ""
}

// CheckOptions tune Check.
type CheckOptions struct {
	// KernelVerdict: what our verifier does not accept is left to the kernel.
	KernelVerdict bool
	// All judges every program of the object, not only those the driver needs.
	All bool
	// Facts are collected for the host's JIT.
	Facts bool
	// NoWorst saves the time the longest path takes to find.
	NoWorst bool
	// Log makes a log of the walk for a program; nil for none.
	Log func(program string) *verifier.Log
	// Done is called as each verdict falls, from several goroutines.
	Done func(*Result)
}

// Checked is a driver that may be inserted: each program it needs is proven, or
// the user insisted that the kernel decide.
type Checked struct {
	bound    *Bound
	programs map[string]*verifier.Checked
	judge    verifier.Judge
}

// Bound is the driver and the kernel the verdict is about.
func (c *Checked) Bound() *Bound { return c.bound }

// Judge is who decided: our verifier, or for any of the programs the kernel alone.
func (c *Checked) Judge() verifier.Judge { return c.judge }

// Program is the verdict on one program, nil if the driver does not need it.
func (c *Checked) Program(name string) *verifier.Checked { return c.programs[name] }

// Check judges the driver's programs, several at a time. Checked is nil if the
// driver may not be inserted; then the error, if there is one, says why apart
// from the verdicts.
func (b *Bound) Check(o CheckOptions) (*Checked, []*Result, error) {
	var todo []*object.BoundProgram
	needed := b.allNeeded()
	for _, p := range b.Object.Programs {
		if o.All || needed[p.Spec.Name] {
			todo = append(todo, p)
		}
	}
	results := make([]*Result, len(todo))
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(todo)) {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(todo) {
					return
				}
				results[i] = b.judge(todo[i], &o)
				results[i].Needed = needed[todo[i].Spec.Name]
				if o.Done != nil {
					o.Done(results[i])
				}
			}
		})
	}
	wg.Wait()
	if b.pointErr != nil {
		return nil, results, b.pointErr
	}
	c := &Checked{bound: b, programs: map[string]*verifier.Checked{}, judge: verifier.JudgeVerifier}
	for _, r := range results {
		if !r.Needed || r.Optional {
			continue
		}
		if r.Checked == nil {
			return nil, results, nil
		}
		if r.Checked.Judge() == verifier.JudgeKernel {
			c.judge = verifier.JudgeKernel
		}
		if err := b.allowed(r.Checked.Program()); err != nil {
			return nil, results, err
		}
		c.programs[r.Program] = r.Checked
	}
	return c, results, nil
}

// allNeeded are the programs the extension points call, those that program
// arrays hold, and the probe program.
func (b *Bound) allNeeded() map[string]bool {
	out := map[string]bool{}
	for n := range b.needed {
		out[n] = true
	}
	for _, m := range b.Object.Maps {
		for _, s := range m.Slots {
			if s.Prog != "" {
				out[s.Prog] = true
			}
		}
	}
	if p := b.probe(); p != "" {
		out[p] = true
	}
	return out
}

// probe is the program that is asked whether the driver wants a device, by the
// convention of the kernel's drivers/hid/bpf.
func (b *Bound) probe() string {
	p := b.Driver.Object.Program("probe")
	if p == nil || p.Def.Type != bpf.ProgSyscall || !b.bindsHID() {
		return ""
	}
	return p.Name
}

func (b *Bound) bindsHID() bool {
	for i := range b.points {
		if b.points[i].Table == "hid_bpf_ops" {
			return true
		}
	}
	return false
}

// judge gives the verdict on one program.
func (b *Bound) judge(bp *object.BoundProgram, o *CheckOptions) *Result {
	r := &Result{Program: bp.Spec.Name, Section: bp.Spec.Section, Instructions: bp.Spec.Instructions()}
	_, r.Optional = b.absent[bp.Spec.Name]
	if bp.Err != nil {
		if miss, ok := object.Missing(bp.Err); ok {
			r.Verdict, r.Missing = verifier.Unsupported, miss
			if miss.Feature == object.FeatureStructOps {
				r.why = Whence(miss.Name, b.Kernel)
			}
		} else {
			r.Verdict, r.Err = verifier.NotJudged, bp.Err
		}
		return r
	}
	r.Instructions = len(bp.Program.Insns)
	opts := verifier.Options{Facts: o.Facts, NoWorst: o.NoWorst}
	if o.Log != nil {
		opts.Log = o.Log(r.Program)
	}
	start := time.Now()
	c, diag := verifier.Verify(bp.Program, b.Kernel, opts)
	r.Nanoseconds = time.Since(start).Nanoseconds()
	if diag == nil {
		r.Verdict, r.Checked = verifier.Accept, c
		return r
	}
	r.Verdict, r.Diagnostic = diag.Verdict, diag
	if o.KernelVerdict && diag.Verdict != verifier.Unsupported {
		r.Checked = verifier.KernelJudged(bp.Program)
	}
	return r
}

// Refusal is the error of a driver whose programs are not all accepted.
type Refusal struct {
	Driver  string
	Kernel  string
	Results []*Result // those that count against it
}

func (e *Refusal) Error() string {
	if len(e.Results) == 0 {
		return fmt.Sprintf("driver %s may not be inserted into %s", e.Driver, e.Kernel)
	}
	r := e.Results[0]
	s := fmt.Sprintf("program %s: %s", r.Program, r.Message())
	if r.Diagnostic != nil {
		s = fmt.Sprintf("program %s: %v", r.Program, r.Diagnostic)
	}
	if n := len(e.Results) - 1; n > 0 {
		s += fmt.Sprintf(" (and %d more)", n)
	}
	return s
}

// verdictExit orders verdicts from worst to best and gives each its exit code.
var verdictExit = []struct {
	verdict verifier.Verdict
	code    exitcode.Code
}{
	{verifier.NotJudged, exitcode.NotJudged},
	{verifier.Reject, exitcode.Verify},
	{verifier.Unsupported, exitcode.Unsupported},
}

// Worst is the exit code of a set of verdicts: not judged before refused before
// unsupported. Programs the driver can do without do not count.
func Worst(results []*Result) exitcode.Code {
	for _, row := range verdictExit {
		for _, r := range results {
			if !r.Optional && r.Verdict == row.verdict {
				return row.code
			}
		}
	}
	return exitcode.OK
}

// Refuse makes the error for a driver that Check did not let through.
func (b *Bound) Refuse(results []*Result) error {
	e := &Refusal{Driver: b.Driver.Name(), Kernel: b.Kernel.Uname()}
	var counted []*Result
	for _, r := range results {
		if r.Needed && !r.Optional && r.Checked == nil {
			counted = append(counted, r)
		}
	}
	e.Results = counted
	code := Worst(counted)
	if code == exitcode.OK {
		code = exitcode.Internal
	}
	return code.With(e)
}

// ErrHostRefuses: the host runs only what our verifier proved.
var ErrHostRefuses = exitcode.NotJudged.With(errors.New("the host runs only what modbpf's own verifier proved: --kernel-verdict is for the kernel target"))
