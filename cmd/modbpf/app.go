// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/modbpf/modbpf/framework/exitcode"
	"github.com/modbpf/modbpf/framework/kernel"
	"github.com/modbpf/modbpf/framework/manifest"
)

// app is one run: where output goes and how.
type app struct {
	out, err io.Writer
	json     bool
	verbose  bool
	color    bool
	bpffs    string
	sysfs    string
}

// writer remembers that output was lost: a full disk is a failure even where
// the work itself was done.
type writer struct {
	w   io.Writer
	err error
}

func (w *writer) Write(b []byte) (int, error) {
	if w.err != nil {
		return len(b), nil // told once, at the end
	}
	n, err := w.w.Write(b)
	if err != nil {
		w.err = err
		return len(b), nil
	}
	return n, nil
}

// api is the version of the JSON this program prints.
const api = "modbpf/v1"

// start settles what flags decide.
func (a *app) start() {
	a.color = !a.json && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && isTerminal(a.out)
}

func isTerminal(w io.Writer) bool {
	if o, ok := w.(*writer); ok {
		w = o.w
	}
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	st, err := f.Stat()
	return err == nil && st.Mode()&os.ModeCharDevice != 0
}

// Colours of the terminal.
const (
	red    = "31"
	green  = "32"
	yellow = "33"
	bold   = "1"
	dim    = "2"
)

// paint colours a text if output is a terminal.
func (a *app) paint(color, s string) string {
	if !a.color {
		return s
	}
	return "\x1b[" + color + "m" + s + "\x1b[0m"
}

func (a *app) printf(format string, args ...any) { fmt.Fprintf(a.out, format, args...) }

// say tells what is being done; it is no result, so JSON output stays clean of it.
func (a *app) say(format string, args ...any) {
	if !a.json {
		fmt.Fprintf(a.err, format+"\n", args...)
	}
}

// object prints one JSON document: a struct whose first member is api.
func (a *app) object(v any) error { return a.encode(v, "  ") }

// line prints one JSON value on one line.
func (a *app) line(v any) error { return a.encode(v, "") }

func (a *app) encode(v any, indent string) error {
	e := json.NewEncoder(a.out)
	e.SetEscapeHTML(false)
	e.SetIndent("", indent)
	if err := e.Encode(v); err != nil {
		return exitcode.IO.Errorf("print: %w", err)
	}
	return nil
}

// errorJSON is how a failure looks with --json.
type errorJSON struct {
	API   string    `json:"api"`
	Error errorBody `json:"error"`
}

type errorBody struct {
	Exit    string `json:"exit"` // name of the exit code
	Code    int    `json:"code"`
	Message string `json:"message"`
}

// silent is an error whose story has been told already.
type silent struct{ exitcode.Code }

func (s silent) Unwrap() error { return s.Code }

// fail prints an error.
func (a *app) fail(err error) {
	if _, ok := err.(silent); ok {
		return
	}
	if a.json {
		_ = a.object(errorJSON{api, errorBody{exitcode.Of(err).String(), int(exitcode.Of(err)), err.Error()}}) // nothing is left to print to
		return
	}
	for i, l := range strings.Split(strings.TrimRight(err.Error(), "\n"), "\n") {
		if i == 0 {
			l = a.paintErr("modbpf: ") + l
		}
		fmt.Fprintln(a.err, l)
	}
}

func (a *app) paintErr(s string) string {
	if os.Getenv("NO_COLOR") != "" || !isTerminal(a.err) {
		return s
	}
	return "\x1b[" + red + "m" + s + "\x1b[0m"
}

// target opens the kernel target.
func (a *app) target(mount bool) (*kernel.Target, error) {
	return kernel.Open(kernel.Options{Root: a.bpffs, Sysfs: a.sysfs, Mount: mount})
}

func nearest(name string, names []string) string { return manifest.Nearest(name, names) }

// progress shows on a terminal what takes longer than a second.
type progress struct {
	mu    sync.Mutex
	w     io.Writer
	what  string
	done  int
	total int
	timer *time.Timer
	shown bool
}

func (a *app) progress(what string, total int) *progress {
	p := &progress{w: a.err, what: what, total: total}
	if !a.json && isTerminal(a.err) {
		p.timer = time.AfterFunc(time.Second, p.tick)
	}
	return p
}

func (p *progress) tick() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shown = true
	fmt.Fprintf(p.w, "\r\x1b[K%s %d/%d", p.what, p.done, p.total)
	p.timer.Reset(200 * time.Millisecond)
}

// say changes what is shown as going on.
func (p *progress) say(what string) {
	p.mu.Lock()
	p.what = what
	p.mu.Unlock()
}

func (p *progress) step() {
	p.mu.Lock()
	p.done++
	p.mu.Unlock()
}

func (p *progress) end() {
	if p.timer == nil {
		return
	}
	p.timer.Stop()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shown {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}
