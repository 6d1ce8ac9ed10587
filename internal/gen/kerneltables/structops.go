// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/modbpf/modbpf/internal/gen/csrc"
)

// A struct_ops table is a struct bpf_struct_ops object: its CFI stubs say which
// members a program may fill, the names of a stub's parameters carry the rules
// for arguments, and check_member says which members may sleep.

func (x *extractor) structOps() error {
	for _, f := range x.files {
		for n, in := range f.Inits {
			if !strings.HasSuffix(in.Type, "struct bpf_struct_ops") {
				continue
			}
			t, err := x.structOpsTable(f, in)
			if err != nil {
				return fmt.Errorf("struct_ops object %s in %s: %w", n, f.Path, err)
			}
			x.facts.StructOps = append(x.facts.StructOps, t)
		}
	}
	slices.SortFunc(x.facts.StructOps, func(a, b StructOps) int { return strings.Compare(a.Name, b.Name) })
	return nil
}

func (x *extractor) structOpsTable(f *csrc.File, in csrc.Init) (StructOps, error) {
	fl := csrc.Fields(in.Body)
	t := StructOps{Name: strings.Trim(csrc.Join(fl["name"]), `"`), File: f.Path}
	config, object := x.buildOf(f.Path)
	t.Config = config
	if f.Path == "net/bpf/bpf_dummy_struct_ops.c" {
		t.Config = "CONFIG_BPF_JIT"
	}
	if x.isModule(config) {
		t.Module = strings.ReplaceAll(object, "-", "_")
	}
	if u, ok := f.Funcs[csrc.Join(fl["update"])]; ok {
		t.Update = !strings.Contains(csrc.Join(u.Body), "EOPNOTSUPP")
	}
	stubs, ok := f.Inits[strings.TrimPrefix(csrc.Join(fl["cfi_stubs"]), "&")]
	if !ok {
		return t, fmt.Errorf("no stubs")
	}
	members, err := x.funcMembers(t.Name)
	if err != nil {
		return t, err
	}
	guards := map[string]string{}
	for _, p := range csrc.Split(stubs.Body, ",") {
		if len(p) > 3 && p[0].Text == "." {
			guards[p[1].Text] = p[1].Guard
		}
	}
	sf := csrc.Fields(stubs.Body)
	for _, m := range members {
		s := SlotFact{Member: m}
		if v := sf[m]; v != nil {
			s.Stub, s.Guard = csrc.Join(v), guards[m]
			for i, p := range csrc.Split(f.Funcs[s.Stub].Params, ",") {
				name := p[len(p)-1].Text
				for _, suffix := range []string{"__arena__nullable", "__arena", "__nullable", "__ref"} {
					if strings.HasSuffix(name, suffix) {
						s.Args = append(s.Args, ArgSuffix{Index: i, Suffix: suffix})
						break
					}
				}
			}
		}
		t.Slots = append(t.Slots, s)
	}
	if c, ok := f.Funcs[csrc.Join(fl["check_member"])]; ok {
		err := checkMember(&t, c)
		if t.Name == "sched_ext_ops_cid" { // asks by the offsets of sched_ext_ops, whose members have other names
			for i, m := range t.Sleep {
				m = strings.ReplaceAll(m, "cpu_o", "cid_o")
				if c := strings.Replace(m, "cgroup_", "cpuctl_", 1); slices.Contains(members, c) {
					m = c
				}
				t.Sleep[i] = m
			}
		}
		return t, err
	}
	t.SleepAll = true
	return t, nil
}

// checkMember reads which members may sleep. It knows the two shapes there are:
// listed members may sleep and others may not, and listed members must sleep.
func checkMember(t *StructOps, c csrc.Func) error {
	body, err := csrc.ParseBody(c.Body)
	if err != nil {
		return err
	}
	text := csrc.Join(c.Body)
	must := strings.Contains(text, "if(!prog->sleepable)")
	if !must && !strings.Contains(text, "if(prog->sleepable)") {
		t.SleepAll = true
		return nil
	}
	for _, s := range body {
		if s.Kind != csrc.Switch {
			continue
		}
		for _, l := range s.Body {
			if l.Kind != csrc.Case || l.Expr == nil {
				continue
			}
			a := csrc.Split(l.Expr[2:len(l.Expr)-1], ",") // offsetof(struct T, member)
			if len(a) != 2 {
				return fmt.Errorf("check_member: label %s is not understood", csrc.Join(l.Expr))
			}
			if m := csrc.Join(a[1]); must {
				t.MustSleep = append(t.MustSleep, m)
			} else {
				t.Sleep = append(t.Sleep, m)
			}
		}
		t.SleepAll = must
		return nil // a later switch is about other things
	}
	return fmt.Errorf("check_member is not understood")
}

// funcMembers lists the function pointers of a struct, in order.
func (x *extractor) funcMembers(name string) ([]string, error) {
	var found []string
	want := []byte("struct " + name + " {")
	for _, root := range []string{"include", "kernel/sched", "io_uring", "net", "fs"} {
		err := filepath.WalkDir(filepath.Join(x.tree, root), func(p string, d fs.DirEntry, err error) error {
			if err != nil || found != nil || d.IsDir() || !strings.HasSuffix(p, ".h") && !strings.HasSuffix(p, ".c") {
				return err
			}
			src, err := os.ReadFile(p)
			if err != nil || !bytes.Contains(src, want) {
				return err
			}
			rel, err := filepath.Rel(x.tree, p)
			if err != nil {
				return err
			}
			f, err := csrc.Read(x.tree, filepath.ToSlash(rel))
			if err != nil {
				return err
			}
			t := f.Tokens
			for i := 0; i+2 < len(t); i++ {
				if t[i].Text == "struct" && t[i+1].Text == name && t[i+2].Text == "{" {
					for _, d := range csrc.Split(t[i+3:csrc.Match(t, i+2)], ";") {
						for j := 0; j+3 < len(d); j++ {
							if d[j].Text == "(" && d[j+1].Text == "*" && d[j+3].Text == ")" && d[j+2].Kind == csrc.Ident {
								found = append(found, d[j+2].Text)
								break
							}
							if d[j].Text == "(" {
								break
							}
						}
					}
					return nil
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	if found == nil {
		return nil, fmt.Errorf("struct %s is not found", name)
	}
	return found, nil
}
