# SPDX-License-Identifier: Apache-2.0
# Everything a fresh Debian machine with Go needs: `make run`, `make test`.

GO      ?= go
BIN     := bin/modbpf
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
export CGO_ENABLED = 0

.PHONY: build run test lint bench conformance conformance-plugin test-kernel drivers check-drivers generate fuzz soak clean tools

build:
	$(GO) build -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o $(BIN) ./cmd/modbpf

# Compiles the BPF C under drivers/ to the objects beside it.
drivers:
	@internal/build/drivers.sh

# Compiles them to a folder of their own and compares byte for byte.
check-drivers:
	@internal/build/drivers.sh --check

# The plugin of the public bpf_conformance suite.
conformance-plugin:
	$(GO) build -trimpath -o bin/bpf-conformance-plugin ./internal/bpfconformance/cmd/bpf-conformance-plugin

clean:
	rm -rf bin dist
