// SPDX-License-Identifier: Apache-2.0

package profile

import "fmt"

// Find opens the profile a user names: "running", a series or release of an
// installed profile ("6.12", "7.2.12+deb13-amd64").
func Find(name string) (*Profile, error) {
	if name == "running" {
		return Running()
	}
	return nil, fmt.Errorf("open profile %s: %w", name, ErrNotFound)
}
