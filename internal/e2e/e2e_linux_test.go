// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/modbpf/modbpf/framework/host/hid/recording"
	"github.com/modbpf/modbpf/framework/host/hid/uhid"
	"github.com/modbpf/modbpf/internal/kernellab"
	"github.com/modbpf/modbpf/internal/kernellab/labtest"
)

const (
	root   = "../.."
	modbpf = "/tmp/modbpf"
)

// command builds modbpf outside the guest and puts it in.
func command(t *testing.T) labtest.Option {
	if labtest.InGuest() {
		return func(*kernellab.Job) {}
	}
	bin := filepath.Join(t.TempDir(), "modbpf")
	c := exec.Command("go", "build", "-o", bin, "./cmd/modbpf")
	c.Dir, c.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("build modbpf: %v\n%s", err, out)
	}
	return func(j *kernellab.Job) { j.Files[modbpf] = bin }
}

func inGuest(t *testing.T, series string) bool {
	if !labtest.InGuest() && os.Getenv("MODBPF_KERNEL_TESTS") == "" {
		t.Skip("runs under real kernels: make test-kernel") // before modbpf is built for nothing
	}
	return !labtest.Reexec(t, series, labtest.Files(root+"/manifests", root+"/drivers"), command(t))
}

// run runs modbpf and wants an exit code; what it printed comes back.
func run(t *testing.T, want int, args ...string) string {
	t.Helper()
	out, err := exec.Command(modbpf, args...).CombinedOutput()
	code := 0
	if ee := (*exec.ExitError)(nil); errors.As(err, &ee) {
		code = ee.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	if code != want {
		t.Fatalf("modbpf %s: exit code %d, want %d\n%s", strings.Join(args, " "), code, want, out)
	}
	return string(out)
}

func contains(t *testing.T, out string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(out, w) {
			t.Errorf("%q is not in:\n%s", w, out)
		}
	}
}

const semitek = root + "/manifests/semitek.yaml"

// keyboard makes the device of the semitek recording.
func keyboard(t *testing.T) *uhid.Device {
	t.Helper()
	f, err := os.Open(root + "/drivers/hid/semitek/recordings/gk6x.rec")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	devs, err := recording.Read(f, "gk6x.rec")
	if err != nil {
		t.Fatal(err)
	}
	d := devs[0]
	u, err := uhid.Create(uhid.Info{Name: d.Name, Phys: d.Phys, Bus: d.Bus, Vendor: d.Vendor, Product: d.Product, Descriptor: d.Descriptor}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := u.WaitStart(20 * time.Second); err != nil {
		t.Fatal(err)
	}
	for range 400 { // the first probe must end before a driver can be attached
		if raws, _ := filepath.Glob("/sys/bus/hid/devices/0003:1EA7:0907.*/hidraw/hidraw*"); len(raws) == 1 {
			return u
		}
		time.Sleep(25 * time.Millisecond)
	}
	t.Fatal("the keyboard got no hidraw node")
	return nil
}

// TestInsertHID is the main job on kernels with HID-BPF.
func TestInsertHID(t *testing.T) {
	for _, series := range []string{"6.18", "7.2", "7.3"} {
		t.Run(series, func(t *testing.T) {
			if !inGuest(t, series) {
				return
			}
			contains(t, run(t, 9, "insert", semitek), "no device that it matches is present", "ACTION==")
			contains(t, run(t, 0, "list"), "nothing is inserted")
			u := keyboard(t)
			contains(t, run(t, 0, "insert", semitek), "inserted semitek 1.0.0", "hid_bpf_ops")
			contains(t, run(t, 0, "insert", semitek), "inserted already", "nothing changed")
			contains(t, run(t, 0, "list"), "semitek", "attached", "kernel", "modbpf")
			desc, err := filepath.Glob("/sys/bus/hid/devices/0003:1EA7:0907.*/report_descriptor")
			if err != nil || len(desc) != 1 {
				t.Fatalf("device in sysfs: %v %v", desc, err)
			}
			b, err := os.ReadFile(desc[0])
			if err != nil || b[0x84] != 0x02 {
				t.Fatalf("the descriptor is not the driver's: % x (%v)", b, err)
			}
			contains(t, run(t, 0, "info", "semitek"), "judge:", "modbpf", "hid_rdesc_fixup")
			contains(t, run(t, 0, "remove", "semitek"), "removed semitek")
			contains(t, run(t, 0, "list"), "nothing is inserted")
			if err := u.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestInsertTCP inserts two at once, a hundred times, and looks for what is left.
func TestInsertTCP(t *testing.T) {
	for _, series := range []string{"6.12", "6.18", "7.2", "7.3"} {
		t.Run(series, func(t *testing.T) {
			if !inGuest(t, series) {
				return
			}
			scalable := root + "/manifests/scalable.yaml"
			before := pins(t)
			for range 10 {
				var wg sync.WaitGroup
				codes := make([]int, 2)
				for i := range codes {
					wg.Go(func() {
						err := exec.Command(modbpf, "insert", scalable).Run()
						if ee := (*exec.ExitError)(nil); errors.As(err, &ee) {
							codes[i] = ee.ExitCode()
						}
					})
				}
				wg.Wait()
				// Both did it, or one found the other at work (busy).
				if codes[0] != 0 && codes[1] != 0 {
					t.Fatalf("racing inserts ended with %v", codes)
				}
				cc, err := os.ReadFile("/proc/sys/net/ipv4/tcp_available_congestion_control")
				if err != nil {
					t.Fatal(err)
				}
				contains(t, string(cc), "bpf_scalable")
				run(t, 0, "remove", "scalable")
			}
			if after := pins(t); after != before {
				t.Errorf("left behind: %s", after)
			}
			var list struct {
				Insertions []any `json:"insertions"`
			}
			if err := json.Unmarshal([]byte(run(t, 0, "list", "--json")), &list); err != nil || len(list.Insertions) != 0 {
				t.Errorf("list after all: %v %v", list, err)
			}
		})
	}
}

func pins(t *testing.T) string {
	t.Helper()
	var all []string
	err := filepath.WalkDir("/sys/fs/bpf", func(p string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			all = append(all, p)
		}
		return nil // folders that vanish meanwhile do not matter
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(all, " ")
}

// TestKernelWithoutHIDBPF: Debian's 6.12 lacks the table. The answer is clear,
// and the host serves the device.
func TestKernelWithoutHIDBPF(t *testing.T) {
	if !inGuest(t, "6.12") {
		return
	}
	contains(t, run(t, 6, "insert", "--target", "kernel", semitek), "no extension point hid_bpf_ops", "CONFIG_HID_BPF")
	contains(t, run(t, 0, "points", "hid_bpf_ops"), "CONFIG_HID_BPF")
	u := keyboard(t)
	contains(t, run(t, 0, "insert", "-d", "--wait", semitek), "inserted semitek 1.0.0 into the host")
	presented := ""
	for range 400 {
		paths, err := filepath.Glob("/sys/bus/hid/devices/0006:1EA7:0907.*/report_descriptor")
		if err != nil {
			t.Fatal(err)
		}
		if len(paths) == 1 {
			presented = paths[0]
			break
		}
		time.Sleep(25 * time.Millisecond)
	}
	b, err := os.ReadFile(presented)
	if err != nil || len(b) < 0x85 || b[0x84] != 0x02 {
		t.Fatalf("presented descriptor: % x (%v)", b, err)
	}
	contains(t, run(t, 0, "list"), "host", "attached")
	contains(t, run(t, 0, "remove", "semitek"), "removed semitek from the host")
	if paths, _ := filepath.Glob("/sys/bus/hid/devices/0006:*"); len(paths) != 0 {
		t.Errorf("still presented: %v", paths)
	}
	if err := u.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestRecord records a device and plays the recording through the driver.
func TestRecord(t *testing.T) {
	if !inGuest(t, "7.2") {
		return
	}
	u := keyboard(t)
	names, err := filepath.Glob("/sys/bus/hid/devices/0003:1EA7:0907.*")
	if err != nil || len(names) != 1 {
		t.Fatalf("device in sysfs: %v %v", names, err)
	}
	name := filepath.Base(names[0])
	contains(t, run(t, 0, "record"), name, "SEMITEK GK6X")
	run(t, 9, "record", "0003:0000:0000.9999")
	done := make(chan error)
	go func() { done <- exec.Command(modbpf, "record", "--count", "2", "-o", "/tmp/new.rec", name).Run() }()
	a := make([]byte, 16)
	a[0], a[1] = 4, 0x10
	for sending := true; sending; {
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			sending = false
		case <-time.After(50 * time.Millisecond): // until it listens
			a[1] ^= 0x10
			if err := u.Input(a); err != nil {
				t.Fatal(err)
			}
		}
	}
	contains(t, run(t, 0, "test", semitek, "/tmp/new.rec"), "SEMITEK GK6X (1ea7:0907)", "+ 81 02")
	if err := u.Close(); err != nil {
		t.Fatal(err)
	}
}
