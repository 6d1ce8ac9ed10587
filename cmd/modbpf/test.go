// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/modbpf/modbpf/framework"
	"github.com/modbpf/modbpf/framework/exitcode"
	"github.com/modbpf/modbpf/framework/host/hid/play"
	"github.com/modbpf/modbpf/framework/host/hid/recording"
)

type testFlags struct {
	kernel   string
	settings []string
	update   bool
	svg      string
}

func testCommand(a *app) *cobra.Command {
	var f testFlags
	c := &cobra.Command{
		Use:   "test DRIVER.yaml|OBJECT [RECORDING|SCENARIO.yaml...]",
		Short: "Play recordings or scenarios through a driver in the host and compare",
		Long: `Plays recordings (hid-recorder's format) through the driver in the host's HID
device model, shows what the device sent and what the driver made of it, and
compares with the expected file beside each recording (NAME.expected for
NAME.rec). Without recordings those in the folder recordings/ beside the object
are played. A file that ends in .yaml is a scenario for the network models: a
congestion control or a queueing discipline on a path that the file describes,
with what is expected of it; the curves are drawn as text, or written to a file
with --svg. Exit code 1 if anything differs.`,
		Example: "  modbpf test driver.yaml\n  modbpf test --update driver.yaml new.rec",
		Args:    atLeast(1, "driver"),
		RunE:    func(_ *cobra.Command, args []string) error { return a.test(&f, args) },
	}
	c.Flags().StringVarP(&f.kernel, "kernel", "S", "", "kernel whose rules and layouts the host takes (default: the running one if it has HID-BPF, else the newest embedded)")
	c.Flags().StringArrayVarP(&f.settings, "set", "p", nil, "parameter NAME=VALUE; repeatable")
	c.Flags().BoolVar(&f.update, "update", false, "write the expected files instead of comparing")
	c.Flags().StringVar(&f.svg, "svg", "", "write the curves of the last scenario to a file as SVG")
	return c
}

type testJSON struct {
	API        string          `json:"api"`
	Driver     string          `json:"driver"`
	Kernel     string          `json:"kernel"`
	Recordings []recordingJSON `json:"recordings"`
	Scenarios  []scenarioJSON  `json:"scenarios,omitempty"`
}

type scenarioJSON struct {
	File    string   `json:"file"`
	Outcome string   `json:"outcome"` // same, differs
	Engine  string   `json:"engine"`  // what ran the programs: jit or interpreter
	Checks  int      `json:"checks"`  // expectations looked at
	Failed  []string `json:"failed,omitempty"`
	Figures []string `json:"figures"`
}

type recordingJSON struct {
	File     string `json:"file"`
	Device   string `json:"device"`
	Outcome  string `json:"outcome"` // same, differs, written, shown (there is no expected file), unmatched
	Engine   string `json:"engine"`  // what ran the programs: jit or interpreter
	Reports  int    `json:"reports"`
	Dropped  int    `json:"dropped"`
	Expected string `json:"expected,omitempty"`
	Diff     string `json:"diff,omitempty"`
}

func (a *app) test(f *testFlags, args []string) error {
	d, err := framework.Load(args[0])
	if err != nil {
		return err
	}
	files := args[1:]
	if len(files) == 0 {
		if files, err = d.Recordings(); err != nil {
			return err
		}
		if len(files) == 0 {
			return exitcode.NotFound.Errorf("test %s: no recordings beside its object, and none given", d.Name())
		}
	}
	k, err := a.testKernel(f.kernel)
	if err != nil {
		return err
	}
	b, err := d.Bind(k, framework.BindOptions{Settings: f.settings, CPUs: 1})
	if err != nil {
		return err
	}
	if err := b.Unmet(); err != nil {
		return err
	}
	c, results, err := b.Check(framework.CheckOptions{Facts: true, NoWorst: true})
	if err != nil {
		return err
	}
	if c == nil {
		for _, r := range results {
			if r.Needed && r.Checked == nil {
				a.printVerdictTo(args[0], k, r)
			}
		}
		return b.Refuse(results)
	}
	out := testJSON{API: api, Driver: d.Name(), Kernel: k.Name(), Recordings: []recordingJSON{}}
	differs := false
	for _, file := range files {
		if filepath.Ext(file) == ".yaml" {
			r, err := a.testScenario(f, c, file)
			if err != nil {
				return err
			}
			differs = differs || r.Outcome == "differs"
			out.Scenarios = append(out.Scenarios, *r)
			continue
		}
		recs, err := readRecording(file)
		if err != nil {
			return err
		}
		r, err := a.testOne(f, d, c, file, recs)
		if err != nil {
			return err
		}
		differs = differs || r.Outcome == "differs"
		out.Recordings = append(out.Recordings, *r)
	}
	if a.json {
		if err := a.object(out); err != nil {
			return err
		}
	}
	if differs {
		return silent{exitcode.Differs}
	}
	return nil
}

// testScenario runs a scenario and shows its figures and curves.
func (a *app) testScenario(f *testFlags, c *framework.Checked, file string) (*scenarioJSON, error) {
	r, engine, err := c.Scenario(file)
	if err != nil {
		return nil, err
	}
	out := &scenarioJSON{File: file, Outcome: "same", Engine: engine, Checks: r.Checks, Failed: r.Failed, Figures: r.Lines}
	if len(r.Failed) > 0 {
		out.Outcome = "differs"
	}
	if f.svg != "" {
		var b bytes.Buffer
		if err := r.SVG(&b); err != nil {
			return nil, exitcode.Internal.With(err)
		}
		if err := os.WriteFile(f.svg, b.Bytes(), 0o644); err != nil {
			return nil, exitcode.IO.With(err)
		}
	}
	if a.json {
		return out, nil
	}
	a.printf("%s: %s (%s), %d expectations, %d do not hold\n", file, out.Outcome, engine, r.Checks, len(r.Failed))
	if err := r.Text(a.out, 78); err != nil {
		return nil, exitcode.IO.With(err)
	}
	return out, nil
}

// testKernel finds a kernel the host can take: HID drivers need one that has
// the table.
func (a *app) testKernel(name string) (framework.Kernel, error) {
	if name != "" {
		k, err := a.kernels([]string{name})
		if err != nil {
			return nil, err
		}
		return k[0], nil
	}
	return framework.HIDKernel()
}

func readRecording(file string) ([]*recording.Device, error) {
	f, err := os.Open(file)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, exitcode.NotFound.With(err)
		}
		return nil, exitcode.IO.With(err)
	}
	defer f.Close()
	recs, err := recording.Read(f, file)
	if err != nil {
		return nil, exitcode.IO.With(err)
	}
	return recs, nil
}

// testOne plays one file: those of its devices that the driver matches.
func (a *app) testOne(f *testFlags, d *framework.Driver, c *framework.Checked, file string, recs []*recording.Device) (*recordingJSON, error) {
	out := &recordingJSON{File: file, Outcome: "unmatched"}
	var got strings.Builder
	for _, rec := range recs {
		if !d.Matches(rec) {
			continue
		}
		r, engine, err := c.Play(rec)
		if err != nil {
			return nil, err
		}
		out.Outcome, out.Device, out.Engine = "shown", rec.Name, engine
		out.Reports += len(r.Steps)
		for _, s := range r.Steps {
			if s.Dropped != nil {
				out.Dropped++
			}
		}
		got.WriteString(r.Expected(d.Name()))
		if !a.json {
			a.printf("%s on the %s, kernel %s\n", a.paint(bold, file), engine, c.Bound().Kernel.Name())
			if err := r.Print(a.out); err != nil {
				return nil, exitcode.IO.With(err)
			}
		}
	}
	if out.Outcome == "unmatched" {
		return nil, exitcode.NotFound.Errorf("test %s: %s is of no device it matches", d.Name(), file)
	}
	expected := strings.TrimSuffix(file, ".rec") + ".expected"
	if f.update {
		if err := os.WriteFile(expected, []byte(got.String()), 0o644); err != nil {
			return nil, exitcode.IO.With(err)
		}
		out.Outcome, out.Expected = "written", expected
		a.sayTest("wrote %s", expected)
		return out, nil
	}
	want, err := os.ReadFile(expected)
	if errors.Is(err, fs.ErrNotExist) {
		a.sayTest("no %s to compare with; --update writes it", expected)
		return out, nil
	}
	if err != nil {
		return nil, exitcode.IO.With(err)
	}
	out.Expected, out.Outcome = expected, "same"
	if out.Diff = play.Compare(string(want), got.String()); out.Diff != "" {
		out.Outcome = "differs"
		a.sayTest("%s: differs from %s\n%s", a.paint(red, "FAIL"), expected, out.Diff)
	} else {
		a.sayTest("%s: as in %s", a.paint(green, "ok"), expected)
	}
	return out, nil
}

func (a *app) sayTest(format string, args ...any) {
	if !a.json {
		a.printf(format+"\n", args...)
	}
}
