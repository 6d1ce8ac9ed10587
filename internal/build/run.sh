#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `make run`: what modbpf is for, in half a minute. A real driver for a real
# keyboard is proven safe, inserted into the host (no kernel support and no
# root needed), a recording of the device is played through it, and it is
# taken out again.
set -eu
cd "$(dirname "$0")/../.."
modbpf=$1
XDG_RUNTIME_DIR=$(mktemp -d)
export XDG_RUNTIME_DIR
trap 'rm -rf "$XDG_RUNTIME_DIR"' EXIT
step() { printf '\n$ modbpf %s\n' "$*"; "$modbpf" "$@"; }

step check --kernel 6.12 --kernel 6.18 --kernel 7.2 --kernel 7.3 manifests/semitek.yaml || [ $? = 6 ] # 6.12 has no HID-BPF
step insert --target host -d --wait --play drivers/hid/semitek/recordings/gk6x.rec manifests/semitek.yaml
step list
printf '\nwhat the device sent and what the driver made of it:\n'
sed '$d' "$XDG_RUNTIME_DIR/modbpf/semitek.log"
step remove semitek
step list
