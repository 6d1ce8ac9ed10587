// SPDX-License-Identifier: Apache-2.0

package descriptor

import "fmt"

// Limits of the kernel's parser (include/linux/hid.h).
const (
	maxUsages      = 12288
	maxIDs         = 256
	maxFields      = 256
	maxReportSize  = 256
	globalStack    = 4
	maxCollections = 1024 // ours: the kernel grows without limit
	maxBuffer      = 16384
)

// ReportType is the direction of a report.
type ReportType uint8

// Report types, numbered as enum hid_report_type.
const (
	Input ReportType = iota
	Output
	Feature
	reportTypes
)

func (t ReportType) String() string { return [...]string{"input", "output", "feature"}[t] }

// Collection groups fields; an application collection becomes an input device.
type Collection struct {
	Type   uint8 // 0 physical, 1 application, 2 logical, ...
	Usage  Usage
	Parent int // index into Descriptor.Collections, -1 at the top
}

// Field is one main item: Count values of Size bits.
type Field struct {
	Report      *Report
	Flags       uint32
	Offset      int // bits from the start of the report, without its id byte
	Size, Count int
	Usages      []Usage
	LogicalMin  int32
	LogicalMax  int32
	PhysicalMin int32
	PhysicalMax int32
	Unit        uint32
	UnitExp     int32
	Collection  int // innermost, index into Descriptor.Collections
	Application Usage
}

// Flag bits of main items.
const (
	FlagConstant = 1 << 0
	FlagVariable = 1 << 1
	FlagRelative = 1 << 2
	FlagWrap     = 1 << 3
	FlagNonlin   = 1 << 4
	FlagNoPref   = 1 << 5
	FlagNull     = 1 << 6
	FlagVolatile = 1 << 7
	FlagBuffered = 1 << 8
)

// Report is all fields of one type and id.
type Report struct {
	Type        ReportType
	ID          uint8
	Bits        int // without the id byte
	Fields      []*Field
	Application Usage
}

// Len is the number of bytes of the report, its id byte included.
func (r *Report) Len() int {
	n := (r.Bits + 7) / 8
	if r.ID > 0 {
		n++
	}
	return n
}

// Descriptor is a parsed report descriptor.
type Descriptor struct {
	Raw         []byte
	Collections []Collection
	Reports     [reportTypes]map[uint8]*Report
	Numbered    [reportTypes]bool
}

type globals struct {
	page             uint32
	logMin, logMax   int32
	physMin, physMax int32
	unitExp          int32
	unit             uint32
	size, count      uint32
	id               uint32
}

type usageItem struct {
	value uint32
	size  int
}

type parser struct {
	d        *Descriptor
	g        globals
	stack    []globals
	usages   []usageItem
	usageMin uint32
	depth    int
	branch   int
	open     []int // open collections
}

// Parse reads a descriptor the way the kernel's hid_open_report does.
func Parse(raw []byte) (*Descriptor, error) {
	if len(raw) == 0 || len(raw) > MaxSize {
		return nil, fmt.Errorf("parse report descriptor: %d bytes, want 1 to %d: %w", len(raw), MaxSize, ErrInvalid)
	}
	p := &parser{d: &Descriptor{Raw: raw}}
	for t := range p.d.Reports {
		p.d.Reports[t] = map[uint8]*Report{}
	}
	items, err := Items(raw)
	if err != nil {
		return nil, fmt.Errorf("parse report descriptor: %w", err)
	}
	for _, it := range items {
		switch it.Type {
		case Main:
			err = p.main(it)
		case Global:
			err = p.global(it)
		case Local:
			err = p.local(it)
		}
		if err != nil {
			return nil, fmt.Errorf("parse report descriptor: item at byte %d: %w", it.Offset, err)
		}
	}
	switch {
	case len(p.open) != 0:
		return nil, fmt.Errorf("parse report descriptor: %d collections not closed: %w", len(p.open), ErrInvalid)
	case p.depth != 0:
		return nil, fmt.Errorf("parse report descriptor: delimiter not closed: %w", ErrInvalid)
	}
	return p.d, nil
}

func bad(format string, args ...any) error {
	return fmt.Errorf(format+": %w", append(args, ErrInvalid)...)
}

func (p *parser) global(it Item) error {
	g := &p.g
	switch it.Tag {
	case TagUsagePage:
		g.page = it.Data
	case TagLogicalMin:
		g.logMin = it.Signed()
	case TagLogicalMax:
		if g.logMax = int32(it.Data); g.logMin < 0 {
			g.logMax = it.Signed()
		}
	case TagPhysicalMin:
		g.physMin = it.Signed()
	case TagPhysicalMax:
		if g.physMax = int32(it.Data); g.physMin < 0 {
			g.physMax = it.Signed()
		}
	case TagUnitExponent:
		// Devices write -3 as a nibble as often as they write it as a byte.
		if g.unitExp = it.Signed(); g.unitExp&^0xf == 0 && g.unitExp > 7 {
			g.unitExp -= 16
		}
	case TagUnit:
		g.unit = it.Data
	case TagReportSize:
		if g.size = it.Data; g.size > maxReportSize {
			return bad("report size %d, at most %d", g.size, maxReportSize)
		}
	case TagReportCount:
		if g.count = it.Data; g.count > maxUsages {
			return bad("report count %d, at most %d", g.count, maxUsages)
		}
	case TagReportID:
		if g.id = it.Data; g.id == 0 || g.id >= maxIDs {
			return bad("report id %d, want 1 to %d", g.id, maxIDs-1)
		}
	case TagPush:
		if len(p.stack) == globalStack {
			return bad("more than %d nested Push", globalStack)
		}
		p.stack = append(p.stack, *g)
	case TagPop:
		if len(p.stack) == 0 {
			return bad("pop without push")
		}
		*g = p.stack[len(p.stack)-1]
		p.stack = p.stack[:len(p.stack)-1]
	default:
		return bad("unknown global tag %#x", it.Tag)
	}
	return nil
}

func (p *parser) local(it Item) error {
	switch it.Tag {
	case TagDelimiter:
		if it.Data != 0 {
			if p.depth != 0 {
				return bad("nested delimiters")
			}
			p.depth++
			p.branch++
		} else {
			if p.depth < 1 {
				return bad("delimiter closed but not open")
			}
			p.depth--
		}
	case TagUsage:
		if p.branch <= 1 {
			return p.addUsage(it.Data, it.Size)
		}
	case TagUsageMin:
		if p.branch <= 1 {
			p.usageMin = it.Data
		}
	case TagUsageMax:
		if p.branch > 1 {
			return nil
		}
		last := it.Data
		if n := last - p.usageMin; uint64(n)+uint64(len(p.usages)) >= maxUsages {
			last = uint32(maxUsages-len(p.usages)) + p.usageMin - 1
		}
		for u := uint64(p.usageMin); u <= uint64(last); u++ {
			if err := p.addUsage(uint32(u), it.Size); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *parser) addUsage(v uint32, size int) error {
	if len(p.usages) >= maxUsages {
		return bad("more than %d usages", maxUsages)
	}
	p.usages = append(p.usages, usageItem{v, size})
	return nil
}

// complete gives short usages the page that is in force at the main item.
func (p *parser) complete() []Usage {
	us := make([]Usage, len(p.usages))
	for i, u := range p.usages {
		if us[i] = Usage(u.value); u.size <= 2 {
			us[i] = Usage(p.g.page<<16 | u.value&0xffff)
		}
	}
	return us
}

func (p *parser) main(it Item) error {
	usages := p.complete()
	defer func() { p.usages, p.usageMin, p.depth, p.branch = nil, 0, 0, 0 }()
	switch it.Tag {
	case TagCollection:
		if len(p.d.Collections) >= maxCollections {
			return bad("more than %d collections", maxCollections)
		}
		c := Collection{Type: uint8(it.Data), Parent: -1}
		if len(usages) > 0 {
			c.Usage = usages[0]
		}
		if len(p.open) > 0 {
			c.Parent = p.open[len(p.open)-1]
		}
		p.open = append(p.open, len(p.d.Collections))
		p.d.Collections = append(p.d.Collections, c)
	case TagEndCollection:
		if len(p.open) == 0 {
			return bad("end of a collection that was not begun")
		}
		p.open = p.open[:len(p.open)-1]
	case TagInput:
		return p.field(Input, it.Data, usages)
	case TagOutput:
		return p.field(Output, it.Data, usages)
	case TagFeature:
		return p.field(Feature, it.Data, usages)
	}
	return nil // the kernel ignores main tags it does not know
}

func (p *parser) application() Usage {
	for i := len(p.open) - 1; i >= 0; i-- {
		if c := p.d.Collections[p.open[i]]; c.Type == 1 {
			return c.Usage
		}
	}
	return 0
}

func (p *parser) field(t ReportType, flags uint32, usages []Usage) error {
	g := &p.g
	r := p.d.Reports[t][uint8(g.id)]
	if r == nil {
		r = &Report{Type: t, ID: uint8(g.id), Application: p.application()}
		p.d.Reports[t][r.ID] = r
		if r.ID != 0 {
			p.d.Numbered[t] = true
		}
	}
	if g.logMin < 0 && g.logMax < g.logMin || g.logMin >= 0 && uint32(g.logMax) < uint32(g.logMin) {
		return bad("logical minimum %d is above logical maximum %d", g.logMin, g.logMax)
	}
	off := r.Bits
	r.Bits += int(g.size * g.count)
	if r.Bits > (maxBuffer-1)*8 {
		return bad("report %d is longer than %d bytes", r.ID, maxBuffer)
	}
	if len(usages) == 0 {
		return nil // padding
	}
	if len(r.Fields) == maxFields {
		return nil // ignored, as the kernel does
	}
	n := max(len(usages), int(g.count))
	f := &Field{
		Report: r, Flags: flags, Offset: off, Size: int(g.size), Count: int(g.count), Usages: make([]Usage, n),
		LogicalMin: g.logMin, LogicalMax: g.logMax, PhysicalMin: g.physMin, PhysicalMax: g.physMax,
		Unit: g.unit, UnitExp: g.unitExp, Collection: -1, Application: p.application(),
	}
	for i := range f.Usages {
		f.Usages[i] = usages[min(i, len(usages)-1)] // the last one stands for all that follow
	}
	if len(p.open) > 0 {
		f.Collection = p.open[len(p.open)-1]
	}
	r.Fields = append(r.Fields, f)
	return nil
}

// MaxLen is the longest report in bytes, ids included.
func (d *Descriptor) MaxLen() int {
	n := 0
	for _, reports := range d.Reports {
		for _, r := range reports {
			n = max(n, r.Len())
		}
	}
	return n
}

// Report finds the report that data belongs to, nil if there is none.
func (d *Descriptor) Report(t ReportType, data []byte) *Report {
	var id uint8
	if d.Numbered[t] {
		if len(data) == 0 {
			return nil
		}
		id = data[0]
	}
	return d.Reports[t][id]
}

// Applications lists the application collections, in order: the input devices
// the kernel may make of the descriptor.
func (d *Descriptor) Applications() []Usage {
	var us []Usage
	for _, c := range d.Collections {
		if c.Type == 1 {
			us = append(us, c.Usage)
		}
	}
	return us
}
