// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"github.com/modbpf/modbpf/btf"
	"github.com/modbpf/modbpf/verifier/scalar"
)

// The abstract state: what is known of registers and stack at one point of one
// path. Everything here is copied at every branch, so it holds no Go pointers
// but the frames themselves: maps and BTF blobs are indexes into tables of the
// env, which makes a copy a plain memmove without write barriers.

// Limits that are part of the kernel's ABI.
const (
	maxStack     = 512
	maxFrames    = 16 // MAX_CALL_FRAMES: 8 up to 6.x, 16 later (featFrames16)
	slotSize     = 8
	maxSlots     = maxStack / slotSize
	nRegs        = 11
	maxVarOff    = 1 << 29
	maxVarSize   = 1 << 29
	dynptrSlots  = 2
	beyondPktEnd = -2
	atPktEnd     = -1
	maxPacketOff = 0xffff
	mainFunc     = -1
	callerSaved  = 6 // R0..R5
	regFP        = 10
)

// mapRef is an index into env.maps; 0 is "no map".
type mapRef int32

// btfRef is an index into env.btfs; 0 is "none", btfKernel vmlinux, btfProg the object's own.
type btfRef int16

const (
	btfNone btfRef = iota
	btfKernel
	btfProg
	btfFirstOther
)

// Reg is what is known of one register or one spilled eight-byte slot.
type Reg struct {
	Type RegType
	Off  int32 // fixed part of a pointer's offset

	// Which fields below mean something depends on Type; the others are zero,
	// so that two registers can be compared by value.
	Map    mapRef // map pointers, keys and values
	MapUID uint32 // tells look-ups of inner maps apart
	BTF    btfRef // BTF pointers, iterator slots
	Kind   uint8  // dynptr slots: dynptrKind; iterator slots: iterState; irq slots: irqClass
	First  bool   // dynptr slots: the first of two
	BTFID  btf.ID // BTF pointers, iterator slots
	// N is the packet range, mem_size, frame number (stack pointers),
	// subprogram (function pointers) or depth (iterator slots).
	N int32

	ID       uint32 // same id: same value, or same look-up for nullable pointers
	RefObj   uint32 // reference this pointer is bound to
	DynptrID uint32 // dynptr a slice belongs to

	// Val is the value of a scalar, or the variable part of a pointer's offset.
	Val     scalar.Value
	Precise bool
}

// addConst64 and addConst32 mark an id whose register differs from the id's
// others by the constant in Off, added in 64 or 32 bits (linked scalars).
const (
	addConst64 = 1 << 31
	addConst32 = 1 << 30
	addConst   = addConst64 | addConst32
)

// Iterator states, as Reg.Kind has them.
const (
	iterInvalid uint8 = iota // not the first slot
	iterActive
	iterDrained
)

// Slot types: what each byte of a stack slot holds.
const (
	slotInvalid uint8 = iota
	slotSpill
	slotMisc
	slotZero
	slotDynptr
	slotIter
	slotIrqFlag
)

// Slot is eight bytes of stack. Types[7] is the byte nearest the frame pointer's
// far end: a spilled register sets it, whatever its width.
type Slot struct {
	Reg   Reg
	Types [slotSize]uint8
}

// Ref kinds.
type refKind uint8

const (
	refPtr refKind = iota + 1
	refIrq
	refLock
	refResLock
	refResLockIrq
)

func (k refKind) isLock() bool { return k == refLock || k == refResLock || k == refResLockIrq }

// Ref is one reference the program holds: an acquired object, a lock, saved irq flags.
type Ref struct {
	Kind refKind
	ID   uint32 // locks: the register id of what holds the lock
	Insn int32  // where it was acquired
	// What a lock belongs to: a map (values) or a BTF (allocated objects); see lock.go.
	LockMap mapRef
	LockBTF btfRef
}

// retRange is a range of return values a function is held to.
type retRange struct {
	min, max int32
	ret32    bool // only the lower half is judged
}

// Frame is one function invocation.
type Frame struct {
	Regs          [nRegs]Reg
	Callsite      int32 // slot of the call; mainFunc for the outermost
	FrameNo       int32
	Subprog       int32
	AsyncEntry    uint32
	CallbackRet   retRange
	InCallback    bool
	InAsync       bool
	InException   bool
	CallbackDepth uint32
	inst          int32  // invocation record of stack liveness
	Stack         []Slot // Stack[0] is bytes fp-8..fp-1
}

// State is one point of one path.
type State struct {
	Frames [maxFrames]*Frame
	Cur    int // index of the innermost frame
	Parent *State
	Refs   []Ref

	AcquiredRefs int
	ActiveLocks  int
	PreemptLocks int
	RCULocks     int
	ActiveIrq    uint32 // id of the innermost saved irq flags
	ActiveLock   uint32 // id of the innermost lock
	ActiveLockM  mapRef // what it belongs to
	ActiveLockB  btfRef
	Sleepable    bool // in a context that may sleep

	branches     int32
	insn         int32
	firstInsn    int32
	lastInsn     int32
	equal        *State // back-edge states: the cached state they equal
	history      []jmpEntry
	dfsDepth     int32
	unrollDepth  int32 // callback_unroll_depth
	mayGotoDepth int32
	hits, misses int32
	steps        int64  // instructions since Parent was kept
	rest         int64  // kept states: the most that may follow
	next         *State // next kept state at the same instruction
	cleaned      bool   // dead registers and slots were forgotten
	evicted      bool   // no longer in its list
	freed        bool
}

// frame is the innermost frame.
func (s *State) frame() *Frame { return s.Frames[s.Cur] }

// regs are the innermost frame's registers.
func (s *State) regs() *[nRegs]Reg { return &s.Frames[s.Cur].Regs }

// reset forgets everything about a register.
func (r *Reg) reset() { *r = Reg{} }

// markUnknown makes r an unknown scalar (imprecise).
func (r *Reg) markUnknown() { *r = Reg{Type: scalarValue, Val: scalar.Unknown()} }

// markKnown makes r the known scalar v.
func (r *Reg) markKnown(v uint64) { *r = Reg{Type: scalarValue, Val: scalar.Const(v)} }

// markPtr makes r a pointer of a kind at offset zero, all other fields cleared.
func (r *Reg) markPtr(t RegType) { *r = Reg{Type: t, Val: scalar.Const(0)} }

// isNull reports a scalar known to be zero.
func (r *Reg) isNull() bool { return r.Type == scalarValue && r.Val.IsConst() && r.Val.Const() == 0 }

// isConst reports whether a scalar (or a pointer's variable offset) is one known value.
func (r *Reg) isConst() bool { return r.Val.IsConst() }

// isSpill reports whether the slot holds a spilled register (of any width).
func (s *Slot) isSpill() bool { return s.Types[slotSize-1] == slotSpill }

// isScalarSpill reports a spilled scalar.
func (s *Slot) isScalarSpill() bool { return s.isSpill() && s.Reg.Type == scalarValue }

// special reports slots whose bytes the program must not touch directly.
func (s *Slot) special() bool {
	switch s.Types[slotSize-1] {
	case slotSpill, slotDynptr, slotIter, slotIrqFlag:
		return true
	}
	return false
}

// slotIndex is the index in Frame.Stack of the slot that holds fp+off (off < 0).
func slotIndex(off int) int { return (-off - 1) / slotSize }

// grow makes the frame's stack cover bytes fp-size..fp-1.
func (f *Frame) grow(size int) {
	n := (size + slotSize - 1) / slotSize
	if n <= len(f.Stack) {
		return
	}
	if n <= cap(f.Stack) {
		old := len(f.Stack)
		f.Stack = f.Stack[:n]
		clear(f.Stack[old:])
		return
	}
	s := make([]Slot, n, max(n, min(2*len(f.Stack), maxSlots)))
	copy(s, f.Stack)
	f.Stack = s
}
