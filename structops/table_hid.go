// SPDX-License-Identifier: Apache-2.0

package structops

import "github.com/modbpf/modbpf/bpf"

// hidContract: drivers/hid/bpf/hid_bpf_struct_ops.c and hid_bpf_dispatch.c.
func hidContract(t *Table, _ bpf.Release) {
	t.Helpers = "bpf_base_func_proto"
	t.Doc = "changes the reports, the report descriptor and the requests of one HID device; at most 64 on a device, one of them with hid_rdesc_fixup"
	srcu := []string{"hid_device.bpf.srcu"}
	t.apply([]slotFacts{
		{"hid_device_event", Optional, ContextIRQ, srcu, nil, "", "each input report: 0 keeps it, a positive value is its new size, a negative one drops it"},
		{"hid_rdesc_fixup", Optional, ContextProcess, nil, nil, "", "the report descriptor when the device is probed: 0 or a negative value keeps it, a positive value is its new size; inserting it probes the device again"},
		{"hid_hw_request", Optional, ContextProcess, srcu, nil, "", "a request to the device: 0 lets it go on, anything else answers in its place"},
		{"hid_hw_output_report", Optional, ContextProcess, srcu, nil, "", "an output report to the device: 0 lets it go on, anything else answers in its place"},
	})
	// retval and size share their bytes. The last byte of a name stays zero.
	t.Writable = []Field{
		{Struct: "hid_bpf_ctx", Member: "retval"},
		{Struct: "hid_device", Member: "name", Size: 127},
		{Struct: "hid_device", Member: "uniq", Size: 63},
		{Struct: "hid_device", Member: "phys", Size: 63},
	}
	t.Init = []FieldRule{
		{Member: "hid_id", Min: 0, Max: 1<<31 - 1, Doc: "the device's id: the number at the end of its name in sysfs, as hexadecimal"},
		{Member: "flags", Mask: 8, Doc: "0, or BPF_F_BEFORE (8) to be called before those already there"},
	}
}
