// SPDX-License-Identifier: Apache-2.0

//go:build linux

package structops_test

import (
	"strings"
	"testing"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/btf"
	"github.com/modbpf/modbpf/framework/kernel/sys"
	"github.com/modbpf/modbpf/framework/profile"
	"github.com/modbpf/modbpf/structops"
)

// route is how a program of a table gets at an object of a struct: by an
// argument of a slot, or a pointer in what an argument points to.
type route struct {
	member *structops.Member
	arg    int
	then   int // offset of the pointer in the argument's object, -1 if the argument is it
}

func findRoute(l *structops.Layout, t *structops.Table, want string) (route, bool) {
	s := l.Spec
	promoted := want
	for _, p := range t.Promote {
		if p[1] == want {
			promoted = p[0]
		}
	}
	for _, deep := range []bool{false, true} {
		for i := range l.Members {
			m := &l.Members[i]
			slot := t.Slot(m.Name)
			if !m.IsSlot() || slot == nil || slot.Need == structops.NotImplementable || slot.MustSleep {
				continue
			}
			for a := range s.Type(m.Proto).Vlen {
				if nullable(m.Args, a) {
					continue
				}
				to, ok := s.Pointee(s.Param(m.Proto, a).Type)
				if !ok {
					continue
				}
				to = s.SkipMods(to)
				if !deep && s.Kind(to) == btf.KindStruct && (s.Name(to) == want || s.Name(to) == promoted) {
					return route{m, a, -1}, true
				}
				if !deep || s.Kind(to) != btf.KindStruct {
					continue
				}
				for f := range s.Type(to).Vlen {
					fm := s.Member(to, f)
					if p, ok := s.Pointee(fm.Type); ok && s.Name(s.SkipMods(p)) == want {
						return route{m, a, int(fm.BitOff / 8)}, true
					}
				}
			}
		}
	}
	return route{}, false
}

func nullable(args []structops.ArgRule, i int) bool {
	for _, a := range args {
		if a.Index == i && a.Nullable {
			return true
		}
	}
	return false
}

func span(s *btf.Spec, f structops.Field) (lo, hi int, ok bool) {
	id, ok := s.Find(f.Struct, btf.KindStruct)
	if !ok {
		return 0, 0, false
	}
	for part := range strings.SplitSeq(f.Member, ".") {
		m, ok := s.FindMember(id, part)
		if !ok {
			return 0, 0, false
		}
		lo += int(m.BitOff / 8)
		if id = s.SkipMods(m.Type); m.BitSize != 0 {
			lo = lo + int(m.BitOff%8)/8
		}
	}
	n, _ := s.Sizeof(id)
	lo, hi = lo+f.Offset, lo+int(n)
	if f.Size > 0 {
		hi = lo + f.Size
	}
	return lo, hi, true
}

// TestWritableLive stores to kernel objects from the tables' programs, at and
// around every field the tables let them write and at samples of the rest: the
// kernel must take exactly what the table says.
func TestWritableLive(t *testing.T) { writableLive(t) }

func writableLive(t *testing.T) {
	rel := running(t)
	p, err := profile.Running()
	if err != nil {
		t.Skipf("kernel without types: %v", err)
	}
	for _, name := range structops.TableNames(p.BTF()) {
		l, err := structops.Read(p.BTF(), name)
		if err != nil {
			t.Fatal(err)
		}
		tab := structops.TableFor(rel, name)
		if tab == nil {
			continue // TestSlotsLive says so
		}
		done := map[string]bool{}
		for _, f := range tab.Writable {
			if done[f.Struct] {
				continue
			}
			done[f.Struct] = true
			r, ok := findRoute(l, tab, f.Struct)
			if !ok {
				t.Errorf("%s: no argument leads to struct %s", name, f.Struct)
				continue
			}
			asked := storeAll(t, l, tab, r, f.Struct)
			t.Logf("%s: %d stores to struct %s asked from %s", name, asked, f.Struct, r.member.Name)
		}
	}
}

func storeAll(t *testing.T, l *structops.Layout, tab *structops.Table, r route, structName string) int {
	t.Helper()
	type field struct {
		lo, hi int
		start  bool
	}
	var fields []field
	near := map[int]bool{}
	for _, f := range tab.Writable {
		if f.Struct != structName {
			continue
		}
		lo, hi, ok := span(l.Spec, f)
		if !ok {
			t.Errorf("%s: no field %s.%s", tab.Name, f.Struct, f.Member)
			continue
		}
		fields = append(fields, field{lo, hi, f.AtStart})
		for o := lo - 8; o < lo+17; o++ {
			near[o] = true
		}
		for o := hi - 9; o < hi+9; o++ {
			near[o] = true
		}
	}
	id, _ := l.Spec.Find(structName, btf.KindStruct)
	size, _ := l.Spec.Sizeof(id)
	asked := 0
	for off := 0; off < int(size); off++ {
		if !near[off] && off%40 != 0 {
			continue
		}
		for n := 1; n <= 8; n *= 2 {
			if off%n != 0 || off+n > int(size) {
				continue
			}
			want := false
			for _, f := range fields {
				want = want || off >= f.lo && off+n <= f.hi && (!f.start || off == f.lo)
			}
			insns := []bpf.Insn{{Op: bpf.ClassLDX | bpf.ModeMEM | bpf.SizeDW, Regs: bpf.Regs(2, 1), Off: int16(8 * r.arg)}}
			if r.then >= 0 {
				insns = append(insns, bpf.Insn{Op: bpf.ClassLDX | bpf.ModeMEM | bpf.SizeDW, Regs: bpf.Regs(2, 2), Off: int16(r.then)})
			}
			insns = append(insns, mov(3, 0), bpf.Insn{Op: bpf.ClassSTX | bpf.ModeMEM | sizeBits[n], Regs: bpf.Regs(2, 3), Off: int16(off)}, mov(0, 0), bpf.Insn{Op: bpf.OpExit})
			fd, log, err := sys.ProgLoad(sys.ProgAttr{Type: bpf.ProgStructOps, AttachType: uint32(r.member.Index), AttachID: uint32(l.Type), License: "GPL", LogLevel: sys.LogInstructions, Insns: insns})
			if err == nil {
				closeFD(t, fd)
			}
			asked++
			if got := err == nil || strings.Contains(log, "Unreleased reference"); got != want {
				t.Errorf("%s, struct %s, offset %d, size %d: kernel says %v, table %v\n%s", tab.Name, structName, off, n, got, want, log)
			}
		}
	}
	return asked
}
