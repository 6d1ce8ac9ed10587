// SPDX-License-Identifier: Apache-2.0

package jit

import (
	"math"

	"github.com/modbpf/modbpf/bpf"
)

// Arithmetic as RFC 9669 defines it: 32-bit operations zero-extend, division by
// zero gives 0, remainder by zero the dividend, shifts count modulo the width,
// and the most negative number divided by -1 overflows to itself.

func alu64(op uint8, off int16, d, s uint64) uint64 {
	switch op & 0xf0 {
	case bpf.AluADD:
		return d + s
	case bpf.AluSUB:
		return d - s
	case bpf.AluMUL:
		return d * s
	case bpf.AluDIV:
		if off == 1 {
			return uint64(sdiv(int64(d), int64(s), math.MinInt64))
		}
		if s == 0 {
			return 0
		}
		return d / s
	case bpf.AluMOD:
		if off == 1 {
			return uint64(smod(int64(d), int64(s)))
		}
		if s == 0 {
			return d
		}
		return d % s
	case bpf.AluOR:
		return d | s
	case bpf.AluAND:
		return d & s
	case bpf.AluXOR:
		return d ^ s
	case bpf.AluLSH:
		return d << (s & 63)
	case bpf.AluRSH:
		return d >> (s & 63)
	case bpf.AluARSH:
		return uint64(int64(d) >> (s & 63))
	case bpf.AluNEG:
		return -d
	}
	return signExtend(s, off) // MOV
}

func alu32(op uint8, off int16, d, s uint32) uint32 {
	switch op & 0xf0 {
	case bpf.AluADD:
		return d + s
	case bpf.AluSUB:
		return d - s
	case bpf.AluMUL:
		return d * s
	case bpf.AluDIV:
		if off == 1 {
			return uint32(sdiv(int32(d), int32(s), math.MinInt32))
		}
		if s == 0 {
			return 0
		}
		return d / s
	case bpf.AluMOD:
		if off == 1 {
			return uint32(smod(int32(d), int32(s)))
		}
		if s == 0 {
			return d
		}
		return d % s
	case bpf.AluOR:
		return d | s
	case bpf.AluAND:
		return d & s
	case bpf.AluXOR:
		return d ^ s
	case bpf.AluLSH:
		return d << (s & 31)
	case bpf.AluRSH:
		return d >> (s & 31)
	case bpf.AluARSH:
		return uint32(int32(d) >> (s & 31))
	case bpf.AluNEG:
		return -d
	}
	return uint32(signExtend(uint64(s), off)) // MOV
}

func sdiv[T int32 | int64](a, b, lowest T) T {
	switch {
	case b == 0:
		return 0
	case b == -1 && a == lowest:
		return a
	}
	return a / b
}

func smod[T int32 | int64](a, b T) T {
	switch b {
	case 0:
		return a
	case -1:
		return 0
	}
	return a % b
}

// signExtend is what a MOV with an offset does: 8, 16 and 32 are widths.
func signExtend(v uint64, width int16) uint64 {
	switch width {
	case 8:
		return uint64(int64(int8(v)))
	case 16:
		return uint64(int64(int16(v)))
	case 32:
		return uint64(int64(int32(v)))
	}
	return v
}

// taken evaluates a conditional jump on operands already cut or sign-extended
// to the width of the comparison.
func taken(op uint8, d, s uint64) bool {
	switch op & 0xf0 {
	case bpf.JmpJEQ:
		return d == s
	case bpf.JmpJNE:
		return d != s
	case bpf.JmpJGT:
		return d > s
	case bpf.JmpJGE:
		return d >= s
	case bpf.JmpJLT:
		return d < s
	case bpf.JmpJLE:
		return d <= s
	case bpf.JmpJSGT:
		return int64(d) > int64(s)
	case bpf.JmpJSGE:
		return int64(d) >= int64(s)
	case bpf.JmpJSLT:
		return int64(d) < int64(s)
	case bpf.JmpJSLE:
		return int64(d) <= int64(s)
	}
	return d&s != 0 // JSET
}
