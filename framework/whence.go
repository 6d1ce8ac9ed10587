// SPDX-License-Identifier: Apache-2.0

package framework

import (
	"fmt"
	"slices"
	"strings"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/framework/exitcode"
	"github.com/modbpf/modbpf/framework/manifest"
	"github.com/modbpf/modbpf/structops"
)

// Whence says when an extension point appeared and which option builds it, for
// messages about kernels that lack it: " (since 6.11, CONFIG_HID_BPF)". For a
// name no kernel has it suggests one that some kernel has.
func Whence(table string) string {
	t := structops.Newest(table)
	if t == nil {
		if n := manifest.Nearest(table, structops.Names()); n != "" {
			return fmt.Sprintf(" (no kernel known here has; did you mean %q?)", n)
		}
		return " (no kernel known here has)"
	}
	var parts []string
	if !t.First.IsZero() {
		parts = append(parts, "since "+t.First.Series())
	}
	if t.Config != "" {
		parts = append(parts, t.Config)
	}
	if t.Module != "" {
		parts = append(parts, "module "+t.Module)
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + ")"
}

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
