// SPDX-License-Identifier: Apache-2.0

package helpers

import (
	"github.com/modbpf/modbpf/framework/host/maps"
	"github.com/modbpf/modbpf/jit"
)

var mapHelpers = []Helper{
	{1, "map_lookup_elem", []string{"bpf_map_lookup_elem_proto"}, mapLookup},
	{2, "map_update_elem", []string{"bpf_map_update_elem_proto"}, mapUpdate},
	{3, "map_delete_elem", []string{"bpf_map_delete_elem_proto"}, mapDelete},
	{87, "map_push_elem", []string{"bpf_map_push_elem_proto"}, mapPush},
	{88, "map_pop_elem", []string{"bpf_map_pop_elem_proto"}, mapPop},
	{89, "map_peek_elem", []string{"bpf_map_peek_elem_proto"}, mapPeek},
	{164, "for_each_map_elem", []string{"bpf_for_each_map_elem_proto"}, forEachMapElem},
	{195, "map_lookup_percpu_elem", []string{"bpf_map_lookup_percpu_elem_proto"}, mapLookupPercpu},
	{12, "tail_call", []string{"bpf_tail_call_proto"}, tailCall},
}

func mapLookup(f *jit.Frame, m, key, _, _, _ uint64) uint64 {
	return uint64(maps.FromHandle(uintptr(m)).At(run(f), uintptr(key)))
}

func mapUpdate(f *jit.Frame, m, key, value, flags, _ uint64) uint64 {
	return uint64(maps.FromHandle(uintptr(m)).Put(run(f), uintptr(key), uintptr(value), flags))
}

func mapDelete(f *jit.Frame, m, key, _, _, _ uint64) uint64 {
	return uint64(maps.FromHandle(uintptr(m)).Remove(run(f), uintptr(key)))
}

func mapPush(_ *jit.Frame, m, value, flags, _, _ uint64) uint64 {
	return uint64(maps.FromHandle(uintptr(m)).Push(uintptr(value), flags))
}

func mapPop(_ *jit.Frame, m, value, _, _, _ uint64) uint64 {
	return uint64(maps.FromHandle(uintptr(m)).Pop(uintptr(value)))
}

func mapPeek(_ *jit.Frame, m, value, _, _, _ uint64) uint64 {
	return uint64(maps.FromHandle(uintptr(m)).Peek(uintptr(value)))
}

func mapLookupPercpu(_ *jit.Frame, m, key, cpu, _, _ uint64) uint64 {
	p, ok := maps.FromHandle(uintptr(m)).(maps.PerCPU)
	if !ok || uint32(cpu) > 1<<30 {
		return 0
	}
	return uint64(p.AtCPU(int(uint32(cpu)), uintptr(key)))
}

// forEachMapElem calls back for each element until the callback answers 1.
func forEachMapElem(f *jit.Frame, m, fn, ctx, flags, _ uint64) uint64 {
	if flags != 0 {
		return maps.EINVAL.R0()
	}
	return uint64(maps.FromHandle(uintptr(m)).Each(run(f), func(key, value uintptr) bool {
		r, err := f.Call(fn, m, uint64(key), uint64(value), ctx, 0)
		return err == nil && r == 0
	}))
}

// tailCall goes on in another program; where there is none the caller goes on.
func tailCall(f *jit.Frame, _, m, index, _, _ uint64) uint64 {
	p, ok := maps.FromHandle(uintptr(m)).(maps.Programs)
	if !ok {
		return maps.EINVAL.R0()
	}
	if x := p.Program(uint32(index)); x != nil {
		f.TailCall(x)
	}
	return maps.ENOENT.R0()
}
