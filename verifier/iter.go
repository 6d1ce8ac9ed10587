// SPDX-License-Identifier: Apache-2.0

package verifier

// iterDepthsDiffer reports whether some active iterator's depth differs
// between two states of equal shape: then they are iterations, not a loop.
func iterDepthsDiffer(old, cur *State) bool { return false }
