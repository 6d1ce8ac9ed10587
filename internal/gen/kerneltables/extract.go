// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strings"

	"github.com/modbpf/modbpf/internal/gen/csrc"
)

// extractor reads one source tree.
type extractor struct {
	tree     string
	facts    *Facts
	files    []*csrc.File // every file with something of ours in it, by path
	byPath   map[string]*csrc.File
	helperID map[string]int
	idLists  map[string][]string // "file:list" and "list" → names
	idEnum   map[string]string   // BTF_SOCK_TYPE_TCP → tcp_sock
	makes    map[string][]makeLine
	sets     map[string][]idSet // name → its definitions, one a file
	tristate map[string]bool    // options that can be "m"
}

// roots are the folders programs, kfuncs and tables can come from.
var roots = []string{"kernel", "net", "drivers", "fs", "mm", "lib", "security", "io_uring", "crypto", "block", "arch/x86", "virt"}

// wanted are the words that make a file worth reading.
var wanted = [][]byte{
	[]byte("struct bpf_func_proto"), []byte("BTF_ID_FLAGS"), []byte("BTF_SET"), []byte("bpf_verifier_ops"),
	[]byte("struct bpf_struct_ops "), []byte("BTF_ID_LIST"), []byte("bpf_iter_reg "), []byte("__bpf_kfunc"),
}

func isWanted(src []byte) bool {
	for _, w := range wanted {
		if bytes.Contains(src, w) {
			return true
		}
	}
	return false
}

func extract(tree, release, origin string) (*Facts, error) {
	x := &extractor{
		tree: tree, facts: &Facts{Release: release, Origin: origin}, byPath: map[string]*csrc.File{},
		helperID: map[string]int{}, idLists: map[string][]string{}, idEnum: map[string]string{}, makes: map[string][]makeLine{}, sets: map[string][]idSet{},
	}
	if err := x.load(); err != nil {
		return nil, err
	}
	for _, step := range []func() error{x.helpers, x.lists, x.protos, x.protoFuncs, x.entries, x.nameSets, x.kfuncs, x.structOps} {
		if err := step(); err != nil {
			return nil, fmt.Errorf("extract facts of %s: %w", release, err)
		}
	}
	return x.facts, nil
}

func (x *extractor) load() error {
	for _, root := range roots {
		err := filepath.WalkDir(filepath.Join(x.tree, root), func(p string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(p, ".c") && !strings.HasSuffix(p, ".h") {
				if os.IsNotExist(err) {
					return nil // a partial tree lacks folders that hold nothing of ours
				}
				return err
			}
			src, err := os.ReadFile(p)
			if err != nil || !isWanted(src) {
				return err
			}
			rel, err := filepath.Rel(x.tree, p)
			if err != nil {
				return err
			}
			_, err = x.file(filepath.ToSlash(rel))
			return err
		})
		if err != nil {
			return fmt.Errorf("walk kernel source: %w", err)
		}
	}
	slices.SortFunc(x.files, func(a, b *csrc.File) int { return strings.Compare(a.Path, b.Path) })
	return nil
}

func (x *extractor) file(path string) (*csrc.File, error) {
	if f := x.byPath[path]; f != nil {
		return f, nil
	}
	f, err := csrc.Read(x.tree, path)
	if err != nil {
		return nil, err
	}
	x.byPath[path] = f
	if strings.HasSuffix(path, ".c") || path == "kernel/sched/ext/cid.h" || strings.HasPrefix(path, "kernel/") {
		x.files = append(x.files, f)
	}
	return f, nil
}

var enumRow = regexp.MustCompile(`BTF_(?:SOCK|TRACING)_TYPE\((\w+),\s*(\w+)\)`)

// lists reads BTF_ID_LIST and its relatives: arrays of type names.
func (x *extractor) lists() error {
	h, err := x.file("include/linux/btf_ids.h")
	if err != nil {
		return err
	}
	for _, d := range []string{"BTF_SOCK_TYPE_xxx", "BTF_TRACING_TYPE_xxx"} {
		for _, m := range enumRow.FindAllStringSubmatch(h.Defines[d].Body, -1) {
			x.idEnum[m[1]] = m[2]
		}
	}
	for _, f := range x.files {
		t := f.Tokens
		for i := 0; i+1 < len(t); i++ {
			if t[i+1].Text != "(" || !strings.HasPrefix(t[i].Text, "BTF_ID_LIST") {
				continue
			}
			end := csrc.Match(t, i+1)
			args := csrc.Split(t[i+2:end], ",")
			if len(args) == 0 {
				continue
			}
			name := csrc.Join(args[0])
			var names []string
			if strings.HasSuffix(t[i].Text, "_SINGLE") && len(args) == 3 {
				names = []string{csrc.Join(args[2])}
			}
			for j := end + 1; j+1 < len(t) && (t[j].Text == "BTF_ID" || t[j].Text == "BTF_ID_UNUSED" || t[j].Text == "BTF_ID_NAMED"); {
				if t[j].Text == "BTF_ID_UNUSED" {
					names = append(names, "")
					j++
					continue
				}
				e := csrc.Match(t, j+1)
				if a := csrc.Split(t[j+2:e], ","); len(a) >= 2 {
					names = append(names, csrc.Join(a[1]))
				}
				j = e + 1
			}
			x.idLists[f.Path+":"+name] = names
			if _, ok := x.idLists[name]; !ok {
				x.idLists[name] = names
			}
		}
	}
	return nil
}

type makeLine struct {
	lhs string // "obj-$(CONFIG_X)", "foo-y"
	rhs []string
}

// makefile reads the assignments of a Makefile that build objects.
func (x *extractor) makefile(dir string) []makeLine {
	if l, ok := x.makes[dir]; ok {
		return l
	}
	var out []makeLine
	for _, name := range []string{"Makefile", "Kbuild"} {
		src, err := os.ReadFile(filepath.Join(x.tree, dir, name))
		if err != nil {
			continue
		}
		for _, l := range strings.Split(strings.ReplaceAll(string(src), "\\\n", " "), "\n") {
			for _, op := range []string{"+=", ":=", "="} {
				lhs, rhs, ok := strings.Cut(l, op)
				if !ok {
					continue
				}
				if lhs = strings.TrimSpace(lhs); strings.Contains(lhs, "-") && !strings.ContainsAny(lhs, " \t") {
					rhs, _, _ = strings.Cut(rhs, "#")
					out = append(out, makeLine{lhs, strings.Fields(rhs)})
				}
				break
			}
		}
	}
	x.makes[dir] = out
	return out
}

var configVar = regexp.MustCompile(`\$\(subst m,y,\$\((CONFIG_\w+)\)\)|\$[({](CONFIG_\w+)[)}]`)

// configOf finds the CONFIG_ condition a file is built under, from its Makefile.
func (x *extractor) configOf(path string) string {
	c, _ := x.buildOf(path)
	return c
}

// buildOf finds the condition and the object a file goes into, which is the
// module's name where the condition is "m".
func (x *extractor) buildOf(path string) (config, object string) {
	dir := filepath.Dir(path)
	obj := strings.TrimSuffix(filepath.Base(path), ".c") + ".o"
	var conds []string
	for range 4 {
		found, done := false, false
		var here []string // alternatives: a file can be listed in several branches
		next := obj
		for _, l := range x.makefile(dir) {
			if !slices.Contains(l.rhs, obj) {
				continue
			}
			i := strings.LastIndex(l.lhs, "-")
			if j := strings.Index(l.lhs, "-$"); j >= 0 {
				i = j
			}
			head, tail := l.lhs[:i], l.lhs[i+1:]
			if m := configVar.FindStringSubmatch(tail); m != nil && !slices.Contains(here, m[1]+m[2]) {
				here = append(here, m[1]+m[2])
			}
			found = true
			done = head == "obj"
			if !done {
				next = head + ".o"
			}
		}
		switch len(here) {
		case 0:
		case 1:
			conds = append(conds, here[0])
		default:
			conds = append(conds, "("+strings.Join(here, " || ")+")")
		}
		if done {
			return strings.Join(conds, " && "), strings.TrimSuffix(obj, ".o")
		}
		obj = next
		if !found {
			break
		}
	}
	if dir == "kernel/sched" || dir == "kernel/sched/ext" { // included by one file that is always built
		return "CONFIG_SCHED_CLASS_EXT", ""
	}
	// built in always here: the folder's own condition
	if up := filepath.Dir(dir); up != "." && len(conds) == 0 {
		for _, l := range x.makefile(up) {
			if slices.Contains(l.rhs, filepath.Base(dir)+"/") {
				if m := configVar.FindStringSubmatch(l.lhs); m != nil {
					conds = append(conds, m[1]+m[2])
				}
			}
		}
	}
	return strings.Join(conds, " && "), ""
}

func and(conds ...string) string {
	var out []string
	for _, c := range conds {
		for _, p := range strings.Split(c, " && ") {
			if p != "" && !slices.Contains(out, p) {
				out = append(out, p)
			}
		}
	}
	return strings.Join(out, " && ")
}

type idSet struct {
	name string
	file *csrc.File
	ids  []idFlag
}

type idFlag struct {
	name  string
	flags []string
	guard string
	macro string
}

// scanSets reads every BTF_SET and BTF_KFUNCS set of every file.
func (x *extractor) scanSets() {
	for _, f := range x.files {
		t := f.Tokens
		var cur *idSet
		for i := 0; i+1 < len(t); i++ {
			if t[i].Text == "XDP_METADATA_KFUNC_xxx" && cur != nil {
				cur.ids = append(cur.ids, x.xdpMetadata(f)...)
				continue
			}
			if t[i].Kind != csrc.Ident || t[i+1].Text != "(" {
				continue
			}
			w := t[i].Text
			if !strings.HasPrefix(w, "BTF_") {
				continue
			}
			end := csrc.Match(t, i+1)
			args := csrc.Split(t[i+2:end], ",")
			switch w {
			case "BTF_SET_START", "BTF_SET8_START", "BTF_KFUNCS_START", "BTF_SET_START_GLOBAL":
				cur = &idSet{name: csrc.Join(args[0]), file: f}
			case "BTF_SET_END", "BTF_SET8_END", "BTF_KFUNCS_END":
				if cur != nil {
					x.sets[cur.name] = append(x.sets[cur.name], *cur)
					cur = nil
				}
			case "BTF_ID", "BTF_ID_FLAGS":
				if cur != nil && len(args) >= 2 {
					id := idFlag{name: csrc.Join(args[1]), guard: t[i].Guard, macro: w}
					if len(args) > 2 {
						for _, fl := range strings.Split(csrc.Join(args[2]), "|") {
							if fl = strings.TrimSpace(fl); fl != "0" && fl != "" {
								id.flags = append(id.flags, fl)
							}
						}
					}
					cur.ids = append(cur.ids, id)
				}
			}
			i = end
		}
	}
}

var (
	xdpRow   = regexp.MustCompile(`XDP_METADATA_KFUNC\(\w+,\s*\w+,\s*(\w+),`)
	xdpFlags = regexp.MustCompile(`BTF_ID_FLAGS\(func, \w+(?:,\s*(\w+))?\)`)
)

// xdpMetadata reads the one set that is written as a list macro.
func (x *extractor) xdpMetadata(f *csrc.File) []idFlag {
	h, err := x.file("include/net/xdp.h")
	if err != nil {
		return nil
	}
	var out []idFlag
	for _, m := range xdpRow.FindAllStringSubmatch(h.Defines["XDP_METADATA_KFUNC_xxx"].Body, -1) {
		id := idFlag{name: m[1], macro: "BTF_ID_FLAGS"}
		if fl := xdpFlags.FindStringSubmatch(f.Source); fl != nil && fl[1] != "" {
			id.flags = []string{fl[1]}
		}
		out = append(out, id)
	}
	return out
}

// nameSets keeps the plain sets: allow and deny lists of names.
func (x *extractor) nameSets() error {
	x.scanSets()
	names := make([]string, 0, len(x.sets))
	for n := range x.sets {
		names = append(names, n)
	}
	sort.Strings(names)
	for _, n := range names {
		var all []string
		for _, s := range x.sets[n] {
			for _, id := range s.ids {
				if id.macro == "BTF_ID" {
					all = append(all, id.name)
				}
			}
		}
		if len(all) == 0 {
			continue
		}
		slices.Sort(all)
		x.facts.Sets = append(x.facts.Sets, Set{Name: n, Names: slices.Compact(all)})
	}
	return nil
}
