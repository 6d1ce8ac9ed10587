// SPDX-License-Identifier: Apache-2.0

//go:build tools

// Package deps pins the modules this project may use (docs/dependencies.md), so
// that `go mod tidy` gives the same answer whatever is built. Never compiled.
package deps

import (
	_ "github.com/cilium/ebpf"
	_ "github.com/google/go-cmp/cmp"
	_ "github.com/klauspost/compress/zstd"
	_ "github.com/rogpeppe/go-internal/testscript"
	_ "github.com/spf13/cobra"
	_ "github.com/vishvananda/netlink"
	_ "golang.org/x/arch/x86/x86asm"
	_ "golang.org/x/sys/unix"
	_ "gopkg.in/yaml.v3"
)
