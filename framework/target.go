// SPDX-License-Identifier: Apache-2.0

package framework

import (
	"github.com/modbpf/modbpf/framework/exitcode"
)

// TargetName is where a driver is inserted.
type TargetName string

// Targets.
const (
	TargetAuto   TargetName = "auto"
	TargetKernel TargetName = "kernel"
	TargetHost   TargetName = "host"
)

// HostServes are the extension points for which the host stands in for the real
// thing, with real devices. Elsewhere it is a model, and "auto" never takes a
// model for the real thing.
var HostServes = map[string]bool{"hid_bpf_ops": true}

// ChooseTarget decides where a driver goes and says why, in half a sentence.
// asked is the user's flag, "" for none; unmet is what stands in the way of the
// running kernel (from Bind or Check), nil if nothing does.
func ChooseTarget(asked string, b *Bound, unmet error) (TargetName, string, error) {
	want, why := TargetName(asked), "asked for"
	if asked == "" {
		want, why = TargetAuto, ""
		if b != nil && b.Driver.Manifest != nil && b.Driver.Manifest.Policy.Target != "" {
			want, why = TargetName(b.Driver.Manifest.Policy.Target), "the manifest's policy"
		}
	}
	switch want {
	case TargetKernel:
		return want, why, unmet
	case TargetHost:
		return want, why, nil // what the running kernel lacks does not matter there
	case TargetAuto:
	default:
		return "", "", exitcode.Usage.Errorf("target %q is none of auto, kernel, host", asked)
	}
	if unmet == nil {
		return TargetKernel, "this kernel has the extension point", nil
	}
	if b == nil || exitcode.Of(unmet) != exitcode.Unsupported {
		return "", "", unmet
	}
	served := false
	for _, m := range b.Object.StructOps() {
		if !HostServes[m.Spec.Table] {
			return "", "", exitcode.Unsupported.Errorf("%w\nin the host %s would be a model, not the real thing, so nothing is inserted there; modbpf test runs the driver in the model", unmet, m.Spec.Table)
		}
		served = true
	}
	if !served {
		return "", "", unmet
	}
	return TargetHost, "this kernel lacks the extension point, and the host serves the device itself", nil
}
