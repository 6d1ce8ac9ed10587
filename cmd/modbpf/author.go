// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/modbpf/modbpf/framework"
	"github.com/modbpf/modbpf/framework/exitcode"
	"github.com/modbpf/modbpf/framework/host/hid/recording"
)

func buildCommand(a *app) *cobra.Command {
	var o framework.BuildOptions
	c := &cobra.Command{
		Use:   "build DRIVER.yaml|FILE.bpf.c...",
		Short: "Compile drivers from C, with modbpf's headers",
		Long: `Compiles BPF C with clang against the headers that modbpf carries (<modbpf/hid.h>,
<modbpf/tcp.h>, ...). The object lies beside the source and depends on source,
headers and compiler alone.`,
		Example: "  modbpf build driver.yaml\n  modbpf build -o /tmp/x.bpf.o driver.bpf.c",
		Args:    atLeast(1, "driver or C file"),
		RunE: func(c *cobra.Command, args []string) error {
			if o.Output != "" && len(args) > 1 {
				return exitcode.Usage.Errorf("build: -o goes with one file")
			}
			out := buildJSON{API: api, Built: []builtJSON{}}
			for _, arg := range args {
				src, err := framework.SourceOf(arg)
				if err != nil {
					return err
				}
				d, err := framework.Build(c.Context(), src, o)
				if err != nil {
					return err
				}
				hash, _ := d.Hashes()
				out.Built = append(out.Built, builtJSON{src, d.ObjectPath, hash, len(d.Object.Programs)})
				if !a.json {
					a.printf("built %s: %d programs\n", d.ObjectPath, len(d.Object.Programs))
				}
			}
			if a.json {
				return a.object(out)
			}
			return nil
		},
	}
	c.Flags().StringVarP(&o.Output, "output", "o", "", "write the object here")
	c.Flags().StringVar(&o.Clang, "clang", "", "compiler (default: $CLANG, clang-19, clang)")
	c.Flags().StringArrayVarP(&o.Includes, "include", "I", nil, "folder of further headers; repeatable")
	return c
}

type buildJSON struct {
	API   string      `json:"api"`
	Built []builtJSON `json:"built"`
}

type builtJSON struct {
	Source   string `json:"source"`
	Object   string `json:"object"`
	SHA256   string `json:"sha256"`
	Programs int    `json:"programs"`
}

func newCommand(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "new hid DEVICE|RECORDING [FOLDER]",
		Short: "Begin a driver: a folder with manifest, C file and recording",
		Long: `Writes a driver's folder for a HID device that is present (named as in
/sys/bus/hid/devices) or recorded: a manifest that matches it, a C file that leaves
it as it is, with its descriptor decoded above, and the recording.`,
		Example: "  modbpf new hid 0003:256C:0060.0001\n  modbpf new hid keyboard.rec my-keyboard",
		Args: func(c *cobra.Command, args []string) error {
			if len(args) > 0 && args[0] != "hid" {
				return exitcode.Usage.Errorf("new %s: only hid is built", args[0])
			}
			if len(args) > 3 {
				return exactly(3, "")(c, args)
			}
			return atLeast(2, "device or recording")(c, args)
		},
		RunE: func(_ *cobra.Command, args []string) error {
			folder := ""
			if len(args) == 3 {
				folder = args[2]
			}
			return a.newHID(args[1], folder)
		},
	}
	return c
}

type newJSON struct {
	API   string   `json:"api"`
	Files []string `json:"files"`
}

func (a *app) newHID(from, folder string) error {
	var rec *recording.Device
	if _, err := os.Stat(from); err == nil || strings.HasSuffix(from, ".rec") {
		recs, err := readRecording(from)
		if err != nil {
			return err
		}
		rec = recs[0]
	} else {
		t, err := a.target(false)
		if err != nil {
			return err
		}
		if rec, err = framework.RecordingOf(t, from); err != nil {
			return err
		}
	}
	if folder == "" {
		folder = framework.DriverName(rec.Name)
	}
	files, err := framework.NewHID(folder, rec)
	if err != nil {
		return err
	}
	if a.json {
		return a.object(newJSON{api, files})
	}
	for _, f := range files {
		a.printf("wrote %s\n", f)
	}
	m := filepath.Join(folder, "driver.yaml")
	a.say("next: edit the C file, then modbpf build %s && modbpf test %s", m, m)
	return nil
}
