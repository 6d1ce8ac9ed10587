// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/modbpf/modbpf/framework/exitcode"
)

// Target is the running kernel.
type Target struct {
	root  string // modbpf's folder in the bpf file system
	sysfs string
	wait  time.Duration
}

// Open finds the bpf file system. Nothing is made in it before the first insertion.
func Open(o Options) (*Target, error) {
	mount := o.Root
	if mount == "" {
		mount = DefaultRoot
	}
	sysfs := o.Sysfs
	if sysfs == "" {
		sysfs = "/sys"
	}
	t := &Target{root: filepath.Join(mount, Folder), sysfs: sysfs, wait: o.Wait}
	var st unix.Statfs_t
	err := unix.Statfs(mount, &st)
	if err == nil && st.Type == unix.BPF_FS_MAGIC {
		return t, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, explain("look at "+mount, err, capsNone)
	}
	if !o.Mount {
		return t, nil // nothing is inserted then, and reading says so
	}
	if err != nil {
		return nil, exitcode.IO.Errorf("mount the bpf file system: %s does not exist", mount)
	}
	if err := unix.Mount("bpf", mount, "bpf", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC|unix.MS_RELATIME, "mode=700"); err != nil {
		return nil, explain("mount the bpf file system at "+mount, err, []capability{capSysAdmin})
	}
	return t, nil
}

// lock is the right to change one driver's folder, given up by release or by
// the end of the process. It is a flock on the folder itself, so nothing is
// left behind; because a folder can be removed and made anew between opening and
// locking, the lock counts only if the path still leads to what was locked.
type lock struct{ f *os.File }

func (l *lock) release() { l.f.Close() }

// lockDriver makes the driver's folder if create is set.
func (t *Target) lockDriver(driver string, create bool) (*lock, error) {
	dir := filepath.Join(t.root, escape(driver))
	deadline := time.Now().Add(t.wait)
	for {
		if create {
			if err := os.Mkdir(t.root, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
				return nil, explain("make folder", err, capsNone)
			}
			err := os.Mkdir(dir, 0o700)
			if errors.Is(err, fs.ErrNotExist) {
				if _, serr := os.Lstat(filepath.Dir(t.root)); serr == nil {
					continue // another modbpf removed the folder above it just now
				}
			}
			if err != nil && !errors.Is(err, fs.ErrExist) {
				return nil, explain("make folder", err, capsNone)
			}
		}
		f, err := os.Open(dir)
		if errors.Is(err, fs.ErrNotExist) {
			if create {
				continue // another modbpf removed it just now
			}
			return nil, fmt.Errorf("driver %s: %w", driver, ErrNotInserted)
		}
		if err != nil {
			return nil, explain("open folder", err, capsNone)
		}
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			var a, b unix.Stat_t
			if unix.Fstat(int(f.Fd()), &a) == nil && unix.Stat(dir, &b) == nil && a.Ino == b.Ino && a.Dev == b.Dev {
				return &lock{f}, nil
			}
			f.Close()
			continue
		}
		f.Close()
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, explain("lock folder "+dir, err, capsNone)
		}
		if !time.Now().Before(deadline) {
			return nil, fmt.Errorf("driver %s: %w", driver, ErrBusy)
		}
		time.Sleep(2 * time.Millisecond)
	}
}
