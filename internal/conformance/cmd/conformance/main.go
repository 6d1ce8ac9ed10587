// SPDX-License-Identifier: Apache-2.0

// Command conformance compares our verifier's verdicts with the kernel's; see
// internal/conformance/README.md.
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"runtime/pprof"

	"github.com/modbpf/modbpf/internal/conformance"
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
		docs    = flag.String("o", "", "write the report as Markdown to this file")
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
	var c *conformance.Corpus
	var err error
	switch {
	case *dir != "":
		c, err = conformance.OpenDir(*dir)
	case *source == "debian":
		c, err = conformance.Debian(ctx, os.Stderr)
	default:
		c, err = conformance.Selftests(ctx, os.Stderr, *source)
	}
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
	if *docs != "" {
		var b bytes.Buffer
		res.Markdown(&b)
		return os.WriteFile(*docs, b.Bytes(), 0o644)
	}
	return nil
}
