// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/modbpf/modbpf/bpf"
)

// named is a number with well-known names, or any.
type named struct {
	table []struct {
		name  string
		value uint32
	}
	limit uint64
	what  string
}

func (t *named) parse(text, tag string) (v uint32, set bool, err error) {
	switch tag {
	case "!!int":
		i, err := strconv.ParseUint(text, 0, 64)
		if err != nil || i > t.limit {
			return 0, false, fmt.Errorf("%s is out of range, want 0 to %#x", clip(text), t.limit)
		}
		return uint32(i), true, nil
	case "!!str":
		if text == "any" {
			return 0, false, nil
		}
		names := []string{"any"}
		for _, e := range t.table {
			if e.name == text {
				return e.value, true, nil
			}
			names = append(names, e.name)
		}
		return 0, false, fmt.Errorf("%q is no %s: want a number or one of %s%s", clip(text), t.what, strings.Join(names, ", "), didYouMean(text, names))
	}
	return 0, false, fmt.Errorf("want a number or a name of a %s", t.what)
}

func (t *named) name(v uint32) string {
	for _, e := range t.table {
		if e.value == v {
			return e.name
		}
	}
	return fmt.Sprintf("%#04x", v)
}

func (t *named) jsonSchema() map[string]any {
	names := []any{"any"}
	for _, e := range t.table {
		names = append(names, e.name)
	}
	return map[string]any{"oneOf": []any{
		map[string]any{"type": "integer", "minimum": 0, "maximum": t.limit},
		map[string]any{"enum": names},
	}}
}

type nameRow = struct {
	name  string
	value uint32
}

// Numbers of include/uapi/linux/input.h and include/linux/hid.h.
var (
	buses  = named{[]nameRow{{"usb", 0x03}, {"bluetooth", 0x05}, {"virtual", 0x06}, {"i2c", 0x18}, {"host", 0x19}, {"spi", 0x1c}}, 0xffff, "bus"}
	groups = named{[]nameRow{
		{"generic", 1},
		{"multitouch", 2},
		{"sensor-hub", 3},
		{"multitouch-win8", 4},
		{"rmi", 0x100},
		{"wacom", 0x101},
		{"logitech-dj", 0x102},
		{"steam", 0x103},
		{"logitech-27mhz", 0x104},
		{"vivaldi", 0x105},
	}, 0xffff, "HID group"}
	ids = named{nil, 0xffffffff, "device id"}
)

// Bus is a HID bus; the zero value is any.
type Bus struct{ Filter }

// Group is a HID group; the zero value is any.
type Group struct{ Filter }

// ID is a vendor or product id; the zero value is any.
type ID struct{ Filter }

// Filter accepts one number, or any if it is not set.
type Filter struct {
	Set   bool
	Value uint32
}

// Accepts reports whether a device's number passes.
func (f Filter) Accepts(v uint32) bool { return !f.Set || f.Value == v }

func (f *Filter) take(t *named, text, tag string) (err error) {
	f.Value, f.Set, err = t.parse(text, tag)
	return err
}

func (b *Bus) parse(text, tag string) error   { return b.take(&buses, text, tag) }
func (g *Group) parse(text, tag string) error { return g.take(&groups, text, tag) }
func (i *ID) parse(text, tag string) error    { return i.take(&ids, text, tag) }

func (*Bus) jsonSchema() map[string]any   { return buses.jsonSchema() }
func (*Group) jsonSchema() map[string]any { return groups.jsonSchema() }
func (*ID) jsonSchema() map[string]any    { return ids.jsonSchema() }

func (b Bus) String() string {
	if !b.Set {
		return "any"
	}
	return buses.name(b.Value)
}

func (g Group) String() string {
	if !g.Set {
		return "any"
	}
	return groups.name(g.Value)
}

func (i ID) String() string {
	if !i.Set {
		return "any"
	}
	return fmt.Sprintf("%#04x", i.Value)
}

// Literal is a YAML scalar whose meaning depends on a parameter's type.
type Literal struct{ Text, Tag string }

func (l *Literal) parse(text, tag string) error {
	*l = Literal{text, tag}
	return nil
}

func (*Literal) jsonSchema() map[string]any {
	return map[string]any{"type": []any{"boolean", "integer", "string"}}
}

// Choice is one name an enum parameter may take.
type Choice struct {
	Name  string
	Value int64
}

// Choices are the names of an enum parameter, in the order of the file.
type Choices []Choice

const choiceName = `[A-Za-z0-9][A-Za-z0-9_.-]*`

func (c *Choices) decode(d *decoder, n *yaml.Node, path string) {
	if n.Kind != yaml.MappingNode {
		d.errorf(n, path, "want a mapping of names to numbers, this is %s", what(n))
		return
	}
	if len(n.Content) > 512 {
		d.errorf(n, path, "%d entries, at most 256", len(n.Content)/2)
		return
	}
	d.each(n, path, func(k, v *yaml.Node) {
		if !whole(choiceName).MatchString(k.Value) {
			d.errorf(k, path, "%q is not a valid name (%s)", clip(k.Value), choiceName)
			return
		}
		if v.Kind != yaml.ScalarNode || v.ShortTag() != "!!int" {
			d.errorf(v, join(path, k.Value), "want a whole number, this is %s", what(v))
			return
		}
		i, err := strconv.ParseInt(v.Value, 0, 64)
		if err != nil {
			d.errorf(v, join(path, k.Value), "%s is out of range", clip(v.Value))
			return
		}
		*c = append(*c, Choice{k.Value, i})
	})
}

func (*Choices) jsonSchema() map[string]any {
	return map[string]any{
		"type": "object", "additionalProperties": map[string]any{"type": "integer"},
		"propertyNames": map[string]any{"pattern": "^" + choiceName + "$"},
	}
}

// Range is a set of kernel releases: comparisons that must all hold.
type Range struct {
	text  string
	tests []rangeTest
}

type rangeTest struct {
	op  string
	rel bpf.Release
}

const rangePattern = `(>=|<=|>|<|=)\s*[0-9]+\.[0-9]+`

// ParseRange reads ">=6.12 <7.3"; commas between the comparisons are allowed.
func ParseRange(s string) (Range, error) {
	r := Range{text: s}
	rest := strings.ReplaceAll(s, ",", " ")
	for rest = strings.TrimSpace(rest); rest != ""; rest = strings.TrimSpace(rest) {
		i := strings.IndexFunc(rest, func(c rune) bool { return !strings.ContainsRune("<>=", c) })
		if i <= 0 || !slices.Contains([]string{">=", "<=", ">", "<", "="}, rest[:i]) {
			return Range{}, fmt.Errorf("%q is no range of kernels: want comparisons such as \">=6.12 <7.3\"", clip(s))
		}
		op := rest[:i]
		word := strings.TrimSpace(rest[i:])
		if j := strings.IndexAny(word, " <>="); j >= 0 {
			word, rest = word[:j], word[j:]
		} else {
			rest = ""
		}
		rel, err := bpf.ParseRelease(word)
		if err != nil || len(word) > 16 {
			return Range{}, fmt.Errorf("%q is no range of kernels: %q is not a release such as 6.12", clip(s), clip(word))
		}
		r.tests = append(r.tests, rangeTest{op, rel})
	}
	if len(r.tests) == 0 {
		return Range{}, fmt.Errorf("%q is no range of kernels: want comparisons such as \">=6.12 <7.3\"", clip(s))
	}
	return r, nil
}

func (r *Range) parse(text, tag string) (err error) {
	if tag != "!!str" {
		return fmt.Errorf("want comparisons such as \">=6.12\", this is the number %s", clip(text))
	}
	*r, err = ParseRange(text)
	return err
}

func (*Range) jsonSchema() map[string]any {
	return map[string]any{"type": "string", "pattern": `^\s*` + rangePattern + `([\s,]+` + rangePattern + `)*\s*$`}
}

func (r Range) String() string { return r.text }

// IsZero reports whether the range says nothing.
func (r Range) IsZero() bool { return len(r.tests) == 0 }

// Contains reports whether a release is in the range; patch levels do not count.
func (r Range) Contains(k bpf.Release) bool {
	for _, t := range r.tests {
		older, newer := k.Less(t.rel), t.rel.Less(k)
		ok := false
		switch t.op {
		case ">=":
			ok = !older
		case "<=":
			ok = !newer
		case ">":
			ok = newer
		case "<":
			ok = older
		case "=":
			ok = !older && !newer
		}
		if !ok {
			return false
		}
	}
	return true
}
