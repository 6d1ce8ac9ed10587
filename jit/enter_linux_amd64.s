// SPDX-License-Identifier: Apache-2.0

#include "textflag.h"

// Offsets of runState (state_linux_amd64.go).
#define GOSP 0
#define GOBP 8
#define ENTRY 16
#define CODE 48
#define RET_ 56
#define ARGS 64
#define REGS 128
#define FAULTADDR 272
#define PC_ 280
#define BUSY 288

#define BLOCKMASK ~(0x40000-1)

// func enter(m *runState, pc uintptr)
//
// The one way into machine code and, after the same CALL, the one way out: a
// program that is done returns here, and one that leaves for Go loads this
// return address's place into SP and returns too. Go's ABI0 lets us use every
// register but SP and BP, and programs keep BX, R13, R14 and R15 for their caller:
// Go's stack pointer waits there, because a detour through memory costs as much
// as everything else here. The copy in memory is for those that leave.
TEXT ·enter(SB), NOSPLIT, $0-16
	MOVQ m+0(FP), R14
	MOVQ pc+8(FP), AX
	MOVQ SP, BX
	MOVQ BP, R13
	MOVQ SP, GOSP(R14)
	MOVQ BP, GOBP(R14)
	MOVQ ARGS+0(R14), DI
	MOVQ ARGS+8(R14), SI
	MOVQ ARGS+16(R14), DX
	MOVQ ARGS+24(R14), CX
	MOVQ ARGS+32(R14), R8
	MOVQ ENTRY(R14), SP
	CALL AX
	MOVQ BX, SP
	MOVQ R13, BP
	MOVQ AX, RET_(R14)
	RET

// func reenter(m *runState, pc uintptr)
//
// enter for a program that has left and goes on: what it keeps for its caller is
// from the time it was entered first, so Go's stack pointer is taken from memory.
// Its CALL overwrites the way back that the first one left on the stack.
TEXT ·reenter(SB), NOSPLIT, $0-16
	MOVQ m+0(FP), R11
	MOVQ pc+8(FP), AX
	MOVQ SP, GOSP(R11)
	MOVQ BP, GOBP(R11)
	MOVQ ENTRY(R11), SP
	CALL AX
	MOVQ SP, R11
	ANDQ $BLOCKMASK, R11
	MOVQ AX, RET_(R11)
	MOVQ GOBP(R11), BP
	MOVQ GOSP(R11), SP
	RET

// func enterOnce(m *runState, ctx uintptr) (r0, code uint64)
//
// enter for a run of one argument of the program the state was made for. A run
// that is done gives its state back: on this machine a plain store releases.
TEXT ·enterOnce(SB), NOSPLIT, $0-32
	MOVQ m+0(FP), R14
	MOVQ ctx+8(FP), DI
	MOVQ SP, BX
	MOVQ BP, R13
	MOVQ PC_(R14), AX
	MOVQ SP, GOSP(R14)
	MOVQ BP, GOBP(R14)
	MOVQ ENTRY(R14), SP
	CALL AX
	MOVQ BX, SP
	MOVQ R13, BP
	MOVQ CODE(R14), CX
	MOVQ AX, r0+16(FP)
	MOVQ CX, code+24(FP)
	TESTQ CX, CX
	JNE  left
	MOVL CX, BUSY(R14)
left:
	RET

// A fault in machine code puts the registers into the run state and continues
// in the stub that leaves to Go; any other is the Go runtime's business. The
// kernel calls this on the signal stack with the C convention: DI the signal,
// SI its siginfo, DX the ucontext, whose registers begin at 40, RSP at 160 and
// RIP at 168.
#define FAULT(chain) \
	MOVQ 168(DX), AX; \
	CMPQ AX, ·codeLo(SB); \
	JB   other; \
	CMPQ AX, ·codeHi(SB); \
	JAE  other; \
	MOVQ 160(DX), R11; \
	ANDQ $BLOCKMASK, R11; \
	XORL CX, CX; \
loop: \
	MOVQ 40(DX)(CX*8), AX; \
	MOVQ AX, REGS(R11)(CX*8); \
	INCQ CX; \
	CMPQ CX, $18; \
	JB   loop; \
	MOVQ 16(SI), AX; \
	MOVQ AX, FAULTADDR(R11); \
	MOVQ $-1, AX; \
	MOVQ AX, CODE(R11); \
	MOVQ ·faultStub(SB), AX; \
	MOVQ AX, 168(DX); \
	RET; \
other: \
	MOVQ chain(SB), AX; \
	JMP  AX

TEXT ·onFault(SB), NOSPLIT|NOFRAME, $0-0
	FAULT(·goSegv)

TEXT ·onBus(SB), NOSPLIT|NOFRAME, $0-0
	FAULT(·goBus)
