// SPDX-License-Identifier: Apache-2.0

// Package kfuncs holds the kernel functions and BPF helpers a driver may call,
// as typed tables. What BTF says of a kfunc (its prototype) is not repeated
// here; what only kernel source says (flags, who may call it) is generated from
// that source, release by release, and every row names the file it came from.
package kfuncs

import "github.com/modbpf/modbpf/bpf"

// Flags are the KF_* flags of one registration (include/linux/btf.h). The bit
// values are our own: the kernel renumbers, names are stable.
type Flags uint32

// Flags of kfunc registrations.
const (
	Acquire Flags = 1 << iota
	Release
	RetNull
	TrustedArgs // up to 7.1; implied for every kfunc from 7.2
	Sleepable
	Destructive
	RCU
	IterNew
	IterNext
	IterDestroy
	RCUProtected
	Fastcall
	ArenaRet
	ArenaArg1
	ArenaArg2
	ImplicitArgs
	SpinlockSafe
	Perfmon
)

// Registration is one BTF_ID_FLAGS row in one set registered for one group of
// program types. A kfunc can have several with different flags.
type Registration struct {
	Set    string         // the C name of the id set
	Hooks  []bpf.ProgType // program types it is registered for; ProgUnspec is "common" (all that may call kfuncs)
	Flags  Flags
	Filter string   // C name of the set's filter function, "" if none
	Tables []string // struct_ops tables the filter narrows it to; nil is any
	Slots  []string // slots ("table.member") the filter narrows it to; nil is any
	Deny   []string // slots ("table.member") the filter excludes
	Module string   // "" is vmlinux
	Config string   // CONFIG_ symbol its file or registration depends on, "" if always built
	File   string   // kernel source file
}

// Kfunc is one kernel function, as one release has it.
type Kfunc struct {
	Name          string
	Proto         string // C prototype as the source has it, for people
	Registrations []Registration
	First, Last   bpf.Release // releases (of those the tables know) that have it
}

// ArgKind is the class of value a helper takes in one argument: the kernel's
// enum bpf_arg_type without its flag bits.
type ArgKind uint8

// Argument kinds of helpers.
const (
	ArgNone ArgKind = iota
	ArgConstMapPtr
	ArgMapKey
	ArgMapValue
	ArgMem
	ArgConstSize
	ArgConstSizeOrZero
	ArgConstAllocSizeOrZero
	ArgCtx
	ArgAnything
	ArgSpinLock
	ArgSockCommon
	ArgSocket
	ArgBTFID
	ArgRingbufMem
	ArgBTFIDSockCommon
	ArgPercpuBTFID
	ArgFunc
	ArgStack
	ArgConstStr
	ArgTimer
	ArgKptrXchgDest
	ArgDynptr
	ArgScalar // a scalar, never a pointer (7.2)
	ArgArena
)

// ArgFlags are the flag bits of enum bpf_arg_type (include/linux/bpf.h).
type ArgFlags uint32

// Flag bits of helper arguments.
const (
	ArgMaybeNull ArgFlags = 1 << iota
	ArgRdonly
	ArgUninit
	ArgWrite
	ArgAligned
	ArgFixedSize // size in ArgSize
	ArgObjRelease
	ArgDynptrLocal
	ArgDynptrRingbuf
	ArgDynptrSkb
	ArgDynptrXdp
	ArgMemFixedAligned
	ArgDynptrSkbMeta
	ArgDynptrFile
)

// Arg is one argument of a helper prototype.
type Arg struct {
	Kind  ArgKind
	Flags ArgFlags
	Size  uint32 // ArgFixedSize: bytes
	BTF   string // ArgBTFID, ArgPercpuBTFID: name of the struct; ArgKptrXchgDest: ""
}

// RetKind is the class of value a helper returns: enum bpf_return_type.
type RetKind uint8

// Return kinds of helpers.
const (
	RetInteger RetKind = iota
	RetVoid
	RetMapValue
	RetSocket
	RetTCPSock
	RetSockCommon
	RetMem
	RetMemOrBTFID
	RetBTFID
	RetDynptrMem
)

// Ret is the result of a helper prototype.
type Ret struct {
	Kind    RetKind
	MayNull bool
	Alloc   bool   // RetMem: dynamically allocated, must be released (ringbuf)
	Trusted bool   // RetBTFID
	Rdonly  bool   // RetMem, RetMemOrBTFID: may only be read
	BTF     string // RetBTFID: name of the struct
}

// Proto is one struct bpf_func_proto. A helper id can have several: which one a
// program gets depends on its type.
type Proto struct {
	Name          string // C name of the prototype, "bpf_map_lookup_elem_proto"
	Func          string // C name of the implementation, for people
	GPLOnly       bool
	PktAccess     bool
	MightSleep    bool
	AllowFastcall bool
	Ret           Ret
	Args          [5]Arg
	Allowed       string // C name of a predicate over the attach point that must hold too, "" if none (see Allowed)
	Config        string // CONFIG_ condition its definition stands under, "" if always built
	File          string
}

// Helper is a helper id: a row of include/uapi/linux/bpf.h's __BPF_FUNC_MAPPER.
type Helper struct {
	ID    int32
	Name  string      // without "bpf_"
	First bpf.Release // first of the releases we know; the oldest stands for "that or older"
}
