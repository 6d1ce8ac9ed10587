// SPDX-License-Identifier: Apache-2.0

package guest

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

const moduleList = "/lib/modules/lab.json"

// moduleSet is the list of modules that the lab put into the guest.
type moduleSet struct {
	Boot []string            // loaded at boot
	Deps map[string][]string // direct dependencies of each module present
}

func readModuleList() (*moduleSet, error) {
	b, err := os.ReadFile(moduleList)
	if err != nil {
		return nil, err
	}
	m := &moduleSet{}
	if err := json.Unmarshal(b, m); err != nil {
		return nil, fmt.Errorf("read %s: %w", moduleList, err)
	}
	return m, nil
}

// load inserts a module after those it depends on; a module that is loaded
// already is no error.
func (m *moduleSet) load(name, params string) error {
	name = strings.ReplaceAll(name, "-", "_")
	deps, ok := m.Deps[name]
	if !ok {
		if _, err := os.Stat("/sys/module/" + name); err == nil {
			return nil // built in
		}
		return fmt.Errorf("load module %s: not in this guest", name)
	}
	for _, d := range deps {
		if err := m.load(d, ""); err != nil {
			return fmt.Errorf("load module %s: %w", name, err)
		}
	}
	f, err := os.Open("/lib/modules/" + name + ".ko")
	if err != nil {
		return fmt.Errorf("load module %s: %w", name, err)
	}
	defer f.Close()
	if err := unix.FinitModule(int(f.Fd()), params, 0); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("load module %s: %w", name, err)
	}
	return nil
}

// tool is `modprobe NAME [PARAM=VALUE...]` and `rmmod NAME`.
func tool(args []string) int {
	fail := func(err error) int {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if len(args) < 2 {
		return fail(fmt.Errorf("usage: %s MODULE", args[0]))
	}
	if strings.HasSuffix(args[0], "rmmod") {
		if err := unix.DeleteModule(strings.ReplaceAll(args[1], "-", "_"), unix.O_NONBLOCK); err != nil {
			return fail(fmt.Errorf("remove module %s: %w", args[1], err))
		}
		return 0
	}
	m, err := readModuleList()
	if err != nil {
		return fail(err)
	}
	if err := m.load(args[1], strings.Join(args[2:], " ")); err != nil {
		return fail(err)
	}
	return 0
}
