// SPDX-License-Identifier: Apache-2.0

package verifier

import "github.com/modbpf/modbpf/internal/door"

// The conformance plugin and the engines' tests run programs that a proof
// rightly refuses. They alone import internal/unchecked, which uses this.
func init() {
	door.Checked = func(p, facts any) any {
		return &Checked{prog: p.(*Program), judge: JudgeVerifier, facts: facts.(*Facts)}
	}
}
