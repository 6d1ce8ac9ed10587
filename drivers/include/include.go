// SPDX-License-Identifier: Apache-2.0

// Package include holds the C headers that drivers are written against, so that
// `modbpf build` works wherever modbpf is.
package include

import "embed"

// Headers are the files of the include folder: modbpf/core.h and others.
//
//go:embed modbpf/*.h
var Headers embed.FS
