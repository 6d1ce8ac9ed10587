// SPDX-License-Identifier: Apache-2.0

package kfuncs

import (
	"slices"
	"strings"

	"github.com/modbpf/modbpf/bpf"
)

// Use says for which program a helper or kfunc is asked: all the kernel looks
// at when it chooses a prototype.
type Use struct {
	Type      bpf.ProgType
	Attach    bpf.AttachType
	Sleepable bool
	// StructOps and Slot are the table and member of a struct_ops program.
	StructOps, Slot string
	// AttachName is the attach target: the LSM hook ("file_open"), the iterator
	// ("tcp"), the kernel function or tracepoint.
	AttachName string
	// Config answers for a CONFIG_ symbol; nil takes every option as built.
	Config func(symbol string) string
}

// relMask is a set of the releases the tables know, bit i for Releases[i].
type relMask uint8

func (m relMask) has(i int) bool { return m>>i&1 != 0 }

// Known is the release of the tables that answers for rel: the newest one that
// is not newer, or the oldest.
func Known(rel bpf.Release) bpf.Release { return Releases[relIndex(rel)] }

func relIndex(rel bpf.Release) int {
	i := len(Releases) - 1
	for i > 0 && rel.Less(Releases[i]) {
		i--
	}
	return i
}

// enabled evaluates a condition over CONFIG_ symbols; missing is the first
// symbol that would have to be different.
func enabled(expr string, config func(string) string) (ok bool, missing string) {
	if expr == "" || config == nil {
		return true, ""
	}
	e := configExpr{s: expr, config: config}
	ok = e.or()
	return ok, e.missing
}

// Enabled reports whether a kernel configuration satisfies a condition as rows
// carry it ("CONFIG_A && !CONFIG_B").
func Enabled(expr string, config func(string) string) bool {
	ok, _ := enabled(expr, config)
	return ok
}

type configExpr struct {
	s       string
	config  func(string) string
	missing string
}

func (e *configExpr) skip() { e.s = strings.TrimLeft(e.s, " ") }

func (e *configExpr) or() bool {
	v := e.and()
	for e.skip(); strings.HasPrefix(e.s, "||"); e.skip() {
		e.s = e.s[2:]
		r := e.and()
		v = v || r
	}
	return v
}

func (e *configExpr) and() bool {
	v := e.unary()
	for e.skip(); strings.HasPrefix(e.s, "&&"); e.skip() {
		e.s = e.s[2:]
		r := e.unary()
		v = v && r
	}
	return v
}

func (e *configExpr) unary() bool {
	e.skip()
	switch {
	case strings.HasPrefix(e.s, "!"):
		e.s = e.s[1:]
		return !e.unary()
	case strings.HasPrefix(e.s, "("):
		e.s = e.s[1:]
		v := e.or()
		e.skip()
		e.s = strings.TrimPrefix(e.s, ")")
		return v
	}
	i := 0
	for i < len(e.s) && (e.s[i] == '_' || e.s[i] >= '0' && e.s[i] <= '9' || e.s[i] >= 'A' && e.s[i] <= 'Z' || e.s[i] >= 'a' && e.s[i] <= 'z') {
		i++
	}
	if i == 0 { // not an expression of ours: never true
		e.s = ""
		return false
	}
	sym := e.s[:i]
	e.s = e.s[i:]
	v := e.config(sym)
	on := v == "y" || v == "m"
	if !on && e.missing == "" {
		e.missing = sym
	}
	return on
}

// InSet reports whether a kernel source set of names (BTF_SET_START ... in that
// release) holds a name, for instance "sleepable_lsm_hooks" and "bpf_lsm_file_open".
func InSet(rel bpf.Release, set, name string) bool {
	i := relIndex(rel)
	j, ok := slices.BinarySearchFunc(nameSets[:], set, func(s nameSet, want string) int { return strings.Compare(s.name, want) })
	for ; ok && j < len(nameSets) && nameSets[j].name == set; j++ {
		if nameSets[j].rels.has(i) {
			_, found := slices.BinarySearch(nameSets[j].names, name)
			return found
		}
	}
	return false
}

// Set lists a set of names of kernel source, sorted; nil when the release has none of that name.
func Set(rel bpf.Release, set string) []string {
	i := relIndex(rel)
	for j := range nameSets {
		if nameSets[j].name == set && nameSets[j].rels.has(i) {
			return nameSets[j].names
		}
	}
	return nil
}

// nameSet is one BTF_SET of kernel source.
type nameSet struct {
	rels  relMask
	name  string
	names []string // sorted
}
