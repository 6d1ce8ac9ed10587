// SPDX-License-Identifier: Apache-2.0

// Package hidproof shows that a HID driver and the kernel module it replaces
// make the same of the same device, on the same kernel. In a guest a uhid
// device with the real ids and a stock descriptor is made again and again:
//
//	neither   the module kept out, no driver: what a user has to live with
//	original  the kernel's own module
//	driver    the module kept out, our driver in the kernel
//	host      the module kept out, our driver in the host, presenting a second device
//	wrong     the module kept out, our driver with one constant changed
//
// The parsed descriptor, the capabilities of the event nodes, every input
// event and every hidraw report are compared. A run proves something only if
// neither differs from original, driver and host equal it, and a wrong variant
// does not.
package hidproof
