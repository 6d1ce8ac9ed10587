// SPDX-License-Identifier: Apache-2.0

// Package tcp is a model of TCP senders that share a bottleneck. It calls the
// slots of a congestion control on a typed tcp_sock the way the kernel's sender
// does (net/ipv4/tcp_input.c: which slot, in which order, in which state), with
// a path of one queue, a delay and losses in between. docs/models.md says what
// is modelled and what is not.
package tcp

import (
	"fmt"

	"github.com/modbpf/modbpf/framework/host"
	"github.com/modbpf/modbpf/framework/host/typed"
	"github.com/modbpf/modbpf/framework/host/world"
	"github.com/modbpf/modbpf/jit"
)

// Table is the struct_ops type of congestion controls.
const Table = "tcp_congestion_ops"

// States of a sender (enum tcp_ca_state).
const (
	stateOpen = iota
	stateDisorder
	stateCWR
	stateRecovery
	stateLoss
)

// Events that cwnd_event is told (enum tcp_ca_event).
const (
	eventTxStart     = 0
	eventCompleteCWR = 2
	eventLoss        = 3
)

// Flags of in_ack_event.
const (
	ackSlowpath = 1
	ackECE      = 4
)

const infiniteSsthresh = 0x7fffffff

// layout is the fields of tcp_sock the sender keeps.
type layout struct {
	*typed.Layout
	cwnd, cwndCnt, clamp, ssthresh, una, nxt, priorCwnd, maxOut, out, lost, sacked, retrans typed.Field
	srtt, mdev, mss, cwndLimited, state, priv, delivered, deliveredCE, mstamp, stamp        typed.Field
	highSeq, priorSsthresh, undoMarker, pacing, totalRetrans, rttMin, ecn, lsndtime         typed.Field
	lostTotal, deliveredTime, firstTx, prrDelivered, prrOut, reordering, undoRetrans        typed.Field
	hasRTTMin                                                                               bool
	sample, rate                                                                            *typed.Layout
	sPkts, sRTT, sInFlight                                                                  typed.Field
	rDelivered, rInterval, rRTT, rLosses, rAcked, rPriorInFlight, rPriorDelivered           typed.Field
	rPriorMstamp                                                                            typed.Field
}

func (l *layout) resolve(all *typed.Layouts) (err error) {
	if l.Layout, err = all.Of("tcp_sock"); err != nil {
		return err
	}
	const icsk = "inet_conn."
	for path, f := range map[string]*typed.Field{
		"snd_cwnd": &l.cwnd, "snd_cwnd_cnt": &l.cwndCnt, "snd_cwnd_clamp": &l.clamp, "snd_ssthresh": &l.ssthresh,
		"snd_una": &l.una, "snd_nxt": &l.nxt, "prior_cwnd": &l.priorCwnd, "max_packets_out": &l.maxOut, "packets_out": &l.out,
		"lost_out": &l.lost, "sacked_out": &l.sacked, "retrans_out": &l.retrans, "srtt_us": &l.srtt, "mdev_us": &l.mdev,
		"mss_cache": &l.mss, "is_cwnd_limited": &l.cwndLimited, icsk + "icsk_ca_state": &l.state, icsk + "icsk_ca_priv": &l.priv,
		"delivered": &l.delivered, "delivered_ce": &l.deliveredCE, "tcp_mstamp": &l.mstamp, "snd_cwnd_stamp": &l.stamp,
		"high_seq": &l.highSeq, "prior_ssthresh": &l.priorSsthresh, "undo_marker": &l.undoMarker,
		icsk + "icsk_inet.sk.sk_pacing_rate": &l.pacing, "total_retrans": &l.totalRetrans, "ecn_flags": &l.ecn,
		"lsndtime": &l.lsndtime, "lost": &l.lostTotal, "delivered_mstamp": &l.deliveredTime, "first_tx_mstamp": &l.firstTx,
		"prr_delivered": &l.prrDelivered, "prr_out": &l.prrOut, "reordering": &l.reordering, "undo_retrans": &l.undoRetrans,
	} {
		if *f, err = l.Field(path); err != nil {
			return err
		}
	}
	if l.Has("rtt_min.s[0].v") {
		l.rttMin, l.hasRTTMin = l.MustField("rtt_min.s[0].v"), true
	}
	if l.sample, err = all.Of("ack_sample"); err != nil {
		return err
	}
	if l.rate, err = all.Of("rate_sample"); err != nil {
		return err
	}
	for _, r := range []struct {
		l    *typed.Layout
		path string
		f    *typed.Field
	}{
		{l.sample, "pkts_acked", &l.sPkts},
		{l.sample, "rtt_us", &l.sRTT},
		{l.sample, "in_flight", &l.sInFlight},
		{l.rate, "delivered", &l.rDelivered},
		{l.rate, "interval_us", &l.rInterval},
		{l.rate, "rtt_us", &l.rRTT},
		{l.rate, "losses", &l.rLosses},
		{l.rate, "acked_sacked", &l.rAcked},
		{l.rate, "prior_in_flight", &l.rPriorInFlight},
		{l.rate, "prior_delivered", &l.rPriorDelivered},
		{l.rate, "prior_mstamp", &l.rPriorMstamp},
	} {
		if *r.f, err = r.l.Field(r.path); err != nil {
			return err
		}
	}
	return nil
}

// Model runs scenarios in a host, whose clock it moves.
type Model struct {
	host *host.Host
	l    layout
}

// New adds TCP to a host: the kernel's functions that congestion controls may
// call. It must come before drivers that use them.
func New(h *host.Host) (*Model, error) {
	m := &Model{host: h}
	if err := m.l.resolve(h.Layouts); err != nil {
		return nil, fmt.Errorf("make TCP model: %w", err)
	}
	l := &m.l
	for name, fn := range map[string]jit.Func{
		"tcp_reno_ssthresh": func(_ *jit.Frame, sk, _, _, _, _ uint64) uint64 {
			return uint64(renoSsthresh(l, uintptr(sk)))
		},
		"tcp_reno_undo_cwnd": func(_ *jit.Frame, sk, _, _, _, _ uint64) uint64 {
			return uint64(renoUndo(l, uintptr(sk)))
		},
		"tcp_reno_cong_avoid": func(_ *jit.Frame, sk, _, acked, _, _ uint64) uint64 {
			renoCongAvoid(l, uintptr(sk), uint32(acked))
			return 0
		},
		"tcp_slow_start": func(_ *jit.Frame, tp, acked, _, _, _ uint64) uint64 {
			return uint64(slowStart(l, uintptr(tp), uint32(acked)))
		},
		"tcp_cong_avoid_ai": func(_ *jit.Frame, tp, w, acked, _, _ uint64) uint64 {
			congAvoidAI(l, uintptr(tp), uint32(w), uint32(acked))
			return 0
		},
	} {
		h.Kfunc(name, fn)
	}
	return m, nil
}

func (l *layout) u32(f typed.Field, sk uintptr) uint32 { return uint32(f.Get(sk)) }

// Reno's parts, which the kernel offers to every congestion control (RFC 5681).

func renoSsthresh(l *layout, sk uintptr) uint32 { return max(l.u32(l.cwnd, sk)>>1, 2) }

func renoUndo(l *layout, sk uintptr) uint32 {
	return max(l.u32(l.cwnd, sk), l.u32(l.priorCwnd, sk))
}

func cwndLimited(l *layout, sk uintptr) bool {
	if l.cwndLimited.Get(sk) != 0 {
		return true
	}
	cwnd := l.u32(l.cwnd, sk)
	return cwnd < l.u32(l.ssthresh, sk) && cwnd < 2*l.u32(l.maxOut, sk)
}

func slowStart(l *layout, sk uintptr, acked uint32) uint32 {
	before := l.u32(l.cwnd, sk)
	cwnd := min(before+acked, l.u32(l.ssthresh, sk))
	l.cwnd.Set(sk, uint64(min(cwnd, l.u32(l.clamp, sk))))
	return acked - (cwnd - before)
}

func congAvoidAI(l *layout, sk uintptr, w, acked uint32) {
	cwnd, cnt := l.u32(l.cwnd, sk), l.u32(l.cwndCnt, sk)
	w = max(w, 1)
	if cnt >= w {
		cnt = 0
		cwnd++
	}
	cnt += acked
	if cnt >= w {
		d := cnt / w
		cnt -= d * w
		cwnd += d
	}
	l.cwndCnt.Set(sk, uint64(cnt))
	l.cwnd.Set(sk, uint64(min(cwnd, l.u32(l.clamp, sk))))
}

func renoCongAvoid(l *layout, sk uintptr, acked uint32) {
	if !cwndLimited(l, sk) {
		return
	}
	if l.u32(l.cwnd, sk) < l.u32(l.ssthresh, sk) {
		if acked = slowStart(l, sk, acked); acked == 0 {
			return
		}
	}
	congAvoidAI(l, sk, l.u32(l.cwnd, sk), acked)
}

// control is a congestion control: a driver's slots, or Reno where it has none.
type control struct {
	name                                                                        string
	l                                                                           *layout
	ssthresh, congAvoid, setState, cwndEvent, txStart, inAck, pktsAcked, contrl *host.Slot
	init, release                                                               *host.Slot
	err                                                                         error
}

// controlOf takes a driver's table; nil is Reno.
func controlOf(l *layout, t *host.Table) *control {
	c := &control{name: "reno", l: l}
	if t == nil {
		return c
	}
	c.name = t.String("name")
	if c.name == "" {
		c.name = t.Variable
	}
	for member, to := range map[string]**host.Slot{
		"ssthresh": &c.ssthresh, "cong_avoid": &c.congAvoid, "set_state": &c.setState, "cwnd_event": &c.cwndEvent, "cwnd_event_tx_start": &c.txStart, "in_ack_event": &c.inAck,
		"pkts_acked": &c.pktsAcked, "cong_control": &c.contrl, "init": &c.init, "release": &c.release,
	} {
		*to = t.Slot(member)
	}
	return c
}

// call runs a slot and keeps the first error.
func (c *control) call(r *world.Run, s *host.Slot, args ...uint64) uint64 {
	v, err := s.Call(r, args...)
	if err != nil && c.err == nil {
		c.err = fmt.Errorf("run %s.%s: %w", Table, s.Member, err)
	}
	return v
}

func (c *control) ssthreshOf(r *world.Run, sk uintptr) uint32 {
	if c.ssthresh == nil {
		return renoSsthresh(c.l, sk)
	}
	return uint32(c.call(r, c.ssthresh, uint64(sk)))
}

func (c *control) avoid(r *world.Run, sk uintptr, ack, acked uint32) {
	if c.congAvoid == nil {
		renoCongAvoid(c.l, sk, acked)
		return
	}
	c.call(r, c.congAvoid, uint64(sk), uint64(ack), uint64(acked))
}

// state tells the driver first and changes the state then, as the kernel does.
func (c *control) state(r *world.Run, sk uintptr, s int) {
	if c.setState != nil {
		c.call(r, c.setState, uint64(sk), uint64(s))
	}
	c.l.state.Set(sk, uint64(s))
}

// event tells what happened; kernels from 7.1 have a slot of its own for the
// start of a transmission.
func (c *control) event(r *world.Run, sk uintptr, e int) {
	switch {
	case e == eventTxStart && c.txStart != nil:
		c.call(r, c.txStart, uint64(sk))
	case c.cwndEvent != nil:
		c.call(r, c.cwndEvent, uint64(sk), uint64(e))
	}
}
