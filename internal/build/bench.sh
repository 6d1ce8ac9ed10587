#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Speed and memory, each beside a peer or a limit measured in the same run.
set -eu
cd "$(dirname "$0")/../.."
. internal/build/need.sh
GO=${GO:-go}
bpftool=
if [ "$(id -u)" = 0 ] && need bpftool bpftool; then
	bpftool=$(command -v bpftool)
else
	echo "bench: no bpftool or no root: insertion is not compared" >&2
fi
echo "## Whole processes"
"$GO" run ./internal/procbench -modbpf bin/modbpf -bpftool "$bpftool"
ls -l bin/modbpf | awk '{printf "\nbinary: %.1f MiB (goal: at most 30)\n", $5 / 1048576}'
echo
echo "## Machine code, nanoseconds a run: minimum (median)"
"$GO" test ./jit -run TestSpeed -count=1 -v -speed "${SPEEDTIME:-1s}" | grep -v -e '^=== ' -e '^--- ' -e '^ok ' -e '^PASS'
echo
echo "## Host models"
"$GO" test ./framework/host/... -run '^$' -bench . -benchtime 200ms | grep '^Benchmark'
if [ "$(id -u)" = 0 ] && command -v clang-19 >/dev/null; then
	echo
	echo "## Verification, ours beside the kernel's"
	mkdir -p bin
	"$GO" build -o bin/conformance ./internal/conformance/cmd/conformance
	bin/conformance -bench -run 'pyperf|strobemeta|verif_scale|core_kern|cls_redirect|^loop'
fi
