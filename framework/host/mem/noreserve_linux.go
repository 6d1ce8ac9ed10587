// SPDX-License-Identifier: Apache-2.0

package mem

import "golang.org/x/sys/unix"

const noReserve = unix.MAP_NORESERVE
