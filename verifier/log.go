// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"fmt"
	"io"
	"path"
	"strings"
)

// Log receives the verbose log of a run.
type Log struct {
	W     io.Writer
	Level int // 1: the failing path, 2: every path
}

// logState is what the log last printed of the path being walked.
type logState struct {
	line  string // the instruction that was walked last, not printed yet
	frame int
	regs  [nRegs]Reg
	src   *LineInfo
}

// logInsn prints the previous instruction with the registers it changed, and
// takes up the current one.
func (e *env) logInsn() {
	e.logFlush()
	l := &e.logged
	if src := e.lineOf(e.insn); src != nil && src != l.src {
		l.src = src
		fmt.Fprintf(e.opts.Log.W, "; %s @ %s:%d\n", strings.TrimSpace(src.Source), path.Base(src.File), src.Line)
	}
	if l.frame != e.cur.Cur {
		fmt.Fprintf(e.opts.Log.W, "%d: %s\n", e.insn, e.stateString(e.cur))
	}
	l.line = fmt.Sprintf("%d: (%02x) %s", e.insn, e.insns[e.insn].Op, e.insnString(e.insn))
	l.frame, l.regs = e.cur.Cur, *e.cur.regs()
}

// logFlush prints the line that waits for its effect.
func (e *env) logFlush() {
	l := &e.logged
	if l.line == "" {
		return
	}
	var b strings.Builder
	if e.cur != nil && e.cur.Cur == l.frame {
		for i, r := range e.cur.regs() {
			if r != l.regs[i] && r.Type != notInit {
				fmt.Fprintf(&b, " R%d=%s", i, e.regString(&r))
			}
		}
	}
	if b.Len() > 0 {
		fmt.Fprintf(e.opts.Log.W, "%-40s ;%s\n", l.line, b.String())
	} else {
		fmt.Fprintln(e.opts.Log.W, l.line)
	}
	l.line = ""
}

func (e *env) logSafe() {
	e.logFlush()
	fmt.Fprintf(e.opts.Log.W, "%d: safe\n", e.insn)
}

func (e *env) logFrom(prev int) {
	fmt.Fprintf(e.opts.Log.W, "\nfrom %d to %d: %s\n", prev, e.insn, e.stateString(e.cur))
	e.logged = logState{frame: e.cur.Cur, regs: *e.cur.regs()}
}

// regString prints one register much as the kernel does.
func (e *env) regString(r *Reg) string {
	var b strings.Builder
	if r.Type == scalarValue {
		if r.Precise {
			b.WriteByte('P')
		}
		b.WriteString(r.Val.String())
		if r.ID != 0 {
			fmt.Fprintf(&b, " id=%d", r.ID&^addConst)
			if r.ID&addConst != 0 {
				fmt.Fprintf(&b, "%+d", r.Off)
			}
		}
		return b.String()
	}
	b.WriteString(r.Type.String())
	if r.Type.base() == ptrToBTFID {
		if s := e.btfOf(r); s != nil {
			b.WriteString(s.Name(r.BTFID))
		}
	}
	var a []string
	add := func(f string, x ...any) { a = append(a, fmt.Sprintf(f, x...)) }
	if r.Map != 0 {
		add("map=%s", e.mapName(r.Map))
	}
	if r.ID != 0 {
		add("id=%d", r.ID)
	}
	if r.RefObj != 0 {
		add("ref_obj_id=%d", r.RefObj)
	}
	if r.Off != 0 {
		add("off=%d", r.Off)
	}
	if r.Type.isPacket() {
		add("r=%d", r.N)
	}
	if r.Type.base() == ptrToMem {
		add("sz=%d", r.N)
	}
	if !r.Val.IsConst() || r.Val.Const() != 0 {
		add("var=%v", r.Val)
	}
	if len(a) > 0 {
		b.WriteString("(" + strings.Join(a, ",") + ")")
	}
	return b.String()
}

// stateString prints what is known in the innermost frame.
func (e *env) stateString(st *State) string {
	var b strings.Builder
	f := st.frame()
	if st.Cur > 0 {
		fmt.Fprintf(&b, "frame%d:", st.Cur)
	}
	for i := range f.Regs {
		if f.Regs[i].Type != notInit {
			fmt.Fprintf(&b, " R%d=%s", i, e.regString(&f.Regs[i]))
		}
	}
	for i := range f.Stack {
		s := &f.Stack[i]
		if s.word() == 0 {
			continue
		}
		if s.isSpill() {
			fmt.Fprintf(&b, " fp%d=%s", -8*(i+1), e.regString(&s.Reg))
			continue
		}
		fmt.Fprintf(&b, " fp%d=", -8*(i+1))
		for k := slotSize - 1; k >= 0; k-- {
			b.WriteByte("?rm0dif"[s.Types[k]])
		}
	}
	for i := range st.Refs {
		fmt.Fprintf(&b, " refs=%d", st.Refs[i].ID)
	}
	return strings.TrimSpace(b.String())
}
