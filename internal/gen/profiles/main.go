// SPDX-License-Identifier: Apache-2.0

// Command profiles makes the kernel profiles that ship inside modbpf, from
// Debian's kernel packages, and writes down from which (framework/profile/data).
//
//	profiles [-refresh] [-o FOLDER] [SERIES...]
//
// It needs the zstd tool (its strongest level is not built into the Go library)
// and what the kernel lab needs to fetch packages.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/modbpf/modbpf/framework/profile"
	"github.com/modbpf/modbpf/internal/kernellab"
)

// maxBytes is what one profile may add to the binary.
const maxBytes = 2_000_000

// modules are the ones whose BTF ships: all that drivers of this project's kind
// attach to or take types from, and the modules that offer kfuncs. The rest of a
// kernel's 4,200 modules takes `modbpf profile add`.
var modules = []string{
	"drivers/hid/*", "drivers/hid/usbhid/*", "net/sched/*", "net/ipv4/tcp_*", "net/ipv4/fou", "net/netfilter/nf_conntrack", "net/netfilter/nf_nat",
	"net/netfilter/nf_flow_table", "net/xfrm/xfrm_interface", "net/smc/smc", "fs/binfmt_misc",
	"drivers/net/veth", "drivers/net/tun", "drivers/net/dummy", "drivers/net/ifb",
}

func keep(p string) bool {
	return slices.ContainsFunc(modules, func(pattern string) bool {
		ok, err := path.Match(pattern, p)
		return err == nil && ok
	})
}

func main() {
	out := flag.String("o", "", "folder to write to (default: framework/profile/data of this module)")
	refresh := flag.Bool("refresh", false, "resolve the newest kernel of each series anew")
	flag.Parse()
	if err := run(context.Background(), *out, *refresh, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "profiles:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out string, refresh bool, series []string) error {
	if out == "" {
		b, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
		if err != nil {
			return fmt.Errorf("find this module: %w", err)
		}
		out = filepath.Join(strings.TrimSpace(string(b)), "framework/profile/data")
	}
	if len(series) == 0 {
		series = kernellab.Series
	}
	lab, err := kernellab.Open()
	if err != nil {
		return err
	}
	for _, s := range series {
		if refresh {
			if err := lab.Refresh(s); err != nil {
				return err
			}
		}
		k, err := lab.Kernel(ctx, s)
		if err != nil {
			return err
		}
		if err := generate(ctx, lab, k, out); err != nil {
			return fmt.Errorf("kernel %s: %w", s, err)
		}
	}
	infos, err := profile.ReadFolder(out)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(out, "ORIGIN.md"), originText(infos), 0o644)
}

func generate(ctx context.Context, lab *kernellab.Lab, k *kernellab.Kernel, out string) error {
	var debs []string
	for _, p := range k.Packages {
		got, err := lab.FetchPackage(ctx, p.Name+"="+p.Version)
		if err != nil {
			return err
		}
		debs = append(debs, got.Path)
	}
	x, err := profile.Extract(debs, profile.ExtractOptions{Modules: keep})
	if err != nil {
		return err
	}
	if len(x.Skipped) > 0 {
		return fmt.Errorf("modules without BTF: %s", strings.Join(x.Skipped, "; "))
	}
	for n, m := range x.Modules { // what is asked for together lies together
		if m.Group = "net"; strings.HasPrefix(m.Path, "drivers/hid/") || strings.HasPrefix(m.Path, "drivers/input/") {
			m.Group = "hid"
		}
		x.Modules[n] = m
	}
	x.Origin.Kind = "embedded"
	raw, err := x.Pack(func(b []byte) ([]byte, error) { return strongest(ctx, b) })
	if err != nil {
		return err
	}
	if len(raw) > maxBytes {
		return fmt.Errorf("profile takes %d bytes, more than %d: take fewer modules", len(raw), maxBytes)
	}
	old, err := filepath.Glob(filepath.Join(out, k.Series+".*.modbpf-profile"))
	if err != nil {
		return err
	}
	for _, f := range old {
		if err := os.Remove(f); err != nil {
			return err
		}
	}
	fmt.Printf("%s: %d bytes, %d modules\n", x.Uname, len(raw), len(x.Modules))
	return os.WriteFile(filepath.Join(out, x.Uname+".modbpf-profile"), raw, 0o644)
}

func strongest(ctx context.Context, b []byte) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "zstd", "--ultra", "-22", "-q", "-c", "--single-thread", "--stream-size="+fmt.Sprint(len(b)))
	cmd.Stdin = bytes.NewReader(b)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("zstd: %w %s", err, errors.New(stderr.String()))
	}
	return out, nil
}

func originText(infos []profile.Info) []byte {
	var b bytes.Buffer
	b.WriteString("# Embedded kernel profiles\n\nMade by `make generate` (internal/gen/profiles); do not edit.\n\n| kernel | bytes | BTF of modules | config symbols | exported symbols | package | version | SHA-256 |\n|---|---|---|---|---|---|---|---|\n")
	for _, i := range infos {
		for n, p := range i.Origin.Packages {
			if n == 0 {
				fmt.Fprintf(&b, "| %s | %d | %d | %d | %d ", i.Uname, i.Bytes, i.Modules, i.Config, i.Exports)
			} else {
				b.WriteString("| | | | | ")
			}
			fmt.Fprintf(&b, "| %s | %s | %s |\n", p.Name, p.Version, p.SHA256)
		}
	}
	return b.Bytes()
}
