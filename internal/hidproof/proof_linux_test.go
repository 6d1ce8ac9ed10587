// SPDX-License-Identifier: Apache-2.0

package hidproof

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/framework/host/hid/descriptor"
	"github.com/modbpf/modbpf/framework/host/hid/recording"
	"github.com/modbpf/modbpf/framework/host/hid/uhid"
	"github.com/modbpf/modbpf/framework/kernel"
	"github.com/modbpf/modbpf/framework/manifest"
	"github.com/modbpf/modbpf/framework/object"
	"github.com/modbpf/modbpf/framework/profile"
	"github.com/modbpf/modbpf/internal/kernellab/labtest"
	"github.com/modbpf/modbpf/structops"
	"github.com/modbpf/modbpf/verifier"
)

// randomReports is how many random reports each device sends; the full proof
// (PROOF_REPORTS=10000) takes longer than a quick run wants.
func randomReports() int {
	if n, err := strconv.Atoi(os.Getenv("PROOF_REPORTS")); err == nil && n >= 0 {
		return n
	}
	return 400
}

func TestReplaced(t *testing.T) {
	for _, series := range kernelNames {
		t.Run(series, func(t *testing.T) {
			if labtest.Reexec(t, series, labtest.Files(root+"/manifests", root+"/drivers")) {
				return
			}
			proveAll(t)
		})
	}
}

func proveAll(t *testing.T) {
	prof, err := profile.Running()
	if err != nil {
		t.Fatal(err)
	}
	target, err := kernel.Open(kernel.Options{Mount: true})
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(root + "/manifests/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no manifests: %v", err)
	}
	for _, file := range files {
		m, err := manifest.Load(file)
		if err != nil {
			t.Error(err)
			continue
		}
		if len(m.Match) == 0 || m.Match[0].HID == nil || len(m.Replaces) == 0 || unbuilt[m.Replaces[0]] {
			continue
		}
		t.Run(m.Name, func(t *testing.T) { prove(t, prof, target, m) })
	}
}

func prove(t *testing.T, prof *profile.Profile, target *kernel.Target, m *manifest.Manifest) {
	recs, err := filepath.Glob(filepath.Join(root, "drivers/hid", m.Name, "recordings/*.rec"))
	if err != nil || len(recs) == 0 {
		t.Fatalf("no recordings: %v", err)
	}
	changed, caught := false, false
	for _, file := range recs {
		name := strings.TrimSuffix(filepath.Base(file), ".rec")
		p := &proof{prof: prof, target: target, m: m, rec: readRecording(t, file)}
		original, err := p.original()
		if err != nil {
			t.Fatalf("%s: original: %v", name, err)
		}
		driver, err := p.driver(nil)
		if err != nil {
			t.Fatalf("%s: driver: %v", name, err)
		}
		neither, err := p.neither()
		if err != nil {
			t.Fatalf("%s: neither: %v", name, err)
		}
		if original.driver == "hid-generic" {
			t.Logf("%s: this kernel's %s does not know the device: nothing to compare with", name, m.Replaces[0])
			continue
		}
		hidraw := known[m.Replaces[0]] == ""
		if d := driver.diff(original, p.reports, hidraw); d != "" {
			t.Errorf("%s: driver against original:\n%s", name, d)
		}
		through, err := p.throughHost(prof)
		if err != nil {
			t.Fatalf("%s: host: %v", name, err)
		}
		if d := through.only(p.passes).diff(original.only(p.passes), p.reports, hidraw); d != "" {
			t.Errorf("%s: host against original:\n%s", name, d)
		}
		if len(driver.caps) != len(original.caps) {
			t.Logf("%s: %d event nodes, the original makes %d", name, len(driver.caps), len(original.caps))
		}
		if neither.diff(original, p.reports, hidraw) == "" {
			t.Logf("%s: left alone by both", name)
			continue
		}
		changed = true
		if !caught {
			caught = p.wrong(t, original, hidraw)
		}
		t.Logf("%s: equal in descriptor (%d bytes), capabilities and %d reports", name, len(driver.descriptor), len(p.reports))
	}
	if !changed {
		t.Error("the original changes nothing on any recording: they prove nothing")
	}
	if !caught {
		t.Error("no wrong variant of the driver was noticed: the comparison proves nothing")
	}
}

// proof is one recording of one driver.
type proof struct {
	prof    *profile.Profile
	target  *kernel.Target
	m       *manifest.Manifest
	rec     *recording.Device
	reports [][]byte
}

// passes reports whether hidraw shows report i to the host: the kernel drops
// reports whose id the stock descriptor lacks before any reader sees them. A
// driver in the kernel sees them, so this is a limit of the host, listed in
// docs/host.md.
func (p *proof) passes(i int) bool {
	d, err := descriptor.Parse(p.rec.Descriptor)
	return err == nil && d.Report(descriptor.Input, p.reports[i]) != nil
}

func (p *proof) info() uhid.Info {
	return uhid.Info{Name: p.rec.Name, Phys: p.rec.Phys, Bus: p.rec.Bus, Vendor: p.rec.Vendor, Product: p.rec.Product, Descriptor: p.rec.Descriptor}
}

// special says whether the kernel may leave the device to no other driver than
// the one made for it.
func special(leave bool) error {
	v := "1"
	if leave {
		v = "0"
	}
	return os.WriteFile("/sys/module/hid/parameters/ignore_special_drivers", []byte(v), 0)
}

func (p *proof) run(d *device) (*trace, error) {
	if err := d.open(); err != nil {
		return nil, errors.Join(err, d.close())
	}
	t, err := d.record(p.reports, nil)
	return t, errors.Join(err, d.close())
}

func (p *proof) original() (*trace, error) {
	if err := special(true); err != nil {
		return nil, err
	}
	mod := p.m.Replaces[0]
	if out, err := exec.Command("modprobe", mod).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("modprobe %s: %w: %s", mod, err, out)
	}
	d, err := create(p.info())
	if err != nil {
		return nil, err
	}
	if err := d.open(); err != nil {
		return nil, errors.Join(err, d.close())
	}
	// The fixed descriptor says which reports are worth sending.
	raw, err := os.ReadFile(d.sys("report_descriptor"))
	if err != nil {
		return nil, err
	}
	parsed, err := descriptor.Parse(raw)
	if err != nil {
		return nil, err
	}
	p.reports = reports(p.rec, parsed, randomReports())
	t, err := d.record(p.reports, nil)
	if err = errors.Join(err, d.close()); err != nil {
		return nil, err
	}
	if out, err := exec.Command("rmmod", mod).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("rmmod %s: %w: %s", mod, err, out)
	}
	return t, nil
}

func (p *proof) neither() (*trace, error) {
	if err := special(false); err != nil {
		return nil, err
	}
	d, err := create(p.info())
	if err != nil {
		return nil, err
	}
	return p.run(d)
}

// job binds the driver to the running kernel. The kernel alone judges here:
// what is proved is behaviour.
func (p *proof) job(dev *kernel.Device, mutate func(*object.Bound) bool) (*kernel.Job, error) {
	data, err := os.ReadFile(p.m.ObjectPath())
	if err != nil {
		return nil, err
	}
	o, err := object.OpenBytes(data, p.m.Object)
	if err != nil {
		return nil, err
	}
	b, err := o.Bind(p.prof, object.Options{})
	if err != nil {
		return nil, err
	}
	if mutate != nil && !mutate(b) {
		return nil, errNoMutation
	}
	sum := sha256.Sum256(data)
	j := &kernel.Job{
		Bound: b, Device: dev, Checked: map[string]*verifier.Checked{}, Tables: func(string) *structops.Table { return nil },
		Meta: kernel.Meta{Driver: p.m.Name, Version: p.m.Version, Instance: kernel.InstanceOf(dev.Name), Device: dev.Name, Judge: "kernel", Object: hex.EncodeToString(sum[:])},
	}
	for _, bp := range b.Programs {
		if bp.Err != nil {
			return nil, bp.Err
		}
		j.Checked[bp.Spec.Name] = verifier.KernelJudged(bp.Program)
	}
	for _, s := range b.StructOps() {
		j.Meta.Points = append(j.Meta.Points, kernel.Point{Table: s.StructOps.Table, Variable: s.Spec.Name})
	}
	return j, nil
}

var errNoMutation = errors.New("no such constant")

func (p *proof) driver(mutate func(*object.Bound) bool) (*trace, error) {
	if err := special(false); err != nil {
		return nil, err
	}
	d, err := create(p.info())
	if err != nil {
		return nil, err
	}
	dev, err := p.target.HIDDevice(d.name)
	if err != nil {
		return nil, errors.Join(err, d.close())
	}
	// Let the first probe end: attaching to a device in the middle of it succeeds without effect.
	if err := d.WaitStart(10 * time.Second); err != nil {
		return nil, errors.Join(err, d.close())
	}
	j, err := p.job(dev, mutate)
	if err != nil {
		return nil, errors.Join(err, d.close())
	}
	if _, _, err := p.target.Insert(j); err != nil {
		return nil, errors.Join(err, d.close())
	}
	t, err := p.run(d)
	_, rerr := p.target.Remove(j.Meta.Driver, j.Meta.Instance)
	return t, errors.Join(err, rerr)
}

// wrong changes one constant of the driver at a time until the comparison
// notices; variants the kernel refuses do not count.
func (p *proof) wrong(t *testing.T, original *trace, hidraw bool) bool {
	defer func(d time.Duration) { patience = d }(patience)
	patience = 2 * time.Second
	for n := range 32 {
		tr, err := p.driver(func(b *object.Bound) bool {
			if n == 0 && mutateDescriptor(b, original.descriptor) {
				return true
			}
			return mutateConstant(b, n)
		})
		if errors.Is(err, errNoMutation) {
			return false
		}
		if err != nil || len(tr.events) != len(original.events) {
			t.Logf("wrong variant %d: %v", n, err)
			continue
		}
		if d := tr.diff(original, p.reports, hidraw); d != "" {
			return true
		}
	}
	return false
}

// mutateDescriptor changes a range in the driver's copy of a whole descriptor,
// if it has one.
func mutateDescriptor(b *object.Bound, desc []byte) bool {
	items, err := descriptor.Items(desc)
	if err != nil {
		return false
	}
	for _, m := range b.Maps {
		at := bytes.Index(m.Map.Contents, desc)
		if at < 0 {
			continue
		}
		for _, it := range items {
			if it.Type == descriptor.Global && it.Tag == descriptor.TagLogicalMax && it.Size > 0 {
				m.Map.Contents = bytes.Clone(m.Map.Contents)
				m.Map.Contents[at+it.Offset+1] ^= 2
				return true
			}
		}
	}
	return false
}

// mutateConstant makes variant n: even ones change a byte in the driver's
// tables of constants, odd ones a constant that a program moves or stores.
func mutateConstant(b *object.Bound, n int) bool {
	for _, m := range b.Maps {
		if c := m.Map.Contents; strings.Contains(m.Spec.Name, "rodata") && n%2 == 0 && len(c) > 8 {
			m.Map.Contents = append([]byte(nil), c...)
			m.Map.Contents[(n/2*(len(c)/11)+len(c)/2)%len(c)] ^= 1
			return true
		}
	}
	n /= 2
	for _, bp := range b.Programs {
		in := bp.Program.Insns
		for i := 0; i < len(in); i++ {
			if in[i].IsLdImm64() {
				i++
				continue
			}
			store := in[i].Class() == bpf.ClassST && in[i].Op&0xe0 == bpf.ModeMEM
			cmp := (in[i].Class() == bpf.ClassJMP || in[i].Class() == bpf.ClassJMP32) && in[i].Op&bpf.SrcX == 0 && in[i].Op&0xf0 != bpf.JmpCALL && in[i].Imm > 1
			mov := (in[i].Op == bpf.ClassALU64|bpf.AluMOV || in[i].Op == bpf.ClassALU|bpf.AluMOV) && in[i].Imm > 0 && in[i].Imm < 0x10000 && in[i].Dst() != 3
			if !store && !mov && !cmp {
				continue
			}
			if n == 0 {
				in[i].Imm++
				return true
			}
			n--
		}
	}
	return false
}
