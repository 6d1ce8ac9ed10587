// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"fmt"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/btf"
	"github.com/modbpf/modbpf/kfuncs"
	"github.com/modbpf/modbpf/structops"
	"github.com/modbpf/modbpf/verifier/scalar"
)

// env is one run of the verifier: the program, the kernel it is judged for, the
// current state and everything the passes remember about instructions.
type env struct {
	prog     *Program
	k        Kernel
	opts     Options
	hook     *structops.Hook // the program type's hook; nil if the kernel has none
	slot     *structops.Slot // the slot a struct_ops program fills
	table    *structops.Table
	gpl      bool // the licence is GPL compatible
	strict   bool // strict alignment asked for
	testFreq bool

	insns []bpf.Insn
	aux   []insnAux
	subs  []subprog
	excCB int // subprogram that is the exception callback, 0 if none

	maps []*Map      // by mapRef; [0] nil
	btfs []*btf.Spec // by btfRef; [0] nil
	feat [nFeatures]bool

	cur        *State
	insn       int // current instruction
	prevInsn   int
	idGen      uint32
	inGlobal   int // subprogram verified on its own, 0 for the main pass
	seenExc    bool
	seenWrite  bool // direct packet write
	changesPkt bool

	fieldsOf map[*Map]*record // field records by map (fields.go)

	coreState            // what only the core's files touch
	typed     typedState // what only the typed files touch
}

// coreState is what only the core's files touch.
type coreState struct {
	rules      scalar.Rules
	limit      int // instructions that are walked at most
	subAt      []int16
	jumpTarget []bool
	postorder  []int32
	orderPos   []int32    // place of an instruction in its function's postorder
	succs      [][2]int32 // successors of an instruction, -1 is none
	preds      []int32    // predecessors of i are preds[predAt[i]:predAt[i+1]]
	predAt     []int32
	protos     map[int32]*protoEntry

	explored []*State // kept states by instruction
	visits   [][]*sccVisit
	chain    [maxFrames]int32
	pending  []pending
	live     liveness
	bt       backtrack
	ids      idMap
	idCounts []idCount
	unbound  Reg
	loose    bool // how stack bytes are compared inside loops
	histEnt  int  // history entry of the current instruction, -1 none
	walking  bool
	logged   logState

	pool   []*State
	frames []*Frame

	processed, prevProcessed int
	jumps, prevJumps         int
	keptStates, totalStates  int
	peakStates, backedges    int
	stateBytes               int
	longest                  int64  // longest path of the main program
	noBound                  string // why there is no bound on it
	costs                    []int64
	maxDepth                 int
	factsOf                  []InsnFact
}

// pending is a branch that is still to be walked.
type pending struct {
	st         *State
	insn, prev int
}

// insnAux is what the passes remember about one instruction slot.
type insnAux struct {
	seen       bool
	prune      bool // states are compared and kept here
	jmpPoint   bool
	force      bool // always keep a state here
	callsCB    bool // calls a helper or kfunc that calls back
	iterNext   bool
	mayGoto    bool
	fastcall   bool // spill or fill of a bpf_fastcall pattern
	fastSpills uint8
	scc        int32
	live       uint16  // registers live before this slot
	ptrType    RegType // kind of pointer of a load or store seen here
	kfunc      *kfuncCall
	keyState   uint8
	cbSub      int32 // callback of a bpf_loop
	bad        Code  // what is wrong with the instruction wherever it stands
}

// subprog is one function of the program.
type subprog struct {
	start, end   int
	name         string
	typ          btf.ID // BTF func, 0 if none
	stackDepth   int
	fastcallOff  int
	postorder    int
	exit         int
	hasTailCall  bool
	tailReach    bool
	hasLdAbs     bool
	isCB         bool
	isAsyncCB    bool
	isExcCB      bool
	global       bool
	called       bool // global: reached from a verified program
	verified     bool
	mightThrow   bool
	changesPkt   bool
	mightSleep   bool
	argsState    uint8 // 0 unread, 1 usable, 2 not
	argsErr      *Diagnostic
	args         []subArg
	keepFastcall bool
	retVoid      bool
}

// subArg is one argument of a global subprogram as its BTF and tags describe it.
type subArg struct {
	Kind  kfuncs.ArgKind // ArgAnything, ArgCtx, ArgMem, ArgDynptr, ArgBTFID, or argArena
	Arena bool
	Flags RegType // maybeNull, memRdonly, ptrTrusted, ptrUntrusted, dynptr flags
	Size  uint32
	BTF   btfRef
	BTFID btf.ID
}

// access is what an instruction does with memory.
type access uint8

const (
	accRead access = iota
	accWrite
)

// errf is a refusal at the current instruction.
func (e *env) errf(code Code, format string, args ...any) *Diagnostic {
	return e.errAt(e.insn, code, format, args...)
}

// errAt is a refusal at a given instruction, -1 for none.
func (e *env) errAt(insn int, code Code, format string, args ...any) *Diagnostic {
	return &Diagnostic{Verdict: Reject, Code: code, Insn: insn, Message: fmt.Sprintf(format, args...)}
}

// notBuilt says that modbpf cannot judge what the current instruction does.
func (e *env) notBuilt(format string, args ...any) *Diagnostic {
	return &Diagnostic{Verdict: NotJudged, Code: CodeNotBuilt, Insn: e.insn, Message: "not built: " + fmt.Sprintf(format, args...)}
}

// lacks says that the kernel does not have something the program needs.
func (e *env) lacks(code Code, format string, args ...any) *Diagnostic {
	return &Diagnostic{Verdict: Unsupported, Code: code, Insn: e.insn, Message: fmt.Sprintf(format, args...)}
}

// notBuiltAt is notBuilt at a given instruction.
func (e *env) notBuiltAt(insn int, format string, args ...any) *Diagnostic {
	d := e.notBuilt(format, args...)
	d.Insn = insn
	return d
}

// internal says that modbpf contradicts itself.
func (e *env) internal(format string, args ...any) *Diagnostic {
	return &Diagnostic{Verdict: NotJudged, Code: CodeInternal, Insn: e.insn, Message: "internal error: " + fmt.Sprintf(format, args...)}
}

// has reports whether the kernel has a feature.
func (e *env) has(f Feature) bool { return e.feat[f] }

// newID makes a fresh register id.
func (e *env) newID() uint32 { e.idGen++; return e.idGen }

// mapOf is the map a register points to or into.
func (e *env) mapOf(r *Reg) *Map { return e.maps[r.Map] }

// btfOf is the BTF blob of a register.
func (e *env) btfOf(r *Reg) *btf.Spec { return e.btfs[r.BTF] }

// btfRefOf interns a blob.
func (e *env) btfRefOf(s *btf.Spec) btfRef {
	for i, b := range e.btfs {
		if b == s && i > 0 {
			return btfRef(i)
		}
	}
	e.btfs = append(e.btfs, s)
	return btfRef(len(e.btfs) - 1)
}

// mapRefOf interns a map; inner maps get refs of their own.
func (e *env) mapRefOf(m *Map) mapRef {
	for i, x := range e.maps {
		if x == m && i > 0 {
			return mapRef(i)
		}
	}
	e.maps = append(e.maps, m)
	return mapRef(len(e.maps) - 1)
}

// mapName is a map's name for messages.
func (e *env) mapName(m mapRef) string {
	if m == 0 {
		return "?"
	}
	return e.maps[m].Name
}

// funcOf is the frame a stack pointer points into.
func (e *env) funcOf(r *Reg) *Frame { return e.cur.Frames[r.N] }

// inRCU reports whether RCU-protected pointers may be followed here.
func (e *env) inRCU() bool {
	return e.cur.RCULocks > 0 || e.cur.ActiveLocks > 0 || !e.inSleepable()
}

// inSleepable reports whether the current context may sleep at all.
func (e *env) inSleepable() bool { return e.cur.Sleepable }

// forEachReg visits every register and spilled register of the current state.
func (e *env) forEachReg(fn func(f *Frame, r *Reg)) {
	for i := 0; i <= e.cur.Cur; i++ {
		f := e.cur.Frames[i]
		for j := range f.Regs {
			fn(f, &f.Regs[j])
		}
		for j := range f.Stack {
			if f.Stack[j].isSpill() {
				fn(f, &f.Stack[j].Reg)
			}
		}
	}
}

// markInvalid makes a register unusable because what it pointed to is gone. A
// program that may leak pointers, as ours all may, keeps it as a scalar.
func (e *env) markInvalid(r *Reg) { r.markUnknown() }

// Options tune a run.
type Options struct {
	Log      *Log // verbose log; nil for none
	MaxInsns int  // 0: the kernel's 1,000,000
	Facts    bool // collect Facts for the JIT
	NoWorst  bool // do not compute WorstCase
}
