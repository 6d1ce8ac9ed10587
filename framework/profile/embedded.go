// SPDX-License-Identifier: Apache-2.0

//go:build !modbpf_noprofiles

package profile

import (
	"embed"
	"path"
	"strings"

	"github.com/modbpf/modbpf/bpf"
)

// The embedded profiles are made by internal/gen/profiles from Debian's kernel
// packages; data/ORIGIN.md says from which.
//
//go:generate go run github.com/modbpf/modbpf/internal/gen/profiles
//go:embed data
var data embed.FS

// embedded reads only names: "data/7.2.13+deb14-amd64.modbpf-profile".
func embedded() []embeddedProfile {
	entries, err := data.ReadDir("data")
	if err != nil {
		return nil // the folder is part of the binary: it cannot be missing
	}
	var out []embeddedProfile
	for _, e := range entries {
		uname, ok := strings.CutSuffix(e.Name(), fileSuffix)
		if !ok {
			continue
		}
		r, err := bpf.ParseRelease(uname)
		if err != nil {
			continue // TestEmbedded makes sure that there is none
		}
		out = append(out, embeddedProfile{r.Series(), uname, func() ([]byte, error) {
			return data.ReadFile(path.Join("data", e.Name()))
		}})
	}
	return out
}
