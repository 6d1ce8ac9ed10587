// SPDX-License-Identifier: Apache-2.0

package verifier

// What the typed files call of the core. The core moves each function to the
// file it belongs to once it is built; until then it says that it is not.

// callbackKind says which callback contract a call sets up.
type callbackKind uint8

const (
	cbRBTreeAdd callbackKind = iota // less(a, b): both non-owning references, under the lock
	cbTimer                         // async: map, key, value of the map that holds the timer or workqueue
	cbTaskWork                      // async, sleepable: map, key, value
)

// checkMem judges a load or store of size bytes at Regs[regno]+off as an
// instruction would do it; valueReg is the register loaded or stored, -1 none.
func (e *env) checkMem(regno, off, size int, acc access, valueReg int) *Diagnostic {
	return e.notBuilt("memory access")
}

// checkHelperMem judges size bytes at Regs[regno] that a callee reads or writes.
func (e *env) checkHelperMem(regno, size int, acc access, zeroOK bool, call *helperCall) *Diagnostic {
	return e.notBuilt("memory argument")
}

// checkMemSizeReg judges the memory at Regs[regno] with its size in Regs[sizeReg].
func (e *env) checkMemSizeReg(regno, sizeReg int, acc access, zeroOK bool, call *helperCall) *Diagnostic {
	return e.notBuilt("memory argument with size")
}

// checkConstStr judges a pointer to a constant, terminated string.
func (e *env) checkConstStr(regno int) *Diagnostic { return e.notBuilt("constant string argument") }

// markPrecise records that safety depends on the scalar in Regs[regno].
func (e *env) markPrecise(regno int) *Diagnostic { return e.notBuilt("precision of an argument") }

// pushState queues a copy of the current state to continue at insn, coming from prev.
func (e *env) pushState(insn, prev int) (*State, *Diagnostic) { return nil, e.notBuilt("branch") }

// pushCallback queues or enters the verification of a callback subprogram
// called by the instruction at e.insn; m is the map of timers and workqueues.
func (e *env) pushCallback(kind callbackKind, sub int, m mapRef, uid uint32, graph *field) *Diagnostic {
	return e.notBuilt("callback")
}

// checkReturnCode judges the value in Regs[regno] as the program's result.
func (e *env) checkReturnCode(regno int, name string) *Diagnostic { return e.notBuilt("return value") }

// mayWritePacket reports whether the program type may write packet data
// directly, and remembers that it does.
func (e *env) mayWritePacket() bool { return false }

// clearPacketPointers forgets every packet pointer and packet slice.
func (e *env) clearPacketPointers() {}

// prevEntry is the last state on cur's path that was kept at insn.
func (e *env) prevEntry(cur *State, insn int) *State { return nil }
