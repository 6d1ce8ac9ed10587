// SPDX-License-Identifier: Apache-2.0

package structops

import (
	"slices"
	"testing"

	"github.com/modbpf/modbpf/bpf"
)

var (
	v612 = bpf.Release{Major: 6, Minor: 12}
	v73  = bpf.Release{Major: 7, Minor: 3}
)

// TestContractsComplete: every slot a program can fill has a contract, and every
// contract is of a slot some release has.
func TestContractsComplete(t *testing.T) {
	for _, name := range Names() {
		if contracts[name] == nil {
			t.Errorf("table %s has no contract", name)
		}
	}
	for name := range contracts {
		if Newest(name) == nil {
			t.Errorf("contract of %s: no release has the table", name)
		}
	}
	for _, rel := range releases {
		for _, tab := range Tables(rel) {
			if tab.Doc == "" || tab.Config == "" || tab.File == "" {
				t.Errorf("%s %s: says too little: %+v", rel, tab.Name, tab)
			}
			for _, s := range tab.Slots {
				if s.Need != NotImplementable && (s.Doc == "" || s.Context == ContextUnknown) {
					t.Errorf("%s %s.%s: no contract", rel, tab.Name, s.Member)
				}
				if s.Need == NotImplementable && s.Stub != "" {
					t.Errorf("%s %s.%s: has a stub and yet cannot be filled", rel, tab.Name, s.Member)
				}
			}
			for _, g := range tab.OneOf {
				for _, m := range g {
					if tab.Slot(m) == nil {
						t.Errorf("%s %s: no slot %s", rel, tab.Name, m)
					}
				}
			}
		}
	}
}

func TestTableFor(t *testing.T) {
	tests := []struct {
		rel         bpf.Release
		table, slot string
		exists      bool
		need        Need
		sleep, must bool
	}{
		{v612, "tcp_congestion_ops", "ssthresh", true, Required, true, false},
		{v612, "tcp_congestion_ops", "get_info", true, NotImplementable, false, false},
		{v612, "tcp_congestion_ops", "cwnd_event_tx_start", false, 0, false, false},
		{v72, "tcp_congestion_ops", "cwnd_event_tx_start", true, Optional, true, false},
		{v72, "hid_bpf_ops", "hid_device_event", true, Optional, false, false},
		{v72, "hid_bpf_ops", "hid_rdesc_fixup", true, Optional, true, false},
		{v72, "Qdisc_ops", "enqueue", true, Required, true, false},
		{v72, "Qdisc_ops", "dump", true, NotImplementable, false, false},
		{v612, "Qdisc_ops", "", false, 0, false, false},
		{v72, "sched_ext_ops", "init_task", true, Optional, true, false},
		{v72, "sched_ext_ops", "enqueue", true, Optional, false, false},
		{v73, "binfmt_misc_ops", "load", true, Required, true, true},
	}
	for _, tt := range tests {
		tab := TableFor(tt.rel, tt.table)
		if tab == nil {
			if tt.exists {
				t.Errorf("%s has no %s", tt.rel, tt.table)
			}
			continue
		}
		s := tab.Slot(tt.slot)
		if (s != nil) != tt.exists {
			t.Errorf("%s %s.%s: exists %v, want %v", tt.rel, tt.table, tt.slot, s != nil, tt.exists)
			continue
		}
		if s != nil && (s.Need != tt.need || s.Sleepable != tt.sleep || s.MustSleep != tt.must) {
			t.Errorf("%s %s.%s: %+v", tt.rel, tt.table, tt.slot, *s)
		}
	}
	q := TableFor(v72, "Qdisc_ops")
	if a := q.Slot("enqueue").Args; !slices.ContainsFunc(a, func(r ArgRule) bool { return r.Index == 0 && r.Ref }) {
		t.Errorf("enqueue's packet is not handed over: %+v", a)
	}
	if s := TableFor(v72, "tcp_congestion_ops").Slot("cwnd_event_tx_start"); s.First != v72 {
		t.Errorf("cwnd_event_tx_start first in %s", s.First)
	}
	if !TableFor(v72, "tcp_congestion_ops").Update || TableFor(v72, "sched_ext_ops").Update || TableFor(v72, "hid_bpf_ops").Update {
		t.Error("only tcp_congestion_ops can be updated")
	}
}
