// SPDX-License-Identifier: Apache-2.0

// Command lab runs programs under real kernels by hand:
//
//	lab run --kernel 7.2 [-file HOST[:GUEST]]... [-module NAME]... [-out GLOB]... -- PROGRAM [ARG]...
//	lab fetch 6.12 7.2
//	lab kernels
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/modbpf/modbpf/internal/kernellab"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	code, err := run(ctx, os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "lab:", err)
		code = 125
	}
	stop()
	os.Exit(code)
}

type list []string

func (l *list) String() string     { return strings.Join(*l, ",") }
func (l *list) Set(s string) error { *l = append(*l, s); return nil }

func run(ctx context.Context, args []string) (int, error) {
	if len(args) == 0 {
		return 0, errors.New("usage: lab run|fetch|kernels (see internal/kernellab/README.md)")
	}
	lab, err := kernellab.Open()
	if err != nil {
		return 0, err
	}
	switch args[0] {
	case "run":
		return runJob(ctx, lab, args[1:])
	case "fetch", "kernels":
		series := args[1:]
		if len(series) == 0 {
			series = kernellab.Series
		}
		for _, s := range series {
			k, err := lab.Kernel(ctx, s)
			if err != nil {
				return 0, err
			}
			fmt.Printf("%s\t%s\t%s\n", k.Series, k.Uname, k.Vmlinux())
			for _, p := range k.Packages {
				fmt.Printf("\t%s %s sha256:%s\n", p.Name, p.Version, p.SHA256)
			}
		}
		return 0, nil
	}
	return 0, fmt.Errorf("unknown command %q: want run, fetch or kernels", args[0])
}

func runJob(ctx context.Context, lab *kernellab.Lab, args []string) (int, error) {
	fs := flag.NewFlagSet("lab run", flag.ContinueOnError)
	series := fs.String("kernel", "7.2", "kernel `series`")
	timeout := fs.Duration("timeout", 5*time.Minute, "how long the program may take")
	cpus := fs.Int("cpus", 1, "CPUs of the guest")
	memory := fs.Int("memory", 1024, "memory of the guest, MiB")
	dir := fs.String("dir", "", "working folder in the guest (default /tmp)")
	outDir := fs.String("outdir", ".", "where files brought back are put")
	verbose := fs.Bool("v", false, "show the guest's console and the time it took")
	var files, modules, out, env list
	fs.Var(&files, "file", "`HOST[:GUEST]` file to put into the guest (default /tmp/BASENAME); repeatable")
	fs.Var(&modules, "module", "`name` of a module to load first; repeatable")
	fs.Var(&out, "out", "guest path or `glob` to bring back; repeatable")
	fs.Var(&env, "env", "`NAME=VALUE` for the program; repeatable")
	if err := fs.Parse(args); err != nil {
		return 0, err
	}
	if fs.NArg() == 0 {
		return 0, errors.New("run: no program")
	}
	k, err := lab.Kernel(ctx, *series)
	if err != nil {
		return 0, err
	}
	job := kernellab.Job{
		Args: fs.Args(), Env: env, Dir: *dir, Modules: modules, Out: out, Files: map[string]string{}, Timeout: *timeout,
		Stdout: os.Stdout, Stderr: os.Stderr, Machine: kernellab.Machine{CPUs: *cpus, Memory: *memory},
	}
	if st, err := os.Stat(job.Args[0]); err == nil && st.Mode().IsRegular() {
		to := "/tmp/" + filepath.Base(job.Args[0])
		job.Files[to] = job.Args[0]
		job.Args[0] = to
	}
	for _, f := range files {
		from, to, ok := strings.Cut(f, ":")
		if !ok {
			to = path.Join("/tmp", filepath.Base(from))
		}
		job.Files[to] = from
	}
	if st, err := os.Stdin.Stat(); err == nil && st.Mode()&os.ModeCharDevice == 0 {
		job.Stdin = os.Stdin
	}
	res, err := lab.Run(ctx, k, job)
	if err != nil {
		return 0, err
	}
	for name, b := range res.Files {
		if err := os.WriteFile(filepath.Join(*outDir, path.Base(name)), b, 0o644); err != nil {
			return 0, err
		}
	}
	if *verbose {
		fmt.Fprintf(os.Stderr, "lab: %s: program %v, all %v\n%s", k.Uname, res.Duration.Round(time.Millisecond), res.Total.Round(time.Millisecond), res.Console)
	}
	if res.Error != "" || res.TimedOut || res.Signal != "" {
		return 0, res.Err()
	}
	return res.Exit, nil
}
