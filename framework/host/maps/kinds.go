// SPDX-License-Identifier: Apache-2.0

package maps

import (
	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/verifier"
)

// kind is a row of the table of map types.
type kind struct {
	make  func(*base) (Map, error)
	check func(*verifier.Map) bool // sizes the kernel accepts
}

// kinds are the map types the host has; New refuses the others by name.
var kinds = map[bpf.MapType]kind{
	bpf.MapArray:         {newArray, indexed},
	bpf.MapPercpuArray:   {newPercpuArray, indexed},
	bpf.MapHash:          {newHash, keyed},
	bpf.MapLRUHash:       {newHash, keyed},
	bpf.MapPercpuHash:    {newHash, keyed},
	bpf.MapLRUPercpuHash: {newHash, keyed},
	bpf.MapProgArray:     {newProgArray, indexed},
	bpf.MapArrayOfMaps:   {newMapOfMaps(false), indexed},
	bpf.MapHashOfMaps:    {newMapOfMaps(true), keyed},

	bpf.MapQueue:       {newQueue(false), unkeyed},
	bpf.MapStack:       {newQueue(true), unkeyed},
	bpf.MapBloomFilter: {newBloom, unkeyed},
	bpf.MapLPMTrie:     {newLPM, keyed},

	bpf.MapRingbuf:        {newRing, sized},
	bpf.MapUserRingbuf:    {newUserRing, sized},
	bpf.MapPerfEventArray: {newPerfEvents, sized},
	bpf.MapArena:          {newArena, sized},

	bpf.MapTaskStorage:  {newStorage, any4},
	bpf.MapSKStorage:    {newStorage, any4},
	bpf.MapInodeStorage: {newStorage, any4},
	bpf.MapCgrpStorage:  {newStorage, any4},

	bpf.MapDevmap:     {newTargets(false), indexed},
	bpf.MapCpumap:     {newTargets(false), indexed},
	bpf.MapXskmap:     {newTargets(false), indexed},
	bpf.MapDevmapHash: {newTargets(true), keyed},
}

func keyed(m *verifier.Map) bool { return m.KeySize > 0 && m.ValueSize > 0 && m.MaxEntries > 0 }
func indexed(m *verifier.Map) bool {
	return m.KeySize == 4 && m.ValueSize > 0 && m.MaxEntries > 0
}

func unkeyed(m *verifier.Map) bool { return m.KeySize == 0 && m.ValueSize > 0 && m.MaxEntries > 0 }
func sized(m *verifier.Map) bool   { return m.MaxEntries > 0 }
func any4(m *verifier.Map) bool    { return m.KeySize == 4 && m.ValueSize > 0 }

const innerMap = bpf.MapInnerMap

// indexedType reports whether max_entries is part of a map's kind when it goes
// into a map of maps.
func indexedType(t bpf.MapType) bool { return t == bpf.MapArray || t == bpf.MapPercpuArray }
