// SPDX-License-Identifier: Apache-2.0

//go:build modbpf_noprofiles

package profile

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/modbpf/modbpf/bpf"
)

// embedded lists what the distribution installed in place of embedded profiles.
func embedded() []embeddedProfile {
	entries, err := os.ReadDir(systemDir)
	if err != nil {
		return nil // none installed
	}
	var out []embeddedProfile
	for _, e := range entries {
		uname, ok := strings.CutSuffix(e.Name(), fileSuffix)
		if !ok {
			continue
		}
		r, err := bpf.ParseRelease(uname)
		if err != nil {
			continue
		}
		out = append(out, embeddedProfile{r.Series(), uname, func() ([]byte, error) {
			return os.ReadFile(filepath.Join(systemDir, e.Name()))
		}})
	}
	return out
}
