// SPDX-License-Identifier: Apache-2.0

package descriptor

import (
	"fmt"
	"strings"
)

// diffLines is a longest-common-subsequence diff; descriptors have a few
// hundred lines, so the quadratic table is small.
func diffLines(a, b []Line, context int) string {
	key := func(l Line) string { return string(l.Bytes) + "\x00" + l.Text }
	n, m := len(a), len(b)
	lcs := make([]int32, (n+1)*(m+1))
	at := func(i, j int) *int32 { return &lcs[i*(m+1)+j] }
	for i := n - 1; i >= 0; i-- {
		for j := m - 1; j >= 0; j-- {
			if key(a[i]) == key(b[j]) {
				*at(i, j) = *at(i+1, j+1) + 1
			} else {
				*at(i, j) = max(*at(i+1, j), *at(i, j+1))
			}
		}
	}
	type row struct {
		sign byte
		line Line
	}
	var rows []row
	for i, j := 0, 0; i < n || j < m; {
		switch {
		case i < n && j < m && key(a[i]) == key(b[j]):
			rows = append(rows, row{' ', a[i]})
			i, j = i+1, j+1
		case i < n && (j == m || *at(i+1, j) >= *at(i, j+1)):
			rows = append(rows, row{'-', a[i]})
			i++
		default:
			rows = append(rows, row{'+', b[j]})
			j++
		}
	}
	keep := make([]bool, len(rows))
	for i, r := range rows {
		if r.sign != ' ' {
			for k := max(0, i-context); k <= min(len(rows)-1, i+context); k++ {
				keep[k] = true
			}
		}
	}
	var out strings.Builder
	skipped := 0
	flush := func() {
		if skipped > 0 {
			fmt.Fprintf(&out, "  ... %d lines as before\n", skipped)
			skipped = 0
		}
	}
	for i, r := range rows {
		if !keep[i] {
			skipped++
			continue
		}
		flush()
		fmt.Fprintf(&out, "%c %s\n", r.sign, r.line)
	}
	flush()
	return out.String()
}
