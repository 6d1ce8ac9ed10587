// SPDX-License-Identifier: Apache-2.0

package live

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/modbpf/modbpf/framework/host"
	"github.com/modbpf/modbpf/framework/host/hid"
)

// Event is something Serve did, for its log.
type Event struct {
	Device string // 0003:256C:0060.0001
	What   string // "attached", "gone", "declined", "failed"
	Err    error
}

// Options of Serve.
type Options struct {
	Bus    *hid.Bus
	Driver *host.Driver
	// Accept says whether the driver is for a device; it sees what sysfs says of it.
	Accept func(Found) bool
	Sysfs  string // "/sys" if empty
	// Wait serves devices that appear later; without it Serve answers
	// ErrNoDevice when none is present at the beginning, and ends with the last.
	Wait bool
	Log  func(Event)
}

// look is how often Serve looks for devices. hidraw tells at once when one goes.
const look = 250 * time.Millisecond

// Serve runs a driver on every device it matches, until ctx ends. Devices that
// go and come back are taken up again.
func Serve(ctx context.Context, o Options) error {
	if o.Sysfs == "" {
		o.Sysfs = "/sys"
	}
	if o.Log == nil {
		o.Log = func(Event) {}
	}
	sv := &server{o: o, active: map[string]*Raw{}, skip: map[string]bool{}}
	defer sv.stop()
	first := true
	for {
		n, err := sv.scan()
		if err != nil {
			return err
		}
		if !o.Wait && n == 0 {
			if first {
				return errors.Join(append(sv.failed, ErrNoDevice)...)
			}
			return nil
		}
		first = false
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(look):
		}
	}
}

type server struct {
	o      Options
	mu     sync.Mutex
	active map[string]*Raw
	skip   map[string]bool // declined or failed: not tried again while present
	failed []error
	wg     sync.WaitGroup
}

// scan takes up new devices and returns how many are served.
func (s *server) scan() (int, error) {
	found, err := Devices(s.o.Sysfs)
	if err != nil {
		return 0, err
	}
	present := map[string]bool{}
	for _, f := range found {
		present[f.Name] = true
		s.mu.Lock()
		known := s.active[f.Name] != nil || s.skip[f.Name]
		s.mu.Unlock()
		if known || !s.o.Accept(f) {
			continue
		}
		if err := s.take(f); err != nil {
			s.skip[f.Name] = true
			s.failed = append(s.failed, err)
			what := "failed"
			if d := (*Declined)(nil); errors.As(err, &d) {
				what = "declined"
			}
			s.o.Log(Event{f.Name, what, err})
		}
	}
	for name := range s.skip {
		if !present[name] {
			delete(s.skip, name)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.active), nil
}

func (s *server) take(f Found) error {
	raw, err := Open(f)
	if err != nil {
		return err
	}
	ses, err := Start(s.o.Bus, s.o.Driver, raw, UHID)
	if err != nil {
		return fmt.Errorf("take %s: %w", f.Name, err)
	}
	s.mu.Lock()
	s.active[f.Name] = raw
	s.mu.Unlock()
	s.o.Log(Event{f.Name, "attached", nil})
	s.wg.Go(func() {
		err := ses.Run()
		err = errors.Join(err, ses.Close())
		s.mu.Lock()
		delete(s.active, f.Name)
		s.mu.Unlock()
		what := "gone"
		if err != nil {
			what = "failed"
		}
		s.o.Log(Event{f.Name, what, err})
	})
	return nil
}

func (s *server) stop() {
	s.mu.Lock()
	for _, r := range s.active {
		_ = r.Stop() // makes its reader return; the session closes the rest
	}
	s.mu.Unlock()
	s.wg.Wait()
}
