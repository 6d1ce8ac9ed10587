// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"fmt"
	"io"
	"math"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/modbpf/modbpf/framework/kernel/sys"
	"github.com/modbpf/modbpf/framework/object"
	"github.com/modbpf/modbpf/verifier"
)

// big are the selftests whose verification takes longest.
var big = regexp.MustCompile(`^(pyperf|strobemeta|test_verif_scale|core_kern|loop[0-9]|test_cls_redirect|test_l4lb|test_xdp_noinline|test_sysctl_loop|profiler|xdp_synproxy|test_tcp_custom|bpf_flow|test_seg6_loop)`)

// Timing compares how long one program takes both verifiers.
type Timing struct {
	Name              string
	Insns             int
	Ours, Kernel      time.Duration // best of five; the kernel's to the microsecond
	Walked, TheirWalk int
	Alloc             uint64 // bytes our best run allocated
}

const benchRuns = 5

// Bench measures every program of a corpus that both accept (those whose name
// matches run; the big ones when run is empty are printed singly) in one
// process and thread: ours from bound instructions to the verdict, the
// kernel's own figure. Contestants alternate.
func Bench(w io.Writer, c *Corpus, run string) error {
	re, err := regexp.Compile(run)
	if err != nil {
		return err
	}
	k, err := kernelFor("running")
	if err != nil {
		return err
	}
	debug.SetGCPercent(400)
	var all []Timing
	for _, path := range c.Objects {
		b, err := Bind(path, k)
		if err != nil {
			continue // counted by the comparison
		}
		l := sys.NewLoader(b)
		for _, p := range b.Programs {
			name := objectName(path) + "/" + p.Spec.Name
			if p.Err != nil || !re.MatchString(name) {
				continue
			}
			if t, ok := timeOne(l, p, k); ok {
				t.Name = name
				all = append(all, t)
			}
		}
		if err := l.Close(); err != nil {
			return err
		}
	}
	printTimings(w, all, run != "")
	return nil
}

func timeOne(l *sys.Loader, p *object.BoundProgram, k verifier.Kernel) (Timing, bool) {
	t := Timing{Insns: len(p.Program.Insns), Ours: math.MaxInt64, Kernel: math.MaxInt64}
	for i := range benchRuns {
		walked, micros, err := Time(l, p, 1)
		if err != nil {
			return t, false
		}
		t.TheirWalk, t.Kernel = walked, min(t.Kernel, time.Duration(micros)*time.Microsecond)
		var before, after runtime.MemStats
		if i == 0 {
			runtime.ReadMemStats(&before)
		}
		start := time.Now()
		chk, diag := verifier.Verify(p.Program, k, verifier.Options{})
		took := time.Since(start)
		if diag != nil {
			return t, false
		}
		if i == 0 {
			runtime.ReadMemStats(&after)
			t.Alloc = after.TotalAlloc - before.TotalAlloc
		}
		t.Ours, t.Walked = min(t.Ours, took), chk.Report().Processed
		if i == 1 && took > 5*time.Second {
			break
		}
	}
	return t, true
}

func printTimings(w io.Writer, all []Timing, each bool) {
	fmt.Fprintf(w, "%-64s %8s %9s %9s %10s %10s %6s %8s\n", "program", "insns", "walked", "kernel's", "ours", "kernel", "ratio", "alloc")
	slices.SortFunc(all, func(a, b Timing) int { return int(b.Kernel - a.Kernel) })
	var sum float64
	var n, slower int
	var ours, theirs time.Duration
	for _, t := range all {
		k := max(t.Kernel, 500*time.Nanosecond) // the kernel's figure is in whole microseconds
		ratio := float64(t.Ours) / float64(k)
		sum += math.Log(ratio)
		n++
		ours, theirs = ours+t.Ours, theirs+k
		if ratio > 1 {
			slower++
		}
		if each || big.MatchString(t.Name) {
			fmt.Fprintf(w, "%-64s %8d %9d %9d %10s %10s %6.2f %7dK\n", strings.TrimSpace(t.Name), t.Insns, t.Walked, t.TheirWalk,
				t.Ours.Round(time.Microsecond), t.Kernel, ratio, t.Alloc>>10)
		}
	}
	if n > 0 {
		fmt.Fprintf(w, "%d programs both accept: geometric mean of ours/kernel %.3f, sum %.3f s / %.3f s, %d slower than the kernel\n",
			n, math.Exp(sum/float64(n)), ours.Seconds(), theirs.Seconds(), slower)
	}
}
