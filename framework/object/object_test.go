// SPDX-License-Identifier: Apache-2.0

package object

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/btf"
	"github.com/modbpf/modbpf/kfuncs"
	"github.com/modbpf/modbpf/structops"
	"github.com/modbpf/modbpf/verifier"
)

// fakeKernel is a kernel of nothing but BTF and a config.
type fakeKernel struct {
	vmlinux *btf.Spec
	modules map[string]*btf.Spec
	config  map[string]string
}

func (k *fakeKernel) Release() bpf.Release              { return bpf.Release{Major: 6, Minor: 18, Patch: 4} }
func (k *fakeKernel) Has(verifier.Feature) bool         { return true }
func (k *fakeKernel) BTF() *btf.Spec                    { return k.vmlinux }
func (k *fakeKernel) Module(n string) *btf.Spec         { return k.modules[n] }
func (k *fakeKernel) Config(s string) string            { return k.config[s] }
func (k *fakeKernel) HelperName(int32) string           { return "" }
func (k *fakeKernel) Kfunc(string) *kfuncs.Kfunc        { return nil }
func (k *fakeKernel) Symbol(string) (bool, bool)        { return false, false }
func (k *fakeKernel) Hook(bpf.ProgType) *structops.Hook { return nil }
func (k *fakeKernel) StructOps(string) *structops.Table { return nil }
func (k *fakeKernel) HelperProto(int32, *verifier.Program) (*kfuncs.Proto, string) {
	return nil, ""
}

func (k *fakeKernel) Modules() []string {
	var out []string
	for n := range k.modules {
		out = append(out, n)
	}
	return out
}

func runningKernel(t testing.TB) *fakeKernel {
	raw, err := os.ReadFile("/sys/kernel/btf/vmlinux")
	if err != nil {
		t.Skip("no kernel BTF here")
	}
	s, err := btf.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return &fakeKernel{vmlinux: s.SetName("vmlinux")}
}

// TestCorpus binds each object of a folder named by MODBPF_OBJECTS.
func TestCorpus(t *testing.T) {
	dir := os.Getenv("MODBPF_OBJECTS")
	if dir == "" {
		t.Skip("MODBPF_OBJECTS is not set")
	}
	k := runningKernel(t)
	files, err := filepath.Glob(filepath.Join(dir, "*.o"))
	if err != nil {
		t.Fatal(err)
	}
	progs, bad := 0, 0
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		o, err := OpenBytes(data, f)
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		b, err := o.Bind(k, Options{DefaultMaxEntries: 1})
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		for _, p := range b.Programs {
			progs++
			if p.Err != nil {
				bad++
				t.Logf("%s: %v", filepath.Base(f), p.Err)
			}
		}
	}
	t.Logf("%d objects, %d programs, %d not bound", len(files), progs, bad)
}

func BenchmarkOpenBind(b *testing.B) {
	file := os.Getenv("MODBPF_OBJECT")
	if file == "" {
		b.Skip("MODBPF_OBJECT is not set")
	}
	k := runningKernel(b)
	data, err := os.ReadFile(file)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		o, err := OpenBytes(data, file)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := o.Bind(k, Options{}); err != nil {
			b.Fatal(err)
		}
	}
}
