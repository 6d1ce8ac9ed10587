// SPDX-License-Identifier: Apache-2.0

package framework

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/modbpf/modbpf/framework/exitcode"
	"github.com/modbpf/modbpf/framework/host"
	"github.com/modbpf/modbpf/framework/host/net/scenario"
)

// Scenario runs a congestion control or a queueing discipline in the host's
// network models, as a scenario file says. engine is what ran the programs.
func (c *Checked) Scenario(path string) (r *scenario.Report, engine string, err error) {
	raw, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, "", exitcode.NotFound.With(err)
	case err != nil:
		return nil, "", exitcode.IO.With(err)
	}
	f, err := scenario.Parse(path, raw)
	if err != nil {
		return nil, "", exitcode.Usage.With(err)
	}
	spec, err := c.HostSpec()
	if err != nil {
		return nil, "", err
	}
	h, err := host.New(c.bound.Kernel, host.Options{CPUs: 1, Seed: 1})
	if err != nil {
		return nil, "", hostError(err)
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	models, err := scenario.Prepare(h, f)
	if err != nil {
		return nil, "", hostError(err)
	}
	d, err := h.Insert(spec)
	if err != nil {
		return nil, "", hostError(err)
	}
	engine = d.Engine()
	r, err = models.Run(f, d, filepath.Dir(path))
	switch {
	case errors.Is(err, scenario.ErrNoTable):
		err = exitcode.Unsupported.With(err)
	case errors.Is(err, fs.ErrNotExist):
		err = exitcode.NotFound.With(err)
	}
	return r, engine, err
}
