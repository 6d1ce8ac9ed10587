// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package kernel

import "github.com/modbpf/modbpf/structops"

// Target is the running kernel; on this system there is none that takes drivers.
type Target struct{ sysfs string }

// Open answers that this system's kernel takes no drivers.
func Open(Options) (*Target, error) { return nil, ErrNoSystem }

// The methods below exist so that callers build everywhere; Open never returns
// a Target they could be called on.

// Insert answers ErrNoSystem.
func (t *Target) Insert(*Job) (*Insertion, bool, error) { return nil, false, ErrNoSystem }

// Remove answers ErrNoSystem.
func (t *Target) Remove(string, string) (*Insertion, error) { return nil, ErrNoSystem }

// Upgrade answers ErrNoSystem.
func (t *Target) Upgrade(*Job, func(Plan)) (*Insertion, error) { return nil, ErrNoSystem }

// Rollback answers ErrNoSystem.
func (t *Target) Rollback(string, string, func(Plan), func(string) *structops.Table) (*Insertion, error) {
	return nil, ErrNoSystem
}

// List answers ErrNoSystem.
func (t *Target) List() ([]*Insertion, error) { return nil, ErrNoSystem }

// Insertions answers ErrNoSystem.
func (t *Target) Insertions(string) ([]*Insertion, error) { return nil, ErrNoSystem }

// Contents answers ErrNoSystem.
func (t *Target) Contents(*Insertion) ([]ProgramState, []MapState, error) {
	return nil, nil, ErrNoSystem
}

// Elements answers ErrNoSystem.
func (t *Target) Elements(*Insertion, string, int) ([]Element, bool, error) {
	return nil, false, ErrNoSystem
}
