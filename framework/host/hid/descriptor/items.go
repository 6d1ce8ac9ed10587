// SPDX-License-Identifier: Apache-2.0

// Package descriptor reads HID report descriptors (Device Class Definition for
// HID 1.11, section 6.2.2) as the kernel's HID core does, decodes reports with
// them and prints both for people. Descriptors come from devices and are
// hostile input: every limit of the kernel's parser is kept.
package descriptor

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// MaxSize is the largest descriptor the kernel accepts, in bytes
// (HID_MAX_DESCRIPTOR_SIZE).
const MaxSize = 4096

// ErrInvalid is wrapped by all errors about a descriptor's content.
var ErrInvalid = errors.New("invalid report descriptor")

// ItemType is the type of a short item.
type ItemType uint8

// Types of items.
const (
	Main ItemType = iota
	Global
	Local
	Reserved
)

// Tags of items, by type.
const (
	TagInput         = 0x8
	TagOutput        = 0x9
	TagCollection    = 0xa
	TagFeature       = 0xb
	TagEndCollection = 0xc

	TagUsagePage    = 0x0
	TagLogicalMin   = 0x1
	TagLogicalMax   = 0x2
	TagPhysicalMin  = 0x3
	TagPhysicalMax  = 0x4
	TagUnitExponent = 0x5
	TagUnit         = 0x6
	TagReportSize   = 0x7
	TagReportID     = 0x8
	TagReportCount  = 0x9
	TagPush         = 0xa
	TagPop          = 0xb

	TagUsage     = 0x0
	TagUsageMin  = 0x1
	TagUsageMax  = 0x2
	TagDelimiter = 0xa
)

// Item is one element of a descriptor.
type Item struct {
	Offset int // of its first byte
	Type   ItemType
	Tag    uint8
	Size   int    // data bytes: 0, 1, 2 or 4
	Data   uint32 // unsigned
	Raw    []byte
}

// Signed is the data as a signed number of its size.
func (it Item) Signed() int32 {
	switch it.Size {
	case 1:
		return int32(int8(it.Data))
	case 2:
		return int32(int16(it.Data))
	}
	return int32(it.Data)
}

// Items splits a descriptor. The items before a fault are returned with the
// error, so that a broken descriptor can still be shown. Long items are
// refused, as the kernel does.
func Items(b []byte) ([]Item, error) {
	var items []Item
	for o := 0; o < len(b); {
		it := Item{Offset: o, Type: ItemType(b[o] >> 2 & 3), Tag: b[o] >> 4, Size: int(b[o] & 3)}
		if it.Size == 3 {
			it.Size = 4
		}
		if b[o] == 0xfe {
			return items, fmt.Errorf("read item at byte %d: long items are not supported by the kernel: %w", o, ErrInvalid)
		}
		if o+1+it.Size > len(b) {
			return items, fmt.Errorf("read item at byte %d: %d of its %d data bytes are missing: %w", o, o+1+it.Size-len(b), it.Size, ErrInvalid)
		}
		d := b[o+1 : o+1+it.Size]
		switch it.Size {
		case 1:
			it.Data = uint32(d[0])
		case 2:
			it.Data = uint32(binary.LittleEndian.Uint16(d))
		case 4:
			it.Data = binary.LittleEndian.Uint32(d)
		}
		it.Raw = b[o : o+1+it.Size]
		items = append(items, it)
		o += 1 + it.Size
	}
	return items, nil
}
