// SPDX-License-Identifier: Apache-2.0

package tcp

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/modbpf/modbpf/framework/host"
	"github.com/modbpf/modbpf/framework/host/world"
)

// Scenario is a path and the flows that share it.
type Scenario struct {
	Rate       float64       // of the bottleneck, bits a second
	RTT        time.Duration // without queueing
	Buffer     int           // bytes the bottleneck queues
	Loss       float64       // share of packets lost at random
	ECN        time.Duration // queueing delay above which packets are marked; 0: never
	Duration   time.Duration
	MSS        int
	DelayedACK bool
	Seed       uint64
	Sample     time.Duration // between points of the curves
	Flows      []Flow
}

// Flow is one sender.
type Flow struct {
	Name     string
	Control  *host.Table // a driver's tcp_congestion_ops; nil: Reno
	Start    time.Duration
	Bytes    uint64        // 0: as much as it can
	ExtraRTT time.Duration // beyond the scenario's
	ECN      bool
}

// Result is what a run gave.
type Result struct {
	Flows   []FlowResult
	Queue   []float64 // bytes, at each sample
	Times   []float64 // seconds
	Dropped uint64
	Events  uint64
}

// FlowResult is one flow's part.
type FlowResult struct {
	Name        string
	Control     string
	Throughput  float64 // bits a second of payload acknowledged, over its time
	Acked       uint64  // segments
	Sent        uint64
	Lost        uint64
	Retransmits uint64
	Timeouts    uint64
	Marks       uint64
	Reductions  uint64
	MeanRTT     time.Duration
	Finished    time.Duration // when all bytes were acknowledged; 0: not

	Cwnd     []float64 // segments
	Ssthresh []float64
	RTT      []float64 // milliseconds, smoothed
	Rate     []float64 // bits a second since the sample before
}

// Errors of a scenario.
var (
	ErrRate  = errors.New("rate must be between 1 kbit/s and 1 Tbit/s")
	ErrPath  = errors.New("the path is out of range")
	ErrFlows = errors.New("a scenario has 1 to 64 flows")
)

// headers is what Ethernet, IP and TCP with time stamps add to a segment.
const headers = 66

func (s *Scenario) wire() int { return s.MSS + headers }

// check fills in defaults and refuses what makes no sense.
func (s *Scenario) check() error {
	if s.MSS == 0 {
		s.MSS = 1448
	}
	if s.Sample == 0 {
		s.Sample = max(s.Duration/1000, time.Millisecond)
	}
	switch {
	case !(s.Rate >= 1e3 && s.Rate <= 1e12):
		return fmt.Errorf("rate %g: %w", s.Rate, ErrRate)
	case s.RTT <= 0 || s.RTT > 100*time.Second:
		return fmt.Errorf("round-trip time %v: %w", s.RTT, ErrPath)
	case !(s.Loss >= 0 && s.Loss < 1):
		return fmt.Errorf("loss %g: %w", s.Loss, ErrPath)
	case s.Duration <= 0 || s.Duration > 24*time.Hour:
		return fmt.Errorf("duration %v: %w", s.Duration, ErrPath)
	case s.MSS < 88 || s.MSS > 65000:
		return fmt.Errorf("segment size %d: %w", s.MSS, ErrPath)
	case s.Buffer < s.wire() || s.Buffer > 1<<40:
		return fmt.Errorf("buffer of %d bytes (a packet has %d): %w", s.Buffer, s.wire(), ErrPath)
	case s.Duration/s.Sample > 1_000_000:
		return fmt.Errorf("a sample every %v: %w", s.Sample, ErrPath)
	case len(s.Flows) == 0 || len(s.Flows) > 64:
		return fmt.Errorf("%d flows: %w", len(s.Flows), ErrFlows)
	}
	return nil
}

// sim is one run of a scenario. The bottleneck is a FIFO: a packet's departure
// is known when it enters, and so is its ACK's arrival, so the only events are
// ACKs, timers, pacing and starts.
type sim struct {
	s       *Scenario
	clock   *world.Clock
	base    uint64
	flows   []*flow
	perByte float64 // nanoseconds
	free    uint64  // when the link is idle
	rng     *rand.Rand
	dropped uint64
}

// enqueue puts a packet into the bottleneck, or loses it.
func (s *sim) enqueue(f *flow, seq, now uint64) {
	f.stats.Sent++
	size := float64(s.s.wire())
	wait := uint64(0)
	if s.free > now {
		wait = s.free - now
	}
	if float64(wait)/s.perByte+size > float64(s.s.Buffer) || s.s.Loss > 0 && s.rng.Float64() < s.s.Loss {
		s.dropped++
		return
	}
	s.free = max(s.free, now) + uint64(size*s.perByte)
	mark := s.s.ECN > 0 && f.spec.ECN && wait > uint64(s.s.ECN)
	f.receive(seq, s.free+s.half(f), mark)
}

func (s *sim) half(f *flow) uint64 { return uint64((s.s.RTT + f.spec.ExtraRTT) / 2) }
func (s *sim) back(f *flow) uint64 { return uint64(s.s.RTT+f.spec.ExtraRTT) - s.half(f) }

// start is when the simulated clock begins: long enough after zero that
// differences to times never set are large.
const start = 1_000_000_000_000

// Run runs a scenario. The host's clock is the scenario's from then on.
func (m *Model) Run(s Scenario) (*Result, error) {
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("run scenario: %w", err)
	}
	m.host.Clock.Simulate(start)
	r := m.host.Enter(nil)
	defer r.Exit()
	sm := &sim{s: &s, clock: m.host.Clock, base: start, perByte: 8e9 / s.Rate, rng: rand.New(rand.NewPCG(s.Seed, 1))}
	defer sm.close(m)
	for i := range s.Flows {
		f, err := m.newFlow(sm, &s.Flows[i])
		if err != nil {
			return nil, fmt.Errorf("run scenario: %w", err)
		}
		sm.flows = append(sm.flows, f)
	}
	res, err := sm.loop(r)
	if err != nil {
		return nil, fmt.Errorf("run scenario: %w", err)
	}
	return res, nil
}

func (m *Model) newFlow(sm *sim, spec *Flow) (*flow, error) {
	f := &flow{
		sim: sm, spec: spec, l: &m.l, cc: controlOf(&m.l, spec.Control), segs: make([]segment, 64),
		rcvOut: make(map[uint64]bool), limit: ^uint64(0) >> 1, rto: 1_000_000,
	}
	if spec.Bytes > 0 {
		f.limit = (spec.Bytes + uint64(sm.s.MSS) - 1) / uint64(sm.s.MSS)
	}
	var err error
	if f.obj, err = m.l.New(m.host.Mem, 0); err != nil {
		return nil, err
	}
	f.sk = f.obj.Addr
	if f.smp, err = m.l.sample.New(m.host.Mem, 0); err != nil {
		return nil, err
	}
	if f.rs, err = m.l.rate.New(m.host.Mem, 0); err != nil {
		return nil, err
	}
	f.stats = FlowResult{Name: spec.Name, Control: f.cc.name}
	return f, nil
}

func (s *sim) close(m *Model) {
	for _, f := range s.flows {
		m.host.Freed(f.sk)
		f.obj.Free()
		f.smp.Free()
		f.rs.Free()
	}
}

// begin is the established connection of ten segments (RFC 6928).
func (f *flow) begin(r *world.Run, now uint64) {
	f.started = true
	l, sk := f.l, f.sk
	l.cwnd.Set(sk, 10)
	l.clamp.Set(sk, windowMax-1)
	l.ssthresh.Set(sk, infiniteSsthresh)
	l.mss.Set(sk, uint64(f.sim.s.MSS))
	l.pacing.Set(sk, ^uint64(0))
	l.reordering.Set(sk, 3)
	if f.spec.ECN {
		l.ecn.Set(sk, 1)
	}
	// The handshake measured the path.
	f.sampleRTT(uint64(f.sim.s.RTT + f.spec.ExtraRTT))
	f.publish(now)
	if f.cc.init != nil {
		f.cc.call(r, f.cc.init, uint64(sk))
	}
	f.send(r, now)
}

const never = ^uint64(0)

// next is when a flow has something to do.
func (f *flow) next(s *sim) uint64 {
	if !f.started {
		return s.base + uint64(f.spec.Start)
	}
	if f.done {
		return never
	}
	t := uint64(never)
	if a := f.acks.front(); a != nil {
		t = a.at
	}
	if f.delack != 0 {
		t = min(t, f.delack)
	}
	if f.timer != 0 {
		t = min(t, f.timer)
	}
	if f.pace != 0 && f.inFlight() < f.get(f.l.cwnd) && (f.nxt < f.limit || len(f.lostQ) > 0) {
		t = min(t, f.pace)
	}
	return t
}

// step does what is due at a flow.
func (f *flow) step(r *world.Run, now uint64) {
	switch a := f.acks.front(); {
	case !f.started:
		f.begin(r, now)
	case a != nil && a.at <= now:
		v := *a
		f.acks.pop()
		f.onAck(r, v, now)
		if f.una >= f.limit {
			f.finish(r, now)
			return
		}
		f.send(r, now)
	case f.delack != 0 && f.delack <= now:
		f.held.at = f.delack + f.sim.back(f)
		f.delack = 0
		f.acks.push(f.held)
	case f.timer != 0 && f.timer <= now:
		f.onTimeout(r, now)
	default:
		if f.pace <= now {
			f.pace = 0
		}
		f.send(r, now)
	}
}

func (f *flow) finish(r *world.Run, now uint64) {
	f.done = true
	f.stats.Finished = time.Duration(now - f.sim.base)
	if f.cc.release != nil {
		f.cc.call(r, f.cc.release, uint64(f.sk))
	}
}

func (s *sim) loop(r *world.Run) (*Result, error) {
	res := &Result{}
	end := s.base + uint64(s.s.Duration)
	sample := s.base
	last := make([]uint64, len(s.flows))
	rtts := make([]float64, len(s.flows))
	for {
		t, who := uint64(never), -1
		for i, f := range s.flows {
			if n := f.next(s); n < t {
				t, who = n, i
			}
		}
		for sample <= end && sample <= t {
			s.sample(res, sample, last, rtts)
			sample += uint64(s.s.Sample)
		}
		if who < 0 || t > end {
			break
		}
		s.clock.Advance(t)
		f := s.flows[who]
		f.step(r, t)
		if f.cc.err != nil {
			return nil, f.cc.err
		}
		res.Events++
		r.Quiesce()
	}
	s.clock.Advance(end)
	for i, f := range s.flows {
		if f.started && !f.done && f.cc.release != nil {
			f.cc.call(r, f.cc.release, uint64(f.sk))
		}
		f.stats.Acked = f.una
		over := s.s.Duration - f.spec.Start
		if f.stats.Finished != 0 {
			over = f.stats.Finished - f.spec.Start
		}
		if over > 0 {
			f.stats.Throughput = float64(f.una) * float64(s.s.MSS) * 8 / over.Seconds()
		}
		if n := len(f.stats.RTT); n > 0 {
			f.stats.MeanRTT = time.Duration(rtts[i] / float64(n) * 1e6)
		}
		res.Flows = append(res.Flows, f.stats)
	}
	res.Dropped = s.dropped
	return res, nil
}

// sample notes a point of every curve.
func (s *sim) sample(res *Result, t uint64, last []uint64, rtts []float64) {
	res.Times = append(res.Times, float64(t-s.base)/1e9)
	q := 0.0
	if s.free > t {
		q = float64(s.free-t) / s.perByte
	}
	res.Queue = append(res.Queue, q)
	for i, f := range s.flows {
		st := &f.stats
		cwnd, th, rtt, rate := 0.0, 0.0, 0.0, 0.0
		if f.started && !f.done {
			cwnd = float64(f.get(f.l.cwnd))
			if v := f.get(f.l.ssthresh); v < infiniteSsthresh {
				th = float64(v)
			}
			rtt = float64(f.l.srtt.Get(f.sk)>>3) / 1000
		}
		rate = float64(f.una-last[i]) * float64(s.s.MSS) * 8 / s.s.Sample.Seconds()
		last[i] = f.una
		rtts[i] += rtt
		st.Cwnd, st.Ssthresh = append(st.Cwnd, cwnd), append(st.Ssthresh, th)
		st.RTT, st.Rate = append(st.RTT, rtt), append(st.Rate, rate)
	}
}
