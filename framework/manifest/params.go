// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Value is a parameter's value: of the right type and within its bounds.
type Value struct {
	param *Parameter
	text  string // as a user would write it
	num   int64
	str   string
}

// Parameter is the parameter the value belongs to.
func (v Value) Parameter() *Parameter { return v.param }

func (v Value) String() string { return v.text }

// VariableName is the object's constant the parameter sets.
func (p *Parameter) VariableName() string {
	if p.Variable != "" {
		return p.Variable
	}
	return p.Name
}

// Bytes encodes the value for a variable of size bytes, little-endian;
// signed says how the variable reads it.
func (v Value) Bytes(size int, signed bool) ([]byte, error) {
	b := make([]byte, size)
	if v.param.Type == "string" {
		if len(v.str) >= size {
			return nil, fmt.Errorf("parameter %s: %d bytes do not fit the %d of variable %s", v.param.Name, len(v.str)+1, size, v.param.VariableName())
		}
		copy(b, v.str)
		return b, nil
	}
	if size != 1 && size != 2 && size != 4 && size != 8 {
		return nil, fmt.Errorf("parameter %s: variable %s is %d bytes, want a number of 1, 2, 4 or 8", v.param.Name, v.param.VariableName(), size)
	}
	u := uint64(v.num)
	fits := true
	switch bits := uint(8 * size); {
	case v.param.Type == "uint":
		if bits < 64 {
			fits = u < 1<<bits
		}
		if signed {
			fits = u < 1<<(bits-1)
		}
	case signed && bits < 64:
		fits = v.num >= -(1<<(bits-1)) && v.num < 1<<(bits-1)
	case !signed:
		fits = v.num >= 0 && (bits == 64 || u < 1<<bits)
	}
	if !fits {
		return nil, fmt.Errorf("parameter %s: %s does not fit variable %s of %d bytes", v.param.Name, v.text, v.param.VariableName(), size)
	}
	var full [8]byte
	binary.LittleEndian.PutUint64(full[:], u)
	copy(b, full[:])
	return b, nil
}

// Parse reads a value as a user writes it on the command line.
func (p *Parameter) Parse(text string) (Value, error) {
	v := Value{param: p, text: text}
	bad := func(want string) (Value, error) {
		return Value{}, fmt.Errorf("parameter %s: %q: want %s", p.Name, clip(text), want)
	}
	switch p.Type {
	case "bool":
		// The spellings module_param takes: kstrtobool of the kernel.
		switch strings.ToLower(text) {
		case "1", "y", "yes", "true", "on", "t":
			v.num, v.text = 1, "true"
		case "0", "n", "no", "false", "off", "f":
			v.text = "false"
		default:
			return bad("true or false")
		}
	case "int":
		lo, hi := p.intBounds()
		n, err := strconv.ParseInt(text, 0, 64)
		if err != nil || n < lo || n > hi {
			return bad(fmt.Sprintf("a whole number from %d to %d", lo, hi))
		}
		v.num = n
	case "uint":
		lo, hi := p.uintBounds()
		n, err := strconv.ParseUint(text, 0, 64)
		if err != nil || n < lo || n > hi {
			return bad(fmt.Sprintf("a whole number from %d to %d", lo, hi))
		}
		v.num = int64(n)
	case "enum":
		names := make([]string, len(p.Values))
		for i, c := range p.Values {
			if c.Name == text {
				v.num = c.Value
				return v, nil
			}
			names[i] = c.Name
		}
		return bad("one of " + strings.Join(names, ", ") + didYouMean(text, names))
	case "string":
		if p.MaxLength > 0 && int64(len(text)) > p.MaxLength {
			return bad(fmt.Sprintf("at most %d bytes", p.MaxLength))
		}
		if strings.IndexByte(text, 0) >= 0 || len(text) > 4095 {
			return bad("at most 4095 bytes without NUL")
		}
		v.str = text
	default:
		return bad("a parameter of a known type")
	}
	return v, nil
}

func (p *Parameter) intBounds() (lo, hi int64) {
	lo, hi = math.MinInt64, math.MaxInt64
	if p.Min != nil {
		lo, _ = strconv.ParseInt(p.Min.Text, 0, 64) // checked when the manifest was read
	}
	if p.Max != nil {
		hi, _ = strconv.ParseInt(p.Max.Text, 0, 64)
	}
	return lo, hi
}

func (p *Parameter) uintBounds() (lo, hi uint64) {
	hi = math.MaxUint64
	if p.Min != nil {
		lo, _ = strconv.ParseUint(p.Min.Text, 0, 64)
	}
	if p.Max != nil {
		hi, _ = strconv.ParseUint(p.Max.Text, 0, 64)
	}
	return lo, hi
}

// Values are the parameters' values for an insertion: the user's settings,
// then defaults. A parameter with neither is not in it.
type Values []Value

// Set reads a user's NAME=VALUE settings against the manifest. A bool may be
// set by its name alone, as with modprobe.
func (m *Manifest) Set(settings []string) (Values, error) {
	var names []string
	for i := range m.Parameters {
		names = append(names, m.Parameters[i].Name)
	}
	given := map[string]string{}
	for _, s := range settings {
		name, val, eq := strings.Cut(s, "=")
		p := m.Parameter(name)
		if p == nil {
			if len(names) == 0 {
				return nil, fmt.Errorf("parameter %s: driver %s has no parameters", clip(name), m.Name)
			}
			return nil, fmt.Errorf("parameter %s: driver %s has none of that name%s", clip(name), m.Name, didYouMean(name, names))
		}
		if !eq {
			if p.Type != "bool" {
				return nil, fmt.Errorf("parameter %s: no value given", name)
			}
			val = "true"
		}
		if _, twice := given[name]; twice {
			return nil, fmt.Errorf("parameter %s: set twice", name)
		}
		given[name] = val
	}
	var out Values
	for i := range m.Parameters {
		p := &m.Parameters[i]
		text, ok := given[p.Name]
		if !ok {
			if p.Default == nil {
				continue
			}
			text = p.Default.Text
		}
		v, err := p.Parse(text)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

// Int is the value as a number: 0 or 1 for a bool, an enum's number.
func (v Value) Int() int64 { return v.num }
