// SPDX-License-Identifier: Apache-2.0

package verifier

import "github.com/modbpf/modbpf/locks"

// Judge says who decided that a program is safe.
type Judge uint8

// Judges. Only programs that our verifier judged may run on the host.
const (
	JudgeNone     Judge = iota // the zero Checked: refused everywhere
	JudgeVerifier              // proven here
	JudgeKernel                // the user asked that the kernel alone decide
)

func (j Judge) String() string { return [...]string{"none", "modbpf", "kernel"}[j] }

// Checked is a program together with the verdict about exactly these
// instructions. It is made only by Verify and KernelJudged.
type Checked struct {
	prog   *Program
	judge  Judge
	report Report
	facts  *Facts
}

// Program is the program the verdict is about; nil for the zero Checked.
func (c *Checked) Program() *Program { return c.prog }

// Judge says who judged.
func (c *Checked) Judge() Judge { return c.judge }

// Report is what was measured on the way.
func (c *Checked) Report() *Report { return &c.report }

// Facts are what the proof established about each instruction, for the JIT;
// nil unless our verifier judged.
func (c *Checked) Facts() *Facts { return c.facts }

// KernelJudged makes a Checked that only the kernel target accepts: the user
// insisted (--kernel-verdict) that the running kernel decide alone.
func KernelJudged(p *Program) *Checked { return &Checked{prog: p, judge: JudgeKernel} }

// Report is what verification measured.
type Report struct {
	Processed   int    // instructions the interpreter walked, the kernel's "processed N insns"
	States      int    // states kept for pruning
	StackDepth  int    // bytes, deepest call chain
	WorstCase   int64  // instructions on the longest path; -1 if a bound is not known
	WorstReason string // why WorstCase is -1
	// Locks are the places where the program takes a lock: which lock, what was
	// held already, what is touched under it.
	Locks       []locks.Fact
	Nanoseconds int64
}

// Facts are per instruction slot and hold on every path that reaches it, pruned
// paths included.
type Facts struct {
	// Visited[i] is false for slots no path reaches.
	Visited []bool
	// Insns[i] describes slot i.
	Insns []InsnFact
	// StackDepth[f] is the stack a subprogram needs, by index in Subprogs.
	Subprogs []Subprog
}

// InsnFact is what is known about one instruction on every path.
type InsnFact struct {
	// Map is one more than the index of the only map a map helper call or a
	// map-value access here can concern, 0 if there are several or none.
	Map int32
	// ConstKey is set for a map call whose key is the same constant on every path.
	ConstKey bool
	Key      uint64
	// Mem says what kind of memory a load or store here touches.
	Mem MemKind
	// JumpTaken: 0 unknown, 1 always, 2 never.
	JumpTaken uint8
}

// MemKind is the kind of memory an access touches on every path.
type MemKind uint8

// Kinds of memory.
const (
	MemMixed MemKind = iota
	MemStack
	MemCtx
	MemMapValue
	MemPacket
	MemKernel // trusted kernel object: cannot fault
	MemProbe  // BTF pointer that may be bad: load gives 0 on fault
	MemArena
	MemOther
)

// Subprog is one function of a program.
type Subprog struct {
	Start, End int // slots
	Name       string
	StackDepth int
	Callback   bool // called by the kernel, not by the program
	Exception  bool // the exception callback
	MightThrow bool
	TailCall   bool
}
