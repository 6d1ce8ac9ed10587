// SPDX-License-Identifier: Apache-2.0

// Package sys is the fence around bpf(2) and the bpf file system: every such
// system call of modbpf is made here and nowhere else. It decides nothing; it
// gives the kernel's calls Go types and names the object in each error.
// Descriptors are plain numbers without finalizers: what is not closed or
// pinned stays open, so nothing detaches because the collector ran.
package sys
