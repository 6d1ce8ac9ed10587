// SPDX-License-Identifier: Apache-2.0

package verifier

import "github.com/modbpf/modbpf/kfuncs"

// checkBTFAccess judges a load or store through a PTR_TO_BTF_ID register, at
// Regs[regno] with instruction offset off; a load's result goes to Regs[valueReg] if >= 0.
func (e *env) checkBTFAccess(regno, off, size int, acc access, valueReg int) *Diagnostic {
	return e.notBuilt("access through a kernel pointer")
}

// checkMapPtrAccess judges a load through a CONST_PTR_TO_MAP register.
func (e *env) checkMapPtrAccess(regno, off, size int, acc access, valueReg int) *Diagnostic {
	return e.notBuilt("access through a map pointer")
}

// checkPseudoBTFID judges a 64-bit load of a kernel variable's address and
// fills dst with the pointer it makes.
func (e *env) checkPseudoBTFID(insn int, dst *Reg) *Diagnostic {
	return e.notBuilt("kernel variable")
}

// checkHelperBTFArg judges a helper argument that is a BTF pointer to a named
// struct ("" for KptrXchgDest), at Regs[regno].
func (e *env) checkHelperBTFArg(regno int, want string, arg kfuncs.Arg) *Diagnostic {
	return e.notBuilt("helper argument of type struct %s", want)
}

// markBTFRet makes dst what a helper that returns a BTF pointer gives back.
func (e *env) markBTFRet(dst *Reg, ret kfuncs.Ret, helper string) *Diagnostic {
	return e.notBuilt("helper result of type struct %s", ret.BTF)
}
