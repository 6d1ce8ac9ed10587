// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Meta describes one version of a driver in the kernel. It is kept there, in a
// frozen array map pinned beside what it describes.
type Meta struct {
	Format     int               `json:"format"` // of this description
	Driver     string            `json:"driver"`
	Version    string            `json:"version"`
	Instance   string            `json:"instance"`
	Device     string            `json:"device,omitempty"` // what it is bound to, as the kernel names it
	License    string            `json:"license"`
	Judge      string            `json:"judge"`    // who proved it safe: "modbpf", or "kernel" alone
	Object     string            `json:"object"`   // SHA-256
	Manifest   string            `json:"manifest"` // SHA-256, "" for a bare object
	Source     string            `json:"source,omitempty"`
	Parameters map[string]string `json:"parameters,omitempty"`
	Points     []Point           `json:"points"`
	Inserted   time.Time         `json:"inserted"`
	By         string            `json:"by"` // version of modbpf
}

// metaFormat is the only format there is so far.
const metaFormat = 1

// metaName is the map's name in the kernel and of its pin; together with the
// driver's and instance's name inside it tells our pins from foreign ones.
const (
	metaMap = "modbpf_meta"
	metaPin = "meta"
)

// maxMeta bounds what is read back: maps in the bpf file system can be anybody's.
const maxMeta = 1 << 18

func (m *Meta) encode() ([]byte, error) {
	b, err := json.Marshal(m)
	if err == nil && len(b) > maxMeta {
		err = fmt.Errorf("description of %d bytes is longer than %d", len(b), maxMeta)
	}
	if err != nil {
		return nil, fmt.Errorf("describe %s: %w", m.Driver, err)
	}
	return b, nil
}

func decodeMeta(b []byte) (*Meta, error) {
	var m Meta
	if err := json.Unmarshal(bytes.TrimRight(b, "\x00"), &m); err != nil {
		return nil, fmt.Errorf("read description: %w", err)
	}
	if m.Format != metaFormat {
		return nil, fmt.Errorf("read description: format %d is not known to this modbpf", m.Format)
	}
	return &m, nil
}

// same reports whether inserting n would change nothing where m is.
func (m *Meta) same(n *Meta) bool {
	if m.Driver != n.Driver || m.Version != n.Version || m.Object != n.Object || m.Manifest != n.Manifest || m.Judge != n.Judge ||
		len(m.Parameters) != len(n.Parameters) || len(m.Points) != len(n.Points) {
		return false
	}
	for k, v := range m.Parameters {
		if n.Parameters[k] != v {
			return false
		}
	}
	for i := range m.Points {
		if !m.Points[i].alike(&n.Points[i]) {
			return false
		}
	}
	return true
}

// alike reports whether two points are the same place in the kernel.
func (p *Point) alike(q *Point) bool {
	return p.Table == q.Table && p.Variable == q.Variable && p.Hook == q.Hook && p.Program == q.Program &&
		p.Interface == q.Interface && p.Netns == q.Netns && p.Attach == q.Attach && p.Flags == q.Flags
}

// escape makes a name a file name of the bpf file system, which takes no dots
// and no slashes; % is the escape.
func escape(s string) string {
	if s == "" {
		return "%"
	}
	if !strings.ContainsAny(s, "./%") {
		return s
	}
	return strings.NewReplacer("%", "%25", ".", "%2E", "/", "%2F").Replace(s)
}

// unescape is escape's inverse.
func unescape(s string) string {
	if s == "%" {
		return ""
	}
	return strings.NewReplacer("%25", "%", "%2E", ".", "%2F", "/").Replace(s)
}

// InstanceOf names the instance for a device: the characters the bpf file
// system and shells do not like become underscores, as udev-hid-bpf has it.
func InstanceOf(device string) string {
	return strings.Map(func(r rune) rune {
		switch r {
		case ':', '.', '/', '%':
			return '_'
		}
		return r
	}, device)
}
