// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"strconv"

	"github.com/modbpf/modbpf/btf"
	"github.com/modbpf/modbpf/locks"
)

type btfID = btf.ID

// specID names a type of one blob.
type specID struct {
	s  *btf.Spec
	id btf.ID
}

// typedState is what the typed files keep for a run.
type typedState struct {
	kernel   []*btf.Spec        // vmlinux and the program's modules
	records  map[specID]*record // special fields of the program's structs
	kfuncs   map[kfuncKey]*kfuncCall
	dynptr   dynptrInfo // dynptr argument of the helper being judged
	kptr     *field     // destination of the bpf_kptr_xchg being judged
	proto    btf.ID     // prototype of the attach target
	protoBTF *btf.Spec
	name     string // the target's name: function, tracepoint, slot
	retPtr   bool   // struct_ops: the slot returns a pointer
	argRefs  []argRef
	// conservative: the target is a static function of a program, whose
	// arguments are taken as five numbers.
	conservative bool
	retStruct    btf.ID // struct_ops: struct whose reference the slot returns
	ctxProg      btf.ID // bpf_ctx_convert: context of the program type, and what the kernel puts behind it
	ctxKern      btf.ID
	ctxRead      bool
	noArg        int // leading arguments the program does not see (tracepoints' data)
	held         []locks.Held
	lockFacts    []locks.Fact
	lockSeen     map[int]bool
}

// argRef is the reference a struct_ops slot hands over in an argument.
type argRef struct {
	arg int
	id  uint32
}

// kfuncKey names a kfunc as a call instruction does.
type kfuncKey struct {
	module int16
	id     btf.ID
}

func itoa(v int64) string { return strconv.FormatInt(v, 10) }
