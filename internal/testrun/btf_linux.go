// SPDX-License-Identifier: Apache-2.0

package testrun

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"unsafe"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/btf"
	"github.com/modbpf/modbpf/verifier"
)

// A program with callbacks needs BTF that names its functions. One static
// function of no arguments serves for all.

// funcInfo is struct bpf_func_info.
type funcInfo struct{ slot, id uint32 }

const funcID = 3

// functions are the functions of a program that takes the address of one, nil
// for other programs.
func functions(insns []bpf.Insn) []funcInfo {
	starts, callbacks := []uint32{0}, false
	for i, in := range insns {
		switch {
		case in.IsLdImm64() && in.Src() == bpf.PseudoFunc:
			callbacks = true
			starts = append(starts, uint32(int32(i)+1+in.Imm))
		case in.IsCall() && in.Src() == bpf.PseudoCall:
			starts = append(starts, uint32(int32(i)+1+in.Imm))
		}
	}
	if !callbacks {
		return nil
	}
	slices.Sort(starts)
	var r []funcInfo
	for _, s := range slices.Compact(starts) {
		r = append(r, funcInfo{s, funcID})
	}
	return r
}

// Functions are the functions of a program as its BTF names them, for our verifier.
func Functions(insns []bpf.Insn) (*btf.Spec, []verifier.FuncInfo) {
	var r []verifier.FuncInfo
	for _, f := range functions(insns) {
		r = append(r, verifier.FuncInfo{Insn: int(f.slot), Type: btf.ID(f.id)})
	}
	return parsed(), r
}

var parsed = sync.OnceValue(func() *btf.Spec {
	s, err := btf.Parse(funcBlob())
	if err != nil {
		panic(err) // a constant
	}
	return s
})

// funcBlob is the BTF.
func funcBlob() []byte {
	const kindInt, kindFunc, kindProto = 1, 12, 13
	strings := []byte("\x00int\x00f\x00")
	var types []byte
	for _, v := range []uint32{
		1, kindInt << 24, 4, 1<<24 | 32, // 1: int
		0, kindProto << 24, 1, // 2: int (void)
		5, kindFunc << 24, 2, // 3: f
	} {
		types = binary.LittleEndian.AppendUint32(types, v)
	}
	var blob []byte
	blob = binary.LittleEndian.AppendUint16(blob, 0xeb9f)
	blob = append(blob, 1, 0)
	for _, v := range []int{24, 0, len(types), len(types), len(strings)} {
		blob = binary.LittleEndian.AppendUint32(blob, uint32(v))
	}
	return append(append(blob, types...), strings...)
}

// funcBTF loads the BTF once and returns its descriptor.
var funcBTF = sync.OnceValues(func() (int, error) {
	const cmdBTFLoad = 18
	blob := funcBlob()
	var a struct {
		btf, log                     uint64
		size, logSize, logLevel, fds uint32
	}
	var pin runtime.Pinner
	defer pin.Unpin()
	pin.Pin(&blob[0])
	a.btf, a.size = uint64(uintptr(unsafe.Pointer(&blob[0]))), uint32(len(blob))
	fd, err := bpfCall(cmdBTFLoad, unsafe.Pointer(&a), unsafe.Sizeof(a))
	if err != nil {
		return -1, fmt.Errorf("load BTF: %w", err)
	}
	return fd, nil
})
