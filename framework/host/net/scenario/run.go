// SPDX-License-Identifier: Apache-2.0

package scenario

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/modbpf/modbpf/framework/host"
	"github.com/modbpf/modbpf/framework/host/net"
	"github.com/modbpf/modbpf/framework/host/net/plot"
	"github.com/modbpf/modbpf/framework/host/net/qdisc"
	"github.com/modbpf/modbpf/framework/host/net/tcp"
)

// ErrNoTable is a driver that does not fill the table a scenario is about.
var ErrNoTable = errors.New("the driver has no such table")

// Driver is a driver in a host, with the models it may be run in. Prepare makes
// one before the driver is inserted.
type Driver struct {
	Host  *host.Host
	net   *net.Net
	tcp   *tcp.Model
	qdisc *qdisc.Model
}

// Prepare adds the models a scenario needs to a host; the driver is inserted
// afterwards.
func Prepare(h *host.Host, f *File) (*Driver, error) {
	d := &Driver{Host: h}
	var err error
	if f.TCP != nil {
		d.tcp, err = tcp.New(h)
		return d, err
	}
	if d.net, err = net.New(h); err != nil {
		return nil, err
	}
	d.qdisc, err = qdisc.New(d.net)
	return d, err
}

// Report is what a run gave.
type Report struct {
	Lines  []string // a line of figures for each flow, or for the qdisc
	Panels []plot.Panel
	Failed []string // expectations that do not hold
	Checks int      // expectations looked at
}

// Run runs a scenario with an inserted driver; dir is where captures are looked
// for.
func (d *Driver) Run(f *File, in *host.Driver, dir string) (*Report, error) {
	if f.TCP != nil {
		return d.runTCP(f, tableOf(in, tcp.Table))
	}
	t := tableOf(in, qdisc.Table)
	if t == nil {
		return nil, fmt.Errorf("run scenario: %s: %w", qdisc.Table, ErrNoTable)
	}
	return d.runQdisc(f, t, dir)
}

func tableOf(d *host.Driver, name string) *host.Table {
	for _, t := range d.Tables {
		if t.Name == name {
			return t
		}
	}
	return nil
}

func (d *Driver) runTCP(f *File, t *host.Table) (*Report, error) {
	c := f.TCP
	s := tcp.Scenario{
		Rate: float64(c.Rate), RTT: c.RTT.Duration(), Buffer: int(c.Buffer), Loss: float64(c.Loss), ECN: c.ECN.Duration(),
		Duration: c.Duration.Duration(), MSS: int(c.MSS), DelayedACK: c.DelayedACK, Seed: uint64(c.Seed),
	}
	for _, fl := range c.Flows {
		x := tcp.Flow{Name: fl.Name, Start: fl.Start.Duration(), Bytes: uint64(fl.Bytes), ExtraRTT: fl.ExtraRTT.Duration(), ECN: fl.ECN}
		if fl.Control != "reno" {
			if t == nil {
				return nil, fmt.Errorf("run scenario: %s: %w", tcp.Table, ErrNoTable)
			}
			x.Control = t
		}
		s.Flows = append(s.Flows, x)
	}
	res, err := d.tcp.Run(s)
	if err != nil {
		return nil, err
	}
	r := &Report{Panels: tcpPanels(res)}
	var sum tcp.FlowResult
	for _, fl := range res.Flows {
		r.Lines = append(r.Lines, fmt.Sprintf("%-12s %-16s %8.2f Mbit/s  rtt %7.2f ms  lost %d  retransmitted %d  reductions %d  time-outs %d",
			fl.Name, fl.Control, fl.Throughput/1e6, fl.MeanRTT.Seconds()*1e3, fl.Lost, fl.Retransmits, fl.Reductions, fl.Timeouts))
		sum.Throughput += fl.Throughput
		sum.Lost += fl.Lost
		sum.Retransmits += fl.Retransmits
		sum.Timeouts += fl.Timeouts
		sum.Reductions += fl.Reductions
		sum.Marks += fl.Marks
		sum.Sent += fl.Sent
		sum.MeanRTT += fl.MeanRTT / time.Duration(len(res.Flows))
		sum.Finished = max(sum.Finished, fl.Finished)
	}
	for _, e := range f.Expect {
		fl := &sum
		for i := range res.Flows {
			if res.Flows[i].Name == e.Flow {
				fl = &res.Flows[i]
			}
		}
		r.check(cmp.Or(e.Flow, "all flows"), []expectation{
			{"throughput", e.Throughput, fl.Throughput},
			{"meanRtt", e.MeanRTT, fl.MeanRTT.Seconds()},
			{"lost", e.Lost, float64(fl.Lost)},
			{"retransmits", e.Retransmits, float64(fl.Retransmits)},
			{"timeouts", e.Timeouts, float64(fl.Timeouts)},
			{"reductions", e.Reductions, float64(fl.Reductions)},
			{"marks", e.Marks, float64(fl.Marks)},
			{"finished", e.Finished, fl.Finished.Seconds()},
			{"sent", e.Sent, float64(fl.Sent)},
			{"refused", e.Refused, -1},
			{"meanDelay", e.MeanDelay, -1},
			{"p99Delay", e.P99Delay, -1},
			{"maxDelay", e.MaxDelay, -1},
		})
	}
	return r, nil
}

type expectation struct {
	name string
	cond *Cond
	got  float64 // -1: the model has no such figure
}

func (r *Report) check(who string, all []expectation) {
	for _, e := range all {
		switch {
		case e.cond == nil:
			continue
		case e.got < 0:
			r.Failed = append(r.Failed, fmt.Sprintf("%s: %s is not a figure of this kind of scenario", who, e.name))
		case !e.cond.Holds(e.got):
			r.Failed = append(r.Failed, fmt.Sprintf("%s: %s is %g, expected %s", who, e.name, e.got, e.cond.Text))
		}
		r.Checks++
	}
}

func tcpPanels(res *tcp.Result) []plot.Panel {
	kinds := []struct {
		title, unit string
		of          func(*tcp.FlowResult) []float64
	}{
		{"Congestion window", "segments", func(f *tcp.FlowResult) []float64 { return f.Cwnd }},
		{"Smoothed round-trip time", "ms", func(f *tcp.FlowResult) []float64 { return f.RTT }},
		{"Throughput", "bit/s", func(f *tcp.FlowResult) []float64 { return f.Rate }},
	}
	var out []plot.Panel
	for _, k := range kinds {
		p := plot.Panel{Title: k.title, Unit: k.unit, X: res.Times}
		for i := range res.Flows {
			f := &res.Flows[i]
			p.Curves = append(p.Curves, plot.Curve{Name: f.Name + " " + f.Control, Y: k.of(f)})
		}
		out = append(out, p)
	}
	return append(out, plot.Panel{Title: "Queue", Unit: "bytes", X: res.Times, Curves: []plot.Curve{{Name: "bottleneck", Y: res.Queue}}})
}

// defaultLimit is what a device's queue takes unless told otherwise.
const defaultLimit = 1000

func (d *Driver) runQdisc(f *File, t *host.Table, dir string) (rep *Report, err error) {
	arrivals, err := f.Qdisc.arrivals(dir)
	if err != nil {
		return nil, err
	}
	dev, err := d.net.AddDevice("eth0")
	if err != nil {
		return nil, err
	}
	defer dev.Remove()
	run := d.Host.Enter(nil)
	defer run.Exit()
	q, err := d.qdisc.Add(run, dev, t, uint32(cmp.Or(f.Qdisc.Limit, defaultLimit)))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, q.Remove(run)) }()
	res, err := q.Play(run, dev, float64(f.Qdisc.Rate), arrivals)
	if err != nil {
		return nil, err
	}
	r := &Report{Lines: []string{fmt.Sprintf("%-12s sent %d  refused %d  dropped by the driver %d  delay mean %v, p99 %v, max %v",
		q.Name, len(res.Sent), res.Refused, res.Stats.Freed, res.Mean, res.P99, res.Max)}}
	p := plot.Panel{Title: "Delay", Unit: "ms", Curves: []plot.Curve{{Name: q.Name}}}
	for _, s := range res.Sent {
		p.X = append(p.X, float64(s.At-arrivals[0].Time)/1e9)
		p.Curves[0].Y = append(p.Curves[0].Y, s.Delay.Seconds()*1e3)
	}
	r.Panels = append(r.Panels, p)
	for _, e := range f.Expect {
		r.check(q.Name, []expectation{
			{"sent", e.Sent, float64(len(res.Sent))},
			{"refused", e.Refused, float64(res.Refused)},
			{"lost", e.Lost, float64(res.Stats.Freed)},
			{"meanDelay", e.MeanDelay, res.Mean.Seconds()},
			{"p99Delay", e.P99Delay, res.P99.Seconds()},
			{"maxDelay", e.MaxDelay, res.Max.Seconds()},
			{"throughput", e.Throughput, -1},
			{"meanRtt", e.MeanRTT, -1},
			{"retransmits", e.Retransmits, -1},
			{"timeouts", e.Timeouts, -1},
			{"reductions", e.Reductions, -1},
			{"marks", e.Marks, -1},
			{"finished", e.Finished, -1},
		})
	}
	return r, nil
}

// maxArrivals bounds what a scenario may ask for.
const maxArrivals = 10_000_000

// arrivals are the packets of the capture or of the runs, in order of time.
func (q *Qdisc) arrivals(dir string) ([]qdisc.Arrival, error) {
	var out []qdisc.Arrival
	if q.Capture != "" {
		file, err := os.Open(filepath.Join(dir, q.Capture))
		if err != nil {
			return nil, fmt.Errorf("open capture: %w", err)
		}
		defer file.Close()
		packets, err := net.ReadCapture(file)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", q.Capture, err)
		}
		for _, p := range packets {
			out = append(out, qdisc.Arrival{Time: p.Time, Frame: p.Data})
		}
		slices.SortStableFunc(out, func(a, b qdisc.Arrival) int { return cmp.Compare(a.Time, b.Time) })
		return out, nil
	}
	const base = 1_000_000_000_000
	for i, t := range q.Arrivals {
		size := int(cmp.Or(t.Size, 1500))
		if size < 60 || size > 65000 || t.Count > maxArrivals || len(out) > maxArrivals {
			return nil, fmt.Errorf("arrivals %d: %g packets of %d bytes: a packet has 60 to 65000 bytes, a scenario at most %d packets", i+1, float64(t.Count), size, maxArrivals)
		}
		// Each run is a flow of its own: UDP from its own address and port.
		frame := make([]byte, size)
		copy(frame, []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0, byte((size - 14) >> 8), byte(size - 14)})
		frame[22], frame[23] = 64, 17
		copy(frame[26:], []byte{10, 0, byte(i >> 8), byte(i), 10, 1, 0, 1, byte(i >> 8), byte(i), 0, 9})
		for n := range int(cmp.Or(t.Count, 1)) {
			out = append(out, qdisc.Arrival{
				Time:  base + uint64(t.Start.Duration()) + uint64(n)*uint64(t.Every.Duration()),
				Frame: frame, Priority: uint32(t.Priority),
			})
		}
	}
	slices.SortStableFunc(out, func(a, b qdisc.Arrival) int { return cmp.Compare(a.Time, b.Time) })
	return out, nil
}

// Text writes the figures, the curves and what does not hold.
func (r *Report) Text(w io.Writer, columns int) error {
	for _, l := range r.Lines {
		if _, err := fmt.Fprintln(w, l); err != nil {
			return fmt.Errorf("write report: %w", err)
		}
	}
	for i := range r.Panels {
		if err := plot.Text(w, &r.Panels[i], columns, 10); err != nil {
			return err
		}
	}
	for _, l := range r.Failed {
		if _, err := fmt.Fprintln(w, "FAIL", l); err != nil {
			return fmt.Errorf("write report: %w", err)
		}
	}
	return nil
}

// SVG draws the curves.
func (r *Report) SVG(w io.Writer) error { return plot.SVG(w, r.Panels) }
