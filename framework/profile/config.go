// SPDX-License-Identifier: Apache-2.0

package profile

import (
	"bytes"
	"fmt"
	"iter"
	"strings"
)

// Config is a kernel's build configuration. It is kept as the text of the
// .config file's settings, sorted by name as the kernel build leaves them in no
// useful order, and looked up by a map made on first use: a check asks for few
// symbols or none.
type Config struct {
	vals map[string]string
	keys []string
}

// ParseConfig reads a .config file: lines CONFIG_X=value; comments, "is not
// set" lines among them, are skipped.
func ParseConfig(raw []byte) (*Config, error) {
	c := &Config{vals: make(map[string]string, bytes.Count(raw, []byte{'\n'}))}
	for n, line := range bytes.Split(raw, []byte{'\n'}) {
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		k, v, ok := strings.Cut(string(line), "=")
		if !ok || !strings.HasPrefix(k, "CONFIG_") {
			return nil, fmt.Errorf("parse kernel config line %d: want CONFIG_NAME=value: %w", n+1, ErrFormat)
		}
		if _, dup := c.vals[k]; !dup {
			c.keys = append(c.keys, k)
		}
		c.vals[k] = v
	}
	if len(c.vals) == 0 {
		return nil, fmt.Errorf("parse kernel config: no settings: %w", ErrFormat)
	}
	return c, nil
}

// Get is the value of a symbol as written ("y", "m", 1000, "\"text\""), "" when not set.
func (c *Config) Get(symbol string) string { return c.vals[symbol] }

// Len is the number of symbols that are set.
func (c *Config) Len() int { return len(c.keys) }

// All yields symbols and values in the file's order.
func (c *Config) All() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for _, k := range c.keys {
			if !yield(k, c.vals[k]) {
				return
			}
		}
	}
}

// text is the configuration as ParseConfig reads it.
func (c *Config) text() []byte {
	var b bytes.Buffer
	for k, v := range c.All() {
		fmt.Fprintf(&b, "%s=%s\n", k, v)
	}
	return b.Bytes()
}
