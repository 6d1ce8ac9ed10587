// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/btf"
	"github.com/modbpf/modbpf/kfuncs"
	"github.com/modbpf/modbpf/structops"
)

// emptyBTF has no types: a header, an empty type section, one empty string.
var emptyBTF = func() *btf.Spec {
	raw := []byte{0x9f, 0xeb, 1, 0, 24, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0}
	s, err := btf.Parse(raw)
	if err != nil {
		panic(err)
	}
	return s
}()

// testKernel answers from the tables alone: no types, every option built.
type testKernel struct{ rel bpf.Release }

func (k testKernel) Release() bpf.Release             { return k.rel }
func (k testKernel) Has(f Feature) bool               { return HasFeature(k.rel, f) }
func (testKernel) BTF() *btf.Spec                     { return emptyBTF }
func (testKernel) Module(string) *btf.Spec            { return nil }
func (testKernel) Config(string) string               { return "" }
func (testKernel) Kfunc(string) *kfuncs.Kfunc         { return nil }
func (testKernel) StructOps(string) *structops.Table  { return nil }
func (testKernel) Symbol(string) (exported, gpl bool) { return false, false }
func (k testKernel) Hook(t bpf.ProgType) *structops.Hook {
	return structops.HookFor(k.rel, t)
}

func (k testKernel) HelperProto(id int32, p *Program) (*kfuncs.Proto, string) {
	return kfuncs.HelperProto(k.rel, id, UseOf(p))
}

func (testKernel) HelperName(id int32) string {
	if h := kfuncs.ByID(id); h != nil {
		return h.Name
	}
	return ""
}

// asmCase is one program of a test file: text in the log's notation, with
// "// MB1234" on the line that is refused.
type asmCase struct {
	name string
	prog *Program
	rel  bpf.Release
	want Code
	at   int
	line int
	walk int // instructions walked, 0 is not asked
}

var (
	reALU   = regexp.MustCompile(`^([rw])(\d+) (s?(?:<<|>>|[-+*/%&|^])?=|s[/%]=) ([rw]\d+|-?\w+)$`)
	reNeg   = regexp.MustCompile(`^([rw])(\d+) = -[rw]\d+$`)
	reSX    = regexp.MustCompile(`^([rw])(\d+) = \(s(\d+)\)[rw](\d+)$`)
	reEnd   = regexp.MustCompile(`^r(\d+) = (le|be|bswap)(\d+) r\d+$`)
	reLoad  = regexp.MustCompile(`^r(\d+) = \*\(([us])(\d+) \*\)\(r(\d+) ([-+]\d+)\)$`)
	reStore = regexp.MustCompile(`^\*\(u(\d+) \*\)\(r(\d+) ([-+]\d+)\) = (r?)(-?\d+)$`)
	reLock  = regexp.MustCompile(`^lock \*\(u(\d+) \*\)\(r(\d+) ([-+]\d+)\) ([-+&|^])= r(\d+)$`)
	reFetch = regexp.MustCompile(`^r(\d+) = atomic_fetch\(\(u(\d+) \*\)\(r(\d+) ([-+]\d+)\) ([-+&|^])= r\d+\)$`)
	reJump  = regexp.MustCompile(`^if ([rw])(\d+) (s?[<>]=?|==|!=|&) (r\d+|w\d+|-?\w+) goto (\w+)$`)
	reMap   = regexp.MustCompile(`^r(\d+) = (map|value)\[(\w+)\](\+\d+)?$`)
	reLL    = regexp.MustCompile(`^r(\d+) = (-?\w+) ll$`)
	reSkb   = regexp.MustCompile(`^r0 = \*\(u(\d+) \*\)skb\[(\d+)\]$`)
	reFunc  = regexp.MustCompile(`^r(\d+) = func (\w+)$`)
	reRaw   = regexp.MustCompile(`^raw (\w+) (\w+) (\w+) (-?\w+) (-?\w+)$`)
	asmOps  = map[string]uint8{
		"+=": bpf.AluADD, "-=": bpf.AluSUB, "*=": bpf.AluMUL, "/=": bpf.AluDIV, "|=": bpf.AluOR, "&=": bpf.AluAND,
		"<<=": bpf.AluLSH, ">>=": bpf.AluRSH, "%=": bpf.AluMOD, "^=": bpf.AluXOR, "=": bpf.AluMOV, "s>>=": bpf.AluARSH,
	}
	asmJumps = map[string]uint8{
		"==": bpf.JmpJEQ, "!=": bpf.JmpJNE, ">": bpf.JmpJGT, ">=": bpf.JmpJGE, "<": bpf.JmpJLT, "<=": bpf.JmpJLE,
		"s>": bpf.JmpJSGT, "s>=": bpf.JmpJSGE, "s<": bpf.JmpJSLT, "s<=": bpf.JmpJSLE, "&": bpf.JmpJSET,
	}
	asmSizes = map[string]uint8{"8": bpf.SizeB, "16": bpf.SizeH, "32": bpf.SizeW, "64": bpf.SizeDW}
)

// parseAsm reads a test file: programs begin with "== name", settings with a dot.
func parseAsm(text string) ([]asmCase, error) {
	var out []asmCase
	var c *asmCase
	labels := map[string]int{}
	type ref struct {
		insn  int
		label string
		imm   bool
		line  int
	}
	var refs []ref
	finish := func() error {
		if c == nil {
			return nil
		}
		for _, r := range refs {
			to, ok := labels[r.label]
			if !ok {
				return fmt.Errorf("line %d: no label %s", r.line, r.label)
			}
			if d := to - r.insn - 1; r.imm {
				c.prog.Insns[r.insn].Imm = int32(d)
			} else {
				c.prog.Insns[r.insn].Off = int16(d)
			}
		}
		out = append(out, *c)
		labels, refs, c = map[string]int{}, nil, nil
		return nil
	}
	num := func(s string) int64 {
		v, err := strconv.ParseInt(s, 0, 64)
		if err != nil {
			u, err := strconv.ParseUint(s, 0, 64)
			if err != nil {
				return 0
			}
			return int64(u)
		}
		return v
	}
	reg := func(s string) uint8 { v, _ := strconv.Atoi(strings.TrimLeft(s, "rw")); return uint8(v) } //nolint:errcheck // 0 is refused by the test
	for ln, line := range strings.Split(text, "\n") {
		line, note, _ := strings.Cut(line, "//")
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if name, ok := strings.CutPrefix(line, "== "); ok {
			if err := finish(); err != nil {
				return nil, err
			}
			c = &asmCase{name: name, line: ln + 1, at: -1, rel: bpf.Release{Major: 6, Minor: 18}, prog: &Program{
				Name: "test", Type: bpf.ProgSocketFilter, License: "GPL",
			}}
			continue
		}
		p := c.prog
		if s, ok := strings.CutPrefix(line, "."); ok {
			f := strings.Fields(s)
			switch f[0] {
			case "type":
				for t := range bpf.ProgType(40) {
					if t.String() == f[1] {
						p.Type = t
					}
				}
			case "attach":
				for t := range bpf.AttachType(80) {
					if t.String() == f[1] {
						p.AttachType = t
					}
				}
			case "license":
				p.License = strings.Join(f[1:], " ")
			case "flags":
				p.Flags = uint32(num(f[1]))
			case "kernel":
				r, err := bpf.ParseRelease(f[1])
				if err != nil {
					return nil, err
				}
				c.rel = r
			case "walked":
				c.walk = int(num(f[1]))
			case "map":
				m := &Map{Name: f[1], KeySize: 4, ValueSize: 8, MaxEntries: 1}
				for t := range bpf.MapType(40) {
					if t.String() == f[2] {
						m.Type = t
					}
				}
				for _, kv := range f[3:] {
					k, v, _ := strings.Cut(kv, "=")
					switch k {
					case "key":
						m.KeySize = uint32(num(v))
					case "value":
						m.ValueSize = uint32(num(v))
					case "entries":
						m.MaxEntries = uint32(num(v))
					case "flags":
						m.Flags = uint32(num(v))
					case "text":
						m.Contents, m.Frozen, m.Flags = []byte(strings.ReplaceAll(v, "_", " ")), true, bpf.MapRdonlyProg
					}
				}
				p.Maps = append(p.Maps, m)
			default:
				return nil, fmt.Errorf("line %d: setting %s", ln+1, f[0])
			}
			continue
		}
		if l, ok := strings.CutSuffix(line, ":"); ok {
			labels[l] = len(p.Insns)
			continue
		}
		at := len(p.Insns)
		if note = strings.TrimSpace(note); strings.HasPrefix(note, "MB") {
			v, err := strconv.Atoi(strings.Fields(note[2:])[0])
			if err != nil {
				return nil, fmt.Errorf("line %d: %w", ln+1, err)
			}
			c.want, c.at = Code(v), at
			if strings.HasSuffix(note, "whole") {
				c.at = -1
			}
		}
		add := func(op, dst, src uint8, off int64, imm int64) {
			p.Insns = append(p.Insns, bpf.Insn{Op: op, Regs: bpf.Regs(dst, src), Off: int16(off), Imm: int32(imm)})
		}
		class := func(s string, c64, c32 uint8) uint8 {
			if s == "w" {
				return c32
			}
			return c64
		}
		switch {
		case line == "exit":
			add(bpf.OpExit, 0, 0, 0, 0)
		case strings.HasPrefix(line, "goto "):
			refs = append(refs, ref{at, line[5:], false, ln + 1})
			add(bpf.ClassJMP|bpf.JmpJA, 0, 0, 0, 0)
		case strings.HasPrefix(line, "may_goto "):
			refs = append(refs, ref{at, line[9:], false, ln + 1})
			add(bpf.OpMayGoto, 0, 0, 0, 0)
		case strings.HasPrefix(line, "call bpf_"):
			h := kfuncs.ByName(line[5:])
			if h == nil {
				return nil, fmt.Errorf("line %d: no helper %s", ln+1, line[5:])
			}
			add(bpf.OpCall, 0, 0, 0, int64(h.ID))
		case strings.HasPrefix(line, "call #"):
			add(bpf.OpCall, 0, 0, 0, num(line[6:]))
		case strings.HasPrefix(line, "call "):
			refs = append(refs, ref{at, line[5:], true, ln + 1})
			add(bpf.OpCall, 0, bpf.PseudoCall, 0, 0)
		case reRaw.MatchString(line):
			m := reRaw.FindStringSubmatch(line)
			add(uint8(num(m[1])), uint8(num(m[2])), uint8(num(m[3])), num(m[4]), num(m[5]))
		case reNeg.MatchString(line):
			m := reNeg.FindStringSubmatch(line)
			add(class(m[1], bpf.ClassALU64, bpf.ClassALU)|bpf.AluNEG, reg(m[2]), 0, 0, 0)
		case reSX.MatchString(line):
			m := reSX.FindStringSubmatch(line)
			add(class(m[1], bpf.ClassALU64, bpf.ClassALU)|bpf.AluMOV|bpf.SrcX, reg(m[2]), reg(m[4]), num(m[3]), 0)
		case reEnd.MatchString(line):
			m := reEnd.FindStringSubmatch(line)
			op := map[string]uint8{"le": bpf.ClassALU, "be": bpf.ClassALU | bpf.SrcX, "bswap": bpf.ClassALU64}[m[2]]
			add(op|bpf.AluEND, reg(m[1]), 0, 0, num(m[3]))
		case reLL.MatchString(line):
			m := reLL.FindStringSubmatch(line)
			v := num(m[2])
			add(bpf.OpLdImm64, reg(m[1]), 0, 0, int64(int32(v)))
			add(0, 0, 0, 0, v>>32)
		case reMap.MatchString(line):
			m := reMap.FindStringSubmatch(line)
			idx := int64(-1)
			for i, x := range p.Maps {
				if x.Name == m[3] {
					idx = int64(i)
				}
			}
			src := uint8(bpf.PseudoMapFD)
			if m[2] == "value" {
				src = bpf.PseudoMapValue
			}
			add(bpf.OpLdImm64, reg(m[1]), src, 0, idx)
			add(0, 0, 0, 0, num(strings.TrimPrefix(m[4], "+")))
		case reFunc.MatchString(line):
			m := reFunc.FindStringSubmatch(line)
			refs = append(refs, ref{at, m[2], true, ln + 1})
			add(bpf.OpLdImm64, reg(m[1]), bpf.PseudoFunc, 0, 0)
			add(0, 0, 0, 0, 0)
		case reSkb.MatchString(line):
			m := reSkb.FindStringSubmatch(line)
			add(bpf.ClassLD|bpf.ModeABS|asmSizes[m[1]], 0, 0, 0, num(m[2]))
		case reLoad.MatchString(line):
			m := reLoad.FindStringSubmatch(line)
			mode := uint8(bpf.ModeMEM)
			if m[2] == "s" {
				mode = bpf.ModeMEMSX
			}
			add(bpf.ClassLDX|mode|asmSizes[m[3]], reg(m[1]), reg(m[4]), num(m[5]), 0)
		case reStore.MatchString(line):
			m := reStore.FindStringSubmatch(line)
			if m[4] == "r" {
				add(bpf.ClassSTX|bpf.ModeMEM|asmSizes[m[1]], reg(m[2]), reg(m[5]), num(m[3]), 0)
			} else {
				add(bpf.ClassST|bpf.ModeMEM|asmSizes[m[1]], reg(m[2]), 0, num(m[3]), num(m[5]))
			}
		case reLock.MatchString(line):
			m := reLock.FindStringSubmatch(line)
			add(bpf.ClassSTX|bpf.ModeATOMIC|asmSizes[m[1]], reg(m[2]), reg(m[5]), num(m[3]), int64(asmOps[m[4]+"="]))
		case reFetch.MatchString(line):
			m := reFetch.FindStringSubmatch(line)
			add(bpf.ClassSTX|bpf.ModeATOMIC|asmSizes[m[2]], reg(m[3]), reg(m[1]), num(m[4]), int64(asmOps[m[5]+"="])|bpf.AtomicFetch)
		case reJump.MatchString(line):
			m := reJump.FindStringSubmatch(line)
			op := class(m[1], bpf.ClassJMP, bpf.ClassJMP32) | asmJumps[m[3]]
			refs = append(refs, ref{at, m[5], false, ln + 1})
			if m[4][0] == 'r' || m[4][0] == 'w' {
				add(op|bpf.SrcX, reg(m[2]), reg(m[4]), 0, 0)
			} else {
				add(op, reg(m[2]), 0, 0, num(m[4]))
			}
		case reALU.MatchString(line):
			m := reALU.FindStringSubmatch(line)
			sign, off := m[3], int64(0)
			if sign == "s/=" || sign == "s%=" {
				sign, off = sign[1:], 1
			}
			op := class(m[1], bpf.ClassALU64, bpf.ClassALU) | asmOps[sign]
			if m[4][0] == 'r' || m[4][0] == 'w' {
				add(op|bpf.SrcX, reg(m[2]), reg(m[4]), off, 0)
			} else {
				add(op, reg(m[2]), 0, off, num(m[4]))
			}
		default:
			return nil, fmt.Errorf("line %d: cannot read %q", ln+1, line)
		}
	}
	return out, finish()
}
