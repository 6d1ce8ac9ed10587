// SPDX-License-Identifier: Apache-2.0

//go:build !linux

// Package evdev reads what the kernel makes of an input device. Only Linux has it.
package evdev
