// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/modbpf/modbpf/framework"
	"github.com/modbpf/modbpf/framework/exitcode"
)

type recordFlags struct {
	output string
	count  int
	length time.Duration
}

func recordCommand(a *app) *cobra.Command {
	var f recordFlags
	c := &cobra.Command{
		Use:   "record [DEVICE]",
		Short: "Record what a HID device says, for modbpf test",
		Long: `Writes a device's descriptor, identity and reports in hid-recorder's format, until
it is interrupted, the device goes, or as many reports or as much time as asked
for have passed. The device stays usable meanwhile. Without DEVICE the devices
that are present are listed.`,
		Example: "  modbpf record\n  modbpf record -o recordings/keys.rec 0003:1EA7:0907.0001",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return a.hidDevices()
			}
			return a.record(&f, args[0])
		},
	}
	c.Flags().StringVarP(&f.output, "output", "o", "", "file to write (default: standard output)")
	c.Flags().IntVar(&f.count, "count", 0, "end after this many reports")
	c.Flags().DurationVar(&f.length, "for", 0, "end after this time, such as 30s")
	return c
}

type devicesJSON struct {
	API     string                `json:"api"`
	Devices []framework.HIDDevice `json:"devices"`
}

func (a *app) hidDevices() error {
	devs, err := framework.HIDDevices()
	if err != nil {
		return err
	}
	if a.json {
		return a.object(devicesJSON{api, devs})
	}
	if len(devs) == 0 {
		a.say("no HID device is present")
	}
	for _, d := range devs {
		a.printf("%s  %s\n", d.Name, d.Label)
	}
	return nil
}

func (a *app) record(f *recordFlags, device string) (err error) {
	if f.count < 0 || f.length < 0 {
		return exitcode.Usage.Errorf("record: --count and --for cannot be negative")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if f.length > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, f.length)
		defer cancel()
	}
	w := io.Writer(a.out)
	if f.output != "" {
		file, err := os.Create(f.output)
		if err != nil {
			return exitcode.IO.Errorf("record: %w", err)
		}
		defer func() {
			if cerr := file.Close(); err == nil && cerr != nil {
				err = exitcode.IO.Errorf("record: %w", cerr)
			}
		}()
		w = file
	}
	n, err := framework.Record(ctx, device, f.count, w)
	if err != nil {
		return err
	}
	a.say("%d reports recorded", n)
	return nil
}
