// SPDX-License-Identifier: Apache-2.0

// Package unchecked makes Checked programs without a verdict, for programs that
// a proof rightly refuses but that an engine must still run: the public
// conformance suite's, and the engines' own tests.
package unchecked

import (
	"github.com/modbpf/modbpf/internal/door"
	"github.com/modbpf/modbpf/verifier"
)

// New makes a Checked that engines run, with no facts about its instructions.
func New(p *verifier.Program) *verifier.Checked { return WithFacts(p, nil) }

// WithFacts is New with facts the caller vouches for.
func WithFacts(p *verifier.Program, f *verifier.Facts) *verifier.Checked {
	return door.Checked(p, f).(*verifier.Checked)
}
