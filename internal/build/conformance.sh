#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The verifier beside the running kernel; needs root, a compiler and a mirror.
set -eu
cd "$(dirname "$0")/../.."
. internal/build/need.sh
if [ "$(id -u)" != 0 ]; then
	echo "conformance: skipped: only root may ask the kernel (bpf())"
	exit 77
fi
need clang-19 clang-19 && need dpkg-deb dpkg && need xz xz-utils || { echo "conformance: skipped: no compiler"; exit 77; }
mkdir -p bin
# Static: it also runs inside the guests of the kernel lab.
CGO_ENABLED=0 "${GO:-go}" build -o bin/conformance ./internal/conformance/cmd/conformance
exec bin/conformance -o "${CONFORMANCE_REPORT:-docs/conformance.md}"
