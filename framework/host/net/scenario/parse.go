// SPDX-License-Identifier: Apache-2.0

// Package scenario reads the YAML files that say what the network models are to
// do with a driver and what is expected of it, runs them, and draws the curves.
package scenario

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// File is a scenario: exactly one of TCP and Qdisc.
type File struct {
	TCP    *TCP     `yaml:"tcp"`
	Qdisc  *Qdisc   `yaml:"qdisc"`
	Expect []Expect `yaml:"expect"`
}

// TCP is a bottleneck and flows over it.
type TCP struct {
	Rate       Quantity `yaml:"rate" unit:"rate"`
	RTT        Quantity `yaml:"rtt" unit:"time"`
	Buffer     Quantity `yaml:"buffer" unit:"size"`
	Loss       Quantity `yaml:"loss" unit:"share"`
	ECN        Quantity `yaml:"ecn" unit:"time"`
	Duration   Quantity `yaml:"duration" unit:"time"`
	MSS        Quantity `yaml:"mss" unit:"size"`
	DelayedACK bool     `yaml:"delayedAck"`
	Seed       Quantity `yaml:"seed" unit:"count"`
	Flows      []Flow   `yaml:"flows"`
}

// Flow is one sender; Control is "driver" (the driver under test, the default)
// or "reno".
type Flow struct {
	Name     string   `yaml:"name"`
	Control  string   `yaml:"control"`
	Start    Quantity `yaml:"start" unit:"time"`
	Bytes    Quantity `yaml:"bytes" unit:"size"`
	ExtraRTT Quantity `yaml:"extraRtt" unit:"time"`
	ECN      bool     `yaml:"ecn"`
}

// Qdisc is a link with the driver's queueing discipline on it.
type Qdisc struct {
	Rate     Quantity  `yaml:"rate" unit:"rate"`
	Limit    Quantity  `yaml:"limit" unit:"count"`
	Capture  string    `yaml:"capture"`
	Arrivals []Traffic `yaml:"arrivals"`
}

// Traffic is a run of equal packets.
type Traffic struct {
	Start    Quantity `yaml:"start" unit:"time"`
	Every    Quantity `yaml:"every" unit:"time"`
	Count    Quantity `yaml:"count" unit:"count"`
	Size     Quantity `yaml:"size" unit:"size"`
	Priority Quantity `yaml:"priority" unit:"count"`
}

// Expect is what must hold of a flow (or, without one, of the qdisc or the sum).
type Expect struct {
	Flow        string `yaml:"flow"`
	Throughput  *Cond  `yaml:"throughput" unit:"rate"`
	MeanRTT     *Cond  `yaml:"meanRtt" unit:"time"`
	Lost        *Cond  `yaml:"lost" unit:"count"`
	Retransmits *Cond  `yaml:"retransmits" unit:"count"`
	Timeouts    *Cond  `yaml:"timeouts" unit:"count"`
	Reductions  *Cond  `yaml:"reductions" unit:"count"`
	Marks       *Cond  `yaml:"marks" unit:"count"`
	Finished    *Cond  `yaml:"finished" unit:"time"`
	Sent        *Cond  `yaml:"sent" unit:"count"`
	Refused     *Cond  `yaml:"refused" unit:"count"`
	MeanDelay   *Cond  `yaml:"meanDelay" unit:"time"`
	P99Delay    *Cond  `yaml:"p99Delay" unit:"time"`
	MaxDelay    *Cond  `yaml:"maxDelay" unit:"time"`

	line int
}

// Quantity is a number in base units: bits a second, seconds, bytes, a share.
type Quantity float64

// Duration is a quantity of seconds.
func (q Quantity) Duration() time.Duration { return time.Duration(float64(q) * 1e9) }

// Cond is a comparison with a quantity.
type Cond struct {
	Op    string
	Value float64
	Text  string
}

// Holds reports whether a value satisfies the condition.
func (c *Cond) Holds(v float64) bool {
	switch c.Op {
	case "<=":
		return v <= c.Value
	case ">=":
		return v >= c.Value
	case "<":
		return v < c.Value
	case ">":
		return v > c.Value
	}
	return v == c.Value
}

// units are the suffixes of each kind of quantity; the first is what a bare
// number means, and only counts and shares may be bare.
var units = map[string][]struct {
	suffix string
	factor float64
}{
	"rate":  {{"gbit", 1e9}, {"mbit", 1e6}, {"kbit", 1e3}, {"bit", 1}},
	"time":  {{"ms", 1e-3}, {"us", 1e-6}, {"ns", 1e-9}, {"s", 1}},
	"size":  {{"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}, {"B", 1}, {"", 1}},
	"share": {{"%", 0.01}, {"", 1}},
	"count": {{"", 1}},
}

func parseQuantity(s, unit string) (float64, error) {
	s = strings.TrimSpace(s)
	for _, u := range units[unit] {
		num, ok := strings.CutSuffix(s, u.suffix)
		if !ok {
			continue
		}
		v, err := strconv.ParseFloat(strings.TrimSpace(num), 64)
		if err != nil || v != v || v < 0 || v > 1e18 {
			continue
		}
		return v * u.factor, nil
	}
	var want []string
	for _, u := range units[unit] {
		if u.suffix != "" {
			want = append(want, u.suffix)
		}
	}
	if len(want) == 0 {
		return 0, fmt.Errorf("%q is no number", s)
	}
	return 0, fmt.Errorf("%q is no %s: write a number with %s", s, unit, strings.Join(want, ", "))
}

// Parse reads a scenario. Every mistake is an error at file:line:column.
func Parse(file string, raw []byte) (*File, error) {
	d := &decoder{file: file}
	var doc yaml.Node
	if err := yaml.Unmarshal(raw, &doc); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if len(doc.Content) == 0 {
		return nil, fmt.Errorf("%s:1:1: the scenario is empty", file)
	}
	f := new(File)
	root := doc.Content[0]
	d.decode(root, reflect.ValueOf(f).Elem(), "")
	if len(d.errs) == 0 {
		d.check(f, root)
	}
	if err := errors.Join(d.errs...); err != nil {
		return nil, err
	}
	return f, nil
}

type decoder struct {
	file string
	errs []error
}

func (d *decoder) errorf(n *yaml.Node, format string, a ...any) {
	d.errs = append(d.errs, fmt.Errorf("%s:%d:%d: %s", d.file, n.Line, n.Column, fmt.Sprintf(format, a...)))
}

func (d *decoder) decode(n *yaml.Node, v reflect.Value, unit string) {
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	switch v.Interface().(type) {
	case Quantity:
		q, err := parseQuantity(n.Value, unit)
		if n.Kind != yaml.ScalarNode || err != nil {
			d.errorf(n, "%v", err)
			return
		}
		v.SetFloat(q)
		return
	case Cond:
		d.cond(n, v.Addr().Interface().(*Cond), unit)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		d.structure(n, v)
	case reflect.Slice:
		if n.Kind != yaml.SequenceNode {
			d.errorf(n, "want a list")
			return
		}
		for _, e := range n.Content {
			x := reflect.New(v.Type().Elem()).Elem()
			d.decode(e, x, unit)
			v.Set(reflect.Append(v, x))
		}
	case reflect.Bool:
		b, err := strconv.ParseBool(n.Value)
		if n.Kind != yaml.ScalarNode || err != nil {
			d.errorf(n, "want true or false")
			return
		}
		v.SetBool(b)
	default:
		if n.Kind != yaml.ScalarNode {
			d.errorf(n, "want a string")
			return
		}
		v.SetString(n.Value)
	}
}

func (d *decoder) cond(n *yaml.Node, c *Cond, unit string) {
	s := strings.TrimSpace(n.Value)
	c.Op, c.Text = "==", s
	for _, op := range []string{"<=", ">=", "==", "<", ">"} {
		if rest, ok := strings.CutPrefix(s, op); ok {
			c.Op, s = op, rest
			break
		}
	}
	v, err := parseQuantity(s, unit)
	if n.Kind != yaml.ScalarNode || err != nil {
		d.errorf(n, "%v", err)
	}
	c.Value = v
}

func (d *decoder) structure(n *yaml.Node, v reflect.Value) {
	if n.Kind != yaml.MappingNode {
		d.errorf(n, "want keys and values")
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, val := n.Content[i], n.Content[i+1]
		found := false
		var names []string
		for j := range v.NumField() {
			ft := v.Type().Field(j)
			name := ft.Tag.Get("yaml")
			if name == "" {
				continue
			}
			names = append(names, name)
			if name != k.Value {
				continue
			}
			found = true
			if seen[name] {
				d.errorf(k, "%s is given twice", name)
			}
			seen[name] = true
			d.decode(val, v.Field(j), ft.Tag.Get("unit"))
		}
		if !found {
			d.errorf(k, "unknown key %s: this place has %s", k.Value, strings.Join(names, ", "))
		}
	}
	if e, ok := v.Addr().Interface().(*Expect); ok {
		e.line = n.Line
	}
}

// check refuses what is well formed but makes no sense.
func (d *decoder) check(f *File, root *yaml.Node) {
	switch {
	case (f.TCP == nil) == (f.Qdisc == nil):
		d.errorf(root, "a scenario has either tcp or qdisc")
	case f.TCP != nil:
		names := map[string]bool{}
		for i := range f.TCP.Flows {
			fl := &f.TCP.Flows[i]
			if fl.Name == "" {
				fl.Name = fmt.Sprintf("flow%d", i+1)
			}
			if names[fl.Name] {
				d.errorf(root, "two flows are named %s", fl.Name)
			}
			names[fl.Name] = true
			if fl.Control != "" && fl.Control != "driver" && fl.Control != "reno" {
				d.errorf(root, "flow %s: control %s is neither driver nor reno", fl.Name, fl.Control)
			}
		}
		for _, e := range f.Expect {
			if e.Flow != "" && !names[e.Flow] {
				d.errorf(&yaml.Node{Line: e.line, Column: 1}, "no flow is named %s", e.Flow)
			}
		}
	case (f.Qdisc.Capture == "") == (len(f.Qdisc.Arrivals) == 0):
		d.errorf(root, "a qdisc's scenario has either a capture or arrivals")
	}
}
