// SPDX-License-Identifier: Apache-2.0

package framework

import (
	"github.com/modbpf/modbpf/btf"
	"github.com/modbpf/modbpf/framework/exitcode"
	"github.com/modbpf/modbpf/framework/profile"
)

// HIDKernel is a kernel whose rules and layouts the host's HID model can take:
// the running one if it has HID-BPF, else the newest embedded profile that has.
func HIDKernel() (Kernel, error) {
	if k, err := profile.Running(); err == nil && hasTable(k, "hid_bpf_ops") {
		return k, nil
	}
	names := profile.Embedded()
	for i := len(names) - 1; i >= 0; i-- {
		if k, err := profile.Find(names[i]); err == nil && hasTable(k, "hid_bpf_ops") {
			return k, nil
		}
	}
	return nil, exitcode.Unsupported.Errorf("no kernel profile with HID-BPF: this kernel has none, and none is embedded")
}

// hasTable reports whether a kernel has a struct_ops table built in.
func hasTable(k Kernel, table string) bool {
	_, ok := k.BTF().Find("bpf_struct_ops_"+table, btf.KindStruct)
	return ok
}
