// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"errors"
	"os"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"

	"github.com/modbpf/modbpf/framework"
	"github.com/modbpf/modbpf/framework/kernel"
	"github.com/modbpf/modbpf/framework/profile"
)

// TestRounds inserts and removes a driver a thousand times in a kernel that
// nobody else uses, and counts every program, map, link and descriptor after.
func TestRounds(t *testing.T) {
	if !inGuest(t, "7.2") {
		return
	}
	k, err := profile.Running()
	if err != nil {
		t.Fatal(err)
	}
	d, err := framework.Load(root + "/manifests/scalable.yaml")
	if err != nil {
		t.Fatal(err)
	}
	b, err := d.Bind(k, framework.BindOptions{})
	if err != nil {
		t.Fatal(err)
	}
	c, results, err := b.Check(framework.CheckOptions{NoWorst: true})
	if err != nil || c == nil {
		t.Fatalf("check: %v %v", err, b.Refuse(results))
	}
	target, err := kernel.Open(kernel.Options{Mount: true})
	if err != nil {
		t.Fatal(err)
	}
	var before [4]int
	start := time.Now()
	const rounds = 1000
	for i := range rounds {
		plan, err := b.Plan(target, framework.InsertOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Insert(target, plan); err != nil {
			t.Fatalf("round %d: %v", i, err)
		}
		if _, err := target.Remove("scalable", "default"); err != nil {
			t.Fatalf("round %d: %v", i, err)
		}
		if i == 0 {
			before = settled(t, [4]int{})
		}
	}
	if after := settled(t, before); after != before {
		t.Errorf("programs, maps, links, descriptors: %v before, %v after", before, after)
	}
	if p := pins(t); p != "" {
		t.Errorf("pins: %s", p)
	}
	t.Logf("%d rounds in %v; programs, maps, links, descriptors: %v", rounds, time.Since(start).Round(time.Second), before)
}

// settled counts, and waits for delayed frees until the count is want or five
// seconds are over.
func settled(t *testing.T, want [4]int) [4]int {
	t.Helper()
	var n [4]int
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		n = count(t)
		if n == want || time.Now().After(end) {
			return n
		}
	}
}

func count(t *testing.T) (n [4]int) {
	t.Helper()
	for id := ebpf.ProgramID(0); ; n[0]++ {
		next, err := ebpf.ProgramGetNextID(id)
		if errors.Is(err, os.ErrNotExist) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		id = next
	}
	for id := ebpf.MapID(0); ; n[1]++ {
		next, err := ebpf.MapGetNextID(id)
		if errors.Is(err, os.ErrNotExist) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		id = next
	}
	it := new(link.Iterator)
	for it.Next() {
		n[2]++
	}
	err := it.Err()
	it.Close()
	if err != nil {
		t.Fatal(err)
	}
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	n[3] = len(fds)
	return n
}
