// SPDX-License-Identifier: Apache-2.0

package object

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"os"
	"slices"
	"testing"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/btf"
)

// The objects in testdata are compiled from the sources beside them:
//
//go:generate clang-19 -ffile-prefix-map=$PWD=. -fdebug-compilation-dir=. -g -O2 --target=bpfel -mcpu=v3 -Wall -Wno-unused-parameter -Wno-main -c testdata/kernel.bpf.c -o testdata/kernel.bpf.o
//go:generate clang-19 -ffile-prefix-map=$PWD=. -fdebug-compilation-dir=. -g -O2 --target=bpfel -mcpu=v3 -Wall -Wno-unused-parameter -Wno-main -c testdata/driver.bpf.c -o testdata/driver.bpf.o

func openTest(t testing.TB, name string) *Object {
	t.Helper()
	data, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	o, err := OpenBytes(data, name)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// testKernel has the types of testdata/kernel.bpf.c.
func testKernel(t testing.TB) *fakeKernel {
	return &fakeKernel{
		vmlinux: openTest(t, "kernel.bpf.o").BTF.SetName("vmlinux"),
		config:  map[string]string{"CONFIG_ON": "y", "CONFIG_NUMBER": "0x123456789", "CONFIG_TEXT": `"a long text"`},
	}
}

func bindTest(t testing.TB, opts Options) *Bound {
	t.Helper()
	b, err := openTest(t, "driver.bpf.o").Bind(testKernel(t), opts)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func mustProgram(t testing.TB, b *Bound, name string) *BoundProgram {
	t.Helper()
	p := b.Program(name)
	if p == nil {
		t.Fatalf("no program %s", name)
	}
	if p.Err != nil {
		t.Fatal(p.Err)
	}
	return p
}

// constant runs a program that only computes: the few instructions clang uses
// for returning a relocated constant.
func constant(t *testing.T, p *BoundProgram) uint64 {
	t.Helper()
	var r [11]uint64
	for i := 0; i < len(p.Program.Insns); i++ {
		in := p.Program.Insns[i]
		v := uint64(int64(in.Imm))
		if in.Op&bpf.SrcX != 0 {
			v = r[in.Src()]
		}
		switch {
		case in.IsLdImm64():
			i++
			r[in.Dst()] = uint64(uint32(in.Imm)) | uint64(uint32(p.Program.Insns[i].Imm))<<32
		case in.Op == bpf.OpExit:
			return r[0]
		case in.Class() == bpf.ClassALU64 || in.Class() == bpf.ClassALU:
			switch in.Op & 0xf0 {
			case bpf.AluMOV:
				r[in.Dst()] = v
			case bpf.AluADD:
				r[in.Dst()] += v
			case bpf.AluMUL:
				r[in.Dst()] *= v
			case bpf.AluLSH:
				r[in.Dst()] <<= v
			case bpf.AluOR:
				r[in.Dst()] |= v
			default:
				t.Fatalf("%s: opcode %#x", p.Spec.Name, in.Op)
			}
			if in.Class() == bpf.ClassALU {
				r[in.Dst()] = uint64(uint32(r[in.Dst()]))
			}
		default:
			t.Fatalf("%s: opcode %#x", p.Spec.Name, in.Op)
		}
	}
	t.Fatalf("%s: no exit", p.Spec.Name)
	return 0
}

func TestOpen(t *testing.T) {
	o := openTest(t, "driver.bpf.o")
	if o.Name != "driver" || o.License != "Dual BSD/GPL" || o.Untyped != "" {
		t.Errorf("name %q, license %q, untyped %q", o.Name, o.License, o.Untyped)
	}
	for _, want := range []struct {
		name, section, target string
		typ                   bpf.ProgType
		attach                bpf.AttachType
		optional, sleepable   bool
	}{
		{"entry", "xdp", "", bpf.ProgXDP, bpf.AttachXDP, false, false},
		{"optional", "?tc", "", bpf.ProgSchedCls, 0, true, false},
		{"on_entry", "fentry/traced", "traced", bpf.ProgTracing, bpf.AttachTraceFentry, false, false},
		{"on_hook", "lsm.s/hook", "hook", bpf.ProgLSM, bpf.AttachLSMMac, false, true},
		{"a_second", "struct_ops.s/second", "second", bpf.ProgStructOps, 0, false, true},
		{"odd", "strange", "", bpf.ProgUnspec, 0, false, false},
	} {
		p := o.Program(want.name)
		if p == nil {
			t.Errorf("no program %s", want.name)
			continue
		}
		if p.Section != want.section || p.Target != want.target || p.Def.Type != want.typ || p.Def.Attach != want.attach ||
			p.Optional != want.optional || p.Def.Sleepable != want.sleepable {
			t.Errorf("%s: got %+v", want.name, *p)
		}
	}
	if o.Program("helper") != nil || o.Program("global_one") != nil {
		t.Error("a subprogram is taken for a program")
	}
	devs, err := o.HIDDevices()
	if err != nil || !slices.Equal(devs, []HIDMatch{{3, 1, 0x256c, 0x60}, {5, 0, 1, 2}}) {
		t.Errorf("devices %v, %v", devs, err)
	}
}

func TestMaps(t *testing.T) {
	b := bindTest(t, Options{MaxEntries: map[string]uint32{"small": 7}})
	hash := b.Map("hash")
	if m := hash.Map; m.Type != bpf.MapHash || m.KeySize != 4 || m.ValueSize != 8 || m.MaxEntries != 10 || m.Flags != 1 || !hash.Spec.PinByName {
		t.Errorf("hash: %+v", m)
	}
	if m := b.Map("ring").Map; m.MaxEntries != 8192 {
		t.Errorf("ring buffer of %d bytes", m.MaxEntries)
	}
	if m := b.Map("small").Map; m.MaxEntries != 7 {
		t.Errorf("small has %d entries", m.MaxEntries)
	}
	outer := b.Map("outer")
	if outer.Map.Inner == nil || outer.Map.Inner.ValueSize != 8 || !slices.Equal(outer.Slots, []Slot{{Index: 1, Map: "small"}}) {
		t.Errorf("outer: inner %+v, slots %v", outer.Map.Inner, outer.Slots)
	}
	if s := b.Map("jumps").Slots; !slices.Equal(s, []Slot{{Index: 1, Prog: "entry"}}) {
		t.Errorf("jumps: slots %v", s)
	}
	for _, want := range []struct {
		name   string
		flags  uint32
		frozen bool
	}{
		{".rodata", bpf.MapRdonlyProg | bpf.MapMmapable, true},
		{".data", bpf.MapMmapable, false},
		{".bss", bpf.MapMmapable, false},
		{".data.private", 0, false}, // only a hidden variable: stays out of reach
		{".kconfig", bpf.MapRdonlyProg | bpf.MapMmapable, true},
	} {
		m := b.Map(want.name)
		if m == nil || m.Err != nil || m.Map.Flags != want.flags || m.Map.Frozen != want.frozen || len(m.Map.Contents) != int(m.Map.ValueSize) {
			t.Errorf("%s: %+v", want.name, m)
		}
	}
}

func TestKconfig(t *testing.T) {
	b := bindTest(t, Options{})
	m := b.Map(".kconfig")
	get := func(name string) []byte {
		for _, e := range b.Object.externs {
			if e.name == name {
				return m.Map.Contents[e.off:][:e.size]
			}
		}
		t.Fatalf("no extern %s", name)
		return nil
	}
	for name, want := range map[string][]byte{
		"LINUX_KERNEL_VERSION": {4, 18, 6, 0},
		"CONFIG_ON":            {1},
		"CONFIG_NUMBER":        {0x89, 0x67, 0x45, 0x23, 1, 0, 0, 0},
		"CONFIG_TEXT":          []byte("a long \x00"),
		"CONFIG_ABSENT":        {0, 0, 0, 0},
	} {
		if got := get(name); !bytes.Equal(got, want) {
			t.Errorf("%s: % x, want % x", name, got, want)
		}
	}
	k := testKernel(t)
	k.config["CONFIG_ON"] = "m" // no bool
	b, err := b.Object.Bind(k, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if p := b.Program("entry"); !errors.Is(p.Err, ErrIncompatible) {
		t.Errorf("a module for a bool: %v", p.Err)
	}
	delete(k.config, "CONFIG_ON")
	b, err = b.Object.Bind(k, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if m, ok := Missing(b.Program("entry").Err); !ok || m.Feature != FeatureConfig || m.Name != "CONFIG_ON" {
		t.Errorf("option not set: %v", b.Program("entry").Err)
	}
	if err := b.Program("optional").Err; err != nil {
		t.Errorf("a program that does not ask for the option: %v", err)
	}
}

func TestSubprograms(t *testing.T) {
	p := mustProgram(t, bindTest(t, Options{}), "entry").Program
	var names []string
	for _, f := range p.Funcs {
		names = append(names, p.BTF.Name(f.Type))
	}
	// depth first, as they are called; each once
	if !slices.Equal(names, []string{"entry", "each", "helper", "hidden_one", "global_one"}) {
		t.Errorf("functions %v", names)
	}
	at := make(map[int]string)
	for i, f := range p.Funcs {
		at[f.Insn] = names[i]
	}
	for i, in := range p.Insns {
		if in.Op == bpf.OpCall && in.Src() == bpf.PseudoCall || in.IsLdImm64() && in.Src() == bpf.PseudoFunc {
			if at[i+1+int(in.Imm)] == "" {
				t.Errorf("instruction %d refers to slot %d, where no function begins", i, i+1+int(in.Imm))
			}
		}
	}
	hidden, ok := p.BTF.Find("hidden_one", btf.KindFunc)
	if !ok || p.BTF.Linkage(hidden) != linkStatic {
		t.Error("a hidden function is not static")
	}
	if len(p.Lines) == 0 || p.Lines[0].Insn != 0 || p.Lines[0].Source == "" {
		t.Errorf("line info %v", p.Lines[:min(3, len(p.Lines))])
	}
}

func TestCore(t *testing.T) {
	b := bindTest(t, Options{})
	k := b.Kernel.BTF()
	task, _ := k.Find("task", btf.KindStruct)
	local, _ := b.Object.BTF.Find("task", btf.KindStruct)
	for name, want := range map[string]uint64{
		"infos":       1,
		"size_of":     32,
		"sign_of":     1,
		"lshift_of":   64 - 14, // bits 3 to 13 of the word
		"rshift_of":   64 - 11,
		"type_here":   uint64(local),
		"type_there":  uint64(task),
		"exists":      1,
		"type_size":   uint64(k.Type(task).Size),
		"enum_value":  70000,
		"enum_big":    0x9123456789abcdef,
		"enum_absent": 0,
	} {
		if got := constant(t, mustProgram(t, b, name)); got != want {
			t.Errorf("%s: %#x, want %#x", name, got, want)
		}
	}
	var loads []bpf.Insn
	for _, in := range mustProgram(t, b, "offsets").Program.Insns {
		if in.Class() == bpf.ClassLDX {
			loads = append(loads, bpf.Insn{Op: in.Op, Off: in.Off})
		}
	}
	ldx := func(size uint8, off int16) bpf.Insn {
		return bpf.Insn{Op: bpf.ClassLDX | bpf.ModeMEM | size, Off: off}
	}
	for _, want := range []bpf.Insn{
		ldx(bpf.SizeW, 8),        // pid: in an anonymous union here
		ldx(bpf.SizeW, 12),       // tgid of a flavor: 64 bits there, 32 here
		ldx(bpf.SizeW, 16+2*8+4), // in[2].deep
		ldx(bpf.SizeW, 48),       // narrow: unsigned, so the load shrinks
		ldx(bpf.SizeDW, 0),       // moved
	} {
		if !slices.Contains(loads, want) {
			t.Errorf("no load %+v among %+v", want, loads)
		}
	}
	for _, name := range []string{"lost", "shrunk"} {
		if !slices.Contains(mustProgram(t, b, name).Program.Insns, bpf.Insn{Op: bpf.OpCall, Imm: PoisonCore}) {
			t.Errorf("%s is not poisoned", name)
		}
	}
}

func TestKsyms(t *testing.T) {
	b := bindTest(t, Options{})
	bp := mustProgram(t, b, "calls")
	k := b.Kernel.BTF()
	present, _ := k.Find("kfunc_present", btf.KindFunc)
	other, _ := k.Find("kfunc_other", btf.KindFunc)
	variable, _ := k.Find("kernel_var", btf.KindVar)
	var called []btf.ID
	var loaded []btf.ID
	poisoned := 0
	for _, in := range bp.Program.Insns {
		switch {
		case in.Op == bpf.OpCall && in.Src() == bpf.PseudoKfuncCall:
			called = append(called, btf.ID(in.Imm))
		case in.Op == bpf.OpCall && in.Imm >= PoisonKfunc:
			poisoned++
		case in.IsLdImm64() && in.Src() == bpf.PseudoBTFID:
			loaded = append(loaded, btf.ID(in.Imm))
		}
	}
	if !slices.Contains(called, present) || !slices.Contains(called, other) || len(called) != 2 || poisoned != 1 {
		t.Errorf("calls %v, %d poisoned; want %d and %d", called, poisoned, present, other)
	}
	if !slices.Equal(loaded, []btf.ID{variable}) {
		t.Errorf("variables %v, want %d", loaded, variable)
	}
	if len(bp.Symbols) != 1 || bp.Symbols[0].Name != "address_only" {
		t.Errorf("symbols %v", bp.Symbols)
	}
	if m, ok := Missing(b.Program("calls_absent").Err); !ok || m.Feature != FeatureKfunc || m.Name != "kfunc_absent" {
		t.Errorf("absent kfunc: %v", b.Program("calls_absent").Err)
	}
	known, err := b.Object.Bind(b.Kernel, Options{Symbol: func(n string) (uint64, bool) { return 0xffffffff12345678, n == "address_only" }})
	if err != nil {
		t.Fatal(err)
	}
	p := mustProgram(t, known, "calls")
	if len(p.Symbols) != 0 || !slices.ContainsFunc(p.Program.Insns, func(in bpf.Insn) bool { return in.IsLdImm64() && in.Src() == 0 && in.Imm == 0x12345678 }) {
		t.Error("the address of a known symbol is not filled in")
	}
}

func TestAttachTargets(t *testing.T) {
	b := bindTest(t, Options{})
	for name, want := range map[string]string{
		"on_entry": "traced", "on_event": "btf_trace_event", "on_hook": "bpf_lsm_hook", "on_iter": "bpf_iter_thing",
	} {
		p := mustProgram(t, b, name).Program
		if got := p.AttachBTF.Name(p.AttachID); got != want {
			t.Errorf("%s is attached to %q, want %q", name, got, want)
		}
	}
	if p := mustProgram(t, b, "on_hook").Program; p.Flags&bpf.ProgSleepable == 0 {
		t.Error("lsm.s is not sleepable")
	}
	if m, ok := Missing(b.Program("on_absent").Err); !ok || m.Feature != FeatureTarget || m.Name != "absent" {
		t.Errorf("absent target: %v", b.Program("on_absent").Err)
	}
	if err := b.Program("no_target").Err; !errors.Is(err, ErrNeedsTarget) {
		t.Errorf("no target: %v", err)
	}
	if err := b.Program("odd").Err; !errors.Is(err, ErrNoType) {
		t.Errorf("unknown section: %v", err)
	}
	b = bindTest(t, Options{Targets: map[string]string{"no_target": "traced"}})
	mustProgram(t, b, "no_target")
}

func TestStructOps(t *testing.T) {
	b := bindTest(t, Options{Members: map[string]map[string]int64{"two": {"value": 77}}})
	one, two, gone := b.Map("one"), b.Map("two"), b.Map("gone")
	if one.Err != nil || two.Err != nil {
		t.Fatal(one.Err, two.Err)
	}
	// struct ops lies at 8 in its value; value at 24, name at 28 in it
	want := []BoundMember{{"second", "a_second", 2, 8 + 16}, {"first", "a_first", 0, 8}}
	if !slices.Equal(one.StructOps.Members, want) || !one.StructOps.Link {
		t.Errorf("one: %+v", one.StructOps)
	}
	if v := one.StructOps.Value; binary.LittleEndian.Uint32(v[8+24:]) != 42 || string(v[8+28:8+31]) != "one" || binary.LittleEndian.Uint64(v[8:]) != 0 {
		t.Errorf("one holds % x", v)
	}
	if v := two.StructOps.Value; binary.LittleEndian.Uint32(v[8+24:]) != 77 || two.StructOps.Link || len(two.StructOps.Absent) != 1 {
		t.Errorf("two: %+v", two.StructOps)
	}
	for name, slot := range map[string]string{"a_first": "first", "a_second": "second", "b_first": "first"} {
		p := mustProgram(t, b, name).Program
		if p.StructOps != "ops" || p.Slot != slot || p.AttachBTF.Name(p.AttachID) != "ops" || p.AttachType != bpf.AttachStructOps {
			t.Errorf("%s: %s.%s (%d)", name, p.StructOps, p.Slot, p.Member)
		}
	}
	if m, ok := Missing(b.Program("never").Err); !ok || m.Feature != FeatureSlot || m.Name != "ops.never" {
		t.Errorf("member the kernel lacks: %v", b.Program("never").Err)
	}
	if err := b.Program("unused").Err; !errors.Is(err, ErrNoTable) {
		t.Errorf("program of no variable: %v", err)
	}
	if m, ok := Missing(gone.Err); !ok || m.Feature != FeatureStructOps || m.Name != "lost_ops" {
		t.Errorf("table the kernel lacks: %v", gone.Err)
	}
	if _, ok := Missing(b.Program("lost_go").Err); !ok {
		t.Errorf("program of a table the kernel lacks: %v", b.Program("lost_go").Err)
	}
}

func TestVariables(t *testing.T) {
	o := openTest(t, "driver.bpf.o")
	var opts Options
	for _, c := range []struct {
		name  string
		value any
		want  []byte // nil: refused
	}{
		{"invert", true, []byte{1}},
		{"invert", "yes", []byte{1}},
		{"invert", 2, nil},
		{"level", -7, []byte{0xf9, 0xff, 0xff, 0xff}},
		{"level", "0x10", []byte{16, 0, 0, 0}},
		{"level", int64(1) << 31, nil},
		{"level", 1.5, nil},
		{"small_number", 255, []byte{255}},
		{"small_number", 256, nil},
		{"small_number", -1, nil},
		{"label", "seven77", []byte("seven77\x00")},
		{"label", "eight888", nil},
		{"label", 3, nil},
		{"counter", 1, nil}, // not in .rodata
		{"nothing", 1, nil},
	} {
		err := o.SetRodata(&opts, c.name, c.value)
		if (err == nil) != (c.want != nil) || err == nil && !bytes.Equal(opts.Variables[c.name], c.want) {
			t.Errorf("%s = %v: % x, %v", c.name, c.value, opts.Variables[c.name], err)
		}
	}
	b, err := o.Bind(testKernel(t), opts)
	if err != nil {
		t.Fatal(err)
	}
	v, err := o.Variable("label")
	if err != nil || !bytes.HasPrefix(b.Map(".rodata").Map.Contents[v.Offset:], []byte("seven77")) {
		t.Errorf("label is not set: %v", err)
	}
	if !bytes.HasPrefix(o.Initial(v), []byte("abc\x00")) {
		t.Error("binding changed the object")
	}
}

func TestRefused(t *testing.T) {
	good, err := os.ReadFile("testdata/driver.bpf.o")
	if err != nil {
		t.Fatal(err)
	}
	with := func(change func(b []byte)) []byte {
		b := slices.Clone(good)
		change(b)
		return b
	}
	for name, c := range map[string]struct {
		data []byte
		want error
	}{
		"empty":      {nil, ErrNotELF},
		"text":       {[]byte("#!/bin/sh and more than twenty bytes"), ErrNotELF},
		"truncated":  {good[:len(good)/2], ErrInvalid},
		"x86":        {with(func(b []byte) { binary.LittleEndian.PutUint16(b[18:], uint16(elf.EM_X86_64)) }), ErrMachine},
		"big-endian": {with(func(b []byte) { b[elf.EI_DATA] = byte(elf.ELFDATA2MSB); b[18], b[19] = b[19], b[18] }), ErrBigEndian},
		"32-bit":     {with(func(b []byte) { b[elf.EI_CLASS] = byte(elf.ELFCLASS32) }), ErrInvalid},
		"no BTF":     {with(func(b []byte) { copy(b[bytes.Index(b, []byte("\x00.rel.BTF\x00"))+5:], ".BT_") }), ErrNoBTF},
		"bad BTF":    {with(func(b []byte) { b[bytes.Index(b, []byte{0x9f, 0xeb, 1, 0, 0x18})+3+5] = 0xff }), ErrInvalid},
	} {
		if _, err := OpenBytes(c.data, "x.bpf.o"); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func TestEssentialName(t *testing.T) {
	for in, want := range map[string]string{
		"a": "a", "a___b": "a", "a___b___c": "a___b", "___b": "___b", "a____b": "a____b", "a___": "a___", "bpf_x_impl": "bpf_x_impl",
	} {
		if got := essentialName(in); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}

// FuzzOpen feeds damaged objects to both halves: whatever opens must bind to
// something, without panic and in bounded memory.
func FuzzOpen(f *testing.F) {
	for _, n := range []string{"driver.bpf.o", "kernel.bpf.o"} {
		data, err := os.ReadFile("testdata/" + n)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	k := testKernel(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		o, err := OpenBytes(data, "fuzz.bpf.o")
		if err != nil {
			return
		}
		o.Variables()
		if _, err := o.HIDDevices(); err != nil && !errors.Is(err, ErrInvalid) {
			t.Fatal(err)
		}
		b, err := o.Bind(k, Options{})
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range b.Programs {
			if (p.Program == nil) == (p.Err == nil) {
				t.Fatalf("%s: neither program nor error", p.Spec.Name)
			}
		}
	})
}
