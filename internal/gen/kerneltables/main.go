// SPDX-License-Identifier: Apache-2.0

// Command kerneltables makes the tables of helpers, kfuncs and extension points
// from kernel source. It works in two steps: reading one release's source tree
// into a file of facts, and writing the Go tables from the facts of all
// releases. The facts are kept, so that the second step needs no sources.
//
//	kerneltables                                   # tables from the facts
//	kerneltables -fetch                            # facts from Debian's source packages, then the tables
//	kerneltables -extract 7.2 -tree DIR -origin "Debian package linux-source-7.2 7.2.13-1"
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/modbpf/modbpf/bpf"
)

func main() {
	if err := generate(); err != nil {
		fmt.Fprintln(os.Stderr, "kerneltables:", err)
		os.Exit(1)
	}
}

func generate() error {
	release := flag.String("extract", "", "release whose source to read (\"6.12\")")
	tree := flag.String("tree", "", "kernel source tree")
	origin := flag.String("origin", "", "package and version of the tree")
	fetchAll := flag.Bool("fetch", false, "read the facts anew from Debian's source packages")
	top := flag.String("top", ".", "top of the repository")
	flag.Parse()
	dir := filepath.Join(*top, "internal/gen/kerneltables/facts")
	if *release != "" {
		if *tree == "" || *origin == "" {
			return errors.New("-extract needs -tree and -origin")
		}
		f, err := extract(*tree, *release, *origin)
		if err != nil {
			return err
		}
		return saveFacts(filepath.Join(dir, *release+".json"), f)
	}
	if *fetchAll {
		for _, release := range slices.Sorted(maps.Keys(sources)) {
			tree, origin, err := fetch(release)
			if err != nil {
				return err
			}
			f, err := extract(tree, release, origin)
			if err != nil {
				return err
			}
			if err := saveFacts(filepath.Join(dir, release+".json"), f); err != nil {
				return err
			}
		}
	}
	fs, err := loadFacts(dir)
	if err != nil {
		return err
	}
	if err := emitHelpers(fs, filepath.Join(*top, "kfuncs")); err != nil {
		return err
	}
	if err := emitKfuncs(fs, filepath.Join(*top, "kfuncs")); err != nil {
		return err
	}
	return emitTables(fs, filepath.Join(*top, "structops"))
}

func saveFacts(path string, f *Facts) error {
	b, err := lines(f)
	if err != nil {
		return fmt.Errorf("write facts: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("write facts: %w", err)
	}
	if err := os.WriteFile(path, b, 0o644); err != nil {
		return fmt.Errorf("write facts: %w", err)
	}
	return nil
}

// loadFacts reads the facts of all releases, oldest first.
func loadFacts(dir string) ([]*Facts, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil || len(names) == 0 {
		return nil, fmt.Errorf("find facts in %s: none (%v)", dir, err)
	}
	var fs []*Facts
	for _, n := range names {
		b, err := os.ReadFile(n)
		if err != nil {
			return nil, fmt.Errorf("read facts: %w", err)
		}
		f := new(Facts)
		if err := json.Unmarshal(b, f); err != nil {
			return nil, fmt.Errorf("read facts %s: %w", n, err)
		}
		if _, err := bpf.ParseRelease(f.Release); err != nil {
			return nil, fmt.Errorf("read facts %s: %w", n, err)
		}
		fs = append(fs, f)
	}
	slices.SortFunc(fs, func(a, b *Facts) int {
		x, _ := bpf.ParseRelease(a.Release) // parsed above
		y, _ := bpf.ParseRelease(b.Release)
		if x.Less(y) {
			return -1
		}
		return 1
	})
	return fs, nil
}

// lines writes facts as JSON with one row a line, so that a change between two
// versions of a kernel can be read as a diff.
func lines(f *Facts) ([]byte, error) {
	var b bytes.Buffer
	v := reflect.ValueOf(f).Elem()
	for i := range v.NumField() {
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		sep := ","
		if i == 0 {
			sep = "{"
		}
		fmt.Fprintf(&b, "%s%q:", sep, name)
		if v.Field(i).Kind() != reflect.Slice {
			row, err := json.Marshal(v.Field(i).Interface())
			if err != nil {
				return nil, err
			}
			b.Write(append(row, '\n'))
			continue
		}
		for j := range v.Field(i).Len() {
			row, err := json.Marshal(v.Field(i).Index(j).Interface())
			if err != nil {
				return nil, err
			}
			sep := ",\n"
			if j == 0 {
				sep = "[\n"
			}
			b.WriteString(sep)
			b.Write(row)
		}
		b.WriteString("]\n")
	}
	b.WriteString("}\n")
	return b.Bytes(), nil
}
