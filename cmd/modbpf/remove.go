// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/modbpf/modbpf/framework/exitcode"
	"github.com/modbpf/modbpf/framework/hostproc"
	"github.com/modbpf/modbpf/framework/kernel"
	"github.com/modbpf/modbpf/framework/manifest"
)

func removeCommand(a *app) *cobra.Command {
	var all, show bool
	c := &cobra.Command{
		Use:     "remove NAME[/INSTANCE]|DRIVER.yaml...",
		Aliases: []string{"rm"},
		Short:   "Take drivers out of the kernel or the host",
		Long: `Takes insertions out: all instances of a driver, or one. With -a everything that
modbpf inserted.`,
		Example: "  modbpf remove huion-dial-2\n  modbpf remove huion-dial-2/0003_256C_0060_0001",
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 && !all {
				return exitcode.Usage.Errorf("remove: driver missing\nsee modbpf remove --help")
			}
			return a.remove(args, all, show)
		},
	}
	c.Flags().BoolVarP(&all, "all", "a", false, "remove every insertion")
	c.Flags().BoolVarP(&show, "show", "n", false, "say what would be done and do nothing")
	return c
}

type removeJSON struct {
	API     string              `json:"api"`
	Shown   bool                `json:"shown"` // nothing was done
	Removed []*kernel.Insertion `json:"removed"`
	Host    []*hostproc.Status  `json:"host"` // taken out of the host
}

// splitName reads NAME[/INSTANCE], or the name out of a manifest.
func splitName(arg string) (driver, instance string, err error) {
	if strings.HasSuffix(arg, ".yaml") || strings.HasSuffix(arg, ".yml") {
		if _, serr := os.Stat(arg); serr == nil {
			m, err := manifest.Load(arg)
			if err != nil {
				return "", "", exitcode.Manifest.With(err)
			}
			return m.Name, "", nil
		}
	}
	driver, instance, _ = strings.Cut(arg, "/")
	if driver == "" || strings.ContainsAny(instance, "/\x00") {
		return "", "", exitcode.Usage.Errorf("%q is no driver's name", arg)
	}
	return driver, instance, nil
}

// find reads the insertions an argument means.
func (a *app) find(t *kernel.Target, arg string) ([]*kernel.Insertion, error) {
	driver, instance, err := splitName(arg)
	if err != nil {
		return nil, err
	}
	ins, err := t.Insertions(driver)
	if err != nil {
		return nil, err
	}
	var out []*kernel.Insertion
	for _, i := range ins {
		if instance == "" || i.Instance == instance {
			out = append(out, i)
		}
	}
	if len(out) == 0 {
		all, err := t.List()
		if err != nil {
			return nil, err
		}
		var names []string
		for _, i := range all {
			names = append(names, i.Driver)
		}
		hint := ""
		if n := nearest(driver, names); n != "" && n != driver {
			hint = fmt.Sprintf(" (did you mean %q?)", n)
		}
		return nil, fmt.Errorf("%s: %w%s", arg, kernel.ErrNotInserted, hint)
	}
	return out, nil
}

// removeHosted takes the named drivers out of the host and returns the names
// that are not there.
func (a *app) removeHosted(args []string, all, show bool, out *removeJSON) (rest []string, err error) {
	hosted, err := hostproc.List()
	if err != nil {
		return nil, err
	}
	take := map[string]bool{}
	for _, arg := range args {
		name, instance, err := splitName(arg)
		if err != nil {
			return nil, err
		}
		there := instance == "" && slices.ContainsFunc(hosted, func(s *hostproc.Status) bool { return s.Driver == name })
		if there {
			take[name] = true
		} else {
			rest = append(rest, arg)
		}
	}
	for _, st := range hosted {
		if !all && !take[st.Driver] {
			continue
		}
		verb := "would remove"
		if !show {
			if st, err = hostproc.Remove(st.Driver); err != nil {
				return nil, err
			}
			verb = "removed"
		}
		out.Host = append(out.Host, st)
		if !a.json {
			a.printf("%s %s from the host\n", verb, st.Driver)
		}
	}
	return rest, nil
}

func (a *app) remove(args []string, all, show bool) error {
	out := removeJSON{API: api, Shown: show, Removed: []*kernel.Insertion{}, Host: []*hostproc.Status{}}
	args, err := a.removeHosted(args, all, show, &out)
	if err != nil {
		return err
	}
	if len(args) == 0 && !all {
		if a.json {
			return a.object(out)
		}
		return nil
	}
	t, err := a.target(false)
	if err != nil {
		return err
	}
	var todo []*kernel.Insertion
	if all {
		if todo, err = t.List(); err != nil {
			return err
		}
	}
	for _, arg := range args {
		ins, err := a.find(t, arg)
		if err != nil {
			return err
		}
		todo = append(todo, ins...)
	}
	var errs []error
	for _, in := range todo {
		if !show {
			if _, err := t.Remove(in.Driver, in.Instance); err != nil {
				if all && errors.Is(err, kernel.ErrForeign) {
					a.say("note: %v", err)
					continue
				}
				errs = append(errs, err)
				continue
			}
		}
		out.Removed = append(out.Removed, in)
		if !a.json {
			verb := "removed"
			if show {
				verb = "would remove"
			}
			a.printf("%s %s\n", verb, insertionName(in))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if a.json {
		return a.object(out)
	}
	return nil
}

func insertionName(in *kernel.Insertion) string {
	if in.Instance == "" || in.Instance == "default" {
		return in.Driver
	}
	return in.Driver + "/" + in.Instance
}
