// SPDX-License-Identifier: Apache-2.0

package verifier

import "fmt"

// Code is the stable number of a diagnostic, printed as MB1234. codes.go holds
// the rule, an example and the kernel messages each stands for.
type Code int

func (c Code) String() string { return fmt.Sprintf("MB%04d", int(c)) }

// Verdict is the outcome for one program and kernel.
type Verdict uint8

// Verdicts. Only Reject says that the kernel refuses; NotJudged says that we cannot tell.
const (
	Accept Verdict = iota
	Reject
	Unsupported // that kernel lacks a feature the program needs
	NotJudged   // modbpf cannot judge: not built, or a limit of its own
)

func (v Verdict) String() string {
	return [...]string{"accept", "reject", "unsupported", "error"}[v]
}

// Diagnostic is why a program was not accepted. It is an error.
type Diagnostic struct {
	Verdict  Verdict
	Code     Code
	Message  string // one line: what is wrong, with the values that mattered
	Insn     int    // slot, -1 if none
	Line     *LineInfo
	Path     []Step // branch decisions from the entry to Insn
	Regs     string // register state at Insn, for -v
	Contract string // the contract that is broken and where it comes from
	Fix      string // what usually fixes it
}

func (d *Diagnostic) Error() string {
	if d.Line != nil {
		return fmt.Sprintf("%s:%d: %s [%s]", d.Line.File, d.Line.Line, d.Message, d.Code)
	}
	return fmt.Sprintf("insn %d: %s [%s]", d.Insn, d.Message, d.Code)
}

// Step is one decision on the path to a diagnostic.
type Step struct {
	Insn  int
	Taken bool
	Line  *LineInfo
	State string // what is known after it, for -v
}
