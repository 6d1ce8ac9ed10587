// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/framework/exitcode"
	"github.com/modbpf/modbpf/framework/kernel/sys"
	"github.com/modbpf/modbpf/framework/object"
	"github.com/modbpf/modbpf/verifier"
)

// loaded is a version in the kernel that nothing holds but our descriptors.
type loaded struct {
	ld     *sys.Loader
	meta   Meta
	points []sys.FD // what to attach, by point
}

func (l *loaded) close() {
	if l != nil {
		_ = l.ld.Close() // only descriptors: what is pinned stays
	}
}

// capsFor are the capabilities that loading a program type takes.
func capsFor(t bpf.ProgType) []capability {
	switch t {
	case bpf.ProgStructOps, bpf.ProgXDP, bpf.ProgSchedCls, bpf.ProgSchedAct:
		return []capability{capBPF, capPerfmon, capNetAdmin}
	}
	return []capability{capBPF, capPerfmon}
}

// load puts a version's programs and maps into the kernel and runs its probe.
// Nothing is pinned or attached.
func (j *Job) load() (*loaded, error) {
	if err := j.validate(); err != nil {
		return nil, err
	}
	b, err := j.forKernel()
	if err != nil {
		return nil, err
	}
	l := &loaded{ld: sys.NewLoader(b), meta: j.Meta}
	if err := l.fill(j, b); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

func (l *loaded) fill(j *Job, b *object.Bound) error {
	for _, bp := range b.Programs {
		c := j.Checked[bp.Spec.Name]
		if c == nil {
			continue
		}
		if _, log, err := l.ld.Load(bp, c.Program()); err != nil {
			return refused(bp.Spec.Name, c, err, log)
		}
	}
	if err := l.ld.FillProgArrays(); err != nil {
		return explain("load "+j.Meta.Driver, err, []capability{capBPF})
	}
	for i := range l.meta.Points {
		fd, err := l.point(&l.meta.Points[i], b)
		if err != nil {
			return err
		}
		l.points = append(l.points, fd)
	}
	if j.Probe != "" {
		return l.probe(j)
	}
	return nil
}

// refused words what the kernel says of a program. A kernel that refuses what
// our verifier proved is a bug of the verifier and is said to be one.
func refused(name string, c *verifier.Checked, err error, log string) error {
	if errors.Is(err, syscall.EPERM) && log == "" {
		return explain("load program "+name, err, capsFor(c.Program().Type))
	}
	if errors.Is(err, syscall.ENOMEM) || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EMFILE) {
		return explain("load program "+name, err, nil)
	}
	who := "the kernel refuses it"
	if c.Judge() == verifier.JudgeVerifier {
		who = "the kernel refuses what modbpf proved safe; please report it"
	}
	return exitcode.Verify.Errorf("load program %s: %s: %w", name, who, err)
}

// point makes what one extension point attaches and notes its number.
func (l *loaded) point(p *Point, b *object.Bound) (sys.FD, error) {
	if p.Table == "" {
		fd := l.ld.Prog(p.Program)
		if fd < 0 {
			return sys.None, exitcode.Internal.Errorf("attach %s: program %s is not loaded", p.what(), p.Program)
		}
		i, err := sys.GetProgInfo(fd)
		if err != nil {
			return sys.None, explain("attach "+p.what(), err, []capability{capBPF})
		}
		p.ID = i.ID
		return fd, nil
	}
	for i, m := range b.Maps {
		if m.StructOps == nil || m.Spec.Name != p.Variable {
			continue
		}
		fd, err := l.ld.StructOps(i)
		if err != nil {
			return sys.None, explain("attach "+p.what(), err, capsFor(bpf.ProgStructOps))
		}
		info, err := sys.GetMapInfo(fd)
		if err != nil {
			return sys.None, explain("attach "+p.what(), err, []capability{capBPF})
		}
		p.ID = info.ID
		return fd, nil
	}
	return sys.None, exitcode.Internal.Errorf("attach %s: no variable %s", p.what(), p.Variable)
}

// probeArgs is struct hid_bpf_probe_args of the kernel's drivers/hid/bpf: the
// device's number, the size of its descriptor, the descriptor, the answer.
const probeArgs = 4 + 4 + maxDescriptor + 4

// probe asks the driver whether it wants the device.
func (l *loaded) probe(j *Job) error {
	d, err := j.Device.Descriptor()
	if err != nil {
		return exitcode.IO.With(err)
	}
	ctx := make([]byte, probeArgs)
	binary.LittleEndian.PutUint32(ctx, j.Device.ID)
	binary.LittleEndian.PutUint32(ctx[4:], uint32(len(d)))
	copy(ctx[8:], d)
	if _, _, err := sys.ProgTestRun(l.ld.Prog(j.Probe), &sys.TestRun{Ctx: ctx}); err != nil {
		return explain("probe "+j.Device.Name, err, []capability{capBPF})
	}
	if answer := int32(binary.LittleEndian.Uint32(ctx[8+maxDescriptor:])); answer != 0 {
		return fmt.Errorf("probe %s: %w", j.Device.Name, &DeclinedError{Device: j.Device.Name, Answer: answer})
	}
	return nil
}

// stage pins a version into a generation's folder; its description comes last,
// so that a folder with one is whole.
func (l *loaded) stage(dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return explain("make folder", err, capsNone)
	}
	pin := func(name string, fd sys.FD) error {
		if err := sys.ObjPin(filepath.Join(dir, escape(name)), fd); err != nil {
			return explain("pin "+name, err, []capability{capBPF})
		}
		return nil
	}
	for i := range l.points {
		if err := pin(fmt.Sprintf("point-%d", i), l.points[i]); err != nil {
			return err
		}
	}
	used := map[int]bool{}
	for _, bp := range l.ld.Bound.Programs {
		if l.ld.Prog(bp.Spec.Name) >= 0 {
			for _, i := range bp.MapIndex {
				used[i] = true
			}
		}
	}
	for i, m := range l.ld.Bound.Maps {
		if m.Spec.Kind == object.MapStructOps || !used[i] {
			continue
		}
		fd, err := l.ld.Map(i)
		if err != nil {
			return explain("pin map "+m.Map.Name, err, []capability{capBPF})
		}
		if err := pin("map-"+strings.TrimPrefix(m.Map.Name, "."), fd); err != nil {
			return err
		}
	}
	for _, bp := range l.ld.Bound.Programs {
		if fd := l.ld.Prog(bp.Spec.Name); fd >= 0 {
			if err := pin("prog-"+bp.Spec.Name, fd); err != nil {
				return err
			}
		}
	}
	text, err := l.meta.encode()
	if err != nil {
		return exitcode.Internal.With(err)
	}
	fd, err := sys.MapCreate(sys.MapAttr{
		Name: metaMap, Type: bpf.MapArray, KeySize: 4, ValueSize: uint32(len(text)), MaxEntries: 1, Flags: bpf.MapRdonlyProg,
		Inner: sys.None, BTF: sys.None, VmlinuxBTF: sys.None,
	})
	if err != nil {
		return explain("describe "+l.meta.Driver, err, []capability{capBPF})
	}
	defer fd.Close() //nolint:errcheck // pinned
	if err := sys.MapUpdate(fd, make([]byte, 4), text, 0); err != nil {
		return explain("describe "+l.meta.Driver, err, []capability{capBPF})
	}
	if err := sys.MapFreeze(fd); err != nil {
		return explain("describe "+l.meta.Driver, err, []capability{capBPF})
	}
	return pin(metaPin, fd)
}
