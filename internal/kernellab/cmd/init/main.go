// SPDX-License-Identifier: Apache-2.0

// Command init is the first process of a lab guest when no other binary serves
// as it.
package main

import (
	"fmt"
	"os"

	"github.com/modbpf/modbpf/internal/kernellab/guest"
)

func main() {
	guest.MainIfInit()
	fmt.Fprintln(os.Stderr, "init: this is the first process of a lab guest; it does nothing elsewhere")
	os.Exit(2)
}
