#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Speed tables, each figure beside a peer or a limit of the same run.
set -eu
cd "$(dirname "$0")/../.."
echo "== machine code: native clang -O2, ours, the kernel's, our interpreter (docs/jit.md)"
"${GO:-go}" test ./jit -run TestSpeed -count=1 -v -speed "${BENCHTIME:-2s}" | grep -v '^=== \|^--- \|^PASS'
