// SPDX-License-Identifier: Apache-2.0

package jit

import (
	"errors"
	"fmt"
	"runtime/debug"
	"sync/atomic"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/jit/prog"
	"github.com/modbpf/modbpf/verifier"
)

// The interpreter is the reference for what instructions mean, and the engine of
// platforms without a backend. It is written to be read, one case an idea.

// LoopBudget is how often the may_goto instructions of one function call let a
// loop go on.
const LoopBudget = prog.LoopBudget

type interpreter struct {
	*linked
	closed atomic.Bool
}

// Interpret makes an executable that interprets a checked program.
func Interpret(c *verifier.Checked, l Linker) (Executable, error) {
	k, err := link(c, l)
	if err != nil {
		return nil, err
	}
	return &interpreter{linked: k}, nil
}

func (x *interpreter) Checked() *verifier.Checked { return x.checked }
func (x *interpreter) Engine() string             { return "interpreter" }
func (x *interpreter) Close() error               { x.closed.Store(true); return nil }

// interpThread is one run in progress.
type interpThread struct {
	Frame
	block  *stackBlock
	sp     uintptr // stack in use lies above
	depth  int     // functions running
	slot   int     // instruction that touches memory now
	callee bool    // a callee runs: a fault is its own
}

// maxDepth bounds calls within calls: the verifier allows 8 frames, callbacks
// called by callees nest further.
const maxDepth = 256

func (x *interpreter) Run(ctx uintptr, user any) (uint64, error) {
	return x.enter(0, &[5]uint64{uint64(ctx)}, user, 0)
}

func (x *interpreter) RunBatch(ctxs []uintptr, results []uint64, user any) error {
	if len(results) < len(ctxs) {
		return fmt.Errorf("run batch of %d: room for %d results", len(ctxs), len(results))
	}
	for i, c := range ctxs {
		r, err := x.enter(0, &[5]uint64{uint64(c)}, user, i)
		if err != nil {
			return err
		}
		results[i] = r
	}
	return nil
}

func (x *interpreter) RunFunc(fn uint64, args [5]uint64, user any) (uint64, error) {
	f, err := x.function(fn)
	if err != nil {
		return 0, err
	}
	return x.enter(f, &args, user, 0)
}

func (k *linked) function(fn uint64) (int, error) {
	if slot, ok := prog.FuncSlot(fn); ok {
		if f := k.p.FuncAt(slot); f >= 0 && k.p.Funcs[f].Addressed {
			return f, nil
		}
	}
	return 0, fmt.Errorf("call %#x: not a function of program %s", fn, k.src.Name)
}

func (x *interpreter) enter(f int, a *[5]uint64, user any, batch int) (r0 uint64, err error) {
	if x.closed.Load() {
		return 0, fmt.Errorf("run program %s: closed", x.src.Name)
	}
	block, err := getStack()
	if err != nil {
		return 0, err
	}
	defer putStack(block)
	t := &interpThread{Frame: Frame{Code: x, Ctx: uintptr(a[0]), User: user, Batch: batch}, block: block, sp: block.hi}
	t.thread = t
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			addr, fault := faultAddr(r)
			if !fault || t.callee {
				panic(r)
			}
			cur := t.Code.(*interpreter)
			r0, err = 0, &CrashError{
				Program: cur.src.Name, Engine: cur.Engine(), Slot: t.slot, Line: lineAt(cur.src, t.slot), Addr: addr,
			}
		}
	}()
	r0, err = t.run(x, f, a)
	if !errors.Is(err, ErrThrow) {
		return r0, err
	}
	// The stack is unwound. What an exception callback answers is the program's result.
	cur := t.Code.(*interpreter)
	t.throw, t.sp, t.depth = false, block.hi, 0
	if cur.p.ExceptionCB < 0 {
		return t.cookie, nil
	}
	return t.run(cur, cur.p.ExceptionCB, &[5]uint64{t.cookie})
}

// callback runs a function of the program for a callee.
func (t *interpThread) callback(fn uint64, a *[5]uint64) (uint64, error) {
	x := t.Code.(*interpreter)
	f, err := x.function(fn)
	if err != nil {
		return 0, err
	}
	was := t.callee
	t.callee = false
	r, err := t.run(x, f, a)
	t.callee = was
	if err != nil && !errors.Is(err, ErrThrow) {
		t.failed = err // whatever the callee makes of it, the run is over
	}
	return r, err
}

// run executes function f of x and everything it calls.
func (t *interpThread) run(x *interpreter, f int, a *[5]uint64) (uint64, error) {
	fn := &x.p.Funcs[f]
	size := uintptr(fn.Depth+15) &^ 15
	if t.sp-t.block.lo < size || t.depth == maxDepth {
		return 0, fmt.Errorf("run program %s: %w", x.src.Name, ErrStack)
	}
	var r [16]uint64
	copy(r[1:], a[:])
	r[bpf.RegFP] = uint64(t.sp)
	t.sp -= size
	t.depth++
	r0, err := t.loop(x, fn.Start, &r)
	t.depth--
	t.sp += size
	return r0, err
}

func (t *interpThread) loop(x *interpreter, pc int, r *[16]uint64) (uint64, error) {
	budget := LoopBudget
	for {
		slot, n := pc, &x.p.Insns[pc]
		pc++
		if n.Kind != prog.Plain {
			next, err := t.special(x, slot, n, r, &budget)
			switch {
			case err != nil:
				return 0, err
			case next == returns:
				return r[0], nil
			}
			pc = next
			continue
		}
		switch n.Class() {
		case bpf.ClassALU64:
			switch {
			case n.Op&0xf0 == bpf.AluEND:
				r[n.Dst()] = swapBytes(r[n.Dst()], n.Imm)
			case n.Op&bpf.SrcX != 0:
				r[n.Dst()] = alu64(n.Op, n.Off, r[n.Dst()], r[n.Src()])
			default:
				r[n.Dst()] = alu64(n.Op, n.Off, r[n.Dst()], uint64(int64(n.Imm)))
			}
		case bpf.ClassALU:
			switch {
			case n.Op&0xf0 == bpf.AluEND:
				r[n.Dst()] = endian(r[n.Dst()], n)
			case n.Op&bpf.SrcX != 0:
				r[n.Dst()] = uint64(alu32(n.Op, n.Off, uint32(r[n.Dst()]), uint32(r[n.Src()])))
			default:
				r[n.Dst()] = uint64(alu32(n.Op, n.Off, uint32(r[n.Dst()]), uint32(n.Imm)))
			}
		case bpf.ClassJMP, bpf.ClassJMP32:
			switch {
			case n.Op == bpf.OpExit:
				return r[0], nil
			case n.IsGoto() || condition(n, r):
				pc = int(n.Target)
			}
		default:
			t.slot = slot
			t.memory(x, n, r)
		}
	}
}

func condition(n *prog.Insn, r *[16]uint64) bool {
	d, s := r[n.Dst()], uint64(int64(n.Imm))
	if n.Op&bpf.SrcX != 0 {
		s = r[n.Src()]
	}
	if n.Class() == bpf.ClassJMP32 {
		d, s = uint64(int64(int32(d))), uint64(int64(int32(s)))
	}
	return taken(n.Op, d, s)
}

// endian is a conversion between host (little-endian) and the named byte order.
func endian(v uint64, n *prog.Insn) uint64 {
	if n.Op&bpf.SrcX != 0 { // to big-endian
		return swapBytes(v, n.Imm)
	}
	switch n.Imm {
	case 16:
		return v & 0xffff
	case 32:
		return v & 0xffff_ffff
	}
	return v
}

// memory executes loads, stores and atomics.
func (t *interpThread) memory(x *interpreter, n *prog.Insn, r *[16]uint64) {
	base := n.Dst()
	if n.Class() == bpf.ClassLDX || n.Op&0xe0 == bpf.ModeATOMIC && n.Imm == bpf.AtomicLoadACQ {
		base = n.Src()
	}
	addr := r[base] + uint64(int64(n.Off))
	switch n.Mem {
	case verifier.MemArena:
		addr = uint64(x.arena.ArenaKernel) + uint64(uint32(r[base])) + uint64(int64(n.Off))
	case verifier.MemProbe:
	default:
		access(n, addr, r)
		return
	}
	// What may fault reads 0 and writes nothing then, as the kernel's exception table has it.
	if !quietly(func() { access(n, addr, r) }) {
		if n.Class() == bpf.ClassLDX || n.Op&0xe0 == bpf.ModeATOMIC && n.Imm == bpf.AtomicLoadACQ {
			r[n.Dst()] = 0
		}
	}
}

func access(n *prog.Insn, addr uint64, r *[16]uint64) {
	switch n.Class() {
	case bpf.ClassLDX:
		if n.Op&0xe0 == bpf.ModeMEMSX {
			r[n.Dst()] = loadSigned(addr, n.Op)
		} else {
			r[n.Dst()] = load(addr, n.Op)
		}
	case bpf.ClassST:
		store(addr, n.Op, uint64(int64(n.Imm)))
	default:
		if n.Op&0xe0 == bpf.ModeMEM {
			store(addr, n.Op, r[n.Src()])
			return
		}
		old := atomicOp(addr, n.Op, n.Imm, r[n.Src()], r[0])
		switch {
		case n.Imm == bpf.AtomicLoadACQ:
			r[n.Dst()] = old
		case n.Imm == bpf.AtomicCMPXCHG:
			r[0] = old
		case n.Imm != bpf.AtomicStoreREL && n.Imm&bpf.AtomicFetch != 0:
			r[n.Src()] = old
		}
	}
}

// returns is the answer of special when the function is left.
const returns = -1

// special executes what is more than arithmetic, jumps and memory. It returns
// the next slot.
func (t *interpThread) special(x *interpreter, slot int, n *prog.Insn, r *[16]uint64, budget *int) (int, error) {
	next := slot + 1
	switch n.Kind {
	case prog.LdImm64:
		r[n.Dst()] = n.Val
		return slot + 2, nil
	case prog.CastKern:
		r[n.Dst()] = uint64(uint32(r[n.Src()]))
	case prog.CastUser:
		v := uint64(uint32(r[n.Src()]))
		if v != 0 {
			v |= x.arena.ArenaUser &^ 0xffff_ffff
		}
		r[n.Dst()] = v
	case prog.MayGoto:
		if *budget == 0 {
			return int(n.Target), nil
		}
		*budget--
	case prog.CallLocal:
		return next, t.local(x, int(x.p.FuncOf[n.Target]), r)
	case prog.CallX:
		v := r[n.Dst()]
		if _, ok := prog.FuncSlot(v); ok {
			f, err := x.function(v)
			if err != nil {
				return 0, err
			}
			return next, t.local(x, f, r)
		}
		c, err := x.linker.Helper(int32(v))
		if err != nil {
			return 0, fmt.Errorf("run program %s: insn %d: %w", x.src.Name, slot, err)
		}
		return next, t.call(c, r)
	case prog.Call:
		return next, t.call(x.callees[n.Callee], r)
	case prog.TailCall:
		if err := t.call(x.callees[n.Callee], r); err != nil {
			return 0, err
		}
		if t.tail == nil { // it failed
			r[0] = 0
			return next, nil
		}
		return t.continueIn(r)
	case prog.LdPacket:
		off := uint64(uint32(n.Imm))
		if n.Op&0xe0 == bpf.ModeIND {
			off = uint64(uint32(r[n.Src()]) + uint32(n.Imm))
		}
		r0, err := t.invoke(x.callees[n.Callee], r[6], off, uint64(bpf.AccessSize(n.Op)), 0, 0)
		if err != nil {
			return 0, err
		}
		r[0] = r0
		if t.loadFailed {
			t.loadFailed, r[0] = false, 0
			return returns, nil
		}
	default:
		return 0, fmt.Errorf("run program %s: insn %d cannot be executed", x.src.Name, slot)
	}
	return next, nil
}

func (t *interpThread) local(x *interpreter, f int, r *[16]uint64) error {
	r0, err := t.run(x, f, (*[5]uint64)(r[1:6]))
	r[0] = r0
	return err
}

func (t *interpThread) call(c *Callee, r *[16]uint64) error {
	r0, err := t.invoke(c, r[1], r[2], r[3], r[4], r[5])
	r[0] = r0
	return err
}

func (t *interpThread) invoke(c *Callee, r1, r2, r3, r4, r5 uint64) (uint64, error) {
	t.callee = true
	r0 := c.Fn(&t.Frame, r1, r2, r3, r4, r5)
	t.callee = false
	switch {
	case t.failed != nil:
		return 0, t.failed
	case t.throw:
		return 0, ErrThrow
	}
	return r0, nil
}

// continueIn carries out a tail call: the other program takes the place of the
// running function and gets its R1.
func (t *interpThread) continueIn(r *[16]uint64) (int, error) {
	other, ok := unwrap(t.tail).(*interpreter)
	t.tail = nil
	if !ok {
		return 0, fmt.Errorf("tail call from %s: target runs on another engine", t.Code.Checked().Program().Name)
	}
	t.tailCalls++
	was := t.Code
	t.Code = other
	r0, err := t.run(other, 0, (*[5]uint64)(r[1:6]))
	if err == nil {
		t.Code = was // the program that called the function this one replaced
	}
	r[0] = r0
	return returns, err
}
