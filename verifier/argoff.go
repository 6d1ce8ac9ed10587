// SPDX-License-Identifier: Apache-2.0

package verifier

// Offsets of pointers that are handed to a callee or stored: most must be as
// they were got, some may carry a fixed offset, memory may carry any.

// offRule says what else is known of an argument when its offset is judged.
type offRule struct {
	release  bool // the callee releases it
	dynptr   bool // it is a dynptr
	ctx      bool // the callee wants the context itself
	noBTFOff bool // BTF pointers must be unmodified
}

// checkPtrOff judges that a pointer is unmodified, or off by a constant where
// fixedOK says so.
func (e *env) checkPtrOff(r *Reg, regno int, fixedOK bool) *Diagnostic {
	if r.Off < 0 {
		return e.errf(CodePtrOffset, "negative offset %v ptr R%d off=%d disallowed", r.Type, regno, r.Off)
	}
	if !fixedOK && r.Off != 0 {
		return e.errf(CodePtrOffset, "dereference of modified %v ptr R%d off=%d disallowed", r.Type, regno, r.Off)
	}
	if !r.isConst() || r.Val.Const() != 0 {
		return e.errf(CodePtrOffset, "variable %v access var_off=%v disallowed", r.Type, r.Val.Bits)
	}
	return nil
}

// checkArgOff judges the offset of an argument of a helper, kfunc or global function.
func (e *env) checkArgOff(regno int, rule offRule) *Diagnostic {
	r := &e.cur.regs()[regno]
	if rule.release {
		if rule.dynptr && r.Type == ptrToStack {
			return nil
		}
		if r.Off != 0 || e.has(FeatTrustedArgs) && (!r.isConst() || r.Val.Const() != 0) {
			return e.errf(CodePtrOffset, "R%d must have zero offset when passed to release func or trusted arg to kfunc", regno)
		}
		return e.checkPtrOff(r, regno, false)
	}
	switch r.Type {
	case ptrToStack, ptrToPacket, ptrToPacketMeta, ptrToMapKey, ptrToMapValue,
		ptrToMem, ptrToMem | memRdonly, ptrToMem | memRingbuf, ptrToBuf, ptrToBuf | memRdonly, ptrToArena, scalarValue:
		return nil
	case ptrToBTFID, ptrToBTFID | memAlloc, ptrToBTFID | ptrTrusted, ptrToBTFID | memRCU,
		ptrToBTFID | memAlloc | nonOwnRef, ptrToBTFID | memAlloc | nonOwnRef | memRCU:
		return e.checkPtrOff(r, regno, !rule.noBTFOff)
	}
	return e.checkPtrOff(r, regno, false)
}
