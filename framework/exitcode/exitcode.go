// SPDX-License-Identifier: Apache-2.0

// Package exitcode is the one table of modbpf's exit codes. Numbers are only
// ever added, never reused: scripts and package maintainers rely on them.
package exitcode

import (
	"bytes"
	"errors"
	"fmt"
)

//go:generate go test -run TestGenerated -update .

// Code is what the process exits with. It is an error, so that a step can wrap
// it: fmt.Errorf("...: %w", exitcode.Busy).
type Code int

// The codes.
const (
	OK          Code = 0
	Differs     Code = 1
	Usage       Code = 2
	Manifest    Code = 3
	Object      Code = 4
	Verify      Code = 5
	Unsupported Code = 6
	NotJudged   Code = 7
	Permission  Code = 8
	NotFound    Code = 9
	Busy        Code = 10
	IO          Code = 11
	Signature   Code = 12
	Internal    Code = 13
)

// Row is one line of the table.
type Row struct {
	Code    Code
	Name    string // as --json prints it
	Meaning string
}

// Table lists all codes.
var Table = []Row{
	{OK, "ok", "Done, or nothing was to be done."},
	{Differs, "test-differs", "A test ran and its result is not the expected one."},
	{Usage, "usage", "The command line is wrong: unknown verb or flag, a missing argument, a parameter out of range."},
	{Manifest, "manifest", "A manifest is wrong; every mistake is printed at file:line:column."},
	{Object, "object", "An object cannot be read: not ELF, not BPF, truncated, big-endian, without BTF, or it lacks what the manifest names."},
	{Verify, "verification", "A program breaks a rule of the kernel it was judged for."},
	{Unsupported, "unsupported-kernel", "The kernel lacks something the driver needs: an extension point, a kfunc, an option; or the system has no BPF."},
	{NotJudged, "not-judged", "modbpf cannot tell whether a program is safe: not built, or a limit of its own. Never counted as a refusal."},
	{Permission, "permission", "The user may not do this; the message names the capability, group or policy."},
	{NotFound, "not-found", "No such driver, insertion, device, profile or file."},
	{Busy, "busy", "Someone else is at it, or the place is taken: another modbpf holds the lock, a pin path holds something foreign, another version is inserted."},
	{IO, "input-output", "A file, file system or device failed: full disk, read-only bpffs, a system call that should work."},
	{Signature, "signature", "A signature is missing, does not match, or its key is not trusted."},
	{Internal, "internal", "A bug in modbpf."},
}

// String is the code's name.
func (c Code) String() string {
	for _, r := range Table {
		if r.Code == c {
			return r.Name
		}
	}
	return fmt.Sprintf("exit code %d", int(c))
}

func (c Code) Error() string { return c.String() }

// coded is an error with a code that its text does not repeat.
type coded struct {
	code Code
	err  error
}

func (e *coded) Error() string   { return e.err.Error() }
func (e *coded) Unwrap() []error { return []error{e.err, e.code} }

// With gives an error an exit code; nil stays nil. A code the error already
// has is kept: the step nearest to the mistake knows best.
func (c Code) With(err error) error {
	if err == nil {
		return nil
	}
	var old Code
	if errors.As(err, &old) {
		return err
	}
	return &coded{c, err}
}

// Errorf makes an error with a code.
func (c Code) Errorf(format string, args ...any) error {
	return c.With(fmt.Errorf(format, args...))
}

// Of is the exit code of an error: OK for nil, Internal if it has none.
func Of(err error) Code {
	if err == nil {
		return OK
	}
	var c Code
	if errors.As(err, &c) {
		return c
	}
	return Internal
}

// Reference is the manual page of the table, in Markdown.
func Reference() []byte {
	var b bytes.Buffer
	b.WriteString("<!-- Generated from framework/exitcode by go generate; edit the table there. -->\n# Exit codes\n\n" +
		"Every command exits with one of these. `--json` output names the code in `error.exit`.\n" +
		"Numbers are only ever added.\n\n| code | name | meaning |\n|---|---|---|\n")
	for _, r := range Table {
		fmt.Fprintf(&b, "| %d | %s | %s |\n", r.Code, r.Name, r.Meaning)
	}
	b.WriteString("\n`modbpf check` looks at several programs and kernels and exits with the worst: 7 before 5 before 6 before 0;\n" +
		"an object or manifest that cannot be read counts as 7 in a run that judges other programs too, and has its own code (3, 4, 9) alone.\n")
	return b.Bytes()
}
