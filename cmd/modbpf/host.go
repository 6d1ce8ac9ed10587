// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/modbpf/modbpf/framework"
	"github.com/modbpf/modbpf/framework/exitcode"
	"github.com/modbpf/modbpf/framework/host/hid/recording"
	"github.com/modbpf/modbpf/framework/hostproc"
)

// readyFD is the variable that tells a background host where to say that it is
// ready: it inherits the write end of a pipe.
const readyFD = "MODBPF_HOST_READY"

// checkedForHost proves a driver under the rules and layouts the host takes.
func (a *app) checkedForHost(path string, bind framework.BindOptions) (*framework.Checked, error) {
	d, err := framework.Load(path)
	if err != nil {
		return nil, err
	}
	k, err := framework.HIDKernel()
	if err != nil {
		return nil, err
	}
	b, err := d.Bind(k, bind)
	if err != nil {
		return nil, err
	}
	if err := b.Unmet(); err != nil {
		return nil, err
	}
	c, results, err := b.Check(framework.CheckOptions{Facts: true})
	if err != nil {
		return nil, err
	}
	if c == nil {
		if !a.json {
			for _, r := range results {
				if r.Needed && !r.Optional && r.Checked == nil {
					a.printVerdictTo(path, k, r)
				}
			}
		}
		return nil, b.Refuse(results)
	}
	return c, nil
}

// insertHost inserts into the host: in the foreground until it is removed or
// interrupted, or in the background with -d.
func (a *app) insertHost(f *insertFlags, args []string, bind framework.BindOptions, why string) error {
	c, err := a.checkedForHost(args[0], bind)
	if err != nil {
		return err
	}
	d := c.Bound().Driver
	if f.show {
		out := insertJSON{
			API: api, Driver: d.Name(), Version: d.Version(), Target: string(framework.TargetHost), Why: why, Judge: c.Judge().String(),
			Instances: []instanceJSON{{Instance: "host", Outcome: "planned"}},
		}
		return a.printInsert(&out, c.Bound())
	}
	if st, err := hostproc.Find(d.Name()); err == nil {
		if st.Version == d.Version() {
			a.printf("%s %s is inserted in the host already (process %d), nothing changed\n", st.Driver, st.Version, st.PID)
			return nil
		}
		return exitcode.Busy.Errorf("insert %s into the host: version %s is inserted there; modbpf remove %s first", d.Name(), st.Version, d.Name())
	}
	if f.detach {
		return a.detach(d)
	}
	o := framework.HostOptions{Device: f.device, Wait: f.wait, Print: a.out}
	if a.json {
		o.Print = io.Discard
	}
	if f.play != "" {
		if o.Recording, err = readOne(f.play); err != nil {
			return err
		}
	}
	o.Ready = func() {
		a.hostReady(c, why)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := c.Host(ctx, o); err != nil {
		return err
	}
	if !a.json {
		a.printf("removed %s from the host\n", d.Name())
	}
	return nil
}

func (a *app) hostReady(c *framework.Checked, why string) {
	d := c.Bound().Driver
	if a.json {
		_ = a.object(insertJSON{API: api, Driver: d.Name(), Version: d.Version(), Target: string(framework.TargetHost), Why: why, Judge: c.Judge().String(), // lost output is told at the end
			Notes: []string{}, Instances: []instanceJSON{{Instance: "host", Outcome: "inserted"}}})
	} else {
		a.printf("%s %s %s into the host (%s), under the rules of kernel %s\n", a.paint(green, "inserted"), d.Name(), d.Version(), why, c.Bound().Kernel.Uname())
	}
	if os.Getenv(readyFD) == "" {
		return
	}
	if p := os.NewFile(3, "ready"); p != nil {
		fmt.Fprintln(p, "ready")
		p.Close()
	}
}

func readOne(file string) (*recording.Device, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, exitcode.NotFound.Errorf("read recording: %w", err)
	}
	defer f.Close()
	devs, err := recording.Read(f, file)
	if err != nil {
		return nil, exitcode.Usage.With(err)
	}
	if len(devs) != 1 {
		return nil, exitcode.Usage.Errorf("%s: %d devices in it, want one", file, len(devs))
	}
	return devs[0], nil
}

// detach starts the same command in the background and waits until it says
// that the driver is in, or ends.
func (a *app) detach(d *framework.Driver) error {
	if err := hostproc.MakeDir(); err != nil {
		return err
	}
	exe, err := os.Executable()
	if err != nil {
		return exitcode.Internal.Errorf("start background host: %w", err)
	}
	var args []string
	for _, s := range os.Args[1:] {
		if s != "-d" && s != "--detach" {
			args = append(args, s)
		}
	}
	path := hostproc.Log(d.Name())
	log, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o600)
	if err != nil {
		return exitcode.IO.Errorf("start background host: %w", err)
	}
	defer log.Close()
	r, w, err := os.Pipe()
	if err != nil {
		return exitcode.IO.Errorf("start background host: %w", err)
	}
	defer r.Close()
	cmd := exec.Command(exe, args...)
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = log, log, []*os.File{w}
	cmd.Env = append(os.Environ(), readyFD+"=3")
	background(cmd)
	if err := cmd.Start(); err != nil {
		return exitcode.IO.Errorf("start background host: %w", err)
	}
	w.Close()
	said, err := io.ReadAll(r)
	if err == nil && strings.TrimSpace(string(said)) == "ready" {
		if a.json {
			st, err := hostproc.Find(d.Name())
			if err != nil {
				return err
			}
			return a.object(struct {
				API  string           `json:"api"`
				Host *hostproc.Status `json:"host"`
			}{api, st})
		}
		a.printf("%s %s %s into the host, process %d, output in %s\n", a.paint(green, "inserted"), d.Name(), d.Version(), cmd.Process.Pid, path)
		return cmd.Process.Release()
	}
	// It ended before it was ready: its own words and exit code are the answer.
	werr := cmd.Wait()
	text, rerr := os.ReadFile(path)
	if rerr != nil {
		return exitcode.IO.Errorf("start background host: %w", errors.Join(werr, rerr))
	}
	msg := strings.TrimPrefix(strings.TrimSpace(string(text)), filepath.Base(os.Args[0])+": ")
	code := exitcode.Internal
	if ee := (*exec.ExitError)(nil); errors.As(werr, &ee) && ee.ExitCode() > 0 {
		code = exitcode.Code(ee.ExitCode())
	}
	return code.Errorf("%s", msg)
}
