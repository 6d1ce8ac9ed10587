// SPDX-License-Identifier: Apache-2.0

package bpf

import (
	"fmt"
	"strconv"
	"strings"
)

// Release is a kernel's version as far as rules depend on it: 6.12, 7.2. The
// patch level is kept for people and never asked for by a rule.
type Release struct {
	Major, Minor, Patch int
}

// ParseRelease reads "6.12", "6.12.95" or "6.12.95+deb12-amd64".
func ParseRelease(s string) (Release, error) {
	var r Release
	fields := strings.FieldsFunc(s, func(c rune) bool { return c < '0' || c > '9' })
	if len(fields) < 2 || !strings.HasPrefix(s, fields[0]+".") {
		return r, fmt.Errorf("parse kernel release %q: want MAJOR.MINOR", s)
	}
	for i, p := range []*int{&r.Major, &r.Minor, &r.Patch} {
		if i >= len(fields) || (i == 2 && !strings.HasPrefix(s, fields[0]+"."+fields[1]+".")) {
			break
		}
		v, err := strconv.Atoi(fields[i])
		if err != nil {
			return Release{}, fmt.Errorf("parse kernel release %q: %w", s, err)
		}
		*p = v
	}
	return r, nil
}

// Less reports whether r is an older series than o; patch levels do not count.
func (r Release) Less(o Release) bool {
	return r.Major < o.Major || r.Major == o.Major && r.Minor < o.Minor
}

// AtLeast reports whether r is o's series or newer.
func (r Release) AtLeast(o Release) bool { return !r.Less(o) }

// Series is "6.12".
func (r Release) Series() string { return fmt.Sprintf("%d.%d", r.Major, r.Minor) }

func (r Release) String() string {
	if r.Patch == 0 {
		return r.Series()
	}
	return fmt.Sprintf("%d.%d.%d", r.Major, r.Minor, r.Patch)
}

// IsZero reports whether no release is known.
func (r Release) IsZero() bool { return r == Release{} }

// MarshalText makes a release a string in JSON and YAML.
func (r Release) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (r *Release) UnmarshalText(b []byte) error {
	v, err := ParseRelease(string(b))
	*r = v
	return err
}
