// SPDX-License-Identifier: Apache-2.0

package conformance

// Ours is our verifier's verdict on one program, as the judging process writes it.
type Ours struct {
	Object    string `json:"object"`
	Program   string `json:"program"`
	Section   string `json:"section"`
	Key       string `json:"key"`     // hash of what is loaded: instructions, types, maps
	Verdict   string `json:"verdict"` // accept, reject, unsupported, error
	Code      int    `json:"code,omitempty"`
	CodeName  string `json:"codeName,omitempty"`
	Message   string `json:"message,omitempty"`
	Insn      int    `json:"insn"`
	Source    string `json:"source,omitempty"` // file:line
	Bound     bool   `json:"bound"`            // false: Message says why it could not be bound
	Insns     int    `json:"insns"`
	Processed int    `json:"processed,omitempty"`
	Worst     int64  `json:"worst,omitempty"`
	WorstWhy  string `json:"worstWhy,omitempty"`
	NS        int64  `json:"ns,omitempty"`
	Log       string `json:"log,omitempty"`
	Family    string `json:"family"`
}

// Kernels is the kernel's verdict on one program.
type Kernels struct {
	Key       string `json:"key"`
	Verdict   string `json:"verdict"` // accept, reject, cannot, unsupported (guests: its kernel lacks something)
	Errno     string `json:"errno,omitempty"`
	Message   string `json:"message,omitempty"` // what follows the last instruction in the log
	Insn      int    `json:"insn"`              // last instruction walked, -1 if none
	Processed int    `json:"processed,omitempty"`
	Micros    int    `json:"micros,omitempty"` // verification time
	NoBTF     bool   `json:"noBTF,omitempty"`  // a map was only taken without its types
	Log       string `json:"-"`
}

// Outcome is how two verdicts compare.
type Outcome uint8

// Outcomes.
const (
	Agree        Outcome = iota
	FalseAccept          // we accept, the kernel refuses
	FalseReject          // we refuse, the kernel accepts
	CannotJudge          // the kernel decides, we do not
	KernelCannot         // the kernel does not decide
)

var outcomeNames = [...]string{"agree", "we accept, the kernel refuses", "we refuse, the kernel accepts", "we cannot judge", "the kernel cannot judge"}

func (o Outcome) String() string { return outcomeNames[o] }

// Row is one program with both verdicts.
type Row struct {
	Ours
	Kernel Kernels
	Outcome
	// SameReason and SameInsn are about programs that both refuse.
	SameReason, SameInsn bool
}

func compare(o Ours, k Kernels, reason func(code int, msg string) bool) Row {
	r := Row{Ours: o, Kernel: k}
	switch {
	case k.Verdict == "cannot":
		r.Outcome = KernelCannot
	case o.Verdict != "accept" && o.Verdict != "reject":
		r.Outcome = CannotJudge
	case o.Verdict == k.Verdict:
		r.Outcome = Agree
		if o.Verdict == "reject" {
			r.SameReason = reason(o.Code, k.Message)
			r.SameInsn = o.Insn == k.Insn
		}
	case o.Verdict == "accept":
		r.Outcome = FalseAccept
	default:
		r.Outcome = FalseReject
	}
	return r
}
