// SPDX-License-Identifier: Apache-2.0

package tcp

import (
	"errors"
	"os"
	"testing"
	"time"

	"github.com/modbpf/modbpf/framework/host"
	"github.com/modbpf/modbpf/framework/object"
	"github.com/modbpf/modbpf/framework/profile"
	"github.com/modbpf/modbpf/verifier"
)

const driverDir = "../../../../drivers/net/"

func newModel(t testing.TB) (*Model, verifier.Kernel) {
	t.Helper()
	k, err := profile.Running()
	if err != nil {
		t.Skip("no profile of the running kernel:", err)
	}
	h, err := host.New(k, host.Options{CPUs: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	m, err := New(h)
	if err != nil {
		t.Fatal(err)
	}
	return m, k
}

// insert proves a congestion control and puts it into the host.
func insert(t testing.TB, m *Model, k verifier.Kernel, path string) *host.Table {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	o, err := object.Open(f, path)
	if err != nil {
		t.Fatal(err)
	}
	b, err := o.Bind(k, object.Options{CPUs: 1})
	if err != nil {
		t.Fatal(err)
	}
	spec := host.Spec{Name: path}
	for _, p := range b.Programs {
		if p.Err != nil {
			t.Fatal(p.Err)
		}
		c, diag := verifier.Verify(p.Program, k, verifier.Options{Facts: true})
		if diag != nil {
			t.Fatalf("%s: %v", p.Spec.Name, diag)
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
	d, err := m.host.Insert(spec)
	if err != nil {
		t.Fatal(err)
	}
	return d.Tables[0]
}

func path100() Scenario {
	return Scenario{
		Rate: 100e6, RTT: 20 * time.Millisecond, Buffer: 250_000, Duration: 20 * time.Second, Seed: 1,
		Flows: []Flow{{Name: "a"}},
	}
}

func TestRenoFillsThePath(t *testing.T) {
	m, _ := newModel(t)
	res, err := m.Run(path100())
	if err != nil {
		t.Fatal(err)
	}
	f := res.Flows[0]
	if f.Throughput < 85e6 || f.Throughput > 100e6 {
		t.Errorf("throughput %.1f Mbit/s", f.Throughput/1e6)
	}
	if f.Reductions == 0 || f.Timeouts > 1 || f.Lost != res.Dropped {
		t.Errorf("%d reductions, %d time-outs, %d lost of %d dropped", f.Reductions, f.Timeouts, f.Lost, res.Dropped)
	}
	if f.Acked+uint64(len(f.Cwnd)) == 0 || f.MeanRTT < 20*time.Millisecond || f.MeanRTT > 45*time.Millisecond {
		t.Errorf("mean round-trip time %v", f.MeanRTT)
	}
	again, err := m.Run(path100())
	if err != nil {
		t.Fatal(err)
	}
	if again.Flows[0].Acked != f.Acked || again.Events != res.Events {
		t.Errorf("two runs differ: %d and %d segments", f.Acked, again.Flows[0].Acked)
	}
}

func TestBytesArrive(t *testing.T) {
	m, _ := newModel(t)
	for _, delayed := range []bool{false, true} {
		for _, loss := range []float64{0, 0.01, 0.2} {
			s := path100()
			s.Loss, s.DelayedACK, s.Duration = loss, delayed, 10*time.Minute
			s.Flows[0].Bytes = 3_000_000
			res, err := m.Run(s)
			if err != nil {
				t.Fatal(err)
			}
			f := res.Flows[0]
			if f.Finished == 0 || f.Acked != 2072 {
				t.Errorf("loss %g, delayed %v: %d segments acknowledged, finished after %v", loss, delayed, f.Acked, f.Finished)
			}
		}
	}
}

func TestFairShares(t *testing.T) {
	m, _ := newModel(t)
	s := path100()
	s.Duration = 60 * time.Second
	s.Flows = []Flow{{Name: "a"}, {Name: "b", Start: time.Second}}
	res, err := m.Run(s)
	if err != nil {
		t.Fatal(err)
	}
	a, b := res.Flows[0].Throughput, res.Flows[1].Throughput
	if a+b < 85e6 || a+b > 101e6 || a/b > 2 || b/a > 2 {
		t.Errorf("shares %.1f and %.1f Mbit/s", a/1e6, b/1e6)
	}
}

// TestDrivers runs every congestion control of the project on a long fat path.
// Westwood's bandwidth filter lags behind slow start by a factor of twenty, so
// its first loss costs it most of the window, here as in a kernel.
func TestDrivers(t *testing.T) {
	m, k := newModel(t)
	s := path100()
	s.Rate, s.RTT, s.Buffer, s.Duration = 300e6, 100*time.Millisecond, 1_000_000, 30*time.Second
	reno, err := m.Run(s)
	if err != nil {
		t.Fatal(err)
	}
	objects, err := os.ReadDir(driverDir)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, e := range objects {
		path := driverDir + e.Name() + "/driver.bpf.o"
		if _, err := os.Stat(path); err != nil {
			continue
		}
		o, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if ob, err := object.OpenBytes(o, path); err != nil || len(ob.Maps) == 0 || !isTCP(ob) {
			continue
		}
		n++
		t.Run(e.Name(), func(t *testing.T) {
			s.Flows[0].Control = insert(t, m, k, path)
			res, err := m.Run(s)
			if err != nil {
				t.Fatal(err)
			}
			f := res.Flows[0]
			t.Logf("%s: %.0f Mbit/s, %d reductions, %d time-outs; reno %.0f Mbit/s", f.Control, f.Throughput/1e6, f.Reductions,
				f.Timeouts, reno.Flows[0].Throughput/1e6)
			if f.Throughput < 0.1*reno.Flows[0].Throughput || f.Throughput > s.Rate {
				t.Errorf("throughput %.1f Mbit/s", f.Throughput/1e6)
			}
		})
	}
	if n == 0 {
		t.Error("no congestion control found")
	}
}

func isTCP(o *object.Object) bool {
	for _, m := range o.Maps {
		if m.Kind == object.MapStructOps && m.Table == Table {
			return true
		}
	}
	return false
}

func TestRefused(t *testing.T) {
	m, _ := newModel(t)
	for _, c := range []struct {
		change func(*Scenario)
		want   error
	}{
		{func(s *Scenario) { s.Rate = 0 }, ErrRate},
		{func(s *Scenario) { s.Rate = 1e15 }, ErrRate},
		{func(s *Scenario) { s.RTT = 0 }, ErrPath},
		{func(s *Scenario) { s.Loss = 1 }, ErrPath},
		{func(s *Scenario) { s.Buffer = 10 }, ErrPath},
		{func(s *Scenario) { s.Flows = nil }, ErrFlows},
	} {
		s := path100()
		c.change(&s)
		if _, err := m.Run(s); !errors.Is(err, c.want) {
			t.Errorf("%v, want %v", err, c.want)
		}
	}
}

// BenchmarkMinute is 60 s of one flow at 100 Mbit/s.
func BenchmarkMinute(b *testing.B) {
	m, k := newModel(b)
	s := path100()
	s.Duration = 60 * time.Second
	s.Flows[0].Control = insert(b, m, k, driverDir+"scalable/driver.bpf.o")
	for b.Loop() {
		if _, err := m.Run(s); err != nil {
			b.Fatal(err)
		}
	}
}
