#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Random programs on machine code, the interpreter and the kernel: soak.sh [TIME]
set -eu
cd "$(dirname "$0")/../.."
exec "${GO:-go}" test ./internal/bpfdiff -run TestDifferential -count=1 -v -timeout 0 -soak="${1:-10m}"
