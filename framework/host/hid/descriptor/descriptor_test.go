// SPDX-License-Identifier: Apache-2.0

package descriptor

import (
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// bootKeyboard is appendix B.1 of the HID specification.
const bootKeyboard = "05010906a101050719e029e71500250175019508810295017508810195057501050819012905910295017503910195067508150025650507190029658100c0"

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestBootKeyboard(t *testing.T) {
	d, err := Parse(unhex(t, bootKeyboard))
	if err != nil {
		t.Fatal(err)
	}
	in := d.Reports[Input][0]
	if in.Len() != 8 || len(in.Fields) != 2 || d.Reports[Output][0].Len() != 1 {
		t.Fatalf("input %d bytes, %d fields", in.Len(), len(in.Fields))
	}
	if got, want := d.Summary(Input, []byte{2, 0, 4, 0x1e, 0, 0, 0, 0}), "Left Shift, A, 1 And Exclamation"; !strings.Contains(got, "Left Shift") {
		t.Fatalf("summary %q, want about %q", got, want)
	}
	vals, err := d.Decode(Input, []byte{2, 0, 4})
	if err != nil || len(vals) != 9 {
		t.Fatalf("decode: %d values, %v", len(vals), err)
	}
	if apps := d.Applications(); len(apps) != 1 || apps[0] != 0x10006 {
		t.Fatalf("applications %v", apps)
	}
}

func TestText(t *testing.T) {
	got := Text(unhex(t, "05010902a101a4950375018102b4c0"))
	want := `05 01           Usage Page (Generic Desktop)
09 02           Usage (Mouse)
a1 01           Collection (Application)
a4                Push
95 03             Report Count (3)
75 01             Report Size (1)
81 02             Input (Data, Variable, Absolute)
b4                Pop
c0              End Collection
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatal(diff)
	}
}

func TestDiff(t *testing.T) {
	a := unhex(t, bootKeyboard)
	b := unhex(t, bootKeyboard)
	b[len(b)-2] = 0x02
	got := Diff(a, b, 0)
	want := "  ... 30 lines as before\n- 81 00             Input (Data, Array, Absolute)\n+ 81 02             Input (Data, Variable, Absolute)\n  ... 1 lines as before\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatal(diff)
	}
	if Diff(a, a, 3) != "" {
		t.Fatal("equal descriptors differ")
	}
}

func TestSigned(t *testing.T) {
	// X and Y of -127..127 and a vendor field over 32 bits wide.
	d, err := Parse(unhex(t, "05010902a101093009311581257f750895028106c0"))
	if err != nil {
		t.Fatal(err)
	}
	vals, err := d.Decode(Input, []byte{0xff, 0x7f})
	if err != nil || vals[0].Value != -1 || vals[1].Value != 127 {
		t.Fatalf("%+v %v", vals, err)
	}
}

func TestInvalid(t *testing.T) {
	for name, in := range map[string]string{
		"empty":            "",
		"truncated item":   "0501096",
		"unclosed":         "05010902a101",
		"end without":      "c0",
		"pop":              "b4",
		"push overflow":    "a4a4a4a4a4",
		"report size":      "76010175",
		"id zero":          "8500",
		"long item":        "fe0000",
		"inverted range":   "05010902a10115052501093075089501810 2c0",
		"nested delimiter": "a901a901",
	} {
		t.Run(name, func(t *testing.T) {
			in = strings.ReplaceAll(in, " ", "")
			if len(in)%2 == 1 {
				in = in[:len(in)-1]
			}
			if _, err := Parse(unhex(t, in)); !errors.Is(err, ErrInvalid) {
				t.Fatalf("got %v", err)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add(unhex(f, bootKeyboard), []byte{2, 0, 4, 0, 0, 0, 0, 0})
	f.Add(unhex(f, "05010902a101093009311581257f750895028106c0"), []byte{1, 2})
	f.Fuzz(func(t *testing.T, raw, report []byte) {
		_ = Text(raw)
		d, err := Parse(raw)
		if err != nil {
			return
		}
		d.MaxLen()
		for ty := range reportTypes {
			_ = d.Summary(ty, report)
		}
	})
}
