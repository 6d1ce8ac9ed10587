#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# gofumpt, vet, staticcheck, and the rules of the house that a machine can check.
set -u
cd "$(dirname "$0")/../.."
GO=${GO:-go} bad=0
files=$("$GO" run mvdan.cc/gofumpt@v0.12.0 -l . ) || { echo "lint: gofumpt could not be had: skipped" >&2; files=; }
[ -z "$files" ] || { echo "not formatted (gofumpt -w):"; echo "$files"; bad=1; }
"$GO" vet ./... || bad=1
"$GO" run honnef.co/go/tools/cmd/staticcheck@v0.8.2 ./... || bad=1
for f in $(git ls-files '*.go' '*.sh' '*.c' '*.h' '*.s'); do
	head -3 "$f" | grep -q 'SPDX-License-Identifier' || { echo "$f: no SPDX line"; bad=1; }
done
exit $bad
