// SPDX-License-Identifier: Apache-2.0

// Command procbench times whole processes for `make bench`: the contestants of
// a row alternate, so that a change of the machine's speed hits both, and the
// median, the minimum and the ratio of medians are printed. Peak memory is the
// operating system's figure for the process.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// row is one comparison. Peer may be empty; Undo runs after each run, untimed.
type row struct {
	name       string
	ours, peer []string
	undo       []string
	peerUndo   []string
	limit      time.Duration
}

type sample struct {
	wall []time.Duration
	rss  int64 // KiB, the largest
}

func main() {
	modbpf := flag.String("modbpf", "bin/modbpf", "binary to time")
	bpftool := flag.String("bpftool", "", "bpftool, for the comparison of insertion; empty: left out")
	n := flag.Int("n", 21, "runs of each contestant")
	flag.Parse()
	rows := []row{
		{name: "check HID driver, embedded profile", ours: []string{*modbpf, "check", "--kernel", "7.2", "manifests/semitek.yaml"}, limit: 60 * time.Millisecond},
		{name: "check HID driver, three profiles", ours: []string{*modbpf, "check", "--kernel", "6.18", "--kernel", "7.2", "--kernel", "7.3", "manifests/primax.yaml"}},
		{name: "version", ours: []string{*modbpf, "--version"}},
	}
	if os.Getuid() == 0 {
		rows = append(rows,
			row{name: "list", ours: []string{*modbpf, "list"}, limit: 10 * time.Millisecond},
			row{
				name: "insert TCP driver, kernel", ours: []string{*modbpf, "insert", "manifests/scalable.yaml"}, undo: []string{*modbpf, "remove", "scalable"},
				peer: peer(*bpftool, "struct_ops", "register", "drivers/net/scalable/driver.bpf.o"),
			})
	}
	fmt.Println("| whole process | median | minimum | peer's median | ratio | goal | peak memory |")
	fmt.Println("|---|---|---|---|---|---|---|")
	bad := false
	for _, r := range rows {
		if err := r.print(*n); err != nil {
			fmt.Fprintf(os.Stderr, "procbench: %s: %v\n", r.name, err)
			bad = true
		}
	}
	if bad {
		os.Exit(1)
	}
}

func peer(tool string, args ...string) []string {
	if tool == "" {
		return nil
	}
	return append([]string{tool}, args...)
}

func (r *row) print(n int) error {
	var ours, other sample
	for i := range n + 1 { // the first warms the caches and is not counted
		if err := ours.run(r.ours, r.undo, i > 0); err != nil {
			return err
		}
		if r.peer != nil {
			if err := other.run(r.peer, r.peerUndo, i > 0); err != nil {
				return err
			}
		}
	}
	peerText, ratio, goal := "-", "-", "-"
	if r.peer != nil {
		peerText = ms(median(other.wall))
		ratio = fmt.Sprintf("%.2f", float64(median(ours.wall))/float64(median(other.wall)))
		goal = "ratio ≤ 1"
	}
	if r.limit > 0 {
		goal = "≤ " + ms(r.limit)
		ratio = fmt.Sprintf("%.2f of the limit", float64(median(ours.wall))/float64(r.limit))
	}
	fmt.Printf("| %s | %s | %s | %s | %s | %s | %d MiB |\n", r.name, ms(median(ours.wall)), ms(slices.Min(ours.wall)), peerText, ratio, goal, ours.rss/1024)
	return nil
}

func (s *sample) run(args, undo []string, count bool) error {
	c := exec.Command(args[0], args[1:]...)
	start := time.Now()
	out, err := c.CombinedOutput()
	d := time.Since(start)
	if err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, out)
	}
	if count {
		s.wall = append(s.wall, d)
		s.rss = max(s.rss, maxRSS(c.ProcessState))
	}
	if undo != nil {
		if out, err := exec.Command(undo[0], undo[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", strings.Join(undo, " "), err, out)
		}
	}
	return nil
}

func median(d []time.Duration) time.Duration {
	s := slices.Clone(d)
	slices.Sort(s)
	return s[len(s)/2]
}

func ms(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d)/1e6) }
