// SPDX-License-Identifier: Apache-2.0

package verifier

// linkedRegs are the registers that share an id when a branch sharpens one of them.
type linkedRegs struct {
	n uint8
	e [6]linkedReg
}

// linkedReg is a register or stack slot of a frame.
type linkedReg struct {
	frame  uint8
	index  uint8
	isSlot bool
}

// coreState is what the core's own files keep for a run.
type coreState struct {
	rules ruleSet
}

type ruleSet struct{}
