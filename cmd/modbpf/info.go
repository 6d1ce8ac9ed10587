// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"sort"
	"strings"

	"github.com/spf13/cobra"

	"github.com/modbpf/modbpf/framework"
	"github.com/modbpf/modbpf/framework/exitcode"
	"github.com/modbpf/modbpf/framework/kernel"
)

func infoCommand(a *app) *cobra.Command {
	var list bool
	c := &cobra.Command{
		Use:     "info NAME[/INSTANCE]|DRIVER.yaml|OBJECT",
		Short:   "Show a driver: a file, like modinfo, or what is inserted",
		Long:    "Shows what a manifest and its object, or a bare object, are; or an insertion as the\nkernel has it: programs, maps, links, statistics. With --jit, C lines, BPF\ninstructions and the machine code of the host's engine side by side.",
		Example: "  modbpf info driver.yaml\n  modbpf info huion-dial-2",
		Args:    exactly(1, "driver"),
		RunE: func(_ *cobra.Command, args []string) error {
			if list {
				return a.listing(args[0])
			}
			return a.info(args[0])
		},
	}
	c.Flags().BoolVar(&list, "jit", false, "show the machine code the host makes of a driver's programs")
	return c
}

// listing is info --jit.
func (a *app) listing(path string) error {
	if a.json {
		return exitcode.Usage.Errorf("info --jit prints text only")
	}
	c, err := a.checkedForHost(path, framework.BindOptions{CPUs: cpus()})
	if err != nil {
		return err
	}
	return c.List(a.out)
}

type infoJSON struct {
	API        string             `json:"api"`
	Driver     *framework.Summary `json:"driver,omitempty"`
	Insertions []insertionJSON    `json:"insertions,omitempty"`
}

type insertionJSON struct {
	*kernel.Insertion
	Programs []kernel.ProgramState `json:"programs"`
	Maps     []kernel.MapState     `json:"maps"`
}

func (a *app) info(arg string) error {
	if _, err := os.Stat(arg); err == nil || strings.HasSuffix(arg, ".yaml") || strings.HasSuffix(arg, ".o") {
		d, err := framework.Load(arg)
		if err != nil {
			return err
		}
		s := d.Summary()
		if a.json {
			return a.object(infoJSON{API: api, Driver: s})
		}
		a.printSummary(s)
		return nil
	}
	t, err := a.target(false)
	if err != nil {
		return err
	}
	ins, err := a.find(t, arg)
	if err != nil {
		return err
	}
	out := infoJSON{API: api}
	for _, in := range ins {
		progs, maps, err := t.Contents(in)
		if err != nil {
			return err
		}
		out.Insertions = append(out.Insertions, insertionJSON{in, progs, maps})
	}
	if a.json {
		return a.object(out)
	}
	for i, in := range out.Insertions {
		if i > 0 {
			a.printf("\n")
		}
		a.printInsertion(&in)
	}
	return nil
}

// field prints one line of info the way modinfo does.
func (a *app) field(name, format string, args ...any) {
	a.printf("%-16s%s\n", name+":", fmt.Sprintf(format, args...))
}

func (a *app) printSummary(s *framework.Summary) {
	a.field("name", "%s", s.Name)
	a.field("version", "%s", s.Version)
	if s.Description != "" {
		a.field("description", "%s", s.Description)
	}
	a.field("license", "%s", s.License)
	if s.Manifest != "" {
		a.field("manifest", "%s", s.Manifest)
	}
	a.field("object", "%s", s.Object)
	a.field("sha256", "%s", s.ObjectHash)
	for _, r := range s.Replaces {
		a.field("replaces", "%s", r)
	}
	for _, m := range s.Match {
		a.field("alias", "%s", m)
	}
	for _, p := range s.Points {
		a.field("point", "%s", p)
	}
	for _, p := range s.Parameters {
		def := ""
		if p.Default != "" {
			def = ", default " + p.Default
		}
		a.field("parm", "%s: %s (%s%s)", p.Name, p.Description, p.Type, def)
	}
	if s.Requires != "" {
		a.field("requires", "%s", s.Requires)
	}
	for _, p := range s.Programs {
		opt := ""
		if p.Optional {
			opt = ", optional"
		}
		a.field("program", "%s: section %s, %d instructions%s", p.Name, p.Section, p.Instructions, opt)
	}
	for _, m := range s.Maps {
		a.field("map", "%s: %s, key %d, value %d, %d entries", m.Name, m.Type, m.KeySize, m.ValueSize, m.MaxEntries)
	}
}

func (a *app) printInsertion(in *insertionJSON) {
	a.field("name", "%s", in.Driver)
	a.field("instance", "%s", in.Instance)
	a.field("state", "%s", in.State)
	if in.Problem != "" {
		a.field("problem", "%s", in.Problem)
	}
	a.field("target", "kernel")
	a.field("path", "%s", in.Path)
	if m := in.Meta; m != nil {
		a.field("version", "%s", m.Version)
		a.field("license", "%s", m.License)
		a.field("judge", "%s", m.Judge)
		if m.Device != "" {
			a.field("device", "%s", m.Device)
		}
		a.field("source", "%s", m.Source)
		a.field("sha256", "%s", m.Object)
		a.field("inserted", "%s by modbpf %s", m.Inserted.Format("2006-01-02 15:04:05Z07:00"), m.By)
		names := make([]string, 0, len(m.Parameters))
		for n := range m.Parameters {
			names = append(names, n)
		}
		sort.Strings(names)
		for _, n := range names {
			a.field("parm", "%s=%s", n, m.Parameters[n])
		}
	}
	if in.Previous != nil {
		a.field("before", "%s (rollback returns to it)", in.Previous.Version)
	}
	for _, p := range in.Points {
		a.field("point", "%s (link %d)", pointText(p.Point), p.Link)
		if len(p.Slots) > 0 {
			a.field("slots", "%s", strings.Join(p.Slots, ", "))
		}
	}
	for _, p := range in.Programs {
		s := fmt.Sprintf("%s: id %d, tag %s, %d bytes of machine code", p.Name, p.ID, p.Tag, p.Jited)
		if p.Runs > 0 {
			s += fmt.Sprintf(", %d runs, %d ns each", p.Runs, p.Nanoseconds/p.Runs)
		}
		a.field("program", "%s", s)
	}
	for _, m := range in.Maps {
		a.field("map", "%s: id %d, %s, key %d, value %d, %d entries", m.Name, m.ID, m.Type, m.KeySize, m.ValueSize, m.MaxEntries)
	}
}
