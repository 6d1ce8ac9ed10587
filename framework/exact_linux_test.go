// SPDX-License-Identifier: Apache-2.0

package framework

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/framework/profile"
	"github.com/modbpf/modbpf/internal/conformance"
	"github.com/modbpf/modbpf/internal/kernellab"
	"github.com/modbpf/modbpf/internal/kernellab/labtest"
	"github.com/modbpf/modbpf/verifier"
)

func TestMain(m *testing.M) {
	EnterGuest()
	os.Exit(m.Run())
}

// TestExact asks real kernels about a shipped driver, and then about one whose
// verdict of ours is falsified, so that there is a difference to reproduce.
func TestExact(t *testing.T) {
	labtest.Open(t, "7.2") // skips where there is no lab
	k, err := profile.Find("7.2")
	if err != nil {
		t.Fatal(err)
	}
	d, err := Load("../manifests/nti.yaml")
	if err != nil {
		t.Fatal(err)
	}
	b, err := d.Bind(k, BindOptions{DefaultMaxEntries: 1})
	if err != nil {
		t.Fatal(err)
	}
	_, results, err := b.Check(CheckOptions{All: true})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	said, err := b.Exact(t.Context(), results, ExactOptions{Reproducers: dir})
	if err != nil {
		t.Fatal(err)
	}
	if len(said) != len(results) || len(said) == 0 {
		t.Fatalf("%d opinions on %d programs", len(said), len(results))
	}
	for _, o := range said {
		if o.Verdict != "accept" || o.Differs || o.Processed == 0 || !strings.HasPrefix(o.Kernel, "7.2.") {
			t.Errorf("%+v", o)
		}
	}

	// We say that the program is refused; the kernel takes it.
	r := results[slices.IndexFunc(results, func(r *Result) bool { return r.Verdict == verifier.Accept })]
	r.Verdict, r.Err = verifier.Reject, os.ErrInvalid
	said, err = b.Exact(t.Context(), results, ExactOptions{Reproducers: dir})
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(said, func(o *Opinion) bool { return o.Differs })
	if i < 0 || said[i].Program != r.Program {
		t.Fatalf("no difference is found: %+v", said)
	}
	var rep reproduction
	js, err := os.ReadFile(filepath.Join(said[i].Reproducer, "program.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(js, &rep); err != nil || rep.Theirs.Verdict != "accept" || rep.Ours.Verdict != "reject" || rep.Instructions != r.Instructions {
		t.Errorf("%v, %s", err, js)
	}
	for _, f := range []string{"object.bpf.o", "bound.txt", "reduced.txt", "reduced.json", "ours.log", "kernel.log"} {
		if st, err := os.Stat(filepath.Join(said[i].Reproducer, f)); err != nil || st.Size() == 0 {
			t.Errorf("%s: %v", f, err)
		}
	}
}

func TestBlank(t *testing.T) {
	insns := []bpf.Insn{{Op: bpf.OpLdImm64, Imm: 1}, {Imm: 2}, {Op: 0xb7}, {Op: bpf.OpExit}}
	for i, want := range []bool{true, false, true, false} {
		if got := blank(slices.Clone(insns), i); got != want {
			t.Errorf("instruction %d: %v", i, got)
		}
	}
	if blank(insns, 0); insns[0] != nop || insns[1] != nop {
		t.Errorf("both halves of a 64-bit load: %v", insns)
	}
	if got := live(insns); !slices.Equal(got, []int{2, 3}) {
		t.Errorf("live: %v", got)
	}
	if reason("R1 off=12; insns processed 3") != reason("R2 off=7") {
		t.Error("numbers count as reasons")
	}
}

// TestDriversOnKernels: every driver of this project gets from us the verdict
// that the kernels themselves give.
func TestDriversOnKernels(t *testing.T) {
	manifests, err := filepath.Glob("../manifests/*.yaml")
	if err != nil || len(manifests) == 0 {
		t.Fatalf("no manifests: %v", err)
	}
	for _, series := range []string{"6.18", "7.2", "7.3"} {
		t.Run(series, func(t *testing.T) {
			lab, kernel := labtest.Open(t, series)
			k, err := profile.Find(series)
			if err != nil {
				t.Fatal(err)
			}
			ours := map[string]*Result{}
			var questions []conformance.Question
			for _, m := range manifests {
				d, err := Load(m)
				if err != nil {
					t.Fatal(err)
				}
				b, err := d.Bind(k, BindOptions{DefaultMaxEntries: 1})
				if err != nil {
					t.Errorf("%s: %v", m, err)
					continue
				}
				_, results, _ := b.Check(CheckOptions{All: true}) // the verdicts count, not whether it can be inserted
				elf, err := os.ReadFile(d.ObjectPath)
				if err != nil {
					t.Fatal(err)
				}
				for _, r := range results {
					ours[m+"/"+r.Program] = r
				}
				questions = append(questions, conformance.Question{Name: m, ELF: elf})
			}
			g := &conformance.Guest{Lab: lab, Kernel: kernel, Machine: kernellab.Machine{Memory: 2048}}
			asked := 0
			err = g.Ask(t.Context(), questions, func(a conformance.Answer) {
				r, ok := ours[a.Object+"/"+a.Program]
				if !ok {
					t.Errorf("%s: %s: %+v", a.Object, a.Program, a.Said)
					return
				}
				asked++
				if differ(r.Verdict, a.Said.Verdict) || a.Said.Verdict == "cannot" {
					t.Errorf("%s %s: ours %s (%s), the kernel's %s (%s)", a.Object, a.Program, r.Verdict, r.Message(), a.Said.Verdict, a.Said.Message)
				}
				if r.Checked != nil && r.Checked.Report().Processed != a.Said.Processed {
					t.Logf("%s %s: we walk %d instructions, the kernel %d", a.Object, a.Program, r.Checked.Report().Processed, a.Said.Processed)
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			if asked != len(ours) {
				t.Errorf("%d of %d programs were answered for", asked, len(ours))
			}
			t.Logf("%d programs of %d drivers", asked, len(manifests))
		})
	}
}
