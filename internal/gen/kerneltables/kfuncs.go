// SPDX-License-Identifier: Apache-2.0

package main

import (
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

// A kfunc is a row of an id set; the set is named by a struct btf_kfunc_id_set,
// which register_btf_kfunc_id_set hands to the kernel for a program type.

var kfuncFlags = map[string]string{
	"KF_ACQUIRE": "Acquire", "KF_RELEASE": "Release", "KF_RET_NULL": "RetNull", "KF_TRUSTED_ARGS": "TrustedArgs",
	"KF_SLEEPABLE": "Sleepable", "KF_DESTRUCTIVE": "Destructive", "KF_RCU": "RCU", "KF_ITER_NEW": "IterNew",
	"KF_ITER_NEXT": "IterNext", "KF_ITER_DESTROY": "IterDestroy", "KF_RCU_PROTECTED": "RCUProtected", "KF_FASTCALL": "Fastcall",
	"KF_ARENA_RET": "ArenaRet", "KF_ARENA_ARG1": "ArenaArg1", "KF_ARENA_ARG2": "ArenaArg2", "KF_IMPLICIT_ARGS": "ImplicitArgs",
	"KF_SPINLOCK_SAFE": "SpinlockSafe", "KF_PERFMON": "Perfmon",
}

// idSetOf finds a set by name, the one in the same file first.
func (x *extractor) idSetOf(f *csrc.File, name string) *idSet {
	l := x.sets[name]
	for i := range l {
		if l[i].file == f {
			return &l[i]
		}
	}
	if len(l) > 0 {
		return &l[0]
	}
	return nil
}

// kset is one struct btf_kfunc_id_set.
type kset struct {
	file   *csrc.File
	set    *idSet
	filter string
	hooks  []string
	mod    bool // registered for modify_return
}

func (x *extractor) kfuncs() error {
	ksets := map[string]*kset{}
	var order []string
	for _, f := range x.files {
		names := make([]string, 0, len(f.Inits))
		for n, in := range f.Inits {
			if strings.HasSuffix(in.Type, "struct btf_kfunc_id_set") {
				names = append(names, n)
			}
		}
		sort.Strings(names)
		for _, n := range names {
			fl := csrc.Fields(f.Inits[n].Body)
			set := strings.TrimPrefix(csrc.Join(fl["set"]), "&")
			s := x.idSetOf(f, set)
			if s == nil {
				return fmt.Errorf("kfunc set %s in %s: id set %s not found", n, f.Path, set)
			}
			key := f.Path + ":" + n
			ksets[key] = &kset{file: f, set: s, filter: csrc.Join(fl["filter"])}
			order = append(order, key)
		}
	}
	if err := x.registrations(ksets); err != nil {
		return err
	}
	byName := map[string]*Kfunc{}
	used := map[string]bool{}
	var fmodret []string
	for _, key := range order {
		k := ksets[key]
		used[k.set.name] = true
		if k.mod {
			for _, id := range k.set.ids {
				fmodret = append(fmodret, id.name)
			}
		}
		if len(k.hooks) == 0 {
			continue
		}
		slices.Sort(k.hooks)
		config, object := x.buildOf(k.file.Path)
		module := ""
		if x.isModule(config) {
			module = strings.ReplaceAll(object, "-", "_")
		}
		for _, id := range k.set.ids {
			kf := byName[id.name]
			if kf == nil {
				kf = &Kfunc{Name: id.name, Proto: x.kfuncProto(id.name)}
				byName[id.name] = kf
			}
			r := Registration{Set: k.set.name, Hooks: slices.Compact(slices.Clone(k.hooks)), Filter: k.filter, Module: module, Config: and(config, id.guard), File: k.file.Path}
			for _, fl := range id.flags {
				g, ok := kfuncFlags[fl]
				if !ok {
					return fmt.Errorf("kfunc %s: unknown flag %s", id.name, fl)
				}
				r.Flags = append(r.Flags, g)
			}
			kf.Regs = append(kf.Regs, r)
		}
	}
	for _, k := range byName {
		x.facts.Kfuncs = append(x.facts.Kfuncs, *k)
	}
	slices.SortFunc(x.facts.Kfuncs, func(a, b Kfunc) int { return strings.Compare(a.Name, b.Name) })
	if len(x.facts.Kfuncs) < 150 {
		return fmt.Errorf("only %d kfuncs", len(x.facts.Kfuncs))
	}
	x.otherSets(used, fmodret)
	return x.hooks()
}

// otherSets keeps what filters and modify_return look names up in.
func (x *extractor) otherSets(used map[string]bool, fmodret []string) {
	slices.Sort(fmodret)
	x.facts.Sets = append(x.facts.Sets, Set{Name: "fmodret", Names: slices.Compact(fmodret)})
	for n, l := range x.sets {
		if used[n] {
			continue
		}
		var names []string
		for _, s := range l {
			for _, id := range s.ids {
				if id.macro == "BTF_ID_FLAGS" {
					names = append(names, id.name)
				}
			}
		}
		if len(names) > 0 {
			slices.Sort(names)
			x.facts.Sets = append(x.facts.Sets, Set{Name: n, Names: slices.Compact(names)})
		}
	}
	slices.SortFunc(x.facts.Sets, func(a, b Set) int { return strings.Compare(a.Name, b.Name) })
}

// registrations finds the calls that register sets.
func (x *extractor) registrations(ksets map[string]*kset) error {
	for _, f := range x.files {
		t := f.Tokens
		for i := 0; i+1 < len(t); i++ {
			if t[i+1].Text != "(" || t[i].Text != "register_btf_kfunc_id_set" && t[i].Text != "register_btf_fmodret_id_set" {
				continue
			}
			args := csrc.Split(t[i+2:csrc.Match(t, i+1)], ",")
			name := strings.TrimPrefix(csrc.Join(args[len(args)-1]), "&")
			k := ksets[f.Path+":"+name]
			if k == nil { // the declaration, or a set of another file
				for key, other := range ksets {
					if strings.HasSuffix(key, ":"+name) {
						k = other
					}
				}
			}
			if k == nil {
				if strings.Contains(name, "kset") {
					continue // the function's own definition
				}
				return fmt.Errorf("line %d of %s registers an unknown set %s", t[i].Line, f.Path, name)
			}
			if t[i].Text == "register_btf_fmodret_id_set" {
				k.mod = true
				continue
			}
			hook := csrc.Join(args[0])
			if !strings.HasPrefix(hook, "BPF_PROG_TYPE_") {
				return fmt.Errorf("line %d of %s registers for %s", t[i].Line, f.Path, hook)
			}
			k.hooks = append(k.hooks, hook)
		}
	}
	return nil
}

// kfuncProto is the C prototype of a kfunc's definition.
func (x *extractor) kfuncProto(name string) string {
	for _, f := range x.files {
		fn, ok := f.Funcs[name]
		if !ok {
			continue
		}
		var res []csrc.Token
		for _, t := range fn.Result {
			if t.Text != "__bpf_kfunc" && t.Text != "noinline" && t.Text != "__weak" {
				res = append(res, t)
			}
		}
		r := csrc.Join(res)
		if i := strings.LastIndex(r, "()"); i >= 0 {
			r = strings.TrimSpace(r[i+2:]) // __bpf_kfunc_start_defs() before it
		}
		if !strings.HasSuffix(r, "*") {
			r += " "
		}
		return r + name + "(" + csrc.Join(fn.Params) + ")"
	}
	return ""
}

var hookCase = regexp.MustCompile(`^BTF_KFUNC_HOOK_(\w+)$`)

// hooks reads which program types share a hook for kfuncs.
func (x *extractor) hooks() error {
	f, err := x.file("kernel/bpf/btf.c")
	if err != nil {
		return err
	}
	fn, ok := f.Funcs["bpf_prog_type_to_kfunc_hook"]
	if !ok {
		return fmt.Errorf("bpf_prog_type_to_kfunc_hook is not found")
	}
	body, err := csrc.ParseBody(fn.Body)
	if err != nil {
		return err
	}
	var labels []string
	for _, s := range body[0].Body {
		switch s.Kind {
		case csrc.Case:
			if s.Expr != nil {
				labels = append(labels, csrc.Join(s.Expr))
			}
		case csrc.Return:
			m := hookCase.FindStringSubmatch(csrc.Join(s.Expr))
			if m == nil {
				return fmt.Errorf("kfunc hook %s is not understood", csrc.Join(s.Expr))
			}
			for _, l := range labels {
				x.facts.Hooks = append(x.facts.Hooks, HookRow{Type: l, Hook: strings.ToLower(m[1])})
			}
			labels = nil
		}
	}
	if len(x.facts.Hooks) < 20 {
		return fmt.Errorf("only %d program types call kfuncs", len(x.facts.Hooks))
	}
	return nil
}

var kconfigEntry = regexp.MustCompile(`(?m)^(?:menu)?config (\w+)\n((?:[ \t].*\n|\n)*)`)

// isModule reports whether the last option of a condition can be "m".
func (x *extractor) isModule(config string) bool {
	if x.tristate == nil {
		x.tristate = map[string]bool{}
		for _, root := range roots {
			// A folder without Kconfig adds nothing; one that cannot be read fails elsewhere.
			_ = filepath.WalkDir(filepath.Join(x.tree, root), func(p string, d fs.DirEntry, err error) error {
				if err != nil || d.IsDir() || !strings.HasPrefix(d.Name(), "Kconfig") {
					return nil
				}
				src, err := os.ReadFile(p)
				if err != nil {
					return nil
				}
				for _, m := range kconfigEntry.FindAllStringSubmatch(string(src), -1) {
					if strings.Contains(m[2], "tristate") {
						x.tristate["CONFIG_"+m[1]] = true
					}
				}
				return nil
			})
		}
	}
	parts := strings.Split(config, " && ")
	return x.tristate[parts[len(parts)-1]]
}
