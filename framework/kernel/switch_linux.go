// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/modbpf/modbpf/framework/exitcode"
	"github.com/modbpf/modbpf/framework/kernel/sys"
	"github.com/modbpf/modbpf/structops"
)

// Upgrade puts another version in an insertion's place, as plan says, and keeps
// the one before pinned for Rollback.
func (t *Target) Upgrade(j *Job, announce func(Plan)) (*Insertion, error) {
	return t.exchange("upgrade", j.Meta.Driver, j.Meta.Instance, announce, j)
}

// Rollback returns an insertion to the version before.
func (t *Target) Rollback(driver, instance string, announce func(Plan), tables func(string) *structops.Table) (*Insertion, error) {
	return t.exchange("roll back", driver, instance, announce, &Job{Tables: tables})
}

// side is one of the two versions of an exchange.
type side struct {
	gen    int
	meta   *Meta
	points []sys.FD
}

// exchange is upgrade and rollback: the same steps, with the new version loaded
// from a job or opened from the pins of the generation before.
func (t *Target) exchange(verb, driver, instance string, announce func(Plan), j *Job) (in *Insertion, err error) {
	defer func() {
		if err != nil {
			in, err = nil, fmt.Errorf("%s %s: %w", verb, driver, err)
		}
	}()
	lk, err := t.lockDriver(driver, false)
	if err != nil {
		return nil, err
	}
	defer lk.release()
	if in, err = t.read(driver, instance); err != nil {
		return nil, err
	}
	if in == nil {
		return nil, fmt.Errorf("instance %s: %w", instance, ErrNotInserted)
	}
	if in.State == Foreign {
		return nil, fmt.Errorf("%w: %s: %s", ErrForeign, in.Path, in.Problem)
	}
	if in.State != Attached {
		return nil, exitcode.Busy.Errorf("instance %s is %s (%s): remove it or insert it again first", instance, in.State, in.Problem)
	}
	var to side
	if verb == "upgrade" {
		if in.Meta.same(&j.Meta) {
			return in, nil
		}
		if err := t.sweepOld(in, in.gen); err != nil {
			return nil, err
		}
		l, err := j.load()
		if err != nil {
			return nil, err
		}
		defer l.close()
		l.meta.Format, l.meta.Inserted = metaFormat, time.Now().UTC().Truncate(time.Second)
		to = side{in.gen + 1, &l.meta, l.points}
		if in.prev >= to.gen {
			to.gen = in.prev + 1
		}
		if err := l.stage(genDir(in.dir, to.gen)); err != nil {
			return nil, errors.Join(err, removeGen(genDir(in.dir, to.gen)))
		}
	} else {
		if in.Previous == nil {
			return nil, fmt.Errorf("instance %s, version %s: %w", instance, in.Meta.Version, ErrNoPrevious)
		}
		to = side{gen: in.prev, meta: in.Previous}
		if to.points, err = openPoints(genDir(in.dir, to.gen), to.meta); err != nil {
			return nil, err
		}
		defer closeAll(to.points)
	}
	plan := PlanSwitch(in.Meta, to.meta, j.Tables)
	if announce != nil {
		announce(plan)
	}
	if err := t.perform(plan.Mode, in, &to); err != nil {
		if verb == "upgrade" {
			err = errors.Join(err, removeGen(genDir(in.dir, to.gen)))
		}
		return nil, err
	}
	after, err := t.read(driver, instance)
	if err != nil {
		return nil, err
	}
	if after.State != Attached || after.gen != to.gen {
		return nil, exitcode.Internal.Errorf("the kernel says %s, generation %d instead of %d: %s", after.State, after.gen, to.gen, after.Problem)
	}
	return after, t.sweepOld(after, in.gen)
}

// openPoints opens the maps and programs a pinned generation attaches.
func openPoints(dir string, m *Meta) ([]sys.FD, error) {
	var fds []sys.FD
	for i := range m.Points {
		fd, err := sys.ObjGet(filepath.Join(dir, fmt.Sprintf("point-%d", i)))
		if err != nil {
			closeAll(fds)
			return nil, explain("open version "+m.Version, err, []capability{capBPF})
		}
		fds = append(fds, fd)
	}
	return fds, nil
}

// perform makes the new side take the old one's place.
func (t *Target) perform(mode Mode, in *Insertion, to *side) error {
	from := side{gen: in.gen, meta: in.Meta}
	var err error
	if from.points, err = openPoints(genDir(in.dir, in.gen), in.Meta); err != nil {
		return err
	}
	defer closeAll(from.points)
	switch mode {
	case Update:
		return updateLinks(in.dir, &from, to)
	case NewThenOld:
		links, err := attachPoints(to.meta.Points, to.points)
		if err != nil {
			return err
		}
		// The new links hang on this process only while the old ones are
		// unpinned: a crash in between leaves nothing rather than both.
		if err := dropLinks(in.dir, in.links); err != nil {
			closeAll(links)
			return err
		}
		return pinLinks(in.dir, links)
	}
	if err := dropLinks(in.dir, in.links); err != nil {
		return err
	}
	links, err := attachPoints(to.meta.Points, to.points)
	if err != nil {
		back, berr := attachPoints(from.meta.Points, from.points)
		if berr == nil {
			berr = pinLinks(in.dir, back)
		}
		if berr != nil {
			return errors.Join(err, fmt.Errorf("and version %s could not be put back: %w", from.meta.Version, berr))
		}
		return fmt.Errorf("%w (version %s is back in place)", err, from.meta.Version)
	}
	return pinLinks(in.dir, links)
}

func dropLinks(dir string, n int) error {
	for i := range n {
		if err := dropLink(linkPin(dir, i)); err != nil {
			return err
		}
	}
	return nil
}

// updateLinks exchanges what each link acts on; if one refuses, those before
// it are set back.
func updateLinks(dir string, from, to *side) error {
	for i := range to.points {
		fd, err := sys.ObjGet(linkPin(dir, i))
		if err != nil {
			err = explain("open link", err, []capability{capBPF})
		} else {
			err = sys.LinkUpdate(fd, to.points[i], sys.None)
			_ = fd.Close() // nothing is written through it
			if err == nil {
				continue
			}
			err = explain("update "+to.meta.Points[i].what(), err, []capability{capBPF, capNetAdmin})
		}
		for k := range i {
			fd, gerr := sys.ObjGet(linkPin(dir, k))
			if gerr == nil {
				gerr = sys.LinkUpdate(fd, from.points[k], sys.None)
				_ = fd.Close() // as above
			}
			if gerr != nil {
				err = errors.Join(err, fmt.Errorf("set %s back: %w", from.meta.Points[k].what(), gerr))
			}
		}
		return err
	}
	return nil
}

// sweepOld removes generations other than the one in force and keep.
func (t *Target) sweepOld(in *Insertion, keep int) error {
	ents, err := os.ReadDir(in.dir)
	if err != nil {
		return explain("sweep "+in.dir, err, capsNone)
	}
	for _, e := range ents {
		p := filepath.Join(in.dir, e.Name())
		if !e.IsDir() || p == genDir(in.dir, in.gen) || p == genDir(in.dir, keep) {
			continue
		}
		if err := removeGen(p); err != nil {
			return err
		}
	}
	return nil
}
