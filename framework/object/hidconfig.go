// SPDX-License-Identifier: Apache-2.0

package object

import "github.com/modbpf/modbpf/btf"

// HIDMatch is one device an object says it is for. Zero is any.
type HIDMatch struct {
	Bus, Group, Vendor, Product uint32
}

// maxHIDMatches is how many devices the convention allows in one object.
const maxHIDMatches = 15

// HIDDevices reads the devices that a HID object of the established convention
// names: a variable in .hid_bpf_config whose type is a union of structs, whose
// members bus, group, vid and pid are pointers to arrays. The lengths of the
// arrays are the values. Objects without such a section name none.
func (o *Object) HIDDevices() ([]HIDMatch, error) {
	if o.BTF == nil {
		return nil, nil
	}
	ds, ok := o.BTF.Find(".hid_bpf_config", btf.KindDatasec)
	if !ok {
		return nil, nil
	}
	var out []HIDMatch
	for i := range o.BTF.Type(ds).Vlen {
		union := o.BTF.SkipMods(o.BTF.Type(o.BTF.Variable(ds, i).Type).Ref)
		t := o.BTF.Type(union)
		if t.Kind != btf.KindUnion && t.Kind != btf.KindStruct {
			return nil, invalid("read .hid_bpf_config: entry %d is no union", i)
		}
		for j := range t.Vlen {
			m, ok := o.hidMatch(o.BTF.Member(union, j).Type)
			if !ok {
				return nil, invalid("read .hid_bpf_config: member %d does not name a device", j)
			}
			if len(out) == maxHIDMatches {
				return nil, invalid("read .hid_bpf_config: more than %d devices", maxHIDMatches)
			}
			out = append(out, m)
		}
	}
	return out, nil
}

func (o *Object) hidMatch(id btf.ID) (m HIDMatch, ok bool) {
	id = o.BTF.SkipMods(id)
	t := o.BTF.Type(id)
	if t.Kind != btf.KindStruct {
		return m, false
	}
	for i := range t.Vlen {
		f := o.BTF.Member(id, i)
		var at *uint32
		switch f.Name {
		case "bus":
			at = &m.Bus
		case "group":
			at = &m.Group
		case "vid":
			at = &m.Vendor
		case "pid":
			at = &m.Product
		default:
			continue
		}
		v, isNum := o.mapInt(f.Type)
		if !isNum {
			return m, false
		}
		*at, ok = uint32(v), true
	}
	return m, ok
}
