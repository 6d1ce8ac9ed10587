// SPDX-License-Identifier: Apache-2.0

package framework

// Whence says when an extension point appeared and which option builds it, for
// messages about kernels that lack it: " (since 6.11, CONFIG_HID_BPF)"; "" if
// the tables do not know it.
var Whence = func(table string) string { return "" }
