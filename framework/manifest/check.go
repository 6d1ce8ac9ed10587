// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"fmt"
	"path"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// check holds the rules that concern more than one value.
func (d *decoder) check(m *Manifest, root *yaml.Node) {
	at := func(path, format string, args ...any) {
		p, ok := d.pos[path]
		if !ok {
			p = Pos{root.Line, root.Column}
		}
		d.errorf(&yaml.Node{Line: p.Line, Column: p.Column}, path, format, args...)
	}
	if strings.Contains(m.Object, "\\") {
		at("object", "use / between folders")
	}
	for i, x := range m.Match {
		where := fmt.Sprintf("match[%d]", i)
		n := 0
		for _, set := range []bool{x.HID != nil, x.Net != nil, x.Modalias != ""} {
			if set {
				n++
			}
		}
		if n != 1 && !d.failed(where) {
			at(where, "want exactly one of hid, net and modalias, this has %d", n)
		}
		if x.Net != nil && *x.Net == (NetMatch{}) && !d.failed(where) {
			at(where+".net", "matches every interface: give name, driver or kind")
		}
		if x.Modalias != "" {
			if _, err := path.Match(escapeModalias(x.Modalias), ""); err != nil || !strings.Contains(x.Modalias, ":") {
				at(where+".modalias", "%q is no modalias pattern such as hid:b0003g*v0000256Cp00000060", clip(x.Modalias))
			}
		}
	}
	seen := map[string]int{}
	for i, x := range m.ExtensionPoints {
		where := fmt.Sprintf("extensionPoints[%d]", i)
		if d.failed(where) {
			continue
		}
		if (x.StructOps == "") == (x.Program == "") {
			at(where, "want either structOps or program")
			continue
		}
		if x.StructOps != "" && x.Function != "" {
			at(where+".function", "belongs to program hooks; a struct_ops table is named by variable")
		}
		if x.Program != "" && x.Variable != "" {
			at(where+".variable", "belongs to struct_ops tables; a program is named by function")
		}
		if x.Program != "" && len(x.OptionalSlots) > 0 {
			at(where+".optionalSlots", "a program hook has no slots")
		}
		key := x.StructOps + "/" + x.Variable + "/" + x.Program + "/" + x.Function
		if x.Attach != nil {
			key += "/" + x.Attach.Interface + "/" + x.Attach.Direction
		}
		if j, twice := seen[key]; twice {
			at(where, "is the same as extensionPoints[%d]", j)
		}
		seen[key] = i
	}
	for i := range m.Parameters {
		d.checkParameter(&m.Parameters[i], at)
	}
	if m.Policy.GPL == "require" && m.License.text != "" && !m.License.offers(gpl...) {
		at("policy.gpl", "requires a GPL-compatible object, but license %s offers no GPL version 2", m.License)
	}
}

// failed reports whether something at or below a path is already wrong.
func (d *decoder) failed(path string) bool {
	for _, e := range d.errs {
		if e.Path == path || strings.HasPrefix(e.Path, path+".") || strings.HasPrefix(e.Path, path+"[") {
			return true
		}
	}
	return false
}

func (d *decoder) checkParameter(p *Parameter, at func(path, format string, args ...any)) {
	where := "parameters." + p.Name
	if d.failed(where) {
		return
	}
	n := len(d.errs)
	number := p.Type == "int" || p.Type == "uint"
	for _, b := range []struct {
		key string
		lit *Literal
	}{{"min", p.Min}, {"max", p.Max}} {
		if b.lit == nil {
			continue
		}
		if !number {
			at(where+"."+b.key, "belongs to int and uint, not to %s", p.Type)
			continue
		}
		var err error
		if p.Type == "int" {
			_, err = strconv.ParseInt(b.lit.Text, 0, 64)
		} else {
			_, err = strconv.ParseUint(b.lit.Text, 0, 64)
		}
		if err != nil || b.lit.Tag != "!!int" {
			at(where+"."+b.key, "%q is no %s", clip(b.lit.Text), p.Type)
		}
	}
	if len(p.Values) > 0 && p.Type != "enum" {
		at(where+".values", "belongs to enum, not to %s", p.Type)
	}
	if p.Type == "enum" && len(p.Values) == 0 {
		at(where, "an enum needs values")
	}
	if p.MaxLength != 0 && p.Type != "string" {
		at(where+".maxLength", "belongs to string, not to %s", p.Type)
	}
	if len(d.errs) > n {
		return
	}
	if number && p.Min != nil && p.Max != nil {
		lo, hi := p.intBounds()
		ulo, uhi := p.uintBounds()
		if p.Type == "int" && lo > hi || p.Type == "uint" && ulo > uhi {
			at(where+".min", "is greater than max")
			return
		}
	}
	if p.Default == nil {
		return
	}
	want := map[string]string{"bool": "!!bool", "int": "!!int", "uint": "!!int", "string": "!!str"}[p.Type]
	if want != "" && p.Default.Tag != want {
		at(where+".default", "%q is no %s", clip(p.Default.Text), p.Type)
		return
	}
	if _, err := p.Parse(p.Default.Text); err != nil {
		at(where+".default", "%s", strings.TrimPrefix(err.Error(), "parameter "+p.Name+": "))
	}
}
