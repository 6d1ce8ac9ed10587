// SPDX-License-Identifier: Apache-2.0

//go:build linux

package jit

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/internal/unchecked"
	"github.com/modbpf/modbpf/verifier"
)

func TestListing(t *testing.T) {
	p := &verifier.Program{
		Name:  "lister",
		Insns: program(movX(6, 1), ldx(bpf.SizeW, 2, 6, 4), movX(3, 2), alu(opAdd64K, 3, 0, 0, 5), movX(1, 3), local(1), exit, lddw(0, 1<<40), alu(opAdd64X, 0, 1, 0, 0), exit),
		Lines: []verifier.LineInfo{{Insn: 0, File: "a.c", Line: 3, Source: "int f(void)"}, {Insn: 1, File: "a.c", Line: 5, Source: "  x = c->y + 5;"}, {Insn: 7, File: "a.c", Line: 9, Source: "return BIG + x;"}},
	}
	onEach(t, func(t *testing.T, mk func(*verifier.Checked, Linker) (Executable, error)) {
		x, err := mk(unchecked.New(p), &testLinker{})
		if err != nil {
			t.Fatal(err)
		}
		defer x.Close()
		var b strings.Builder
		if err := List(&b, Measure(x)); err != nil {
			t.Fatal(err)
		}
		want := []string{"; x = c->y + 5; @ a.c:5", "1: r2 = *(u32 *)(r6 +4)", "; return BIG + x; @ a.c:9", "call 7", "r0 = 0x10000000000 ll"}
		if x.Engine() == "jit" {
			want = append(want, "push %rbx", "mov 0x4(%rbx),%esi", "ret")
		}
		for _, w := range want {
			if !strings.Contains(b.String(), w) {
				t.Errorf("listing lacks %q:\n%s", w, b.String())
			}
		}
	})
}

func TestPerfMap(t *testing.T) {
	name := fmt.Sprintf("/tmp/perf-%d.map", os.Getpid())
	defer os.Remove(name)
	for _, mk := range makers {
		x := build(t, mk, &testLinker{}, local(1), exit, movK(0, 1), exit)
		if err := PerfMap(x); err != nil {
			t.Fatal(err)
		}
	}
	if len(makers) < 2 {
		return
	}
	b, err := os.ReadFile(name)
	if err != nil || strings.Count(string(b), "bpf_prog_test::test") != 2 {
		t.Errorf("got %q, %v", b, err)
	}
}

func TestMeasure(t *testing.T) {
	onEach(t, func(t *testing.T, mk func(*verifier.Checked, Linker) (Executable, error)) {
		m := Measure(build(t, mk, &testLinker{}, movK(0, 1), exit))
		for range 3 {
			wantRun(t, m, 1)
		}
		if err := m.RunBatch([]uintptr{0, 0}, make([]uint64, 2), nil); err != nil {
			t.Error(err)
		}
		if s := m.Stats(); s.Runs != 11 || s.Nanoseconds == 0 || s.Slowest == 0 || s.Slowest > s.Nanoseconds || s.Errors != 0 {
			t.Errorf("got %+v", s)
		}
	})
}
