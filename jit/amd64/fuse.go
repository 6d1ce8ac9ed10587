// SPDX-License-Identifier: Apache-2.0

package amd64

// mark says that fuse found something better for a slot than its own instruction.
type mark struct {
	kind markKind
}

type markKind uint8

const (
	markNone markKind = iota
	markSkip          // covered by another slot
)

func (c *compiler) fuse() { c.marks = grow(c.marks, len(c.p.Insns)) }

func (c *compiler) marked(i int, m *mark) {}
