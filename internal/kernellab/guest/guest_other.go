// SPDX-License-Identifier: Apache-2.0

//go:build !linux

// Package guest is the agent that runs as process 1 of a lab guest; guests run Linux.
package guest

// MainIfInit returns: only Linux processes can be a lab guest's first.
func MainIfInit() {}
