// SPDX-License-Identifier: Apache-2.0

package verifier

import "github.com/modbpf/modbpf/bpf"

// Fastcall patterns: compilers spill registers around calls that do not clobber
// all of them, so that kernels without such calls still work. Where the kernel
// inlines the call it drops the spills, and their stack does not count.

// markFastcall finds the patterns.
func (e *env) markFastcall() *Diagnostic {
	const stx, ldx = bpf.ClassSTX | bpf.ModeMEM | bpf.SizeDW, bpf.ClassLDX | bpf.ModeMEM | bpf.SizeDW
	for s := range e.subs {
		sub := &e.subs[s]
		lowest := int16(0)
		for i := sub.start; i < sub.end; i++ {
			if in := e.insns[i]; in.Op == stx && in.Dst() == regFP {
				lowest = min(lowest, in.Off)
			}
		}
		for i := sub.start; i < sub.end; i++ {
			if !e.insns[i].IsCall() {
				continue
			}
			clobbers, inlined, ok := e.fastcallClobbers(i)
			if !ok {
				continue
			}
			expect := uint16(0x3f) &^ clobbers
			n, off := 1, lowest
			for ; n <= callerSaved; n, off = n+1, off+slotSize {
				if i-n < 0 || i+n >= len(e.insns) || e.jumpTarget[i-n+1] || e.jumpTarget[i+n] {
					break
				}
				a, b := e.insns[i-n], e.insns[i+n]
				if a.Op != stx || b.Op != ldx || a.Dst() != regFP || b.Src() != regFP || a.Src() != b.Dst() ||
					expect>>a.Src()&1 == 0 || a.Off != off || b.Off != off {
					break
				}
				expect &^= 1 << a.Src()
				e.aux[i-n].fastcall, e.aux[i+n].fastcall = true, true
			}
			if n == 1 {
				continue
			}
			if inlined {
				e.aux[i].fastSpills = uint8(n - 1)
			} else {
				sub.keepFastcall = true
			}
			sub.fastcallOff = min(sub.fastcallOff, int(off))
		}
	}
	return nil
}

// fastcallClobbers says which of R0..R5 a call overwrites and whether the
// kernel inlines it.
func (e *env) fastcallClobbers(i int) (mask uint16, inlined, ok bool) {
	in := e.insns[i]
	n, known := e.callParams(i)
	if !known {
		return 0, false, false
	}
	mask = uint16(1)<<(n+1) - 1
	switch in.Src() {
	case bpf.PseudoHelper:
		p, _ := e.proto(in.Imm)
		if p.Ret.Kind == 1 { // void
			mask &^= 1
		}
		inlined = p.AllowFastcall
	case bpf.PseudoKfuncCall:
		k := e.aux[i].kfunc
		if k.IsVoid {
			mask &^= 1
		}
		inlined = k.Fastcall
	}
	return mask, inlined, mask != 0x3f
}

// dropFastcall takes spills that the kernel drops off the functions' stacks.
func (e *env) dropFastcall() {
	for s := range e.subs {
		sub := &e.subs[s]
		modified := false
		for i := sub.start; i < sub.end; i++ {
			modified = modified || e.aux[i].fastSpills > 0
		}
		if modified && !sub.keepFastcall {
			sub.stackDepth = -sub.fastcallOff
		}
	}
}
