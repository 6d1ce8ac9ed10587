// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
)

// writeVerdicts writes our verdicts down before anyone else is asked.
func writeVerdicts(ours []Ours) error {
	cache, err := CacheDir()
	if err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(cache, "verdicts.jsonl"))
	if err != nil {
		return err
	}
	enc := json.NewEncoder(f)
	for _, o := range ours {
		if err := enc.Encode(o); err != nil {
			return err
		}
	}
	return f.Close()
}

// Counts are outcomes by number.
type Counts struct {
	N                           [5]int
	Refused, Reason, Placed, At int // programs both refuse; for the same reason; where the kernel names an instruction; the same
}

func (c *Counts) add(r Row) {
	c.N[r.Outcome]++
	if r.Outcome == Agree && r.Verdict() == "reject" {
		c.Refused++
		if r.SameReason {
			c.Reason++
		}
		if r.Kernel.Insn >= 0 {
			c.Placed++
			if r.SameInsn {
				c.At++
			}
		}
	}
}

// Verdict is ours.
func (r Row) Verdict() string { return r.Ours.Verdict }

// Decided is how many programs the kernel decides.
func (c *Counts) Decided() int {
	return c.N[Agree] + c.N[FalseAccept] + c.N[FalseReject] + c.N[CannotJudge]
}

func percent(a, b int) string {
	if b == 0 {
		return "–"
	}
	return fmt.Sprintf("%.1f %%", 100*float64(a)/float64(b))
}

// Total counts all rows.
func (r *Result) Total() Counts {
	var c Counts
	for _, row := range r.Rows {
		c.add(row)
	}
	return c
}

func (r *Result) byFamily() (names []string, by map[string]*Counts) {
	by = make(map[string]*Counts)
	for _, row := range r.Rows {
		if by[row.Family] == nil {
			by[row.Family] = &Counts{}
			names = append(names, row.Family)
		}
		by[row.Family].add(row)
	}
	sort.Strings(names)
	return names, by
}

// Print writes the figures and every disagreement for people.
func (r *Result) Print(w io.Writer, agreed, reasons bool) {
	for _, out := range []Outcome{CannotJudge, FalseReject, FalseAccept} {
		n := 0
		for _, row := range r.Rows {
			if row.Outcome == out {
				n++
			}
		}
		if n == 0 {
			continue
		}
		fmt.Fprintf(w, "\n== %s: %d\n", out, n)
		for _, row := range r.Rows {
			if row.Outcome == out {
				row.print(w)
			}
		}
	}
	if reasons {
		fmt.Fprintf(w, "\n== both refuse, not for the same reason or not at the same instruction\n")
		for _, row := range r.Rows {
			if row.Outcome == Agree && row.Verdict() == "reject" && (!row.SameReason || !row.SameInsn && row.Kernel.Insn >= 0) {
				row.print(w)
			}
		}
	}
	if agreed {
		fmt.Fprintf(w, "\n== agree, or the kernel cannot judge\n")
		for _, row := range r.Rows {
			if row.Outcome == Agree || row.Outcome == KernelCannot {
				row.print(w)
			}
		}
	}
	t := r.Total()
	fmt.Fprintf(w, "\n%-28s %6s %6s %6s %6s %6s %7s\n", "family", "agree", "f.acc", "f.rej", "can't", "k.can't", "share")
	names, by := r.byFamily()
	for _, n := range names {
		c := by[n]
		fmt.Fprintf(w, "%-28s %6d %6d %6d %6d %6d %9s\n", n, c.N[Agree], c.N[FalseAccept], c.N[FalseReject], c.N[CannotJudge], c.N[KernelCannot], percent(c.N[Agree], c.Decided()))
	}
	fmt.Fprintf(w, "%-28s %6d %6d %6d %6d %6d %9s\n", "all", t.N[Agree], t.N[FalseAccept], t.N[FalseReject], t.N[CannotJudge], t.N[KernelCannot], percent(t.N[Agree], t.Decided()))
	accepted, unknown := r.bounds()
	fmt.Fprintf(w, "we accept %d: worst case known for %s\n", accepted, percent(accepted-unknown, accepted))
	fmt.Fprintf(w, "both refuse %d: same reason %s, same last instruction %s\n", t.Refused, percent(t.Reason, t.Refused), percent(t.At, t.Placed))
}

func (r Row) print(w io.Writer) {
	fmt.Fprintf(w, "%s/%s [%s]\n    ours:   %s", r.Object, r.Program, r.Section, r.Verdict())
	if r.Code != 0 {
		fmt.Fprintf(w, " MB%04d %s", r.Code, r.CodeName)
	}
	if r.Insn >= 0 {
		fmt.Fprintf(w, " @%d", r.Insn)
	}
	if r.Message != "" {
		fmt.Fprintf(w, ": %s", oneLine(r.Message))
	}
	fmt.Fprintf(w, "\n    kernel: %s", r.Kernel.Verdict)
	if r.Kernel.Insn >= 0 {
		fmt.Fprintf(w, " @%d", r.Kernel.Insn)
	}
	if r.Kernel.Message != "" {
		fmt.Fprintf(w, ": %s", oneLine(r.Kernel.Message))
	}
	fmt.Fprintln(w)
}

func oneLine(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > 300 {
		s = s[:300] + "..."
	}
	return s
}

// PrintLogs writes both logs beneath each other, ours first.
func (r *Result) PrintLogs(w io.Writer, lines int) {
	for _, row := range r.Rows {
		row.print(w)
		fmt.Fprintf(w, "---- ours\n%s\n---- kernel\n%s\n", tail(row.Log, lines), tail(row.Kernel.Log, lines))
	}
}

// Markdown writes docs/conformance.md: the figures of all comparisons, then each
// in full. Missing says why comparisons were not made.
func Markdown(w io.Writer, all []*Result, missing []string) {
	fmt.Fprintf(w, "# Conformance with the kernel's verifier\n\n")
	fmt.Fprintf(w, "Made by `make conformance`; do not edit. Each program of a corpus is judged by modbpf first, in a process to which `bpf()` is\n")
	fmt.Fprintf(w, "refused, and then loaded, by itself and attached to nothing, into a real kernel: the machine's own, or one of the kernel lab.\n\n")
	fmt.Fprintf(w, "| corpus | kernel | decides | agree | share | we accept | we refuse | we cannot | kernel cannot | both refuse | same reason | same last instruction |\n|---|---|---|---|---|---|---|---|---|---|---|---|\n")
	for _, r := range all {
		t := r.Total()
		fmt.Fprintf(w, "| %s | %s | %d | %d | %s | %d | %d | %d | %d | %d | %s | %s |\n", r.Title, r.Kernel, t.Decided(), t.N[Agree], percent(t.N[Agree], t.Decided()),
			t.N[FalseAccept], t.N[FalseReject], t.N[CannotJudge], t.N[KernelCannot], t.Refused, percent(t.Reason, t.Refused), percent(t.At, t.Placed))
	}
	fmt.Fprintf(w, "\n\"We accept\": and the kernel refuses. \"We refuse\": and the kernel accepts. \"We cannot\": `error` or `unsupported` where the kernel decides.\n")
	for _, m := range missing {
		fmt.Fprintf(w, "\nNot compared: %s.\n", m)
	}
	for _, r := range all {
		r.markdown(w)
	}
}

func (r *Result) markdown(w io.Writer) {
	fmt.Fprintf(w, "\n## %s, kernel %s\n\n%s; %d objects, %d programs.", r.Title, r.Kernel, r.Corpus.Origin, len(r.Corpus.Objects), len(r.Rows))
	if n := len(r.Corpus.Failed); n > 0 {
		fmt.Fprintf(w, " %d sources do not compile: %s.", n, strings.Join(r.Corpus.Failed, ", "))
	}
	accepted, unknown := r.bounds()
	fmt.Fprintf(w, " Of %d programs we accept, %s have a known worst case.\n", accepted, percent(accepted-unknown, accepted))
	fmt.Fprintf(w, "\n| family | agree | we accept | we refuse | we cannot | kernel cannot | share |\n|---|---|---|---|---|---|---|\n")
	names, by := r.byFamily()
	for _, n := range names {
		c := by[n]
		fmt.Fprintf(w, "| %s | %d | %d | %d | %d | %d | %s |\n", n, c.N[Agree], c.N[FalseAccept], c.N[FalseReject], c.N[CannotJudge], c.N[KernelCannot], percent(c.N[Agree], c.Decided()))
	}
	for _, out := range []Outcome{FalseAccept, FalseReject, CannotJudge} {
		r.disagreements(w, out)
	}
	r.limits(w)
	r.cannot(w)
}

func (r *Result) disagreements(w io.Writer, out Outcome) {
	head := false
	for _, row := range r.Rows {
		if row.Outcome != out {
			continue
		}
		if !head {
			fmt.Fprintf(w, "\n### %s%s\n\n| program | ours | kernel |\n|---|---|---|\n", strings.ToUpper(out.String()[:1]), out.String()[1:])
			head = true
		}
		ours := row.Verdict()
		if row.Code != 0 {
			ours += fmt.Sprintf(" MB%04d", row.Code)
		}
		if row.Message != "" {
			ours += ": " + cell(row.Message)
		}
		theirs := row.Kernel.Verdict
		if row.Kernel.Message != "" {
			theirs += ": " + cell(row.Kernel.Message)
		}
		fmt.Fprintf(w, "| %s/%s | %s | %s |\n", row.Object, row.Program, ours, theirs)
	}
}

// bounds counts programs we accept and those of them whose longest path has no
// known length.
func (r *Result) bounds() (accepted, unknown int) {
	for _, row := range r.Rows {
		if row.Verdict() == "accept" {
			accepted++
			if row.Worst < 0 {
				unknown++
			}
		}
	}
	return accepted, unknown
}

// cannot lists why the kernel did not decide.
func (r *Result) cannot(w io.Writer) {
	why := make(map[string]int)
	var keys []string
	for _, row := range r.Rows {
		if row.Outcome != KernelCannot {
			continue
		}
		k := cannotReason(row)
		if why[k] == 0 {
			keys = append(keys, k)
		}
		why[k]++
	}
	if len(keys) == 0 {
		return
	}
	fmt.Fprintf(w, "\n### The kernel cannot judge\n\n| why | programs |\n|---|---|\n")
	slices.SortStableFunc(keys, func(a, b string) int { return why[b] - why[a] })
	for _, k := range keys {
		fmt.Fprintf(w, "| %s | %d |\n", cell(k), why[k])
	}
}

// limits lists programs at the complexity limit, with what both processed.
func (r *Result) limits(w io.Writer) {
	head := false
	for _, row := range r.Rows {
		if !strings.Contains(row.Kernel.Message, "too large") && !strings.Contains(row.Kernel.Message, "too complex") {
			continue
		}
		if !head {
			fmt.Fprintf(w, "\n### At the kernel's complexity limits\n\n| program | ours | our processed | kernel | its processed |\n|---|---|---|---|---|\n")
			head = true
		}
		fmt.Fprintf(w, "| %s/%s | %s | %d | %s | %d |\n", row.Object, row.Program, row.Verdict(), row.Processed, row.Kernel.Verdict, row.Kernel.Processed)
	}
}

func cannotReason(row Row) string {
	if !row.Bound {
		m := row.Message
		for _, p := range []string{"kernel has no kfunc", "kernel has no struct_ops table", "kernel has no struct_ops member", "kernel has no attach target", "kernel has no config option", "kernel has no kernel", "names no program type", "attach target that", "another object", "open object"} {
			if strings.Contains(m, p) {
				return "not bound: " + p
			}
		}
		return "not bound: " + m
	}
	m := row.Kernel.Message
	switch {
	case strings.Contains(m, "create "):
		return "a map cannot be created"
	case strings.Contains(m, "not permitted"):
		return "this kernel refuses tracing and LSM programs"
	}
	_, m, _ = strings.Cut(m, ": ")
	return m
}

func cell(s string) string {
	s = strings.ReplaceAll(oneLine(s), "|", "\\|")
	if len(s) > 160 {
		s = s[:160] + "..."
	}
	return s
}
