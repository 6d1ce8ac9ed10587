// SPDX-License-Identifier: Apache-2.0

package exitcode

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "write generated files")

func TestTable(t *testing.T) {
	codes, names := map[Code]bool{}, map[string]bool{}
	for _, r := range Table {
		if codes[r.Code] || names[r.Name] || r.Meaning == "" || r.Code < 0 || r.Code > 125 {
			t.Errorf("bad or repeated row: %+v", r)
		}
		codes[r.Code], names[r.Name] = true, true
	}
}

func TestOf(t *testing.T) {
	base := errors.New("disk")
	e := fmt.Errorf("insert x: %w", IO.With(base))
	if Of(e) != IO || !errors.Is(e, base) || e.Error() != "insert x: disk" {
		t.Errorf("code %v, text %q", Of(e), e)
	}
	if Of(Usage.With(e)) != IO {
		t.Error("the inner code was lost")
	}
	if Of(nil) != OK || Of(base) != Internal || Busy.With(nil) != nil {
		t.Error("nil or uncoded errors")
	}
}

func TestGenerated(t *testing.T) {
	const file = "../../docs/exit-codes.md"
	if *update {
		if err := os.WriteFile(file, Reference(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil || !bytes.Equal(got, Reference()) {
		t.Errorf("%s is not what the table says (%v): run go generate ./framework/exitcode", file, err)
	}
}
