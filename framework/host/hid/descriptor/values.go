// SPDX-License-Identifier: Apache-2.0

package descriptor

import (
	"fmt"
	"strings"
)

// Value is what a report says of one usage.
type Value struct {
	Usage  Usage
	Value  int32
	Array  bool // the usage was selected by an array field: it is pressed
	Offset int  // bit offset in the report, id byte not counted
	Size   int
	Field  *Field
}

// bits reads n (at most 32) bits at a bit offset, little-endian, zero beyond the end.
func bits(b []byte, off, n int) uint32 {
	var v uint64
	for i := range (off%8 + n + 7) / 8 {
		if j := off/8 + i; j < len(b) && i < 8 {
			v |= uint64(b[j]) << (8 * i)
		}
	}
	return uint32(v >> (off % 8) & (1<<n - 1))
}

// Decode reads the values of an input report. data begins with the id byte
// when the descriptor numbers its reports. Bytes a short report lacks count as
// zero, as in the kernel. Constant fields are left out.
func (d *Descriptor) Decode(t ReportType, data []byte) ([]Value, error) {
	r := d.Report(t, data)
	if r == nil {
		id := 0
		if len(data) > 0 {
			id = int(data[0])
		}
		return nil, fmt.Errorf("decode %s report: no report %d in the descriptor: %w", t, id, ErrInvalid)
	}
	if d.Numbered[t] {
		data = data[1:]
	}
	var out []Value
	for _, f := range r.Fields {
		if f.Flags&FlagConstant != 0 {
			continue
		}
		for i := range f.Count {
			off := f.Offset + i*f.Size
			n := min(f.Size, 32)
			raw := bits(data, off, n)
			v := int32(raw)
			if f.LogicalMin < 0 && n < 32 {
				v = int32(raw<<(32-n)) >> (32 - n)
			}
			val := Value{Value: v, Offset: off, Size: f.Size, Field: f}
			if f.Flags&FlagVariable != 0 {
				val.Usage = f.Usages[i]
				out = append(out, val)
				continue
			}
			idx := int64(v) - int64(f.LogicalMin)
			if v < f.LogicalMin || uint32(v) > uint32(f.LogicalMax) && f.LogicalMin >= 0 || idx < 0 || idx >= int64(len(f.Usages)) {
				continue
			}
			if val.Usage = f.Usages[idx]; val.Usage.ID() == 0 {
				continue // "no event"
			}
			val.Array, val.Value = true, 1
			out = append(out, val)
		}
	}
	return out, nil
}

// Summary prints a report on one line: what is pressed and what is not zero.
func (d *Descriptor) Summary(t ReportType, data []byte) string {
	vals, err := d.Decode(t, data)
	if err != nil {
		return "not described by the descriptor"
	}
	var parts []string
	for _, v := range vals {
		absolute := v.Field.Flags&FlagRelative == 0 && v.Size > 1
		switch {
		case v.Array, v.Size == 1 && v.Value != 0:
			parts = append(parts, v.Usage.String())
		case v.Value != 0, absolute && !v.Array && v.Field.Flags&FlagVariable != 0:
			parts = append(parts, fmt.Sprintf("%s %d", v.Usage, v.Value))
		}
	}
	if len(parts) == 0 {
		return "all released"
	}
	return strings.Join(parts, ", ")
}
