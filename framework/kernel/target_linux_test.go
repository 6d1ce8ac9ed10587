// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/modbpf/modbpf/framework/exitcode"
	"github.com/modbpf/modbpf/framework/kernel/sys"
	"github.com/modbpf/modbpf/framework/object"
	"github.com/modbpf/modbpf/framework/profile"
	"github.com/modbpf/modbpf/verifier"
)

// These tests insert a congestion control into the machine's kernel, under a
// name of its own and in a bpf file system of their own: it becomes available
// and is used by nobody. They need root and skip without.

// mounted is a bpf file system for one test.
func mounted(t *testing.T) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	dir := t.TempDir()
	if err := unix.Mount("bpf", dir, "bpf", 0, "mode=700"); err != nil {
		t.Skipf("cannot mount a bpf file system: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return dir
}

func open(t *testing.T, root string) *Target {
	t.Helper()
	tg, err := Open(Options{Root: root})
	if err != nil {
		t.Fatal(err)
	}
	return tg
}

// algorithm is the name this process's congestion control registers under.
func algorithm(pid int) string { return fmt.Sprintf("mbt%09d", pid%1e9) }

// tcpJob is the scalable driver under a name of its own, judged by the kernel.
func tcpJob(version, name string) (*Job, error) {
	data, err := os.ReadFile("../../drivers/net/scalable/driver.bpf.o")
	if err != nil {
		return nil, err
	}
	o, err := object.OpenBytes(bytes.ReplaceAll(data, []byte("bpf_scalable"), []byte(name)), "driver.bpf.o")
	if err != nil {
		return nil, err
	}
	k, err := profile.Running()
	if err != nil {
		return nil, err
	}
	b, err := o.Bind(k, object.Options{})
	if err != nil {
		return nil, err
	}
	j := &Job{Bound: b, Checked: map[string]*verifier.Checked{}, Tables: k.StructOps}
	j.Meta = Meta{Driver: "tcp-test", Instance: "default", Version: version, Judge: "kernel", Object: version}
	for _, m := range b.StructOps() {
		if m.Err != nil {
			return nil, m.Err
		}
		p := Point{Table: m.StructOps.Table, Variable: m.Spec.Name, Name: name}
		for _, s := range m.StructOps.Members {
			p.Slots = append(p.Slots, s.Name)
		}
		j.Meta.Points = append(j.Meta.Points, p)
	}
	for _, p := range b.Programs {
		if p.Err != nil {
			return nil, p.Err
		}
		j.Checked[p.Spec.Name] = verifier.KernelJudged(p.Program)
	}
	return j, nil
}

func job(t *testing.T, version string) *Job {
	t.Helper()
	j, err := tcpJob(version, algorithm(os.Getpid()))
	if err != nil {
		var m *object.MissingError
		if errors.As(err, &m) {
			t.Skipf("this kernel: %v", err)
		}
		t.Fatal(err)
	}
	return j
}

func available(t *testing.T, name string) bool {
	t.Helper()
	b, err := os.ReadFile("/proc/sys/net/ipv4/tcp_available_congestion_control")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Contains(string(b), name)
}

// empty reports what is below modbpf's folder.
func litter(t *testing.T, root string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(filepath.Join(root, Folder), func(p string, _ fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		out = append(out, p)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func openFDs(t *testing.T) int {
	t.Helper()
	e, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(e)
}

func TestLife(t *testing.T) {
	root := mounted(t)
	tg := open(t, root)
	name := algorithm(os.Getpid())
	one, two := job(t, "1.0.0"), job(t, "2.0.0")
	if _, err := tg.Remove("tcp-test", "default"); !errors.Is(err, ErrNotInserted) || exitcode.Of(err) != exitcode.NotFound {
		t.Fatalf("remove before insert: %v", err)
	}
	in, done, err := tg.Insert(one)
	if err != nil || !done || in.State != Attached || in.Meta.Version != "1.0.0" {
		t.Fatalf("insert: %+v, %v, %v", in, done, err)
	}
	if !available(t, name) {
		t.Error("the kernel does not know the congestion control")
	}
	fds := openFDs(t)
	if in, done, err = tg.Insert(one); err != nil || done || in.State != Attached {
		t.Errorf("insert again: %v, %v", done, err)
	}
	if _, _, err := tg.Insert(two); !errors.Is(err, ErrOther) || exitcode.Of(err) != exitcode.Busy {
		t.Errorf("insert of another version: %v", err)
	}
	if _, err := tg.Rollback("tcp-test", "default", nil, one.Tables); !errors.Is(err, ErrNoPrevious) {
		t.Errorf("rollback without a version before: %v", err)
	}
	var plan Plan
	link := in.Points[0].Link
	up, err := tg.Upgrade(two, func(p Plan) { plan = p })
	if err != nil || up.Meta.Version != "2.0.0" || up.Previous.Version != "1.0.0" {
		t.Fatalf("upgrade: %+v, %v", up, err)
	}
	if plan.Mode != Update || up.Points[0].Link != link {
		t.Errorf("plan %+v, link %d became %d", plan, link, up.Points[0].Link)
	}
	for _, want := range []string{"1.0.0", "2.0.0", "1.0.0"} {
		back, err := tg.Rollback("tcp-test", "default", nil, one.Tables)
		if err != nil || back.Meta.Version != want {
			t.Fatalf("rollback: %+v, %v", back, err)
		}
		// Another process sees the same.
		list, err := open(t, root).List()
		if err != nil || len(list) != 1 || list[0].Meta.Version != want || list[0].State != Attached {
			t.Fatalf("list: %+v, %v", list, err)
		}
	}
	// The generation after a rollback must not take the place of the newer one.
	if up, err = tg.Upgrade(job(t, "3.0.0"), nil); err != nil || up.Meta.Version != "3.0.0" || up.Previous.Version != "1.0.0" {
		t.Fatalf("upgrade after rollback: %+v, %v", up, err)
	}
	progs, _, err := tg.Contents(up)
	if err != nil || len(progs) != 3 {
		t.Errorf("contents: %v, %v", progs, err)
	}
	if _, err := tg.Remove("tcp-test", "default"); err != nil {
		t.Fatal(err)
	}
	if available(t, name) {
		t.Error("the kernel still knows the congestion control")
	}
	if l := litter(t, root); len(l) > 0 {
		t.Errorf("left behind: %q", l)
	}
	if n := openFDs(t); n != fds {
		t.Errorf("%d descriptors became %d", fds, n)
	}
}

// TestModes drives the two exchanges that tcp_congestion_ops does not need.
func TestModes(t *testing.T) {
	root := mounted(t)
	tg := open(t, root)
	if _, _, err := tg.Insert(job(t, "1.0.0")); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if _, err := tg.Remove("tcp-test", "default"); err != nil {
			t.Error(err)
		}
	}()
	t.Run("new-then-old", func(t *testing.T) {
		// Another name may be there beside the old one.
		j, err := tcpJob("2.0.0", algorithm(os.Getpid()+1))
		if err != nil {
			t.Fatal(err)
		}
		var plan Plan
		up, err := tg.Upgrade(j, func(p Plan) { plan = p })
		if err != nil || plan.Mode != NewThenOld || up.Meta.Version != "2.0.0" {
			t.Fatalf("%+v, %+v, %v", plan, up, err)
		}
		if available(t, algorithm(os.Getpid())) || !available(t, algorithm(os.Getpid()+1)) {
			t.Error("the kernel does not have exactly the new name")
		}
	})
	t.Run("old-then-new", func(t *testing.T) {
		in, err := tg.read("tcp-test", "default")
		if err != nil {
			t.Fatal(err)
		}
		to := side{gen: in.prev, meta: in.Previous}
		if to.points, err = openPoints(genDir(in.dir, in.prev), in.Previous); err != nil {
			t.Fatal(err)
		}
		defer closeAll(to.points)
		if err := tg.perform(OldThenNew, in, &to); err != nil {
			t.Fatal(err)
		}
		after, err := tg.read("tcp-test", "default")
		if err != nil || after.Meta.Version != "1.0.0" || after.State != Attached {
			t.Fatalf("%+v, %v", after, err)
		}
	})
	t.Run("old is put back", func(t *testing.T) {
		in, err := tg.read("tcp-test", "default")
		if err != nil {
			t.Fatal(err)
		}
		bad := *in.Previous
		fd, err := sys.MapCreate(sys.MapAttr{Name: "x", Type: 2, KeySize: 4, ValueSize: 4, MaxEntries: 1, Inner: sys.None, BTF: sys.None, VmlinuxBTF: sys.None})
		if err != nil {
			t.Fatal(err)
		}
		defer fd.Close()
		err = tg.perform(OldThenNew, in, &side{gen: in.prev, meta: &bad, points: []sys.FD{fd}})
		if err == nil || !strings.Contains(err.Error(), "back in place") {
			t.Fatalf("error %v", err)
		}
		after, err := tg.read("tcp-test", "default")
		if err != nil || after.State != Attached || after.Meta.Version != in.Meta.Version {
			t.Errorf("%+v, %v", after, err)
		}
	})
}

func TestNameTaken(t *testing.T) {
	root := mounted(t)
	tg := open(t, root)
	if _, _, err := tg.Insert(job(t, "1.0.0")); err != nil {
		t.Fatal(err)
	}
	j := job(t, "1.0.0")
	j.Meta.Driver = "other"
	_, _, err := tg.Insert(j)
	if exitcode.Of(err) != exitcode.Busy || !strings.Contains(err.Error(), "is registered already") {
		t.Errorf("second driver of the name: %v", err)
	}
	if list, err := tg.List(); err != nil || len(list) != 1 {
		t.Errorf("list: %+v, %v", list, err)
	}
	if _, err := tg.Remove("tcp-test", "default"); err != nil {
		t.Error(err)
	}
	if l := litter(t, root); len(l) > 0 {
		t.Errorf("left behind: %q", l)
	}
}

func TestForeign(t *testing.T) {
	root := mounted(t)
	tg := open(t, root)
	fd, err := sys.MapCreate(sys.MapAttr{Name: "foreign", Type: 2, KeySize: 4, ValueSize: 4, MaxEntries: 1, Inner: sys.None, BTF: sys.None, VmlinuxBTF: sys.None})
	if err != nil {
		t.Fatal(err)
	}
	defer fd.Close()
	base := filepath.Join(root, Folder, "tcp-test")
	for name, pin := range map[string]string{
		"driver's folder":   base,
		"instance's folder": filepath.Join(base, "default"),
		"inside":            filepath.Join(base, "default", "theirs"),
		"as a link":         filepath.Join(base, "default", "link-0"),
		"as a description":  filepath.Join(base, "default", "gen-1", "meta"),
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.MkdirAll(filepath.Dir(pin), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := sys.ObjPin(pin, fd); err != nil {
				t.Fatal(err)
			}
			defer os.RemoveAll(filepath.Join(root, Folder))
			_, _, err := tg.Insert(job(t, "1.0.0"))
			if exitcode.Of(err) != exitcode.Busy && exitcode.Of(err) != exitcode.IO {
				t.Errorf("insert: %v (%v)", err, exitcode.Of(err))
			}
			if _, err := tg.Remove("tcp-test", "default"); err == nil {
				t.Error("remove took something foreign away")
			}
			if _, err := os.Lstat(pin); err != nil {
				t.Errorf("the foreign pin is gone: %v", err)
			}
			list, err := tg.List()
			if err != nil || len(list) != 1 || list[0].State != Foreign {
				t.Errorf("list: %+v, %v", list, err)
			}
		})
	}
}

func TestBusy(t *testing.T) {
	root := mounted(t)
	tg := open(t, root)
	lk, err := tg.lockDriver("tcp-test", true)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := tg.Insert(job(t, "1.0.0")); !errors.Is(err, ErrBusy) || exitcode.Of(err) != exitcode.Busy {
		t.Errorf("insert beside another: %v", err)
	}
	patient, err := Open(Options{Root: root, Wait: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(20*time.Millisecond, lk.release)
	if _, _, err := patient.Insert(job(t, "1.0.0")); err != nil {
		t.Errorf("insert that waits: %v", err)
	}
	if _, err := tg.Remove("tcp-test", "default"); err != nil {
		t.Error(err)
	}
}

func TestReadOnly(t *testing.T) {
	root := mounted(t)
	tg := open(t, root)
	if err := unix.Mount("", root, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, ""); err != nil {
		t.Skipf("cannot remount: %v", err)
	}
	_, _, err := tg.Insert(job(t, "1.0.0"))
	if exitcode.Of(err) != exitcode.IO || !strings.Contains(err.Error(), "read-only") {
		t.Errorf("insert: %v", err)
	}
}

func TestNotMounted(t *testing.T) {
	tg, err := Open(Options{Root: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if l, err := tg.List(); err != nil || len(l) != 0 {
		t.Errorf("list: %v, %v", l, err)
	}
	if _, err := Open(Options{Root: filepath.Join(t.TempDir(), "none"), Mount: true}); exitcode.Of(err) != exitcode.IO {
		t.Errorf("mount point missing: %v", err)
	}
	if os.Getuid() != 0 {
		return
	}
	dir := t.TempDir()
	if _, err := Open(Options{Root: dir, Mount: true}); err != nil {
		t.Fatal(err)
	}
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil || st.Type != unix.BPF_FS_MAGIC {
		t.Errorf("not mounted: %v", err)
	}
	if err := unix.Unmount(dir, 0); err != nil {
		t.Error(err)
	}
}

// TestRounds inserts and removes a thousand times; nothing may be left.
func TestRounds(t *testing.T) {
	root := mounted(t)
	tg := open(t, root)
	j := job(t, "1.0.0")
	rounds := 1000
	if testing.Short() {
		rounds = 20
	}
	fds := 0
	for i := range rounds {
		if _, _, err := tg.Insert(j); err != nil {
			t.Fatalf("round %d: %v", i, err)
		}
		if _, err := tg.Remove("tcp-test", "default"); err != nil {
			t.Fatalf("round %d: %v", i, err)
		}
		if i == 0 {
			fds = openFDs(t)
		}
	}
	if n := openFDs(t); n != fds {
		t.Errorf("%d descriptors became %d", fds, n)
	}
	if l := litter(t, root); len(l) > 0 {
		t.Errorf("left behind: %q", l)
	}
	if available(t, algorithm(os.Getpid())) {
		t.Error("the kernel still knows the congestion control")
	}
}
