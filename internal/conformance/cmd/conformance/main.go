// SPDX-License-Identifier: Apache-2.0

// Command conformance compares our verifier's verdicts with the kernel's; see
// internal/conformance/README.md.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"runtime/pprof"

	"github.com/modbpf/modbpf/internal/conformance"
	"github.com/modbpf/modbpf/internal/kernellab"
	"github.com/modbpf/modbpf/internal/kernellab/guest"
)

func main() {
	guest.MainIfInit()
	conformance.MaybeServe()
	conformance.MaybeJudge()
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(1)
	}
}

func run() error {
	var (
		req     conformance.Request
		dir     = flag.String("objects", "", "compare the objects of this folder instead of the kernel's selftests")
		source  = flag.String("source", conformance.Sources[0], "Debian package of kernel sources whose selftests are compared, or debian: the objects that packages ship")
		docs    = flag.String("o", "", "make all comparisons and write the report as Markdown to this file")
		agreed  = flag.Bool("a", false, "list also programs on which both agree")
		reasons = flag.Bool("reasons", false, "list programs both refuse, but for another reason or elsewhere")
		fresh   = flag.Bool("fresh", false, "ask the kernel again, also what it said before")
		lines   = flag.Int("lines", 60, "with -v: lines of each log")
		bench   = flag.Bool("bench", false, "compare verification times instead (best of five, one thread)")
		prof    = flag.String("cpuprofile", "", "with -bench: write a CPU profile of our side")
	)
	flag.StringVar(&req.Run, "run", "", "only programs whose object/program matches this regular expression")
	flag.StringVar(&req.Kernel, "kernel", "running", "kernel to compare with: running, or a series of the kernel lab (7.2)")
	flag.BoolVar(&req.Verbose, "v", false, "print both logs of each program")
	flag.IntVar(&req.Jobs, "j", runtime.NumCPU(), "programs judged at a time")
	flag.IntVar(&req.Limit, "limit", 60, "seconds we may take for a program")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if *docs != "" {
		return report(ctx, req, *docs, *fresh)
	}
	c, err := corpus(ctx, *source, *dir)
	if err != nil {
		return err
	}
	if *bench {
		if *prof != "" {
			f, err := os.Create(*prof)
			if err != nil {
				return err
			}
			if err := pprof.StartCPUProfile(f); err != nil {
				return err
			}
			defer pprof.StopCPUProfile()
		}
		return conformance.Bench(os.Stdout, c, req.Run)
	}
	res, err := conformance.Run(ctx, os.Stderr, c, req, *fresh)
	if err != nil {
		return err
	}
	if req.Verbose {
		res.PrintLogs(os.Stdout, *lines)
	}
	res.Print(os.Stdout, *agreed, *reasons)
	return nil
}

func corpus(ctx context.Context, source, dir string) (*conformance.Corpus, error) {
	switch {
	case dir != "":
		return conformance.OpenDir(dir)
	case source == "debian":
		return conformance.Debian(ctx, os.Stderr)
	}
	return conformance.Selftests(ctx, os.Stderr, source)
}

// labKernel is the kernel of the lab that is asked what the machine's own cannot
// decide: HID-BPF, queue disciplines, sched_ext, fentry, LSM.
const labKernel = "7.2"

// report makes every comparison and writes the document.
func report(ctx context.Context, req conformance.Request, file string, fresh bool) error {
	var all []*conformance.Result
	var missing []string
	for _, source := range []string{conformance.Sources[0], "debian"} {
		c, err := corpus(ctx, source, "")
		if err != nil {
			return err
		}
		req.Kernel, req.Only = "running", nil
		res, err := conformance.Run(ctx, os.Stderr, c, req, fresh)
		if err != nil {
			return err
		}
		all = append(all, res)
		res.Print(os.Stdout, false, false)
		req.Kernel, req.Only = labKernel, res.Unjudged()
		rest, err := conformance.Run(ctx, os.Stderr, c, req, fresh)
		if errors.Is(err, kernellab.ErrUnavailable) {
			missing = append(missing, fmt.Sprintf("what the machine's kernel cannot judge of %s with kernel %s (%v)", source, labKernel, err))
			continue
		}
		if err != nil {
			return err
		}
		rest.Title = "of " + rest.Title + ", what the machine's kernel cannot judge"
		all = append(all, rest)
		rest.Print(os.Stdout, false, false)
	}
	var b bytes.Buffer
	conformance.Markdown(&b, all, missing)
	return os.WriteFile(file, b.Bytes(), 0o644)
}
