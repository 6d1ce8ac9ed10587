// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/modbpf/modbpf/framework/exitcode"
	"github.com/modbpf/modbpf/framework/kernel/sys"
)

// Insert puts a version into the kernel, attaches and pins it. Inserting what is
// there already changes nothing; done is false then.
func (t *Target) Insert(j *Job) (in *Insertion, done bool, err error) {
	driver, instance := j.Meta.Driver, j.Meta.Instance
	lk, err := t.lockDriver(driver, true)
	if err != nil {
		return nil, false, fmt.Errorf("insert %s: %w", driver, err)
	}
	defer lk.release()
	fail := func(err error) (*Insertion, bool, error) {
		t.tidy(driver)
		return nil, false, fmt.Errorf("insert %s: %w", driver, err)
	}
	old, err := t.read(driver, instance)
	if err != nil {
		return fail(err)
	}
	if old != nil {
		switch old.State {
		case Foreign:
			return fail(fmt.Errorf("%w: %s: %s", ErrForeign, old.Path, old.Problem))
		case Attached:
			if old.Meta.same(&j.Meta) {
				return old, false, nil
			}
			return fail(fmt.Errorf("%w: version %s of %s; use upgrade", ErrOther, old.Meta.Version, old.Meta.Source))
		}
		if err := t.sweep(old); err != nil {
			return fail(err)
		}
	}
	l, err := j.load()
	if err != nil {
		return fail(err)
	}
	defer l.close()
	l.meta.Format, l.meta.Inserted = metaFormat, time.Now().UTC().Truncate(time.Second)
	dir := filepath.Join(t.root, escape(driver), escape(instance))
	if err := os.Mkdir(dir, 0o700); err != nil {
		return fail(explain("make folder", err, capsNone))
	}
	undo := &Insertion{Driver: driver, Instance: instance, dir: dir}
	if err := l.stage(genDir(dir, 1)); err != nil {
		return fail(errors.Join(err, t.sweep(undo)))
	}
	if err := l.attachAll(dir); err != nil {
		return fail(errors.Join(err, t.sweep(undo)))
	}
	in, err = t.read(driver, instance)
	if err == nil && in.State != Attached {
		// Attaching to a device that goes away at the same moment succeeds and does nothing.
		err = exitcode.NotFound.Errorf("it was detached at once: %s", in.Problem)
	}
	if err != nil {
		return fail(errors.Join(err, t.sweep(undo)))
	}
	return in, true, nil
}

func genDir(dir string, n int) string { return filepath.Join(dir, fmt.Sprintf("gen-%d", n)) }

func linkPin(dir string, i int) string { return filepath.Join(dir, fmt.Sprintf("link-%d", i)) }

// attachAll attaches every point and then pins the links. Until a link is
// pinned it goes with this process, so a crash on the way leaves nothing.
func (l *loaded) attachAll(dir string) error {
	links, err := attachPoints(l.meta.Points, l.points)
	if err != nil {
		return err
	}
	return pinLinks(dir, links)
}

func attachPoints(points []Point, fds []sys.FD) ([]sys.FD, error) {
	var links []sys.FD
	for i := range points {
		fd, err := attach(&points[i], fds[i])
		if err != nil {
			closeAll(links)
			return nil, err
		}
		links = append(links, fd)
	}
	return links, nil
}

// pinLinks pins the links and closes the descriptors.
func pinLinks(dir string, links []sys.FD) error {
	defer closeAll(links)
	for i, fd := range links {
		if err := sys.ObjPin(linkPin(dir, i), fd); err != nil {
			return explain("pin link", err, []capability{capBPF})
		}
	}
	return nil
}

func closeAll(fds []sys.FD) {
	for _, fd := range fds {
		_ = fd.Close() // nothing is written through them
	}
}

// Remove takes an insertion out of the kernel. Links go first: once they are
// gone the driver is out, and what is left is litter that a rerun sweeps up.
func (t *Target) Remove(driver, instance string) (*Insertion, error) {
	lk, err := t.lockDriver(driver, false)
	if err != nil {
		_ = os.Remove(t.root) // left by an interrupted removal; fails unless it is empty
		return nil, fmt.Errorf("remove %s: %w", driver, err)
	}
	defer lk.release()
	in, err := t.read(driver, instance)
	if err == nil && in == nil {
		err = fmt.Errorf("instance %s: %w", instance, ErrNotInserted)
	}
	if err == nil && in.State == Foreign {
		err = fmt.Errorf("%w: %s: %s", ErrForeign, in.Path, in.Problem)
	}
	if err == nil {
		err = t.sweep(in)
	}
	t.tidy(driver)
	if err != nil {
		return nil, fmt.Errorf("remove %s: %w", driver, err)
	}
	return in, nil
}

// sweep removes everything of an instance that is modbpf's, links first.
func (t *Target) sweep(in *Insertion) error {
	ents, err := os.ReadDir(in.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return explain("sweep "+in.dir, err, capsNone)
	}
	slices.SortFunc(ents, func(a, b os.DirEntry) int { // links before generations
		if a.IsDir() != b.IsDir() {
			if b.IsDir() {
				return -1
			}
			return 1
		}
		return 0
	})
	for _, e := range ents {
		p := filepath.Join(in.dir, e.Name())
		if e.IsDir() {
			if err := removeGen(p); err != nil {
				return err
			}
			continue
		}
		if err := dropLink(p); err != nil {
			return err
		}
	}
	if err := os.Remove(in.dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return explain("remove folder", err, capsNone)
	}
	return nil
}

// dropLink unpins a link and makes the kernel let go of it at once: the unpin
// alone detaches some time later, when nobody holds the link any more.
func dropLink(path string) error {
	fd, err := sys.ObjGet(path)
	if err != nil {
		return explain("open link", err, []capability{capBPF})
	}
	defer fd.Close() //nolint:errcheck // nothing is written through it
	if err := os.Remove(path); err != nil {
		return explain("unpin link", err, capsNone)
	}
	// Kernels or kinds of links without the command detach at the close.
	_ = sys.LinkDetach(fd)
	return nil
}

// removeGen unpins a generation, its description first: without one it counts no more.
func removeGen(dir string) error {
	if err := os.Remove(filepath.Join(dir, metaPin)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return explain("unpin", err, capsNone)
	}
	if err := os.RemoveAll(dir); err != nil {
		return explain("unpin", err, capsNone)
	}
	return nil
}

// tidy removes the driver's folder, and modbpf's, if nothing is in them. It is
// called with the driver's lock held.
func (t *Target) tidy(driver string) {
	// Both fail when something is inside, which is what is wanted.
	if os.Remove(filepath.Join(t.root, escape(driver))) == nil {
		_ = os.Remove(t.root)
	}
}
