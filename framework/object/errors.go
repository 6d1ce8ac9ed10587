// SPDX-License-Identifier: Apache-2.0

package object

import (
	"errors"
	"fmt"
)

// Errors of binding. Those that say what the kernel lacks are MissingError;
// the others say what is wrong with the object or what it still needs.
var (
	ErrAmbiguous    = errors.New("ambiguous")
	ErrIncompatible = errors.New("incompatible")
	ErrNeedsTarget  = errors.New("needs an attach target that its section does not name")
	ErrUnlinked     = errors.New("symbol is defined by another object: link them first (bpftool gen object)")
	ErrNoTable      = errors.New("no struct_ops variable uses the program")
	ErrNoType       = errors.New("section names no program type")
)

// Feature is the kind of thing a kernel can lack.
type Feature string

// Features that binding asks a kernel for.
const (
	FeatureKfunc     Feature = "kfunc"
	FeatureVariable  Feature = "kernel variable"
	FeatureSymbol    Feature = "kernel symbol"
	FeatureStructOps Feature = "struct_ops table"
	FeatureSlot      Feature = "struct_ops member"
	FeatureTarget    Feature = "attach target"
	FeatureConfig    Feature = "config option"
	FeatureModule    Feature = "module"
	FeatureBTF       Feature = "kernel BTF"
)

// MissingError says that the kernel lacks something a program cannot do
// without: the verdict is "unsupported", with this as its reason.
type MissingError struct {
	Feature Feature
	Name    string
}

func (e *MissingError) Error() string {
	return fmt.Sprintf("kernel has no %s %s", e.Feature, e.Name)
}

// Missing digs a MissingError out of an error chain.
func Missing(err error) (*MissingError, bool) {
	var m *MissingError
	ok := errors.As(err, &m)
	return m, ok
}
