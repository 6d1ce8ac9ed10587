// SPDX-License-Identifier: Apache-2.0

package helpers

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/modbpf/modbpf/framework/host/maps"
	"github.com/modbpf/modbpf/framework/host/mem"
	"github.com/modbpf/modbpf/framework/host/world"
	"github.com/modbpf/modbpf/jit"
)

// bench is a world with a run in it and memory to pass to callees.
type bench struct {
	t *testing.T
	w *world.World
	r *world.Run
	f *jit.Frame
	s *Set
}

func newBench(t *testing.T) *bench {
	t.Helper()
	w, err := world.New(nil, 3)
	if err != nil {
		t.Fatal(err)
	}
	r := w.Enter(nil)
	t.Cleanup(func() {
		r.Exit()
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return &bench{t, w, r, &jit.Frame{User: r}, NewSet()}
}

func (b *bench) alloc(n int) uint64 {
	b.t.Helper()
	p, err := b.w.Mem.Alloc(n)
	if err != nil {
		b.t.Fatal(err)
	}
	return uint64(p)
}

func (b *bench) str(s string) uint64 {
	p := b.alloc(len(s) + 1)
	copy(mem.Bytes(uintptr(p), len(s)), s)
	return p
}

func (b *bench) kfunc(name string, a ...uint64) uint64 {
	b.t.Helper()
	c, err := b.s.Kfunc(name)
	if err != nil {
		b.t.Fatal(err)
	}
	var r [5]uint64
	copy(r[:], a)
	return c.Fn(b.f, r[0], r[1], r[2], r[3], r[4])
}

func (b *bench) helper(id int32, a ...uint64) uint64 {
	b.t.Helper()
	c, err := b.s.Helper(id, "")
	if err != nil {
		b.t.Fatal(err)
	}
	var r [5]uint64
	copy(r[:], a)
	return c.Fn(b.f, r[0], r[1], r[2], r[3], r[4])
}

func neg(e maps.Errno) uint64 { return e.R0() }

func TestStrings(t *testing.T) {
	b := newBench(t)
	hello, bad := b.str("Hello, World"), uint64(0x7fff_0000_0000)
	for _, c := range []struct {
		name string
		args []uint64
		want uint64
	}{
		{"bpf_strlen", []uint64{hello}, 12},
		{"bpf_strnlen", []uint64{hello, 5}, 5},
		{"bpf_strcmp", []uint64{hello, b.str("Hello, World")}, 0},
		{"bpf_strcmp", []uint64{hello, b.str("Hello")}, 1},
		{"bpf_strcmp", []uint64{hello, b.str("hello")}, ^uint64(0)},
		{"bpf_strcasecmp", []uint64{hello, b.str("hELLO, wORLD")}, 0},
		{"bpf_strncasecmp", []uint64{hello, b.str("helLX"), 4}, 0},
		{"bpf_strchr", []uint64{hello, 'o'}, 4},
		{"bpf_strchr", []uint64{hello, 'z'}, neg(maps.ENOENT)},
		{"bpf_strchr", []uint64{hello, 0}, 12},
		{"bpf_strchrnul", []uint64{hello, 'z'}, 12},
		{"bpf_strnchr", []uint64{hello, 3, 'o'}, neg(maps.ENOENT)},
		{"bpf_strrchr", []uint64{hello, 'o'}, 8},
		{"bpf_strspn", []uint64{hello, b.str("leH")}, 4},
		{"bpf_strcspn", []uint64{hello, b.str(", ")}, 5},
		{"bpf_strstr", []uint64{hello, b.str("World")}, 7},
		{"bpf_strstr", []uint64{hello, b.str("")}, 0},
		{"bpf_strstr", []uint64{hello, b.str("worlds")}, neg(maps.ENOENT)},
		{"bpf_strcasestr", []uint64{hello, b.str("WORLD")}, 7},
		{"bpf_strnstr", []uint64{hello, b.str("World"), 11}, neg(maps.ENOENT)},
		{"bpf_strnstr", []uint64{hello, b.str("World"), 12}, 7},
		{"bpf_strlen", []uint64{0}, neg(maps.ERANGE)},
		{"bpf_strlen", []uint64{bad}, neg(maps.EFAULT)},
	} {
		if got := b.kfunc(c.name, c.args...); got != c.want {
			t.Errorf("%s%v = %d, want %d", c.name, c.args, int64(got), int64(c.want))
		}
	}
}

func TestProbeRead(t *testing.T) {
	b := newBench(t)
	src, dst := b.str("abc"), b.alloc(16)
	if r := b.helper(113, dst, 3, src); r != 0 || string(mem.Bytes(uintptr(dst), 3)) != "abc" {
		t.Errorf("read: %d, %q", int64(r), mem.Bytes(uintptr(dst), 3))
	}
	for _, p := range []uint64{0, 8, 0xffff_8880_0000_0000, 0x7ffe_0000_0000, 1 << 63} {
		copy(mem.Bytes(uintptr(dst), 8), "12345678")
		if r := b.helper(113, dst, 8, p); r != neg(maps.EFAULT) || *mem.U64(uintptr(dst)) != 0 {
			t.Errorf("read of %#x: %d, %x", p, int64(r), *mem.U64(uintptr(dst)))
		}
	}
	if r := b.helper(115, dst, 3, src); r != 3 || string(mem.Bytes(uintptr(dst), 3)) != "ab\x00" {
		t.Errorf("string cut short: %d, %q", r, mem.Bytes(uintptr(dst), 3))
	}
	// The last page before unmapped memory is read to its end and no further.
	page, err := b.w.Mem.Map(mem.PageSize())
	if err != nil {
		t.Fatal(err)
	}
	end := uint64(page) + uint64(mem.PageSize())
	copy(mem.Bytes(uintptr(end-3), 3), "xy\x00")
	if r := b.helper(115, dst, 16, end-3); r != 3 {
		t.Errorf("string at the end of a mapping: %d", int64(r))
	}
	*mem.U8(uintptr(end - 1)) = 'z'
	if r := b.helper(115, dst, 16, end-3); r != neg(maps.EFAULT) {
		t.Errorf("string that runs out of a mapping: %d", int64(r))
	}
}

func TestPrintf(t *testing.T) {
	b := newBench(t)
	s := b.str("str")
	ip := b.str("\x0a\x00\x00\x01")
	for _, c := range []struct {
		format string
		args   []uint64
		want   string
	}{
		{"plain %%", nil, "plain %"},
		{"%d %i %u", []uint64{^uint64(0), 5, ^uint64(0)}, "-1 5 4294967295"},
		{"%ld %llu %lx", []uint64{^uint64(0), ^uint64(0), 255}, "-1 18446744073709551615 ff"},
		{"%08x|%-5d|%5d|%+d", []uint64{0xbeef, 1, 2, 3}, "0000beef|1    |    2|+3"},
		{"%s %c", []uint64{s, 'q'}, "str q"},
		{"%pI4 %pi4", []uint64{ip, ip}, "10.0.0.1 010.000.000.001"},
		{"%#x", []uint64{16}, "0x10"},
	} {
		out := b.alloc(64)
		args := b.alloc(64)
		for i, a := range c.args {
			*mem.U64(uintptr(args) + uintptr(8*i)) = a
		}
		r := b.helper(165, out, 64, b.str(c.format), args, uint64(8*len(c.args)))
		got, _ := cstring(uintptr(out), 64)
		if got != c.want || int(r) != len(c.want)+1 {
			t.Errorf("%q: %q, %d; want %q", c.format, got, int64(r), c.want)
		}
	}
	for _, f := range []string{"%", "%y", "%lc", "\x01", "%d"} {
		if r := b.helper(165, b.alloc(8), 8, b.str(f), 0, 0); r != neg(maps.EINVAL) {
			t.Errorf("%q: %d", f, int64(r))
		}
	}
	f := b.str("n %d\n")
	if r := b.helper(6, f, 6, 7); r != 4 {
		t.Errorf("printk: %d", int64(r))
	}
	lines, _ := b.w.Trace.Lines()
	if len(lines) != 1 || lines[0].Text != "n 7" {
		t.Errorf("trace: %+v", lines)
	}
}

func TestDynptr(t *testing.T) {
	b := newBench(t)
	data, d, c := b.alloc(64), b.alloc(16), b.alloc(16)
	buf := b.str("hello")
	steps := []struct {
		what string
		got  uint64
		want uint64
	}{
		{"from_mem flags", b.helper(197, data, 64, 1, d), neg(maps.EINVAL)},
		{"is_null", b.kfunc("bpf_dynptr_is_null", d), 1},
		{"from_mem", b.helper(197, data, 64, 0, d), 0},
		{"size", b.kfunc("bpf_dynptr_size", d), 64},
		{"write", b.helper(202, d, 10, buf, 5, 0), 0},
		{"write out of range", b.helper(202, d, 60, buf, 5, 0), neg(maps.E2BIG)},
		{"data", b.helper(203, d, 10, 5), data + 10},
		{"adjust", b.kfunc("bpf_dynptr_adjust", d, 10, 15), 0},
		{"adjust too far", b.kfunc("bpf_dynptr_adjust", d, 0, 6), neg(maps.ERANGE)},
		{"slice", b.kfunc("bpf_dynptr_slice", d, 1, 0, 4), data + 11},
		{"slice out of range", b.kfunc("bpf_dynptr_slice", d, 2, 0, 4), 0},
		{"clone", b.kfunc("bpf_dynptr_clone", d, c), 0},
		{"clone size", b.kfunc("bpf_dynptr_size", c), 5},
		{"memset", b.kfunc("bpf_dynptr_memset", c, 0, 2, 'x'), 0},
	}
	for _, s := range steps {
		if s.got != s.want {
			t.Errorf("%s: %d, want %d", s.what, int64(s.got), int64(s.want))
		}
	}
	if got := string(mem.Bytes(uintptr(data)+10, 5)); got != "xxllo" {
		t.Errorf("data %q", got)
	}
}

// TestTree keeps a tree and a sorted slice in step.
func TestTree(t *testing.T) {
	b := newBench(t)
	r := rand.New(rand.NewPCG(1, 2))
	root := uintptr(b.alloc(16))
	key := func(n uintptr) uint64 { return *mem.U64(n + 32) }
	var in []uintptr
	less := func(a, b uintptr) (bool, error) { return key(a) < key(b), nil }
	for range 20000 {
		if len(in) < 200 && r.IntN(2) == 0 || len(in) == 0 {
			n := uintptr(b.alloc(40))
			world.TreeClear(n)
			*mem.U64(n + 32) = r.Uint64N(300)
			if err := world.TreeInsert(root, n, less); err != nil {
				t.Fatal(err)
			}
			i, _ := slices.BinarySearchFunc(in, key(n)+1, func(a uintptr, k uint64) int { return int(int64(key(a)) - int64(k)) })
			in = slices.Insert(in, i, n)
		} else {
			i := r.IntN(len(in))
			world.TreeRemove(root, in[i])
			b.w.Mem.Free(in[i], 40)
			in = slices.Delete(in, i, i+1)
		}
		if r.IntN(20) != 0 {
			continue
		}
		var got []uintptr
		for n := world.TreeFirst(root); n != 0; n = world.TreeNext(n) {
			got = append(got, n)
		}
		if !slices.Equal(got, in) {
			t.Fatalf("tree and slice differ: %d and %d nodes", len(got), len(in))
		}
	}
}

func TestIterators(t *testing.T) {
	b := newBench(t)
	it := b.alloc(16)
	if r := b.kfunc("bpf_iter_num_new", it, 3, 6); r != 0 {
		t.Fatal(int64(r))
	}
	var got []int32
	for p := b.kfunc("bpf_iter_num_next", it); p != 0; p = b.kfunc("bpf_iter_num_next", it) {
		got = append(got, *(*int32)(mem.Ptr(uintptr(p))))
	}
	if !slices.Equal(got, []int32{3, 4, 5}) {
		t.Errorf("numbers %v", got)
	}
	if r := b.kfunc("bpf_iter_num_new", it, 6, 3); r != neg(maps.EINVAL) || b.kfunc("bpf_iter_num_next", it) != 0 {
		t.Errorf("backwards: %d", int64(r))
	}
	words := b.alloc(24)
	for _, n := range []int{1, 3} {
		want := []uint32{}
		for i := range 64 * n {
			bit := i%7 == 3 || i%64 == 63
			if bit {
				*mem.U64(uintptr(words) + uintptr(i/64*8)) |= 1 << (i % 64)
				want = append(want, uint32(i))
			}
		}
		if r := b.kfunc("bpf_iter_bits_new", it, words, uint64(n)); r != 0 {
			t.Fatal(int64(r))
		}
		var bitsGot []uint32
		for p := b.kfunc("bpf_iter_bits_next", it); p != 0; p = b.kfunc("bpf_iter_bits_next", it) {
			bitsGot = append(bitsGot, *mem.U32(uintptr(p)))
		}
		b.kfunc("bpf_iter_bits_destroy", it)
		if !slices.Equal(bitsGot, want) {
			t.Errorf("bits of %d words: %v, want %v", n, bitsGot, want)
		}
		clear(mem.Bytes(uintptr(words), 24))
	}
}

func TestNumbers(t *testing.T) {
	b := newBench(t)
	for _, c := range []struct {
		s       string
		base    uint64
		v, used uint64
	}{
		{"42x", 10, 42, 2},
		{"  -7", 0, ^uint64(6), 4},
		{"0x1fz", 0, 31, 4},
		{"017", 0, 15, 3},
		{"ff", 16, 255, 2},
		{"x", 10, 0, neg(maps.EINVAL)},
		{"99999999999999999999", 10, 0, neg(maps.ERANGE)},
		{"9223372036854775808", 10, 0, neg(maps.ERANGE)},
		{"-9223372036854775808", 10, 1 << 63, 20},
		{"1", 3, 0, neg(maps.EINVAL)},
	} {
		out := b.alloc(8)
		if r := b.helper(105, b.str(c.s), uint64(len(c.s)), c.base, out); r != c.used || *mem.U64(uintptr(out)) != c.v {
			t.Errorf("strtol(%q, %d): %d, value %d", c.s, c.base, int64(r), int64(*mem.U64(uintptr(out))))
		}
	}
}

func TestChecksum(t *testing.T) {
	b := newBench(t)
	// The header of RFC 1071's usual example: its checksum is 0xb861.
	h := b.str("\x45\x00\x00\x73\x00\x00\x40\x00\x40\x11\x00\x00\xc0\xa8\x00\x01\xc0\xa8\x00\xc7")
	sum := ^Fold16(Sum(uintptr(h), 20, 0))
	if sum>>8|sum<<8 != 0xb861 {
		t.Errorf("checksum %#x", sum)
	}
	// A sum corrected by the difference of what changed is the sum of the whole.
	from := b.str("\x40\x11\x00\x00")
	to := b.str("\x3f\x06\x12\x34")
	d := b.helper(28, from, 4, to, 4, uint64(^sum))
	mem.Copy(uintptr(h)+8, uintptr(to), 4)
	if got := Fold16(Sum(uintptr(h), 20, 0)); uint64(got) != d {
		t.Errorf("by difference %#x, whole %#x", d, got)
	}
}

func TestResilientLock(t *testing.T) {
	b := newBench(t)
	l := b.alloc(8)
	if r := b.kfunc("bpf_res_spin_lock", l); r != 0 {
		t.Fatal(int64(r))
	}
	if r := b.kfunc("bpf_res_spin_lock", l); r != neg(maps.EDEADLK) {
		t.Errorf("taken twice: %d", int64(r))
	}
	other := b.w.Enter(nil)
	f := &jit.Frame{User: other}
	c, err := b.s.Kfunc("bpf_res_spin_lock")
	if err != nil {
		t.Fatal(err)
	}
	if r := c.Fn(f, l, 0, 0, 0, 0); r != neg(maps.ETIMEDOUT) {
		t.Errorf("held by another: %d", int64(r))
	}
	b.kfunc("bpf_res_spin_unlock", l)
	if r := c.Fn(f, l, 0, 0, 0, 0); r != 0 {
		t.Errorf("free: %d", int64(r))
	}
	other.Exit()
}

func TestMissing(t *testing.T) {
	s := NewSet()
	for _, err := range []error{
		func() error { _, err := s.Helper(67, "get_stack"); return err }(),
		func() error { _, err := s.Kfunc("bpf_cgroup_from_id"); return err }(),
		func() error { _, err := s.Ksym("jiffies"); return err }(),
	} {
		if err == nil || !strings.Contains(err.Error(), "not in the host") {
			t.Errorf("%v", err)
		}
	}
}
