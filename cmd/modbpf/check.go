// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/modbpf/modbpf/framework"
	"github.com/modbpf/modbpf/framework/exitcode"
	"github.com/modbpf/modbpf/framework/object"
	"github.com/modbpf/modbpf/framework/profile"
	"github.com/modbpf/modbpf/verifier"
)

// verdictLine is one line of check --json: a program and a kernel.
type verdictLine struct {
	Object       string `json:"object"`
	Program      string `json:"program"`
	Section      string `json:"section"`
	Kernel       string `json:"kernel"`
	Verdict      string `json:"verdict"`
	Code         string `json:"code"`
	Message      string `json:"message"`
	File         string `json:"file"`
	Line         int    `json:"line"`
	Source       string `json:"source"`
	Instructions int    `json:"instructions"`
	Processed    int    `json:"processed"`
	WorstCase    *int64 `json:"worst_case"`
	Nanoseconds  int64  `json:"nanoseconds"`
	// Exact is what that kernel itself said; only with --exact.
	Exact *framework.Opinion `json:"exact,omitempty"`
}

type checkFlags struct {
	kernels  []string
	settings []string
	exact    bool
	repro    string
}

func checkCommand(a *app) *cobra.Command {
	var f checkFlags
	c := &cobra.Command{
		Use:   "check [--kernel NAME|FILE|running]... DRIVER.yaml|OBJECT...",
		Short: "Judge drivers for kernels, without those kernels",
		Long: `Judges every program of the drivers and objects for every kernel given, with
modbpf's own verifier, on any system. Verdicts:

  accept       the kernel would take the program
  reject       a rule of that kernel is broken; the code (MBnnnn) names it
  unsupported  that kernel lacks a feature the program needs, which is named
  error        modbpf cannot judge: not built, a limit of its own, or an object
               it cannot read. Never counted as a refusal.

With --json one line is printed for each program and kernel. Without --kernel the
running kernel is asked on Linux, all embedded profiles elsewhere. The exit code is
0 if all are accepted, otherwise that of the worst verdict: not judged before
refused before unsupported. Programs the manifest declares optional do not count.`,
		Example: "  modbpf check driver.yaml\n  modbpf check --kernel 6.12 --kernel 7.3 --json *.bpf.o",
		Args:    atLeast(1, "driver or object"),
		RunE:    func(_ *cobra.Command, args []string) error { return a.check(&f, args) },
	}
	c.Flags().StringArrayVarP(&f.kernels, "kernel", "S", nil, "kernel to judge for: running, a profile (6.12), all, or a file; repeatable")
	c.Flags().StringArrayVarP(&f.settings, "set", "p", nil, "parameter NAME=VALUE to judge with; repeatable")
	c.Flags().BoolVar(&f.exact, "exact", false, "ask also those kernels themselves, in guests under QEMU (Debian kernels by series: 6.12, 6.18, 7.2, 7.3)")
	c.Flags().StringVar(&f.repro, "reproducers", "reproducers", "with --exact: folder for what shows each difference")
	return c
}

// kernels opens the kernels a command names.
func (a *app) kernels(names []string) ([]framework.Kernel, error) {
	if len(names) == 0 {
		names = []string{"running"}
		if runtime.GOOS != "linux" {
			names = profile.Embedded()
		}
	}
	var out []framework.Kernel
	for _, n := range names {
		ks, err := profile.FindAll(n)
		if err != nil {
			return nil, profileError(err)
		}
		for _, k := range ks {
			out = append(out, k)
		}
	}
	return out, nil
}

func (a *app) check(f *checkFlags, paths []string) error {
	kernels, err := a.kernels(f.kernels)
	if err != nil {
		return err
	}
	var all []*framework.Result
	var first error // of a file that could not be judged at all
	p := a.progress("checking", len(paths)*len(kernels))
	defer p.end()
	for _, path := range paths {
		d, err := framework.Load(path)
		if err != nil {
			all = append(all, a.checkFailed(path, "", err))
			if first == nil {
				first = err
			}
			continue
		}
		for _, k := range kernels {
			b, err := d.Bind(k, framework.BindOptions{Settings: f.settings, DefaultMaxEntries: 1})
			if err != nil {
				if exitcode.Of(err) == exitcode.Usage {
					return err
				}
				all = append(all, a.checkFailed(path, k.Name(), err))
				if first == nil {
					first = err
				}
				continue
			}
			_, results, _ := b.Check(framework.CheckOptions{All: true}) // what keeps it from being inserted shows as notes
			opinions := map[string]*framework.Opinion{}
			if f.exact {
				list, err := b.Exact(context.Background(), results, framework.ExactOptions{Reproducers: f.repro, Progress: p.say})
				if err != nil {
					return err
				}
				for _, o := range list {
					opinions[o.Program] = o
				}
			}
			for _, r := range results {
				a.printVerdict(path, k, r, opinions[r.Program])
			}
			if !a.json {
				for _, n := range b.Notes {
					a.printf("  note: %s\n", n)
				}
				if err := b.Unmet(); err != nil && d.Manifest != nil && !told(err, results) {
					a.printf("  note: %v\n", err)
				}
			}
			all = append(all, results...)
			if err := b.Unmet(); err != nil && d.Manifest != nil {
				// A manifest says where the driver goes: a kernel without it is a verdict on the driver.
				all = append(all, unmet(err))
			}
			p.step()
		}
	}
	if first != nil && len(paths) == 1 && len(kernels) == 1 {
		return silent{exitcode.Of(first)}
	}
	if w := framework.Worst(all); w != exitcode.OK {
		return silent{w}
	}
	return nil
}

// unmet turns what a kernel lacks into a verdict that counts for the exit code.
func unmet(err error) *framework.Result {
	r := &framework.Result{Verdict: verifier.NotJudged, Err: err}
	switch exitcode.Of(err) {
	case exitcode.Unsupported:
		r.Verdict = verifier.Unsupported
	case exitcode.Object, exitcode.Verify:
		r.Verdict = verifier.Reject
	}
	return r
}

// checkFailed prints the line of a file that cannot be judged.
func (a *app) checkFailed(path, kernel string, err error) *framework.Result {
	r := &framework.Result{Verdict: verifier.NotJudged, Err: err}
	if a.json {
		_ = a.line(verdictLine{Object: path, Kernel: kernel, Verdict: "error", Message: err.Error()}) // a broken pipe ends the run elsewhere
	} else {
		a.printf("%s: %s\n", a.paint(bold, path), a.paint(yellow, "error"))
		for _, l := range strings.Split(err.Error(), "\n") {
			a.printf("  %s\n", l)
		}
	}
	return r
}

func (a *app) printVerdict(path string, k framework.Kernel, r *framework.Result, exact *framework.Opinion) {
	l := verdictLine{
		Object: path, Program: r.Program, Section: r.Section, Kernel: k.Name(), Verdict: r.Verdict.String(),
		Code: r.Code(), Message: r.Message(), Instructions: r.Instructions, Nanoseconds: r.Nanoseconds, Exact: exact,
	}
	if r.Diagnostic != nil && r.Diagnostic.Line != nil {
		l.File, l.Line, l.Source = r.Diagnostic.Line.File, r.Diagnostic.Line.Line, strings.TrimSpace(r.Diagnostic.Line.Source)
	}
	if r.Checked != nil && r.Verdict == verifier.Accept {
		rep := r.Checked.Report()
		l.Processed = rep.Processed
		if rep.WorstCase >= 0 {
			l.WorstCase = &rep.WorstCase
		}
	}
	if a.json {
		_ = a.line(l) // a broken pipe ends the run elsewhere
		return
	}
	color := map[verifier.Verdict]string{verifier.Accept: green, verifier.Reject: red, verifier.Unsupported: yellow, verifier.NotJudged: yellow}[r.Verdict]
	a.printf("%s  %s  %s: %s", a.paint(dim, path), k.Name(), a.paint(bold, r.Program), a.paint(color, l.Verdict))
	switch {
	case r.Verdict == verifier.Accept:
		a.printf("  %d instructions, %d processed", l.Instructions, l.Processed)
		if l.WorstCase != nil {
			a.printf(", at most %d on a path", *l.WorstCase)
		}
		a.printf("\n")
	case r.Optional:
		a.printf("  left out: %s\n", l.Message)
	default:
		a.printf("\n")
		a.printDiagnostic(r)
	}
	if exact != nil {
		a.printOpinion(exact)
	}
}

// printOpinion prints what the kernel itself said.
func (a *app) printOpinion(o *framework.Opinion) {
	color := green
	if o.Verdict != "accept" {
		color = red
	}
	a.printf("  kernel %s: %s", o.Kernel, a.paint(color, o.Verdict))
	if o.Processed > 0 {
		a.printf("  %d processed", o.Processed)
	}
	if o.Message != "" {
		a.printf("  %s", o.Message)
	}
	a.printf("\n")
	if o.Differs {
		a.printf("  %s", a.paint(red, "the verdicts differ"))
		if o.Reproducer != "" {
			a.printf(": see %s", o.Reproducer)
		}
		a.printf("\n")
	}
}

// printDiagnostic prints why a program was not accepted, the C line, the
// contract and the fix; with -v also the path that leads there.
func (a *app) printDiagnostic(r *framework.Result) {
	d := r.Diagnostic
	if d == nil {
		a.printf("  %s\n", r.Message())
		return
	}
	at := fmt.Sprintf("instruction %d", d.Insn)
	if d.Line != nil {
		at = fmt.Sprintf("%s:%d:%d", d.Line.File, d.Line.Line, d.Line.Column)
	} else if d.Insn < 0 {
		at = "program"
	}
	a.printf("  %s: %s [%s]\n", at, a.paint(bold, d.Message), d.Code)
	if d.Line != nil && strings.TrimSpace(d.Line.Source) != "" {
		a.printf("    %5d | %s\n", d.Line.Line, strings.TrimRight(d.Line.Source, " \t\r\n"))
	}
	if d.Contract != "" {
		a.printf("  rule: %s\n", d.Contract)
	}
	if d.Fix != "" {
		a.printf("  fix:  %s\n", d.Fix)
	}
	if !a.verbose {
		if len(d.Path) > 0 {
			a.printf("  %s\n", a.paint(dim, "-v shows the path that leads here; modbpf explain "+d.Code.String()+" the rule"))
		}
		return
	}
	for _, s := range d.Path {
		way := "not taken"
		if s.Taken {
			way = "taken"
		}
		if s.Line != nil {
			a.printf("  path: %s:%d: %s (%s)\n", s.Line.File, s.Line.Line, strings.TrimSpace(s.Line.Source), way)
		} else {
			a.printf("  path: instruction %d (%s)\n", s.Insn, way)
		}
		if s.State != "" {
			a.printf("        %s\n", s.State)
		}
	}
	if d.Regs != "" {
		a.printf("  registers: %s\n", d.Regs)
	}
}

// printVerdictTo prints a verdict that stands in the way of something, to where errors go.
func (a *app) printVerdictTo(path string, k framework.Kernel, r *framework.Result) {
	b := *a
	b.out = a.err
	b.color = a.color && isTerminal(a.err)
	b.printVerdict(path, k, r, nil)
}

// told reports whether the verdicts have said already what is missing.
func told(err error, results []*framework.Result) bool {
	var m *object.MissingError
	return errors.As(err, &m) && slices.ContainsFunc(results, func(r *framework.Result) bool { return r.Missing != nil && *r.Missing == *m })
}
