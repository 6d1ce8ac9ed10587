// SPDX-License-Identifier: Apache-2.0

package jit

import (
	"fmt"
	"strings"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/btf"
	"github.com/modbpf/modbpf/jit/prog"
	"github.com/modbpf/modbpf/verifier"
)

// linked is a program whose references are resolved: what both engines start from.
type linked struct {
	checked *verifier.Checked
	src     *verifier.Program
	p       *prog.Program
	callees []*Callee
	maps    []MapInfo // by index in Program.Maps; zero for maps the program does not name
	arena   *MapInfo  // the one arena, nil without
	linker  Linker
}

// link decodes a checked program and resolves what it refers to.
func link(c *verifier.Checked, l Linker) (*linked, error) {
	if c == nil || c.Judge() != verifier.JudgeVerifier || c.Program() == nil {
		return nil, ErrUnchecked
	}
	src := c.Program()
	p, err := prog.Decode(src.Insns, c.Facts())
	if err != nil {
		return nil, fmt.Errorf("decode program %s: %w", src.Name, err)
	}
	k := &linked{checked: c, src: src, p: p, linker: l, maps: make([]MapInfo, len(src.Maps))}
	if p.ExceptionCB < 0 {
		p.ExceptionCB = exceptionCallback(src, p)
	}
	if err := k.resolve(); err != nil {
		return nil, fmt.Errorf("link program %s: %w", src.Name, err)
	}
	return k, nil
}

func (k *linked) resolve() error {
	seen := make([]bool, len(k.maps))
	byKey := map[calleeKey]int32{}
	for i := range k.p.Insns {
		n := &k.p.Insns[i]
		var err error
		switch n.Kind {
		case prog.LdImm64:
			err = k.value(n, seen)
		case prog.Call, prog.TailCall:
			n.Callee, err = k.callee(n, byKey)
		case prog.LdPacket:
			n.Callee, err = k.packetLoad(byKey)
		case prog.CastUser, prog.CastKern:
			if k.arena, err = k.findArena(); err == nil && k.arena == nil {
				err = fmt.Errorf("address space cast without an arena")
			}
		case prog.Plain:
			err = k.access(n)
		}
		if err != nil {
			return fmt.Errorf("insn %d: %w", i, err)
		}
	}
	return nil
}

type calleeKey struct {
	kind uint8
	id   int32
	mod  int16
}

func (k *linked) add(key calleeKey, byKey map[calleeKey]int32, find func() (*Callee, error)) (int32, error) {
	if c, ok := byKey[key]; ok {
		return c, nil
	}
	c, err := find()
	if err != nil {
		return -1, err
	}
	n := int32(len(k.callees))
	k.callees = append(k.callees, c)
	byKey[key] = n
	return n, nil
}

func (k *linked) callee(n *prog.Insn, byKey map[calleeKey]int32) (int32, error) {
	key := calleeKey{n.Src(), n.Imm, n.Off}
	return k.add(key, byKey, func() (*Callee, error) {
		if n.Src() != bpf.PseudoKfuncCall {
			return k.linker.Helper(n.Imm)
		}
		name, err := k.btfName(int(n.Off), n.Imm)
		if err != nil {
			return nil, fmt.Errorf("kfunc: %w", err)
		}
		return k.linker.Kfunc(name)
	})
}

func (k *linked) packetLoad(byKey map[calleeKey]int32) (int32, error) {
	l, ok := k.linker.(PacketLoader)
	if !ok {
		return -1, fmt.Errorf("packet load (LD_ABS, LD_IND): not in the host")
	}
	return k.add(calleeKey{kind: 0xff}, byKey, l.PacketLoad)
}

// btfName is the name of a BTF id of the kernel or one of its modules.
func (k *linked) btfName(module int, id int32) (string, error) {
	if module < 0 || module >= len(k.src.Modules) || k.src.Modules[module] == nil {
		return "", fmt.Errorf("BTF id %d of module %d: no such module", id, module)
	}
	name := k.src.Modules[module].Name(btf.ID(id))
	if name == "" {
		return "", fmt.Errorf("BTF id %d of module %d has no name", id, module)
	}
	return name, nil
}

func (k *linked) mapInfo(i int32, seen []bool) (*MapInfo, error) {
	if i < 0 || int(i) >= len(k.maps) {
		return nil, fmt.Errorf("map %d of %d", i, len(k.maps))
	}
	if !seen[i] {
		m, err := k.linker.Map(int(i))
		if err != nil {
			return nil, fmt.Errorf("map %s: %w", k.src.Maps[i].Name, err)
		}
		k.maps[i], seen[i] = m, true
	}
	return &k.maps[i], nil
}

func (k *linked) value(n *prog.Insn, seen []bool) error {
	switch n.Ref.Pseudo {
	case bpf.PseudoMapFD:
		m, err := k.mapInfo(n.Ref.Index, seen)
		if err != nil {
			return err
		}
		n.Val = uint64(m.Handle)
	case bpf.PseudoMapValue:
		m, err := k.mapInfo(n.Ref.Index, seen)
		if err != nil {
			return err
		}
		if k.src.Maps[n.Ref.Index].Type == bpf.MapArena {
			n.Val = m.ArenaUser + uint64(uint32(n.Ref.Off))
			return nil
		}
		if m.Value == 0 {
			return fmt.Errorf("map %s: its values have no address", k.src.Maps[n.Ref.Index].Name)
		}
		n.Val = uint64(m.Value) + uint64(uint32(n.Ref.Off))
	case bpf.PseudoBTFID:
		name, err := k.btfName(int(n.Ref.Off), n.Ref.Index)
		if err != nil {
			return fmt.Errorf("kernel variable: %w", err)
		}
		a, err := k.linker.Ksym(name)
		if err != nil {
			return err
		}
		n.Val = uint64(a)
	}
	return nil
}

func (k *linked) findArena() (*MapInfo, error) {
	if k.arena != nil {
		return k.arena, nil
	}
	for i, m := range k.src.Maps {
		if m.Type == bpf.MapArena {
			a, err := k.linker.Map(i)
			if err != nil {
				return nil, fmt.Errorf("map %s: %w", m.Name, err)
			}
			return &a, nil
		}
	}
	return nil, nil
}

// access resolves what a load or store needs to know of its memory: an arena's
// base, a context field's real place.
func (k *linked) access(n *prog.Insn) error {
	cls := n.Class()
	if cls != bpf.ClassLDX && cls != bpf.ClassST && cls != bpf.ClassSTX {
		return nil
	}
	switch n.Mem {
	case verifier.MemArena:
		a, err := k.findArena()
		if err == nil && a == nil {
			err = fmt.Errorf("access to an arena, but the program has none")
		}
		k.arena = a
		return err
	case verifier.MemCtx:
		layout, ok := k.linker.(ContextLayout)
		if !ok || n.Op&0xe0 != bpf.ModeMEM {
			return nil
		}
		a, err := layout.Context(k.src, int(n.Off), bpf.AccessSize(n.Op), cls != bpf.ClassLDX)
		if err != nil {
			return fmt.Errorf("context access at offset %d: %w", n.Off, err)
		}
		size, ok := map[int]uint8{1: bpf.SizeB, 2: bpf.SizeH, 4: bpf.SizeW, 8: bpf.SizeDW}[a.Size]
		if !ok {
			return fmt.Errorf("context access at offset %d: field of %d bytes", n.Off, a.Size)
		}
		n.Op, n.Off = n.Op&^0x18|size, a.Off
	}
	return nil
}

// exceptionCallback finds the function the program's BTF names for its
// exceptions (the declaration tag "exception_callback:NAME"), -1 if none.
func exceptionCallback(src *verifier.Program, p *prog.Program) int {
	if src.BTF == nil || len(src.Funcs) == 0 {
		return -1
	}
	for _, t := range src.BTF.DeclTags(src.Funcs[0].Type) {
		name, ok := strings.CutPrefix(t.Tag, "exception_callback:")
		if !ok {
			continue
		}
		for _, f := range src.Funcs {
			if src.BTF.Name(f.Type) == name {
				return p.FuncAt(f.Insn)
			}
		}
	}
	return -1
}
