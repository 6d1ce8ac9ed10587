// SPDX-License-Identifier: Apache-2.0

package tcp

import "github.com/modbpf/modbpf/framework/host/world"

// onAck is tcp_ack: in_ack_event, the scoreboard and pkts_acked, the state
// machine, then the window.
func (f *flow) onAck(r *world.Run, a ack, now uint64) {
	l, sk := f.l, f.sk
	priorFlight := f.inFlight()
	flags := uint64(0)
	slow := a.ece || a.seq >= a.upTo || f.get(l.state) != stateOpen
	if slow {
		flags |= ackSlowpath
	}
	if a.ece {
		flags |= ackECE
		l.deliveredCE.Set(sk, uint64(f.get(l.deliveredCE)+a.ces))
	}
	f.publish(now)
	if f.cc.inAck != nil {
		f.cc.call(r, f.cc.inAck, uint64(sk), flags)
	}
	acked, newly, rtt, snap := f.advance(a, now)
	losses := f.markLost()
	if rtt > 0 {
		f.sampleRTT(rtt)
	}
	l.delivered.Set(sk, uint64(f.get(l.delivered)+newly))
	if newly > 0 {
		l.deliveredTime.Set(sk, now/1000)
		f.backoff = 0
	}
	f.publish(now)
	if f.cc.pktsAcked != nil && (acked > 0 || newly > 0) {
		p := f.smp.Addr
		l.sPkts.Set(p, uint64(acked))
		rttUS := ^uint64(0)
		if rtt > 0 {
			rttUS = rtt / 1000
		}
		l.sRTT.Set(p, rttUS)
		l.sInFlight.Set(p, uint64(priorFlight))
		f.cc.call(r, f.cc.pktsAcked, uint64(sk), uint64(p))
	}
	f.alert(r, a)
	f.control(r, newly, acked, priorFlight, losses, rtt, snap, now)
	f.timer = 0
	if f.out > 0 {
		f.timer = now + (f.rto<<f.backoff)*1000
	}
	f.publish(now)
	f.stats.Acked = f.una
}

// advance moves the scoreboard: acked are segments newly acknowledged in order,
// newly all that were heard of for the first time.
func (f *flow) advance(a ack, now uint64) (acked, newly uint32, rtt uint64, snap segment) {
	note := func(s *segment) {
		newly++
		if s.order > f.latest {
			f.latest, snap = s.order, *s
		}
		if !s.again {
			if d := now - s.sent; rtt == 0 || d < rtt {
				rtt = d
			}
		}
	}
	for ; f.una < a.upTo && f.una < f.nxt; f.una++ {
		s := f.seg(f.una)
		switch s.state {
		case segSacked:
			f.sacked--
		case segLost:
			f.lost--
			note(s)
		case segResent:
			f.lost--
			f.retrans--
			note(s)
		default:
			note(s)
		}
		f.out--
		acked++
	}
	if a.seq >= f.una && a.seq < f.nxt {
		s := f.seg(a.seq)
		if s.state != segSacked {
			if s.state == segLost || s.state == segResent {
				f.lost--
			}
			if s.state == segResent {
				f.retrans--
			}
			note(s)
			s.state = segSacked
			f.sacked++
		}
	}
	f.highest = max(f.highest, a.seq+1, a.upTo)
	return acked, newly, rtt, snap
}

// markLost finds what is lost: a segment more than three below the highest that
// arrived (RFC 6675), and a retransmission when one sent three later arrived.
func (f *flow) markLost() (n uint32) {
	lose := func(seq uint64) {
		f.seg(seq).state = segLost
		f.lostQ = append(f.lostQ, seq)
		n++
	}
	f.scan = max(f.scan, f.una)
	for ; f.scan+3 < f.highest; f.scan++ {
		if f.seg(f.scan).state == segOut {
			f.lost++
			lose(f.scan)
		}
	}
	for len(f.resent) > 0 {
		h := f.resent[0]
		s := f.seg(h.seq)
		if h.seq >= f.una && s.state == segResent && s.order == h.order {
			if f.latest <= h.order+3 {
				break
			}
			f.retrans--
			lose(h.seq)
		}
		f.resent = f.resent[1:]
	}
	f.stats.Lost += uint64(n)
	f.l.lostTotal.Set(f.sk, f.stats.Lost)
	return n
}

// sampleRTT is RFC 6298, with the kernel's fixed point: srtt times 8.
func (f *flow) sampleRTT(rtt uint64) {
	us := max(rtt/1000, 1)
	if f.minRTT == 0 || us < f.minRTT {
		f.minRTT = us
		if f.l.hasRTTMin {
			f.l.rttMin.Set(f.sk, us)
		}
	}
	srtt, mdev := f.l.srtt.Get(f.sk), f.l.mdev.Get(f.sk)
	if srtt == 0 {
		srtt, mdev = us<<3, us<<1
	} else {
		d := int64(us) - int64(srtt>>3)
		srtt = uint64(int64(srtt) + d)
		d = max(d, -d) - int64(mdev>>2)
		mdev = uint64(int64(mdev) + d)
	}
	f.l.srtt.Set(f.sk, srtt)
	f.l.mdev.Set(f.sk, mdev)
	f.rto = min(srtt>>3+max(mdev, 200_000), 120_000_000)
}

// alert is tcp_fastretrans_alert: the state machine of congestion avoidance.
func (f *flow) alert(r *world.Run, a ack) {
	state := f.get(f.l.state)
	if state != stateOpen && state != stateDisorder && f.una >= f.highSeq {
		switch state {
		case stateCWR, stateRecovery:
			if f.una > f.highSeq || state == stateRecovery {
				f.endReduction(r)
				f.cc.state(r, f.sk, stateOpen)
			}
		case stateLoss:
			f.cc.state(r, f.sk, stateOpen)
		}
		state = f.get(f.l.state)
	}
	switch {
	case state == stateRecovery || state == stateLoss:
	case f.lost > 0 && f.una < f.nxt:
		f.enterRecovery(r, state)
	case a.ece && state < stateCWR && f.spec.ECN:
		f.priorTo(r)
		f.undoMarker = false
		f.set(f.l.undoMarker, 0)
		f.cc.state(r, f.sk, stateCWR)
	case state < stateCWR:
		want := stateOpen
		if f.sacked > 0 {
			want = stateDisorder
		}
		if int(state) != want {
			f.cc.state(r, f.sk, want)
		}
	}
}

// priorTo is tcp_init_cwnd_reduction.
func (f *flow) priorTo(r *world.Run) {
	l, sk := f.l, f.sk
	f.highSeq = f.nxt
	l.highSeq.Set(sk, 1+f.nxt*uint64(f.sim.s.MSS))
	l.priorCwnd.Set(sk, uint64(f.get(l.cwnd)))
	l.prrDelivered.Set(sk, 0)
	l.prrOut.Set(sk, 0)
	l.ssthresh.Set(sk, uint64(f.cc.ssthreshOf(r, sk)))
	f.stats.Reductions++
}

func (f *flow) enterRecovery(r *world.Run, state uint32) {
	f.undoMarker = true
	f.set(f.l.undoMarker, uint64(f.ackSeq()))
	f.set(f.l.undoRetrans, 0)
	if state != stateCWR {
		f.set(f.l.priorSsthresh, uint64(f.get(f.l.ssthresh)))
		f.priorTo(r)
	} else {
		f.highSeq = f.nxt
	}
	f.cc.state(r, f.sk, stateRecovery)
}

// endReduction is tcp_end_cwnd_reduction.
func (f *flow) endReduction(r *world.Run) {
	if f.cc.contrl != nil {
		return
	}
	l := f.l
	if th := f.get(l.ssthresh); th < infiniteSsthresh && (f.get(l.state) == stateCWR || f.undoMarker) {
		f.set(l.cwnd, uint64(th))
		f.set(l.stamp, f.sim.clock.Jiffies())
	}
	f.undoMarker = false
	f.set(l.undoMarker, 0)
	f.cc.event(r, f.sk, eventCompleteCWR)
}

// control is tcp_cong_control.
func (f *flow) control(r *world.Run, newly, acked, priorFlight, losses uint32, rtt uint64, snap segment, now uint64) {
	l, sk := f.l, f.sk
	if f.cc.contrl != nil {
		rs := f.rs.Addr
		l.rAcked.Set(rs, uint64(newly))
		l.rLosses.Set(rs, uint64(losses))
		l.rPriorInFlight.Set(rs, uint64(priorFlight))
		l.rRTT.Set(rs, ^uint64(0))
		if rtt > 0 {
			l.rRTT.Set(rs, rtt/1000)
		}
		l.rDelivered.Set(rs, ^uint64(0))
		l.rInterval.Set(rs, ^uint64(0))
		if snap.order != 0 {
			snd := (snap.sent / 1000) - min(snap.sent/1000, l.firstTx.Get(sk))
			ackd := now/1000 - min(now/1000, snap.delTime)
			l.rDelivered.Set(rs, uint64(f.get(l.delivered)-snap.delivered))
			l.rPriorDelivered.Set(rs, uint64(snap.delivered))
			l.rPriorMstamp.Set(rs, snap.delTime)
			l.rInterval.Set(rs, max(snd, ackd))
			l.firstTx.Set(sk, snap.sent/1000)
		}
		f.cc.call(r, f.cc.contrl, uint64(sk), uint64(f.ackSeq()), 0, uint64(rs))
		return
	}
	switch state := f.get(l.state); {
	case state == stateCWR || state == stateRecovery:
		f.reduce(newly, losses, acked > 0)
	case acked > 0 || newly > 0 && state != stateDisorder:
		f.cc.avoid(r, sk, f.ackSeq(), newly)
		f.set(l.stamp, f.sim.clock.Jiffies())
	}
}

// reduce is proportional rate reduction (RFC 6937).
func (f *flow) reduce(newly, losses uint32, advanced bool) {
	l := f.l
	prior := f.get(l.priorCwnd)
	if newly == 0 || prior == 0 {
		return
	}
	delivered := f.get(l.prrDelivered) + newly
	f.set(l.prrDelivered, uint64(delivered))
	prrOut, th, flight := f.get(l.prrOut), f.get(l.ssthresh), f.inFlight()
	var n int64
	if delta := int64(th) - int64(flight); delta < 0 {
		n = (int64(th)*int64(delivered)+int64(prior)-1)/int64(prior) - int64(prrOut)
	} else {
		n = max(int64(delivered)-int64(prrOut), int64(newly))
		if advanced && losses == 0 {
			n++
		}
		n = min(delta, n)
	}
	if prrOut == 0 {
		n = max(n, 1)
	}
	f.set(l.cwnd, uint64(int64(flight)+max(n, 0)))
}

// onTimeout is tcp_retransmit_timer and tcp_enter_loss.
func (f *flow) onTimeout(r *world.Run, now uint64) {
	l, sk := f.l, f.sk
	f.publish(now)
	state := f.get(l.state)
	f.stats.Timeouts++
	if state <= stateDisorder || f.una >= f.highSeq {
		l.priorSsthresh.Set(sk, uint64(f.get(l.ssthresh)))
		l.priorCwnd.Set(sk, uint64(f.get(l.cwnd)))
		l.ssthresh.Set(sk, uint64(f.cc.ssthreshOf(r, sk)))
		f.cc.event(r, sk, eventLoss)
		f.undoMarker = true
		l.undoMarker.Set(sk, uint64(f.ackSeq()))
		f.stats.Reductions++
	}
	// Everything that did not arrive counts as lost.
	f.lostQ, f.resent = f.lostQ[:0], f.resent[:0]
	for n := f.una; n < f.nxt; n++ {
		s := f.seg(n)
		if s.state == segSacked {
			continue
		}
		if s.state == segOut {
			f.lost++
			f.stats.Lost++
		}
		s.state = segLost
		f.lostQ = append(f.lostQ, n)
	}
	f.retrans = 0
	f.publish(now)
	l.cwnd.Set(sk, uint64(f.inFlight()+1))
	l.cwndCnt.Set(sk, 0)
	l.stamp.Set(sk, f.sim.clock.Jiffies())
	f.cc.state(r, sk, stateLoss)
	f.highSeq = f.nxt
	l.highSeq.Set(sk, 1+f.nxt*uint64(f.sim.s.MSS))
	f.backoff = min(f.backoff+1, 12)
	f.timer = now + (f.rto<<f.backoff)*1000
	f.send(r, now)
}
