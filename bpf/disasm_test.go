// SPDX-License-Identifier: Apache-2.0

package bpf

import "testing"

func TestInsnString(t *testing.T) {
	for want, in := range map[string]Insn{
		"(b7) r0 = 1":                         {Op: 0xb7, Imm: 1},
		"(bc) w3 = w7":                        {Op: 0xbc, Regs: Regs(3, 7)},
		"(87) r2 = -r2":                       {Op: 0x87, Regs: Regs(2, 0)},
		"(95) exit":                           {Op: 0x95},
		"(85) call helper#14":                 {Op: 0x85, Imm: 14},
		"(85) call pc+3":                      {Op: 0x85, Regs: Regs(0, 1), Imm: 3},
		"(79) r1 = *(u64 *)(r10 -8)":          {Op: 0x79, Regs: Regs(1, 10), Off: -8},
		"(73) *(u8 *)(r1 +4) = r2":            {Op: 0x73, Regs: Regs(1, 2), Off: 4},
		"(62) *(u32 *)(r10 -4) = 7":           {Op: 0x62, Regs: Regs(10, 0), Off: -4, Imm: 7},
		"(15) if r1 == 0 goto pc+2":           {Op: 0x15, Regs: Regs(1, 0), Off: 2},
		"(ce) if w1 s< w2 goto pc-9":          {Op: 0xce, Regs: Regs(1, 2), Off: -9},
		"(18) r1 = map[2]":                    {Op: 0x18, Regs: Regs(1, 1), Imm: 2},
		"(e5) may_goto pc+1":                  {Op: 0xe5, Off: 1},
		"(bf) r1 = (s16)r2":                   {Op: 0xbf, Regs: Regs(1, 2), Off: 16},
		"(ff) invalid: regs 0x00 off 0 imm 0": {Op: 0xff},
	} {
		if got := in.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
