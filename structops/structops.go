// SPDX-License-Identifier: Apache-2.0

// Package structops holds the kernel's extension points as typed tables:
// struct_ops tables with a contract for each slot, and program hooks (XDP, tcx,
// syscall, ...) with the layout and access rules of their context. What BTF
// says (members, prototypes) is read from BTF; what only kernel source says is
// data here, one file a table, each row naming the file it was read from.
package structops

import "github.com/modbpf/modbpf/bpf"

// Need says whether a driver must, may or cannot fill a slot.
type Need uint8

// Needs of a slot.
const (
	Optional Need = iota
	Required
	NotImplementable // no CFI stub: the kernel refuses a program here
)

// Context is where the kernel runs a slot.
type Context uint8

// Contexts, from the least to the most restricted.
const (
	ContextUnknown Context = iota
	ContextProcess
	ContextSoftirq
	ContextIRQ
)

// Table is one struct_ops type.
type Table struct {
	Name         string // "hid_bpf_ops"
	First        bpf.Release
	Config       string // the option that builds it, "CONFIG_HID_BPF"
	Module       string // module that registers it, "" for vmlinux
	File         string // kernel source file of the rules
	Slots        []Slot
	Writable     []Field     // kernel fields its programs may store to
	Helpers      string      // base helper set (see Hook.Helpers): "base", "tracing", ...
	ExtraHelpers []string    // by name, beyond the base set
	NoHelpers    []string    // by name, taken out of the set
	NoLink       bool        // accepts no link (only map update attaches)
	Update       bool        // BPF_LINK_UPDATE works
	OneOf        [][]string  // of each of these groups of slots at least one must be filled
	Init         []FieldRule // plain data members a driver may set; the kernel refuses others that are not zero
	Promote      [][2]string // arguments that point to the first struct are given to programs as the second
	Doc          string
}

// Slot is the contract of one callback.
type Slot struct {
	Member    string
	Need      Need
	First     bpf.Release // zero: as old as the table
	Last      bpf.Release // zero: still there
	Sleepable bool        // a sleepable program may be attached
	MustSleep bool        // only a sleepable one
	Context   Context
	Holds     []string // locks the kernel holds around the call, for people and lock analysis
	Stub      string   // C name of the kernel's stub, "" if there is none
	Config    string   // CONFIG_ condition beyond the table's
	Args      []ArgRule
	Ret       *Range // nil: whatever the type allows
	RetPtr    string // struct returned by pointer, if any: the value must be a referenced or null pointer of it
	Doc       string
}

// ArgRule says of one argument what BTF does not: the kernel reads it from the
// suffix of the stub's argument name.
type ArgRule struct {
	Index    int
	Nullable bool   // __nullable
	Ref      bool   // __ref: a reference the program must dispose of
	Arena    bool   // __arena
	BTF      string // struct a program is given instead of the declared type, "" if as declared
}

// Field is a kernel field, or a range of bytes in it, that may be written.
type Field struct {
	Struct, Member string // Member can be a path: "scx.slice"
	Offset         int    // bytes from the start of the member
	Size           int    // bytes; 0: the whole member
	AtStart        bool   // a store must begin at the first byte
	First          bpf.Release
	Last           bpf.Release
	Slots          []string // only in these slots; nil: all
}

// FieldRule is a plain member a driver may set in its table, with its limits.
type FieldRule struct {
	Member   string
	Min, Max int64  // for numbers
	Mask     uint64 // for flags: the bits there are; Min and Max do not count then
	Name     bool   // a name: letters, digits, "_" and ".", not empty, shorter than the field
	Doc      string
}

// Range is a closed interval of return values.
type Range struct {
	Min, Max int64
}

// Access is one row of a hook's context layout: bytes [Off, Off+Size) of the
// context structure and what a program may do with them. An access is allowed
// when some row allows it: it lies within the row, is of a listed size, and is
// aligned to its size unless the row says otherwise (see Hook.Find).
type Access struct {
	Field       string
	Off, Size   int
	Read, Write bool
	Narrow      bool  // may be read in parts
	ReadSizes   Sizes // sizes of loads
	WriteSizes  Sizes // sizes of stores
	AtStart     bool  // parts only from the row's first byte
	Unaligned   bool
	Kind        ValueKind
	BTF         string // KindBTF: struct
	MayNull     bool
	Attach      []bpf.AttachType // only under these; nil: all
	WriteAttach []bpf.AttachType // stores only under these; nil: as Attach
	First       bpf.Release
	Last        bpf.Release
}

// Sizes is a set of access sizes in bytes: 1, 2, 4 and 8, or-ed.
type Sizes uint8

// ValueKind is what a context field holds once loaded.
type ValueKind uint8

// Kinds of context values.
const (
	KindScalar ValueKind = iota
	KindPacket
	KindPacketMeta
	KindPacketEnd
	KindSockCommon
	KindSocket
	KindTCPSock
	KindFlowKeys
	KindBTF // a trusted pointer to the struct in Access.BTF
	KindXDPSock
	KindTPBuffer // the writable buffer of a raw tracepoint
)

// Hook is a program hook: a program type with its attach types.
type Hook struct {
	Type                            bpf.ProgType
	Attach                          []bpf.AttachType // expected attach types it accepts; empty: not asked
	Name                            string           // "xdp"
	Sections                        []string         // ELF section name patterns, libbpf's: "xdp", "xdp.frags", "tc/+"
	Ctx                             string           // struct in UAPI: "xdp_md"
	CtxSize                         int
	CtxFields                       []Access
	CtxBTF                          bool   // arguments come from BTF (tracing, LSM, struct_ops) instead of CtxFields
	Helpers                         string // name of the helper set
	Ret                             *Range // nil: any value (but see RetByAttach)
	RetByAttach                     map[bpf.AttachType]Range
	Sleepable                       bool             // may load sleepable programs
	SleepableAttach                 []bpf.AttachType // under these attach types only; nil: all
	AlwaysSleepable                 bool             // refused unless loaded sleepable
	AttachStrict                    bool             // the kernel refuses other attach types than Attach (0 stands for DefaultAttach)
	DefaultAttach                   bpf.AttachType   // what attach type 0 means to the kernel
	LdAbs                           bool             // may use the legacy packet loads
	VarOff                          bool             // the context may be accessed at a variable offset
	FixedOff                        bool             // a context pointer with a constant added may be dereferenced
	Config                          string           // CONFIG_ condition the type is built under
	DirectPacket, DirectPacketWrite bool
	GPLOnly                         bool // the kernel refuses programs that are not GPL-compatible
	First                           bpf.Release
	Caps                            []string // capabilities the kernel asks for
	File                            string
	Doc                             string
}
