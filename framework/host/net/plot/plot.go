// SPDX-License-Identifier: Apache-2.0

// Package plot draws curves over time, as SVG and as text for a terminal.
package plot

import (
	"bufio"
	"encoding/xml"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

// Curve is one line; Y[i] belongs to the panel's X[i]. NaN leaves a gap.
type Curve struct {
	Name string
	Y    []float64
}

// Panel is one diagram.
type Panel struct {
	Title  string
	Unit   string
	X      []float64 // seconds
	Curves []Curve
}

// colours are told apart by people who don't see all of them (Okabe and Ito).
var colours = []string{"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#f0e442"}

const (
	width, height           = 900, 220
	left, right, top, below = 70, 150, 28, 30
)

func (p *Panel) bounds() (x0, x1, y1 float64) {
	if len(p.X) > 0 {
		x0, x1 = p.X[0], p.X[len(p.X)-1]
	}
	for _, c := range p.Curves {
		for _, y := range c.Y {
			if !math.IsNaN(y) {
				y1 = max(y1, y)
			}
		}
	}
	if x1 <= x0 {
		x1 = x0 + 1
	}
	return x0, x1, nice(y1)
}

// nice is the next number of the form 1, 2 or 5 times a power of ten, in quarters
// that can be labelled.
func nice(v float64) float64 {
	if v <= 0 || math.IsInf(v, 0) {
		return 1
	}
	p := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 1.2, 1.6, 2, 2.4, 3, 4, 5, 6, 8} {
		if m*p >= v {
			return m * p
		}
	}
	return 10 * p
}

func number(v float64) string {
	for _, s := range []struct {
		f float64
		u string
	}{{1e9, "G"}, {1e6, "M"}, {1e3, "k"}} {
		if math.Abs(v) >= s.f {
			return strconv.FormatFloat(v/s.f, 'g', 3, 64) + s.u
		}
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}

func escape(s string) string {
	var b strings.Builder
	if xml.EscapeText(&b, []byte(s)) != nil {
		return ""
	}
	return b.String()
}

// SVG writes the panels one below the other.
func SVG(w io.Writer, panels []Panel) error {
	b := bufio.NewWriter(w)
	fmt.Fprintf(b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="11">`+"\n", width, height*len(panels))
	fmt.Fprintf(b, `<rect width="100%%" height="100%%" fill="#fff"/>`+"\n")
	for i := range panels {
		fmt.Fprintf(b, `<g transform="translate(0,%d)">`+"\n", i*height)
		panels[i].svg(b)
		fmt.Fprintln(b, `</g>`)
	}
	fmt.Fprintln(b, `</svg>`)
	if err := b.Flush(); err != nil {
		return fmt.Errorf("write plot: %w", err)
	}
	return nil
}

func (p *Panel) svg(b *bufio.Writer) {
	x0, x1, y1 := p.bounds()
	pw, ph := float64(width-left-right), float64(height-top-below)
	px := func(x float64) float64 { return left + (x-x0)/(x1-x0)*pw }
	py := func(y float64) float64 { return top + ph - y/y1*ph }
	fmt.Fprintf(b, `<text x="%d" y="16" font-weight="bold">%s</text>`+"\n", left, escape(p.Title+" ("+p.Unit+")"))
	for i := range 5 {
		y := y1 * float64(i) / 4
		fmt.Fprintf(b, `<path d="M%d %.1fH%d" stroke="#ddd"/><text x="%d" y="%.1f" text-anchor="end">%s</text>`+"\n",
			left, py(y), width-right, left-5, py(y)+4, number(y))
		x := x0 + (x1-x0)*float64(i)/4
		fmt.Fprintf(b, `<text x="%.1f" y="%d" text-anchor="middle">%ss</text>`+"\n", px(x), height-12, number(x))
	}
	for i, c := range p.Curves {
		col := colours[i%len(colours)]
		fmt.Fprintf(b, `<path fill="none" stroke="%s" d="`, col)
		pen := false
		for j, y := range c.Y {
			if j >= len(p.X) {
				break
			}
			if math.IsNaN(y) {
				pen = false
				continue
			}
			op := "L"
			if !pen {
				op, pen = "M", true
			}
			fmt.Fprintf(b, "%s%.1f %.1f", op, px(p.X[j]), py(y))
		}
		fmt.Fprintf(b, `"/><text x="%d" y="%d" fill="%s">%s</text>`+"\n", width-right+8, top+12+14*i, col, escape(c.Name))
	}
}

// Text draws a panel with characters: each curve has its letter.
func Text(w io.Writer, p *Panel, columns, rows int) error {
	columns, rows = max(columns, 30), max(rows, 4)
	x0, x1, y1 := p.bounds()
	const margin = 8
	cols := columns - margin - 1
	grid := make([][]byte, rows)
	for i := range grid {
		grid[i] = []byte(strings.Repeat(" ", cols))
	}
	for i, c := range p.Curves {
		for j, y := range c.Y {
			if j >= len(p.X) || math.IsNaN(y) {
				continue
			}
			col := min(int((p.X[j]-x0)/(x1-x0)*float64(cols)), cols-1)
			row := rows - 1 - min(int(y/y1*float64(rows)), rows-1)
			grid[row][col] = byte('a' + i%26)
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s (%s)", p.Title, p.Unit)
	for i, c := range p.Curves {
		fmt.Fprintf(&b, "  %c %s", 'a'+i%26, c.Name)
	}
	b.WriteByte('\n')
	for i, line := range grid {
		label := ""
		if i == 0 || i == rows-1 || i == rows/2 {
			label = number(y1 * float64(rows-i) / float64(rows))
		}
		if i == rows-1 {
			label = "0"
		}
		fmt.Fprintf(&b, "%*s|%s\n", margin-1, label, strings.TrimRight(string(line), " "))
	}
	end := number(x1) + "s"
	start := number(x0) + "s"
	fmt.Fprintf(&b, "%*s+%s%s%s\n", margin-1, "", start, strings.Repeat("-", max(cols-len(start)-len(end), 1)), end)
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write plot: %w", err)
	}
	return nil
}
