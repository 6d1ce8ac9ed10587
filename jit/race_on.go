// SPDX-License-Identifier: Apache-2.0

//go:build race

package jit

// raceDetector: assembly gives run states back, which the detector cannot see.
const raceDetector = true
