// SPDX-License-Identifier: Apache-2.0

package jit

import (
	"fmt"
	"os"
	"sync"
)

func (x *machineCode) view() (*linked, *machineView) {
	return x.linked, &machineView{base: x.base, bytes: x.code.Bytes, slots: x.code.Slots, funcs: x.code.Funcs}
}

// perfMap is the file in which perf(1) looks up the names of code it has no
// object for (tools/perf/Documentation/jit-interface.txt).
var perfMap struct {
	sync.Mutex
	f *os.File
}

// PerfMap writes the address range of every function of an executable to
// /tmp/perf-PID.map, where perf looks for it. An interpreted program has none.
func PerfMap(e Executable) error {
	x, ok := unwrap(e).(*machineCode)
	if !ok {
		return nil
	}
	perfMap.Lock()
	defer perfMap.Unlock()
	if perfMap.f == nil {
		name := fmt.Sprintf("/tmp/perf-%d.map", os.Getpid())
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
		if err != nil {
			return fmt.Errorf("write perf map: %w", err)
		}
		perfMap.f = f
	}
	for i, off := range x.code.Funcs {
		end := x.code.Batch
		if i+1 < len(x.code.Funcs) {
			end = x.code.Funcs[i+1]
		}
		name := x.functionName(x.p.Funcs[i].Start)
		if _, err := fmt.Fprintf(perfMap.f, "%x %x bpf_prog_%s::%s\n", x.base+uintptr(off), end-off, x.src.Name, name); err != nil {
			return fmt.Errorf("write perf map: %w", err)
		}
	}
	return nil
}
