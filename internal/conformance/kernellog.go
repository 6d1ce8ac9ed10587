// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"regexp"
	"strconv"
	"strings"
)

// parseLog reads a verifier log: the last instruction walked and the message
// that follows it, and the numbers of its statistics.
func parseLog(log string) (k Kernels) {
	k.Insn = -1
	var msg []string
	for line := range strings.Lines(log) {
		line = strings.TrimRight(line, "\n\x00")
		if n, ok := insnLine(line); ok {
			k.Insn, msg = n, nil
			continue
		}
		f := strings.Fields(line)
		switch {
		case len(f) == 0:
		case strings.HasPrefix(line, "processed ") && len(f) > 2:
			k.Processed, _ = strconv.Atoi(f[1]) //nolint:errcheck // 0 is "not known"
		case strings.HasPrefix(line, "verification time ") && len(f) > 3:
			k.Micros, _ = strconv.Atoi(f[2]) //nolint:errcheck // 0 is "not known"
		case strings.HasPrefix(line, "stack depth "), trace(line):
		default:
			msg = append(msg, strings.TrimSpace(line))
		}
	}
	k.Message = strings.Join(msg, "; ")
	if m := namedInsn.FindStringSubmatch(k.Message); m != nil {
		k.Insn, _ = strconv.Atoi(m[1]) //nolint:errcheck // digits by the expression; what is too long is 0
	}
	return k
}

// namedInsn finds the instruction in messages about one that is not walked:
// loops found before the instruction is printed, and what is checked before
// the walk begins.
var namedInsn = regexp.MustCompile(`(?:infinite loop detected at insn|unreachable insn|from insn|back-edge from insn|last insn is not an exit or jmp at) (\d+)`)

// insnLine recognises "12: (85) call bpf_foo#1 ; R0=...".
func insnLine(s string) (int, bool) {
	num, rest, ok := strings.Cut(s, ": (")
	if !ok || len(rest) < 3 || rest[2] != ')' {
		return 0, false
	}
	n, err := strconv.Atoi(strings.TrimSpace(num))
	return n, err == nil
}

// trace recognises lines that tell of the walk and not of its end.
func trace(s string) bool {
	for _, p := range []string{
		"; ", "from ", "func#", "last_idx", "regs=", "parent state", "parent didn't", "mark_precise", "caller:", "callee:",
		"Func#", "Validating ", "returning from callee", "to caller at", "propagating ", "cur state:", "old state:", "R0=", "R1=", "R10=", "0: R", "falling back",
	} {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	if n, _, ok := strings.Cut(strings.TrimPrefix(s, "frame"), ":"); ok && strings.HasPrefix(s, "frame") {
		if _, err := strconv.Atoi(strings.TrimSpace(n)); err == nil {
			return true
		}
	}
	num, rest, ok := strings.Cut(s, ": ")
	if _, err := strconv.Atoi(num); ok && err == nil && (strings.HasPrefix(rest, "R") || strings.HasPrefix(rest, "safe") || strings.HasPrefix(rest, "frame") || rest == "") {
		return true
	}
	return strings.HasSuffix(s, ": safe")
}
