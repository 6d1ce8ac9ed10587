// SPDX-License-Identifier: Apache-2.0

package verifier

import "github.com/modbpf/modbpf/kfuncs"

// Dynptrs: bounded views of memory the kernel manages, held in two stack slots
// the program cannot touch. A dynptr of a ring buffer record or a file is a
// reference; slices of a dynptr die with it.

// dynptrKind is what a dynptr looks at, as Reg.Kind of its slots has it.
type dynptrKind = uint8

const (
	dynNone dynptrKind = iota
	dynLocal
	dynRingbuf
	dynSkb
	dynXDP
	dynSkbMeta
	dynFile
)

var dynptrRows = [...]struct {
	kind dynptrKind
	flag RegType
	arg  kfuncs.ArgFlags
	name string
}{
	{dynLocal, dynptrLocal, kfuncs.ArgDynptrLocal, "local"},
	{dynRingbuf, dynptrRingbuf, kfuncs.ArgDynptrRingbuf, "ringbuf"},
	{dynSkb, dynptrSkb, kfuncs.ArgDynptrSkb, "skb"},
	{dynXDP, dynptrXDP, kfuncs.ArgDynptrXdp, "xdp"},
	{dynSkbMeta, dynptrSkbMeta, 0, "skb_meta"},
	{dynFile, dynptrFile, 0, "file"},
}

func dynKindName(k dynptrKind) string {
	for _, r := range dynptrRows {
		if r.kind == k {
			return r.name
		}
	}
	return "unknown"
}

func dynKindFlag(k dynptrKind) RegType {
	for _, r := range dynptrRows {
		if r.kind == k {
			return r.flag
		}
	}
	return 0
}

// dynReferenced reports whether a dynptr of a kind must be released.
func dynReferenced(k dynptrKind) bool { return k == dynRingbuf || k == dynFile }

// dynptrUse says what a callee does with a dynptr argument.
type dynptrUse struct {
	init     bool // constructs it
	release  bool // destroys it
	readonly bool // may be const
	kind     dynptrKind
	clone    uint32 // bpf_dynptr_clone: reference shared with the original
}

// dynptrInfo is what is known of an initialised dynptr argument.
type dynptrInfo struct {
	kind dynptrKind
	id   uint32
	ref  uint32
}

// spi results below zero.
const (
	spiBad   = -1
	spiRange = -2
)

// stackObject finds the first slot of an object of n slots on the stack at
// Regs[regno]: spiRange if it lies beyond what was written so far.
func (e *env) stackObject(regno int, what string, n int) (int, *Diagnostic) {
	r := &e.cur.regs()[regno]
	if !r.isConst() {
		return spiBad, e.errf(CodeStackObject, "%s has to be at a constant offset", what)
	}
	off := r.constOff()
	spi := int((-off - 1) / slotSize)
	if off%slotSize != 0 || off >= 0 || spi+1 < n {
		return spiBad, e.errf(CodeStackObject, "cannot pass in %s at an offset=%d", what, off)
	}
	if spi >= len(e.funcOf(r).Stack) {
		return spiRange, nil
	}
	return spi, nil
}

// processDynptrArg judges a dynptr argument of a helper.
func (e *env) processDynptrArg(regno int, flags kfuncs.ArgFlags, call *helperCall) *Diagnostic {
	u := dynptrUse{
		init:     flags&kfuncs.ArgUninit != 0,
		release:  flags&kfuncs.ArgObjRelease != 0,
		readonly: flags&kfuncs.ArgRdonly != 0 || e.has(FeatTrustedArgs),
	}
	for _, row := range dynptrRows {
		if row.arg != 0 && flags&row.arg != 0 {
			u.kind = row.kind
		}
	}
	info, d := e.dynptrArg(regno, u)
	if d != nil {
		return d
	}
	if !u.init && call != nil {
		call.dynID = info.id
		call.refObj = info.ref
		e.typed.dynptr = info
	}
	return nil
}

// dynptrArg judges a dynptr argument.
func (e *env) dynptrArg(regno int, u dynptrUse) (dynptrInfo, *Diagnostic) {
	r := &e.cur.regs()[regno]
	if r.Type != ptrToStack && r.Type != constPtrToDynptr {
		return dynptrInfo{}, e.errf(CodeDynptrArg, "R%d expected pointer to stack or const struct bpf_dynptr", regno)
	}
	if u.init {
		if r.Type == constPtrToDynptr {
			return dynptrInfo{}, e.errf(CodeDynptrInit, "Dynptr has to be an uninitialized dynptr")
		}
		if spi, d := e.stackObject(regno, "dynptr", dynptrSlots); spi == spiBad {
			return dynptrInfo{}, d
		}
		for off := 0; off < 8*dynptrSlots; off += 8 {
			if d := e.checkMem(regno, off, 8, accWrite, -1); d != nil {
				return dynptrInfo{}, d
			}
		}
		return dynptrInfo{}, e.newDynptr(regno, u)
	}
	if r.Type == constPtrToDynptr && (u.release || !u.readonly) {
		if u.release && e.has(FeatTrustedArgs) {
			return dynptrInfo{}, e.errf(CodeDynptrConst, "CONST_PTR_TO_DYNPTR cannot be released")
		}
		return dynptrInfo{}, e.errf(CodeDynptrConst, "cannot pass pointer to const bpf_dynptr, the helper mutates it")
	}
	reg := r
	if r.Type != constPtrToDynptr {
		spi, d := e.stackObject(regno, "dynptr", dynptrSlots)
		if d != nil || spi < 1 || !isDynptrAt(e.funcOf(r), spi) {
			d := e.errf(CodeDynptrUninit, "Expected an initialized dynptr as R%d", regno)
			return dynptrInfo{}, d
		}
		reg = &e.funcOf(r).Stack[spi].Reg
	}
	if u.kind != dynNone && reg.Kind != u.kind {
		return dynptrInfo{}, e.errf(CodeDynptrKind, "Expected a dynptr of type %s as R%d", dynKindName(u.kind), regno)
	}
	return dynptrInfo{reg.Kind, reg.ID, reg.RefObj}, nil
}

// isDynptrAt reports whether a whole dynptr begins at slot spi.
func isDynptrAt(f *Frame, spi int) bool {
	if spi < 1 || spi >= len(f.Stack) || !f.Stack[spi].Reg.First {
		return false
	}
	for i := range slotSize {
		if f.Stack[spi].Types[i] != slotDynptr || f.Stack[spi-1].Types[i] != slotDynptr {
			return false
		}
	}
	return true
}

// newDynptr makes the two slots at Regs[regno] a dynptr.
func (e *env) newDynptr(regno int, u dynptrUse) *Diagnostic {
	r := &e.cur.regs()[regno]
	f := e.funcOf(r)
	spi, d := e.stackObject(regno, "dynptr", dynptrSlots)
	if d != nil || spi < 1 {
		return e.errf(CodeInternal, "dynptr outside of the stack")
	}
	for _, i := range [...]int{spi, spi - 1} {
		if d := e.destroyDynptrAt(f, i); d != nil {
			return d
		}
	}
	ref := u.clone
	if dynReferenced(u.kind) && ref == 0 {
		ref = e.acquireRef()
	}
	id := e.newID()
	for i := range dynptrSlots {
		s := &f.Stack[spi-i]
		for b := range s.Types {
			s.Types[b] = slotDynptr
		}
		s.Reg.markPtr(constPtrToDynptr)
		s.Reg.Kind, s.Reg.First, s.Reg.ID = u.kind, i == 0, id
		if dynReferenced(u.kind) {
			s.Reg.RefObj = ref
		}
	}
	return nil
}

// dynptrHelper fills R0 and registers a dynptr for the dynptr helpers after
// their arguments were judged: bpf_dynptr_data gives a slice that lives as long
// as the dynptr, writing through a packet dynptr ends packet pointers.
func (e *env) dynptrHelper(call *helperCall) *Diagnostic {
	info := e.typed.dynptr
	r0 := &e.cur.regs()[0]
	switch call.name {
	case "dynptr_data":
		r0.DynptrID = info.id
		if info.ref != 0 {
			r0.RefObj = info.ref
		}
	case "dynptr_write":
		if info.kind == dynSkb || info.kind == dynSkbMeta {
			e.clearPacketPointers()
		}
	}
	return nil
}

// releaseDynptr destroys the dynptr at Regs[regno] and, if it is referenced,
// its clones and slices.
func (e *env) releaseDynptr(regno int) *Diagnostic {
	r := &e.cur.regs()[regno]
	f := e.funcOf(r)
	spi, d := e.stackObject(regno, "dynptr", dynptrSlots)
	if d != nil || spi < 1 {
		return e.errf(CodeInternal, "dynptr outside of the stack")
	}
	reg := &f.Stack[spi].Reg
	if !dynReferenced(reg.Kind) {
		wipeDynptr(f, spi)
		return nil
	}
	ref := reg.RefObj
	if d := e.releaseRef(ref); d != nil {
		return d
	}
	for i := 0; i <= e.cur.Cur; i++ {
		fr := e.cur.Frames[i]
		for s := 1; s < len(fr.Stack); s++ {
			if fr.Stack[s].Types[0] == slotDynptr && fr.Stack[s].Reg.RefObj == ref && fr.Stack[s].Reg.First {
				wipeDynptr(fr, s)
			}
		}
	}
	return nil
}

func wipeDynptr(f *Frame, spi int) {
	f.Stack[spi], f.Stack[spi-1] = Slot{}, Slot{}
}

// destroyDynptrAt forgets the dynptr that slot spi of a frame is part of because
// the program overwrites it; an error if it is referenced.
func (e *env) destroyDynptrAt(f *Frame, spi int) *Diagnostic {
	if spi >= len(f.Stack) || f.Stack[spi].Types[0] != slotDynptr {
		return nil
	}
	if !f.Stack[spi].Reg.First {
		spi++
	}
	reg := &f.Stack[spi].Reg
	if dynReferenced(reg.Kind) {
		if !e.has(FeatTrustedArgs) || e.dynptrRefs(reg.RefObj) <= 1 {
			return e.errf(CodeDynptrOverwrite, "cannot overwrite referenced dynptr")
		}
	}
	id := reg.ID
	wipeDynptr(f, spi)
	e.forEachReg(func(_ *Frame, r *Reg) {
		if (r.Type == ptrToMem|maybeNull || r.Type == ptrToMem) && r.DynptrID == id {
			e.markInvalid(r)
		}
	})
	return nil
}

// dynptrRefs counts the dynptrs that share a reference.
func (e *env) dynptrRefs(ref uint32) int {
	n := 0
	for i := 0; i <= e.cur.Cur; i++ {
		f := e.cur.Frames[i]
		for s := range f.Stack {
			if f.Stack[s].Types[0] == slotDynptr && f.Stack[s].Reg.First && f.Stack[s].Reg.RefObj == ref {
				n++
			}
		}
	}
	return n
}
