// SPDX-License-Identifier: Apache-2.0

package amd64

// State says where the run state's fields lie, as offsets from the start of a
// stack block. Stubs are made for it.
type State struct {
	StackAlign int32
	GoSP, GoBP int32 // Go's stack and frame pointer
	Slot       int32 // where the way back to Go lies on the program's stack
	MSP        int32 // stack pointer at an exit
	Site       int32 // where to go on after an exit
	Code       int32 // exit code
	Ret        int32 // result of a callee
	Args       int32 // six words: R1 to R5 and the target of an indirect call
	Flag       int32
	Regs       int32 // registers at a fault, in the order of the signal frame
}

// Places of registers in a signal frame (gregset_t), by encoding number.
var SignalRegs = [16]int{rax: 13, rcx: 14, rdx: 12, rbx: 11, rsp: 15, rbp: 10, rsi: 9, rdi: 8, r8: 0, r9: 1, r10: 2, r11: 3, r12: 4, r13: 5, r14: 6, r15: 7}

// Further places in a signal frame.
const (
	SignalRIP   = 16
	SignalFlags = 17
)

// Stubs is code shared by all programs, and where its parts begin.
type Stubs struct {
	Bytes                                []byte
	Exit, Resume, FaultExit, FaultResume int
}

// kept are the registers a program counts on when it calls.
var kept = [...]reg{rbx, r13, r14, r15}

// MakeStubs makes the ways out of programs and back in. Go's only way in is one
// call instruction, and every way out returns to just after it, so that the
// processor's prediction of returns holds.
func MakeStubs(s *State) *Stubs {
	var a asm
	st := &Stubs{}
	head := func() {
		a.mov(true, r11, rsp)
		a.arithImm(grpAND, true, r11, -s.StackAlign)
	}
	put := func(r reg, off int32) { a.rm(0x89, true, r, at(r11, off)) }
	get := func(r reg, off int32) { a.rm(0x8b, true, r, at(r11, off)) }

	st.Exit = a.pos()
	for _, r := range kept {
		a.push(r)
	}
	head()
	for k, r := range []reg{rdi, rsi, rdx, rcx, r8, r9} {
		put(r, s.Args+8*int32(k))
	}
	put(r10, s.Site)
	put(rax, s.Code)
	put(rsp, s.MSP)
	out := func() { // what the code after the call expects to find kept
		get(rbx, s.GoSP)
		get(r13, s.GoBP)
		a.mov(true, r14, r11)
		get(rsp, s.Slot)
		a.ret()
	}
	out()

	st.Resume = a.pos()
	head()
	get(rsp, s.MSP)
	for k := len(kept) - 1; k >= 0; k-- {
		a.pop(kept[k])
	}
	get(rax, s.Ret)
	get(rdi, s.Args)
	get(rdx, s.Flag)
	a.rm(0xff, false, 4, at(r11, s.Site)) // jmp

	st.FaultExit = a.pos()
	head()
	out()

	st.FaultResume = a.pos()
	head()
	greg := func(r reg) int32 { return s.Regs + 8*int32(SignalRegs[r]) }
	get(rsp, greg(rsp))
	a.rm(0xff, false, 6, at(r11, s.Regs+8*SignalRIP)) // push
	a.rm(0xff, false, 6, at(r11, s.Regs+8*SignalFlags))
	a.bytes(0x9d) // popf
	for r := rax; r <= r15; r++ {
		if r != rsp && r != r11 {
			get(r, greg(r))
		}
	}
	get(r11, greg(r11))
	a.ret()
	st.Bytes = a.b
	return st
}
