// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/modbpf/modbpf/internal/kernellab"
)

// sources are Debian's packages of kernel source. There is none of 6.18: its
// facts were read from the stable source once and are kept as they are.
var sources = map[string]string{
	"6.12": "linux-source-6.12",
	"7.2":  "linux-source-7.2",
	"7.3":  "linux-source-7.3",
}

// fetch downloads a release's source package and unpacks what is read of it;
// both stay in the cache.
func fetch(release string) (tree, origin string, err error) {
	name, ok := sources[release]
	if !ok {
		return "", "", fmt.Errorf("fetch source of %s: Debian has no package of it; give -tree and -origin", release)
	}
	lab, err := kernellab.Open()
	if err != nil {
		return "", "", fmt.Errorf("fetch source of %s: %w", release, err)
	}
	ctx := context.Background()
	p, err := lab.FetchPackage(ctx, name)
	if err != nil {
		return "", "", fmt.Errorf("fetch source of %s: %w", release, err)
	}
	origin = fmt.Sprintf("Debian package %s %s", p.Name, p.Version)
	dir := filepath.Join(lab.Dir(), "source", p.Name+"_"+p.Version)
	tree = filepath.Join(dir, name)
	if _, err := os.Stat(filepath.Join(dir, "complete")); err == nil {
		return tree, origin, nil
	} else if !errors.Is(err, os.ErrNotExist) {
		return "", "", fmt.Errorf("fetch source of %s: %w", release, err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", "", fmt.Errorf("fetch source of %s: %w", release, err)
	}
	if err := execute(ctx, "dpkg-deb", "-x", p.Path, dir); err != nil {
		return "", "", err
	}
	tarball := filepath.Join(dir, "usr/src", name+".tar.xz")
	args := []string{"-xJf", tarball, "-C", dir, name + "/include"}
	for _, r := range roots {
		args = append(args, name+"/"+r)
	}
	if err := execute(ctx, "tar", args...); err != nil {
		return "", "", err
	}
	if err := os.RemoveAll(filepath.Join(dir, "usr")); err != nil {
		return "", "", fmt.Errorf("fetch source of %s: %w", release, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "complete"), []byte(p.SHA256+"\n"), 0o644); err != nil {
		return "", "", fmt.Errorf("fetch source of %s: %w", release, err)
	}
	return tree, origin, nil
}

func execute(ctx context.Context, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("run %s: %w", name, err)
	}
	return nil
}
