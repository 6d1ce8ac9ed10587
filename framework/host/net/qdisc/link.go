// SPDX-License-Identifier: Apache-2.0

package qdisc

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/modbpf/modbpf/framework/host"
	"github.com/modbpf/modbpf/framework/host/net"
)

// Sent is one packet that came out of the link.
type Sent struct {
	Index int // in the arrivals
	At    uint64
	Delay time.Duration // from arrival to the end of transmission
}

// Result is what became of the packets of a capture.
type Result struct {
	Sent    []Sent
	Refused int
	Mean    time.Duration
	P99     time.Duration
	Max     time.Duration
	Stats   Stats
}

// ErrRate is a link that carries nothing.
var ErrRate = errors.New("rate must be between 1 kbit/s and 1 Tbit/s")

// Arrival is a packet that comes to the qdisc.
type Arrival struct {
	Time     uint64 // nanoseconds, rising
	Frame    []byte
	Priority uint32
}

// Play sends arrivals through a qdisc onto a link of a rate in bits a second.
// The host's clock is the arrivals' from then on. Packets that are still queued
// at the end are sent; packets that only a watchdog can release are waited for.
func (q *Qdisc) Play(r *host.Run, dev *net.Device, rate float64, arrivals []Arrival) (*Result, error) {
	if !(rate >= 1e3 && rate <= 1e12) {
		return nil, fmt.Errorf("play through qdisc %s: rate %g: %w", q.Name, rate, ErrRate)
	}
	if len(arrivals) == 0 {
		return &Result{}, nil
	}
	clock := q.m.net.Host.Clock
	clock.Simulate(arrivals[0].Time)
	res := &Result{}
	type flight struct {
		index int
		at    uint64
	}
	known := make(map[*net.Skb]flight)
	next, free := 0, arrivals[0].Time
	idle := false // the qdisc had nothing to send when it was asked last
	for {
		t, what := uint64(1<<63), 0
		if next < len(arrivals) {
			t, what = max(arrivals[next].Time, clock.Now()), 1
		}
		if !idle && free < t {
			t, what = max(free, clock.Now()), 2
		}
		if q.wake != 0 && idle && max(q.wake, free) < t {
			t, what = max(q.wake, free, clock.Now()), 3
		}
		if what == 0 {
			break
		}
		clock.Advance(t)
		switch what {
		case 1:
			a := arrivals[next]
			s, err := q.m.net.NewSkb(a.Frame, dev)
			if err != nil {
				return nil, err
			}
			s.SetTstamp(t)
			s.SetPriority(a.Priority)
			known[s] = flight{next, t}
			next++
			ok, err := q.Enqueue(r, s)
			if err != nil {
				return nil, err
			}
			if !ok {
				res.Refused++
			}
			idle = false
		default:
			if what == 3 {
				q.wake = 0
			}
			s, err := q.Dequeue(r)
			if err != nil {
				return nil, err
			}
			if s == nil {
				idle = true
				continue
			}
			idle = false
			f := known[s]
			free = t + uint64(float64(s.Len())*8e9/rate)
			res.Sent = append(res.Sent, Sent{Index: f.index, At: free, Delay: time.Duration(free - f.at)})
			s.Free()
		}
		r.Quiesce()
	}
	res.Stats = q.Stats
	res.summarize()
	return res, nil
}

func (r *Result) summarize() {
	if len(r.Sent) == 0 {
		return
	}
	d := make([]time.Duration, len(r.Sent))
	var sum time.Duration
	for i, s := range r.Sent {
		d[i] = s.Delay
		sum += s.Delay
	}
	slices.Sort(d)
	r.Mean, r.P99, r.Max = sum/time.Duration(len(d)), d[len(d)*99/100], d[len(d)-1]
}
