// SPDX-License-Identifier: Apache-2.0

package host

import (
	"os"
	"sync"
	"testing"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/btf"
	"github.com/modbpf/modbpf/kfuncs"
	"github.com/modbpf/modbpf/structops"
	"github.com/modbpf/modbpf/verifier"
)

// btfKernel is a kernel of which only the types are known: all the runtime asks for.
type btfKernel struct{ spec *btf.Spec }

var vmlinux = sync.OnceValues(func() (*btf.Spec, error) {
	raw, err := os.ReadFile("/sys/kernel/btf/vmlinux")
	if err != nil {
		return nil, err
	}
	return btf.Parse(raw)
})

func testKernel(t testing.TB) verifier.Kernel {
	t.Helper()
	s, err := vmlinux()
	if err != nil {
		t.Skip("no kernel BTF:", err)
	}
	return btfKernel{s}
}

func (k btfKernel) Release() bpf.Release      { return bpf.Release{Major: 6, Minor: 18} }
func (k btfKernel) Has(verifier.Feature) bool { return true }
func (k btfKernel) BTF() *btf.Spec            { return k.spec }
func (k btfKernel) Module(string) *btf.Spec   { return nil }
func (k btfKernel) Config(string) string      { return "" }
func (k btfKernel) HelperProto(int32, *verifier.Program) (*kfuncs.Proto, string) {
	return nil, ""
}

func (k btfKernel) HelperName(id int32) string {
	e, ok := k.spec.Find("bpf_func_id", btf.KindEnum)
	if !ok {
		return ""
	}
	for i := range k.spec.Type(e).Vlen {
		if n := k.spec.Enumerator(e, i); n.Value == int64(id) {
			return n.Name[len("BPF_FUNC_"):]
		}
	}
	return ""
}
func (k btfKernel) Kfunc(string) *kfuncs.Kfunc         { return nil }
func (k btfKernel) StructOps(string) *structops.Table  { return nil }
func (k btfKernel) Hook(bpf.ProgType) *structops.Hook  { return nil }
func (k btfKernel) Symbol(string) (exported, gpl bool) { return false, false }
