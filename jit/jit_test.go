// SPDX-License-Identifier: Apache-2.0

//go:build linux && amd64

package jit

func init() { makers["jit"] = Compile }
