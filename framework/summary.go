// SPDX-License-Identifier: Apache-2.0

package framework

import (
	"fmt"

	"github.com/modbpf/modbpf/framework/object"
)

// Summary is what a driver is, without any kernel: what `info` shows of a file.
type Summary struct {
	Name        string         `json:"name"`
	Version     string         `json:"version"`
	Description string         `json:"description,omitempty"`
	License     string         `json:"license"` // SPDX, or a bare object's licence string
	Manifest    string         `json:"manifest,omitempty"`
	Object      string         `json:"object"`
	ObjectHash  string         `json:"sha256"`
	Replaces    []string       `json:"replaces,omitempty"`
	Match       []string       `json:"match,omitempty"` // modalias patterns
	Points      []string       `json:"points,omitempty"`
	Parameters  []SummaryParam `json:"parameters,omitempty"`
	Requires    string         `json:"requires,omitempty"`
	Programs    []SummaryProg  `json:"programs"`
	Maps        []SummaryMap   `json:"maps,omitempty"`
}

// SummaryParam is one parameter.
type SummaryParam struct {
	Name        string `json:"name"`
	Type        string `json:"type"`
	Default     string `json:"default,omitempty"`
	Description string `json:"description,omitempty"`
}

// SummaryProg is one program of the object.
type SummaryProg struct {
	Name         string `json:"name"`
	Section      string `json:"section"`
	Type         string `json:"type"`
	Instructions int    `json:"instructions"`
	Optional     bool   `json:"optional,omitempty"`
}

// SummaryMap is one map of the object.
type SummaryMap struct {
	Name       string `json:"name"`
	Type       string `json:"type"`
	KeySize    uint32 `json:"key_size"`
	ValueSize  uint32 `json:"value_size"`
	MaxEntries uint32 `json:"max_entries"`
}

// Summary describes the driver.
func (d *Driver) Summary() *Summary {
	s := &Summary{Name: d.Name(), Version: d.Version(), License: d.Object.License, Object: d.ObjectPath, ObjectHash: d.objectHash}
	if m := d.Manifest; m != nil {
		s.Description, s.License, s.Manifest, s.Replaces = m.Description, m.License.String(), d.Path, m.Replaces
		for i := range m.Match {
			if p := m.Match[i].Pattern(); p != "" {
				s.Match = append(s.Match, p)
			} else if n := m.Match[i].Net; n != nil {
				s.Match = append(s.Match, fmt.Sprintf("net name=%s driver=%s kind=%s", n.Name, n.Driver, n.Kind))
			}
		}
		for i := range m.ExtensionPoints {
			ep := &m.ExtensionPoints[i]
			text := ep.StructOps + ep.Program
			if ep.Attach != nil && ep.Attach.Interface != "" {
				text += " on " + ep.Attach.Interface
			}
			if ep.Optional {
				text += " (optional)"
			}
			s.Points = append(s.Points, text)
		}
		for i := range m.Parameters {
			p := &m.Parameters[i]
			sp := SummaryParam{Name: p.Name, Type: p.Type, Description: p.Description}
			if p.Default != nil {
				sp.Default = p.Default.Text
			}
			s.Parameters = append(s.Parameters, sp)
		}
		if !m.Requires.Kernel.IsZero() {
			s.Requires = "kernel " + m.Requires.Kernel.String()
		}
	} else {
		if matches, err := d.matches(); err == nil {
			for i := range matches {
				s.Match = append(s.Match, matches[i].Pattern())
			}
		}
		for _, c := range constants(d.Object) {
			s.Parameters = append(s.Parameters, SummaryParam{Name: c, Type: "constant"})
		}
	}
	for _, p := range d.Object.Programs {
		s.Programs = append(s.Programs, SummaryProg{p.Name, p.Section, p.Def.Type.String(), p.Instructions(), p.Optional})
	}
	for _, m := range d.Object.Maps {
		switch m.Kind {
		case object.MapUser:
			s.Maps = append(s.Maps, SummaryMap{m.Name, m.Type.String(), m.KeySize, m.ValueSize, m.MaxEntries})
		case object.MapStructOps:
			if len(s.Points) == 0 || d.Manifest == nil {
				s.Points = append(s.Points, m.Table+" "+m.Name)
			}
		}
	}
	return s
}
