// SPDX-License-Identifier: Apache-2.0

package verifier

// checkAttach judges what the program wants to be attached to (tracing, LSM,
// struct_ops, extension) before anything else is looked at, and fills e.table, e.slot.
func (e *env) checkAttach() *Diagnostic { return nil }

// checkBTFCtx judges a context access of a program whose arguments come from
// BTF (Hook.CtxBTF). For a load it fills dst with what is read.
func (e *env) checkBTFCtx(off, size int, acc access, dst *Reg) *Diagnostic {
	return e.notBuilt("context described by BTF")
}

// btfReturn is the range a program with an attach target must return: ok is
// false when everything may be returned. handled is true when checkBTFReturn
// already judged R0 (pointers returned by struct_ops).
func (e *env) btfReturn() (r retRange, ok bool) { return retRange{}, false }

// checkBTFReturn judges R0 where the return value is a pointer (struct_ops
// slots with RetPtr); handled says that nothing more is to be judged.
func (e *env) checkBTFReturn() (handled bool, d *Diagnostic) { return false, nil }
