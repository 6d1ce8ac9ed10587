// SPDX-License-Identifier: Apache-2.0

package jit_test

import (
	"debug/elf"
	"encoding/binary"
	"flag"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/framework/host/helpers"
	"github.com/modbpf/modbpf/framework/host/maps"
	"github.com/modbpf/modbpf/framework/host/world"
	"github.com/modbpf/modbpf/internal/testrun"
	"github.com/modbpf/modbpf/internal/unchecked"
	"github.com/modbpf/modbpf/jit"
	"github.com/modbpf/modbpf/verifier"
)

var (
	speed  = flag.Duration("speed", 0, "measure the speed table for so long")
	only   = flag.String("workload", "", "measure this workload only")
	writeC = flag.String("code", "", "write the machine code of our engine, the kernel's and the native to this folder")
)

// TestSpeed prints the table of docs/jit.md: native code of the same C as the
// limit, our machine code, our interpreter and the kernel's machine code,
// alternating in one run. Without -speed it only checks that they agree.
func TestSpeed(t *testing.T) {
	b := newBench(t)
	if *speed > 0 {
		fmt.Printf("%s\n", machineName())
	}
	if *speed > 0 {
		fmt.Printf("%-9s %9s %9s %9s %9s   %8s %8s %8s\n", "workload", "native", "jit", "kernel", "interp", "jit/nat", "krn/nat", "jit/krn")
	}
	geo, n := 0.0, 0
	defer func() {
		if *speed > 0 && *only == "" {
			b.compileSpeed()
		}
	}()
	for _, w := range workloads {
		if *only != "" && *only != w {
			continue
		}
		r := b.measure(w)
		if *speed == 0 {
			continue
		}
		nat, ours, krn := r[0].low, r[1].low, r[2].low
		fmt.Printf("%-9s %9.2f %9.2f %9.2f %9.1f   %8.2f %8.2f %8.2f   median %.2f %.2f %.2f %.1f\n", w, nat, ours, krn, r[3].low,
			ours/nat, krn/nat, ours/krn, r[0].median, r[1].median, r[2].median, r[3].median)
		if krn > 2 {
			geo += math.Log(ours / krn)
			n++
		}
	}
	if n > 0 {
		fmt.Printf("geometric mean of jit/kernel over %d workloads: %.2f\n", n, math.Exp(geo/float64(n)))
	}
}

var workloads = []string{"empty", "single", "shared", "hid", "parse", "state", "calls", "array8", "hash4", "siphash", "csum16", "csum32", "swap"}

const benchBlock = 2048

type bench struct {
	t      *testing.T
	obj    *elf.File
	so     *elf.File
	native uintptr // where the shared object is mapped
	block  []byte
	world  *world.World
	maps   []maps.Map
	calls  *helpers.Set
	kfds   []int
	kblock []byte
	code   map[string][]bpf.Insn
}

var benchMaps = []*verifier.Map{
	{Name: "counters", Type: bpf.MapArray, KeySize: 4, ValueSize: 8, MaxEntries: 64},
	{Name: "flows", Type: bpf.MapHash, KeySize: 8, ValueSize: 8, MaxEntries: 1024},
}

func newBench(t *testing.T) *bench {
	clang, err := exec.LookPath("clang-19")
	if err != nil {
		t.Skip("no clang-19")
	}
	dir := t.TempDir()
	bpfObj, so := filepath.Join(dir, "bench.bpf.o"), filepath.Join(dir, "bench.so")
	for _, args := range [][]string{
		{"-O2", "-target", "bpf", "-mcpu=v3", "-c", "testdata/bench/bench.c", "-o", bpfObj},
		{"-O2", "-fPIC", "-shared", "-nostdlib", "-fvisibility=hidden", "testdata/bench/bench.c", "-o", so},
	} {
		if out, err := exec.Command(clang, args...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
	}
	b := &bench{t: t, block: mapped(t, benchBlock), calls: helpers.NewSet(), code: map[string][]bpf.Insn{}}
	if b.obj, err = elf.Open(bpfObj); err != nil {
		t.Fatal(err)
	}
	if b.so, err = elf.Open(so); err != nil {
		t.Fatal(err)
	}
	b.mapNative()
	if b.world, err = world.New(nil, 1); err != nil {
		t.Fatal(err)
	}
	for _, s := range benchMaps {
		m, err := maps.New(b.world, s)
		if err != nil {
			t.Fatal(err)
		}
		b.maps = append(b.maps, m)
	}
	return b
}

// mapped is memory outside the Go heap.
func mapped(t *testing.T, size int) []byte {
	m, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// mapNative loads the shared object by its program headers: it needs no
// relocation.
func (b *bench) mapNative() {
	size := uint64(0)
	for _, p := range b.so.Progs {
		if p.Type == elf.PT_LOAD {
			size = max(size, p.Vaddr+p.Memsz)
		}
	}
	size = (size + 4095) &^ 4095
	base, err := unix.MmapPtr(-1, 0, nil, uintptr(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_32BIT)
	if err != nil {
		b.t.Fatal(err)
	}
	image := unsafe.Slice((*byte)(base), size)
	for _, p := range b.so.Progs {
		if p.Type == elf.PT_LOAD {
			if _, err := p.ReadAt(image[p.Vaddr:p.Vaddr+p.Filesz], 0); err != nil {
				b.t.Fatal(err)
			}
		}
	}
	// The loop that calls a function for each of a row of contexts, as ours has one.
	if err := unix.Mprotect(image, unix.PROT_READ|unix.PROT_EXEC); err != nil {
		b.t.Fatal(err)
	}
	b.native = uintptr(base)
}

func (b *bench) nativeFunc(name string) uintptr {
	syms, err := b.so.DynamicSymbols()
	if err != nil {
		b.t.Fatal(err)
	}
	for _, s := range syms {
		if s.Name == name {
			return b.native + uintptr(s.Value)
		}
	}
	b.t.Fatalf("no native %s", name)
	return 0
}

// nativeLoop makes the loop around a native function.
func (b *bench) nativeLoop(fn uintptr) uintptr {
	code := []byte{
		0x53, 0x41, 0x55, 0x41, 0x56, 0x41, 0x57, // push rbx, r13, r14, r15
		0x48, 0x89, 0xfb, // mov rbx, rdi
		0x49, 0x89, 0xf5, // mov r13, rsi
		0x49, 0x89, 0xd6, // mov r14, rdx
		0x45, 0x31, 0xff, // xor r15d, r15d
		0x4a, 0x8b, 0x3c, 0xfb, // loop: mov rdi, [rbx+r15*8]
		0xe8, 0, 0, 0, 0, // call fn
		0x4b, 0x89, 0x44, 0xfd, 0, // mov [r13+r15*8], rax
		0x49, 0xff, 0xc7, // inc r15
		0x4d, 0x39, 0xf7, // cmp r15, r14
		0x72, 0xea, // jb loop
		0x41, 0x5f, 0x41, 0x5e, 0x41, 0x5d, 0x5b, // pop
		0xc3,
	}
	at, err := jit.Place(len(code), func(w []byte, at uintptr) {
		copy(w, code)
		binary.LittleEndian.PutUint32(w[24:], uint32(int64(fn)-int64(at)-28))
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return at
}

// program reads a workload's instructions; map references become indexes.
func (b *bench) program(name string) []bpf.Insn {
	s := b.obj.Section("bench/" + name)
	raw, err := s.Data()
	if err != nil {
		b.t.Fatal(err)
	}
	var insns []bpf.Insn
	for ; len(raw) > 0; raw = raw[8:] {
		insns = append(insns, bpf.Insn{Op: raw[0], Regs: raw[1], Off: int16(binary.LittleEndian.Uint16(raw[2:])), Imm: int32(binary.LittleEndian.Uint32(raw[4:]))})
	}
	if rel := b.obj.Section(".relbench/" + name); rel != nil {
		syms, err := b.obj.Symbols()
		if err != nil {
			b.t.Fatal(err)
		}
		data, err := rel.Data()
		if err != nil {
			b.t.Fatal(err)
		}
		for ; len(data) > 0; data = data[16:] {
			off, info := binary.LittleEndian.Uint64(data), binary.LittleEndian.Uint64(data[8:])
			sym := syms[info>>32-1].Name
			i := slices.IndexFunc(benchMaps, func(m *verifier.Map) bool { return m.Name == sym })
			if i < 0 {
				b.t.Fatalf("%s refers to %s", name, sym)
			}
			in := &insns[off/8]
			in.Regs = bpf.Regs(in.Dst(), bpf.PseudoMapFD)
			in.Imm = int32(i)
		}
	}
	return insns
}

func (b *bench) Map(i int) (jit.MapInfo, error) { return b.maps[i].Info(), nil }
func (b *bench) Helper(id int32) (*jit.Callee, error) {
	return b.calls.Helper(id, "")
}
func (b *bench) Kfunc(n string) (*jit.Callee, error) { return b.calls.Kfunc(n) }
func (b *bench) Ksym(n string) (uintptr, error)      { return b.calls.Ksym(n) }

// fill sets the block to the input of a workload.
func (b *bench) fill(w string, block []byte) {
	for i := range block {
		block[i] = byte(i*7 + i>>3)
	}
	switch w {
	case "hid":
		copy(block, []byte{8, 0x85, 0x34, 0x12, 0x78, 0x56, 0xff, 0x0f, 1, 0, 2, 0})
	case "parse":
		binary.LittleEndian.PutUint32(block, 60)
		p := block[64:]
		copy(p[12:], []byte{0x08, 0x00, 0x45, 0, 0, 46, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0x30, 0x39, 0x01, 0xbb, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, 0x02})
	case "state":
		const text = `hello 42 "quoted \" text" foo9bar 123abc "" x "unfinished `
		for i := range 256 {
			block[i] = text[i%len(text)]
		}
	case "array8", "hash4":
		copy(block, []byte{1, 7, 33, 2, 63, 12, 5, 40})
	}
	if w == "array8" || w == "hash4" {
		tail := block[benchBlock-32:]
		binary.LittleEndian.PutUint64(tail, uint64(b.maps[0].Info().Value))
	}
}

type timing struct{ low, median float64 }

// measure times one workload: native, machine code, kernel, interpreter.
func (b *bench) measure(w string) [4]timing {
	src := w
	if w == "single" || w == "shared" {
		src = "empty"
	}
	insns := b.program(src)
	p := &verifier.Program{Name: w, Type: bpf.ProgSchedCls, Insns: insns, Maps: benchMaps}
	c := unchecked.New(p)
	ours, err := jit.Compile(c, b)
	if err != nil {
		b.t.Fatal(err)
	}
	defer ours.Close()
	runner, err := jit.NewRunner(ours)
	if err != nil {
		b.t.Fatal(err)
	}
	defer runner.Close()
	interp, err := jit.Interpret(c, b)
	if err != nil {
		b.t.Fatal(err)
	}
	fn := b.nativeFunc(src)
	loop := b.nativeLoop(fn)
	for i := range uint64(64) {
		var k, v [8]byte
		binary.LittleEndian.PutUint64(k[:], i)
		if err := b.maps[1].Update(k[:], v[:], 0); err != nil {
			b.t.Fatal(err)
		}
	}
	if *writeC != "" {
		name := filepath.Join(*writeC, w+".jit.bin")
		if err := os.WriteFile(name, jit.MachineBytes(ours), 0o644); err != nil {
			b.t.Fatal(err)
		}
	}
	// They must agree first.
	run := b.world.Enter(nil)
	defer run.Exit()
	addr := uintptr(unsafe.Pointer(&b.block[0]))
	nativeThread, err := jit.NewNative(ours)
	if err != nil {
		b.t.Fatal(err)
	}
	defer nativeThread.Close()
	nat := func() uint64 { return nativeThread.Call(fn, addr) }
	var results [3]uint64
	var blocks [3]string
	for k, f := range []func() (uint64, error){
		func() (uint64, error) { return nat(), nil },
		func() (uint64, error) { return ours.Run(addr, run) },
		func() (uint64, error) { return interp.Run(addr, run) },
	} {
		b.resetMaps()
		b.fillNative(w)
		if results[k], err = f(); err != nil {
			b.t.Fatal(w, err)
		}
		blocks[k] = string(b.block[:benchBlock-32])
	}
	if results[0] != results[1] || results[1] != results[2] || blocks[0] != blocks[1] || blocks[1] != blocks[2] {
		b.t.Errorf("%s: results differ: native %#x, jit %#x, interpreter %#x", w, results[0], results[1], results[2])
	}
	var r [4]timing
	if *speed == 0 {
		return r
	}
	const batch = 256
	ctxs, res := make([]uintptr, batch), make([]uint64, batch)
	for i := range ctxs {
		ctxs[i] = addr
	}
	b.fillNative(w)
	kernel := b.onKernel(w, insns)
	var times [4][]float64
	per := func(k, n int, f func()) {
		b.fillNative(w)
		s := time.Now()
		f()
		times[k] = append(times[k], float64(time.Since(s).Nanoseconds())/float64(n))
	}
	for end := time.Now().Add(*speed); time.Now().Before(end); {
		if w == "single" {
			// What the caller of one C function would pay without any engine: the same loop.
			per(0, batch, func() {
				nativeThread.Batch(loop, ctxs, res)
			})
			per(1, batch, func() {
				for range batch {
					if _, err := runner.Run(addr, run); err != nil {
						b.t.Fatal(err)
					}
				}
			})
		} else if w == "shared" { // the same by Run, which any number of goroutines may use at once
			per(0, batch, func() { nativeThread.Batch(loop, ctxs, res) })
			per(1, batch, func() {
				for range batch {
					if _, err := ours.Run(addr, run); err != nil {
						b.t.Fatal(err)
					}
				}
			})
		} else {
			per(0, batch, func() {
				nativeThread.Batch(loop, ctxs, res)
			})
			per(1, batch, func() {
				if err := ours.RunBatch(ctxs, res, run); err != nil {
					b.t.Fatal(err)
				}
			})
		}
		if kernel != nil {
			times[2] = append(times[2], kernel())
		}
		per(3, 8, func() {
			for range 8 {
				if _, err := interp.Run(addr, run); err != nil {
					b.t.Fatal(err)
				}
			}
		})
	}
	for k := range r {
		if len(times[k]) > 0 {
			slices.Sort(times[k])
			r[k] = timing{times[k][len(times[k])/50], times[k][len(times[k])/2]}
		}
	}
	return r
}

// compileSpeed measures making machine code, from a checked program to an
// executable and without what the system does only once.
func (b *bench) compileSpeed() {
	var long []bpf.Insn
	sip := b.program("siphash")
	for len(long) < 100_000 {
		long = append(long, sip[:len(sip)-1]...)
	}
	long = append(long, sip[len(sip)-1])
	for _, c := range []struct {
		name  string
		insns []bpf.Insn
	}{{"200 instructions", append(slices.Clone(sip[:199]), bpf.Insn{Op: bpf.OpExit})}, {"a whole parser", b.program("parse")}, {"100,000 instructions", long}} {
		low := time.Hour
		for range 50 {
			chk := unchecked.New(&verifier.Program{Name: "c", Type: bpf.ProgSchedCls, Insns: c.insns, Maps: benchMaps})
			s := time.Now()
			x, err := jit.Compile(chk, b)
			d := time.Since(s)
			if err != nil {
				b.t.Fatal(err)
			}
			x.Close()
			low = min(low, d)
		}
		fmt.Printf("compile %s (%d): %v, %.1f million a second\n", c.name, len(c.insns), low, float64(len(c.insns))/low.Seconds()/1e6)
	}
}

func machineName() string {
	b, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return ""
	}
	for _, l := range strings.Split(string(b), "\n") {
		if k, v, ok := strings.Cut(l, ":"); ok && strings.TrimSpace(k) == "model name" {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

func (b *bench) resetMaps() {
	for i := range uint32(64) {
		var k, v [8]byte
		binary.LittleEndian.PutUint32(k[:], i)
		if err := b.maps[0].Update(k[:4], v[:], 0); err != nil {
			b.t.Fatal(err)
		}
		if err := b.maps[1].Update(k[:], v[:], 0); err != nil {
			b.t.Fatal(err)
		}
	}
}

func (b *bench) fillNative(w string) {
	b.fill(w, b.block)
	if h := b.maps[1].Info().Hash; h != nil {
		tail := b.block[benchBlock-32:]
		binary.LittleEndian.PutUint64(tail[8:], uint64(h.Buckets))
		binary.LittleEndian.PutUint64(tail[16:], uint64(h.Mask))
		binary.LittleEndian.PutUint64(tail[24:], h.Seed)
	}
}

// onKernel loads the workload into the kernel, with the block in a map, and
// returns what measures one run there, an empty program's time subtracted.
func (b *bench) onKernel(w string, insns []bpf.Insn) func() float64 {
	if b.kfds == nil {
		for _, s := range append(slices.Clone(benchMaps), &verifier.Map{Type: bpf.MapArray, KeySize: 4, ValueSize: benchBlock, MaxEntries: 1, Flags: bpf.MapMmapable}) {
			fd, err := testrun.NewMap(s.Type, s.KeySize, s.ValueSize, s.MaxEntries, s.Flags)
			if err != nil {
				b.t.Log("without the kernel:", err)
				return nil
			}
			b.kfds = append(b.kfds, fd)
		}
		mem, err := testrun.MapMemory(b.kfds[2], 4096)
		if err != nil {
			b.t.Fatal(err)
		}
		b.kblock = mem
		for i := range uint64(64) {
			var k, v [8]byte
			binary.LittleEndian.PutUint64(k[:], i)
			if err := testrun.Update(b.kfds[1], k[:], v[:]); err != nil {
				b.t.Fatal(err)
			}
		}
	}
	head := []bpf.Insn{{Op: bpf.OpLdImm64, Regs: bpf.Regs(1, bpf.PseudoMapValue), Imm: int32(b.kfds[2])}, {}}
	k := append(slices.Clone(head), insns...)
	for i := range k[2:] {
		if in := &k[i+2]; in.IsLdImm64() && in.Src() == bpf.PseudoMapFD {
			in.Imm = int32(b.kfds[in.Imm])
		}
	}
	p, err := testrun.Load(bpf.ProgSchedCls, k)
	if err != nil {
		msg := err.Error()
		b.t.Logf("%s: the kernel refuses: %s", w, msg[max(0, len(msg)-300):])
		return nil
	}
	empty, err := testrun.Load(bpf.ProgSchedCls, []bpf.Insn{{Op: 0xb7}, {Op: bpf.OpExit}})
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { p.Close(); empty.Close() })
	packet := make([]byte, 64)
	lowEmpty := 0.0
	return func() float64 {
		const n = 2000
		time1 := func(p *testrun.Prog) float64 {
			b.fill(w, b.kblock[:benchBlock])
			s := time.Now()
			if _, _, err := p.RunData(packet, n); err != nil {
				b.t.Fatal(err)
			}
			return float64(time.Since(s).Nanoseconds()) / n
		}
		// The quietest empty run so far is the loop's own time.
		if e := time1(empty); lowEmpty == 0 || e < lowEmpty {
			lowEmpty = e
		}
		return time1(p) - lowEmpty
	}
}
