// SPDX-License-Identifier: Apache-2.0

package recording

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const sample = `# made from the HID specification's boot mouse
D: 0
R: 3 05 01 09
N: A mouse
P: usb-1/input0
I: 3 1234 00ab
E: 000000.000000 3 00 01 ff
E: 000001.500000 3 01 00 00
`

func TestRoundTrip(t *testing.T) {
	devs, err := Read(strings.NewReader(sample), "a")
	if err != nil {
		t.Fatal(err)
	}
	d := devs[0]
	if d.Name != "A mouse" || d.Vendor != 0x1234 || d.Product != 0xab || d.Bus != 3 || len(d.Events) != 2 || d.Events[1].Time != 1500*time.Millisecond {
		t.Fatalf("read %+v", d)
	}
	var b bytes.Buffer
	if err := Write(&b, devs...); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(sample, b.String()); diff != "" {
		t.Fatal(diff)
	}
}

func TestErrors(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"no colon": {"hello\n", "a:1: want KEY"},
		"bad hex":  {"D: 0\nR: 1 zz\n", "a:2: hex bytes"},
		"short":    {"D: 0\nR: 3 01 02\n", "a:2: 2 bytes follow, length says 3"},
		"long":     {"D: 0\nR: 99999 01\n", "a:2: length"},
		"time":     {"R: 1 05\nE: x.y 1 00\n", "a:2: time"},
		"unknown":  {"Q: 1\n", "a:1: unknown record"},
		"identity": {"I: 3 12\n", "a:1: want bus"},
		"no rdesc": {"D: 0\nN: x\n", "has no descriptor"},
		"empty":    {"# nothing\n", "no device"},
		"device":   {"D: -1\n", "device number"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Read(strings.NewReader(c.in), "a")
			if !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want %q", err, c.want)
			}
		})
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(sample))
	f.Fuzz(func(t *testing.T, in []byte) {
		devs, err := Read(bytes.NewReader(in), "fuzz")
		if err != nil {
			return
		}
		var b bytes.Buffer
		if err := Write(&b, devs...); err != nil {
			t.Fatal(err)
		}
	})
}
