// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/framework/profile"
	"github.com/modbpf/modbpf/kfuncs"
	"github.com/modbpf/modbpf/structops"
	"github.com/modbpf/modbpf/verifier"
)

// verify is a variable so that tests can stand in for the verifier.
var verify = verifier.Verify

func verifyOne(p *verifier.Program, k verifier.Kernel, o verifier.Options) (*verifier.Checked, *verifier.Diagnostic) {
	if verify == nil {
		return nil, &verifier.Diagnostic{Verdict: verifier.NotJudged, Code: verifier.CodeNotBuilt, Insn: -1, Message: "no interpreter in this build"}
	}
	return verify(p, k, o)
}

// asKernel is the profile as the verifier wants it. Profiles without tables
// can bind and cannot be judged against.
func asKernel(p *profile.Profile) verifier.Kernel {
	if k, ok := any(p).(verifier.Kernel); ok {
		return k
	}
	return bare{p}
}

type bare struct{ *profile.Profile }

func (bare) HelperProto(int32, *verifier.Program) (*kfuncs.Proto, string) { return nil, "" }
func (bare) HelperName(int32) string                                      { return "" }
func (bare) Kfunc(string) *kfuncs.Kfunc                                   { return nil }
func (bare) StructOps(string) *structops.Table                            { return nil }
func (bare) Hook(bpf.ProgType) *structops.Hook                            { return nil }
