// SPDX-License-Identifier: Apache-2.0

// Package csrc reads kernel C as far as the table generators need it: tokens
// that remember under which preprocessor condition they stand, the file-level
// definitions of a file, and function bodies as statement trees. It is not a C
// compiler: macros are not expanded and types are not understood.
package csrc

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Kind is the kind of a token.
type Kind uint8

// Kinds of tokens.
const (
	Ident Kind = iota
	Number
	String
	Char
	Punct
)

// Token is one token of C.
type Token struct {
	Text  string
	Kind  Kind
	Line  int
	Guard string // conjunction of CONFIG_ conditions around it, "" if none
}

// Define is an object- or function-like macro.
type Define struct {
	Name string
	Body string
	Line int
}

// File is a tokenised file.
type File struct {
	Path    string // as in the kernel tree
	Source  string
	Tokens  []Token
	Defines map[string]Define
	Funcs   map[string]Func
	Inits   map[string]Init
}

// Func is a function definition.
type Func struct {
	Name   string
	Guard  string
	Line   int
	Result []Token // tokens before the name, back to the previous definition
	Params []Token
	Body   []Token // without the outer braces
}

// Init is a file-level object with a braced initialiser.
type Init struct {
	Name  string
	Type  string // tokens before the name, joined by blanks
	Guard string
	Line  int
	Body  []Token // without the outer braces
}

// Read tokenises a file of a kernel tree.
func Read(tree, path string) (*File, error) {
	src, err := os.ReadFile(filepath.Join(tree, path))
	if err != nil {
		return nil, fmt.Errorf("read kernel source: %w", err)
	}
	f := &File{Path: path, Source: string(src), Defines: map[string]Define{}, Funcs: map[string]Func{}, Inits: map[string]Init{}}
	if err := f.tokenize(string(src)); err != nil {
		return nil, fmt.Errorf("read kernel source %s: %w", path, err)
	}
	f.index()
	return f, nil
}

type level struct {
	cond  string // condition of the branch being read
	prior []string
	depth int  // bracket depth where the conditional began
	skip  bool // an alternative whose brackets the first branch already opened
}

func (f *File) tokenize(s string) error {
	var stack []level
	guard := ""
	reguard := func() {
		var all []string
		for _, l := range stack {
			if l.cond != "" {
				all = append(all, l.cond)
			}
		}
		guard = strings.Join(all, " && ")
	}
	line, bol, depth := 1, true, 0
	skip := false
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == '\n':
			line++
			i++
			bol = true
			continue
		case c == ' ' || c == '\t' || c == '\r' || c == '\f':
			i++
			continue
		case c == '\\' && i+1 < len(s) && s[i+1] == '\n':
			line++
			i += 2
			continue
		case strings.HasPrefix(s[i:], "//"):
			for i < len(s) && s[i] != '\n' {
				i++
			}
			continue
		case strings.HasPrefix(s[i:], "/*"):
			e := strings.Index(s[i+2:], "*/")
			if e < 0 {
				return fmt.Errorf("line %d: comment does not end", line)
			}
			line += strings.Count(s[i:i+2+e], "\n")
			i += e + 4
			continue
		case c == '#' && bol:
			start := line
			var d strings.Builder
			for i < len(s) && s[i] != '\n' {
				switch {
				case s[i] == '\\' && i+1 < len(s) && s[i+1] == '\n':
					line++
					d.WriteByte(' ')
					i += 2
				case strings.HasPrefix(s[i:], "/*"):
					e := strings.Index(s[i+2:], "*/")
					if e < 0 {
						return fmt.Errorf("line %d: comment does not end", line)
					}
					line += strings.Count(s[i:i+2+e], "\n")
					i += e + 4
				case strings.HasPrefix(s[i:], "//"):
					for i < len(s) && s[i] != '\n' {
						i++
					}
				default:
					d.WriteByte(s[i])
					i++
				}
			}
			n := len(stack)
			stack = f.directive(strings.TrimSpace(d.String()[1:]), stack, start)
			switch {
			case len(stack) > n:
				stack[n].depth = depth
			case len(stack) == n && n > 0 && strings.HasPrefix(strings.TrimSpace(d.String()[1:]), "el"):
				// Both branches of a conditional may open the same bracket; only
				// one of them may count.
				stack[n-1].skip = stack[n-1].skip || depth != stack[n-1].depth
			}
			skip = false
			for _, l := range stack {
				skip = skip || l.skip
			}
			reguard()
			continue
		}
		bol = false
		j := i + 1
		k := Punct
		switch {
		case isIdent(c):
			for j < len(s) && isIdentOrDigit(s[j]) {
				j++
			}
			k = Ident
		case c >= '0' && c <= '9':
			for j < len(s) && (isIdentOrDigit(s[j]) || s[j] == '.') {
				j++
			}
			k = Number
		case c == '"' || c == '\'':
			for j < len(s) && s[j] != c {
				if s[j] == '\\' {
					j++
				}
				j++
			}
			j++
			k = String
			if c == '\'' {
				k = Char
			}
			if j > len(s) {
				return fmt.Errorf("line %d: literal does not end", line)
			}
		default:
			for _, op := range [...]string{"<<=", ">>=", "...", "->", "==", "!=", "<=", ">=", "&&", "||", "++", "--", "<<", ">>", "+=", "-=", "*=", "/=", "|=", "&=", "^=", "##"} {
				if strings.HasPrefix(s[i:], op) {
					j = i + len(op)
					break
				}
			}
		}
		if !skip {
			f.Tokens = append(f.Tokens, Token{Text: s[i:j], Kind: k, Line: line, Guard: guard})
			if k == Punct {
				switch c {
				case '(', '{', '[':
					depth++
				case ')', '}', ']':
					depth--
				}
			}
		}
		line += strings.Count(s[i:j], "\n")
		i = j
	}
	return nil
}

func isIdent(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

func isIdentOrDigit(c byte) bool { return isIdent(c) || c >= '0' && c <= '9' }

func (f *File) directive(d string, stack []level, line int) []level {
	word, rest, _ := strings.Cut(strings.ReplaceAll(d, "\t", " "), " ")
	rest = strings.TrimSpace(rest)
	top := len(stack) - 1
	switch word {
	case "define":
		name := rest
		for i := 0; i < len(rest); i++ {
			if !isIdentOrDigit(rest[i]) {
				name = rest[:i]
				break
			}
		}
		f.Defines[name] = Define{Name: name, Body: strings.TrimSpace(rest[len(name):]), Line: line}
	case "ifdef":
		return append(stack, level{cond: configOnly(rest)})
	case "ifndef":
		return append(stack, level{cond: negate(configOnly(rest))})
	case "if":
		return append(stack, level{cond: configOnly(rest)})
	case "elif":
		if top >= 0 {
			p := append(stack[top].prior, stack[top].cond)
			conds := []string{}
			for _, c := range p {
				if c != "" {
					conds = append(conds, negate(c))
				}
			}
			if c := configOnly(rest); c != "" {
				conds = append(conds, c)
			}
			stack[top].cond, stack[top].prior = strings.Join(conds, " && "), p
		}
	case "else":
		if top >= 0 {
			conds := []string{}
			for _, c := range append(stack[top].prior, stack[top].cond) {
				if c != "" {
					conds = append(conds, negate(c))
				}
			}
			stack[top].cond = strings.Join(conds, " && ")
		}
	case "endif":
		if top >= 0 {
			return stack[:top]
		}
	}
	return stack
}

// configOnly rewrites a preprocessor condition into one over CONFIG_ symbols
// with !, &&, || and brackets; conditions on anything else are dropped.
func configOnly(c string) string {
	for _, w := range []string{"IS_ENABLED", "IS_BUILTIN", "IS_REACHABLE", "IS_MODULE", "defined"} {
		c = strings.ReplaceAll(c, w+" ", w)
		c = strings.ReplaceAll(c, w+"(", "(")
		c = strings.ReplaceAll(c, w, "")
	}
	c = strings.Join(strings.Fields(c), " ")
	for _, w := range strings.FieldsFunc(c, func(r rune) bool {
		return !(r == '_' || r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z')
	}) {
		if !strings.HasPrefix(w, "CONFIG_") {
			return ""
		}
	}
	if strings.ContainsAny(c, "<>=+-*/") {
		return ""
	}
	// (CONFIG_X) alone needs no brackets.
	for {
		i := strings.Index(c, "(CONFIG_")
		if i < 0 {
			break
		}
		j := i + 1
		for j < len(c) && isIdentOrDigit(c[j]) {
			j++
		}
		if j >= len(c) || c[j] != ')' {
			break
		}
		c = c[:i] + c[i+1:j] + c[j+1:]
	}
	if strings.Contains(c, "||") {
		c = "(" + c + ")"
	}
	return c
}

func negate(c string) string {
	switch {
	case c == "":
		return ""
	case strings.HasPrefix(c, "!") && !strings.ContainsAny(c[1:], " ("):
		return c[1:]
	case strings.ContainsAny(c, " ("):
		return "!(" + c + ")"
	}
	return "!" + c
}
