// SPDX-License-Identifier: Apache-2.0

package framework

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modbpf/modbpf/framework/exitcode"
	"github.com/modbpf/modbpf/framework/kernel"
	"github.com/modbpf/modbpf/framework/profile"
)

// device puts a HID device into a made-up /sys.
func device(t *testing.T, sysfs, name, modalias string) {
	t.Helper()
	dir := filepath.Join(sysfs, "bus/hid/devices", name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for f, text := range map[string]string{"modalias": modalias + "\n", "uevent": "HID_NAME=A keyboard\nHID_ID=x\n"} {
		if err := os.WriteFile(filepath.Join(dir, f), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func bound(t *testing.T, path string) *Bound {
	t.Helper()
	d, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	k, err := profile.Find("7.3")
	if err != nil {
		t.Skip(err)
	}
	b, err := d.Bind(k, BindOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Unmet(); err != nil {
		t.Fatal(err)
	}
	return b
}

// TestPlanDevices: a driver goes to each device it matches, and nowhere else.
func TestPlanDevices(t *testing.T) {
	sysfs := t.TempDir()
	tg, err := kernel.Open(kernel.Options{Root: t.TempDir(), Sysfs: sysfs})
	if err != nil {
		t.Fatal(err)
	}
	b := bound(t, "../manifests/semitek.yaml")
	_, err = b.Plan(tg, InsertOptions{})
	if exitcode.Of(err) != exitcode.NotFound || !strings.Contains(err.Error(), `ENV{MODALIAS}=="hid:b0003g*v00001EA7p00000907"`) {
		t.Errorf("no device: %v", err)
	}
	device(t, sysfs, "0003:1EA7:0907.0001", "hid:b0003g0001v00001EA7p00000907")
	device(t, sysfs, "0003:1EA7:0908.0002", "hid:b0003g0001v00001EA7p00000908")
	device(t, sysfs, "0003:1EA7:0907.00AB", "hid:b0003g0001v00001EA7p00000907")
	plan, err := b.Plan(tg, InsertOptions{})
	if err != nil || len(plan) != 2 || plan[0].Instance != "0003_1EA7_0907_0001" || plan[1].Device.ID != 0xab || plan[1].Device.Label != "A keyboard" {
		t.Errorf("plan %+v, %v", plan, err)
	}
	plan, err = b.Plan(tg, InsertOptions{Device: "0003:1EA7:0908.0002"})
	if err != nil || len(plan) != 1 || plan[0].Device.ID != 2 {
		t.Errorf("the user's choice: %+v, %v", plan, err)
	}
	if _, err = b.Plan(tg, InsertOptions{Device: "0003:1EA7:0907.00FF"}); exitcode.Of(err) != exitcode.NotFound {
		t.Errorf("absent device: %v", err)
	}
	if _, err = b.Plan(tg, InsertOptions{Device: "../../etc"}); exitcode.Of(err) != exitcode.Usage {
		t.Errorf("no device's name: %v", err)
	}
	tcp := bound(t, "../manifests/scalable.yaml")
	if plan, err := tcp.Plan(tg, InsertOptions{}); err != nil || len(plan) != 1 || plan[0].Instance != "default" {
		t.Errorf("tcp: %+v, %v", plan, err)
	}
	if _, err := tcp.Plan(tg, InsertOptions{Device: "0003:1EA7:0907.0001"}); exitcode.Of(err) != exitcode.Usage {
		t.Errorf("tcp with a device: %v", err)
	}
}

// TestKernelVerdict: what the kernel alone judges is said to be so, and the
// host refuses it.
func TestKernelVerdict(t *testing.T) {
	d, err := Load("../cmd/modbpf/testdata/bpf/kfuncs.bpf.o")
	if err != nil {
		t.Fatal(err)
	}
	k, err := profile.Find("7.3")
	if err != nil {
		t.Skip(err)
	}
	b, err := d.Bind(k, BindOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, insist := range []bool{false, true} {
		_, results, _ := b.Check(CheckOptions{All: true, KernelVerdict: insist})
		for _, r := range results {
			switch r.Program {
			case "calls":
				if r.Checked == nil || r.Checked.Judge().String() != "modbpf" {
					t.Errorf("%s: %+v", r.Program, r)
				}
			case "reads_beyond":
				if (r.Checked != nil) != insist || insist && r.Checked.Judge().String() != "kernel" {
					t.Errorf("%s, insisting %v: %+v", r.Program, insist, r)
				}
			case "calls_missing":
				if r.Checked != nil {
					t.Errorf("%s: nobody can insert a program the kernel has no function for", r.Program)
				}
			}
		}
	}
}
