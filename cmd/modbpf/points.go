// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"sort"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/modbpf/modbpf/framework/exitcode"
	"github.com/modbpf/modbpf/framework/points"
	"github.com/modbpf/modbpf/framework/profile"
)

type pointsFlags struct {
	kernel string
	kfunc  string
	diff   bool
}

func pointsCommand(a *app) *cobra.Command {
	var f pointsFlags
	c := &cobra.Command{
		Use:   "points [NAME] | --kfunc PATTERN | --diff FROM TO",
		Short: "List what a driver can be attached to, and call, on a kernel",
		Long: `Lists the extension points of a kernel: struct_ops tables and program hooks; or
shows one in full, with the contract of each slot. --kfunc shows the kernel functions
drivers may call, --diff what changed between two kernels. A point the kernel lacks
is answered too: why, the first release that has it, the option that builds it.`,
		Example: "  modbpf points\n  modbpf points hid_bpf_ops --kernel 7.3\n  modbpf points --kfunc 'hid_*'\n  modbpf points --diff 6.18 7.3",
		RunE:    func(_ *cobra.Command, args []string) error { return a.points(&f, args) },
	}
	c.Flags().StringVarP(&f.kernel, "kernel", "S", "", "kernel to ask about: running (default on Linux), a profile (6.12), or a file")
	c.Flags().StringVar(&f.kfunc, "kfunc", "", "show the kernel functions of these names (a pattern)")
	c.Flags().BoolVar(&f.diff, "diff", false, "say what changed from one kernel to another")
	return c
}

type pointsJSON struct {
	API     string          `json:"api"`
	Kernel  string          `json:"kernel"`
	To      string          `json:"to,omitempty"`
	Points  []points.Point  `json:"points,omitempty"`
	Point   *points.Detail  `json:"point,omitempty"`
	Kfuncs  []points.Kfunc  `json:"kfuncs,omitempty"`
	Changes []points.Change `json:"changes,omitempty"`
}

// pointsKernel opens the kernel that is asked about.
func pointsKernel(name string) (*profile.Profile, error) {
	if name == "" {
		name = "running"
		if p, err := profile.Running(); err == nil {
			return p, nil
		} else if e := profile.Embedded(); len(e) > 0 && errors.Is(err, profile.ErrNoBTF) {
			return nil, profileError(err)
		} else if len(e) > 0 {
			name = e[len(e)-1]
		}
	}
	p, err := profile.Find(name)
	if err != nil {
		return nil, profileError(err)
	}
	return p, nil
}

func (a *app) points(f *pointsFlags, args []string) error {
	switch {
	case f.diff:
		if len(args) != 2 || f.kfunc != "" || f.kernel != "" {
			return exitcode.Usage.Errorf("points --diff: want two kernels, such as 6.18 7.3")
		}
		return a.pointsDiff(args[0], args[1])
	case f.kfunc != "" && len(args) > 0, len(args) > 1:
		return exitcode.Usage.Errorf("points: unexpected argument %q\nsee modbpf points --help", strings.Join(args, " "))
	}
	k, err := pointsKernel(f.kernel)
	if err != nil {
		return err
	}
	if f.kfunc != "" {
		return a.pointsKfuncs(k, f.kfunc)
	}
	if len(args) == 1 {
		return a.pointsShow(k, args[0])
	}
	all := points.List(k)
	if a.json {
		return a.object(pointsJSON{API: api, Kernel: k.Name(), Points: all})
	}
	a.printf("extension points of kernel %s\n\n", k.Uname())
	w := tabwriter.NewWriter(a.out, 0, 8, 2, ' ', 0)
	for _, p := range all {
		state := "yes"
		if !p.Present {
			state = "no: " + p.Why
		} else if p.Module != "" {
			state = "module " + p.Module
		}
		note := p.Doc
		if !p.Contract {
			note = "known from its types alone"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", p.Name, p.Kind, state, note)
	}
	if err := w.Flush(); err != nil {
		return exitcode.IO.Errorf("print: %w", err)
	}
	return nil
}

func (a *app) pointsShow(k *profile.Profile, name string) error {
	d, err := points.Show(k, name)
	if errors.Is(err, points.ErrUnknown) {
		var names []string
		for _, p := range points.List(k) {
			names = append(names, p.Name)
		}
		hint := ""
		if n := nearest(name, names); n != "" {
			hint = fmt.Sprintf(" (did you mean %q?)", n)
		}
		return exitcode.NotFound.Errorf("%w%s", err, hint)
	}
	if err != nil {
		return exitcode.Internal.With(err)
	}
	if a.json {
		return a.object(pointsJSON{API: api, Kernel: k.Name(), Point: d})
	}
	a.field("name", "%s", a.paint(bold, d.Name))
	a.field("kind", "%s", d.Kind)
	a.field("kernel", "%s", k.Uname())
	if !d.Present {
		a.field("present", "no: %s", d.Why)
	}
	if !d.First.IsZero() {
		a.field("since", "%s", d.First.Series())
	}
	for _, r := range [][2]string{{"option", d.Config}, {"module", d.Module}, {"what", d.Doc}, {"rules from", d.File}} {
		if r[1] != "" {
			a.field(r[0], "%s", r[1])
		}
	}
	if d.Kind == points.StructOps {
		a.field("update", "%s", map[bool]string{true: "in one step", false: "no: one has to go before the next comes, or beside it"}[d.Update])
	}
	for _, g := range d.OneOf {
		a.field("one of", "%s", strings.Join(g, ", "))
	}
	a.wrapped("sections", d.Sections)
	a.wrapped("attach types", d.Attach)
	a.wrapped("may sleep", d.Sleeps)
	keys := make([]string, 0, len(d.Returns))
	for r := range d.Returns {
		keys = append(keys, r)
	}
	sort.Strings(keys)
	for _, r := range keys {
		a.field("returns", "%s", strings.TrimSpace(r+" "+d.Returns[r]))
	}
	a.wrapped("capabilities", d.Caps)
	for _, m := range d.Members {
		a.printf("\n%s  %s\n", a.paint(bold, m.Name), m.Need)
		for _, r := range [][2]string{
			{"prototype", m.Prototype},
			{"what", m.Doc},
			{"sleepable", m.Sleepable},
			{"context", m.Context},
			{"holds", strings.Join(m.Holds, ", ")},
			{"arguments", strings.Join(m.Args, "; ")},
			{"since", m.First},
			{"until", m.Last},
			{"helpers", strings.Join(m.Helpers, " ")},
			{"kfuncs", strings.Join(m.Kfuncs, " ")},
		} {
			if r[1] != "" {
				a.field("  "+r[0], "%s", r[1])
			}
		}
	}
	if len(d.Members) > 0 {
		a.printf("\n")
	}
	for _, m := range d.Data {
		a.field("data", "%s", strings.TrimSpace(m.Name+" "+m.Rule+" "+m.Doc))
	}
	a.wrapped("writable", d.Writable)
	for _, c := range d.Context {
		a.field("context", "%s at %d, %d bytes, %s", c.Name, c.Off, c.Size, c.Kind)
	}
	a.wrapped("kfuncs", d.Kfuncs)
	if a.verbose {
		a.wrapped("helpers", d.Helpers)
	} else if len(d.Helpers) > 0 {
		a.field("helpers", "%d, -v lists them", len(d.Helpers))
	}
	return nil
}

// wrapped prints names under one heading, wrapped.
func (a *app) wrapped(name string, items []string) {
	line := ""
	for _, s := range items {
		if len(line)+len(s) > 84 {
			a.field(name, "%s", line)
			line = ""
		}
		line = strings.TrimSpace(line + " " + s)
	}
	if line != "" {
		a.field(name, "%s", line)
	}
}

func (a *app) pointsKfuncs(k *profile.Profile, pattern string) error {
	all, err := points.Kfuncs(k, pattern)
	if err != nil {
		return exitcode.Usage.With(err)
	}
	if a.json {
		return a.object(pointsJSON{API: api, Kernel: k.Name(), Kfuncs: all})
	}
	if len(all) == 0 {
		return exitcode.NotFound.Errorf("no kfunc of any kernel known here matches %q", pattern)
	}
	for i, f := range all {
		if i > 0 {
			a.printf("\n")
		}
		a.printf("%s", a.paint(bold, f.Name))
		if !f.Present {
			a.printf("  not on %s: %s", k.Uname(), f.Why)
		}
		a.printf("\n")
		if f.Prototype != "" {
			a.field("  prototype", "%s", f.Prototype)
		}
		for _, r := range f.Registrations {
			where := strings.Join(append(append([]string{}, r.Programs...), append(r.Tables, r.Slots...)...), " ")
			a.field("  for", "%s", where)
			if len(r.Flags) > 0 {
				a.field("  flags", "%s", strings.Join(r.Flags, " "))
			}
			if a.verbose {
				a.field("  from", "%s (%s)", r.File, r.Set)
			}
		}
	}
	return nil
}

func (a *app) pointsDiff(from, to string) error {
	k1, err := pointsKernel(from)
	if err != nil {
		return err
	}
	k2, err := pointsKernel(to)
	if err != nil {
		return err
	}
	all := points.Diff(k1, k2)
	if a.json {
		return a.object(pointsJSON{API: api, Kernel: k1.Name(), To: k2.Name(), Changes: all})
	}
	mark := map[string]string{"added": "+", "removed": "-", "changed": "~"}
	color := map[string]string{"added": green, "removed": red, "changed": yellow}
	for _, c := range all {
		a.printf("%s %s %s", a.paint(color[c.Change], mark[c.Change]), c.What, c.Name)
		if c.Detail != "" {
			a.printf(": %s", c.Detail)
		}
		a.printf("\n")
	}
	return nil
}
