// SPDX-License-Identifier: Apache-2.0

package main

import "github.com/modbpf/modbpf/framework/kernel"

// cpus is the number of possible CPUs of the running kernel, which sizes some maps.
func cpus() int { return kernel.PossibleCPUs() }
