// SPDX-License-Identifier: Apache-2.0

//go:build !linux || !amd64

package jit

// PerfMap has nothing to write where there is no machine code.
func PerfMap(Executable) error { return nil }
