// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/modbpf/modbpf/internal/gen/csrc"
)

// entries finds the function each program type, struct_ops table and iterator
// asks for its helpers.
func (x *extractor) entries() error {
	ops := map[string]string{} // verifier_ops object → function
	for _, f := range x.files {
		for n, in := range f.Inits {
			if strings.HasSuffix(in.Type, "struct bpf_verifier_ops") {
				if v := csrc.Fields(in.Body)["get_func_proto"]; v != nil {
					ops[f.Path+":"+n] = csrc.Join(v)
					ops[n] = csrc.Join(v)
				}
			}
		}
	}
	types, err := x.file("include/linux/bpf_types.h")
	if err != nil {
		return err
	}
	t := types.Tokens
	for i := 0; i+1 < len(t); i++ {
		if t[i].Text != "BPF_PROG_TYPE" {
			continue
		}
		end := csrc.Match(t, i+1)
		args := csrc.Split(t[i+2:end], ",")
		if len(args) < 2 {
			return fmt.Errorf("line %d of bpf_types.h is not understood", t[i].Line)
		}
		if fn := ops[csrc.Join(args[1])+"_verifier_ops"]; fn != "" {
			x.facts.Entries = append(x.facts.Entries, Entry{Type: csrc.Join(args[0]), Func: fn, Config: t[i].Guard})
		}
		i = end
	}
	if len(x.facts.Entries) < 20 {
		return fmt.Errorf("only %d program types have helpers", len(x.facts.Entries))
	}
	for _, f := range x.files {
		for _, in := range f.Inits {
			if !strings.HasSuffix(in.Type, "struct bpf_struct_ops") {
				continue
			}
			fl := csrc.Fields(in.Body)
			vo := strings.TrimPrefix(csrc.Join(fl["verifier_ops"]), "&")
			fn := ops[f.Path+":"+vo]
			if fn == "" {
				fn = ops[vo]
			}
			name := strings.Trim(csrc.Join(fl["name"]), `"`)
			if fn == "" || name == "" || name == "bpf_dummy_ops" && !strings.HasPrefix(f.Path, "net/") {
				continue
			}
			x.facts.Entries = append(x.facts.Entries, Entry{Type: "BPF_PROG_TYPE_STRUCT_OPS", StructOps: name, Func: fn})
		}
	}
	x.facts.Entries = append(x.facts.Entries, x.iters()...)
	slices.SortFunc(x.facts.Entries, func(a, b Entry) int {
		return strings.Compare(a.Type+" "+a.StructOps+" "+a.Iter, b.Type+" "+b.StructOps+" "+b.Iter)
	})
	return nil
}

// iters lists the iterators that add helpers of their own.
func (x *extractor) iters() []Entry {
	var out []Entry
	for _, f := range x.files {
		for _, in := range f.Inits {
			fl := csrc.Fields(in.Body)
			if strings.HasSuffix(in.Type, "struct bpf_iter_reg") && fl["get_func_proto"] != nil {
				out = append(out, Entry{Type: "BPF_PROG_TYPE_TRACING", Iter: strings.Trim(csrc.Join(fl["target"]), `"`), Func: csrc.Join(fl["get_func_proto"])})
			}
		}
	}
	slices.SortFunc(out, func(a, b Entry) int { return strings.Compare(a.Iter, b.Iter) })
	return out
}
