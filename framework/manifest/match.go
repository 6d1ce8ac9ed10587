// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"fmt"
	"strings"
)

// Pattern is the modalias pattern a match compiles to, as depmod would write it into
// modules.alias; "" for network matches by name or kind, which have none.
func (m *Match) Pattern() string {
	switch {
	case m.HID != nil:
		return m.HID.Pattern()
	case m.Modalias != "":
		return m.Modalias
	}
	return ""
}

// Pattern is the pattern of a HID match: hid:b0003g*v0000256Cp00000060.
func (h *HIDMatch) Pattern() string {
	part := func(letter string, digits int, f Filter) string {
		if !f.Set {
			return letter + "*"
		}
		return fmt.Sprintf("%s%0*X", letter, digits, f.Value)
	}
	return "hid:" + part("b", 4, h.Bus.Filter) + part("g", 4, h.Group.Filter) + part("v", 8, h.Vendor.Filter) + part("p", 8, h.Product.Filter)
}

// Accepts reports whether a device's modalias matches.
func (m *Match) Accepts(modalias string) bool {
	p := m.Pattern()
	return p != "" && Glob(p, modalias)
}

// MatchModalias reports whether any of the driver's matches takes a device.
func (m *Manifest) MatchModalias(modalias string) bool {
	for i := range m.Match {
		if m.Match[i].Accepts(modalias) {
			return true
		}
	}
	return false
}

// Glob matches as modprobe does with fnmatch: * and ? and [sets], no character special besides.
func Glob(pattern, s string) bool {
	// Iterative with one point to go back to: linear in practice, quadratic at worst.
	pi, si, star, mark := 0, 0, -1, 0
	for si < len(s) {
		if pi < len(pattern) && pattern[pi] == '*' {
			star, mark = pi, si
			pi++
			continue
		}
		if n := globOne(pattern[pi:], s[si]); n > 0 {
			pi += n
			si++
			continue
		}
		if star < 0 {
			return false
		}
		mark++
		pi, si = star+1, mark
	}
	return strings.Trim(pattern[pi:], "*") == ""
}

// globOne is the length of the pattern element that matches c, 0 if it does not.
func globOne(p string, c byte) int {
	if p == "" {
		return 0
	}
	switch p[0] {
	case '?':
		return 1
	case '[':
		end := strings.IndexByte(p[1:], ']')
		if end < 1 {
			break
		}
		set := p[1 : 1+end]
		not := set[0] == '!' || set[0] == '^'
		if not {
			set = set[1:]
		}
		in := false
		for i := 0; i < len(set); i++ {
			if i+2 < len(set) && set[i+1] == '-' {
				in = in || set[i] <= c && c <= set[i+2]
				i += 2
			} else {
				in = in || set[i] == c
			}
		}
		if in != not {
			return end + 2
		}
		return 0
	}
	if p[0] == c {
		return 1
	}
	return 0
}

// escapeModalias hides what path.Match treats as special and modaliases do not.
func escapeModalias(s string) string { return strings.ReplaceAll(s, "/", "_") }
