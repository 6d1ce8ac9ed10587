// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"os"
	"strconv"
	"strings"
)

// ProgramState is a program of an insertion as the kernel has it.
type ProgramState struct {
	Name        string `json:"name"`
	ID          uint32 `json:"id"`
	Type        string `json:"type"`
	Tag         string `json:"tag"`
	Xlated      uint32 `json:"xlated"` // bytes
	Jited       uint32 `json:"jited"`  // bytes; 0: the kernel interprets it
	Verified    uint32 `json:"verified"`
	Runs        uint64 `json:"runs"` // 0 unless kernel.bpf_stats_enabled
	Nanoseconds uint64 `json:"nanoseconds"`
}

// MapState is a map of an insertion as the kernel has it.
type MapState struct {
	Name       string `json:"name"`
	ID         uint32 `json:"id"`
	Type       string `json:"type"`
	KeySize    uint32 `json:"key_size"`
	ValueSize  uint32 `json:"value_size"`
	MaxEntries uint32 `json:"max_entries"`
}

// Element is one element of a map; per-CPU maps have a value for each CPU.
type Element struct {
	Key    []byte
	Values [][]byte
}

// PossibleCPUs is the number of CPUs the running kernel may ever have; 1 where
// that is not known.
func PossibleCPUs() int {
	b, err := os.ReadFile("/sys/devices/system/cpu/possible")
	if err != nil {
		return 1
	}
	s := strings.TrimSpace(string(b))
	if i := strings.LastIndexAny(s, "-,"); i >= 0 {
		s = s[i+1:]
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 || n > 1<<16 {
		return 1
	}
	return n + 1
}
