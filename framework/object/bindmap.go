// SPDX-License-Identifier: Apache-2.0

package object

import (
	"fmt"
	"slices"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/btf"
	"github.com/modbpf/modbpf/verifier"
)

// bindMaps makes the maps. A map that cannot be made keeps its reason.
func (b *binder) bindMaps() {
	for _, m := range b.o.Maps {
		bm := &BoundMap{Spec: m, Slots: m.Slots}
		b.out.Maps = append(b.out.Maps, bm)
		bm.Map = b.mapOf(m)
		switch m.Kind {
		case MapStructOps:
			bm.Map.StructOps = m.Table
			bm.StructOps, bm.Err = b.structOps(m)
			if bm.Err != nil {
				bm.Err = fmt.Errorf("bind struct_ops variable %s: %w", m.Name, bm.Err)
				b.loseSlots(m, bm.Err)
				continue
			}
			bm.Map.ValueSize = uint32(len(bm.StructOps.Value))
			bm.Map.Value = 0
			bm.Map.Contents = bm.StructOps.Value
		case MapKconfig:
			bm.Map.Frozen = true
			bm.Map.Contents, bm.Err = b.kconfigValues(m.ValueSize)
		case MapROData, MapData, MapBSS:
			bm.Map.Frozen = m.Kind == MapROData
			bm.Map.Contents, bm.Err = b.dataContents(m)
		}
		if bm.Err != nil {
			bm.Err = fmt.Errorf("bind map %s: %w", m.Name, bm.Err)
		}
	}
}

// mapOf is the verifier's view of a map.
func (b *binder) mapOf(m *MapSpec) *verifier.Map {
	v := &verifier.Map{
		Name: m.Name, Type: m.Type, KeySize: m.KeySize, ValueSize: m.ValueSize, MaxEntries: m.MaxEntries,
		Flags: m.Flags, Extra: m.Extra, BTF: b.o.BTF, Key: m.Key, Value: m.Value,
	}
	if n, ok := b.opts.MaxEntries[m.Name]; ok {
		v.MaxEntries = n
		if v.Type == bpf.MapRingbuf || v.Type == bpf.MapUserRingbuf {
			v.MaxEntries = ringSize(n)
		}
	}
	if v.MaxEntries == 0 {
		v.MaxEntries = b.entries(v.Type)
	}
	if v.Type == bpf.MapStackTrace && v.ValueSize == 0 && b.opts.DefaultMaxEntries != 0 {
		v.ValueSize = 127 * 8 // perf's deepest stack by default; loaders set it with the size
	}
	if noTypes[v.Type] || b.o.Untyped != "" {
		v.Key, v.Value, v.BTF = 0, 0, nil
	}
	if m.Inner != nil {
		v.Inner = b.mapOf(m.Inner)
	}
	return v
}

// entries is the size of a map whose definition names none.
func (b *binder) entries(t bpf.MapType) uint32 {
	switch t {
	case bpf.MapPerfEventArray:
		return uint32(max(1, b.opts.CPUs))
	case bpf.MapRingbuf, bpf.MapUserRingbuf:
		if b.opts.DefaultMaxEntries != 0 {
			return ringSize(max(4096, b.opts.DefaultMaxEntries))
		}
	case bpf.MapSKStorage, bpf.MapInodeStorage, bpf.MapTaskStorage, bpf.MapCgrpStorage,
		bpf.MapCgroupStorage, bpf.MapPercpuCgroupStorage, bpf.MapStructOps, bpf.MapBloomFilter:
		return 0
	}
	return b.opts.DefaultMaxEntries
}

// noTypes are the map types that the kernel gets without key and value types.
var noTypes = map[bpf.MapType]bool{
	bpf.MapPerfEventArray: true, bpf.MapCgroupArray: true, bpf.MapStackTrace: true, bpf.MapArrayOfMaps: true,
	bpf.MapHashOfMaps: true, bpf.MapDevmap: true, bpf.MapDevmapHash: true, bpf.MapCpumap: true, bpf.MapXskmap: true,
	bpf.MapSockmap: true, bpf.MapSockhash: true, bpf.MapQueue: true, bpf.MapStack: true, bpf.MapArena: true,
}

// structOps lays a struct_ops variable out as the kernel has its type.
func (b *binder) structOps(m *MapSpec) (*BoundStructOps, error) {
	vname := "bpf_struct_ops_" + m.Table
	var hint []string
	if t := b.k.StructOps(m.Table); t != nil {
		hint = append(hint, t.Module)
	}
	s, vid, ok := b.inKernel(vname, btf.KindStruct, hint...)
	if !ok {
		return nil, &MissingError{FeatureStructOps, m.Table}
	}
	r := &BoundStructOps{Table: m.Table, BTF: s, ValueID: vid, Link: m.Flags&bpf.MapLink != 0}
	vt := s.Type(vid)
	for i := range vt.Vlen {
		f := s.Member(vid, i)
		if s.Kind(f.Type) == btf.KindStruct && s.Name(f.Type) == m.Table {
			r.Type, r.DataOff = f.Type, f.BitOff/8
		}
	}
	if r.Type == 0 || vt.Size > 1<<20 {
		return nil, &MissingError{FeatureStructOps, m.Table}
	}
	r.Value = make([]byte, vt.Size)
	refs := slices.Clone(m.Members)
	for i := range b.o.BTF.Type(m.Value).Vlen {
		if err := b.structOpsMember(m, r, i, refs); err != nil {
			return nil, err
		}
	}
	for name := range b.opts.Members[m.Name] {
		if _, ok := s.FindMember(r.Type, name); !ok {
			return nil, &MissingError{FeatureSlot, m.Table + "." + name}
		}
	}
	return r, nil
}

// structOpsMember copies member i of the object's struct into the kernel's.
func (b *binder) structOpsMember(m *MapSpec, r *BoundStructOps, i int, refs []FuncRef) error {
	l, k := b.o.BTF, r.BTF
	f := l.Member(m.Value, i)
	size, ok := l.Sizeof(f.Type)
	if !ok || uint64(f.BitOff/8)+uint64(size) > uint64(len(m.Data)) {
		return invalid("copy member %s: size unknown", f.Name)
	}
	data := m.Data[f.BitOff/8:][:size]
	if v, ok := b.opts.Members[m.Name][f.Name]; ok {
		data = make([]byte, size)
		putUint(data, uint64(v))
	}
	var ref *FuncRef
	for j := range refs {
		if refs[j].index == i {
			ref = &refs[j]
		}
	}
	// A flavored type may leave members out; a type's own flavored member does not occur.
	km, idx := btf.Member{}, -1
	for j := range k.Type(r.Type).Vlen {
		if c := k.Member(r.Type, j); c.Name == f.Name {
			km, idx = c, j
			break
		}
	}
	if idx < 0 {
		if ref != nil {
			missing := &MissingError{FeatureSlot, m.Table + "." + f.Name}
			r.Absent = append(r.Absent, *ref)
			if _, used := b.slots[ref.Program]; !used {
				b.slots[ref.Program] = slotUse{err: missing}
			}
			return nil
		}
		if slices.ContainsFunc(data, func(c byte) bool { return c != 0 }) {
			return &MissingError{FeatureSlot, m.Table + "." + f.Name}
		}
		return nil
	}
	if f.BitSize != 0 || km.BitSize != 0 {
		return invalid("copy member %s: bit field", f.Name)
	}
	lk, kk := l.Kind(l.SkipMods(f.Type)), k.Kind(k.SkipMods(km.Type))
	if lk != kk {
		return fmt.Errorf("copy member %s: %s in the object, %s in the kernel: %w", f.Name, lk, kk, ErrIncompatible)
	}
	at := r.DataOff + km.BitOff/8
	if ref != nil {
		to, _ := k.Pointee(km.Type)
		if k.Kind(k.SkipMods(to)) != btf.KindFuncProto {
			return fmt.Errorf("copy member %s: no function pointer in the kernel: %w", f.Name, ErrIncompatible)
		}
		bm := BoundMember{Name: f.Name, Program: ref.Program, Index: idx, Offset: at}
		if u, used := b.slots[ref.Program]; used && u.err == nil && (u.ops.Type != r.Type || u.ops.BTF != r.BTF || u.member.Index != idx) {
			return fmt.Errorf("copy member %s: program %s already fills %s.%s: %w", f.Name, ref.Program, u.ops.Table, u.member.Name, ErrIncompatible)
		}
		b.slots[ref.Program] = slotUse{ops: r, member: bm}
		r.Members = append(r.Members, bm)
		return nil
	}
	if lk == btf.KindPtr {
		return nil // NULL: a set data pointer cannot be expressed
	}
	ks, ok := k.Sizeof(km.Type)
	if !ok || ks != size || uint64(at)+uint64(ks) > uint64(len(r.Value)) {
		return fmt.Errorf("copy member %s: %d bytes in the object, %d in the kernel: %w", f.Name, size, ks, ErrIncompatible)
	}
	copy(r.Value[at:], data)
	return nil
}

// loseSlots tells the programs of a variable why it cannot be bound.
func (b *binder) loseSlots(m *MapSpec, err error) {
	for _, ref := range m.Members {
		if u, used := b.slots[ref.Program]; !used || u.err == nil && u.ops != nil && u.ops.Table == m.Table {
			b.slots[ref.Program] = slotUse{err: err}
		}
	}
}
