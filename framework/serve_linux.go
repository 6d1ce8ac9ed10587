// SPDX-License-Identifier: Apache-2.0

package framework

import (
	"context"
	"errors"
	"fmt"

	"github.com/modbpf/modbpf/framework/exitcode"
	hidlive "github.com/modbpf/modbpf/framework/host/hid/live"
)

// serve runs the driver on the real devices it matches.
func (in *hostInsertion) serve(ctx context.Context, o HostOptions) error {
	d := in.c.bound.Driver
	err := hidlive.Serve(ctx, hidlive.Options{
		Bus: in.bus, Driver: in.driver, Wait: o.Wait,
		Accept: func(f hidlive.Found) bool {
			return (o.Device == "" || f.Name == o.Device) && (d.Manifest == nil || len(d.Manifest.Match) == 0 || d.Manifest.MatchModalias(f.Modalias))
		},
		Log: func(e hidlive.Event) {
			in.note(e.Device, e.What == "attached")
			if e.Err != nil {
				o.say("%s: %s: %v", e.Device, e.What, e.Err)
				return
			}
			o.say("%s: %s", e.Device, e.What)
		},
	})
	switch {
	case errors.Is(err, hidlive.ErrNoDevice):
		return exitcode.NotFound.With(fmt.Errorf("insert %s into the host: %w; --wait inserts it and waits for one, --play FILE plays a recording of one", d.Name(), err))
	case err != nil:
		return hostError(err)
	}
	return nil
}
