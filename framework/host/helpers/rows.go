// SPDX-License-Identifier: Apache-2.0

package helpers

// All rows; each group is a file.
var (
	helperRows = [][]Helper{mapHelpers, timeHelpers, printHelpers}
	kfuncRows  = [][]Kfunc{}
)
