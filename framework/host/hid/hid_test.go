// SPDX-License-Identifier: Apache-2.0

package hid

import (
	"debug/elf"
	"encoding/hex"
	"errors"
	"testing"

	"github.com/modbpf/modbpf/btf"
	"github.com/modbpf/modbpf/framework/host/hid/descriptor"
	"github.com/modbpf/modbpf/framework/host/mem"
	"github.com/modbpf/modbpf/framework/host/world"
)

// The types come from a driver's own BTF, which declares the structures of
// HID-BPF in the kernel's order: enough for the model, and on every machine.
func testBus(t testing.TB) *Bus {
	t.Helper()
	f, err := elf.Open("../../../drivers/hid/waltop/driver.bpf.o")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	raw, err := f.Section(".BTF").Data()
	if err != nil {
		t.Fatal(err)
	}
	spec, err := btf.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	arena := mem.New(0)
	t.Cleanup(func() { arena.Close() })
	b, err := newBus(nil, spec, arena)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// slot is a callback written in Go, given the context's address.
type slot func(ctx uint64, args []uint64) int

func (s slot) Run(_ *world.Run, args uintptr) (uint64, error) {
	words := make([]uint64, 5)
	for i := range words {
		words[i] = *mem.U64(args + uintptr(8*i))
	}
	return uint64(int64(s(words[0], words[1:]))), nil
}

func unhex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

var (
	mouse    = unhex("05010902a1010901a100050919012903150025019503750181029501750581010501093009311581257f750895028106c0c0")
	keyboard = unhex("05010906a101050719e029e71500250175019508810295017508810195057501050819012905910295017503910195067508150025650507190029658100c0")
)

func addDevice(t testing.TB, b *Bus, desc []byte) (*Device, *[][]byte) {
	t.Helper()
	d, err := b.Add(Info{Bus: 3, Vendor: 1, Product: 2, Name: "test"}, desc, nil)
	if err != nil {
		t.Fatal(err)
	}
	var got [][]byte
	d.Deliver = func(r []byte) { got = append(got, append([]byte(nil), r...)) }
	return d, &got
}

func TestEventOrderAndSize(t *testing.T) {
	b := testBus(t)
	k := b.Kfuncs()
	d, got := addDevice(t, b, keyboard)
	var order []string
	step := func(name string, ret int) *Ops {
		return &Ops{Name: name, DeviceEvent: slot(func(ctx uint64, _ []uint64) int {
			order = append(order, name)
			p := k["hid_bpf_get_data"](nil, ctx, 0, 64, 0, 0)
			if p == 0 {
				t.Error("no 64 bytes for an 8-byte report")
				return 0
			}
			if k["hid_bpf_get_data"](nil, ctx, 1, 64, 0, 0) != 0 {
				t.Error("65 bytes of 64")
			}
			*mem.U8(uintptr(p))++
			return ret
		})}
	}
	first := step("first", 0)
	for _, o := range []*Ops{first, step("second", 4)} {
		if err := d.Attach(o); err != nil {
			t.Fatal(err)
		}
	}
	before := step("before", 0)
	before.Flags = BeforeFlag
	if err := d.Attach(before); err != nil {
		t.Fatal(err)
	}
	if err := d.Input(descriptor.Input, []byte{0, 0, 4, 0, 0, 0, 0, 0}); err != nil {
		t.Fatal(err)
	}
	if want := "before first second"; len(order) != 3 || order[0]+" "+order[1]+" "+order[2] != want {
		t.Fatalf("order %v, want %s", order, want)
	}
	if len(*got) != 1 || hex.EncodeToString((*got)[0]) != "03000400" {
		t.Fatalf("delivered %x", *got)
	}
	if err := d.Detach(first); err != nil {
		t.Fatal(err)
	}
	if err := d.Input(descriptor.Input, make([]byte, 8)); err != nil || (*got)[1][0] != 2 {
		t.Fatalf("after detach: %v %x", err, *got)
	}
}

func TestDrop(t *testing.T) {
	b := testBus(t)
	d, got := addDevice(t, b, keyboard)
	ret := -22
	if err := d.Attach(&Ops{Name: "drop", DeviceEvent: slot(func(uint64, []uint64) int { return ret })}); err != nil {
		t.Fatal(err)
	}
	for r, want := range map[int]error{-22: EINVAL, 65: EINVAL, -5: EIO} {
		ret = r
		if err := d.Input(descriptor.Input, make([]byte, 8)); !errors.Is(err, want) {
			t.Errorf("slot returns %d: %v, want %v", r, err, want)
		}
	}
	if len(*got) != 0 {
		t.Fatalf("delivered %x", *got)
	}
}

func TestFixup(t *testing.T) {
	b := testBus(t)
	k := b.Kfuncs()
	d, got := addDevice(t, b, mouse)
	o := &Ops{Name: "fix", RdescFixup: slot(func(ctx uint64, _ []uint64) int {
		p := k["hid_bpf_get_data"](nil, ctx, 0, 4096, 0, 0)
		copy(mem.Bytes(uintptr(p), 4096), keyboard)
		return len(keyboard)
	})}
	if err := d.Attach(o); err != nil {
		t.Fatal(err)
	}
	if cur, err := d.Current(); err != nil || string(cur) != string(keyboard) {
		t.Fatalf("descriptor %x, %v", cur, err)
	}
	if err := d.Attach(&Ops{Name: "other", RdescFixup: o.RdescFixup}); !errors.Is(err, ErrHasFixup) {
		t.Fatalf("second fix-up: %v", err)
	}
	if err := d.Input(descriptor.Input, make([]byte, 8)); err != nil || len(*got) != 1 {
		t.Fatalf("input: %v", err)
	}
	if err := d.Detach(o); err != nil {
		t.Fatal(err)
	}
	if cur, _ := d.Current(); string(cur) != string(mouse) {
		t.Fatalf("stock descriptor did not come back: %x", cur)
	}
}

func TestInjectAndReentry(t *testing.T) {
	b := testBus(t)
	k := b.Kfuncs()
	d, got := addDevice(t, b, keyboard)
	scratch, err := b.arena.Alloc(8)
	if err != nil {
		t.Fatal(err)
	}
	var results []int64
	err = d.Attach(&Ops{Name: "inject", DeviceEvent: slot(func(ctx uint64, _ []uint64) int {
		results = append(results, int64(k["hid_bpf_try_input_report"](nil, ctx, 0, uint64(scratch), 8, 0)))
		return 0
	})})
	if err != nil {
		t.Fatal(err)
	}
	mem.Bytes(scratch, 8)[2] = 5
	if err := d.Input(descriptor.Input, []byte{0, 0, 4, 0, 0, 0, 0, 0}); err != nil {
		t.Fatal(err)
	}
	// The injected report passes the drivers too, where injecting again is refused.
	if len(results) != 2 || results[0] != -int64(EDEADLOCK) || results[1] != 0 || len(*got) != 2 {
		t.Fatalf("results %v, delivered %x", results, *got)
	}
}

func TestRequest(t *testing.T) {
	b := testBus(t)
	k := b.Kfuncs()
	d, err := b.Add(Info{Name: "dev"}, keyboard, echo{})
	if err != nil {
		t.Fatal(err)
	}
	ctx := k["hid_bpf_allocate_context"](nil, uint64(d.ID), 0, 0, 0, 0)
	if ctx == 0 || k["hid_bpf_allocate_context"](nil, 99, 0, 0, 0, 0) != 0 {
		t.Fatal("contexts")
	}
	buf, _ := b.arena.Alloc(64)
	if got := int64(k["hid_bpf_hw_request"](nil, ctx, uint64(buf), 64, 0, 1)); got != 9 {
		t.Fatalf("request of an 8-byte unnumbered report: %d, want 9", got)
	}
	if mem.Bytes(buf, 2)[1] != 0xee {
		t.Fatal("answer not copied back")
	}
	for _, c := range []struct {
		rtype, req uint64
		want       Errno
	}{{7, 1, EINVAL}, {2, 1, EINVAL}, {0, 77, EINVAL}} {
		if got := int64(k["hid_bpf_hw_request"](nil, ctx, uint64(buf), 64, c.rtype, c.req)); got != -int64(c.want) {
			t.Errorf("request %+v: %d", c, got)
		}
	}
	inUse := b.arena.InUse()
	k["hid_bpf_release_context"](nil, ctx, 0, 0, 0, 0)
	if b.arena.InUse() >= inUse {
		t.Fatal("context not freed")
	}
}

type echo struct{}

func (echo) RawRequest(_ uint8, buf []byte, _ descriptor.ReportType, _ uint32) int {
	if len(buf) > 1 {
		buf[1] = 0xee
	}
	return len(buf)
}
func (echo) OutputReport(buf []byte) int { return len(buf) }

func TestRemoveLeavesNothing(t *testing.T) {
	b := testBus(t)
	before := b.arena.InUse()
	d, _ := addDevice(t, b, keyboard)
	if err := d.Attach(&Ops{Name: "x", DeviceEvent: slot(func(uint64, []uint64) int { return 0 })}); err != nil {
		t.Fatal(err)
	}
	d.Remove()
	if err := d.Input(descriptor.Input, make([]byte, 8)); !errors.Is(err, ErrGone) {
		t.Fatalf("input after removal: %v", err)
	}
	if got := b.arena.InUse(); got != before {
		t.Fatalf("%d bytes in use, %d before", got, before)
	}
}

func BenchmarkInput(b *testing.B) {
	bus := testBus(b)
	d, _ := addDevice(b, bus, keyboard)
	d.Deliver = func([]byte) {}
	report := make([]byte, 8)
	b.ReportAllocs()
	for b.Loop() {
		if err := d.Input(descriptor.Input, report); err != nil {
			b.Fatal(err)
		}
	}
}
