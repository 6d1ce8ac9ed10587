# SPDX-License-Identifier: Apache-2.0
# Everything a fresh Debian machine with Go needs: `make run`, `make test`.

GO       ?= go
BIN      := bin/modbpf
VERSION  := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
FUZZTIME ?= 10s
SOAKTIME ?= 60s
KERNELS  ?= 6.12 6.18 7.2 7.3
export CGO_ENABLED = 0

.PHONY: build run test lint bench conformance conformance-plugin test-kernel test-kernel-tables \
	drivers check-drivers generate fuzz soak cross clean

build:
	$(GO) build -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o $(BIN) ./cmd/modbpf

# Inserts a HID driver into the host, plays a recording through it, takes it out.
run: build
	@internal/build/run.sh $(BIN)

test: build
	$(GO) test ./...

# Formatting, vet and staticcheck, at pinned versions.
lint:
	@internal/build/lint.sh

# Other systems build too, where only the kernel target is missing.
cross:
	GOOS=darwin GOARCH=arm64 $(GO) build -o /dev/null ./cmd/modbpf
	GOOS=windows GOARCH=amd64 $(GO) build -o /dev/null ./cmd/modbpf
	GOOS=linux GOARCH=arm64 $(GO) build -o /dev/null ./cmd/modbpf

# Speed, each figure beside a peer or a limit of the same run.
bench: build
	@internal/build/bench.sh

# Our verdicts beside the real kernel's, on its own selftests; writes docs/conformance.md.
conformance:
	@CONFORMANCE_REPORT=$(CONFORMANCE_REPORT) internal/build/conformance.sh

# bin/bpf-conformance-plugin, for the public bpf_conformance suite.
conformance-plugin:
	$(GO) build -trimpath -o bin/bpf-conformance-plugin ./internal/bpfconformance/cmd/bpf-conformance-plugin

# End-to-end tests under real Debian kernels in QEMU.
test-kernel:
	@internal/build/test-kernel.sh

# The generated tables, row by row, under the same kernels; about 20 minutes.
test-kernel-tables:
	@SKIP= RUN=TestInGuests internal/build/test-kernel.sh

# Compiles the BPF C under drivers/ to the objects beside it.
drivers:
	@internal/build/drivers.sh

# Compiles them to a folder of their own and compares byte for byte.
check-drivers:
	@internal/build/drivers.sh --check

# Tables, profiles, schema and reference pages from their sources.
generate:
	@internal/build/generate.sh

# Every fuzz target for FUZZTIME each.
fuzz:
	@internal/build/fuzz.sh $(FUZZTIME)

# Random programs: machine code against interpreter against kernel.
soak:
	@internal/build/soak.sh $(SOAKTIME)

clean:
	rm -rf bin dist
