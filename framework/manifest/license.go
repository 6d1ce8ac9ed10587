// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"fmt"
	"slices"
	"strings"
)

// License is an SPDX licence expression, kept as the alternatives it offers.
type License struct {
	text string
	// alts are the alternatives of the expression in disjunctive form: each is
	// a set of licences that apply together.
	alts [][]string
}

// known are the licence ids manifests may use: those that occur in kernels and
// in the packages around them. LicenseRef-... names anything else.
var known = []string{
	"0BSD", "AGPL-3.0-only", "AGPL-3.0-or-later", "Apache-2.0", "BSD-2-Clause", "BSD-2-Clause-Patent", "BSD-3-Clause",
	"BSL-1.0", "CC0-1.0", "CDDL-1.0", "EPL-2.0", "EUPL-1.2", "GPL-1.0-only", "GPL-1.0-or-later", "GPL-2.0", "GPL-2.0-only",
	"GPL-2.0-or-later", "GPL-3.0-only", "GPL-3.0-or-later", "ISC", "LGPL-2.0-only", "LGPL-2.0-or-later", "LGPL-2.1",
	"LGPL-2.1-only", "LGPL-2.1-or-later", "LGPL-3.0-only", "LGPL-3.0-or-later", "MIT", "MIT-0", "MPL-1.1", "MPL-2.0",
	"OpenSSL", "Unlicense", "Zlib",
}

var exceptions = []string{"Linux-syscall-note", "GCC-exception-2.0", "Classpath-exception-2.0", "LLVM-exception"}

// ParseLicense reads an SPDX licence expression.
func ParseLicense(s string) (License, error) {
	p := spdx{words: spdxWords(s)}
	alts, err := p.or(0)
	if err == nil && len(p.words) > 0 {
		err = fmt.Errorf("%q is not expected there", p.words[0])
	}
	if err != nil {
		return License{}, fmt.Errorf("not an SPDX licence expression: %w", err)
	}
	return License{s, alts}, nil
}

func spdxWords(s string) []string {
	return strings.Fields(strings.NewReplacer("(", " ( ", ")", " ) ").Replace(s))
}

type spdx struct{ words []string }

func (p *spdx) next() string {
	if len(p.words) == 0 {
		return ""
	}
	return p.words[0]
}

// maxAlts bounds (A OR B) AND (C OR D) AND ...: it doubles with each bracket.
const maxAlts = 64

func (p *spdx) or(depth int) ([][]string, error) {
	alts, err := p.and(depth)
	for err == nil && strings.EqualFold(p.next(), "OR") {
		p.words = p.words[1:]
		var more [][]string
		more, err = p.and(depth)
		alts = append(alts, more...)
		if len(alts) > maxAlts {
			return nil, fmt.Errorf("more than %d alternatives", maxAlts)
		}
	}
	return alts, err
}

func (p *spdx) and(depth int) ([][]string, error) {
	alts, err := p.term(depth)
	for err == nil && strings.EqualFold(p.next(), "AND") {
		p.words = p.words[1:]
		var right, both [][]string
		if right, err = p.term(depth); err != nil {
			break
		}
		for _, a := range alts {
			for _, b := range right {
				both = append(both, append(slices.Clone(a), b...))
			}
		}
		if alts = both; len(alts) > maxAlts {
			return nil, fmt.Errorf("more than %d alternatives", maxAlts)
		}
	}
	return alts, err
}

func (p *spdx) term(depth int) ([][]string, error) {
	w := p.next()
	switch {
	case w == "":
		return nil, fmt.Errorf("a licence is missing at the end")
	case depth > 8:
		return nil, fmt.Errorf("brackets nest too deeply")
	case w == "(":
		p.words = p.words[1:]
		alts, err := p.or(depth + 1)
		if err == nil && p.next() != ")" {
			err = fmt.Errorf("a closing bracket is missing")
		}
		if err != nil {
			return nil, err
		}
		p.words = p.words[1:]
		return alts, nil
	}
	id := strings.TrimSuffix(w, "+")
	if !slices.Contains(known, id) && !(strings.HasPrefix(id, "LicenseRef-") && len(id) > len("LicenseRef-")) {
		return nil, fmt.Errorf("%q is no licence id known here%s; LicenseRef-NAME names any other", clip(w), didYouMean(id, known))
	}
	p.words = p.words[1:]
	if strings.EqualFold(p.next(), "WITH") {
		p.words = p.words[1:]
		if e := p.next(); !slices.Contains(exceptions, e) {
			return nil, fmt.Errorf("%q is no exception known here%s", clip(e), didYouMean(e, exceptions))
		}
		p.words = p.words[1:]
	}
	return [][]string{{id}}, nil
}

func (l *License) parse(text, tag string) (err error) {
	if tag != "!!str" {
		return fmt.Errorf("want an SPDX licence expression such as GPL-2.0-only")
	}
	*l, err = ParseLicense(text)
	return err
}

func (*License) jsonSchema() map[string]any { return map[string]any{"type": "string", "minLength": 1} }

func (l License) String() string { return l.text }

// offers reports whether one alternative consists of licences of a family alone.
func (l License) offers(prefix ...string) bool {
	return slices.ContainsFunc(l.alts, func(alt []string) bool {
		return !slices.ContainsFunc(alt, func(id string) bool {
			return !slices.ContainsFunc(prefix, func(p string) bool { return strings.HasPrefix(id, p) })
		})
	})
}

// gpl are the ids under which code may be combined with GPL version 2.
var gpl = []string{"GPL-2.0", "GPL-1.0-or-later", "LGPL-2"}

// objectLicenses are the strings the kernel takes for GPL-compatible
// (license_is_gpl_compatible) and what else each of them offers.
var objectLicenses = map[string][]string{
	"GPL": nil, "GPL v2": nil, "GPL and additional rights": nil,
	"Dual BSD/GPL": {"BSD-"}, "Dual MIT/GPL": {"MIT"}, "Dual MPL/GPL": {"MPL-"},
}

// GPLCompatible reports whether the kernel takes an object's licence string for GPL-compatible.
func GPLCompatible(object string) bool {
	_, ok := objectLicenses[object]
	return ok
}

// Agrees says why an SPDX expression and an object's licence string contradict
// each other; nil if they do not.
func (l License) Agrees(object string) error {
	other, isGPL := objectLicenses[object]
	switch {
	case object == "":
		return fmt.Errorf("the object has no licence section, the manifest says %s", l)
	case isGPL && !l.offers(gpl...):
		return fmt.Errorf("the object's licence is %q, but %s offers no GPL version 2", object, l)
	case isGPL && other != nil && !l.offers(other...):
		return fmt.Errorf("the object's licence is %q, but %s does not offer the other of the two", object, l)
	case !isGPL && l.offers(gpl...) && len(l.alts) == 1:
		return fmt.Errorf("the object's licence is %q, which the kernel does not take for GPL-compatible, but the manifest says %s", clip(object), l)
	}
	return nil
}
