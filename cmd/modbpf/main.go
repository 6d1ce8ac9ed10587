// SPDX-License-Identifier: Apache-2.0

// Command modbpf inserts, lists, inspects, checks and removes BPF drivers. This
// package parses flags, calls the framework and prints; it decides nothing.
// Each verb is a file.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/modbpf/modbpf/framework"
	"github.com/modbpf/modbpf/framework/exitcode"
)

// version is set by the linker.
var version = "unknown"

func main() {
	framework.EnterGuest()
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run is the whole command with its exit code.
func run(args []string, stdout, stderr io.Writer) (code int) {
	out := &writer{w: stdout}
	a := &app{out: out, err: stderr}
	defer func() {
		if r := recover(); r != nil {
			code = int(exitcode.Internal)
			a.fail(exitcode.Internal.Errorf("internal error: %v", r))
			if a.verbose {
				fmt.Fprintf(stderr, "%s", debug.Stack())
			}
		}
	}()
	framework.Version = version
	root := a.root()
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(stderr)
	cmd, err := root.ExecuteC()
	if err == nil {
		if out.err == nil || errors.Is(out.err, syscall.EPIPE) {
			return int(exitcode.OK)
		}
		err = exitcode.IO.Errorf("print: %w", out.err)
	}
	var c exitcode.Code
	if !errors.As(err, &c) {
		// Cobra's own errors are about the command line.
		err = exitcode.Usage.Errorf("%w\nsee %s --help", err, cmd.CommandPath())
		// Flags may not have been parsed.
		for _, s := range args {
			a.json = a.json || s == "--json"
		}
	}
	a.fail(err)
	return int(exitcode.Of(err))
}

// root builds the tree of commands. What is not built is not in it.
func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "modbpf",
		Short: "BPF drivers, handled like kernel modules",
		Long: "modbpf checks BPF drivers with a verifier of its own and inserts them into the\n" +
			"running kernel, or into a host in user space: kmod for drivers written in BPF.\n" +
			"A driver is a manifest (driver.yaml) with a compiled object, or a bare object.",
		Version:       version,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          noArgs,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.CompletionOptions.HiddenDefaultCmd = false
	f := root.PersistentFlags()
	f.BoolVar(&a.json, "json", false, "print JSON, as docs/reference-json.md describes it")
	f.BoolVarP(&a.verbose, "verbose", "v", false, "explain more")
	f.StringVar(&a.bpffs, "bpffs", "", "mount point of the bpf file system (default /sys/fs/bpf)")
	f.StringVar(&a.sysfs, "sysfs", "", "where devices are looked up (default /sys)")
	for _, h := range []string{"bpffs", "sysfs"} {
		if err := f.MarkHidden(h); err != nil {
			panic(err) // the flag was made three lines above
		}
	}
	root.PersistentPreRun = func(*cobra.Command, []string) { a.start() }
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return exitcode.Usage.Errorf("%w\nsee %s --help", err, c.CommandPath())
	})
	for _, verb := range verbs {
		root.AddCommand(verb(a))
	}
	return root
}

// verbs are the commands in the order help shows them.
var verbs = []func(*app) *cobra.Command{
	insertCommand, removeCommand, listCommand, infoCommand, checkCommand, testCommand, recordCommand, upgradeCommand, rollbackCommand,
	newCommand, buildCommand, pointsCommand, explainCommand, profileCommand, mapCommand, docsCommand,
}

func noArgs(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var names []string
	for _, s := range c.Commands() {
		names = append(names, s.Name())
	}
	hint := ""
	if n := nearest(args[0], names); n != "" {
		hint = fmt.Sprintf(" (did you mean %q?)", n)
	}
	return exitcode.Usage.Errorf("unknown command %q%s\nsee %s --help", args[0], hint, c.CommandPath())
}

// atLeast asks for a number of arguments in the tool's own words.
func atLeast(n int, what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) < n {
			return exitcode.Usage.Errorf("%s: %s missing\nsee %s --help", c.Name(), what, c.CommandPath())
		}
		return nil
	}
}

func exactly(n int, what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if err := atLeast(n, what)(c, args); err != nil {
			return err
		}
		if len(args) > n {
			return exitcode.Usage.Errorf("%s: unexpected argument %q\nsee %s --help", c.Name(), strings.Join(args[n:], " "), c.CommandPath())
		}
		return nil
	}
}
