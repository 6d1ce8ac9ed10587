// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package framework

import (
	"context"
	"runtime"

	"github.com/modbpf/modbpf/framework/exitcode"
)

// Exact fails: the kernel lab runs on Linux only.
func (b *Bound) Exact(context.Context, []*Result, ExactOptions) ([]*Opinion, error) {
	return nil, exitcode.Unsupported.Errorf("ask kernel %s in a guest: the kernel lab does not run on %s", b.Kernel.Name(), runtime.GOOS)
}

// EnterGuest returns: guests run Linux.
func EnterGuest() {}
