// SPDX-License-Identifier: Apache-2.0

package scenario

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modbpf/modbpf/framework/host"
	"github.com/modbpf/modbpf/framework/object"
	"github.com/modbpf/modbpf/framework/profile"
	"github.com/modbpf/modbpf/verifier"
)

const tcpFile = `# two flows on a slow path
tcp:
  rate: 10 mbit
  rtt: 40ms
  buffer: 60kB
  duration: 20s
  flows:
    - {name: ours}
    - {name: other, control: reno, start: 1s}
expect:
  - {flow: ours, throughput: ">= 2mbit", timeouts: "<= 2"}
  - {throughput: "> 8.5mbit"}
`

func TestParse(t *testing.T) {
	f, err := Parse("s.yaml", []byte(tcpFile))
	if err != nil {
		t.Fatal(err)
	}
	if f.TCP.Rate != 10e6 || f.TCP.RTT.Duration().Milliseconds() != 40 || f.TCP.Buffer != 60000 || len(f.TCP.Flows) != 2 ||
		f.Expect[0].Throughput.Value != 2e6 || !f.Expect[0].Timeouts.Holds(2) || f.Expect[0].Timeouts.Holds(3) {
		t.Errorf("%+v", f.TCP)
	}
	for in, want := range map[string]string{
		"":                                     "s.yaml:1:1: the scenario is empty",
		"tcp: {rate: 10}":                      `s.yaml:1:13: "10" is no rate: write a number with gbit, mbit, kbit, bit`,
		"tcp:\n  rat: 1mbit":                   "s.yaml:2:3: unknown key rat: this place has rate, rtt",
		"tcp:\n  delayedAck: perhaps":          "s.yaml:2:15: want true or false",
		"tcp: {flows: {}}":                     "s.yaml:1:14: want a list",
		"tcp: {rtt: 1ms, rtt: 2ms}":            "s.yaml:1:17: rtt is given twice",
		"expect: []":                           "s.yaml:1:1: a scenario has either tcp or qdisc",
		"tcp: {flows: [{name: a}, {name: a}]}": "two flows are named a",
		"tcp: {flows: [{control: cubic}]}":     "control cubic is neither driver nor reno",
		"tcp: {}\nexpect: [{flow: x}]":         "s.yaml:2:1: no flow is named x",
		"qdisc: {rate: 1mbit}":                 "either a capture or arrivals",
		"tcp: [":                               "s.yaml: yaml:",
		"tcp: {loss: nan}":                     "is no share",
	} {
		if _, err := Parse("s.yaml", []byte(in)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", in, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(tcpFile))
	f.Add([]byte("qdisc: {rate: 1mbit, arrivals: [{count: 3}]}"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, err := Parse("f", b); err == nil && s == nil {
			t.Fatal("neither scenario nor error")
		}
	})
}

// run proves a driver, inserts it where the scenario's models are, and runs it.
func run(t *testing.T, kernel, path, text string) (*Report, error) {
	t.Helper()
	f, err := Parse("s.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	k, err := profile.Find(kernel)
	if err != nil {
		t.Fatal(err)
	}
	h, err := host.New(k, host.Options{CPUs: 1, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	d, err := Prepare(h, f)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	o, err := object.OpenBytes(raw, path)
	if err != nil {
		t.Fatal(err)
	}
	b, err := o.Bind(k, object.Options{CPUs: 1})
	if err != nil {
		t.Fatal(err)
	}
	spec := host.Spec{Name: "driver"}
	for _, p := range b.Programs {
		if p.Err != nil {
			t.Fatal(p.Err)
		}
		c, diag := verifier.Verify(p.Program, k, verifier.Options{Facts: true})
		if diag != nil {
			t.Fatal(diag)
		}
		spec.Programs = append(spec.Programs, c)
	}
	for _, v := range b.StructOps() {
		so := v.StructOps
		ts := host.TableSpec{
			Variable: v.Spec.Name, Table: so.Table, Value: so.Value, Offset: int(so.DataOff), BTF: so.BTF, Type: so.Type,
			Slots: map[string]string{},
		}
		for _, member := range so.Members {
			ts.Slots[member.Name] = member.Program
		}
		spec.Tables = append(spec.Tables, ts)
	}
	in, err := h.Insert(spec)
	if err != nil {
		t.Fatal(err)
	}
	return d.Run(f, in, t.TempDir())
}

const (
	scalable = "../../../../drivers/net/scalable/driver.bpf.o"
	fifo     = "../qdisc/testdata/fifo.bpf.o"
)

func TestTCP(t *testing.T) {
	r, err := run(t, "6.12", scalable, tcpFile)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Failed) != 0 || r.Checks != 3 || len(r.Lines) != 2 || len(r.Panels) != 4 {
		t.Errorf("%d checks, failed: %v; %v", r.Checks, r.Failed, r.Lines)
	}
	var text, svg strings.Builder
	if err := r.Text(&text, 80); err != nil {
		t.Fatal(err)
	}
	if err := r.SVG(&svg); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(text.String(), "bpf_scalable") || !strings.Contains(svg.String(), "Congestion window") {
		t.Errorf("%s", text.String())
	}
	r, err = run(t, "6.12", scalable, strings.Replace(tcpFile, `"> 8.5mbit"`, `"> 80mbit", refused: "== 1"`, 1))
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Failed) != 2 || !strings.Contains(r.Failed[0], "all flows: throughput is") || !strings.Contains(r.Failed[1], "not a figure") {
		t.Errorf("failed: %v", r.Failed)
	}
}

func TestQdisc(t *testing.T) {
	r, err := run(t, "7.2", fifo, `
qdisc:
  rate: 10mbit
  limit: 3
  arrivals:
    - {count: 10, size: 1250B}
    - {start: 1s, every: 10ms, count: 5, size: 1250B}
expect:
  - {sent: "== 8", refused: "== 7", maxDelay: "<= 4ms", lost: "== 7"}
`)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Failed) != 0 || r.Checks != 4 {
		t.Errorf("%d checks, failed: %v; %v", r.Checks, r.Failed, r.Lines)
	}
}

func TestWrongTable(t *testing.T) {
	if _, err := run(t, "7.2", scalable, "qdisc: {rate: 1mbit, arrivals: [{count: 1}]}"); !errors.Is(err, ErrNoTable) {
		t.Errorf("a congestion control in a qdisc's scenario: %v", err)
	}
	if _, err := run(t, "7.2", fifo, "qdisc: {rate: 1mbit, capture: "+filepath.Base(t.Name())+"}"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no capture: %v", err)
	}
}
