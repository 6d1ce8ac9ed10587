#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Compiles the test programs of this folder with Debian's clang-19.
set -eu
cd "$(dirname "$0")"
for src in *.bpf.c; do
	clang-19 -g -O2 --target=bpfel -mcpu=v3 -std=gnu11 -nostdinc -Wall -Werror -fno-ident -I../../../../../drivers/include \
		"-ffile-prefix-map=$PWD=." -c "$src" -o "${src%.c}.o"
	llvm-strip-19 -g "${src%.c}.o"
done
