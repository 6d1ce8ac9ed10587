// SPDX-License-Identifier: Apache-2.0

//go:build unix

package bpfconformance

import (
	"encoding/binary"
	"sync"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/btf"
	"github.com/modbpf/modbpf/kfuncs"
	"github.com/modbpf/modbpf/structops"
	"github.com/modbpf/modbpf/verifier"
)

// suite is the contract the suite's programs are verified against: a kernel
// without types whose one hook gives a program some bytes of memory, all of them
// readable and writable in any size at any place, and which has one helper.
type suite struct{ memory int }

var release = bpf.Release{Major: 7, Minor: 3}

func (suite) Release() bpf.Release                   { return release }
func (suite) Has(f verifier.Feature) bool            { return verifier.HasFeature(release, f) }
func (suite) BTF() *btf.Spec                         { return noTypes() }
func (suite) Module(string) *btf.Spec                { return nil }
func (suite) Config(string) string                   { return "" }
func (suite) Kfunc(string) *kfuncs.Kfunc             { return nil }
func (suite) StructOps(string) *structops.Table      { return nil }
func (suite) Symbol(string) (exported, gplOnly bool) { return false, false }

func (suite) HelperProto(id int32, _ *verifier.Program) (*kfuncs.Proto, string) {
	if id != helperUnwind {
		return nil, ""
	}
	return &kfuncs.Proto{Name: "unwind", Func: "unwind", Args: [5]kfuncs.Arg{{Kind: kfuncs.ArgAnything}}}, ""
}

func (suite) HelperName(id int32) string {
	if id == helperUnwind {
		return "unwind"
	}
	return ""
}

func (s suite) Hook(t bpf.ProgType) *structops.Hook {
	if t != bpf.ProgSyscall {
		return nil
	}
	h := &structops.Hook{
		Type: t, Name: "conformance", CtxSize: s.memory, VarOff: true, Sleepable: true, Attach: []bpf.AttachType{0},
		Doc: "is run on the memory a test of the suite gives",
	}
	if s.memory > 0 {
		const any = 1 | 2 | 4 | 8
		h.CtxFields = []structops.Access{{
			Field: "bytes", Size: s.memory, Read: true, Write: true, Narrow: true, Unaligned: true, ReadSizes: any, WriteSizes: any,
		}}
	}
	return h
}

// noTypes is BTF with nothing in it.
var noTypes = sync.OnceValue(func() *btf.Spec {
	b := make([]byte, 24, 25)
	binary.LittleEndian.PutUint16(b, 0xeb9f)
	b[2] = 1
	binary.LittleEndian.PutUint32(b[4:], 24)
	binary.LittleEndian.PutUint32(b[20:], 1) // one empty string
	s, err := btf.Parse(append(b, 0))
	if err != nil {
		panic(err) // a constant
	}
	return s
})
