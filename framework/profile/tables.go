// SPDX-License-Identifier: Apache-2.0

package profile

import (
	"slices"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/btf"
	"github.com/modbpf/modbpf/kfuncs"
	"github.com/modbpf/modbpf/structops"
	"github.com/modbpf/modbpf/verifier"
)

// What the tables of kfuncs and structops say of this kernel's release, narrowed
// by its configuration and by the ids its own BTF has.

var _ verifier.Kernel = (*Profile)(nil)

// HelperProto is the prototype a program of this kind gets for a helper id.
func (p *Profile) HelperProto(id int32, prog *verifier.Program) (*kfuncs.Proto, string) {
	if _, ok := p.hasHelper(id); !ok {
		return nil, ""
	}
	u := verifier.UseOf(prog)
	u.Config = p.configOrNil()
	return kfuncs.HelperProto(p.release, id, u)
}

// HelperName names a helper id whether or not this kernel has it.
func (p *Profile) HelperName(id int32) string {
	if n, ok := p.hasHelper(id); ok {
		return n
	}
	if h := kfuncs.ByID(id); h != nil {
		return h.Name
	}
	return ""
}

// Hook finds the program hook of a program type.
func (p *Profile) Hook(t bpf.ProgType) *structops.Hook {
	h := structops.HookFor(p.release, t)
	if h == nil || !kfuncs.Enabled(h.Config, p.configOrNil()) {
		return nil
	}
	return h
}

// configOrNil is nil when the kernel's configuration is not known: then every
// option counts as built.
func (p *Profile) configOrNil() func(string) string {
	if !p.HasConfig() {
		return nil
	}
	return p.Config
}

// Kfunc finds a kfunc by name; nil if no program may call it on this kernel. A
// release that the tables do not know is answered for by the nearest older one;
// what that has not, but this kernel's own types have, by the next newer one.
func (p *Profile) Kfunc(name string) *kfuncs.Kfunc {
	if k := kfuncs.Find(p.release, name); k != nil {
		return k
	}
	for _, r := range kfuncs.Releases {
		if !p.release.Less(r) {
			continue
		}
		if k := kfuncs.Find(r, name); k != nil {
			if kfuncs.Known(p.release).Series() == p.release.Series() || !p.offers(name) {
				return nil
			}
			return k
		}
	}
	return nil
}

// offers reports whether the kernel's own types say that a function is a kfunc;
// types without any such tag are asked for the function alone.
func (p *Profile) offers(name string) bool {
	id, ok := p.btf.Find(name, btf.KindFunc)
	if !ok {
		return false
	}
	isKfunc := func(id btf.ID) bool {
		return slices.ContainsFunc(p.btf.DeclTags(id), func(t btf.DeclTag) bool { return t.Tag == "bpf_kfunc" })
	}
	if isKfunc(id) {
		return true
	}
	known, ok := p.btf.Find("bpf_obj_new_impl", btf.KindFunc) // a kfunc of every kernel that has any
	return !ok || !isKfunc(known)
}

// StructOps finds a struct_ops table's contracts; nil if this kernel's release
// has none of the name or was built without it.
func (p *Profile) StructOps(name string) *structops.Table {
	t := structops.TableFor(p.release, name)
	if t == nil || !kfuncs.Enabled(t.Config, p.configOrNil()) {
		return nil
	}
	return t
}
