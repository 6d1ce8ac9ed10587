// SPDX-License-Identifier: Apache-2.0

package verifier

import "github.com/modbpf/modbpf/kfuncs"

// helperCall is what judging the arguments of one helper call learns.
type helperCall struct {
	id          int32
	name        string
	proto       *kfuncs.Proto
	m           mapRef // the map argument
	mapUID      uint32
	raw         bool // some argument is uninitialised memory the helper fills
	access      int  // its size
	regno       int  // its register
	memSize     int64
	refObj      uint32 // reference of the argument that carries one
	release     int    // register of the argument that is released, 0 if none
	sub         int    // callback subprogram
	kptr        any    // typed: the kptr field of bpf_kptr_xchg
	dynID       uint32 // typed: id of the dynptr argument
	retBTF      btfRef
	retID       uint32
	ret         kfuncs.Ret
	mapKeyConst bool
}
