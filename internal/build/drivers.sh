#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Compiles every drivers/*/*/*.bpf.c to the object beside it with Debian's
# clang-19. The objects are committed, so that a driver can be tried without a
# compiler; with --check nothing is written and a difference is an error.
set -eu
cd "$(dirname "$0")/../.."
. internal/build/need.sh
need clang-19 clang-19
need llvm-strip-19 llvm-19

check=; [ "${1:-}" = --check ] && check=1
out=$(mktemp -d); trap 'rm -rf "$out"' EXIT
flags=(-g -O2 --target=bpfel -mcpu=v3 -std=gnu11 -nostdinc -Wall -Werror -fno-ident
	-Idrivers/include "-ffile-prefix-map=$PWD=.")
bad=0 n=0
for src in drivers/*/*/*.bpf.c; do
	obj=${src%.c}.o
	new=$out/$(echo "$obj" | tr / _)
	clang-19 "${flags[@]}" -c "$src" -o "$new"
	llvm-strip-19 -g "$new" # DWARF goes, BTF and line information stay
	n=$((n + 1))
	if [ -n "$check" ]; then
		cmp -s "$new" "$obj" || { echo "drivers: $obj does not come from $src as it is: run make drivers" >&2; bad=1; }
	elif ! cmp -s "$new" "$obj"; then
		cp "$new" "$obj" && echo "compiled $obj"
	fi
done
[ $bad = 0 ] && if [ -n "$check" ]; then echo "drivers: $n objects rebuilt byte for byte"; else echo "drivers: $n objects up to date"; fi
exit $bad
