// SPDX-License-Identifier: Apache-2.0

// Package qdisc is a model of a queueing discipline on a link: it calls the
// slots of a Qdisc_ops table on a typed struct Qdisc with packets of the host's
// network, and counts what comes out when, and what does not.
package qdisc

import (
	"errors"
	"fmt"

	"github.com/modbpf/modbpf/framework/host"
	"github.com/modbpf/modbpf/framework/host/maps"
	"github.com/modbpf/modbpf/framework/host/mem"
	"github.com/modbpf/modbpf/framework/host/net"
	"github.com/modbpf/modbpf/framework/host/typed"
	"github.com/modbpf/modbpf/jit"
)

// Table is the struct_ops type of queueing disciplines.
const Table = "Qdisc_ops"

// Answers of enqueue that mean the packet was taken: any other refuses it.
const (
	xmitSuccess = 0
	xmitCN      = 2
)

// ErrMissing is a table without a slot that the kernel requires.
var ErrMissing = errors.New("the table lacks a required slot")

// Model adds queueing disciplines to a host's network.
type Model struct {
	net *net.Net
	l   *typed.Layout

	limit, qlen, backlog, drops, overlimits, qstatsQlen, flags, handle, parent typed.Field
	devQueue, queueDev                                                         typed.Field
	queue                                                                      *typed.Layout
	bytes, packets                                                             typed.Field
	hasBytes                                                                   bool

	qdiscs map[uintptr]*Qdisc
}

// New adds the kernel's functions that queueing disciplines call. It must come
// before drivers that use them.
func New(n *net.Net) (*Model, error) {
	all := n.Host.Layouts
	m := &Model{net: n, qdiscs: make(map[uintptr]*Qdisc)}
	var err error
	if m.l, err = all.Of("Qdisc"); err != nil {
		return nil, fmt.Errorf("make qdisc model: %w", err)
	}
	if m.queue, err = all.Of("netdev_queue"); err != nil {
		return nil, fmt.Errorf("make qdisc model: %w", err)
	}
	for path, f := range map[string]*typed.Field{
		"limit": &m.limit, "q.qlen": &m.qlen, "qstats.backlog": &m.backlog,
		"qstats.drops": &m.drops, "qstats.overlimits": &m.overlimits, "qstats.qlen": &m.qstatsQlen, "flags": &m.flags,
		"handle": &m.handle, "parent": &m.parent, "dev_queue": &m.devQueue,
	} {
		if *f, err = m.l.Field(path); err != nil {
			return nil, fmt.Errorf("make qdisc model: %w", err)
		}
	}
	if m.queueDev, err = m.queue.Field("dev"); err != nil {
		return nil, fmt.Errorf("make qdisc model: %w", err)
	}
	if m.l.Has("bstats.bytes.v.a.a.counter") {
		m.bytes, m.packets = m.l.MustField("bstats.bytes.v.a.a.counter"), m.l.MustField("bstats.packets.v.a.a.counter")
		m.hasBytes = true
	}
	n.Host.Objects.OnDrop("sk_buff", func(p uintptr) { n.Skb(p).Free() })
	for name, fn := range map[string]jit.Func{
		"bpf_kfree_skb":               m.kfree,
		"bpf_qdisc_skb_drop":          m.drop,
		"bpf_qdisc_watchdog_schedule": m.watchdog,
		"bpf_qdisc_bstats_update":     m.bstats,
		"bpf_skb_get_hash":            m.hash,
	} {
		n.Host.Kfunc(name, fn)
	}
	return m, nil
}

func (m *Model) kfree(_ *jit.Frame, skb, _, _, _, _ uint64) uint64 {
	s := m.net.Skb(uintptr(skb))
	if q, ok := s.Note.(*Qdisc); ok {
		q.Stats.Freed++
	}
	s.Free()
	return 0
}

// drop puts a packet on the list that is freed once enqueue is through.
func (m *Model) drop(_ *jit.Frame, skb, list, _, _, _ uint64) uint64 {
	m.net.SetNext(uintptr(skb), *mem.Word(uintptr(list)))
	*mem.Word(uintptr(list)) = uintptr(skb)
	return 0
}

func (m *Model) watchdog(_ *jit.Frame, sch, expire, _, _, _ uint64) uint64 {
	if q := m.qdiscs[uintptr(sch)]; q != nil {
		q.wake = expire
	}
	return 0
}

func (m *Model) bstats(_ *jit.Frame, sch, skb, _, _, _ uint64) uint64 {
	q, s := m.qdiscs[uintptr(sch)], m.net.Skb(uintptr(skb))
	if q == nil || s == nil {
		return maps.EINVAL.R0()
	}
	q.Stats.Bytes += uint64(s.Len())
	q.Stats.Packets++
	if m.hasBytes {
		m.bytes.Set(q.sch, q.Stats.Bytes)
		m.packets.Set(q.sch, q.Stats.Packets)
	}
	return 0
}

func (m *Model) hash(_ *jit.Frame, skb, _, _, _, _ uint64) uint64 {
	return uint64(m.net.Skb(uintptr(skb)).Hash())
}

// Qdisc is one instance at the root of a device.
type Qdisc struct {
	Name string

	m                    *Model
	obj, queue           *typed.Object
	sch                  uintptr
	toFree               uintptr
	enqueue, dequeue     *host.Slot
	init, reset, destroy *host.Slot
	wake                 uint64 // when the watchdog fires, 0: off
	Stats                Stats
}

// Stats are counters as tc -s qdisc shows them, and what else the model saw.
type Stats struct {
	Bytes, Packets uint64 // the driver's count of what it sent (bpf_qdisc_bstats_update)
	Enqueued       uint64
	Refused        uint64 // enqueue answered other than success
	Freed          uint64 // packets the driver dropped
	Dequeued       uint64
}

// Add makes an instance of a driver's table and runs its init.
func (m *Model) Add(r *host.Run, dev *net.Device, t *host.Table, limit uint32) (*Qdisc, error) {
	q := &Qdisc{
		Name: t.String("id"), m: m, init: t.Slot("init"), reset: t.Slot("reset"), destroy: t.Slot("destroy"),
		enqueue: t.Slot("enqueue"), dequeue: t.Slot("dequeue"),
	}
	for member, s := range map[string]*host.Slot{"enqueue": q.enqueue, "dequeue": q.dequeue, "init": q.init, "reset": q.reset, "destroy": q.destroy} {
		if s == nil {
			return nil, fmt.Errorf("add qdisc %s: %s: %w", q.Name, member, ErrMissing)
		}
	}
	h := m.net.Host
	var err error
	if q.obj, err = m.l.New(h.Mem, 0); err != nil {
		return nil, err
	}
	if q.queue, err = m.queue.New(h.Mem, 0); err != nil {
		q.obj.Free()
		return nil, err
	}
	if q.toFree, err = h.Mem.Alloc(8); err != nil {
		q.queue.Free()
		q.obj.Free()
		return nil, err
	}
	q.sch = q.obj.Addr
	m.queueDev.Set(q.queue.Addr, uint64(dev.Addr()))
	m.devQueue.Set(q.sch, uint64(q.queue.Addr))
	m.limit.Set(q.sch, uint64(limit))
	m.parent.Set(q.sch, 0xffffffff)
	m.handle.Set(q.sch, 0x80010000)
	m.qdiscs[q.sch] = q
	v, err := q.init.Call(r, uint64(q.sch), 0, 0)
	if err == nil && int32(v) < 0 {
		err = maps.Errno(-int32(v))
	}
	if err != nil {
		q.free()
		return nil, fmt.Errorf("add qdisc %s: init: %w", q.Name, err)
	}
	return q, nil
}

func (q *Qdisc) free() {
	delete(q.m.qdiscs, q.sch)
	q.m.net.Host.Mem.Free(q.toFree, 8)
	q.queue.Free()
	q.obj.Free()
}

// Enqueue offers a packet; it belongs to the qdisc from here on. It reports
// whether enqueue answered success.
func (q *Qdisc) Enqueue(r *host.Run, s *net.Skb) (bool, error) {
	s.Note = q
	*mem.Word(q.toFree) = 0
	v, err := q.enqueue.Call(r, uint64(s.Ctx()), uint64(q.sch), uint64(q.toFree))
	if err != nil {
		return false, fmt.Errorf("qdisc %s: %w", q.Name, err)
	}
	for p := *mem.Word(q.toFree); p != 0; {
		d := q.m.net.Skb(p)
		p = q.m.net.Next(p)
		d.Free()
		q.Stats.Freed++
	}
	if uint32(v) == xmitSuccess || uint32(v) == xmitCN {
		q.Stats.Enqueued++
		return true, nil
	}
	q.Stats.Refused++
	return false, nil
}

// Dequeue asks for the next packet, nil if there is none now.
func (q *Qdisc) Dequeue(r *host.Run) (*net.Skb, error) {
	v, err := q.dequeue.Call(r, uint64(q.sch))
	if err != nil {
		return nil, fmt.Errorf("qdisc %s: %w", q.Name, err)
	}
	if v == 0 {
		return nil, nil
	}
	q.Stats.Dequeued++
	s := q.m.net.Skb(uintptr(v))
	s.Note = nil
	return s, nil
}

// Qlen, Backlog and Drops are the driver's own counters in struct Qdisc.
func (q *Qdisc) Qlen() uint32    { return uint32(q.m.qlen.Get(q.sch)) }
func (q *Qdisc) Backlog() uint32 { return uint32(q.m.backlog.Get(q.sch)) }
func (q *Qdisc) Drops() uint32   { return uint32(q.m.drops.Get(q.sch)) }

// Remove resets and destroys the qdisc.
func (q *Qdisc) Remove(r *host.Run) error {
	_, err := q.reset.Call(r, uint64(q.sch))
	_, err2 := q.destroy.Call(r, uint64(q.sch))
	q.free()
	if err := errors.Join(err, err2); err != nil {
		return fmt.Errorf("remove qdisc %s: %w", q.Name, err)
	}
	return nil
}
