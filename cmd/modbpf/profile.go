// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"sort"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/modbpf/modbpf/framework/exitcode"
	"github.com/modbpf/modbpf/framework/profile"
)

func profileCommand(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "profile list|show|add|remove",
		Short: "Kernel profiles: what verdicts are made from",
		Long: `A profile is all a verdict needs to know of a kernel: types, configuration, exported
symbols. The running kernel is one, others are inside the program, and any other is
added from a distribution's kernel packages, a bzImage, a vmlinux or raw BTF.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(
		&cobra.Command{Use: "list", Short: "List the profiles", Args: exactly(0, ""), RunE: func(*cobra.Command, []string) error { return a.profileList() }},
		&cobra.Command{Use: "show NAME", Short: "Show one profile", Args: exactly(1, "profile"), RunE: func(_ *cobra.Command, args []string) error { return a.profileShow(args[0]) }},
		a.profileAddCommand(),
		&cobra.Command{Use: "remove NAME", Short: "Remove an added profile", Args: exactly(1, "profile"), RunE: func(_ *cobra.Command, args []string) error {
			if err := profile.Remove(args[0]); err != nil {
				return profileError(err)
			}
			return nil
		}},
	)
	return c
}

func (a *app) profileAddCommand() *cobra.Command {
	var o profile.ExtractOptions
	c := &cobra.Command{
		Use:   "add FILE...",
		Short: "Add a profile from the files of one kernel",
		Long: `Makes a profile from the files of one kernel: Debian packages (linux-image, or
linux-binary with linux-modules), a bzImage, a vmlinux with BTF, raw BTF; beside them
a config, Module.symvers and module BTF, where the package does not hold them.`,
		Example: "  modbpf profile add linux-image-6.12.95-amd64.deb\n  modbpf profile add --release 6.6.30 vmlinux.btf config-6.6.30",
		Args:    atLeast(1, "file"),
		RunE:    func(_ *cobra.Command, args []string) error { return a.profileAdd(args, o) },
	}
	c.Flags().StringVar(&o.Release, "release", "", "the kernel's release, for files that do not tell (raw BTF)")
	return c
}

type profilesJSON struct {
	API      string         `json:"api"`
	Profiles []profile.Info `json:"profiles"`
}

func (a *app) profileAdd(files []string, o profile.ExtractOptions) error {
	p := a.progress("reading packages, MB", 0)
	o.Progress = func(done, total int64) {
		p.mu.Lock()
		p.done, p.total = int(done>>20), int(total>>20)
		p.mu.Unlock()
	}
	i, err := profile.Add(files, o)
	p.end()
	if err != nil {
		return profileError(err)
	}
	if a.json {
		return a.object(profilesJSON{api, []profile.Info{*i}})
	}
	a.printf("added %s: %d modules, %d options, %d exported symbols, %d KB\n", i.Uname, i.Modules, i.Config, i.Exports, i.Bytes>>10)
	for _, s := range i.Skipped {
		a.say("note: left out %s", s)
	}
	return nil
}

func (a *app) profileList() error {
	all, err := profile.List()
	if err != nil {
		return profileError(err)
	}
	if a.json {
		if all == nil {
			all = []profile.Info{}
		}
		return a.object(profilesJSON{api, all})
	}
	w := tabwriter.NewWriter(a.out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tRELEASE\tFROM\tMODULES\tOPTIONS\tEXPORTS\tKB")
	for _, i := range all {
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\t%d\t%d\n", i.Name, i.Uname, i.Origin.Kind, i.Modules, i.Config, i.Exports, i.Bytes>>10)
	}
	if err := w.Flush(); err != nil {
		return exitcode.IO.Errorf("print: %w", err)
	}
	return nil
}

func (a *app) profileShow(name string) error {
	p, err := profile.Find(name)
	if err != nil {
		return profileError(err)
	}
	out := profileJSON{API: api, Name: p.Name(), Uname: p.Uname(), Release: p.Release().String(), Origin: p.Origin(), Types: p.BTF().NumTypes(), Modules: p.Modules()}
	sort.Strings(out.Modules)
	if c, err := p.KernelConfig(); err == nil {
		out.Options = c.Len()
	}
	if s, err := p.Symbols(); err == nil {
		out.Exports = s.Len()
	}
	if a.json {
		return a.object(out)
	}
	a.field("name", "%s", out.Name)
	a.field("release", "%s", out.Uname)
	a.field("origin", "%s", out.Origin.Kind)
	for _, pk := range out.Origin.Packages {
		a.field("package", "%s %s", pk.Name, pk.Version)
		a.field("sha256", "%s", pk.SHA256)
	}
	if out.Origin.File != "" {
		a.field("file", "%s", out.Origin.File)
		a.field("sha256", "%s", out.Origin.SHA256)
	}
	a.field("types", "%d", out.Types)
	a.field("options", "%d", out.Options)
	a.field("exports", "%d", out.Exports)
	a.field("modules", "%d", len(out.Modules))
	if a.verbose {
		a.printf("%s\n", strings.Join(out.Modules, "\n"))
	}
	return nil
}

type profileJSON struct {
	API     string         `json:"api"`
	Name    string         `json:"name"`
	Uname   string         `json:"uname"`
	Release string         `json:"release"`
	Origin  profile.Origin `json:"origin"`
	Types   int            `json:"types"`
	Options int            `json:"options"` // 0: not known
	Exports int            `json:"exports"` // 0: not known
	Modules []string       `json:"modules"`
}
