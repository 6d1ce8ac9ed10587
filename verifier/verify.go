// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"fmt"
	"runtime/debug"
	"strings"
	"time"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/btf"
)

// maxProgInsns is BPF_COMPLEXITY_LIMIT_INSNS: the longest program a
// privileged loader may load and the most instructions that are walked.
const maxProgInsns = 1_000_000

// gplLicenses are the licence strings the kernel takes as GPL compatible.
var gplLicenses = map[string]bool{
	"GPL": true, "GPL v2": true, "GPL and additional rights": true,
	"Dual BSD/GPL": true, "Dual MIT/GPL": true, "Dual MPL/GPL": true,
}

// GPLCompatible reports whether the kernel takes a licence as GPL compatible.
func GPLCompatible(license string) bool { return gplLicenses[license] }

// Verify judges a bound program for a kernel. It returns a Checked, or the
// diagnostic that says why there is none.
func Verify(p *Program, k Kernel, opts Options) (chk *Checked, diag *Diagnostic) {
	start := time.Now()
	if p == nil || k == nil {
		return nil, &Diagnostic{Verdict: NotJudged, Code: CodeBadProgram, Insn: -1, Message: "no program or no kernel given"}
	}
	e := newEnv(p, k, opts)
	defer func() {
		if r := recover(); r != nil {
			chk = nil
			diag = &Diagnostic{
				Verdict: NotJudged, Code: CodeInternal, Insn: e.insn,
				Message: fmt.Sprintf("internal error: %v", r), Regs: trimStack(debug.Stack()),
			}
			return
		}
		if diag != nil {
			e.describeSafely(diag)
		}
	}()
	if d := e.run(); d != nil {
		return nil, d
	}
	chk = &Checked{prog: p, judge: JudgeVerifier, facts: e.facts()}
	chk.report = e.report()
	chk.report.Nanoseconds = time.Since(start).Nanoseconds()
	return chk, nil
}

// trimStack keeps the part of a stack trace that names our files.
func trimStack(b []byte) string {
	lines := strings.Split(string(b), "\n")
	if len(lines) > 24 {
		lines = lines[:24]
	}
	return strings.Join(lines, "\n")
}

func newEnv(p *Program, k Kernel, opts Options) *env {
	e := &env{
		prog: p, k: k, opts: opts,
		insns: p.Insns,
		gpl:   GPLCompatible(p.License),
	}
	e.strict = p.Flags&bpf.ProgStrictAlignment != 0
	if p.Flags&bpf.ProgAnyAlignment != 0 {
		e.strict = false
	}
	e.testFreq = p.Flags&bpf.ProgTestStateFreq != 0
	e.maps = make([]*Map, 1, 1+len(p.Maps))
	e.maps = append(e.maps, p.Maps...)
	e.btfs = []*btf.Spec{nil, nil, p.BTF}
	for f := range nFeatures {
		e.feat[f] = k.Has(f)
	}
	e.setRules()
	e.limit = maxProgInsns
	if opts.MaxInsns > 0 {
		e.limit = opts.MaxInsns
	}
	return e
}

// run is the order of the passes: the kernel's, so that the first thing wrong
// is the thing the kernel names.
func (e *env) run() *Diagnostic {
	e.insn = -1
	p := e.prog
	n := len(p.Insns)
	if n == 0 || n > maxProgInsns {
		return e.errf(CodeProgSize, "the program has %d instructions; between 1 and %d are allowed", n, maxProgInsns)
	}
	if d := e.checkProgLoad(); d != nil {
		return d
	}
	if p.Insns[n-1].IsLdImm64() {
		return e.errAt(n-1, CodeLdImm64, "the program ends in the middle of a 64-bit load")
	}
	e.btfs[btfKernel] = e.k.BTF()
	e.aux = make([]insnAux, n+1)
	passes := [...]func() *Diagnostic{
		e.checkFuncInfoEarly,
		e.findSubprogs,
		e.resolveKfuncs,
		e.checkSubprogs,
		e.checkFuncInfo,
		e.checkLineInfo,
		e.resolveLoads,
		e.loadRecords,
		e.checkCFG,
		e.computePostorder,
		e.checkAttach,
		e.computeSCC,
		e.computeLiveRegs,
		e.markFastcall,
		e.checkMain,
		e.checkGlobals,
		e.checkStackDepth,
	}
	for _, pass := range passes {
		if d := pass(); d != nil {
			return d
		}
	}
	return nil
}

// checkProgLoad judges what the load system call looks at before the verifier runs.
func (e *env) checkProgLoad() *Diagnostic {
	p := e.prog
	e.hook = e.k.Hook(p.Type)
	if e.hook == nil {
		return e.lacks(CodeProgType, "kernel %s has no %s programs", e.k.Release().Series(), p.Type)
	}
	if !e.hook.AttachAllowed(p.AttachType) {
		return e.errf(CodeProgAttach, "attach type %s does not belong to %s programs", p.AttachType, p.Type)
	}
	return nil
}

// describeSafely is describe, which must not turn a refusal into a failure.
func (e *env) describeSafely(d *Diagnostic) {
	defer func() {
		if r := recover(); r != nil {
			d.Regs = fmt.Sprintf("(not printed: %v)", r)
		}
	}()
	if e.opts.Log != nil {
		e.logFlush()
	}
	e.describe(d)
}

// describe adds to a diagnostic what it does not know itself: the C line, the
// path and the fix.
func (e *env) describe(d *Diagnostic) {
	if d.Line == nil && d.Insn >= 0 {
		d.Line = e.lineOf(d.Insn)
	}
	if d.Fix == "" {
		if i := codeTable[d.Code]; i != nil {
			d.Fix = i.Fix
		}
	}
	if d.Verdict == Reject && e.cur != nil && e.walking {
		if d.Path == nil {
			d.Path = e.path()
		}
		if d.Regs == "" && d.Code != CodeTooLarge {
			d.Regs = e.stateString(e.cur)
		}
	}
}

// lineOf finds the line record of a slot.
func (e *env) lineOf(insn int) *LineInfo {
	lines := e.prog.Lines
	lo, hi := 0, len(lines)
	for lo < hi {
		m := (lo + hi) / 2
		if lines[m].Insn <= insn {
			lo = m + 1
		} else {
			hi = m
		}
	}
	if lo == 0 {
		return nil
	}
	return &lines[lo-1]
}

// path lists the branch decisions of the current path since its last kept states.
func (e *env) path() []Step {
	var steps []Step
	for st := e.cur; st != nil && len(steps) < 200; st = st.Parent {
		for i := len(st.history) - 1; i >= 0; i-- {
			h := &st.history[i]
			if h.prev < 0 || int(h.prev) >= len(e.insns) {
				continue
			}
			in := e.insns[h.prev]
			if c := in.Class(); c != bpf.ClassJMP && c != bpf.ClassJMP32 {
				continue
			}
			switch in.Op & 0xf0 {
			case bpf.JmpJA, bpf.JmpEXIT:
				continue
			case bpf.JmpCALL:
				if in.Src() != bpf.PseudoCall {
					continue
				}
			}
			steps = append(steps, Step{Insn: int(h.prev), Taken: h.insn != h.prev+1, Line: e.lineOf(int(h.prev))})
		}
	}
	for i, k := 0, len(steps)-1; i < k; i, k = i+1, k-1 {
		steps[i], steps[k] = steps[k], steps[i]
	}
	return steps
}

// report collects what was measured.
func (e *env) report() Report {
	r := Report{Processed: e.processed, States: e.peakStates, StackDepth: e.maxDepth, WorstCase: -1, WorstReason: "not computed"}
	r.Locks = e.lockReport()
	if !e.opts.NoWorst {
		r.WorstCase, r.WorstReason = e.worstCase()
	}
	return r
}
