// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package profile

import (
	"fmt"
	"runtime"
)

// Running fails: only Linux runs BPF drivers. Embedded and added profiles work.
func Running() (*Profile, error) {
	return nil, fmt.Errorf("open profile running: %s is not Linux: %w", runtime.GOOS, ErrUnsupported)
}
