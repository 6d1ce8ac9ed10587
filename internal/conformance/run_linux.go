// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/modbpf/modbpf/verifier"
)

// Result is one comparison of a corpus.
type Result struct {
	Title  string // what was compared, for the report
	Corpus *Corpus
	Kernel string // release it was judged for
	Rows   []Row
	Ours   time.Duration // what our side took, all programs
	Theirs time.Duration
}

// Run compares a corpus with a kernel, the machine's own or one of the lab: ours
// first, to the end, then the kernel's.
func Run(ctx context.Context, w io.Writer, c *Corpus, req Request, fresh bool) (*Result, error) {
	req.Objects = c.Objects
	start := time.Now()
	var ours []Ours
	if err := Judge(req, func(o Ours) { ours = append(ours, o) }); err != nil {
		return nil, err
	}
	res := &Result{Title: c.Name, Corpus: c, Ours: time.Since(start)}
	slices.SortFunc(ours, func(a, b Ours) int {
		return strings.Compare(a.Object+"/"+a.Program, b.Object+"/"+b.Program)
	})
	if err := writeVerdicts(ours); err != nil {
		return nil, err
	}
	fmt.Fprintf(w, "judged %d programs in %.1f s; asking the kernel\n", len(ours), res.Ours.Seconds())
	k, err := kernelFor(req.Kernel)
	if err != nil {
		return nil, err
	}
	res.Kernel = k.Release().String()
	start = time.Now()
	var theirs map[string]Kernels
	if req.Kernel == "" || req.Kernel == "running" {
		theirs, err = askAll(c, k, ours, req, fresh)
	} else {
		theirs, err = askGuests(ctx, w, c, ours, req, fresh)
	}
	if err != nil {
		return nil, err
	}
	res.Theirs = time.Since(start)
	for _, o := range ours {
		said, ok := theirs[o.Object+"/"+o.Program]
		if !ok {
			said = Kernels{Verdict: "cannot", Insn: -1, Message: "not bound, so not loaded"}
		}
		res.Rows = append(res.Rows, compare(o, said, func(code int, msg string) bool {
			return verifier.Code(code).Matches(msg)
		}))
	}
	return res, nil
}

func askAll(c *Corpus, k verifier.Kernel, ours []Ours, req Request, fresh bool) (map[string]Kernels, error) {
	oracle, err := OpenOracle(fresh)
	if err != nil {
		return nil, err
	}
	out := make(map[string]Kernels)
	wanted := make(map[string]map[string]bool)
	for _, o := range ours {
		if !o.Bound {
			continue
		}
		if said, ok := oracle.Known(o.Key); ok && !req.Verbose {
			out[o.Object+"/"+o.Program] = said
			continue
		}
		if wanted[o.Object] == nil {
			wanted[o.Object] = make(map[string]bool)
		}
		wanted[o.Object][o.Program] = true
	}
	var mu sync.Mutex
	var first error
	work := make(chan string)
	var wg sync.WaitGroup
	for range max(1, req.Jobs) {
		wg.Go(func() {
			for path := range work {
				name := objectName(path)
				said, err := oracle.Object(path, k, wanted[name], req.Verbose)
				mu.Lock()
				if err != nil && first == nil {
					first = err
				}
				for p, s := range said {
					out[name+"/"+p] = s
				}
				mu.Unlock()
			}
		})
	}
	for _, path := range c.Objects {
		if wanted[objectName(path)] != nil {
			work <- path
		}
	}
	close(work)
	wg.Wait()
	if first != nil {
		return nil, first
	}
	return out, oracle.Save()
}

// Unjudged lists the bound programs that the kernel did not decide, so that
// another kernel can be asked.
func (r *Result) Unjudged() []string {
	var out []string
	for _, row := range r.Rows {
		if row.Outcome == KernelCannot && row.Program != "" {
			out = append(out, row.Object+"/"+row.Program)
		}
	}
	return out
}
