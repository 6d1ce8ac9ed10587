// SPDX-License-Identifier: Apache-2.0

package kernellab

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// initramfsVersion counts changes in what writeInitramfs puts beside the modules.
const initramfsVersion = 2

// A snapshot is the state of a booted guest whose agent waits for its first
// job, as QEMU's migration writes it. Its name is a digest of all that made it:
// kernel, agent, modules, machine, QEMU.

const keepSnapshots = 12

// Start gives a guest whose agent is ready, restored from a snapshot; the first
// start of a kernel and machine boots it and takes the snapshot.
func (l *Lab) Start(ctx context.Context, k *Kernel, m Machine) (*VM, error) {
	m = m.normal()
	init, err := l.initBinary(ctx)
	if err != nil {
		return nil, err
	}
	agent, err := os.ReadFile(init)
	if err != nil {
		return nil, fmt.Errorf("read the guest's init: %w", err)
	}
	state, err := l.snapshotName(ctx, k, m, agent)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(state); errors.Is(err, fs.ErrNotExist) {
		if err := l.takeSnapshot(ctx, k, m, agent, state); err != nil {
			return nil, fmt.Errorf("boot kernel %s: %w", k.Uname, err)
		}
	}
	now := time.Now()
	if err := os.Chtimes(state, now, now); err != nil { // keeps it from being tidied away
		return nil, err
	}
	vm, err := l.restore(ctx, m, state)
	if err != nil {
		return nil, fmt.Errorf("restore kernel %s: %w", k.Uname, err)
	}
	return vm, nil
}

func (l *Lab) snapshotName(ctx context.Context, k *Kernel, m Machine, agent []byte) (string, error) {
	version, err := exec.CommandContext(ctx, l.qemu, "--version").Output()
	if err != nil {
		return "", fmt.Errorf("ask qemu for its version: %w", err)
	}
	h := sha256.New()
	fmt.Fprintf(h, "%d\n%s\n%+v\n%q\n%s\n%q\n%q\n", initramfsVersion, version, k.Packages, qemuArgs(m), kernelArgs+m.Append, m.Modules, carried)
	h.Write(agent)
	return filepath.Join(l.dir, "snapshots", k.Series+"-"+hex.EncodeToString(h.Sum(nil))[:24]+".state"), nil
}

func (l *Lab) takeSnapshot(ctx context.Context, k *Kernel, m Machine, agent []byte, state string) error {
	unlock, err := lockFile(ctx, state+".lock")
	if err != nil {
		return err
	}
	defer unlock()
	defer os.Remove(state + ".lock")
	if _, err := os.Stat(state); err == nil {
		return nil // another process was faster
	}
	ctx, cancel := context.WithTimeout(ctx, bootTimeout)
	defer cancel()
	tmp, err := os.MkdirTemp("", "modbpf-lab-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	initrd := filepath.Join(tmp, "initramfs")
	f, err := os.Create(initrd)
	if err != nil {
		return err
	}
	err = k.writeInitramfs(ctx, f, agent, m.Modules)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("make initramfs: %w", err)
	}
	args := append(qemuArgs(m), "-kernel", k.Vmlinux(), "-initrd", initrd, "-append", strings.TrimSpace(kernelArgs+" "+m.Append))
	vm, err := l.start(ctx, args)
	if err != nil {
		return err
	}
	defer vm.Close()
	if err := vm.ping(ctx); err != nil {
		return err
	}
	if len(vm.hello.Failed) > 0 {
		return fmt.Errorf("prepare guest: %s%s", strings.Join(vm.hello.Failed, "; "), vm.consoleNote())
	}
	part := state + ".part"
	if err := vm.save(ctx, part); err != nil {
		return err
	}
	if err := os.Rename(part, state); err != nil {
		return err
	}
	return l.tidySnapshots()
}

// save stops the guest and writes its state to a file.
func (vm *VM) save(ctx context.Context, file string) error {
	defer vm.deadline(ctx)()
	if err := vm.command("stop", nil, nil); err != nil {
		return err
	}
	if err := vm.command("migrate-set-parameters", map[string]any{"max-bandwidth": int64(1) << 33}, nil); err != nil {
		return err
	}
	if err := vm.command("migrate", map[string]any{"uri": "exec:cat > '" + strings.ReplaceAll(file, "'", `'\''`) + "'"}, nil); err != nil {
		return err
	}
	for {
		var st struct {
			Status    string
			ErrorDesc string `json:"error-desc"`
		}
		if err := vm.command("query-migrate", nil, &st); err != nil {
			return err
		}
		switch st.Status {
		case "completed":
			return nil
		case "failed", "cancelled":
			return fmt.Errorf("save guest: %s %s", st.Status, st.ErrorDesc)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (l *Lab) restore(ctx context.Context, m Machine, state string) (*VM, error) {
	args := append(qemuArgs(m), "-incoming", "exec:cat '"+strings.ReplaceAll(state, "'", `'\''`)+"'")
	vm, err := l.start(ctx, args)
	if err != nil {
		return nil, err
	}
	if err := vm.resume(ctx); err != nil {
		vm.Close()
		return nil, err
	}
	return vm, nil
}

func (vm *VM) resume(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, bootTimeout)
	defer cancel()
	stop := vm.deadline(ctx)
	for {
		var st struct{ Status string }
		if err := vm.command("query-status", nil, &st); err != nil {
			stop()
			return vm.failed(ctx, "restore guest", err)
		}
		if st.Status != "inmigrate" {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	err := vm.command("cont", nil, nil)
	stop()
	if err != nil {
		return vm.failed(ctx, "restore guest", err)
	}
	return vm.ping(ctx)
}

// tidySnapshots removes the ones unused for longest.
func (l *Lab) tidySnapshots() error {
	states, err := filepath.Glob(filepath.Join(l.dir, "snapshots", "*.state"))
	if err != nil || len(states) <= keepSnapshots {
		return err
	}
	age := map[string]time.Time{}
	for _, s := range states {
		st, err := os.Stat(s)
		if err != nil {
			continue // another process was faster
		}
		age[s] = st.ModTime()
	}
	slices.SortFunc(states, func(a, b string) int { return age[a].Compare(age[b]) })
	for _, s := range states[:len(states)-keepSnapshots] {
		if err := os.Remove(s); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// maxGuests run at one time on one machine, over all processes: emulated CPUs
// are hungry, and more of them than real ones only makes every test time out.
const maxGuests = 2

// slot waits for one of the places for guests.
func (l *Lab) slot(ctx context.Context) (release func(), err error) {
	for {
		for i := range maxGuests {
			try, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
			unlock, err := lockFile(try, filepath.Join(l.dir, fmt.Sprintf("guest-%d.lock", i)))
			cancel()
			if err == nil {
				return unlock, nil
			}
			if !errors.Is(err, context.DeadlineExceeded) {
				return nil, err
			}
		}
		if ctx.Err() != nil {
			return nil, fmt.Errorf("wait for a free guest: %w", ctx.Err())
		}
	}
}
