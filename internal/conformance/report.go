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

// Markdown writes docs/conformance.md.
func (r *Result) Markdown(w io.Writer) {
	t := r.Total()
	fmt.Fprintf(w, "# Conformance with the kernel's verifier\n\n")
	fmt.Fprintf(w, "Made by `make conformance`; do not edit. Corpus: the kernel's own selftests (%s), %d objects, %d programs.\n", r.Corpus.Origin, len(r.Corpus.Objects), len(r.Rows))
	fmt.Fprintf(w, "Oracle: the machine's kernel, %s, asked to load each program by itself. Our side runs first, in a process to which `bpf()` is refused.\n\n", r.Kernel)
	fmt.Fprintf(w, "| | programs |\n|---|---|\n| the kernel decides | %d |\n| agree | %d (%s) |\n| we accept, the kernel refuses | %d |\n| we refuse, the kernel accepts | %d |\n| we cannot judge (`error` or `unsupported`) | %d |\n| the kernel cannot judge | %d |\n",
		t.Decided(), t.N[Agree], percent(t.N[Agree], t.Decided()), t.N[FalseAccept], t.N[FalseReject], t.N[CannotJudge], t.N[KernelCannot])
	fmt.Fprintf(w, "| both refuse | %d |\n| ... for the kernel's reason | %d (%s) |\n| ... at the kernel's last instruction | %d (%s) |\n\n", t.Refused, t.Reason, percent(t.Reason, t.Refused), t.At, percent(t.At, t.Placed))
	fmt.Fprintf(w, "## By family\n\n| family | agree | we accept | we refuse | we cannot | kernel cannot | share |\n|---|---|---|---|---|---|---|\n")
	names, by := r.byFamily()
	for _, n := range names {
		c := by[n]
		fmt.Fprintf(w, "| %s | %d | %d | %d | %d | %d | %s |\n", n, c.N[Agree], c.N[FalseAccept], c.N[FalseReject], c.N[CannotJudge], c.N[KernelCannot], percent(c.N[Agree], c.Decided()))
	}
	for _, out := range []Outcome{FalseAccept, FalseReject, CannotJudge} {
		fmt.Fprintf(w, "\n## %s%s\n\n", strings.ToUpper(out.String()[:1]), out.String()[1:])
		var rows []Row
		for _, row := range r.Rows {
			if row.Outcome == out {
				rows = append(rows, row)
			}
		}
		if len(rows) == 0 {
			fmt.Fprintf(w, "None.\n")
			continue
		}
		fmt.Fprintf(w, "| program | ours | kernel |\n|---|---|---|\n")
		for _, row := range rows {
			ours := row.Verdict()
			if row.Code != 0 {
				ours += fmt.Sprintf(" MB%04d", row.Code)
			}
			fmt.Fprintf(w, "| %s/%s | %s: %s | %s: %s |\n", row.Object, row.Program, ours, cell(row.Message), row.Kernel.Verdict, cell(row.Kernel.Message))
		}
	}
	r.limits(w)
	fmt.Fprintf(w, "\n## The kernel cannot judge\n\nWhy, and how many programs:\n\n| reason | programs |\n|---|---|\n")
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
	slices.SortFunc(keys, func(a, b string) int { return why[b] - why[a] })
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
			fmt.Fprintf(w, "\n## At the kernel's complexity limits\n\n| program | ours | our processed | kernel | its processed |\n|---|---|---|---|---|\n")
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
