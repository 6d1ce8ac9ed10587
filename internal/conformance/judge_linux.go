// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/modbpf/modbpf/framework/object"
	"github.com/modbpf/modbpf/framework/profile"
	"github.com/modbpf/modbpf/verifier"
)

// Request is what the judging process is to do. Run is a regular expression on
// "object/program"; Only, unless empty, lists the programs.
type Request struct {
	Objects []string `json:"objects"`
	Run     string   `json:"run,omitempty"`
	Only    []string `json:"only,omitempty"`
	Kernel  string   `json:"kernel"` // profile name
	Verbose bool     `json:"verbose,omitempty"`
	Jobs    int      `json:"jobs"`
	Limit   int      `json:"limit"` // seconds for one program
}

// judgeArg makes this binary the judging process.
const judgeArg = "judge-without-bpf"

// MaybeJudge turns this process into the judging one if it was started as
// such, and then never returns. It belongs at the beginning of main.
func MaybeJudge() {
	if len(os.Args) != 2 || os.Args[1] != judgeArg {
		return
	}
	if err := judgeMain(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// Judge runs our verifier over a corpus in a process that cannot use bpf(2)
// and calls each with every verdict as it comes.
func Judge(req Request, each func(Ours)) error {
	exe, err := os.Executable()
	if err != nil {
		return fmt.Errorf("start judging process: %w", err)
	}
	in, err := json.Marshal(req)
	if err != nil {
		return fmt.Errorf("start judging process: %w", err)
	}
	cmd := exec.Command(exe, judgeArg)
	cmd.Stdin = bytes.NewReader(in)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("start judging process: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start judging process: %w", err)
	}
	d := json.NewDecoder(bufio.NewReaderSize(out, 1<<20))
	for {
		var o Ours
		if err := d.Decode(&o); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return errors.Join(fmt.Errorf("read verdict: %w", err), cmd.Wait())
		}
		each(o)
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("judging process: %w", err)
	}
	return nil
}

// refuseBPF makes bpf(2) answer EPERM in all threads of this process for good.
func refuseBPF() error {
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}, // the system call's number
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 1, K: unix.SYS_BPF},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	runtime.LockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("refuse bpf(2): %w", err)
	}
	_, _, e := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&prog)))
	if e != 0 {
		return fmt.Errorf("refuse bpf(2): %w", e)
	}
	var attr [16]byte
	if _, _, e := unix.Syscall(unix.SYS_BPF, 0, uintptr(unsafe.Pointer(&attr)), 16); e != unix.EPERM {
		return fmt.Errorf("refuse bpf(2): the kernel still answers: %w", e)
	}
	return nil
}

type task struct {
	object string
	bound  *object.BoundProgram
}

func judgeMain(in io.Reader, out io.Writer) error {
	var req Request
	if err := json.NewDecoder(in).Decode(&req); err != nil {
		return fmt.Errorf("read request: %w", err)
	}
	if err := refuseBPF(); err != nil {
		return err
	}
	debug.SetGCPercent(400)
	re, err := regexp.Compile(req.Run)
	if err != nil {
		return err
	}
	k, err := kernelFor(req.Kernel)
	if err != nil {
		return err
	}
	only := make(map[string]bool, len(req.Only))
	for _, n := range req.Only {
		only[n] = true
	}
	wanted := func(name string) bool { return re.MatchString(name) && (len(only) == 0 || only[name]) }
	var mu sync.Mutex
	w := bufio.NewWriter(out)
	enc := json.NewEncoder(w)
	var werr error
	put := func(o Ours) {
		mu.Lock()
		defer mu.Unlock()
		werr = errors.Join(werr, enc.Encode(o))
	}
	tasks := make(chan task)
	var wg sync.WaitGroup
	for range max(1, req.Jobs) {
		wg.Go(func() {
			for t := range tasks {
				put(judgeOne(t, k, req))
			}
		})
	}
	for _, path := range req.Objects {
		b, err := Bind(path, k)
		name := objectName(path)
		if err != nil {
			if wanted(name + "/") {
				put(Ours{Object: name, Verdict: verifier.NotJudged.String(), Message: err.Error(), Insn: -1, Family: family(name, nil)})
			}
			continue
		}
		for _, p := range b.Programs {
			if wanted(name + "/" + p.Spec.Name) {
				tasks <- task{name, p}
			}
		}
	}
	close(tasks)
	wg.Wait()
	return errors.Join(werr, w.Flush())
}

func objectName(path string) string {
	return strings.TrimSuffix(strings.TrimSuffix(filepath.Base(path), ".o"), ".bpf")
}

// Bind opens and binds an object as both sides are to judge it.
func Bind(path string, k verifier.Kernel) (*object.Bound, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	o, err := object.OpenBytes(data, path)
	if err != nil {
		return nil, err
	}
	return o.Bind(k, object.Options{DefaultMaxEntries: 1, CPUs: runtime.NumCPU()})
}

// kernelFor finds a kernel profile by name.
func kernelFor(name string) (verifier.Kernel, error) {
	var p *profile.Profile
	var err error
	if name == "" || name == "running" {
		p, err = profile.Running()
	} else {
		p, err = profile.Find(name)
	}
	if err != nil {
		return nil, err
	}
	return p, nil
}

// judgeOne runs the verifier on one program. A run that takes too long is left
// behind; what it uses ends with the process.
func judgeOne(t task, k verifier.Kernel, req Request) Ours {
	p := t.bound
	o := Ours{Object: t.object, Program: p.Spec.Name, Section: p.Spec.Section, Insn: -1, Family: family(t.object, p.Program)}
	if p.Err != nil {
		o.Verdict, o.Message = verifier.NotJudged.String(), p.Err.Error()
		if _, ok := object.Missing(p.Err); ok {
			o.Verdict = verifier.Unsupported.String()
		}
		return o
	}
	o.Bound, o.Insns, o.Key = true, len(p.Program.Insns), keyOf(p)
	var log bytes.Buffer
	opts := verifier.Options{}
	if req.Verbose {
		opts.Log = &verifier.Log{W: &log, Level: 1}
	}
	type answer struct {
		c *verifier.Checked
		d *verifier.Diagnostic
	}
	done := make(chan answer, 1)
	start := time.Now()
	go func() {
		c, d := verifier.Verify(p.Program, k, opts)
		done <- answer{c, d}
	}()
	select {
	case a := <-done:
		o.NS = time.Since(start).Nanoseconds()
		o.Log = log.String()
		if a.d != nil {
			o.Verdict, o.Code, o.Message, o.Insn = a.d.Verdict.String(), int(a.d.Code), a.d.Message, a.d.Insn
			if info, ok := verifier.Explain(a.d.Code); ok {
				o.CodeName = info.Name
			}
			if a.d.Line != nil {
				o.Source = fmt.Sprintf("%s:%d", filepath.Base(a.d.Line.File), a.d.Line.Line)
			}
			return o
		}
		r := a.c.Report()
		o.Verdict, o.Processed, o.Worst, o.WorstWhy = verifier.Accept.String(), r.Processed, r.WorstCase, r.WorstReason
	case <-time.After(time.Duration(max(1, req.Limit)) * time.Second):
		o.Verdict, o.Message = verifier.NotJudged.String(), fmt.Sprintf("no verdict after %d s", req.Limit)
	}
	return o
}

// keyOf is a hash of everything a load depends on.
func keyOf(bp *object.BoundProgram) string {
	h := sha256.New()
	p := bp.Program
	for _, v := range []any{
		uint32(p.Type), uint32(p.AttachType), p.Flags, uint32(p.AttachID), int32(p.Member), p.Insns, bp.FuncInfo, bp.LineInfo,
		[]byte(p.License), p.BTFRaw,
	} {
		_ = binary.Write(h, binary.LittleEndian, v) // a hash takes everything
	}
	for _, s := range bp.Symbols {
		fmt.Fprintf(h, "%d %s", s.Insn, s.Name)
	}
	for _, m := range p.Maps {
		for m := m; m != nil; m = m.Inner {
			fmt.Fprintf(h, "%d %d %d %d %d %d %d %d %t %x;", m.Type, m.KeySize, m.ValueSize, m.MaxEntries, m.Flags, m.Extra, m.Key, m.Value, m.Frozen, m.Contents)
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}
