// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/modbpf/modbpf/framework/kernel/sys"
	"github.com/modbpf/modbpf/framework/object"
	"github.com/modbpf/modbpf/verifier"
)

// Oracle asks the machine's own kernel and remembers what it said, by the hash
// of what was loaded and the kernel's build.
type Oracle struct {
	file string
	mu   sync.Mutex
	said map[string]Kernels
	news bool
}

// OpenOracle reads what earlier runs learnt of the machine's kernel; fresh forgets it.
func OpenOracle(fresh bool) (*Oracle, error) {
	build, err := os.ReadFile("/proc/version")
	if err != nil {
		return nil, fmt.Errorf("identify kernel: %w", err)
	}
	return openOracle(build, fresh)
}

func openOracle(build []byte, fresh bool) (*Oracle, error) {
	cache, err := CacheDir()
	if err != nil {
		return nil, err
	}
	h := sha256.Sum256(build)
	o := &Oracle{file: filepath.Join(cache, "oracle-"+hex.EncodeToString(h[:6])+".json"), said: map[string]Kernels{}}
	if fresh {
		return o, nil
	}
	data, err := os.ReadFile(o.file)
	if errors.Is(err, os.ErrNotExist) {
		return o, nil
	}
	if err != nil {
		return nil, err
	}
	var all []Kernels
	if err := json.Unmarshal(data, &all); err != nil {
		return nil, fmt.Errorf("read %s: %w", o.file, err)
	}
	for _, k := range all {
		o.said[k.Key] = k
	}
	return o, nil
}

// Save keeps what was learnt.
func (o *Oracle) Save() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.news {
		return nil
	}
	all := make([]Kernels, 0, len(o.said))
	for _, k := range o.said {
		all = append(all, k)
	}
	data, err := json.Marshal(all)
	if err != nil {
		return err
	}
	tmp := fmt.Sprintf("%s.%d", o.file, os.Getpid())
	if err := os.WriteFile(tmp, data, 0o644); err != nil {
		return err
	}
	return os.Rename(tmp, o.file)
}

// Known is what the kernel said of a program before.
func (o *Oracle) Known(key string) (Kernels, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	k, ok := o.said[key]
	return k, ok
}

// learn remembers what a kernel said.
func (o *Oracle) learn(key string, said Kernels) {
	o.mu.Lock()
	defer o.mu.Unlock()
	said.Key = key
	o.said[key], o.news = said, true
}

// Object asks the kernel about programs of one object. want says which; with
// verbose the whole log is kept and the cache is not asked.
func (o *Oracle) Object(path string, k verifier.Kernel, want map[string]bool, verbose bool) (map[string]Kernels, error) {
	b, err := Bind(path, k)
	if err != nil {
		return nil, err
	}
	l := sys.NewLoader(b)
	defer l.Close() //nolint:errcheck // nothing was written through it
	out := make(map[string]Kernels)
	for _, p := range b.Programs {
		if p.Err != nil || !want[p.Spec.Name] {
			continue
		}
		key := keyOf(p)
		if known, ok := o.Known(key); ok && !verbose {
			out[p.Spec.Name] = known
			continue
		}
		said := ask(l, p, verbose)
		o.learn(key, said)
		out[p.Spec.Name] = said
	}
	return out, nil
}

// ask loads one program: first for the verdict and its statistics, then, when
// it is refused, for the walk that leads there.
func ask(l *sys.Loader, p *object.BoundProgram, verbose bool) Kernels {
	before := len(l.WithoutBTF)
	a, err := l.Attr(p, p.Program)
	if err != nil {
		return Kernels{Verdict: "cannot", Insn: -1, Message: err.Error()}
	}
	a.LogLevel = sys.LogStats
	if verbose {
		a.LogLevel |= sys.LogInstructions
	}
	fd, log, err := sys.ProgLoad(*a)
	if err == nil {
		said := parseLog(log)
		said.Verdict, said.Message, said.Insn, said.Log = "accept", "", -1, log
		said.NoBTF = len(l.WithoutBTF) > before
		_ = fd.Close() // loaded to be judged, not to be kept
		return said
	}
	var errno syscall.Errno
	errors.As(err, &errno)
	if log == "" {
		return Kernels{Verdict: "cannot", Insn: -1, Errno: errno.Error(), Message: err.Error()}
	}
	if !verbose {
		a.LogLevel, a.LogSize = sys.LogInstructions|sys.LogStats, 1<<20
		fd2, log2, err2 := sys.ProgLoad(*a)
		if err2 == nil {
			_ = fd2.Close() // cannot be: the same program was refused a moment ago
			return Kernels{Verdict: "cannot", Insn: -1, Message: "the kernel changed its mind"}
		}
		log = log2
	}
	said := parseLog(log)
	said.Verdict, said.Errno, said.Log = "reject", errno.Error(), log
	said.NoBTF = len(l.WithoutBTF) > before
	return said
}

// Time loads a program several times and keeps the shortest verification time.
func Time(l *sys.Loader, p *object.BoundProgram, times int) (processed, micros int, err error) {
	a, err := l.Attr(p, p.Program)
	if err != nil {
		return 0, 0, err
	}
	a.LogLevel = sys.LogStats
	micros = -1
	for range times {
		fd, log, err := sys.ProgLoad(*a)
		if err != nil {
			return 0, 0, err
		}
		_ = fd.Close() // loaded for its statistics
		s := parseLog(log)
		processed = s.Processed
		if micros < 0 || s.Micros < micros {
			micros = s.Micros
		}
	}
	return processed, micros, nil
}

// tail is the end of a log.
func tail(log string, lines int) string {
	b := bytes.Split([]byte(log), []byte("\n"))
	return string(bytes.Join(b[max(0, len(b)-lines):], []byte("\n")))
}
