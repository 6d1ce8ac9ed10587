#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Makes again what is generated: tables of kfuncs, helpers and slots from kernel
# sources, embedded kernel profiles from kernel packages, the reference from the
# commands. Needs a Debian mirror.
set -eu
cd "$(dirname "$0")/../.."
. internal/build/need.sh
need zstd zstd && need dpkg-deb dpkg && need xz xz-utils && need qemu-system-x86_64 qemu-system-x86 qemu-system-data seabios ipxe-qemu
"${GO:-go}" generate ./...
"${GO:-go}" run ./cmd/modbpf docs markdown docs
