// SPDX-License-Identifier: Apache-2.0

package points

import (
	"strings"
	"testing"

	"github.com/modbpf/modbpf/btf"
	"github.com/modbpf/modbpf/framework/profile"
	"github.com/modbpf/modbpf/kfuncs"
	"github.com/modbpf/modbpf/structops"
)

// kernels are the real kernels whose types the tables are compared with.
func kernels(t *testing.T) []*profile.Profile {
	t.Helper()
	var out []*profile.Profile
	for _, n := range profile.Embedded() {
		p, err := profile.Find(n)
		if err != nil {
			t.Fatalf("profile %s: %v", n, err)
		}
		out = append(out, p)
	}
	if len(out) == 0 {
		t.Skip("built without profiles")
	}
	return out
}

// TestKfuncsOfKernels compares each kernel's own marks with the tables.
func TestKfuncsOfKernels(t *testing.T) {
	for _, p := range kernels(t) {
		specs := map[string]*btf.Spec{"": p.BTF()}
		missing := map[string]bool{}
		for _, k := range kfuncs.All(p.Release()) {
			for _, r := range k.Registrations {
				if r.Module != "" && specs[r.Module] == nil {
					if m := p.Module(r.Module); m != nil {
						specs[r.Module] = m
					} else {
						missing[r.Module] = true
					}
				}
			}
		}
		tagged, known := 0, 0
		for module, s := range specs {
			for id := range s.All() {
				if s.Kind(id) != btf.KindDeclTag {
					continue
				}
				d := s.DeclTag(id)
				if d.Tag != "bpf_kfunc" {
					continue
				}
				tagged++
				name := s.Name(d.Target)
				// A kfunc with implicit arguments has a twin for the kernel's own use.
				if kfuncs.Find(p.Release(), name) == nil && kfuncs.Find(p.Release(), strings.TrimSuffix(name, "_impl")) == nil && !kfuncs.InSet(p.Release(), "fmodret", name) {
					t.Errorf("%s: %s of %q is marked as a kfunc and not in the tables", p.Name(), name, module)
				}
			}
		}
		for _, k := range kfuncs.All(p.Release()) {
			found, expected := false, false
			for _, r := range k.Registrations {
				s := specs[r.Module]
				if !kfuncs.Enabled(r.Config, p.Config) || r.Module != "" && s == nil {
					continue
				}
				expected = true
				for _, s := range []*btf.Spec{s, specs[""]} {
					if s != nil {
						_, ok := s.Find(k.Name, btf.KindFunc)
						found = found || ok
					}
				}
			}
			if expected && !found {
				t.Errorf("%s: kfunc %s of the tables (%s) is not in the kernel's types", p.Name(), k.Name, k.Registrations[0].Config)
			}
			if found {
				known++
			}
		}
		t.Logf("%s: %d marked, %d of the tables' %d kfuncs found, modules without types: %v", p.Name(), tagged, known, len(kfuncs.All(p.Release())), missing)
	}
}

// TestHooksOfKernels compares the size and members of each context with the kernels' types.
func TestHooksOfKernels(t *testing.T) {
	for _, p := range kernels(t) {
		n := 0
		for _, h := range structops.Hooks(p.Release()) {
			id, ok := p.BTF().Find(h.Ctx, btf.KindStruct)
			if h.Ctx == "" || !ok || h.Ctx == "bpf_raw_tracepoint_args" {
				continue
			}
			n++
			if size, _ := p.BTF().Sizeof(id); int(size) != h.CtxSize {
				t.Errorf("%s: struct %s has %d bytes, the table says %d", p.Name(), h.Ctx, size, h.CtxSize)
			}
			for _, f := range h.CtxFields {
				name, _, _ := strings.Cut(f.Field, "[")
				if name == "" || h.Ctx == "pt_regs" {
					continue
				}
				m, ok := p.BTF().FindMember(id, name)
				if !ok {
					t.Errorf("%s: struct %s has no member %s", p.Name(), h.Ctx, name)
					continue
				}
				size, _ := p.BTF().Sizeof(m.Type)
				if off := int(m.BitOff / 8); f.Off < off || f.Off >= off+max(int(size), 4) {
					t.Errorf("%s: %s.%s is at %d, the table says %d", p.Name(), h.Ctx, name, off, f.Off)
				}
			}
		}
		t.Logf("%s: %d contexts compared", p.Name(), n)
	}
}

// TestTablesOfKernels compares struct_ops tables with the kernels' types.
func TestTablesOfKernels(t *testing.T) {
	for _, p := range kernels(t) {
		var have []string
		for _, name := range structops.TableNames(p.BTF()) {
			l, err := structops.Read(p.BTF(), name)
			if err != nil {
				t.Fatal(err)
			}
			tab := structops.TableFor(p.Release(), name)
			if tab == nil {
				t.Errorf("%s: table %s is not known", p.Name(), name)
				continue
			}
			have = append(have, name)
			for _, m := range l.Members {
				s := tab.Slot(m.Name)
				if m.IsSlot() != (s != nil) {
					t.Errorf("%s: %s.%s: slot in the kernel %v, in the table %v", p.Name(), name, m.Name, m.IsSlot(), s != nil)
					continue
				}
				if s == nil {
					continue
				}
				var want []structops.ArgRule
				for _, a := range s.Args {
					if a.BTF == "" {
						want = append(want, a)
					} else if _, ok := p.BTF().Find(a.BTF, btf.KindStruct); !ok {
						t.Errorf("%s: %s.%s: no struct %s", p.Name(), name, m.Name, a.BTF)
					}
				}
				if len(want) != len(m.Args) {
					t.Errorf("%s: %s.%s: types say of arguments %+v, the table %+v", p.Name(), name, m.Name, m.Args, want)
				}
				if s.RetPtr != "" {
					if r := signature(p.BTF(), m.Proto, ""); !strings.HasPrefix(r, "struct "+s.RetPtr+" *") {
						t.Errorf("%s: %s.%s returns %s, not %s", p.Name(), name, m.Name, r, s.RetPtr)
					}
				}
			}
			for _, s := range tab.Slots {
				if s.Member == "cgroup_set_idle" && strings.HasPrefix(p.Uname(), "6.18.15") {
					continue // came to 6.18 with a later update; the table was read from 6.18.35
				}
				if l.Member(s.Member) == nil && kfuncs.Enabled(s.Config, p.Config) {
					t.Errorf("%s: %s has no slot %s", p.Name(), name, s.Member)
				}
			}
			for _, f := range tab.Init {
				if l.Member(f.Member) == nil {
					t.Errorf("%s: %s has no member %s", p.Name(), name, f.Member)
				}
			}
			for _, f := range tab.Writable {
				if !hasPath(p.BTF(), f.Struct, f.Member, f.Offset+f.Size) {
					t.Errorf("%s: %s: no field %s.%s of that size", p.Name(), name, f.Struct, f.Member)
				}
			}
			for _, pr := range tab.Promote {
				for _, n := range pr {
					if _, ok := p.BTF().Find(n, btf.KindStruct); !ok {
						t.Errorf("%s: %s: no struct %s", p.Name(), name, n)
					}
				}
			}
		}
		for _, tab := range structops.Tables(p.Release()) {
			if tab.Module == "" && kfuncs.Enabled(tab.Config, p.Config) {
				if _, err := structops.Read(p.BTF(), tab.Name); err != nil {
					t.Errorf("%s: %v", p.Name(), err)
				}
			}
		}
		t.Logf("%s: %v", p.Name(), have)
	}
}

func hasPath(s *btf.Spec, structName, path string, end int) bool {
	id, ok := s.Find(structName, btf.KindStruct)
	if !ok {
		return false
	}
	for part := range strings.SplitSeq(path, ".") {
		m, ok := s.FindMember(id, part)
		if !ok {
			return false
		}
		id = s.SkipMods(m.Type)
	}
	n, ok := s.Sizeof(id)
	return ok && end <= int(n)
}

// TestHelpersOfKernels compares helper ids with the kernels' enumeration, and
// the structs that prototypes name with their types.
func TestHelpersOfKernels(t *testing.T) {
	for _, p := range kernels(t) {
		id, ok := p.BTF().Find("bpf_func_id", btf.KindEnum, btf.KindEnum64)
		if !ok {
			t.Fatalf("%s: no enum bpf_func_id", p.Name())
		}
		n := 0
		for i := range p.BTF().Type(id).Vlen {
			e := p.BTF().Enumerator(id, i)
			name, ok := strings.CutPrefix(e.Name, "BPF_FUNC_")
			if !ok {
				continue
			}
			h := kfuncs.ByID(int32(e.Value))
			if h == nil || h.Name != name {
				t.Errorf("%s: helper %d is %s in the kernel, %+v in the table", p.Name(), e.Value, name, h)
			}
			n++
		}
		if n != len(kfuncs.Helpers(p.Release())) {
			t.Errorf("%s: %d helpers in the kernel, %d in the table", p.Name(), n, len(kfuncs.Helpers(p.Release())))
		}
		for _, pr := range kfuncs.Protos(p.Release()) {
			if !kfuncs.Enabled(pr.Config, p.Config) {
				continue
			}
			names := []string{pr.Ret.BTF}
			for _, a := range pr.Args {
				names = append(names, a.BTF)
			}
			for _, s := range names {
				if s == "" {
					continue
				}
				if _, ok := p.BTF().Find(s, btf.KindStruct); !ok && s != "mptcp_sock" {
					t.Errorf("%s: %s: no struct %s", p.Name(), pr.Name, s)
				}
			}
		}
	}
}

// TestDiffOfKernels looks for changes that are known to be there.
func TestDiffOfKernels(t *testing.T) {
	ks := kernels(t)
	for i := 1; i < len(ks); i++ {
		d := Diff(ks[i-1], ks[i])
		count := map[string]int{}
		for _, c := range d {
			count[c.What+" "+c.Change]++
		}
		t.Logf("%s to %s: %v", ks[i-1].Name(), ks[i].Name(), count)
	}
	has := func(d []Change, what, name, change string) {
		t.Helper()
		for _, c := range d {
			if c.What == what && c.Name == name && c.Change == change {
				return
			}
		}
		t.Errorf("no change %s %s %s", what, name, change)
	}
	for i := 1; i < len(ks); i++ {
		from, to := ks[i-1].Release().Series(), ks[i].Release().Series()
		d := Diff(ks[i-1], ks[i])
		switch from + " " + to {
		case "6.12 6.18":
			has(d, "table", "Qdisc_ops", "added")
		case "6.18 7.2":
			has(d, "slot", "tcp_congestion_ops.cwnd_event_tx_start", "added")
			has(d, "hook", "tracing", "changed")
		}
	}
}
