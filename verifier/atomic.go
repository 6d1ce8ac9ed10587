// SPDX-License-Identifier: Apache-2.0

package verifier

import "github.com/modbpf/modbpf/bpf"

// checkAtomic judges an atomic operation.
func (e *env) checkAtomic(in bpf.Insn) *Diagnostic {
	switch in.Imm {
	case bpf.AtomicLoadACQ:
		return e.checkLoadAcquire(in)
	case bpf.AtomicStoreREL:
		return e.checkStoreRelease(in)
	}
	dst, src := in.Dst(), in.Src()
	size := bpf.AccessSize(in.Op)
	if d := e.readable(src); d != nil {
		return d
	}
	if d := e.readable(dst); d != nil {
		return d
	}
	if in.Imm == bpf.AtomicCMPXCHG {
		if d := e.readable(0); d != nil {
			return d
		}
	}
	if d := e.atomicTarget(dst, "change"); d != nil {
		return d
	}
	load := -1
	if in.Imm&bpf.AtomicFetch != 0 {
		load = int(src)
		if in.Imm == bpf.AtomicCMPXCHG {
			load = 0
		}
		if d := e.writable(uint8(load)); d != nil {
			return d
		}
	}
	// A value that is fetched into the pointer's own register must not change
	// what the pointer is judged by.
	t := e.cur.regs()[dst].Type
	if d := e.access(int(dst), int(in.Off), size, accRead, -1, true, false); d != nil {
		return d
	}
	if load >= 0 {
		if d := e.access(int(dst), int(in.Off), size, accRead, load, true, false); d != nil {
			return d
		}
		if t != e.cur.regs()[dst].Type {
			t = e.cur.regs()[dst].Type
		}
	}
	if d := e.notePtrType(&e.aux[e.insn], t, false); d != nil {
		return d
	}
	return e.access(int(dst), int(in.Off), size, accWrite, -1, true, false)
}

// atomicTarget judges what kind of memory an atomic may touch.
func (e *env) atomicTarget(r uint8, verb string) *Diagnostic {
	t := e.cur.regs()[r].Type
	switch {
	case t == ptrToCtx, t.isPacket(), t == ptrToFlowKeys, t.isSock():
		return e.errf(CodeAtomicType, "R%d: atomics cannot %s %s memory", r, verb, t)
	}
	return nil
}

func (e *env) checkLoadAcquire(in bpf.Insn) *Diagnostic {
	src, dst := in.Src(), in.Dst()
	if d := e.readable(src); d != nil {
		return d
	}
	if d := e.writable(dst); d != nil {
		return d
	}
	if d := e.atomicTarget(src, "load"); d != nil {
		return d
	}
	t := e.cur.regs()[src].Type
	if d := e.access(int(src), int(in.Off), bpf.AccessSize(in.Op), accRead, int(dst), true, false); d != nil {
		return d
	}
	return e.notePtrType(&e.aux[e.insn], t, true)
}

func (e *env) checkStoreRelease(in bpf.Insn) *Diagnostic {
	src, dst := in.Src(), in.Dst()
	if d := e.readable(src); d != nil {
		return d
	}
	if d := e.readable(dst); d != nil {
		return d
	}
	if d := e.atomicTarget(dst, "store"); d != nil {
		return d
	}
	t := e.cur.regs()[dst].Type
	if d := e.access(int(dst), int(in.Off), bpf.AccessSize(in.Op), accWrite, int(src), true, false); d != nil {
		return d
	}
	return e.notePtrType(&e.aux[e.insn], t, false)
}
