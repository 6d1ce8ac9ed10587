// SPDX-License-Identifier: Apache-2.0

// Package door is the one way around the verifier's monopoly on Checked
// programs. The verifier hands its constructor in; package unchecked, which only
// the conformance plugin and tests link, takes it out. Nothing else may import
// either: a test in unchecked says so.
package door

// Checked makes a *verifier.Checked of a *verifier.Program and *verifier.Facts
// without a proof. All are typed any because this package lies below the verifier.
var Checked func(program, facts any) any
