// SPDX-License-Identifier: Apache-2.0

package profile

import (
	"strings"
	"sync"

	"github.com/modbpf/modbpf/btf"
	"github.com/modbpf/modbpf/verifier"
)

// helperNames reads enum bpf_func_id of the kernel's own BTF: which helper ids
// it knows, and what it calls them.
func helperNames(s *btf.Spec) map[int32]string {
	id, ok := s.Find("bpf_func_id", btf.KindEnum)
	if !ok {
		return nil
	}
	t := s.Type(id)
	out := make(map[int32]string, t.Vlen)
	for i := range t.Vlen {
		e := s.Enumerator(id, i)
		if name, ok := strings.CutPrefix(e.Name, "BPF_FUNC_"); ok {
			out[int32(e.Value)] = name
		}
	}
	return out
}

type helperCache struct {
	once  sync.Once
	names map[int32]string
}

// hasHelper reports whether this kernel knows a helper id.
func (p *Profile) hasHelper(id int32) (string, bool) {
	p.helpers.once.Do(func() { p.helpers.names = helperNames(p.btf) })
	n, ok := p.helpers.names[id]
	return n, ok && id > 0 && n != "unspec"
}

// Has reports whether the kernel knows a named feature, by its release.
func (p *Profile) Has(f verifier.Feature) bool { return verifier.HasFeature(p.release, f) }
