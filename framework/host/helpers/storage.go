// SPDX-License-Identifier: Apache-2.0

package helpers

import (
	"github.com/modbpf/modbpf/framework/host/maps"
	"github.com/modbpf/modbpf/jit"
)

var storageHelpers = []Helper{
	{107, "sk_storage_get", []string{"bpf_sk_storage_get_proto", "bpf_sk_storage_get_tracing_proto"}, storageGet},
	{108, "sk_storage_delete", []string{"bpf_sk_storage_delete_proto", "bpf_sk_storage_delete_tracing_proto"}, storageDelete},
	{145, "inode_storage_get", []string{"bpf_inode_storage_get_proto"}, storageGet},
	{146, "inode_storage_delete", []string{"bpf_inode_storage_delete_proto"}, storageDelete},
	{156, "task_storage_get", []string{"bpf_task_storage_get_proto"}, storageGet},
	{157, "task_storage_delete", []string{"bpf_task_storage_delete_proto"}, storageDelete},
	{210, "cgrp_storage_get", []string{"bpf_cgrp_storage_get_proto"}, storageGet},
	{211, "cgrp_storage_delete", []string{"bpf_cgrp_storage_delete_proto"}, storageDelete},
}

func storageGet(_ *jit.Frame, m, obj, init, flags, _ uint64) uint64 {
	return uint64(maps.FromHandle(uintptr(m)).(*maps.Storage).Get(uintptr(obj), uintptr(init), flags))
}

func storageDelete(_ *jit.Frame, m, obj, _, _, _ uint64) uint64 {
	if obj == 0 {
		return maps.EINVAL.R0()
	}
	if e := maps.FromHandle(uintptr(m)).(*maps.Storage).DeleteOf(uintptr(obj)); e != 0 {
		return e.R0()
	}
	return 0
}
