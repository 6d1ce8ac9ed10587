// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"io/fs"
	"strings"

	"github.com/spf13/cobra"

	"github.com/modbpf/modbpf/framework"
	"github.com/modbpf/modbpf/framework/exitcode"
	"github.com/modbpf/modbpf/framework/kernel"
	"github.com/modbpf/modbpf/framework/manifest"
	"github.com/modbpf/modbpf/framework/profile"
)

type insertFlags struct {
	show          bool
	kernelVerdict bool
	target        string
	device        string
	play          string
	detach, wait  bool
	match         bool
	attach        manifest.Attach
}

func insertCommand(a *app) *cobra.Command {
	var f insertFlags
	c := &cobra.Command{
		Use:   "insert DRIVER.yaml|OBJECT [NAME=VALUE]...",
		Short: "Check a driver and insert it",
		Long: `Checks a driver for the running kernel and, if every program is proven safe,
loads, attaches and pins it. A driver that binds to devices is inserted once for
each that is present. Inserting what is there already changes nothing.

Where the kernel lacks the extension point, a HID driver goes into the host: this
process then serves the devices (hidraw in, uhid out) until it is interrupted or
modbpf remove takes it out; -d puts it into the background.

NAME=VALUE sets a parameter, as with modprobe; a bool may be set by its name alone.`,
		Example: "  modbpf insert driver.yaml invert=true\n  modbpf insert -n driver.yaml\n  modbpf insert --target host -d --wait driver.yaml",
		Args:    atLeast(1, "driver"),
		RunE: func(_ *cobra.Command, args []string) error {
			if f.match {
				return a.insertMatching(&f, args)
			}
			return a.insert(&f, args)
		},
	}
	fl := c.Flags()
	fl.BoolVar(&f.match, "match", false, "insert each of several drivers or objects for the devices it names; those without a device present are passed over")
	addCheckFlags(c, &f.show, &f.kernelVerdict)
	fl.StringVar(&f.target, "target", "", "where to: auto, kernel or host (default: the manifest's policy)")
	fl.StringVar(&f.device, "device", "", "bind to this HID device only, as /sys/bus/hid/devices names it")
	fl.StringVar(&f.play, "play", "", "host: play this recording as the device, in place of real ones")
	fl.BoolVarP(&f.detach, "detach", "d", false, "host: run in the background")
	fl.BoolVar(&f.wait, "wait", false, "host: wait for devices that are not there yet")
	fl.StringVar(&f.attach.Interface, "interface", "", "interface to attach a bare object's program to")
	fl.StringVar(&f.attach.Direction, "direction", "", "ingress or egress, for a bare object's tcx program")
	fl.StringVar(&f.attach.Netns, "netns", "", "network namespace of the interface")
	return c
}

// insertMatching is insert --match: udev-hid-bpf's way with a folder of objects.
func (a *app) insertMatching(f *insertFlags, files []string) error {
	var errs []error
	done := 0
	for _, file := range files {
		switch err := a.insert(f, []string{file}); {
		case err == nil:
			done++
		case exitcode.Of(err) == exitcode.NotFound && len(files) > 1:
			a.say("note: %v", err)
		default:
			errs = append(errs, err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if done == 0 {
		return exitcode.NotFound.Errorf("insert --match: no device is present that any of the %d names", len(files))
	}
	return nil
}

func addCheckFlags(c *cobra.Command, show, kernelVerdict *bool) {
	c.Flags().BoolVarP(show, "show", "n", false, "say what would be done and do nothing")
	c.Flags().BoolVar(kernelVerdict, "kernel-verdict", false, "let the kernel alone judge what modbpf does not accept")
}

// insertJSON is the answer of insert and upgrade.
type insertJSON struct {
	API       string         `json:"api"`
	Driver    string         `json:"driver"`
	Version   string         `json:"version"`
	Target    string         `json:"target"`
	Why       string         `json:"why"`
	Judge     string         `json:"judge"`
	Notes     []string       `json:"notes"`
	Instances []instanceJSON `json:"instances"`
}

type instanceJSON struct {
	Instance  string            `json:"instance"`
	Device    string            `json:"device,omitempty"`
	Outcome   string            `json:"outcome"` // inserted, unchanged, declined, upgraded, rolled-back, planned
	Plan      *kernel.Plan      `json:"plan,omitempty"`
	Insertion *kernel.Insertion `json:"insertion,omitempty"`
}

// checked loads, binds and checks a driver for the running kernel.
func (a *app) checked(path string, bind framework.BindOptions, kernelVerdict bool) (*framework.Bound, *framework.Checked, error) {
	d, err := framework.Load(path)
	if err != nil {
		return nil, nil, err
	}
	k, err := profile.Running()
	if err != nil {
		return nil, nil, profileError(err)
	}
	b, err := d.Bind(k, bind)
	if err != nil {
		return nil, nil, err
	}
	if err := b.Unmet(); err != nil {
		return b, nil, err
	}
	c, results, err := b.Check(framework.CheckOptions{KernelVerdict: kernelVerdict, NoWorst: true})
	if err != nil {
		return b, nil, err
	}
	if c == nil {
		if !a.json {
			for _, r := range results {
				if r.Needed && !r.Optional && r.Checked == nil {
					a.printVerdictTo(path, k, r)
				}
			}
		}
		return b, nil, b.Refuse(results)
	}
	return b, c, nil
}

func (a *app) insert(f *insertFlags, args []string) error {
	bind := framework.BindOptions{Settings: args[1:], CPUs: cpus()}
	if f.attach.Interface != "" {
		bind.Attach = &f.attach
	}
	if f.target == string(framework.TargetHost) {
		if f.kernelVerdict {
			return framework.ErrHostRefuses
		}
		return a.insertHost(f, args, bind, "asked for")
	}
	b, c, err := a.checked(args[0], bind, f.kernelVerdict)
	name, why, terr := framework.ChooseTarget(f.target, b, err)
	if terr != nil {
		return terr
	}
	if name == framework.TargetHost {
		return a.insertHost(f, args, bind, why)
	}
	if err != nil {
		return err
	}
	if f.play != "" || f.detach || f.wait {
		return exitcode.Usage.Errorf("insert: --play, --detach and --wait are for the host, and %s goes into the kernel; --target host puts it into the host", b.Driver.Name())
	}
	t, err := a.target(!f.show)
	if err != nil {
		return err
	}
	plan, err := b.Plan(t, framework.InsertOptions{Device: f.device})
	if err != nil {
		return err
	}
	out := insertJSON{API: api, Driver: b.Driver.Name(), Version: b.Driver.Version(), Target: string(name), Why: why, Judge: c.Judge().String(), Notes: b.Notes, Instances: []instanceJSON{}}
	if f.show {
		for _, p := range plan {
			i := instanceJSON{Instance: p.Instance, Outcome: "planned"}
			if p.Device != nil {
				i.Device = p.Device.Name
			}
			out.Instances = append(out.Instances, i)
		}
		return a.printInsert(&out, b)
	}
	outcomes, err := c.Insert(t, plan)
	for _, o := range outcomes {
		out.Instances = append(out.Instances, outcomeJSON(o, "inserted"))
	}
	if err != nil {
		return err
	}
	return a.printInsert(&out, b)
}

func outcomeJSON(o framework.Outcome, done string) instanceJSON {
	i := instanceJSON{Instance: o.Insertion.Instance, Outcome: done, Insertion: o.Insertion}
	if o.Insertion.Meta != nil {
		i.Device = o.Insertion.Meta.Device
	}
	switch {
	case o.Declined:
		i.Outcome, i.Insertion = "declined", nil
	case !o.Changed:
		i.Outcome = "unchanged"
	}
	return i
}

func (a *app) printInsert(out *insertJSON, b *framework.Bound) error {
	if out.Notes == nil {
		out.Notes = []string{}
	}
	if a.json {
		return a.object(out)
	}
	for _, n := range out.Notes {
		a.say("note: %s", n)
	}
	if out.Judge == "kernel" {
		a.say("note: judged by the kernel alone (--kernel-verdict)")
	}
	var points []string
	for _, p := range b.Points() {
		points = append(points, pointText(p))
	}
	for _, i := range out.Instances {
		where := ""
		if i.Device != "" {
			where = " for device " + i.Device
		}
		switch i.Outcome {
		case "planned":
			a.printf("would insert %s %s into the %s as instance %s%s: %s (%s)\n", out.Driver, out.Version, out.Target, i.Instance, where, strings.Join(points, ", "), out.Why)
		case "unchanged":
			a.printf("%s %s is inserted already%s, nothing changed\n", out.Driver, out.Version, where)
		case "declined":
			a.printf("%s %s declines instance %s%s\n", out.Driver, out.Version, i.Instance, where)
		default:
			a.printf("%s %s %s%s: %s (%s)\n", a.paint(green, i.Outcome), out.Driver, out.Version, where, strings.Join(points, ", "), out.Why)
		}
	}
	return nil
}

func pointText(p kernel.Point) string {
	s := p.Table + p.Hook
	switch {
	case p.Name != "":
		s += " " + p.Name
	case p.Interface != "":
		s += " on " + p.Interface
	}
	return s
}

// profileError gives what opening a profile answers its exit code.
func profileError(err error) error {
	switch {
	case errors.Is(err, profile.ErrNotFound), errors.Is(err, fs.ErrNotExist):
		return exitcode.NotFound.With(err)
	case errors.Is(err, fs.ErrPermission):
		return exitcode.Permission.With(err)
	case errors.Is(err, profile.ErrNoBTF):
		return exitcode.Unsupported.With(err)
	case errors.Is(err, profile.ErrFormat), errors.Is(err, profile.ErrUnsupported):
		return exitcode.Object.With(err)
	}
	return exitcode.IO.With(err)
}
