// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package framework

import (
	"context"

	"github.com/modbpf/modbpf/framework/exitcode"
)

func (in *hostInsertion) serve(context.Context, HostOptions) error {
	return exitcode.Unsupported.Errorf("insert %s into the host: real devices can be served on Linux only; --play FILE plays a recording of one", in.c.bound.Driver.Name())
}
