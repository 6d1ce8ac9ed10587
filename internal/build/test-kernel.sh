#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Tests that run under real kernels: packages whose tests ask for a guest.
set -eu
cd "$(dirname "$0")/../.."
. internal/build/need.sh
for tool in "qemu-system-x86_64 qemu-system-x86 qemu-system-data seabios ipxe-qemu" "dpkg-deb dpkg" "xz xz-utils"; do
	# shellcheck disable=SC2086
	need $tool || { echo "test-kernel: skipped: no emulator or tools"; exit 77; }
done
# Tables against kernels, row by row, take a quarter of an hour: a target of their own.
skip=${SKIP-TestInGuests}
packages=$(grep -rl --include='*_test.go' 'kernellab/labtest\|kernellab"' . | xargs -rn1 dirname | sort -u)
[ -n "$packages" ] || { echo "test-kernel: no tests"; exit 1; }
# shellcheck disable=SC2086
CGO_ENABLED=0 MODBPF_KERNEL_TESTS=1 exec "${GO:-go}" test -count=1 -p 1 -timeout 25m -v -run "${RUN:-.}" -skip "${skip:-^$}" $packages
