// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"
)

// askGuests asks a kernel of the lab about all programs that our side bound.
func askGuests(ctx context.Context, w io.Writer, c *Corpus, ours []Ours, req Request, fresh bool) (map[string]Kernels, error) {
	g, err := OpenGuest(ctx, req.Kernel)
	if err != nil {
		return nil, err
	}
	oracle, err := openOracle([]byte(fmt.Sprintf("guest %+v", g.Kernel.Packages)), fresh)
	if err != nil {
		return nil, err
	}
	out := map[string]Kernels{}
	keys := map[string]string{}
	wanted := map[string][]string{}
	for _, o := range ours {
		if !o.Bound {
			continue
		}
		name := o.Object + "/" + o.Program
		keys[name] = o.Key
		if said, ok := oracle.Known(o.Key); ok && !req.Verbose {
			out[name] = said
			continue
		}
		wanted[o.Object] = append(wanted[o.Object], o.Program)
	}
	var questions []Question
	for _, path := range c.Objects {
		name := objectName(path)
		if wanted[name] == nil {
			continue
		}
		elf, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		questions = append(questions, Question{Name: name, ELF: elf, Programs: wanted[name], Verbose: req.Verbose})
	}
	if len(questions) == 0 {
		return out, nil
	}
	fmt.Fprintf(w, "asking kernel %s in guests about %d objects\n", g.Kernel.Uname, len(questions))
	last := time.Now()
	n := 0
	err = g.Ask(ctx, questions, func(a Answer) {
		if n++; time.Since(last) > 10*time.Second {
			fmt.Fprintf(w, "%d programs\n", n)
			last = time.Now()
		}
		if a.Program == "" { // the object as a whole
			for _, p := range wanted[a.Object] {
				if _, ok := out[a.Object+"/"+p]; !ok {
					out[a.Object+"/"+p] = a.Said
				}
			}
			return
		}
		name := a.Object + "/" + a.Program
		if a.Said.Verdict == "unsupported" {
			a.Said.Verdict = "cannot"
		}
		out[name] = a.Said
		oracle.learn(keys[name], a.Said)
	})
	if g.Restart > 0 {
		fmt.Fprintf(w, "%d guests ended early\n", g.Restart)
	}
	if serr := oracle.Save(); err == nil {
		err = serr
	}
	return out, err
}
