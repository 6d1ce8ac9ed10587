// SPDX-License-Identifier: Apache-2.0

package descriptor

import (
	"fmt"
	"strings"
)

var (
	mainNames       = map[uint8]string{TagInput: "Input", TagOutput: "Output", TagFeature: "Feature", TagCollection: "Collection", TagEndCollection: "End Collection"}
	globalNames     = [...]string{"Usage Page", "Logical Minimum", "Logical Maximum", "Physical Minimum", "Physical Maximum", "Unit Exponent", "Unit", "Report Size", "Report ID", "Report Count", "Push", "Pop"}
	localNames      = [...]string{"Usage", "Usage Minimum", "Usage Maximum", "Designator Index", "Designator Minimum", "Designator Maximum", "", "String Index", "String Minimum", "String Maximum", "Delimiter"}
	collectionNames = [...]string{"Physical", "Application", "Logical", "Report", "Named Array", "Usage Switch", "Usage Modifier"}
)

// Line is one item in words.
type Line struct {
	Offset int
	Bytes  []byte
	Depth  int // collections around it
	Text   string
}

func (l Line) String() string {
	return fmt.Sprintf("%-15s %s%s", fmt.Sprintf("% x", l.Bytes), strings.Repeat("  ", l.Depth), l.Text)
}

// Lines puts a descriptor into words, item by item, as far as it can be read;
// the last line says where it cannot.
func Lines(raw []byte) []Line {
	items, err := Items(raw)
	var out []Line
	page, logMin, depth := uint32(0), int32(0), 0
	end := 0
	for _, it := range items {
		end = it.Offset + len(it.Raw)
		text := ""
		switch it.Type {
		case Main:
			if it.Tag == TagEndCollection && depth > 0 {
				depth--
			}
			text = mainText(it)
		case Global:
			if it.Tag == TagUsagePage {
				page = it.Data
			}
			if it.Tag == TagLogicalMin {
				logMin = it.Signed()
			}
			text = globalText(it, logMin)
		case Local:
			text = localText(it, page)
		default:
			text = fmt.Sprintf("Reserved item 0x%02x", it.Raw[0])
		}
		out = append(out, Line{it.Offset, it.Raw, depth, text})
		if it.Type == Main && it.Tag == TagCollection {
			depth++
		}
	}
	if err != nil {
		rest := raw[end:]
		out = append(out, Line{end, rest[:min(len(rest), 5)], depth, "unreadable: " + err.Error()})
	}
	return out
}

// Text is Lines, joined.
func Text(raw []byte) string {
	var b strings.Builder
	for _, l := range Lines(raw) {
		b.WriteString(l.String())
		b.WriteByte('\n')
	}
	return b.String()
}

func mainText(it Item) string {
	name := mainNames[it.Tag]
	switch it.Tag {
	case TagEndCollection:
		return name
	case TagCollection:
		kind := fmt.Sprintf("0x%02x", it.Data)
		if it.Data < uint32(len(collectionNames)) {
			kind = collectionNames[it.Data]
		}
		return name + " (" + kind + ")"
	case TagInput, TagOutput, TagFeature:
		return name + " (" + FlagText(it.Data) + ")"
	}
	return fmt.Sprintf("Main item 0x%x", it.Tag)
}

// FlagText names the flags of a main item.
func FlagText(flags uint32) string {
	pick := func(bit uint32, off, on string) string {
		if flags&bit != 0 {
			return on
		}
		return off
	}
	words := []string{pick(FlagConstant, "Data", "Constant"), pick(FlagVariable, "Array", "Variable"), pick(FlagRelative, "Absolute", "Relative")}
	for _, w := range []string{
		pick(FlagWrap, "", "Wrap"), pick(FlagNonlin, "", "Nonlinear"), pick(FlagNoPref, "", "No Preferred State"),
		pick(FlagNull, "", "Null State"), pick(FlagVolatile, "", "Volatile"), pick(FlagBuffered, "", "Buffered Bytes"),
	} {
		if w != "" {
			words = append(words, w)
		}
	}
	return strings.Join(words, ", ")
}

func globalText(it Item, logMin int32) string {
	if int(it.Tag) >= len(globalNames) {
		return fmt.Sprintf("Global item 0x%x", it.Tag)
	}
	name := globalNames[it.Tag]
	switch it.Tag {
	case TagUsagePage:
		return fmt.Sprintf("%s (%s)", name, PageName(uint16(it.Data)))
	case TagLogicalMin, TagPhysicalMin, TagUnitExponent:
		return fmt.Sprintf("%s (%d)", name, it.Signed())
	case TagLogicalMax, TagPhysicalMax:
		if logMin < 0 {
			return fmt.Sprintf("%s (%d)", name, it.Signed())
		}
		return fmt.Sprintf("%s (%d)", name, it.Data)
	case TagUnit:
		return fmt.Sprintf("%s (0x%x)", name, it.Data)
	case TagPush, TagPop:
		return name
	}
	return fmt.Sprintf("%s (%d)", name, it.Data)
}

func localText(it Item, page uint32) string {
	if int(it.Tag) >= len(localNames) || localNames[it.Tag] == "" {
		return fmt.Sprintf("Local item 0x%x", it.Tag)
	}
	name := localNames[it.Tag]
	switch it.Tag {
	case TagUsage, TagUsageMin, TagUsageMax:
		u := Usage(page<<16 | it.Data)
		if it.Size == 4 {
			u = Usage(it.Data)
		}
		return fmt.Sprintf("%s (%s)", name, u)
	}
	return fmt.Sprintf("%s (%d)", name, it.Data)
}

// Diff shows what changed between two descriptors, in words: unchanged lines
// begin with a blank, removed ones with "-", added ones with "+". Runs of more
// than 2*context unchanged lines are folded. The empty string means equal.
func Diff(before, after []byte, context int) string {
	if string(before) == string(after) {
		return ""
	}
	return diffLines(Lines(before), Lines(after), context)
}
