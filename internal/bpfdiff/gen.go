// SPDX-License-Identifier: Apache-2.0

// Package bpfdiff compares engines on random programs: machine code, the
// interpreter and the machine's own kernel must agree in R0, maps and memory.
//
// Programs are valid by construction: scalars live in every register but R6,
// which points to a block of memory that is the value of a map, and R10;
// pointers exist only for the few instructions that use them.
package bpfdiff

import (
	"math/rand/v2"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/verifier"
)

// Maps of every generated program, by their index in Program.Maps.
const (
	mapBlock = iota // array with one value, the block R6 points to
	mapArray
	mapHash
	mapLRU
	mapQueue
	mapStack
	mapProgs
	numMaps
)

const (
	blockSize   = 256
	arraySize   = 5 // entries of mapArray, of 24 bytes
	arrayStride = 24
	hashKeys    = 8
	stackWords  = 8
	fp          = bpf.RegFP
	blockReg    = 6
	loopReg     = 9
)

// Helpers the programs call.
const (
	helperLookup  = 1
	helperUpdate  = 2
	helperDelete  = 3
	helperTail    = 12
	helperPush    = 87
	helperPop     = 88
	helperPeek    = 89
	helperForEach = 164
	helperLoop    = 181
)

// program is a generated program with what is in it.
type program struct {
	insns     []bpf.Insn
	loops     int
	subprogs  int
	callbacks int
	tails     int
	checked   *verifier.Checked // by our verifier; nil if it refuses or was not asked
}

// gen makes one program.
type gen struct {
	r     *rand.Rand
	p     *program
	init  uint16 // registers that hold scalars
	depth int
	loop  bool // inside a loop: R9 counts
	tail  bool // tail calls allowed
	calls []pending
	inSub bool
}

// pending is a reference to a function that is emitted later.
type pending struct {
	slot     int
	callback int // kind, 0 for a plain call
}

// Kinds of callbacks.
const (
	callbackLoop = 1 + iota
	callbackEach
)

// generate makes a program from a seed. A target of tail calls makes none itself.
func generate(seed uint64, tails bool) *program {
	g := &gen{r: rand.New(rand.NewPCG(seed, 0x6d6f64627066)), p: &program{}, tail: tails}
	g.function(0)
	for len(g.calls) > 0 {
		c := g.calls[0]
		g.calls = g.calls[1:]
		at := len(g.p.insns)
		if c.callback == 0 {
			g.p.subprogs++
		} else {
			g.p.callbacks++
		}
		g.p.insns[c.slot].Imm = int32(at - c.slot - 1)
		g.inSub = true
		g.function(c.callback)
	}
	return g.p
}

func (g *gen) emit(op uint8, d, s uint8, off int16, imm int32) {
	g.p.insns = append(g.p.insns, bpf.Insn{Op: op, Regs: bpf.Regs(d, s), Off: off, Imm: imm})
}

func (g *gen) n(n int) int { return g.r.IntN(n) }

func (g *gen) mapRef(d uint8, m int32) {
	g.emit(bpf.OpLdImm64, d, bpf.PseudoMapFD, 0, m)
	g.emit(0, 0, 0, 0, 0)
}

// function emits one function: the program, a subprogram or a callback.
func (g *gen) function(callback int) {
	g.depth, g.loop = 0, false
	g.init = 0
	if g.inSub && callback == 0 {
		g.init = 1<<1 | 1<<2 | 1<<3 | 1<<4 | 1<<5
	}
	if callback == callbackLoop {
		g.init = 1 << 1
	}
	g.emit(bpf.OpLdImm64, blockReg, bpf.PseudoMapValue, 0, mapBlock)
	g.emit(0, 0, 0, 0, 0)
	if callback != 0 {
		// The third and fourth argument may be pointers: read through one, forget them.
		if callback == callbackEach {
			g.emit(bpf.ClassLDX|bpf.ModeMEM|bpf.SizeW, 7, 3, 8, 0)
			g.init |= 1 << 7
		}
	}
	if !g.inSub {
		g.emit(bpf.ClassSTX|bpf.ModeMEM|bpf.SizeDW, fp, 1, -8*(stackWords+1), 0)
	}
	for w := int16(1); w <= stackWords; w++ {
		g.emit(bpf.ClassST|bpf.ModeMEM|bpf.SizeDW, fp, 0, -8*w, g.imm())
	}
	for _, r := range []uint8{0, 7, 8} {
		if g.init&(1<<r) == 0 {
			g.constant(r)
		}
	}
	size := 4 + g.n(24)
	if g.inSub {
		size = 2 + g.n(10)
	}
	g.stmts(size)
	// Fold what registers hold into R0 and the block.
	for r := uint8(1); r <= 8; r++ {
		if r != blockReg && g.init&(1<<r) != 0 {
			g.emit(bpf.ClassALU64|bpf.AluXOR|bpf.SrcX, 0, r, 0, 0)
			g.emit(bpf.ClassALU64|bpf.AluMUL, 0, 0, 0, 0x01000193)
		}
	}
	if callback != 0 {
		g.emit(bpf.ClassSTX|bpf.ModeMEM|bpf.SizeDW, blockReg, 0, 128, 0)
		g.emit(bpf.ClassALU64|bpf.AluRSH, 0, 0, 0, 60)
		g.emit(bpf.ClassALU64|bpf.AluDIV, 0, 0, 0, 15) // 1 once in sixteen: the callback ends its loop
		g.emit(bpf.ClassALU64|bpf.AluAND, 0, 0, 0, 1)
	} else if !g.inSub {
		g.emit(bpf.ClassSTX|bpf.ModeMEM|bpf.SizeDW, blockReg, 0, blockSize-8, 0)
	}
	g.emit(bpf.OpExit, 0, 0, 0, 0)
}

// imm is an interesting constant.
func (g *gen) imm() int32 {
	switch g.n(6) {
	case 0:
		return int32(g.n(3)) - 1
	case 1:
		return []int32{0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff, -0x80000000, -128, -129}[g.n(10)]
	case 2:
		return int32(g.n(64))
	}
	return int32(g.r.Uint32())
}

func (g *gen) constant(r uint8) {
	switch g.n(3) {
	case 0:
		g.emit(bpf.OpLdImm64, r, 0, 0, g.imm())
		g.emit(0, 0, 0, 0, g.imm())
	case 1:
		g.emit(bpf.ClassALU|bpf.AluMOV, r, 0, 0, g.imm())
	default:
		g.emit(bpf.ClassALU64|bpf.AluMOV, r, 0, 0, g.imm())
	}
	g.init |= 1 << r
}

// reg is a register that holds a scalar.
func (g *gen) reg() uint8 {
	for {
		if r := uint8(g.n(9)); r != blockReg && g.init&(1<<r) != 0 {
			return r
		}
	}
}

// dst is a register that may be overwritten.
func (g *gen) dst() uint8 {
	for {
		if r := uint8(g.n(9)); r != blockReg {
			return r
		}
	}
}

func (g *gen) stmts(n int) {
	for range n {
		g.stmt()
	}
}

func (g *gen) stmt() {
	switch k := g.n(100); {
	case k < 40:
		g.alu()
	case k < 50:
		g.load()
	case k < 60:
		g.store()
	case k < 65:
		g.atomic()
	case k < 70:
		g.idiom()
	case k < 80:
		g.branch()
	case k < 84:
		g.loopStmt()
	case k < 94:
		g.helper()
	case k < 97:
		g.call()
	default:
		g.constant(g.dst())
	}
}

var aluOps = []uint8{
	bpf.AluADD, bpf.AluSUB, bpf.AluMUL, bpf.AluOR, bpf.AluAND, bpf.AluXOR, bpf.AluLSH, bpf.AluRSH,
	bpf.AluARSH, bpf.AluMOV, bpf.AluNEG, bpf.AluDIV, bpf.AluMOD, bpf.AluEND,
}

func (g *gen) alu() {
	op := aluOps[g.n(len(aluOps))]
	cls, bits := uint8(bpf.ClassALU64), 64
	if g.n(2) == 0 {
		cls, bits = bpf.ClassALU, 32
	}
	d := g.reg()
	switch op {
	case bpf.AluNEG:
		g.emit(cls|op, d, 0, 0, 0)
		return
	case bpf.AluEND:
		src := uint8(g.n(2)) * bpf.SrcX
		if cls == bpf.ClassALU64 {
			src = 0
		}
		g.emit(cls|op|src, d, 0, 0, []int32{16, 32, 64}[g.n(3)])
		return
	}
	off := int16(0)
	if (op == bpf.AluDIV || op == bpf.AluMOD) && g.n(2) == 0 {
		off = 1
	}
	if g.n(2) == 0 {
		s := g.reg()
		if op == bpf.AluMOV {
			d = g.dst()
			off = []int16{0, 0, 8, 16, 32}[g.n(5)]
			if off == 32 && bits == 32 {
				off = 0
			}
			g.init |= 1 << d
		}
		g.emit(cls|op|bpf.SrcX, d, s, off, 0)
		return
	}
	imm := g.imm()
	switch op {
	case bpf.AluLSH, bpf.AluRSH, bpf.AluARSH:
		imm = int32(g.n(bits))
	case bpf.AluDIV, bpf.AluMOD:
		if imm == 0 {
			imm = 7
		}
		if g.n(3) == 0 {
			imm = 1 << g.n(31)
		}
	case bpf.AluMOV:
		d = g.dst()
		g.init |= 1 << d
	}
	g.emit(cls|op, d, 0, off, imm)
}

// idiom emits instruction sequences compilers make and backends fuse.
func (g *gen) idiom() {
	x, t := g.reg(), g.dst()
	cls, bits := uint8(bpf.ClassALU64), int32(64)
	if g.n(2) == 0 {
		cls, bits = bpf.ClassALU, 32
	}
	kind := g.n(8)
	if kind == 0 && t == x {
		t = blockless(x, x)
	}
	if kind != 3 {
		g.init |= 1 << t
	}
	switch kind {
	case 0: // rotate
		k := 1 + int32(g.n(int(bits)-1))
		g.emit(cls|bpf.AluMOV|bpf.SrcX, t, x, 0, 0)
		first, second := uint8(bpf.AluLSH), uint8(bpf.AluRSH)
		if g.n(2) == 0 {
			first, second = second, first
		}
		g.emit(cls|first, t, 0, 0, k)
		if y := blockless(t, x); g.n(3) == 0 && g.init&(1<<y) != 0 {
			g.emit(bpf.ClassALU64|bpf.AluADD, y, 0, 0, 3)
		}
		g.emit(cls|second, x, 0, 0, bits-k)
		join := []uint8{bpf.AluOR, bpf.AluXOR, bpf.AluADD}[g.n(3)]
		if g.n(2) == 0 {
			x, t = t, x
		}
		g.emit(cls|join|bpf.SrcX, x, t, 0, 0)
	case 1: // lea
		g.emit(cls|bpf.AluMOV|bpf.SrcX, t, x, 0, 0)
		if g.n(2) == 0 {
			g.emit(cls|bpf.AluADD, t, 0, 0, g.imm())
		} else {
			g.emit(cls|bpf.AluADD|bpf.SrcX, t, g.reg(), 0, 0)
		}
	case 2: // scaled lea
		g.emit(cls|bpf.AluMOV|bpf.SrcX, t, x, 0, 0)
		g.emit(cls|bpf.AluLSH, t, 0, 0, int32(g.n(5)))
		g.emit(cls|bpf.AluADD|bpf.SrcX, t, g.reg(), 0, 0)
	case 3: // zero and sign extension by shifts
		k := []int32{32, 48, 56}[g.n(3)]
		g.emit(bpf.ClassALU64|bpf.AluLSH, x, 0, 0, k)
		g.emit(bpf.ClassALU64|[]uint8{bpf.AluRSH, bpf.AluARSH}[g.n(2)], x, 0, 0, k)
	case 4: // mask and test
		g.emit(cls|bpf.AluMOV|bpf.SrcX, t, x, 0, 0)
		g.emit(cls|bpf.AluAND, t, 0, 0, g.imm())
		g.emit([]uint8{bpf.ClassJMP, bpf.ClassJMP32}[g.n(2)]|[]uint8{bpf.JmpJEQ, bpf.JmpJNE}[g.n(2)], t, 0, 1, 0)
		g.emit(bpf.ClassALU64|bpf.AluADD, x, 0, 0, 17)
		g.constant(t)
	case 5: // load and operate
		g.emit(bpf.ClassLDX|bpf.ModeMEM|[]uint8{bpf.SizeDW, bpf.SizeW}[g.n(2)], t, blockReg, int16(8*g.n(8)), 0)
		y := g.reg()
		g.emit(cls|[]uint8{bpf.AluADD, bpf.AluXOR, bpf.AluAND, bpf.AluOR, bpf.AluSUB}[g.n(5)]|bpf.SrcX, y, t, 0, 0)
		g.constant(t)
	case 6: // load and compare
		size := []uint8{bpf.SizeDW, bpf.SizeW, bpf.SizeH, bpf.SizeB}[g.n(4)]
		g.emit(bpf.ClassLDX|bpf.ModeMEM|size, t, blockReg, int16(8*g.n(8)), 0)
		g.emit([]uint8{bpf.ClassJMP, bpf.ClassJMP32}[g.n(2)]|condOps[g.n(len(condOps))], t, 0, 1, []int32{0, 1, 0x7f, 0x80, 0xff, -1, 0x1234}[g.n(7)])
		g.emit(bpf.ClassALU64|bpf.AluXOR, g.reg(), 0, 0, 0x55)
		g.constant(t)
	case 7: // read, modify, write
		off := int16(8 * g.n(8))
		g.emit(bpf.ClassLDX|bpf.ModeMEM|bpf.SizeDW, t, blockReg, off, 0)
		g.emit(bpf.ClassALU64|bpf.AluADD, t, 0, 0, g.imm())
		g.emit(bpf.ClassSTX|bpf.ModeMEM|bpf.SizeDW, blockReg, t, off, 0)
		if g.n(2) == 0 {
			g.constant(t)
		}
	}
}

// blockless is a register other than two and the block's.
func blockless(a, b uint8) uint8 {
	for r := uint8(0); ; r++ {
		if r != a && r != b && r != blockReg {
			return r
		}
	}
}

var sizes = []uint8{bpf.SizeB, bpf.SizeH, bpf.SizeW, bpf.SizeDW}

// place is a base register and an aligned offset that any size fits.
func (g *gen) place(size uint8) (uint8, int16) {
	n := bpf.AccessSize(size)
	if g.n(2) == 0 {
		return blockReg, int16(g.n(64/n) * n)
	}
	return fp, -int16((1 + g.n(stackWords*8/n)) * n)
}

func (g *gen) load() {
	size := sizes[g.n(4)]
	b, off := g.place(size)
	d := g.dst()
	mode := uint8(bpf.ModeMEM)
	if size != bpf.SizeDW && g.n(3) == 0 {
		mode = bpf.ModeMEMSX
	}
	if g.n(8) == 0 {
		g.emit(bpf.ClassSTX|bpf.ModeATOMIC|size, d, b, off, bpf.AtomicLoadACQ)
	} else {
		g.emit(bpf.ClassLDX|mode|size, d, b, off, 0)
	}
	g.init |= 1 << d
}

func (g *gen) store() {
	size := sizes[g.n(4)]
	b, off := g.place(size)
	switch g.n(8) {
	case 0:
		g.emit(bpf.ClassSTX|bpf.ModeATOMIC|size, b, g.reg(), off, bpf.AtomicStoreREL)
	case 1, 2, 3:
		g.emit(bpf.ClassST|bpf.ModeMEM|size, b, 0, off, g.imm())
	default:
		g.emit(bpf.ClassSTX|bpf.ModeMEM|size, b, g.reg(), off, 0)
	}
}

var atomicOps = []int32{
	bpf.AluADD, bpf.AluAND, bpf.AluOR, bpf.AluXOR,
	bpf.AluADD | bpf.AtomicFetch, bpf.AluAND | bpf.AtomicFetch, bpf.AluOR | bpf.AtomicFetch, bpf.AluXOR | bpf.AtomicFetch,
	bpf.AtomicXCHG, bpf.AtomicCMPXCHG,
}

func (g *gen) atomic() {
	size := []uint8{bpf.SizeW, bpf.SizeDW}[g.n(2)]
	b, off := g.place(size)
	imm := atomicOps[g.n(len(atomicOps))]
	if imm == bpf.AtomicCMPXCHG {
		g.need(0)
		if size == bpf.SizeW {
			// A 32-bit compare-and-exchange leaves a zero-extended R0. Linux 6.18 now
			// and then keeps the upper half when the exchange succeeds (the verifier
			// drops the extension where pruning hid a 64-bit use), so there is none.
			g.emit(bpf.ClassALU|bpf.AluMOV|bpf.SrcX, 0, 0, 0, 0)
		}
	}
	g.emit(bpf.ClassSTX|bpf.ModeATOMIC|size, b, g.reg(), off, imm)
}

func (g *gen) need(r uint8) {
	if g.init&(1<<r) == 0 {
		g.constant(r)
	}
}

var condOps = []uint8{
	bpf.JmpJEQ, bpf.JmpJGT, bpf.JmpJGE, bpf.JmpJSET, bpf.JmpJNE, bpf.JmpJSGT, bpf.JmpJSGE,
	bpf.JmpJLT, bpf.JmpJLE, bpf.JmpJSLT, bpf.JmpJSLE,
}

// branch emits "if not cond { ... }", now and then with an else.
func (g *gen) branch() {
	if g.depth >= 3 {
		return
	}
	g.depth++
	defer func() { g.depth-- }()
	cls := []uint8{bpf.ClassJMP, bpf.ClassJMP32}[g.n(2)]
	op := condOps[g.n(len(condOps))]
	at := len(g.p.insns)
	if g.n(2) == 0 {
		g.emit(cls|op|bpf.SrcX, g.reg(), g.reg(), 0, 0)
	} else {
		g.emit(cls|op, g.reg(), 0, 0, g.imm())
	}
	before := g.init
	g.stmts(1 + g.n(4))
	then := g.init
	g.init = before
	if g.n(2) == 0 {
		g.p.insns[at].Off = int16(len(g.p.insns) - at - 1)
	} else {
		over := len(g.p.insns)
		if g.n(2) == 0 {
			g.emit(bpf.ClassJMP|bpf.JmpJA, 0, 0, 0, 0)
		} else {
			g.emit(bpf.ClassJMP32|bpf.JmpJA, 0, 0, 0, 0)
		}
		g.p.insns[at].Off = int16(len(g.p.insns) - at - 1)
		g.stmts(1 + g.n(3))
		d := len(g.p.insns) - over - 1
		if g.p.insns[over].Op == bpf.ClassJMP|bpf.JmpJA {
			g.p.insns[over].Off = int16(d)
		} else {
			g.p.insns[over].Imm = int32(d)
		}
	}
	g.init &= then
}

// loopStmt is a loop with a constant count in R9, or one that may_goto bounds.
func (g *gen) loopStmt() {
	if g.loop || g.depth >= 2 {
		return
	}
	g.loop = true
	g.depth++
	defer func() { g.loop = false; g.depth-- }()
	g.p.loops++
	before := g.init
	g.emit(bpf.ClassALU64|bpf.AluMOV, loopReg, 0, 0, int32(1+g.n(6)))
	top := len(g.p.insns)
	may := g.n(4) == 0
	if may {
		g.emit(bpf.OpMayGoto, 0, 0, 0, 0)
	}
	g.stmts(1 + g.n(5))
	g.init &= before
	// What the body used must be there on its second round: restore what it lost.
	for r := uint8(0); r <= 8; r++ {
		if before&(1<<r) != 0 && g.init&(1<<r) == 0 {
			g.constant(r)
		}
	}
	g.emit(bpf.ClassALU64|bpf.AluADD, loopReg, 0, 0, -1)
	g.emit([]uint8{bpf.ClassJMP, bpf.ClassJMP32}[g.n(2)]|bpf.JmpJNE, loopReg, 0, int16(top-len(g.p.insns)-1), 0)
	if may {
		g.p.insns[top].Off = int16(len(g.p.insns) - top - 1)
	}
	g.init = before
}

// key puts a map key on the stack and its address into R2.
func (g *gen) key(limit int) {
	w := int16(-8 * (1 + g.n(stackWords)))
	if g.n(2) == 0 {
		g.emit(bpf.ClassST|bpf.ModeMEM|bpf.SizeW, fp, 0, w, int32(g.n(limit)))
	} else {
		r := g.reg()
		g.emit(bpf.ClassALU|bpf.AluMOV|bpf.SrcX, 1, r, 0, 0)
		g.emit(bpf.ClassALU|bpf.AluAND, 1, 0, 0, 7)
		g.emit(bpf.ClassSTX|bpf.ModeMEM|bpf.SizeW, fp, 1, w, 0)
	}
	g.emit(bpf.ClassALU64|bpf.AluMOV|bpf.SrcX, 2, fp, 0, 0)
	g.emit(bpf.ClassALU64|bpf.AluADD, 2, 0, 0, int32(w))
}

func (g *gen) callHelper(id int32) {
	g.emit(bpf.OpCall, 0, 0, 0, id)
	g.init = g.init&^0x3e | 1
}

func (g *gen) helper() {
	switch g.n(9) {
	case 0, 1, 2:
		g.lookup([]int32{mapArray, mapArray, mapHash, mapLRU}[g.n(4)])
	case 3:
		g.key(hashKeys)
		g.emit(bpf.ClassALU64|bpf.AluMOV|bpf.SrcX, 3, fp, 0, 0)
		g.emit(bpf.ClassALU64|bpf.AluADD, 3, 0, 0, -8*int32(1+g.n(stackWords-2))-16)
		m := []int32{mapArray, mapHash, mapLRU}[g.n(3)]
		if m == mapArray {
			// 24 bytes of value
			g.p.insns[len(g.p.insns)-1].Imm = -64
		}
		g.mapRef(1, m)
		g.emit(bpf.ClassALU64|bpf.AluMOV, 4, 0, 0, []int32{0, 0, 1, 2}[g.n(4)])
		g.callHelper(helperUpdate)
	case 4:
		g.key(hashKeys)
		g.mapRef(1, []int32{mapHash, mapLRU}[g.n(2)])
		g.callHelper(helperDelete)
	case 5:
		m := []int32{mapQueue, mapStack}[g.n(2)]
		g.emit(bpf.ClassALU64|bpf.AluMOV|bpf.SrcX, 2, fp, 0, 0)
		g.emit(bpf.ClassALU64|bpf.AluADD, 2, 0, 0, -8*int32(1+g.n(stackWords)))
		g.mapRef(1, m)
		switch g.n(3) {
		case 0:
			g.emit(bpf.ClassALU64|bpf.AluMOV, 3, 0, 0, []int32{0, 0, 2}[g.n(3)])
			g.callHelper(helperPush)
		case 1:
			g.callHelper(helperPop)
		default:
			g.callHelper(helperPeek)
		}
	case 6:
		if g.inSub || g.depth > 1 {
			g.alu()
			return
		}
		g.emit(bpf.ClassALU64|bpf.AluMOV, 1, 0, 0, int32(g.n(12)))
		g.function2(2, callbackLoop)
		g.emit(bpf.ClassALU64|bpf.AluMOV, 3, 0, 0, 0)
		g.emit(bpf.ClassALU64|bpf.AluMOV, 4, 0, 0, 0)
		g.callHelper(helperLoop)
	case 7:
		if g.inSub || g.depth > 1 {
			g.alu()
			return
		}
		g.mapRef(1, mapArray)
		g.function2(2, callbackEach)
		g.emit(bpf.ClassALU64|bpf.AluMOV, 3, 0, 0, 0)
		g.emit(bpf.ClassALU64|bpf.AluMOV, 4, 0, 0, 0)
		g.callHelper(helperForEach)
	case 8:
		if !g.tail || g.inSub {
			g.alu()
			return
		}
		g.p.tails++
		g.emit(bpf.ClassLDX|bpf.ModeMEM|bpf.SizeDW, 1, fp, -8*(stackWords+1), 0)
		g.mapRef(2, mapProgs)
		g.emit(bpf.ClassALU64|bpf.AluMOV, 3, 0, 0, int32(g.n(3)))
		g.callHelper(helperTail)
		g.constant(0) // what a failed tail call leaves in R0 is nobody's promise
	}
}

// function2 loads the address of a callback emitted later.
func (g *gen) function2(d uint8, kind int) {
	g.calls = append(g.calls, pending{len(g.p.insns), kind})
	g.emit(bpf.OpLdImm64, d, bpf.PseudoFunc, 0, 0)
	g.emit(0, 0, 0, 0, 0)
}

// lookup finds an element and, if it is there, changes it.
func (g *gen) lookup(m int32) {
	g.key(hashKeys)
	g.mapRef(1, m)
	g.callHelper(helperLookup)
	skip := len(g.p.insns)
	invert := g.n(4) == 0
	if invert {
		g.emit(bpf.ClassJMP|bpf.JmpJNE, 0, 0, 1, 0)
		skip++
		g.emit(bpf.ClassJMP|bpf.JmpJA, 0, 0, 0, 0)
	} else {
		g.emit(bpf.ClassJMP|bpf.JmpJEQ, 0, 0, 0, 0)
	}
	limit := 2
	if m == mapArray {
		limit = 3
	}
	off := int16(8 * g.n(limit))
	switch g.n(4) {
	case 0:
		g.emit(bpf.ClassLDX|bpf.ModeMEM|bpf.SizeDW, 1, 0, off, 0)
		g.emit(bpf.ClassALU64|bpf.AluADD, 1, 0, 0, 1)
		g.emit(bpf.ClassSTX|bpf.ModeMEM|bpf.SizeDW, 0, 1, off, 0)
	case 1:
		g.emit(bpf.ClassALU64|bpf.AluMOV, 1, 0, 0, g.imm())
		g.emit(bpf.ClassSTX|bpf.ModeATOMIC|bpf.SizeDW, 0, 1, off, bpf.AluADD)
	case 2:
		g.emit(bpf.ClassLDX|bpf.ModeMEM|bpf.SizeW, 1, 0, off+4, 0)
		g.emit(bpf.ClassSTX|bpf.ModeMEM|bpf.SizeDW, blockReg, 1, int16(64+8*g.n(8)), 0)
	default:
		r := []uint8{7, 8}[g.n(2)]
		g.emit(bpf.ClassSTX|bpf.ModeMEM|bpf.SizeW, 0, r, off, 0)
	}
	g.p.insns[skip].Off = int16(len(g.p.insns) - skip - 1)
	g.constant(0)
}

// call calls a subprogram emitted later.
func (g *gen) call() {
	if g.inSub && g.n(3) != 0 || len(g.calls) > 4 || g.p.subprogs > 4 {
		g.alu()
		return
	}
	for r := uint8(1); r <= 5; r++ {
		if g.init&(1<<r) == 0 || g.n(3) == 0 {
			g.constant(r)
		}
	}
	g.calls = append(g.calls, pending{len(g.p.insns), 0})
	g.emit(bpf.OpCall, 0, bpf.PseudoCall, 0, 0)
	g.init = g.init&^0x3e | 1
}
