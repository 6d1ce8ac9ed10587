// SPDX-License-Identifier: Apache-2.0

package helpers

// All rows; each group is a file.
var (
	helperRows = [][]Helper{
		mapHelpers, timeHelpers, printHelpers, memoryHelpers, controlHelpers, taskHelpers,
		dynptrHelpers, ringHelpers, storageHelpers, timerHelpers,
	}
	kfuncRows = [][]Kfunc{dynptrKfuncs, workKfuncs, objectKfuncs, iterKfuncs, stringKfuncs, sectionKfuncs, miscKfuncs, cpumaskKfuncs}
)
