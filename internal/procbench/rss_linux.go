// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"syscall"
)

// maxRSS is the peak memory of a finished process in KiB.
func maxRSS(p *os.ProcessState) int64 {
	if u, ok := p.SysUsage().(*syscall.Rusage); ok {
		return u.Maxrss
	}
	return 0
}
