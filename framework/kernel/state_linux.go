// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/modbpf/modbpf/framework/kernel/sys"
)

// readMeta opens a pinned description. The map and its contents may be
// anybody's, so nothing of them is believed unchecked.
func readMeta(path string) (*Meta, error) {
	fd, err := sys.ObjGet(path)
	if err != nil {
		return nil, err
	}
	defer fd.Close()
	if !isKind(fd, "map") {
		return nil, ErrForeign
	}
	i, err := sys.GetMapInfo(fd)
	if err != nil {
		return nil, err
	}
	if i.Name != metaMap || i.KeySize != 4 || i.MaxEntries != 1 || i.ValueSize > maxMeta {
		return nil, ErrForeign
	}
	b := make([]byte, i.ValueSize)
	if err := sys.MapLookup(fd, make([]byte, 4), b); err != nil {
		return nil, err
	}
	return decodeMeta(b)
}

// isKind tells maps, programs and links apart: the kernel answers questions
// about any object with whatever fits that object's kind.
func isKind(fd sys.FD, kind string) bool {
	s, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
	return err == nil && (strings.HasSuffix(s, "bpf-"+kind) || strings.HasSuffix(s, "bpf_"+kind))
}

// read finds out what is in an instance's folder. It returns nil if there is
// no such folder, and an Insertion in every other case.
func (t *Target) read(driver, instance string) (*Insertion, error) {
	dir := filepath.Join(t.root, escape(driver), escape(instance))
	ents, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	in := &Insertion{Driver: driver, Instance: instance, Path: dir, dir: dir, gens: map[int]*Meta{}}
	if err != nil {
		if st, e := os.Lstat(dir); e == nil && !st.IsDir() {
			in.State, in.Problem = Foreign, "a pin, not a folder"
			return in, nil
		}
		return nil, explain("read insertion "+driver+"/"+instance, err, capsNone)
	}
	type linkPin struct {
		n    int
		info *sys.LinkInfo
	}
	var links []linkPin
	for _, e := range ents {
		kind, num, _ := strings.Cut(e.Name(), "-")
		n, err := strconv.Atoi(num)
		switch {
		case err == nil && kind == "gen" && e.IsDir():
			m, err := readMeta(filepath.Join(dir, e.Name(), metaPin))
			if errors.Is(err, fs.ErrNotExist) {
				in.gens[n] = nil // its insert was interrupted
				continue
			}
			if err == nil && (m.Driver != driver || m.Instance != instance) {
				err = ErrForeign
			}
			if err != nil {
				if errors.Is(err, os.ErrPermission) {
					return nil, explain("read insertion "+driver+"/"+instance, err, []capability{capBPF})
				}
				in.State, in.Problem = Foreign, fmt.Sprintf("%s: %v", e.Name(), err)
				return in, nil
			}
			in.gens[n] = m
		case err == nil && kind == "link" && !e.IsDir():
			fd, err := sys.ObjGet(filepath.Join(dir, e.Name()))
			if err != nil {
				return nil, explain("read insertion "+driver+"/"+instance, err, []capability{capBPF})
			}
			link := isKind(fd, "link")
			i, err := sys.GetLinkInfo(fd)
			_ = fd.Close() // nothing was written through it
			if err != nil || !link {
				in.State, in.Problem = Foreign, e.Name()+" is no link"
				return in, nil
			}
			links = append(links, linkPin{n, i})
		default:
			in.State, in.Problem = Foreign, e.Name()+" is none of modbpf's names"
			return in, nil
		}
	}
	slices.SortFunc(links, func(a, b linkPin) int { return a.n - b.n })
	in.links = len(links)
	ids := make([]uint32, len(links))
	for i, l := range links {
		switch l.info.Type {
		case sys.LinkStructOps:
			ids[i] = l.info.MapID
		case sys.LinkXDP, sys.LinkTCX, sys.LinkNetkit:
			if l.info.IfIndex != 0 {
				ids[i] = l.info.ProgID
			}
		default:
			ids[i] = l.info.ProgID
		}
	}
	in.judge(ids)
	for i, l := range links {
		if in.Meta != nil && i < len(in.Meta.Points) {
			in.Points = append(in.Points, PointState{in.Meta.Points[i], l.info.ID, ids[i]})
		}
	}
	return in, nil
}

// judge decides from the generations and from what the links act on which
// generation is in force and what state the insertion is in.
func (in *Insertion) judge(ids []uint32) {
	order := make([]int, 0, len(in.gens))
	for n, m := range in.gens {
		if m != nil {
			order = append(order, n)
		}
	}
	slices.Sort(order)
	slices.Reverse(order)
	uses := func(m *Meta) bool {
		return slices.ContainsFunc(m.Points, func(p Point) bool { return p.ID != 0 && slices.Contains(ids, p.ID) })
	}
	in.State, in.Problem = Incomplete, "an insert was interrupted before anything was attached"
	for _, n := range order {
		if uses(in.gens[n]) {
			in.gen, in.Meta = n, in.gens[n]
			break
		}
	}
	switch {
	case len(order) == 0 && in.links > 0:
		in.Problem = "links without a description"
	case in.Meta == nil && in.links > 0 && !slices.ContainsFunc(ids, func(id uint32) bool { return id != 0 }):
		// The kernel let go of every link; the newest generation is the one
		// that was in force, since older ones come to force by a rollback only.
		in.gen, in.Meta = order[0], in.gens[order[0]]
		in.State, in.Problem = Detached, "the kernel detached it: its device or interface is gone, or it was ejected"
	case in.Meta == nil && len(order) > 0:
		in.gen, in.Meta = order[0], in.gens[order[0]]
		if len(order) > 1 {
			in.Problem = "an upgrade was interrupted while nothing was attached"
		}
		if in.links > 0 {
			in.State, in.Problem = Foreign, "a link acts on something that modbpf did not insert"
		}
	case in.Meta != nil:
		in.State, in.Problem = Attached, ""
		if in.links < len(in.Meta.Points) {
			in.State, in.Problem = Incomplete, fmt.Sprintf("%d of %d extension points are attached: an insert or remove was interrupted", in.links, len(in.Meta.Points))
			break
		}
		for i, id := range ids {
			if i < len(in.Meta.Points) && id != in.Meta.Points[i].ID {
				in.State, in.Problem = Incomplete, "an upgrade was interrupted: extension points are of different versions"
				if id == 0 {
					in.State, in.Problem = Detached, "the kernel detached "+in.Meta.Points[i].what()
				}
				break
			}
		}
	}
	for _, n := range order {
		if n != in.gen {
			in.prev, in.Previous = n, in.gens[n]
			break
		}
	}
}

// List reads all insertions, in order of name.
func (t *Target) List() ([]*Insertion, error) {
	drivers, err := os.ReadDir(t.root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, explain("list insertions", err, capsNone)
	}
	var out []*Insertion
	for _, d := range drivers {
		ins, err := t.Insertions(unescape(d.Name()))
		if err != nil {
			return nil, err
		}
		out = append(out, ins...)
	}
	return out, nil
}

// Insertions reads the insertions of one driver.
func (t *Target) Insertions(driver string) ([]*Insertion, error) {
	dir := filepath.Join(t.root, escape(driver))
	ents, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		if st, e := os.Lstat(dir); e == nil && !st.IsDir() {
			return []*Insertion{{Driver: driver, State: Foreign, Problem: "a pin, not a folder", Path: dir, dir: dir}}, nil
		}
		return nil, explain("list insertions of "+driver, err, capsNone)
	}
	var out []*Insertion
	for _, e := range ents {
		in, err := t.read(driver, unescape(e.Name()))
		if err != nil {
			return nil, err
		}
		if in != nil {
			out = append(out, in)
		}
	}
	return out, nil
}
