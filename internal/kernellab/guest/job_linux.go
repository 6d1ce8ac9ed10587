// SPDX-License-Identifier: Apache-2.0

package guest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/modbpf/modbpf/internal/kernellab/wire"
)

// run does one job. Its error means that the connection is beyond use; what
// goes wrong with the job itself is told in the Result.
func (a *agent) run(spec *wire.JobSpec) error {
	res := wire.Result{Exit: -1}
	prepErr := a.receiveFiles(spec.Files)
	var fatal *connError
	if errors.As(prepErr, &fatal) {
		return fatal.err
	}
	if prepErr == nil {
		prepErr = a.prepare(spec)
	}
	start := time.Now()
	inputOver := make(chan error, 1)
	if prepErr != nil {
		res.Error = prepErr.Error()
		go func() { inputOver <- a.drainInput(nil) }()
	} else {
		a.execute(spec, &res, inputOver)
	}
	res.Duration = time.Since(start)
	if prepErr == nil {
		if err := a.sendFiles(spec.Out, &res); err != nil {
			return err
		}
	}
	if err := a.conn.SendJSON(wire.Exit, res); err != nil {
		return err
	}
	return <-inputOver // the host ends its input when it has seen the exit
}

// connError is an error of the connection, as against one of the job.
type connError struct{ err error }

func (e *connError) Error() string { return e.err.Error() }

func (a *agent) receiveFiles(files []wire.File) error {
	var first error
	for _, f := range files {
		w, err := createFile(f)
		if err != nil && first == nil {
			first = err
		}
		var dst io.Writer = io.Discard
		if err == nil {
			dst = w
		}
		if err := a.conn.ReceiveData(dst, f.Size); err != nil {
			return &connError{err}
		}
		if w != nil {
			if err := w.Close(); err != nil && first == nil {
				first = err
			}
		}
	}
	return first
}

func createFile(f wire.File) (*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(f.Path), 0o755); err != nil {
		return nil, err
	}
	if err := os.Remove(f.Path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	return os.OpenFile(f.Path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, f.Mode.Perm())
}

func (a *agent) prepare(spec *wire.JobSpec) error {
	if !spec.Now.IsZero() {
		tv := unix.NsecToTimeval(spec.Now.UnixNano())
		if err := unix.Settimeofday(&tv); err != nil {
			return fmt.Errorf("set clock: %w", err)
		}
	}
	if err := addEntropy(spec.Seed); err != nil {
		return fmt.Errorf("add entropy: %w", err)
	}
	for _, m := range spec.Modules {
		if err := a.modules.load(m, ""); err != nil {
			return err
		}
	}
	return nil
}

// addEntropy credits the seed to the kernel's pool: guests restored from one
// snapshot would otherwise draw the same numbers.
func addEntropy(seed []byte) error {
	if len(seed) == 0 {
		return nil
	}
	f, err := os.OpenFile("/dev/urandom", os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	b := make([]byte, 8+len(seed)) // struct rand_pool_info: entropy bits, size, bytes
	binary.NativeEndian.PutUint32(b, uint32(8*len(seed)))
	binary.NativeEndian.PutUint32(b[4:], uint32(len(seed)))
	copy(b[8:], seed)
	for _, req := range []uintptr{unix.RNDADDENTROPY, unix.RNDRESEEDCRNG} {
		if _, _, e := unix.Syscall(unix.SYS_IOCTL, f.Fd(), req, uintptr(unsafe.Pointer(&b[0]))); e != 0 {
			return e
		}
	}
	return nil
}

// execute runs the command with its output going out as it comes.
func (a *agent) execute(spec *wire.JobSpec, res *wire.Result, inputOver chan<- error) {
	cmd := exec.Command(spec.Args[0], spec.Args[1:]...)
	cmd.Env = append(os.Environ(), spec.Env...)
	cmd.Dir = spec.Dir
	if cmd.Dir == "" {
		cmd.Dir = "/tmp"
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Stdout = &frameWriter{a.conn, wire.Stdout}
	cmd.Stderr = &frameWriter{a.conn, wire.Stderr}
	cmd.WaitDelay = 5 * time.Second
	stdin, err := cmd.StdinPipe()
	if err == nil {
		reaping.Lock()
		err = cmd.Start()
		if err == nil {
			reaping.own[cmd.Process.Pid] = true
		}
		reaping.Unlock()
	}
	if err != nil {
		res.Error = err.Error()
		go func() { inputOver <- a.drainInput(nil) }()
		return
	}
	go func() { inputOver <- a.drainInput(stdin) }()

	timer := time.AfterFunc(spec.Timeout, func() {
		res.TimedOut = true
		if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); err != nil {
			fmt.Fprintf(os.Stderr, "lab agent: kill job: %v\n", err)
		}
	})
	err = cmd.Wait()
	timer.Stop()
	reaping.Lock()
	delete(reaping.own, cmd.Process.Pid)
	reaping.Unlock()
	if cmd.ProcessState == nil {
		res.Error = err.Error()
		return
	}
	res.Exit = cmd.ProcessState.ExitCode()
	if ws, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		res.Signal = unix.SignalName(ws.Signal())
	}
}

// drainInput passes the host's input on until its end.
func (a *agent) drainInput(w io.WriteCloser) error {
	for {
		t, p, err := a.conn.Receive()
		if err != nil {
			return err
		}
		if t != wire.Stdin {
			return fmt.Errorf("unexpected frame %c while a job runs", t)
		}
		if len(p) == 0 {
			if w != nil {
				return closePipe(w)
			}
			return nil
		}
		if w != nil {
			if _, err := w.Write(p); err != nil {
				_ = closePipe(w) // the program no longer reads: it may
				w = nil
			}
		}
	}
}

func closePipe(w io.Closer) error {
	if err := w.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return err
	}
	return nil
}

type frameWriter struct {
	conn *wire.Conn
	t    wire.Type
}

func (w *frameWriter) Write(b []byte) (int, error) { return len(b), w.conn.Send(w.t, b) }

func (a *agent) sendFiles(globs []string, res *wire.Result) error {
	for _, g := range globs {
		names, err := filepath.Glob(g)
		if err != nil {
			res.Error = fmt.Sprintf("collect %s: %v", g, err)
			continue
		}
		for _, n := range names {
			if err := a.sendFile(n); err != nil {
				return err
			}
		}
	}
	return nil
}

func (a *agent) sendFile(name string) error {
	b, err := os.ReadFile(name) // size of pseudo files is only known by reading
	if err != nil {
		return nil //nolint:nilerr // vanished or a directory: the host sees that it did not arrive
	}
	st, err := os.Stat(name)
	if err != nil {
		return nil //nolint:nilerr // likewise
	}
	if err := a.conn.SendJSON(wire.OutFile, wire.File{Path: name, Mode: st.Mode(), Size: int64(len(b))}); err != nil {
		return err
	}
	for len(b) > 0 {
		n := min(len(b), 1<<19)
		if err := a.conn.Send(wire.Data, b[:n]); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// reaping keeps orphans (process 1 inherits them) from piling up without
// stealing the exit status of the job itself.
var reaping = struct {
	sync.Mutex
	own map[int]bool
}{own: map[int]bool{}}

func reap() {
	for {
		time.Sleep(500 * time.Millisecond)
		reapOrphans()
	}
}

func reapOrphans() {
	reaping.Lock()
	defer reaping.Unlock()
	for {
		var info unix.Siginfo
		if err := unix.Waitid(unix.P_ALL, 0, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil); err != nil {
			return
		}
		pid := int(*(*int32)(unsafe.Pointer(uintptr(unsafe.Pointer(&info)) + 16))) // si_pid
		if pid == 0 || reaping.own[pid] {
			return
		}
		if _, err := unix.Wait4(pid, nil, unix.WNOHANG, nil); err != nil {
			return
		}
	}
}
