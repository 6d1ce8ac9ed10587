// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/modbpf/modbpf/framework/exitcode"
	"github.com/modbpf/modbpf/framework/hostproc"
	"github.com/modbpf/modbpf/framework/kernel"
)

func listCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List what is inserted, as the kernel has it, and what runs in the host",
		Args:    exactly(0, ""),
		RunE:    func(*cobra.Command, []string) error { return a.list() },
	}
}

type listJSON struct {
	API        string              `json:"api"`
	Insertions []*kernel.Insertion `json:"insertions"`
	Host       []*hostproc.Status  `json:"host"` // insertions into the host, of this user
}

func (a *app) list() error {
	hosted, err := hostproc.List()
	if err != nil {
		return err
	}
	var ins []*kernel.Insertion
	t, err := a.target(false)
	if err == nil {
		ins, err = t.List()
	}
	// Where the kernel takes no drivers, or does not show them to this user,
	// what is in the host can still be listed.
	if code := exitcode.Of(err); err != nil && len(hosted) > 0 && (code == exitcode.Unsupported || code == exitcode.Permission) {
		a.say("note: the kernel's insertions are not listed: %v", err)
		err = nil
	}
	if err != nil {
		return err
	}
	if a.json {
		if ins == nil {
			ins = []*kernel.Insertion{}
		}
		if hosted == nil {
			hosted = []*hostproc.Status{}
		}
		return a.object(listJSON{api, ins, hosted})
	}
	if len(ins) == 0 && len(hosted) == 0 {
		a.say("nothing is inserted")
		return nil
	}
	w := tabwriter.NewWriter(a.out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "DRIVER\tVERSION\tINSTANCE\tSTATE\tTARGET\tJUDGE\tEXTENSION POINTS")
	for _, in := range ins {
		version, judge := "-", "-"
		var points []string
		if in.Meta != nil {
			version, judge = in.Meta.Version, in.Meta.Judge
			for _, p := range in.Meta.Points {
				points = append(points, pointText(p))
			}
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\tkernel\t%s\t%s\n", in.Driver, version, in.Instance, in.State, judge, strings.Join(points, ", "))
	}
	for _, st := range hosted {
		state := "waiting"
		if len(st.Devices) > 0 {
			state = "attached"
		}
		fmt.Fprintf(w, "%s\t%s\tpid %d\t%s\thost\tmodbpf\t%s\n", st.Driver, st.Version, st.PID, state, strings.Join(st.Devices, ", "))
	}
	if err := w.Flush(); err != nil {
		return exitcode.IO.Errorf("print: %w", err)
	}
	for _, in := range ins {
		if in.Problem != "" {
			a.say("note: %s: %s", insertionName(in), in.Problem)
		}
	}
	return nil
}
