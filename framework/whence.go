// SPDX-License-Identifier: Apache-2.0

package framework

import (
	"fmt"
	"slices"
	"strings"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/framework/exitcode"
	"github.com/modbpf/modbpf/framework/manifest"
	"github.com/modbpf/modbpf/framework/object"
	"github.com/modbpf/modbpf/kfuncs"
	"github.com/modbpf/modbpf/structops"
	"github.com/modbpf/modbpf/verifier"
)

// Whence says why a kernel lacks an extension point, for messages: it is older
// (" (there from 6.18 on, with CONFIG_NET_SCH_BPF)") or built without. For a name
// no kernel has it suggests one that some kernel has.
func Whence(table string, k verifier.Kernel) string {
	t := structops.Newest(table)
	if t == nil {
		if n := manifest.Nearest(table, structops.Names()); n != "" {
			return fmt.Sprintf(" (no kernel known here has; did you mean %q?)", n)
		}
		return " (no kernel known here has)"
	}
	switch {
	case k.Release().Less(t.First):
		if t.Config != "" {
			return " (there from " + t.First.Series() + " on, with " + t.Config + ")"
		}
		return " (there from " + t.First.Series() + " on)"
	case t.Config != "" && !kfuncs.Enabled(t.Config, k.Config):
		return " (built without " + t.Config + ")"
	case t.Module != "":
		return " (module " + t.Module + " is not loaded)"
	}
	return ""
}

// missingPoint is a kernel without an extension point, worded for the driver's
// user; what is missing can still be asked for with object.Missing.
type missingPoint struct {
	text    string
	missing *object.MissingError
}

func (e *missingPoint) Error() string { return e.text }
func (e *missingPoint) Unwrap() error { return e.missing }

// filled reports a slot that must have a program and has none.
func (b *Bound) filled(t *structops.Table, have []string) error {
	for _, n := range slotsNeeded(t, b.Kernel.Release()) {
		if !slices.Contains(have, n) {
			return exitcode.Object.Errorf("driver %s: %s needs a program for slot %s: the kernel refuses the table without", b.Driver.Name(), t.Name, n)
		}
	}
	for _, group := range t.OneOf {
		if !slices.ContainsFunc(group, func(n string) bool { return slices.Contains(have, n) }) {
			return exitcode.Object.Errorf("driver %s: %s needs a program for one of the slots %s", b.Driver.Name(), t.Name, strings.Join(group, ", "))
		}
	}
	return nil
}

// slotsNeeded are the members of a table that a driver must fill.
func slotsNeeded(t *structops.Table, r bpf.Release) (out []string) {
	for _, s := range t.Slots {
		if s.Need == structops.Required && !r.Less(s.First) && (s.Last.IsZero() || !s.Last.Less(r)) {
			out = append(out, s.Member)
		}
	}
	return out
}
