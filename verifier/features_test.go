// SPDX-License-Identifier: Apache-2.0

package verifier

import "testing"

// TestFeatureTable checks that a feature's row is at its number.
func TestFeatureTable(t *testing.T) {
	for i, f := range Features() {
		if int(f.Feature) != i || f.Name == "" || f.Commit == "" {
			t.Errorf("row %d: %+v", i, f)
		}
	}
}
