#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Speed and memory, each beside a peer or a limit measured in the same run.
set -eu
cd "$(dirname "$0")/../.."
GO=${GO:-go}
# Debian 12's own bpftool is too old for .struct_ops.link; the corpus of
# `make conformance` brings a newer one of Debian's with its library.
tools=${XDG_CACHE_HOME:-$HOME/.cache}/modbpf/conformance/linux-source-6.12/root/usr
bpftool=
if [ "$(id -u)" = 0 ] && [ -x "$tools/sbin/bpftool" ]; then
	bpftool=$tools/sbin/bpftool
	export LD_LIBRARY_PATH=$tools/lib/x86_64-linux-gnu
else
	echo "bench: insertion is not compared: that needs root, and \`make conformance\` before for a bpftool of 7.5 or later" >&2
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
