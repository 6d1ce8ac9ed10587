// SPDX-License-Identifier: Apache-2.0

package object

import (
	"fmt"
	"math"
	"strconv"

	"github.com/modbpf/modbpf/btf"
)

// Variable is a global variable of an object's data sections. Those in .rodata
// are a driver's parameters: constant while the program is verified and run,
// set before it is loaded.
type Variable struct {
	Name    string
	Section string
	Offset  uint32
	Size    uint32
	Type    btf.ID
	Const   bool // in .rodata
	Global  bool // visible to user space by name
}

// Variables lists the variables of the data sections in order.
func (o *Object) Variables() []Variable {
	var out []Variable
	for _, m := range o.Maps {
		if m.Kind != MapData && m.Kind != MapBSS && m.Kind != MapROData || m.Value == 0 {
			continue
		}
		for i := range o.BTF.Type(m.Value).Vlen {
			v := o.BTF.Variable(m.Value, i)
			if uint64(v.Offset)+uint64(v.Size) > uint64(m.ValueSize) {
				continue
			}
			out = append(out, Variable{
				Name: o.BTF.Name(v.Type), Section: m.Section, Offset: v.Offset, Size: v.Size,
				Type: o.BTF.Type(v.Type).Ref, Const: m.Kind == MapROData, Global: o.BTF.Linkage(v.Type) != linkStatic,
			})
		}
	}
	return out
}

// Variable finds a variable by name.
func (o *Object) Variable(name string) (Variable, error) {
	for _, v := range o.Variables() {
		if v.Name == name {
			return v, nil
		}
	}
	return Variable{}, fmt.Errorf("find variable %s in object %s: %w", name, o.Name, ErrNotFound)
}

// Initial is the value a variable has in the object.
func (o *Object) Initial(v Variable) []byte {
	if m := o.Map(v.Section); m != nil && uint64(v.Offset)+uint64(v.Size) <= uint64(len(m.Data)) {
		return m.Data[v.Offset:][:v.Size]
	}
	return nil
}

// SetRodata encodes a value for a parameter and notes it in the options of a
// Bind. The value may be a bool, any integer, a float64 without fraction, a
// string (for char arrays) or the text of any of these; it must fit the
// variable's type. Only variables in .rodata are parameters.
func (o *Object) SetRodata(opts *Options, name string, value any) error {
	v, err := o.Variable(name)
	if err != nil {
		return err
	}
	if !v.Const {
		return fmt.Errorf("set variable %s: in %s, not in .rodata: %w", name, v.Section, ErrIncompatible)
	}
	data, err := o.EncodeVariable(v, value)
	if err != nil {
		return fmt.Errorf("set variable %s: %w", name, err)
	}
	if opts.Variables == nil {
		opts.Variables = make(map[string][]byte)
	}
	opts.Variables[name] = data
	return nil
}

// EncodeVariable encodes a value for a variable, checked against its type.
func (o *Object) EncodeVariable(v Variable, value any) ([]byte, error) {
	out := make([]byte, v.Size)
	id := o.BTF.SkipMods(v.Type)
	t := o.BTF.Type(id)
	switch t.Kind {
	case btf.KindArray:
		elem := o.BTF.SkipMods(o.BTF.Array(id).Elem)
		s, ok := value.(string)
		if !ok || o.BTF.Kind(elem) != btf.KindInt || o.BTF.Type(elem).Size != 1 {
			return nil, fmt.Errorf("%v for an array: only strings for arrays of char: %w", value, ErrIncompatible)
		}
		if len(s) >= len(out) {
			return nil, fmt.Errorf("string of %d bytes for an array of %d: %w", len(s), len(out), ErrIncompatible)
		}
		copy(out, s)
		return out, nil
	case btf.KindInt:
		i := o.BTF.Int(id)
		if i.Bool {
			b, err := boolOf(value)
			if err != nil {
				return nil, err
			}
			if b {
				out[0] = 1
			}
			return out, nil
		}
		return out, putInt(out, value, i.Signed)
	case btf.KindEnum, btf.KindEnum64:
		if s, ok := value.(string); ok {
			for i := range t.Vlen {
				if e := o.BTF.Enumerator(id, i); e.Name == s {
					putUint(out, uint64(e.Value))
					return out, nil
				}
			}
		}
		return out, putInt(out, value, t.KindFlag)
	}
	return nil, fmt.Errorf("variable of kind %s cannot be set: %w", t.Kind, ErrIncompatible)
}

func boolOf(value any) (bool, error) {
	switch v := value.(type) {
	case bool:
		return v, nil
	case string:
		switch v {
		case "1", "y", "Y", "yes", "true", "on":
			return true, nil
		case "0", "n", "N", "no", "false", "off":
			return false, nil
		}
	case int:
		if v == 0 || v == 1 {
			return v == 1, nil
		}
	}
	return false, fmt.Errorf("%v is no bool: %w", value, ErrIncompatible)
}

// putInt stores an integer that must fit len(out) bytes.
func putInt(out []byte, value any, signed bool) error {
	var u uint64
	neg := false
	switch v := value.(type) {
	case int:
		u, neg = uint64(v), v < 0
	case int64:
		u, neg = uint64(v), v < 0
	case uint64:
		u = v
	case uint32:
		u = uint64(v)
	case float64:
		if v != math.Trunc(v) || math.Abs(v) > 1<<53 {
			return fmt.Errorf("%v is no whole number: %w", v, ErrIncompatible)
		}
		u, neg = uint64(int64(v)), v < 0
	case string:
		n, err := strconv.ParseInt(v, 0, 64)
		u, neg = uint64(n), n < 0
		if err != nil {
			if u, err = strconv.ParseUint(v, 0, 64); err != nil {
				return fmt.Errorf("%q is no number: %w", v, ErrIncompatible)
			}
			neg = false
		}
	default:
		return fmt.Errorf("%v (%T) is no number: %w", value, value, ErrIncompatible)
	}
	bits := 8 * len(out)
	switch {
	case len(out) == 0 || len(out) > 8:
		return fmt.Errorf("variable of %d bytes: %w", len(out), ErrIncompatible)
	case neg && !signed:
		return fmt.Errorf("%v is below 0: %w", value, ErrIncompatible)
	case neg:
		if lowest := int64(-1) << (bits - 1); int64(u) < lowest {
			return fmt.Errorf("%v is below %d: %w", value, lowest, ErrIncompatible)
		}
	default:
		top := uint64(math.MaxUint64) >> (64 - bits)
		if signed {
			top >>= 1
		}
		if u > top {
			return fmt.Errorf("%v is above %d: %w", value, top, ErrIncompatible)
		}
	}
	putUint(out, u)
	return nil
}

// dataContents is what a data map holds at the start, parameters included.
func (b *binder) dataContents(m *MapSpec) ([]byte, error) {
	if len(b.opts.Variables) == 0 {
		return m.Data, nil
	}
	out := append([]byte(nil), m.Data...)
	for _, v := range b.o.Variables() {
		if data, ok := b.opts.Variables[v.Name]; ok && v.Section == m.Section {
			if len(data) != int(v.Size) {
				return nil, fmt.Errorf("set variable %s: %d bytes for %d: %w", v.Name, len(data), v.Size, ErrIncompatible)
			}
			copy(out[v.Offset:], data)
		}
	}
	return out, nil
}
