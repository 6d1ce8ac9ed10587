// SPDX-License-Identifier: Apache-2.0

package verifier

import "strings"

// Codes are grouped by concern: 10xx instructions and control flow, 11xx
// registers and arithmetic, 12xx stack, 13xx memory (maps, packets, context,
// buffers), 14xx calls and helpers, 15xx return values and exits, 16xx limits,
// 17xx program, maps and attach points; 2xxx are the typed rules of
// codes_typed.go; 9xxx are modbpf's own. Numbers are only ever added.
const (
	CodeNotBuilt Code = 9001 + iota
	CodeInternal
	CodeLimit
	CodeBadProgram
)

// CodeInfo documents a code.
type CodeInfo struct {
	Code    Code
	Name    string   // short name, stable
	Rule    string   // the rule that is broken
	Example string   // smallest program that breaks it
	Kernel  []string // parts of the kernel's messages it stands for
	Fix     string   // what usually fixes it
}

var codeTable = map[Code]*CodeInfo{}

func register(rows []CodeInfo) bool {
	for i := range rows {
		codeTable[rows[i].Code] = &rows[i]
	}
	return true
}

// Explain documents a code; false for a number that does not exist.
func Explain(c Code) (CodeInfo, bool) {
	i := codeTable[c]
	if i == nil {
		return CodeInfo{}, false
	}
	return *i, true
}

// Matches reports whether a kernel message is one the code stands for.
func (c Code) Matches(kernelMessage string) bool {
	i := codeTable[c]
	if i == nil {
		return false
	}
	for _, s := range i.Kernel {
		if strings.Contains(kernelMessage, s) {
			return true
		}
	}
	return false
}
