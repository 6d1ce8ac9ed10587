// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/modbpf/modbpf/framework"
	"github.com/modbpf/modbpf/framework/kernel"
	"github.com/modbpf/modbpf/framework/profile"
)

func upgradeCommand(a *app) *cobra.Command {
	var show, kernelVerdict bool
	c := &cobra.Command{
		Use:   "upgrade DRIVER.yaml|OBJECT [NAME=VALUE]...",
		Short: "Put another version in the place of an inserted driver",
		Long: `Checks the new version and puts it in the old one's place, in every instance. How
that goes depends on the extension point and is said beforehand: in one step,
the new beside the old, or the old out before the new goes in. The version before
stays pinned for rollback.`,
		Args: atLeast(1, "driver"),
		RunE: func(_ *cobra.Command, args []string) error { return a.upgrade(args, show, kernelVerdict) },
	}
	addCheckFlags(c, &show, &kernelVerdict)
	return c
}

func (a *app) upgrade(args []string, show, kernelVerdict bool) error {
	b, c, err := a.checked(args[0], framework.BindOptions{Settings: args[1:], CPUs: cpus()}, kernelVerdict)
	if err != nil {
		return err
	}
	t, err := a.target(false)
	if err != nil {
		return err
	}
	out := insertJSON{API: api, Driver: b.Driver.Name(), Version: b.Driver.Version(), Target: "kernel", Judge: c.Judge().String(), Notes: b.Notes, Instances: []instanceJSON{}}
	if show {
		ins, err := a.find(t, b.Driver.Name())
		if err != nil {
			return err
		}
		for _, in := range ins {
			i := instanceJSON{Instance: in.Instance, Outcome: "planned", Insertion: in}
			if in.Meta != nil {
				p := c.PlanUpgrade(in)
				i.Plan = &p
				a.announce(in.Driver, in.Instance, p)
			}
			out.Instances = append(out.Instances, i)
		}
		if a.json {
			return a.object(out)
		}
		return nil
	}
	plans := map[string]kernel.Plan{}
	outcomes, err := c.Upgrade(t, func(instance string, p kernel.Plan) {
		plans[instance] = p
		a.announce(b.Driver.Name(), instance, p)
	})
	for _, o := range outcomes {
		i := outcomeJSON(o, "upgraded")
		if p, ok := plans[i.Instance]; ok {
			i.Plan = &p
		}
		out.Instances = append(out.Instances, i)
		if !a.json {
			was := ""
			if o.Changed && o.Insertion.Previous != nil {
				was = " from " + o.Insertion.Previous.Version
			}
			a.printf("%s %s to %s%s\n", i.Outcome, insertionName(o.Insertion), b.Driver.Version(), was)
		}
	}
	if err != nil {
		return err
	}
	if a.json {
		return a.object(out)
	}
	return nil
}

// announce says how an exchange will go before it does.
func (a *app) announce(driver, instance string, p kernel.Plan) {
	if instance != "default" && instance != "" {
		driver += "/" + instance
	}
	a.say("%s: %s, because %s; gap: %s", driver, p.Mode, p.Reason, p.Gap)
}

func rollbackCommand(a *app) *cobra.Command {
	var show bool
	c := &cobra.Command{
		Use:   "rollback NAME[/INSTANCE]|DRIVER.yaml",
		Short: "Return an inserted driver to the version before",
		Args:  exactly(1, "driver"),
		RunE:  func(_ *cobra.Command, args []string) error { return a.rollback(args[0], show) },
	}
	c.Flags().BoolVarP(&show, "show", "n", false, "say what would be done and do nothing")
	return c
}

func (a *app) rollback(arg string, show bool) error {
	t, err := a.target(false)
	if err != nil {
		return err
	}
	ins, err := a.find(t, arg)
	if err != nil {
		return err
	}
	k, err := profile.Running()
	if err != nil {
		return profileError(err)
	}
	out := insertJSON{API: api, Driver: ins[0].Driver, Target: "kernel", Notes: []string{}, Instances: []instanceJSON{}}
	for _, in := range ins {
		if show {
			if in.Meta == nil || in.Previous == nil {
				return fmt.Errorf("roll back %s: %w", insertionName(in), kernel.ErrNoPrevious)
			}
			p := kernel.PlanSwitch(in.Meta, in.Previous, k.StructOps)
			a.announce(in.Driver, in.Instance, p)
			out.Version = in.Previous.Version
			out.Instances = append(out.Instances, instanceJSON{Instance: in.Instance, Outcome: "planned", Plan: &p, Insertion: in})
			continue
		}
		var plan kernel.Plan
		after, err := t.Rollback(in.Driver, in.Instance, func(p kernel.Plan) {
			plan = p
			a.announce(in.Driver, in.Instance, p)
		}, k.StructOps)
		if err != nil {
			return err
		}
		out.Version, out.Judge = after.Meta.Version, after.Meta.Judge
		out.Instances = append(out.Instances, instanceJSON{Instance: after.Instance, Device: after.Meta.Device, Outcome: "rolled-back", Plan: &plan, Insertion: after})
		if !a.json {
			a.printf("rolled back %s from %s to %s\n", insertionName(after), in.Meta.Version, after.Meta.Version)
		}
	}
	if a.json {
		return a.object(out)
	}
	return nil
}
