// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
)

// JSONSchema is the schema of driver.yaml for editors, made from the Go types.
func JSONSchema() []byte {
	s := structSchema(reflect.TypeFor[Manifest]())
	s["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	s["title"] = "modbpf driver manifest"
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(s); err != nil {
		panic(err) // maps of strings and numbers always encode
	}
	return b.Bytes()
}

func structSchema(t reflect.Type) map[string]any {
	props := map[string]any{}
	var required []string
	f := fieldsOf(t)
	for _, name := range f.names {
		sf := t.Field(f.index[name])
		s := typeSchema(sf.Type, sf.Tag)
		s["description"] = sf.Tag.Get("doc")
		props[name] = s
		if sf.Tag.Get("need") == "required" {
			required = append(required, name)
		}
	}
	s := map[string]any{"type": "object", "additionalProperties": false, "properties": props}
	if required != nil {
		s["required"] = required
	}
	return s
}

func typeSchema(t reflect.Type, tag reflect.StructTag) map[string]any {
	if t.Kind() == reflect.Pointer {
		return typeSchema(t.Elem(), tag)
	}
	if x, ok := reflect.New(t).Interface().(interface{ jsonSchema() map[string]any }); ok {
		return x.jsonSchema()
	}
	switch t.Kind() {
	case reflect.Struct:
		return structSchema(t)
	case reflect.Slice:
		item := typeSchema(t.Elem(), tag)
		if p, ok := tag.Lookup("keyed"); ok {
			return map[string]any{"type": "object", "additionalProperties": item, "propertyNames": map[string]any{"pattern": "^(?:" + p + ")$"}}
		}
		return map[string]any{"type": "array", "items": item}
	case reflect.String:
		s := map[string]any{"type": "string", "minLength": 1}
		if p := tag.Get("pattern"); p != "" {
			s["pattern"] = "^(?:" + p + ")$"
		}
		if e := tag.Get("enum"); e != "" {
			s = map[string]any{"enum": strings.Split(e, "|")}
		} else {
			s["maxLength"] = tagInt(tag, "max", 4096)
		}
		return s
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Int64:
		return map[string]any{"type": "integer", "minimum": tagInt(tag, "min", 0), "maximum": tagInt(tag, "max", 1<<31)}
	}
	panic("manifest: no schema for " + t.String())
}

// Reference is the manual page of the manifest, in Markdown.
func Reference() []byte {
	var b bytes.Buffer
	b.WriteString("<!-- Generated from framework/manifest by go generate; edit the Go types. -->\n# driver.yaml\n\n" +
		"A driver is a compiled BPF object and this file. Unknown keys, wrong types and values out of range are errors,\n" +
		"reported together, each at `file:line:column`. `driver.schema.json` beside this page makes editors complete it.\n\n")
	referenceOf(&b, reflect.TypeFor[Manifest](), "")
	return b.Bytes()
}

func referenceOf(b *bytes.Buffer, t reflect.Type, path string) {
	type sub struct {
		t    reflect.Type
		path string
	}
	var subs []sub
	if path == "" {
		b.WriteString("## The file\n\n")
	} else {
		fmt.Fprintf(b, "\n## %s\n\n", path)
	}
	b.WriteString("| key | value | meaning |\n|---|---|---|\n")
	f := fieldsOf(t)
	for _, name := range f.names {
		sf := t.Field(f.index[name])
		ft := sf.Type
		for ft.Kind() == reflect.Pointer {
			ft = ft.Elem()
		}
		p := join(path, name)
		if ft.Kind() == reflect.Slice && ft.Elem().Kind() == reflect.Struct && !isCustom(ft) {
			if _, keyed := sf.Tag.Lookup("keyed"); keyed {
				subs = append(subs, sub{ft.Elem(), p + ".NAME"})
			} else {
				subs = append(subs, sub{ft.Elem(), p + "[]"})
			}
		} else if ft.Kind() == reflect.Struct && !isCustom(ft) {
			subs = append(subs, sub{ft, p})
		}
		need := ""
		if sf.Tag.Get("need") == "required" {
			need = " **required**"
		}
		fmt.Fprintf(b, "| `%s` | %s%s | %s |\n", name, kindName(ft, sf.Tag), need, strings.ReplaceAll(sf.Tag.Get("doc"), "|", "\\|"))
	}
	for _, s := range subs {
		referenceOf(b, s.t, s.path)
	}
}

func isCustom(t reflect.Type) bool {
	_, ok := reflect.New(t).Interface().(interface{ jsonSchema() map[string]any })
	return ok
}

func kindName(t reflect.Type, tag reflect.StructTag) string {
	if e := tag.Get("enum"); e != "" {
		return strings.ReplaceAll(e, "|", ", ")
	}
	if isCustom(t) {
		return map[string]string{
			"License": "SPDX expression", "Range": "release range", "Literal": "value of the parameter's type",
			"Choices": "mapping of names to numbers", "Bus": "name or number", "Group": "name or number", "ID": "number or any",
		}[t.Name()]
	}
	switch t.Kind() {
	case reflect.Slice:
		if _, keyed := tag.Lookup("keyed"); keyed {
			return "mapping, see below"
		}
		if t.Elem().Kind() == reflect.Struct {
			return "list, see below"
		}
		return "list of strings"
	case reflect.Struct:
		return "mapping, see below"
	case reflect.Bool:
		return "true or false"
	case reflect.Int64:
		return fmt.Sprintf("%d to %d", tagInt(tag, "min", 0), tagInt(tag, "max", 1<<31))
	}
	return "string"
}
