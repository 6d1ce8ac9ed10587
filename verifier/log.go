// SPDX-License-Identifier: Apache-2.0

package verifier

import "io"

// Log receives the verbose log of a run.
type Log struct {
	W     io.Writer
	Level int // 1: the failing path, 2: every path
}
