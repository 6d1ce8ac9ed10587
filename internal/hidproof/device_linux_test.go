// SPDX-License-Identifier: Apache-2.0

package hidproof

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/modbpf/modbpf/framework/host/hid/evdev"
	"github.com/modbpf/modbpf/framework/host/hid/uhid"
)

// trace is everything the kernel made of a device and of the reports it sent.
type trace struct {
	driver     string // the HID driver that bound
	descriptor []byte
	caps       []*evdev.Caps   // one for each event node
	events     [][]evdev.Event // for each report: the events of all nodes, in node order
	hidraw     [][]byte        // for each report: what hidraw readers got, joined
}

// device is a uhid device with its nodes open.
type device struct {
	*uhid.Device
	name  string // 0003:1EA7:0907.0001
	nodes []*evdev.Node
	raw   int
}

var serial int

// create makes a uhid device and finds it in sysfs.
func create(i uhid.Info) (*device, error) {
	serial++
	i.Uniq = fmt.Sprintf("modbpf-proof-%d", serial)
	u, err := uhid.Create(i, nil)
	if err != nil {
		return nil, err
	}
	d := &device{Device: u, raw: -1}
	err = wait(func() error {
		names, err := filepath.Glob("/sys/bus/hid/devices/*/uevent")
		if err != nil {
			return err
		}
		for _, n := range names {
			if b, err := os.ReadFile(n); err == nil && bytes.Contains(b, []byte("HID_UNIQ="+i.Uniq+"\n")) {
				d.name = filepath.Base(filepath.Dir(n))
				return nil
			}
		}
		return errors.New("the device does not appear in sysfs")
	})
	if err != nil {
		return nil, errors.Join(err, u.Close())
	}
	return d, nil
}

// patience is how long a guest may take for anything; wrong variants, which may
// leave a device nobody can bind, get less.
var patience = 10 * time.Second

// wait tries until it works or patience is over.
func wait(f func() error) error {
	var err error
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if err = f(); err == nil {
			return nil
		}
	}
	return err
}

func (d *device) sys(parts ...string) string {
	return filepath.Join(append([]string{"/sys/bus/hid/devices", d.name}, parts...)...)
}

func (d *device) driver() string {
	l, err := os.Readlink(d.sys("driver"))
	if err != nil {
		return ""
	}
	return filepath.Base(l)
}

// open waits until the device is bound and opens its nodes. The "driver" link
// appears before the probe has ended, so it waits for hidraw and for the nodes
// to stay the same.
func (d *device) open() error {
	var paths []string
	err := wait(func() error {
		if d.driver() == "" {
			return errors.New("no HID driver binds")
		}
		raws, _ := filepath.Glob(d.sys("hidraw", "hidraw*")) // the pattern is well formed
		if len(raws) != 1 {
			return errors.New("no hidraw node")
		}
		now, _ := filepath.Glob(d.sys("input", "input*", "event*"))
		sort.Strings(now)
		if !slices.Equal(now, paths) || len(now) == 0 {
			paths = now
			return errors.New("event nodes not settled")
		}
		fd, err := unix.Open("/dev/"+filepath.Base(raws[0]), unix.O_RDWR|unix.O_NONBLOCK, 0)
		if err != nil {
			return err
		}
		d.raw = fd
		return nil
	})
	if err != nil && len(paths) == 0 && d.driver() != "" {
		// A descriptor without inputs gives no event nodes: hidraw is enough.
		raws, _ := filepath.Glob(d.sys("hidraw", "hidraw*"))
		if len(raws) == 1 {
			d.raw, err = unix.Open("/dev/"+filepath.Base(raws[0]), unix.O_RDWR|unix.O_NONBLOCK, 0)
		}
	}
	if err != nil {
		return fmt.Errorf("open nodes of %s: %w", d.name, err)
	}
	sort.Slice(paths, func(i, j int) bool { // event9 before event10
		a, b := filepath.Base(paths[i]), filepath.Base(paths[j])
		return len(a) < len(b) || len(a) == len(b) && a < b
	})
	for _, p := range paths {
		n, err := evdev.Open("/dev/input/" + filepath.Base(p))
		if err != nil {
			return err
		}
		d.nodes = append(d.nodes, n)
		if err := n.NoRepeat(); err != nil {
			return err
		}
	}
	return nil
}

func (d *device) close() error { return errors.Join(d.closeNodes(), d.Close()) }

func (d *device) closeNodes() error {
	var errs []error
	for _, n := range d.nodes {
		errs = append(errs, n.Close())
	}
	if d.raw >= 0 {
		errs = append(errs, unix.Close(d.raw))
	}
	d.nodes, d.raw = nil, -1
	return errors.Join(errs...)
}

func (d *device) readRaw() ([]byte, error) {
	var all []byte
	var buf [4096]byte
	for {
		n, err := unix.Read(d.raw, buf[:])
		if errors.Is(err, unix.EAGAIN) {
			return all, nil
		}
		if err != nil {
			return all, fmt.Errorf("read hidraw: %w", err)
		}
		all = append(all, byte(n), byte(n>>8))
		all = append(all, buf[:n]...)
	}
}

// record notes what the device is and plays reports through it. send makes the
// device say a report; nil sends it straight.
func (d *device) record(reports [][]byte, send func([]byte) error) (*trace, error) {
	if send == nil {
		send = d.Input
	}
	t := &trace{driver: d.driver()}
	var err error
	if t.descriptor, err = os.ReadFile(d.sys("report_descriptor")); err != nil {
		return nil, err
	}
	for _, n := range d.nodes {
		c, err := n.Caps()
		if err != nil {
			return nil, err
		}
		t.caps = append(t.caps, c)
		if _, err := n.Read(); err != nil { // what opening brought
			return nil, err
		}
	}
	for _, r := range reports {
		if err := send(r); err != nil {
			return nil, fmt.Errorf("report % x: %w", r, err)
		}
		var evs []evdev.Event
		for _, n := range d.nodes {
			e, err := n.Read()
			if err != nil {
				return nil, err
			}
			if slices.ContainsFunc(e, func(e evdev.Event) bool { return e.Type == evdev.EvSyn && e.Code == 3 }) {
				return nil, fmt.Errorf("report % x: more events than a reader's buffer holds", r)
			}
			for _, e := range e {
				if !timed(e) {
					evs = append(evs, e)
				}
			}
		}
		raw, err := d.readRaw()
		if err != nil {
			return nil, err
		}
		t.events = append(t.events, evs)
		t.hidraw = append(t.hidraw, raw)
	}
	return t, nil
}

// only is the trace with what the other reports led to left out.
func (t *trace) only(keep func(int) bool) *trace {
	c := *t
	c.events, c.hidraw = make([][]evdev.Event, len(t.events)), make([][]byte, len(t.hidraw))
	for i := range t.events {
		if keep(i) {
			c.events[i], c.hidraw[i] = t.events[i], t.hidraw[i]
		}
	}
	return &c
}

// timed are events that depend on when something else in the kernel runs: the
// console sets LEDs from a tasklet of its own, which also moves the points
// where SYN_REPORT cuts a long packet in two. What a report led to is read
// after each report anyway.
func timed(e evdev.Event) bool {
	return e.Type == evdev.EvLed || e.Type == evdev.EvRep || e.Type == evdev.EvSyn
}

// diff lists where two traces differ, at most a few lines; "" when equal.
// hidraw says whether hidraw streams are compared too.
func (t *trace) diff(o *trace, reports [][]byte, hidraw bool) string {
	var out []string
	if !bytes.Equal(t.descriptor, o.descriptor) {
		out = append(out, fmt.Sprintf("descriptor: %d bytes against %d", len(t.descriptor), len(o.descriptor)))
	}
	if a, b := describe(t.caps), describe(o.caps); a != b {
		out = append(out, "capabilities:\n  "+a+"\n  "+b)
	}
	for i := range reports {
		if a, b := fmt.Sprint(t.events[i]), fmt.Sprint(o.events[i]); a != b {
			out = append(out, fmt.Sprintf("report %d (% x): %.200s against %.200s", i, reports[i], a, b))
		}
		if hidraw && !bytes.Equal(t.hidraw[i], o.hidraw[i]) {
			out = append(out, fmt.Sprintf("hidraw of report %d (% x): % x against % x", i, reports[i], t.hidraw[i], o.hidraw[i]))
		}
		if len(out) > 4 {
			out = append(out, "...")
			break
		}
	}
	return strings.Join(out, "\n")
}

// describe prints the union of capabilities over all nodes.
func describe(all []*evdev.Caps) string {
	m := evdev.Merge(all)
	var types []int
	for t := range m.Bits {
		types = append(types, int(t))
	}
	sort.Ints(types)
	var b strings.Builder
	for _, t := range types {
		fmt.Fprintf(&b, "%d:%v ", t, m.Bits[uint16(t)])
		if t == evdev.EvAbs {
			for _, c := range m.Bits[uint16(t)] {
				fmt.Fprintf(&b, "%d%v ", c, m.Abs[c])
			}
		}
	}
	fmt.Fprintf(&b, "props %v", m.Props)
	return b.String()
}
