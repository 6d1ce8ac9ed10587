// SPDX-License-Identifier: Apache-2.0

//go:build unix && !linux

package mem

const noReserve = 0
