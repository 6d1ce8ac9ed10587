// SPDX-License-Identifier: Apache-2.0

package plot

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
)

func panel() Panel {
	return Panel{
		Title: "cwnd <of> two", Unit: "segments", X: []float64{0, 1, 2, 3, 4},
		Curves: []Curve{{"a & b", []float64{1, 2, math.NaN(), 4, 5}}, {"c", []float64{5, 4, 3, 2, 1}}},
	}
}

func TestSVG(t *testing.T) {
	var b strings.Builder
	if err := SVG(&b, []Panel{panel(), {Title: "empty"}}); err != nil {
		t.Fatal(err)
	}
	d := xml.NewDecoder(strings.NewReader(b.String()))
	paths := 0
	for {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("not XML: %v\n%s", err, b.String())
		}
		if e, ok := tok.(xml.StartElement); ok && e.Name.Local == "path" {
			for _, a := range e.Attr {
				if a.Name.Local == "fill" && a.Value == "none" {
					paths++
				}
			}
		}
	}
	if paths != 2 || !strings.Contains(b.String(), "a &amp; b") {
		t.Errorf("%d curves\n%s", paths, b.String())
	}
}

func TestText(t *testing.T) {
	var b strings.Builder
	p := panel()
	if err := Text(&b, &p, 40, 5); err != nil {
		t.Fatal(err)
	}
	want := `cwnd <of> two (segments)  a a & b  b c
      5|b      b               a      a
       |               b
      3|       a               b
       |a                             b
      0|
       +0s---------------------------4s
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}
