// SPDX-License-Identifier: Apache-2.0

//go:build unix

// Command bpf-conformance-plugin is modbpf's plugin of the public
// bpf_conformance suite.
//
//	bpf-conformance-plugin [MEMORY] [--interpret] [--elf] [--debug]
//
// MEMORY is the program's memory as hex bytes; the program comes as hex text on
// standard input. R0 is printed as hex.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/modbpf/modbpf/internal/bpfconformance"
)

func main() {
	if err := run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string, in io.Reader, out, diag io.Writer) error {
	var memory []byte
	if len(args) > 0 && !strings.HasPrefix(args[0], "--") {
		var err error
		if memory, err = bpfconformance.ParseHex(args[0]); err != nil {
			return fmt.Errorf("memory: %w", err)
		}
		args = args[1:]
	}
	var o bpfconformance.Options
	flags := flag.NewFlagSet("bpf-conformance-plugin", flag.ContinueOnError)
	flags.SetOutput(diag)
	flags.BoolVar(&o.Interpret, "interpret", false, "run on the interpreter")
	flags.BoolVar(&o.ELF, "elf", false, "the program is an ELF object")
	program := flags.String("program", "", "the program as hex text, instead of standard input")
	debug := flags.Bool("debug", false, "say on standard error what was run and how")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if *program == "" {
		text, err := io.ReadAll(in)
		if err != nil {
			return fmt.Errorf("read program: %w", err)
		}
		*program = string(text)
	}
	code, err := bpfconformance.ParseHex(*program)
	if err != nil {
		return fmt.Errorf("program: %w", err)
	}
	r, err := bpfconformance.Run(code, memory, o)
	if err != nil {
		return err
	}
	if *debug {
		fmt.Fprintf(diag, "verdict: %s\n", r.Verdict)
	}
	_, err = fmt.Fprintf(out, "%x\n", r.R0)
	return err
}
