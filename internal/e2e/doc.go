// SPDX-License-Identifier: Apache-2.0

// Package e2e runs the modbpf command as a user would, under Debian's kernels.
package e2e
