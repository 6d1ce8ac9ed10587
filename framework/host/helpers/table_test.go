// SPDX-License-Identifier: Apache-2.0

package helpers

import (
	"testing"

	"github.com/modbpf/modbpf/kfuncs"
)

// TestEveryRowHasAContract: a helper without a contract would be one the
// verifier does not know.
func TestEveryRowHasAContract(t *testing.T) {
	protos := map[string]bool{}
	for _, rel := range kfuncs.Releases {
		for _, p := range kfuncs.Protos(rel) {
			protos[p.Name] = true
		}
	}
	seen := map[int32]bool{}
	for _, h := range HelperRows() {
		k := kfuncs.ByID(h.ID)
		if k == nil || k.Name != h.Name {
			t.Errorf("helper %d is %+v in the kernel, %s here", h.ID, k, h.Name)
		}
		if seen[h.ID] {
			t.Errorf("helper %s has two rows", h.Name)
		}
		seen[h.ID] = true
		if len(h.Contract) == 0 || h.Fn == nil {
			t.Errorf("helper %s: no contract or no implementation", h.Name)
		}
		for _, c := range h.Contract {
			if !protos[c] {
				t.Errorf("helper %s: contract %s is in no kernel's tables", h.Name, c)
			}
		}
	}
}

// TestEveryKfuncIsKnown: so with kfuncs, whose contract is their name.
func TestEveryKfuncIsKnown(t *testing.T) {
	seen := map[string]bool{}
	for _, k := range KfuncRows() {
		if seen[k.Name] {
			t.Errorf("kfunc %s has two rows", k.Name)
		}
		seen[k.Name] = true
		known := false
		for _, rel := range kfuncs.Releases {
			known = known || kfuncs.Find(rel, k.Name) != nil
		}
		if !known {
			t.Errorf("kfunc %s is in no kernel's tables", k.Name)
		}
	}
}
