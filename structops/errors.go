// SPDX-License-Identifier: Apache-2.0

package structops

import "errors"

// ErrNoTable means that a kernel or module has no struct_ops table of a name.
var ErrNoTable = errors.New("no such struct_ops table")
