// SPDX-License-Identifier: Apache-2.0

package hidproof

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/modbpf/modbpf/framework"
	"github.com/modbpf/modbpf/framework/host"
	"github.com/modbpf/modbpf/framework/host/hid"
	"github.com/modbpf/modbpf/framework/host/hid/live"
	"github.com/modbpf/modbpf/framework/host/hid/recording"
	"github.com/modbpf/modbpf/framework/host/hid/uhid"
	"github.com/modbpf/modbpf/framework/manifest"
	"github.com/modbpf/modbpf/internal/kernellab/labtest"
)

// inserted is a driver in a host of its own.
type inserted struct {
	host   *host.Host
	bus    *hid.Bus
	driver *host.Driver
}

// insertHost proves a driver with our verifier and inserts it into a host,
// with the rules and layouts of k.
func insertHost(m *manifest.Manifest, k framework.Kernel) (*inserted, error) {
	d, err := framework.Load(m.File())
	if err != nil {
		return nil, err
	}
	b, err := d.Bind(k, framework.BindOptions{})
	if err != nil {
		return nil, err
	}
	c, results, err := b.Check(framework.CheckOptions{Facts: true, NoWorst: true})
	if err != nil {
		return nil, err
	}
	if c == nil {
		return nil, b.Refuse(results)
	}
	spec, err := c.HostSpec()
	if err != nil {
		return nil, err
	}
	in := &inserted{}
	if in.host, err = host.New(k, host.Options{}); err != nil {
		return nil, err
	}
	if in.bus, err = hid.New(in.host); err != nil {
		return nil, errors.Join(err, in.host.Close())
	}
	if in.driver, err = in.host.Insert(spec); err != nil {
		return nil, errors.Join(err, in.host.Close())
	}
	return in, nil
}

// throughHost makes the device, runs the driver on it in the host and records
// the device that the host presents.
func (p *proof) throughHost(k framework.Kernel) (*trace, error) {
	if err := special(false); err != nil {
		return nil, err
	}
	src, err := create(p.info())
	if err != nil {
		return nil, err
	}
	fail := func(err error) (*trace, error) { return nil, errors.Join(err, src.close()) }
	if err := src.open(); err != nil {
		return fail(err)
	}
	// The host wants the nodes for itself.
	for _, n := range src.nodes {
		if err := n.Close(); err != nil {
			return fail(err)
		}
	}
	src.nodes = nil
	found, err := live.Devices("/sys")
	if err != nil {
		return fail(err)
	}
	var raw *live.Raw
	for _, f := range found {
		if f.Name == src.name {
			if raw, err = live.Open(f); err != nil {
				return fail(err)
			}
		}
	}
	if raw == nil {
		return fail(fmt.Errorf("%s is not among the devices", src.name))
	}
	in, err := insertHost(p.m, k)
	if err != nil {
		return fail(errors.Join(err, raw.Close()))
	}
	var out *device
	present := func(info hid.Info, desc []byte, dev *hid.Device) (live.Sink, error) {
		var err error
		out, err = create(uhid.Info{Name: info.Name, Phys: info.Phys, Bus: info.Bus, Vendor: info.Vendor, Product: info.Product, Descriptor: desc})
		if err != nil {
			return nil, err
		}
		return sink{out}, nil
	}
	ses, err := live.Start(in.bus, in.driver, raw, present)
	if err != nil {
		return fail(errors.Join(err, in.host.Close()))
	}
	if err := out.open(); err != nil {
		return fail(errors.Join(err, ses.Close(), in.host.Close()))
	}
	t, err := out.record(p.reports, func(r []byte) error {
		if err := src.Input(r); err != nil {
			return err
		}
		for {
			if ok, err := raw.Waiting(); err != nil || !ok {
				return err
			}
			if err := ses.Step(); err != nil {
				return err
			}
		}
	})
	return t, errors.Join(err, out.closeNodes(), ses.Close(), in.driver.Close(), in.host.Close(), src.close())
}

// sink is the presented device as the session knows it.
type sink struct{ d *device }

func (s sink) Input(r []byte) error { return s.d.Input(r) }
func (s sink) Close() error         { return s.d.Close() }

// TestHostWithoutHIDBPF runs drivers in the host on Debian's 6.12, which has
// no hid_bpf_ops: the original module against the host's second device.
func TestHostWithoutHIDBPF(t *testing.T) {
	if labtest.Reexec(t, "6.12", labtest.Files(root+"/manifests", root+"/drivers")) {
		return
	}
	k, err := framework.HIDKernel()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"semitek", "ortek", "primax", "maltron", "gembird"} {
		t.Run(name, func(t *testing.T) {
			m, err := manifest.Load(filepath.Join(root, "manifests", name+".yaml"))
			if err != nil {
				t.Fatal(err)
			}
			recs, err := filepath.Glob(filepath.Join(root, "drivers/hid", name, "recordings/*.rec"))
			if err != nil || len(recs) == 0 {
				t.Fatalf("no recordings: %v", err)
			}
			p := &proof{m: m, rec: readRecording(t, recs[len(recs)-1])}
			original, err := p.original()
			if err != nil {
				t.Fatal(err)
			}
			got, err := p.throughHost(k)
			if err != nil {
				t.Fatal(err)
			}
			if d := got.diff(original, p.reports, known[m.Replaces[0]] == ""); d != "" {
				t.Errorf("host against original:\n%s", d)
			}
			t.Logf("equal in descriptor (%d bytes), capabilities and %d reports", len(got.descriptor), len(p.reports))
		})
	}
}

func readRecording(t *testing.T, file string) *recording.Device {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	devs, err := recording.Read(f, file)
	if err != nil {
		t.Fatal(err)
	}
	return devs[0]
}
