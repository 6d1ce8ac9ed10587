// SPDX-License-Identifier: Apache-2.0

package jit

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/modbpf/modbpf/jit/amd64"
)

var offBatch = unsafe.Offsetof(rs.batch)

// thread is the state of one run of machine code: a stack with its runState, and
// the frame that callees see.
type thread struct {
	Frame
	m     *runState
	block *stackBlock

	batchIn  []uintptr // of the batch that runs
	batchOut []uint64
	first    int // index of the chunk's first context
}

// stackReserve is the stack that must be left to start a program or callback:
// eight nested functions with 512 bytes each, what they keep, and what an exit
// pushes. What goes deeper meets the guard.
const stackReserve = 16 << 10

func newThread(x *machineCode) (*thread, error) {
	b, err := getStack()
	if err != nil {
		return nil, err
	}
	head := b.hi - stackBlockSize
	t := &thread{block: b, m: (*runState)(at(uint64(head)))}
	t.thread = t
	t.Code = x
	t.m.pc, t.m.busy = x.entry, 0
	t.reset()
	return t, nil
}

// reset makes the stack empty.
func (t *thread) reset() {
	t.m.entry = t.block.hi - 64 // below the block's end: its upper bits name the block
	t.m.slot = t.m.entry - 8
	t.m.code, t.m.batch, t.m.flag = 0, 0, 0
}

// retire gives the stack back.
func (t *thread) retire() {
	t.m.code = 0
	putStack(t.block)
	t.m, t.block = nil, nil
}

func (x *machineCode) get() (*thread, error) {
	if t := x.idle.Swap(nil); t != nil {
		return t, nil
	}
	if x.closed.Load() {
		return nil, fmt.Errorf("run program %s: closed", x.src.Name)
	}
	return newThread(x)
}

func (x *machineCode) put(t *thread) {
	t.User = nil
	if t == x.own {
		atomic.StoreUint32(&t.m.busy, 0)
		return
	}
	if !x.idle.CompareAndSwap(nil, t) {
		t.retire()
	}
}

// Run takes the program's own run state if it is free, at the price of one
// atomic operation, and else another.
func (x *machineCode) Run(ctx uintptr, user any) (uint64, error) {
	t := x.own
	if raceDetector || t == nil || !atomic.CompareAndSwapUint32(&t.m.busy, 0, 1) {
		return x.runOther(ctx, user)
	}
	if x.leave {
		t.Ctx, t.User = ctx, user
	}
	r0, code := enterOnce(t.m, ctx)
	if code == 0 {
		return r0, nil
	}
	return x.slow(t)
}

// runOther is Run for all but one of several runs at once.
func (x *machineCode) runOther(ctx uintptr, user any) (uint64, error) {
	t, err := x.get()
	if err != nil {
		return 0, err
	}
	t.m.args[0] = uint64(ctx)
	t.Ctx, t.User = ctx, user
	enter(t.m, x.entry)
	return x.slow(t)
}

// slow finishes a run that left to Go, and gives its state back.
func (x *machineCode) slow(t *thread) (uint64, error) {
	defer x.put(t)
	return x.finish(t)
}

// finish finishes a run that left to Go. Its state is as good as new then, also
// when a callee panics.
func (x *machineCode) finish(t *thread) (uint64, error) {
	defer x.clean(t)
	err := t.serve()
	if err = t.unwound(err); err != nil {
		return 0, err
	}
	return t.m.ret, nil
}

// clean makes a state as good as new.
func (x *machineCode) clean(t *thread) {
	t.tailCalls, t.throw, t.failed, t.tail, t.loadFailed = 0, false, nil, nil, false
	t.first, t.batchIn, t.batchOut = 0, nil, nil
	t.Code = x
	t.reset()
}

// unwound makes what an exception callback answers, or else the cookie, the
// result of a run that threw.
func (t *thread) unwound(err error) error {
	if !errors.Is(err, ErrThrow) {
		return err
	}
	x := t.Code.(*machineCode)
	t.throw = false
	t.reset()
	t.m.ret = t.cookie
	if x.p.ExceptionCB < 0 {
		return nil
	}
	t.m.args = [6]uint64{t.cookie}
	return t.start(x.base + uintptr(x.code.Funcs[x.p.ExceptionCB]))
}

func (x *machineCode) RunFunc(fn uint64, args [5]uint64, user any) (uint64, error) {
	f, err := x.function(fn)
	if err != nil {
		return 0, err
	}
	t, err := x.get()
	if err != nil {
		return 0, err
	}
	copy(t.m.args[:], args[:])
	t.Ctx, t.User = uintptr(args[0]), user
	enter(t.m, x.base+uintptr(x.code.Funcs[f]))
	return x.slow(t)
}

// start runs code at pc, and callees, until it returns.
func (t *thread) start(pc uintptr) error {
	t.m.code = 0
	enter(t.m, pc)
	return t.serve()
}

// serve runs callees for the program until it is done.
func (t *thread) serve() error {
	m := t.m
	for m.code != 0 {
		if m.code == codeFault {
			if err := t.fault(); err != nil {
				return err
			}
			continue
		}
		x := t.Code.(*machineCode)
		if id := uint32(m.code >> amd64.CalleeBits); id != x.id {
			// A program that was left by a tail call from a function it called goes on.
			x = programs.all()[id]
			t.Code = x
		}
		a := m.args
		t.Batch = t.first + int(m.batch)
		if t.batchIn != nil {
			t.Ctx = t.batchIn[t.Batch]
		}
		var r0 uint64
		if n := m.code & amd64.CalleeX; n == amd64.CalleeX {
			var err error
			if r0, err = t.indirect(x, &a); err != nil {
				return err
			}
		} else {
			r0 = x.callees[n].Fn(&t.Frame, a[0], a[1], a[2], a[3], a[4])
		}
		m.flag = 0
		if t.throw || t.failed != nil || t.loadFailed || t.tail != nil {
			var err error
			if r0, err = t.unusual(x, r0); err != nil {
				return err
			}
		} else if m.code&amd64.CalleeX == uint64(x.tailCallee) {
			r0 = 0 // no tail call: the program goes on
		}
		m.ret = r0
		m.code = 0
		enterResume(m)
	}
	return nil
}

// enterResume is a function of its own, with a prologue, so that a loop of exits
// is preemptible.
//
//go:noinline
func enterResume(m *runState) { reenter(m, machine.resume) }

// unusual deals with what a callee left to do besides returning.
func (t *thread) unusual(x *machineCode, r0 uint64) (uint64, error) {
	switch {
	case t.failed != nil:
		return 0, t.failed
	case t.throw:
		return 0, ErrThrow
	case t.loadFailed:
		t.loadFailed, t.m.flag = false, 1
		return 0, nil
	}
	other, ok := unwrap(t.tail).(*machineCode)
	t.tail = nil
	switch {
	case !ok:
		return 0, fmt.Errorf("tail call from %s: target runs on another engine", x.src.Name)
	case t.m.code&amd64.CalleeX != uint64(x.tailCallee):
		return 0, fmt.Errorf("run program %s: a callee other than bpf_tail_call made a tail call", x.src.Name)
	}
	t.tailCalls++
	t.Code = other
	return uint64(other.entry), nil // the call site jumps there; args[0] is still R1
}

// indirect is a call through a register: of one of the program's functions, or
// of a helper by its number.
func (t *thread) indirect(x *machineCode, a *[6]uint64) (uint64, error) {
	if _, err := x.function(a[5]); err == nil {
		r, err := t.callback(a[5], (*[5]uint64)(a[:5]))
		if errors.Is(err, ErrThrow) {
			return 0, nil // t.throw is set
		}
		return r, err
	}
	c, err := x.linker.Helper(int32(a[5]))
	if err != nil {
		return 0, fmt.Errorf("run program %s: indirect call: %w", x.src.Name, err)
	}
	return c.Fn(&t.Frame, a[0], a[1], a[2], a[3], a[4]), nil
}

// callback runs a function of the program for a callee, on the same stack below
// what is in use.
func (t *thread) callback(fn uint64, a *[5]uint64) (uint64, error) {
	x := t.Code.(*machineCode)
	f, err := x.function(fn)
	if err != nil {
		return 0, err
	}
	m := t.m
	outer := *m
	m.entry = (m.msp - 64) &^ 15
	m.slot = m.entry - 8
	if m.entry < t.block.lo+stackReserve {
		t.failed = fmt.Errorf("run program %s: %w", x.src.Name, ErrStack)
		err = t.failed
	} else {
		copy(m.args[:], a[:])
		err = t.start(x.base + uintptr(x.code.Funcs[f]))
		if err != nil && !errors.Is(err, ErrThrow) {
			t.failed = err // whatever the callee makes of it, the run is over
		}
	}
	r := m.ret
	m.entry, m.slot, m.msp, m.site, m.code, m.args = outer.entry, outer.slot, outer.msp, outer.site, outer.code, outer.args
	t.Code = x
	return r, err
}

// fault deals with a bad access: quietly where the program may make one, else by
// an error that says where.
func (t *thread) fault() error {
	m := t.m
	pc := uintptr(m.regs[amd64.SignalRIP])
	x := programs.at(pc)
	e := &CrashError{Engine: "jit", Slot: -1, Addr: uintptr(m.faultAddr), PC: pc}
	if x == nil {
		x = t.Code.(*machineCode)
	} else {
		off := int32(pc - x.base)
		i, ok := slices.BinarySearchFunc(x.code.Faults, off, func(f amd64.Fault, off int32) int { return int(f.Off - off) })
		if ok {
			f := &x.code.Faults[i]
			if f.Reg >= 0 {
				m.regs[amd64.SignalRegs[f.Reg]] = 0
			}
			m.regs[amd64.SignalRIP] = uint64(x.base) + uint64(f.Next)
			m.code = 0
			reenter(m, machine.faultResume)
			return nil
		}
		e.Slot = x.slotAt(pc)
	}
	e.Program = x.src.Name
	if sp := uintptr(m.regs[amd64.SignalRegs[4]]); sp < t.block.lo+256 {
		return fmt.Errorf("run program %s: %w", x.src.Name, ErrStack)
	}
	e.Line = lineAt(x.src, e.Slot)
	return e
}

// batchTime is how long machine code may run before Go's scheduler gets a say.
const batchTime = time.Millisecond

func (x *machineCode) RunBatch(ctxs []uintptr, results []uint64, user any) error {
	if len(results) < len(ctxs) {
		return fmt.Errorf("run batch of %d: room for %d results", len(ctxs), len(results))
	}
	t, err := x.get()
	if err != nil {
		return err
	}
	// Machine code writes to both while Go code may run: they must not lie on a
	// stack, which can move.
	t.batchIn, t.batchOut = ctxs, results
	defer func() {
		t.first, t.batchIn, t.batchOut = 0, nil, nil
		x.put(t)
	}()
	t.User = user
	size := max(16, int(x.chunk.Load()))
	if len(ctxs) <= size/4 { // known to be short: not worth a look at the clock
		return x.runAll(t, len(ctxs))
	}
	for done := 0; done < len(ctxs); {
		n := min(size, len(ctxs)-done)
		start := time.Now()
		ran, err := x.runChunk(t, done, n)
		if err != nil {
			return err
		}
		done += ran
		if d := time.Since(start); n == size && d < batchTime/4 && size < 1<<20 {
			size *= 4
			x.chunk.Store(int64(size))
		} else if d > batchTime && size > 16 {
			size /= 2
			x.chunk.Store(int64(size))
		}
	}
	return nil
}

// runAll runs n contexts, however often one of them throws.
func (x *machineCode) runAll(t *thread, n int) error {
	for done := 0; done < n; {
		ran, err := x.runChunk(t, done, n-done)
		if err != nil {
			return err
		}
		done += ran
	}
	return nil
}

// runChunk runs n contexts from the first-th on. It returns how many it ran: fewer
// when one of them threw.
//
//go:noinline
func (x *machineCode) runChunk(t *thread, first, n int) (int, error) {
	m := t.m
	m.args[0] = uint64(uintptr(unsafe.Pointer(&t.batchIn[first])))
	m.args[1] = uint64(uintptr(unsafe.Pointer(&t.batchOut[first])))
	m.args[2] = uint64(n)
	t.first = first
	enter(m, x.base+uintptr(x.code.Batch))
	if m.code == 0 {
		return n, nil
	}
	defer func() { // also when a callee panics
		in, out := t.batchIn, t.batchOut
		x.clean(t)
		t.batchIn, t.batchOut = in, out
	}()
	err := t.serve()
	threw := errors.Is(err, ErrThrow)
	at := int(m.batch)
	err = t.unwound(err)
	switch {
	case err != nil:
		return 0, err
	case threw:
		t.batchOut[first+at] = m.ret
		n = at + 1
	}
	return n, nil
}
