// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/modbpf/modbpf/framework/exitcode"
	"github.com/modbpf/modbpf/verifier"
)

func explainCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "explain MBnnnn...",
		Short:   "Explain a diagnostic's code: the rule, an example, the usual fix",
		Example: "  modbpf explain MB1301",
		Args:    atLeast(1, "code"),
		RunE:    func(_ *cobra.Command, args []string) error { return a.explain(args) },
	}
}

type explainJSON struct {
	API   string        `json:"api"`
	Codes []explainCode `json:"codes"`
}

type explainCode struct {
	Code    string   `json:"code"`
	Name    string   `json:"name"`
	Rule    string   `json:"rule"`
	Example string   `json:"example"`
	Kernel  []string `json:"kernel"`
	Fix     string   `json:"fix"`
}

func (a *app) explain(args []string) error {
	out := explainJSON{API: api}
	for _, s := range args {
		n, err := strconv.Atoi(strings.TrimPrefix(strings.ToUpper(s), "MB"))
		if err != nil {
			return exitcode.Usage.Errorf("explain %s: want a code such as MB1301", s)
		}
		i, ok := verifier.Explain(verifier.Code(n))
		if !ok {
			return exitcode.NotFound.Errorf("explain %s: no such code", s)
		}
		out.Codes = append(out.Codes, explainCode{i.Code.String(), i.Name, i.Rule, i.Example, i.Kernel, i.Fix})
	}
	if a.json {
		return a.object(out)
	}
	for i, c := range out.Codes {
		if i > 0 {
			a.printf("\n")
		}
		a.printf("%s  %s\n\n%s\n", a.paint(bold, c.Code), c.Name, c.Rule)
		if c.Example != "" {
			a.printf("\nExample:\n\n    %s\n", strings.ReplaceAll(strings.TrimRight(c.Example, "\n"), "\n", "\n    "))
		}
		if len(c.Kernel) > 0 {
			a.printf("\nThe kernel says: %s\n", strings.Join(c.Kernel, "; "))
		}
		if c.Fix != "" {
			a.printf("\nFix: %s\n", c.Fix)
		}
	}
	return nil
}
