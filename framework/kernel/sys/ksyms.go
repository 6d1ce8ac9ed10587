// SPDX-License-Identifier: Apache-2.0

package sys

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/modbpf/modbpf/framework/object"
	"github.com/modbpf/modbpf/verifier"
)

// fillSymbols puts the running kernel's addresses into the loads of untyped
// ksyms. Weak ones that do not exist become 0.
func fillSymbols(a *ProgAttr, bp *object.BoundProgram, p *verifier.Program) error {
	if len(bp.Symbols) == 0 || bp.Program != p {
		return nil
	}
	want := make(map[string]uint64)
	for _, s := range bp.Symbols {
		want[s.Name] = 0
	}
	f, err := os.Open("/proc/kallsyms")
	if err != nil {
		return fmt.Errorf("load program %s: read kernel symbols: %w", p.Name, err)
	}
	defer f.Close() //nolint:errcheck // read only
	found, err := readSymbols(f, want)
	if err != nil {
		return fmt.Errorf("load program %s: %w", p.Name, err)
	}
	for _, s := range bp.Symbols {
		if !found[s.Name] && !s.Weak {
			return fmt.Errorf("load program %s: %w", p.Name, &object.MissingError{Feature: object.FeatureSymbol, Name: s.Name})
		}
		addr := want[s.Name]
		a.Insns[s.Insn].Imm, a.Insns[s.Insn+1].Imm = int32(uint32(addr)), int32(uint32(addr>>32))
	}
	return nil
}

// readSymbols fills in the addresses of the wanted names from a list as
// /proc/kallsyms has it: "address type name [module]".
func readSymbols(r io.Reader, want map[string]uint64) (map[string]bool, error) {
	found := make(map[string]bool)
	sc := bufio.NewScanner(r)
	for len(found) < len(want) && sc.Scan() {
		line := sc.Text()
		i := strings.IndexByte(line, ' ')
		if i < 0 || i+3 > len(line) {
			continue
		}
		name := line[i+3:]
		if j := strings.IndexByte(name, '\t'); j >= 0 {
			name = name[:j]
		}
		if _, ok := want[name]; !ok || found[name] {
			continue
		}
		addr, err := strconv.ParseUint(line[:i], 16, 64)
		if err != nil {
			return nil, fmt.Errorf("read kernel symbols: %w", err)
		}
		want[name], found[name] = addr, true
	}
	if err := sc.Err(); err != nil {
		return nil, fmt.Errorf("read kernel symbols: %w", err)
	}
	return found, nil
}
