// SPDX-License-Identifier: Apache-2.0

//go:build !linux

// Package uhid makes HID devices out of user space. Only Linux can.
package uhid
