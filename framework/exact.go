// SPDX-License-Identifier: Apache-2.0

package framework

// Opinion is what a real kernel, asked in a guest of the kernel lab, said of one
// program that we judged (check --exact).
type Opinion struct {
	Program   string `json:"-"`
	Kernel    string `json:"kernel"`              // full release of the kernel that was asked
	Verdict   string `json:"verdict"`             // accept, reject, unsupported, cannot
	Message   string `json:"message,omitempty"`   // the kernel's reason
	Insn      int    `json:"instruction"`         // the last one it walked, -1 if none
	Processed int    `json:"processed,omitempty"` // instructions it walked
	// Differs: both decided, and not alike.
	Differs bool `json:"differs"`
	// Reproducer is the folder that shows the difference, "" without one.
	Reproducer string `json:"reproducer,omitempty"`
}

// ExactOptions tune Exact.
type ExactOptions struct {
	// Reproducers is the folder below which differences are written down.
	Reproducers string
	// Progress is told what goes on.
	Progress func(string)
}
