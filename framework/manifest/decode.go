// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// The decoder walks the YAML tree and the Go types side by side. It never
// stops at a mistake: it notes it and goes on with the next value, so that one
// run of an editor or of CI shows everything.

// scalar is a value with a syntax of its own.
type scalar interface {
	// parse reads the text of a YAML scalar; tag is its resolved type (!!int, ...).
	parse(text, tag string) error
	// jsonSchema describes what parse accepts.
	jsonSchema() map[string]any
}

// mapping is a value that reads a YAML mapping by itself.
type mapping interface {
	decode(d *decoder, n *yaml.Node, path string)
	jsonSchema() map[string]any
}

type decoder struct {
	file string
	errs Errors
	pos  map[string]Pos
}

// maxErrors bounds what a hostile file makes us print.
const maxErrors = 100

func (d *decoder) errorf(n *yaml.Node, path, format string, args ...any) {
	if len(d.errs) < maxErrors {
		d.errs = append(d.errs, &Error{File: d.file, Pos: Pos{max(n.Line, 1), max(n.Column, 1)}, Path: path, Message: fmt.Sprintf(format, args...)})
	}
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)`)

// Parse reads and validates a manifest; file is the name used in messages and
// the place relative paths start at. The error is of type Errors.
func Parse(file string, data []byte) (*Manifest, error) {
	d := &decoder{file: file, pos: map[string]Pos{}}
	whole := &yaml.Node{Line: 1, Column: 1}
	if len(data) > MaxSize {
		d.errorf(whole, "", "manifest is larger than %d bytes", MaxSize)
		return nil, d.errs
	}
	if !utf8.Valid(data) {
		d.errorf(&yaml.Node{Line: 1 + bytes.Count(data[:invalidAt(data)], []byte("\n")), Column: 1}, "", "not UTF-8 text")
		return nil, d.errs
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc yaml.Node
	if err := dec.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			d.errorf(whole, "", "manifest is empty")
		} else {
			d.syntax(err)
		}
		return nil, d.errs
	}
	var more yaml.Node
	if err := dec.Decode(&more); err == nil {
		d.errorf(&more, "", "a second document: a manifest is one")
	} else if !errors.Is(err, io.EOF) {
		d.syntax(err)
	}
	m := &Manifest{file: file, pos: d.pos}
	root := doc.Content[0]
	d.value(root, reflect.ValueOf(m).Elem(), "", "")
	if root.Kind == yaml.MappingNode {
		d.check(m, root)
	}
	if len(d.errs) > 0 {
		return nil, d.errs.sorted()
	}
	return m, nil
}

func invalidAt(b []byte) int {
	for i := 0; i < len(b); {
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n <= 1 {
			return i
		}
		i += n
	}
	return len(b)
}

// syntax reports what the YAML scanner found; it knows lines only.
func (d *decoder) syntax(err error) {
	n := &yaml.Node{Line: 1, Column: 1}
	msg := err.Error()
	if g := yamlLine.FindStringSubmatch(msg); g != nil {
		msg = g[2]
		if l, err := strconv.Atoi(g[1]); err == nil {
			n.Line = l
		}
	}
	d.errorf(n, "", "not YAML: %s", msg)
}

// what names the kind of a node for people.
func what(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "an alias"
	}
	switch n.ShortTag() {
	case "!!str":
		return "a string"
	case "!!int", "!!float":
		return "the number " + clip(n.Value)
	case "!!bool":
		return "the boolean " + clip(n.Value)
	case "!!null":
		return "nothing"
	case "!!timestamp":
		return "a date"
	}
	return "a value of type " + clip(n.ShortTag())
}

func clip(s string) string {
	if len(s) > 40 {
		s = strings.ToValidUTF8(s[:40], "") + "..."
	}
	return s
}

// value decodes one node into v, whose rules are in tag.
func (d *decoder) value(n *yaml.Node, v reflect.Value, path string, tag reflect.StructTag) {
	d.pos[path] = Pos{n.Line, n.Column}
	if n.Kind == yaml.AliasNode || n.Anchor != "" {
		d.errorf(n, path, "anchors and aliases are not used in manifests: write the value out")
		return
	}
	if v.Kind() == reflect.Pointer {
		p := reflect.New(v.Type().Elem())
		before := len(d.errs)
		d.value(n, p.Elem(), path, tag)
		if len(d.errs) == before {
			v.Set(p)
		}
		return
	}
	switch x := v.Addr().Interface().(type) {
	case scalar:
		if n.Kind != yaml.ScalarNode || n.ShortTag() == "!!null" {
			d.errorf(n, path, "want a single value, this is %s", what(n))
		} else if err := x.parse(n.Value, n.ShortTag()); err != nil {
			d.errorf(n, path, "%v", err)
		}
		return
	case mapping:
		x.decode(d, n, path)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		d.structure(n, v, path)
	case reflect.Slice:
		d.slice(n, v, path, tag)
	case reflect.String:
		d.text(n, v, path, tag)
	case reflect.Bool:
		if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!bool" {
			d.errorf(n, path, "want true or false, this is %s", what(n))
			return
		}
		v.SetBool(n.Value == "true" || n.Value == "True" || n.Value == "TRUE")
	case reflect.Int64:
		d.integer(n, v, path, tag)
	default:
		panic("manifest: no decoder for " + v.Type().String())
	}
}

func (d *decoder) structure(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.MappingNode {
		d.errorf(n, path, "want a mapping, this is %s", what(n))
		return
	}
	fields := fieldsOf(v.Type())
	seen := map[string]bool{}
	d.each(n, path, func(k, val *yaml.Node) {
		i, ok := fields.index[k.Value]
		if !ok {
			d.errorf(k, path, "unknown key %q%s", clip(k.Value), didYouMean(k.Value, fields.names))
			return
		}
		seen[k.Value] = true
		d.value(val, v.Field(i), join(path, k.Value), v.Type().Field(i).Tag)
	})
	for _, name := range fields.names {
		f := v.Type().Field(fields.index[name])
		if f.Tag.Get("need") == "required" && !seen[name] {
			d.errorf(n, path, "%q is missing: %s", name, f.Tag.Get("doc"))
		}
	}
}

// each walks the pairs of a mapping; keys must be plain and unique.
func (d *decoder) each(n *yaml.Node, path string, f func(k, v *yaml.Node)) {
	at := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := n.Content[i]
		if k.Kind != yaml.ScalarNode || k.Anchor != "" {
			d.errorf(k, path, "want a plain key, this is %s", what(k))
			continue
		}
		if l, ok := at[k.Value]; ok {
			d.errorf(k, path, "key %q is here twice, first on line %d", clip(k.Value), l)
			continue
		}
		at[k.Value] = k.Line
		f(k, n.Content[i+1])
	}
}

func (d *decoder) slice(n *yaml.Node, v reflect.Value, path string, tag reflect.StructTag) {
	pattern, keyed := tag.Lookup("keyed")
	limit := 1024
	if v.Type().Elem().Kind() == reflect.Struct {
		limit = tagInt(tag, "max", limit)
	}
	if keyed {
		if n.Kind != yaml.MappingNode {
			d.errorf(n, path, "want a mapping, this is %s", what(n))
			return
		}
		if len(n.Content)/2 > limit {
			d.errorf(n, path, "%d entries, at most %d", len(n.Content)/2, limit)
			return
		}
		d.each(n, path, func(k, val *yaml.Node) {
			if !whole(pattern).MatchString(k.Value) {
				d.errorf(k, path, "%q is not a valid name (%s)", clip(k.Value), pattern)
				return
			}
			e := reflect.New(v.Type().Elem()).Elem()
			e.FieldByName("Name").SetString(k.Value)
			d.value(val, e, join(path, k.Value), "")
			v.Set(reflect.Append(v, e))
		})
		return
	}
	if n.Kind != yaml.SequenceNode {
		d.errorf(n, path, "want a list, this is %s", what(n))
		return
	}
	if len(n.Content) > limit {
		d.errorf(n, path, "%d entries, at most %d", len(n.Content), limit)
		return
	}
	for i, c := range n.Content {
		e := reflect.New(v.Type().Elem()).Elem()
		d.value(c, e, fmt.Sprintf("%s[%d]", path, i), tag)
		v.Set(reflect.Append(v, e))
	}
}

func (d *decoder) text(n *yaml.Node, v reflect.Value, path string, tag reflect.StructTag) {
	if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!str" {
		hint := ""
		if n.Kind == yaml.ScalarNode && n.ShortTag() != "!!null" {
			hint = ": put it in quotes"
		}
		d.errorf(n, path, "want a string, this is %s%s", what(n), hint)
		return
	}
	s := n.Value
	if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		d.errorf(n, path, "control characters are not allowed here")
		return
	}
	if s == "" {
		d.errorf(n, path, "is empty")
		return
	}
	if limit := tagInt(tag, "max", 4096); len(s) > limit {
		d.errorf(n, path, "%d bytes long, at most %d", len(s), limit)
		return
	}
	if e := tag.Get("enum"); e != "" {
		names := strings.Split(e, "|")
		for _, w := range names {
			if w == s {
				v.SetString(s)
				return
			}
		}
		d.errorf(n, path, "%q is none of %s%s", clip(s), strings.Join(names, ", "), didYouMean(s, names))
		return
	}
	if p := tag.Get("pattern"); p != "" && !whole(p).MatchString(s) {
		d.errorf(n, path, "%q does not have the form %s", clip(s), p)
		return
	}
	v.SetString(s)
}

func (d *decoder) integer(n *yaml.Node, v reflect.Value, path string, tag reflect.StructTag) {
	if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!int" {
		d.errorf(n, path, "want a whole number, this is %s", what(n))
		return
	}
	i, err := strconv.ParseInt(strings.ReplaceAll(n.Value, "_", ""), 0, 64)
	if lo, hi := int64(tagInt(tag, "min", 0)), int64(tagInt(tag, "max", 1<<31)); err != nil || i < lo || i > hi {
		d.errorf(n, path, "%s is out of range, want %d to %d", clip(n.Value), lo, hi)
		return
	}
	v.SetInt(i)
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func tagInt(tag reflect.StructTag, key string, def int) int {
	s, ok := tag.Lookup(key)
	if !ok {
		return def
	}
	i, err := strconv.Atoi(s)
	if err != nil {
		panic("manifest: bad tag " + string(tag))
	}
	return i
}

// structFields are the keys of one struct type, in order.
type structFields struct {
	names []string
	index map[string]int
}

var (
	fieldCache sync.Map // reflect.Type -> structFields
	regexCache sync.Map // string -> *regexp.Regexp
)

func fieldsOf(t reflect.Type) structFields {
	if f, ok := fieldCache.Load(t); ok {
		return f.(structFields)
	}
	f := structFields{index: map[string]int{}}
	for i := range t.NumField() {
		if name := t.Field(i).Tag.Get("yaml"); name != "" && name != "-" {
			f.names = append(f.names, name)
			f.index[name] = i
		}
	}
	fieldCache.Store(t, f)
	return f
}

// whole compiles a pattern that must match all of a string.
func whole(p string) *regexp.Regexp {
	if r, ok := regexCache.Load(p); ok {
		return r.(*regexp.Regexp)
	}
	r := regexp.MustCompile(`^(?:` + p + `)$`)
	regexCache.Store(p, r)
	return r
}
