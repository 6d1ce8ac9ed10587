// SPDX-License-Identifier: Apache-2.0

//go:build !linux || !amd64

package jit

import (
	"fmt"
	"runtime"

	"github.com/modbpf/modbpf/verifier"
)

// Compile answers that there is no backend for this platform: Interpret is the choice.
func Compile(*verifier.Checked, Linker) (Executable, error) {
	return nil, fmt.Errorf("compile for %s/%s: %w: no backend", runtime.GOOS, runtime.GOARCH, ErrNoJIT)
}
