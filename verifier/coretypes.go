// SPDX-License-Identifier: Apache-2.0

package verifier

type linkedRegs struct{}
type coreState struct{}
