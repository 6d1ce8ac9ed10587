// SPDX-License-Identifier: Apache-2.0

// Package play sends a recording through a device and the drivers attached to
// it, and compares what comes out with what is expected.
package play

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/modbpf/modbpf/framework/host/hid"
	"github.com/modbpf/modbpf/framework/host/hid/descriptor"
	"github.com/modbpf/modbpf/framework/host/hid/recording"
)

// Step is one report of the recording and what became of it.
type Step struct {
	Time    time.Duration
	In      []byte
	Out     [][]byte // reports delivered, injected ones included
	Dropped error    // why the report itself was not delivered, nil if it was
}

// Result is a whole run.
type Result struct {
	Device        *recording.Device
	Before, After []byte // descriptor
	Unparsed      error  // why the descriptor after the driver cannot be parsed
	Name          string // of the device, as drivers left it
	Steps         []Step
}

// Run plays rec through dev, to which the drivers are attached already.
// It takes over dev.Deliver.
func Run(dev *hid.Device, rec *recording.Device) (*Result, error) {
	r := &Result{Device: rec, Before: dev.Stock(), Name: dev.Name()}
	r.After, r.Unparsed = dev.Current()
	var step *Step
	dev.Deliver = func(report []byte) { step.Out = append(step.Out, slices.Clone(report)) }
	defer func() { dev.Deliver = nil }()
	for _, e := range rec.Events {
		r.Steps = append(r.Steps, Step{Time: e.Time, In: e.Data})
		step = &r.Steps[len(r.Steps)-1]
		err := dev.Input(descriptor.Input, e.Data)
		if no := hid.Errno(0); err != nil && !errors.As(err, &no) {
			return r, fmt.Errorf("play report of line %d: %w", e.Line, err)
		}
		step.Dropped = err
	}
	return r, nil
}

// Expected prints the run in the format of the file beside a recording: the
// device as it now is, and every report it now sends. Drops are comments.
func (r *Result) Expected(driver string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# what %s makes of the recording beside this file (modbpf test -update)\n", driver)
	if r.Unparsed != nil {
		fmt.Fprintf(&b, "# the kernel would refuse this descriptor: %v\n", r.Unparsed)
	}
	d := r.Device
	fmt.Fprintf(&b, "D: %d\nR: %d % x\nN: %s\nP: %s\nI: %x %04x %04x\n", d.Index, len(r.After), r.After, r.Name, d.Phys, d.Bus, d.Vendor, d.Product)
	for _, s := range r.Steps {
		for _, out := range s.Out {
			if err := recording.WriteEvent(&b, recording.Event{Time: s.Time, Data: out}); err != nil {
				return b.String() // a strings.Builder does not fail
			}
		}
		if s.Dropped != nil {
			fmt.Fprintf(&b, "# %06d.%06d dropped: %v\n", s.Time/time.Second, s.Time%time.Second/time.Microsecond, s.Dropped)
		}
	}
	return b.String()
}

// Print shows the run to a person: what changed in the descriptor, and each
// report before and after in words.
func (r *Result) Print(w io.Writer) error {
	p := &printer{w: w}
	p.f("device  %s (%04x:%04x)\n", r.Device.Name, r.Device.Vendor, r.Device.Product)
	before, _ := descriptor.Parse(r.Before)
	after, _ := descriptor.Parse(r.After)
	if diff := descriptor.Diff(r.Before, r.After, 2); diff == "" {
		p.f("descriptor unchanged (%d bytes)\n", len(r.Before))
	} else {
		p.f("descriptor rewritten (%d -> %d bytes)\n%s", len(r.Before), len(r.After), indent(diff, "  "))
	}
	if r.Unparsed != nil {
		p.f("the kernel would refuse it: %v\n", r.Unparsed)
	}
	for _, s := range r.Steps {
		p.f("%9.3fs  sent  % x  %s\n", s.Time.Seconds(), s.In, words(before, s.In))
		for _, out := range s.Out {
			p.f("%10s  got   % x  %s\n", "", out, words(after, out))
		}
		if s.Dropped != nil {
			p.f("%10s  dropped (%v)\n", "", s.Dropped)
		}
	}
	return p.err
}

func words(d *descriptor.Descriptor, report []byte) string {
	if d == nil {
		return ""
	}
	return "[" + d.Summary(descriptor.Input, report) + "]"
}

type printer struct {
	w   io.Writer
	err error
}

func (p *printer) f(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format, args...)
	}
}

func indent(s, by string) string {
	return by + strings.ReplaceAll(strings.TrimSuffix(s, "\n"), "\n", "\n"+by) + "\n"
}

// Compare returns a readable difference between the expected file's text and
// what was got, "" if they agree. The first line is a comment and not compared.
func Compare(want, got string) string {
	w, g := lines(want), lines(got)
	var out strings.Builder
	for i := range max(len(w), len(g)) {
		var a, b string
		if i < len(w) {
			a = w[i]
		}
		if i < len(g) {
			b = g[i]
		}
		if a == b {
			continue
		}
		if strings.HasPrefix(a, "R:") && strings.HasPrefix(b, "R:") {
			if d := descriptorDiff(a, b); d != "" {
				out.WriteString(d)
				continue
			}
		}
		if a != "" {
			fmt.Fprintf(&out, "- %s\n", a)
		}
		if b != "" {
			fmt.Fprintf(&out, "+ %s\n", b)
		}
	}
	return out.String()
}

func lines(s string) []string {
	l := strings.Split(strings.TrimSpace(s), "\n")
	if len(l) > 0 && strings.HasPrefix(l[0], "#") {
		l = l[1:]
	}
	return l
}

func descriptorDiff(a, b string) string {
	da, errA := recording.Read(strings.NewReader(a+"\n"), "want")
	db, errB := recording.Read(strings.NewReader(b+"\n"), "got")
	if errA != nil || errB != nil {
		return ""
	}
	return "descriptor (- expected, + got):\n" + descriptor.Diff(da[0].Descriptor, db[0].Descriptor, 2)
}
