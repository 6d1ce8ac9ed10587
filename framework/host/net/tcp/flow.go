// SPDX-License-Identifier: Apache-2.0

package tcp

import (
	"github.com/modbpf/modbpf/framework/host/typed"
	"github.com/modbpf/modbpf/framework/host/world"
)

// flow is one sender, its scoreboard, and the ACKs on their way to it. Segments
// are counted from 0; each has mss bytes.
type flow struct {
	sim  *sim
	spec *Flow
	cc   *control
	l    *layout
	sk   uintptr
	obj  *typed.Object
	smp  *typed.Object // ack_sample
	rs   *typed.Object // rate_sample

	segs     []segment // ring, by number
	una, nxt uint64
	limit    uint64 // segments to send
	highest  uint64 // one past the highest segment known to have arrived
	scan     uint64 // losses are marked up to here
	lostQ    []uint64
	resent   []resend
	order    uint64 // counts transmissions
	usage    uint64 // first segment after the window that validate looked at
	latest   uint64 // order of the latest transmission known to have arrived

	acks ring[ack]

	out, sacked, lost, retrans uint32
	highSeq                    uint64
	undoMarker                 bool
	rto                        uint64 // microseconds
	backoff                    uint
	timer                      uint64 // when the retransmission timer fires, 0: off
	pace                       uint64 // earliest time of the next transmission
	minRTT                     uint64
	started, done              bool

	// The receiver.
	rcvNxt  uint64
	rcvOut  map[uint64]bool
	delack  uint64 // when a withheld ACK goes out, 0: none
	held    ack
	arrived uint64 // segments that arrived for the first time

	stats FlowResult
}

type segment struct {
	sent      uint64 // nanoseconds
	order     uint64
	delivered uint32 // what had been delivered when it was sent
	delTime   uint64
	state     uint8
	again     bool // was retransmitted
}

const (
	segOut = iota
	segSacked
	segLost
	segResent
)

type resend struct{ seq, order uint64 }

// ack is one acknowledgement: it says which segment brought it and, by the
// receiver's state, everything that arrived in order.
type ack struct {
	at   uint64
	upTo uint64 // first segment not yet arrived in order
	seq  uint64 // the segment that arrived
	ece  bool
	ces  uint32 // marks it counts
}

const windowMax = 1 << 17 // segments in flight the scoreboard holds

func (f *flow) seg(n uint64) *segment { return &f.segs[n&(uint64(len(f.segs))-1)] }

// room makes the scoreboard hold one more segment.
func (f *flow) room() bool {
	if f.nxt-f.una < uint64(len(f.segs)) {
		return true
	}
	if len(f.segs) >= windowMax {
		return false
	}
	old := f.segs
	f.segs = make([]segment, 2*len(old))
	for n := f.una; n < f.nxt; n++ {
		*f.seg(n) = old[n&uint64(len(old)-1)]
	}
	return true
}

func (f *flow) inFlight() uint32 { return f.out - f.sacked - f.lost + f.retrans }

func (f *flow) get(x typed.Field) uint32    { return uint32(x.Get(f.sk)) }
func (f *flow) set(x typed.Field, v uint64) { x.Set(f.sk, v) }

// publish writes what the driver may look at.
func (f *flow) publish(now uint64) {
	l, sk := f.l, f.sk
	mss := uint64(f.sim.s.MSS)
	l.una.Set(sk, 1+f.una*mss)
	l.nxt.Set(sk, 1+f.nxt*mss)
	l.out.Set(sk, uint64(f.out))
	l.sacked.Set(sk, uint64(f.sacked))
	l.lost.Set(sk, uint64(f.lost))
	l.retrans.Set(sk, uint64(f.retrans))
	l.mstamp.Set(sk, now/1000)
}

func (f *flow) ackSeq() uint32 { return uint32(1 + f.una*uint64(f.sim.s.MSS)) }

// send transmits what window and pacing allow.
func (f *flow) send(r *world.Run, now uint64) {
	for {
		cwnd := f.get(f.l.cwnd)
		flight := f.inFlight()
		if flight >= cwnd {
			f.validate(true)
			return
		}
		if f.pace > now {
			return
		}
		seq, again := f.nxt, false
		for len(f.lostQ) > 0 && !again {
			seq = f.lostQ[0]
			f.lostQ = f.lostQ[1:]
			again = seq >= f.una && f.seg(seq).state == segLost
		}
		if !again {
			if seq = f.nxt; f.nxt >= f.limit || !f.room() {
				f.validate(false)
				return
			}
		}
		if f.out == 0 {
			f.cc.event(r, f.sk, eventTxStart)
			f.l.firstTx.Set(f.sk, now/1000)
			f.l.deliveredTime.Set(f.sk, now/1000)
		}
		f.transmit(seq, again, now)
	}
}

// validate is tcp_cwnd_validate: what cwnd_limited decides by is kept for a
// window's worth of data.
func (f *flow) validate(limited bool) {
	was := f.get(f.l.cwndLimited) != 0
	if f.una >= f.usage || limited || !was && f.out > f.get(f.l.maxOut) {
		f.set(f.l.cwndLimited, uint64(boolU32(limited)))
		f.set(f.l.maxOut, uint64(f.out))
		f.usage = f.nxt
	}
}

func boolU32(b bool) uint32 {
	if b {
		return 1
	}
	return 0
}

func (f *flow) transmit(seq uint64, again bool, now uint64) {
	f.order++
	s := f.seg(seq)
	if again {
		s.state, s.again = segResent, true
		f.retrans++
		f.resent = append(f.resent, resend{seq, f.order})
		f.stats.Retransmits++
		f.set(f.l.totalRetrans, uint64(f.stats.Retransmits))
		f.set(f.l.prrOut, uint64(f.get(f.l.prrOut)+1))
		f.set(f.l.undoRetrans, uint64(f.get(f.l.undoRetrans)+1))
	} else {
		*s = segment{}
		f.nxt++
		f.out++
		if st := f.get(f.l.state); st == stateCWR || st == stateRecovery {
			f.set(f.l.prrOut, uint64(f.get(f.l.prrOut)+1))
		}
	}
	s.sent, s.order = now, f.order
	s.delivered, s.delTime = f.get(f.l.delivered), f.l.deliveredTime.Get(f.sk)
	f.set(f.l.lsndtime, f.sim.clock.Jiffies())
	if f.timer == 0 {
		f.timer = now + (f.rto<<f.backoff)*1000
	}
	if f.cc.contrl != nil {
		if rate := f.l.pacing.Get(f.sk); rate != 0 && rate != ^uint64(0) {
			f.pace = max(now, f.pace) + uint64(f.sim.s.wire())*1_000_000_000/rate
		}
	}
	f.sim.enqueue(f, seq, now)
}

// receive is the receiver: it acknowledges every second segment that comes in
// order, and at once what does not.
func (f *flow) receive(seq, at uint64, mark bool) {
	ces := boolU32(mark)
	if mark {
		f.stats.Marks++
	}
	inOrder := seq == f.rcvNxt
	if inOrder {
		f.rcvNxt++
		f.arrived++
		for f.rcvOut[f.rcvNxt] {
			delete(f.rcvOut, f.rcvNxt)
			f.rcvNxt++
		}
	} else if seq > f.rcvNxt && !f.rcvOut[seq] {
		f.rcvOut[seq] = true
		f.arrived++
	}
	a := ack{at: at + f.sim.back(f), upTo: f.rcvNxt, seq: seq, ece: mark, ces: ces}
	if f.delack != 0 && f.delack < at { // the withheld one did not wait for this
		f.held.at = f.delack + f.sim.back(f)
		f.acks.push(f.held)
		f.delack = 0
	}
	if f.delack != 0 { // it goes with this
		a.ces += f.held.ces
		a.ece = a.ece || f.held.ece
		f.delack = 0
		f.acks.push(a)
		return
	}
	if f.sim.s.DelayedACK && inOrder && len(f.rcvOut) == 0 && !mark && f.rcvNxt < f.limit {
		f.held, f.delack = a, at+delackMax
		return
	}
	f.acks.push(a)
}

// delackMax is how long the receiver withholds an ACK.
const delackMax = 40_000_000
