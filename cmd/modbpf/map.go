// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/hex"

	"github.com/spf13/cobra"

	"github.com/modbpf/modbpf/framework/exitcode"
	"github.com/modbpf/modbpf/framework/kernel"
)

func mapCommand(a *app) *cobra.Command {
	var limit int
	c := &cobra.Command{
		Use:     "map NAME[/INSTANCE] [MAP]",
		Short:   "Show the maps of an inserted driver, or what is in one",
		Example: "  modbpf map huion-dial-2\n  modbpf map huion-dial-2 counters",
		Args: func(c *cobra.Command, args []string) error {
			if len(args) > 2 {
				return exactly(2, "")(c, args)
			}
			return atLeast(1, "driver")(c, args)
		},
		RunE: func(_ *cobra.Command, args []string) error { return a.mapVerb(args, limit) },
	}
	c.Flags().IntVar(&limit, "limit", 1000, "print at most this many elements")
	return c
}

type mapJSON struct {
	API      string            `json:"api"`
	Driver   string            `json:"driver"`
	Instance string            `json:"instance"`
	Maps     []kernel.MapState `json:"maps,omitempty"`
	Map      string            `json:"map,omitempty"`
	Elements []elementJSON     `json:"elements,omitempty"`
	More     bool              `json:"more,omitempty"` // there are elements beyond the limit
}

type elementJSON struct {
	Key   string   `json:"key"`
	Value []string `json:"value"` // one for each CPU in per-CPU maps
}

func (a *app) mapVerb(args []string, limit int) error {
	t, err := a.target(false)
	if err != nil {
		return err
	}
	ins, err := a.find(t, args[0])
	if err != nil {
		return err
	}
	if len(ins) > 1 {
		return exitcode.Usage.Errorf("%s has %d instances: name one, such as %s", args[0], len(ins), insertionName(ins[0]))
	}
	in := ins[0]
	out := mapJSON{API: api, Driver: in.Driver, Instance: in.Instance}
	if len(args) == 1 {
		if _, out.Maps, err = t.Contents(in); err != nil {
			return err
		}
		if a.json {
			return a.object(out)
		}
		for _, m := range out.Maps {
			a.field(m.Name, "id %d, %s, key %d, value %d, %d entries", m.ID, m.Type, m.KeySize, m.ValueSize, m.MaxEntries)
		}
		return nil
	}
	out.Map = args[1]
	elems, more, err := t.Elements(in, args[1], limit)
	if err != nil {
		return err
	}
	out.More = more
	for _, e := range elems {
		j := elementJSON{Key: hex.EncodeToString(e.Key)}
		for _, v := range e.Values {
			j.Value = append(j.Value, hex.EncodeToString(v))
		}
		out.Elements = append(out.Elements, j)
	}
	if a.json {
		return a.object(out)
	}
	for _, e := range out.Elements {
		a.printf("%s:", e.Key)
		for _, v := range e.Value {
			a.printf(" %s", v)
		}
		a.printf("\n")
	}
	if more {
		a.say("note: more than %d elements; --limit prints more", limit)
	}
	return nil
}
