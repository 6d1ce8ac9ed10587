// SPDX-License-Identifier: Apache-2.0

package qdisc

import (
	"errors"
	"os"
	"testing"
	"time"

	"github.com/modbpf/modbpf/framework/host"
	"github.com/modbpf/modbpf/framework/host/net"
	"github.com/modbpf/modbpf/framework/object"
	"github.com/modbpf/modbpf/framework/profile"
	"github.com/modbpf/modbpf/verifier"
)

//go:generate ./testdata/build.sh

// newFIFO inserts the test driver into a host of a kernel that has Qdisc_ops.
func newFIFO(t testing.TB, kernel string) (*Model, *net.Device, *host.Table) {
	t.Helper()
	k, err := profile.Find(kernel)
	if err != nil {
		t.Fatal(err)
	}
	h, err := host.New(k, host.Options{CPUs: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
		if n := h.Objects.Live(); n != 0 {
			t.Errorf("%d objects leaked", n)
		}
	})
	n, err := net.New(h)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if n.Live() != 0 {
			t.Errorf("%d packets leaked", n.Live())
		}
	})
	m, err := New(n)
	if err != nil {
		t.Fatal(err)
	}
	dev, err := n.AddDevice("eth0")
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile("testdata/fifo.bpf.o")
	if err != nil {
		t.Fatal(err)
	}
	o, err := object.OpenBytes(raw, "fifo")
	if err != nil {
		t.Fatal(err)
	}
	b, err := o.Bind(k, object.Options{CPUs: 1})
	if err != nil {
		t.Fatal(err)
	}
	spec := host.Spec{Name: "fifo"}
	for _, p := range b.Programs {
		if p.Err != nil {
			t.Fatal(p.Err)
		}
		c, diag := verifier.Verify(p.Program, k, verifier.Options{Facts: true})
		if diag != nil {
			t.Fatalf("%s: %v\n%s", p.Spec.Name, diag, diag.Regs)
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
	d, err := h.Insert(spec)
	if err != nil {
		t.Fatal(err)
	}
	return m, dev, d.Tables[0]
}

func frame(n int) []byte {
	p := make([]byte, n)
	p[12], p[14] = 8, 0x45
	return p
}

func TestFIFO(t *testing.T) {
	for _, kernel := range []string{"7.2", "7.3"} {
		t.Run(kernel, func(t *testing.T) {
			m, dev, table := newFIFO(t, kernel)
			r := m.net.Host.Enter(nil)
			defer r.Exit()
			q, err := m.Add(r, dev, table, 3)
			if err != nil {
				t.Fatal(err)
			}
			if q.Name != "test_fifo" {
				t.Errorf("name %q", q.Name)
			}
			// Ten packets of 1250 bytes in one burst onto 10 Mbit/s: 1 ms each. One goes
			// out at once, three wait, the rest is refused; two come later.
			var in []Arrival
			for range 10 {
				in = append(in, Arrival{Time: 1e9, Frame: frame(1250)})
			}
			in = append(in, Arrival{Time: 2e9, Frame: frame(125)}, Arrival{Time: 2e9, Frame: frame(1250)})
			res, err := q.Play(r, dev, 10e6, in)
			if err != nil {
				t.Fatal(err)
			}
			want := []struct {
				index int
				delay time.Duration
			}{{0, time.Millisecond}, {1, 2 * time.Millisecond}, {2, 3 * time.Millisecond}, {10, 100 * time.Microsecond}, {11, 1100 * time.Microsecond}}
			if len(res.Sent) != len(want) || res.Refused != 7 {
				t.Fatalf("%d sent, %d refused: %+v", len(res.Sent), res.Refused, res)
			}
			for i, w := range want {
				if s := res.Sent[i]; s.Index != w.index || s.Delay != w.delay {
					t.Errorf("packet %d: %+v, want %+v", i, s, w)
				}
			}
			if q.Drops() != 7 || q.Qlen() != 0 || q.Backlog() != 0 || res.Stats.Packets != 5 || res.Stats.Freed != 7 {
				t.Errorf("drops %d, qlen %d, backlog %d, %+v", q.Drops(), q.Qlen(), q.Backlog(), res.Stats)
			}
			// What is queued when the qdisc goes, goes with it.
			s, err := m.net.NewSkb(frame(100), dev)
			if err != nil {
				t.Fatal(err)
			}
			if ok, err := q.Enqueue(r, s); err != nil || !ok {
				t.Fatal(ok, err)
			}
			if err := q.Remove(r); err != nil {
				t.Fatal(err)
			}
			if m.net.Live() != 0 {
				t.Errorf("%d packets left", m.net.Live())
			}
		})
	}
}

func TestMapOwnsPackets(t *testing.T) {
	m, dev, table := newFIFO(t, "7.2")
	r := m.net.Host.Enter(nil)
	q, err := m.Add(r, dev, table, 100)
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		s, err := m.net.NewSkb(frame(100), dev)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := q.Enqueue(r, s); err != nil {
			t.Fatal(err)
		}
	}
	r.Exit()
	// The driver goes without a reset: its map's list goes, and the packets with it.
	if err := table.Driver().Close(); err != nil {
		t.Fatal(err)
	}
	if m.net.Live() != 0 {
		t.Errorf("%d packets left", m.net.Live())
	}
}

func TestRefused(t *testing.T) {
	m, dev, table := newFIFO(t, "7.2")
	r := m.net.Host.Enter(nil)
	defer r.Exit()
	if _, err := m.Add(r, dev, &host.Table{}, 1); !errors.Is(err, ErrMissing) {
		t.Errorf("empty table: %v", err)
	}
	q, err := m.Add(r, dev, table, 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := q.Play(r, dev, 0, nil); !errors.Is(err, ErrRate) {
		t.Errorf("no rate: %v", err)
	}
}

// BenchmarkPacket is enqueue and dequeue of one packet through list and lock.
func BenchmarkPacket(b *testing.B) {
	m, dev, table := newFIFO(b, "7.2")
	r := m.net.Host.Enter(nil)
	defer r.Exit()
	q, err := m.Add(r, dev, table, 1000)
	if err != nil {
		b.Fatal(err)
	}
	s, err := m.net.NewSkb(frame(100), dev)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := q.Enqueue(r, s); err != nil {
			b.Fatal(err)
		}
		if s, err = q.Dequeue(r); err != nil || s == nil {
			b.Fatal(err)
		}
		r.Quiesce()
	}
	s.Free()
}
