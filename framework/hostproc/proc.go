// SPDX-License-Identifier: Apache-2.0

// Package hostproc lets other processes see an insertion into the host. Such an
// insertion lives as long as its process, so the process is the state: it
// listens on a socket in the user's runtime folder, answers what it is, and
// ends when asked to. A socket nobody listens on is litter and is removed.
package hostproc

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/modbpf/modbpf/framework/exitcode"
)

// Status is what an insertion into the host says of itself.
type Status struct {
	Driver  string   `json:"driver"`
	Version string   `json:"version"`
	PID     int      `json:"pid"`
	Engine  string   `json:"engine"`  // jit or interpreter
	Kernel  string   `json:"kernel"`  // whose rules and layouts it runs under
	Source  string   `json:"source"`  // file it was inserted from
	Devices []string `json:"devices"` // it serves at the moment
	Slots   []Slot   `json:"slots"`
	Since   string   `json:"since"` // RFC 3339
}

// Slot is one callback's statistics.
type Slot struct {
	Table     string `json:"table"`
	Member    string `json:"member"`
	Runs      uint64 `json:"runs"`
	Nanos     uint64 `json:"nanoseconds"`       // mean of the sampled runs
	Worst     uint64 `json:"worst_nanoseconds"` // of the sampled runs
	WorstCase int64  `json:"worst_case"`        // instructions, proven; -1 if no bound is known
}

const (
	verbStatus = "status"
	verbRemove = "remove"
	timeout    = 2 * time.Second
)

// Dir is the runtime folder: XDG_RUNTIME_DIR, /run for root, else the
// temporary folder, always one folder for each user.
func Dir() string {
	if d := os.Getenv("XDG_RUNTIME_DIR"); d != "" {
		return filepath.Join(d, "modbpf")
	}
	if os.Getuid() == 0 {
		return "/run/modbpf"
	}
	return filepath.Join(os.TempDir(), fmt.Sprintf("modbpf-%d", os.Getuid()))
}

func socket(driver string) string { return filepath.Join(Dir(), driver+".sock") }

// Log is where a background host of a driver writes what it prints.
func Log(driver string) string { return filepath.Join(Dir(), driver+".log") }

// MakeDir makes the runtime folder, for this user alone.
func MakeDir() error {
	dir := Dir()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return exitcode.IO.Errorf("make runtime folder: %w", err)
	}
	if st, err := os.Lstat(dir); err != nil || !st.IsDir() || st.Mode().Perm()&0o077 != 0 {
		return exitcode.IO.Errorf("use runtime folder %s: it must be a folder that only you can read (chmod 700)", dir)
	}
	return nil
}

// Server answers for one insertion.
type Server struct {
	l    net.Listener
	path string
	busy sync.WaitGroup // answers being given
}

// Listen takes a driver's place. ErrBusy-like errors say that it is inserted
// already.
func Listen(driver string) (*Server, error) {
	if err := MakeDir(); err != nil {
		return nil, err
	}
	path := socket(driver)
	if _, err := Find(driver); err == nil {
		return nil, exitcode.Busy.Errorf("insert %s into the host: it is inserted there already (modbpf remove %s takes it out)", driver, driver)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, exitcode.IO.Errorf("listen for modbpf list and remove: %w", err)
	}
	return &Server{l: l, path: path}, nil
}

// Serve answers until ctx ends. status is asked anew each time; remove ends
// the insertion and returns once nothing of it is left.
func (s *Server) Serve(ctx context.Context, status func() Status, remove func()) {
	stop := context.AfterFunc(ctx, func() { s.l.Close() })
	defer stop()
	for {
		c, err := s.l.Accept()
		if err != nil {
			return
		}
		s.busy.Go(func() { s.answer(c, status, remove) })
	}
}

func (s *Server) answer(c net.Conn, status func() Status, remove func()) {
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return
	}
	verb, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		return
	}
	st := status()
	if strings.TrimSpace(verb) == verbRemove {
		remove()
	}
	_ = json.NewEncoder(c).Encode(st) // a client that went away needs no answer
}

// Close gives the place up, once who asked has been answered.
func (s *Server) Close() error {
	err := s.l.Close()
	s.busy.Wait()
	if errors.Is(err, net.ErrClosed) {
		err = nil
	}
	if rerr := os.Remove(s.path); rerr != nil && !errors.Is(rerr, fs.ErrNotExist) {
		err = errors.Join(err, rerr)
	}
	return err
}

func ask(path, verb string, wait time.Duration) (*Status, error) {
	c, err := net.DialTimeout("unix", path, timeout)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(wait)); err != nil {
		return nil, err
	}
	if _, err := fmt.Fprintln(c, verb); err != nil {
		return nil, err
	}
	var st Status
	if err := json.NewDecoder(c).Decode(&st); err != nil {
		return nil, fmt.Errorf("read answer of %s: %w", path, err)
	}
	return &st, nil
}

// Find asks the insertion of a driver what it is.
func Find(driver string) (*Status, error) {
	st, err := ask(socket(driver), verbStatus, timeout)
	if err != nil {
		return nil, notThere(driver, err)
	}
	return st, nil
}

func notThere(driver string, err error) error {
	path := socket(driver)
	if _, serr := os.Lstat(path); serr == nil && isRefused(err) {
		_ = os.Remove(path) // its process was killed
	}
	return exitcode.NotFound.Errorf("driver %s is not inserted into the host", driver)
}

// isRefused: nobody listens on the socket any more.
func isRefused(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

// List asks every insertion of this user.
func List() ([]*Status, error) {
	paths, err := filepath.Glob(filepath.Join(Dir(), "*.sock"))
	if err != nil {
		return nil, exitcode.IO.Errorf("list host insertions: %w", err)
	}
	sort.Strings(paths)
	var out []*Status
	for _, p := range paths {
		st, err := ask(p, verbStatus, timeout)
		if err != nil {
			if isRefused(err) {
				_ = os.Remove(p) // its process was killed
			}
			continue
		}
		out = append(out, st)
	}
	return out, nil
}

// Remove takes a driver out of the host and waits until it is out.
func Remove(driver string) (*Status, error) {
	st, err := ask(socket(driver), verbRemove, 30*time.Second)
	if err != nil {
		return nil, notThere(driver, err)
	}
	return st, nil
}
