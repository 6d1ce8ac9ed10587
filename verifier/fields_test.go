// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"errors"
	"testing"

	cbtf "github.com/cilium/ebpf/btf"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/btf"
	"github.com/modbpf/modbpf/kfuncs"
	"github.com/modbpf/modbpf/structops"
)

// stubKernel is a kernel of nothing but types.
type stubKernel struct{ spec *btf.Spec }

func (k stubKernel) Release() bpf.Release { return bpf.Release{Major: 7, Minor: 3} }

func (k stubKernel) Has(f Feature) bool                                  { return HasFeature(k.Release(), f) }
func (k stubKernel) BTF() *btf.Spec                                      { return k.spec }
func (k stubKernel) Module(string) *btf.Spec                             { return nil }
func (k stubKernel) Config(string) string                                { return "" }
func (k stubKernel) HelperProto(int32, *Program) (*kfuncs.Proto, string) { return nil, "" }
func (k stubKernel) HelperName(int32) string                             { return "" }
func (k stubKernel) Kfunc(string) *kfuncs.Kfunc                          { return nil }
func (k stubKernel) StructOps(string) *structops.Table                   { return nil }
func (k stubKernel) Hook(bpf.ProgType) *structops.Hook                   { return nil }
func (k stubKernel) Symbol(string) (bool, bool)                          { return false, false }

func special(name string, size uint32) *cbtf.Struct {
	return &cbtf.Struct{Name: name, Size: size, Members: []cbtf.Member{{Name: "opaque", Type: &cbtf.Array{Index: u32t, Type: u8t, Nelems: size}}}}
}

func tagged(tag string, to cbtf.Type) cbtf.Type {
	return &cbtf.Pointer{Target: &cbtf.TypeTag{Type: to, Value: tag}}
}

func TestParseFields(t *testing.T) {
	lock, timer := special("bpf_spin_lock", 4), special("bpf_timer", 16)
	head, node := special("bpf_list_head", 16), special("bpf_list_node", 24)
	task := &cbtf.Struct{Name: "task_struct", Size: 8, Members: []cbtf.Member{{Name: "pid", Type: u64t}}}
	kern := spec(t, task, &cbtf.Struct{Name: "file", Size: 8, Members: []cbtf.Member{{Name: "x", Type: u64t}}},
		&cbtf.Func{Name: "bpf_task_release_dtor", Type: &cbtf.FuncProto{Return: &cbtf.Void{}}, Linkage: cbtf.StaticFunc})
	own := &cbtf.Struct{Name: "own", Size: 32, Members: []cbtf.Member{{Name: "n", Type: node}, {Name: "v", Type: u64t, Offset: bits(24)}}}
	file := &cbtf.Struct{Name: "file", Size: 8, Members: []cbtf.Member{{Name: "x", Type: u64t}}}
	contains := func(m string) *cbtf.Struct {
		return &cbtf.Struct{Name: "value", Size: 24, Members: []cbtf.Member{
			{Name: "head", Type: head, Tags: []string{m}}, {Name: "l", Type: lock, Offset: bits(16)},
		}}
	}
	for _, c := range []struct {
		name  string
		value *cbtf.Struct
		mask  fieldKind
		want  []fieldKind
		offs  []uint32
		err   error
	}{
		{name: "nothing", value: &cbtf.Struct{Name: "value", Size: 8, Members: []cbtf.Member{{Name: "x", Type: u64t}}}},
		{
			name: "lock and timer", value: &cbtf.Struct{Name: "value", Size: 24, Members: []cbtf.Member{{Name: "t", Type: timer}, {Name: "l", Type: lock, Offset: bits(16)}}},
			want: []fieldKind{fTimer, fSpinLock}, offs: []uint32{0, 16},
		},
		{name: "two locks", value: &cbtf.Struct{Name: "value", Size: 8, Members: []cbtf.Member{{Name: "a", Type: lock}, {Name: "b", Type: lock, Offset: bits(4)}}}, err: errFieldTwice},
		{
			name: "array of kptrs", value: &cbtf.Struct{Name: "value", Size: 24, Members: []cbtf.Member{{Name: "p", Type: &cbtf.Array{Index: u32t, Type: tagged("kptr", task), Nelems: 3}}}},
			want: []fieldKind{fKptrRef, fKptrRef, fKptrRef}, offs: []uint32{0, 8, 16},
		},
		{name: "kptr without destructor", value: &cbtf.Struct{Name: "value", Size: 8, Members: []cbtf.Member{{Name: "p", Type: tagged("kptr", file)}}}, err: errFieldDtor},
		{
			name: "untrusted kptr", value: &cbtf.Struct{Name: "value", Size: 8, Members: []cbtf.Member{{Name: "p", Type: tagged("kptr_untrusted", file)}}},
			want: []fieldKind{fKptrUnref}, offs: []uint32{0},
		},
		{name: "list", value: contains("contains:own:n"), want: []fieldKind{fListHead, fSpinLock}, offs: []uint32{0, 16}},
		{name: "list of the wrong member", value: contains("contains:own:v"), err: errFieldContains},
		{name: "list of nothing", value: contains("other"), err: errFieldContains},
		{name: "list without lock", value: &cbtf.Struct{Name: "value", Size: 16, Members: []cbtf.Member{{Name: "head", Type: head, Tags: []string{"contains:own:n"}}}}, err: errFieldLock},
		{name: "array of timers", value: &cbtf.Struct{Name: "value", Size: 32, Members: []cbtf.Member{{Name: "t", Type: &cbtf.Array{Index: u32t, Type: timer, Nelems: 2}}}}, err: errFieldArray},
		{
			name: "nested", value: &cbtf.Struct{Name: "value", Size: 16, Members: []cbtf.Member{{Name: "x", Type: u64t}, {Name: "s", Type: &cbtf.Struct{Name: "in", Size: 8, Members: []cbtf.Member{{Name: "l", Type: lock, Offset: bits(4)}}}, Offset: bits(8)}}},
			want: []fieldKind{fSpinLock}, offs: []uint32{12},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := spec(t, c.value, own)
			e := &env{prog: &Program{BTF: s}, k: stubKernel{kern}}
			r, err := e.parseFields(s, find(t, s, "value"), fInMap, c.value.Size)
			if !errors.Is(err, c.err) || c.err != nil && err == nil {
				t.Fatalf("error %v, want %v", err, c.err)
			}
			if c.err != nil {
				return
			}
			if len(c.want) == 0 {
				if r != nil {
					t.Fatalf("fields in a plain value: %+v", r)
				}
				return
			}
			if r == nil || len(r.fields) != len(c.want) {
				t.Fatalf("fields: %+v", r)
			}
			for i, f := range r.fields {
				if f.kind != c.want[i] || f.off != c.offs[i] {
					t.Errorf("field %d: %v at %d, want %v at %d", i, f.kind, f.off, c.want[i], c.offs[i])
				}
			}
		})
	}
}
