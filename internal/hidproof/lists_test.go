// SPDX-License-Identifier: Apache-2.0

package hidproof

// root is the module's root from here.
const root = "../.."

// kernelNames are the kernels that have HID-BPF and the originals.
var kernelNames = []string{"6.18", "7.2", "7.3"}

// unbuilt are replaced modules that Debian does not build: nothing to compare with.
var unbuilt = map[string]bool{"hid-topre": true, "hid-pxrc": true}

// known are differences that the kernel's own BPF path or the module's way of
// working makes; they are listed, not counted.
var known = map[string]string{
	"hid-primax": "hidraw differs: the module hands each report to hidraw twice",
}

// splits are devices that hid-generic makes several event nodes of.
var splits = map[string]string{
	"hid-maltron":  "three event nodes, the module makes one",
	"hid-redragon": "three event nodes, the module makes one",
	"hid-semitek":  "three event nodes, the module makes one",
	"hid-elecom":   "6.18 and 7.2 lack some of the models 7.3 knows",
}
