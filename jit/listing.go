// SPDX-License-Identifier: Apache-2.0

package jit

import (
	"fmt"
	"io"
	"strings"

	"golang.org/x/arch/x86/x86asm"

	"github.com/modbpf/modbpf/jit/prog"
)

// machineView is what a listing needs of machine code.
type machineView struct {
	base  uintptr
	bytes []byte
	slots []int32 // offset of each slot's code; one more for the end
	funcs []int32 // offset of each function's entry
}

// List writes an executable side by side: the C line, the BPF instructions made
// of it, and under each the machine code made of that. An interpreted program has
// no machine code; instructions that were fused with a later one have none of
// their own.
func List(w io.Writer, x Executable) error {
	l := &lister{w: w}
	var k *linked
	switch x := unwrap(x).(type) {
	case *interpreter:
		k = x.linked
		l.printf("program %s, interpreter\n", k.src.Name)
	case interface {
		view() (*linked, *machineView)
	}:
		k, l.m = x.view()
		l.printf("program %s, machine code of %d bytes at %#x\n", k.src.Name, len(l.m.bytes), l.m.base)
	default:
		return fmt.Errorf("list program: unknown engine %s", x.Engine())
	}
	l.list(k)
	return l.err
}

type lister struct {
	w   io.Writer
	m   *machineView
	err error
}

func (l *lister) printf(format string, a ...any) {
	if l.err == nil {
		_, l.err = fmt.Fprintf(l.w, format, a...)
	}
}

func (l *lister) list(k *linked) {
	line := 0
	for i := range k.p.Insns {
		n := &k.p.Insns[i]
		if f := k.p.FuncAt(i); f >= 0 {
			l.printf("\n%s:\n", k.functionName(i))
			if l.m != nil {
				// What comes before a function's first slot is its prologue.
				l.machine(l.m.funcs[f], l.m.slots[i])
			}
		}
		for ; line < len(k.src.Lines) && k.src.Lines[line].Insn <= i; line++ {
			if c := &k.src.Lines[line]; c.Insn == i {
				l.printf("; %s @ %s:%d\n", strings.TrimSpace(c.Source), c.File, c.Line)
			}
		}
		if n.Kind == prog.Wide {
			continue
		}
		text := n.Text()
		if n.Kind == prog.Call || n.Kind == prog.TailCall {
			text = "call " + k.callees[n.Callee].Name
		}
		l.printf("%5d: %s\n", i, text)
		if l.m != nil {
			end := l.m.slots[i+1]
			if f := k.p.FuncAt(i + 1); f >= 0 {
				end = l.m.funcs[f]
			}
			l.machine(l.m.slots[i], end)
		}
	}
}

// machine disassembles a range of code.
func (l *lister) machine(from, to int32) {
	for from < to {
		in, err := x86asm.Decode(l.m.bytes[from:to], 64)
		if err != nil || in.Len == 0 {
			l.printf("        %#x: %02x\n", l.m.base+uintptr(from), l.m.bytes[from])
			from++
			continue
		}
		pc := uint64(l.m.base) + uint64(from)
		l.printf("        %#x: %s\n", pc, x86asm.GNUSyntax(in, pc, nil))
		from += int32(in.Len)
	}
}

// functionName names the function that begins at a slot.
func (k *linked) functionName(slot int) string {
	if k.src.BTF != nil {
		for _, f := range k.src.Funcs {
			if f.Insn == slot {
				return k.src.BTF.Name(f.Type)
			}
		}
	}
	if slot == 0 {
		return k.src.Name
	}
	return fmt.Sprintf("%s+%d", k.src.Name, slot)
}
