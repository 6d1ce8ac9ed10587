// SPDX-License-Identifier: Apache-2.0

package framework

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/modbpf/modbpf/framework/exitcode"
	"github.com/modbpf/modbpf/framework/host"
	"github.com/modbpf/modbpf/framework/host/hid"
	"github.com/modbpf/modbpf/framework/host/hid/play"
	"github.com/modbpf/modbpf/framework/host/hid/recording"
	"github.com/modbpf/modbpf/framework/hostproc"
)

// HostOptions of an insertion into the host.
type HostOptions struct {
	// Recording is played once as the device; nil serves real ones.
	Recording *recording.Device
	// Device is the only device to bind to, "" for all that match.
	Device string
	// Wait serves devices that appear later instead of ending without one.
	Wait bool
	// Print gets what a person is to see.
	Print io.Writer
	// Ready is called once the driver is in and the place is taken.
	Ready func()
}

// hostInsertion is one driver running in this process.
type hostInsertion struct {
	c      *Checked
	host   *host.Host
	bus    *hid.Bus
	driver *host.Driver
	since  time.Time

	mu      sync.Mutex
	devices []string
}

// Host runs the driver in the host until ctx ends, a client asks to remove it,
// or, without Wait, its last device is gone. Other processes see it meanwhile.
func (c *Checked) Host(ctx context.Context, o HostOptions) (err error) {
	name := c.bound.Driver.Name()
	if !c.bound.bindsHID() {
		return exitcode.Unsupported.Errorf("insert %s into the host: its extension point has no device model there yet; HID drivers have one", name)
	}
	spec, err := c.HostSpec()
	if err != nil {
		return err
	}
	srv, err := hostproc.Listen(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, srv.Close()) }()
	out := make(chan struct{}) // closed when nothing of the insertion is left
	defer close(out)
	in := &hostInsertion{c: c, since: time.Now()}
	if in.host, err = host.New(c.bound.Kernel, host.Options{}); err != nil {
		return hostError(err)
	}
	defer func() { err = errors.Join(err, in.host.Close()) }()
	if in.bus, err = hid.New(in.host); err != nil {
		return hostError(err)
	}
	if in.driver, err = in.host.Insert(spec); err != nil {
		return hostError(err)
	}
	defer func() { err = errors.Join(err, in.driver.Close()) }()

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go srv.Serve(ctx, in.status, func() {
		cancel()
		select {
		case <-out:
		case <-time.After(10 * time.Second):
		}
	})
	if o.Recording != nil {
		return in.play(ctx, o)
	}
	o.ready()
	return in.serve(ctx, o)
}

// play makes the recording the device, prints what becomes of it, and with
// Wait keeps the driver in until it is removed.
func (in *hostInsertion) play(ctx context.Context, o HostOptions) error {
	rec := o.Recording
	dev, err := in.c.recordedDevice(in.bus, in.driver, rec)
	if err != nil {
		if errors.Is(err, ErrDeclined) {
			return exitcode.NotFound.Errorf("bind to %s: %w", rec.Name, err)
		}
		return hostError(err)
	}
	defer dev.Remove()
	in.note(rec.Name, true)
	if !o.Wait {
		o.ready()
	}
	r, err := play.Run(dev, rec)
	if err != nil {
		return hostError(err)
	}
	if o.Print != nil {
		if err := r.Print(o.Print); err != nil {
			return exitcode.IO.Errorf("print: %w", err)
		}
	}
	if o.Wait {
		o.ready() // a background host is ready once its recording has been played
		<-ctx.Done()
	}
	return nil
}

func (in *hostInsertion) note(device string, there bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.devices = slices.DeleteFunc(in.devices, func(d string) bool { return d == device })
	if there {
		in.devices = append(in.devices, device)
	}
}

// status is what other processes are told.
func (in *hostInsertion) status() hostproc.Status {
	d := in.c.bound.Driver
	st := hostproc.Status{
		Driver: d.Name(), Version: d.Version(), PID: os.Getpid(), Engine: in.driver.Engine(),
		Kernel: in.c.bound.Kernel.Uname(), Source: d.Path, Since: in.since.UTC().Format(time.RFC3339), Slots: []hostproc.Slot{},
	}
	in.mu.Lock()
	st.Devices = append([]string{}, in.devices...)
	in.mu.Unlock()
	for _, p := range in.driver.Programs {
		v := p.Checked().Program()
		s := hostproc.Slot{Table: v.StructOps, Member: v.Slot, Runs: p.Stats.Count.Load(), Worst: p.Stats.Worst.Load(), WorstCase: p.Checked().Report().WorstCase}
		if n := p.Stats.Sampled.Load(); n > 0 {
			s.Nanos = p.Stats.Nanos.Load() / n
		}
		if v.StructOps == "" {
			s.Table, s.Member = v.Section, v.Name
		}
		st.Slots = append(st.Slots, s)
	}
	return st
}

func (o *HostOptions) ready() {
	if o.Ready != nil {
		o.Ready()
	}
}

// say prints one line for a person.
func (o *HostOptions) say(format string, args ...any) {
	if o.Print != nil {
		fmt.Fprintf(o.Print, format+"\n", args...)
	}
}
