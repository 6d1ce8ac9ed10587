// SPDX-License-Identifier: Apache-2.0

// Package testrun loads programs into the machine's own kernel and runs them
// with BPF_PROG_TEST_RUN: the oracle of the engines' tests and a contestant of
// their benchmarks. Nothing is ever attached.
package testrun
