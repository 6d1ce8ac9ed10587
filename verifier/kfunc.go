// SPDX-License-Identifier: Apache-2.0

package verifier

// kfuncCall is what is known of one kfunc call before the program runs: its
// name, prototype, flags. It is made by resolveKfuncs.
type kfuncCall struct {
	Name        string
	IterNext    bool // bpf_iter_*_next
	SyncCB      bool // calls a callback before it returns
	AsyncCB     bool // registers a callback for later
	Throws      bool // bpf_throw
	MightSleep  bool
	PktChange   bool // invalidates packet pointers
	Fastcall    bool
	IsVoid      bool
	NumParams   int
	SleepableCB bool
}

// typedState is what the typed files keep for a run.
type typedState struct{}

// resolveKfuncs fills aux[i].kfunc for every kfunc call of the program.
func (e *env) resolveKfuncs() *Diagnostic {
	for i := range e.insns {
		if e.insns[i].IsCall() && e.insns[i].Src() == 2 {
			e.insn = i
			return e.notBuilt("kfunc call")
		}
	}
	return nil
}

// checkKfuncCall judges the kfunc call at e.insn. For kfuncs that call back it
// calls e.pushCallback.
func (e *env) checkKfuncCall() *Diagnostic { return e.notBuilt("kfunc call") }
