// SPDX-License-Identifier: Apache-2.0

package csrc

import (
	"fmt"
	"strings"
)

// index finds the definitions at file level: functions, and objects with a
// braced initialiser.
func (f *File) index() {
	start := 0 // first token of the current declaration
	t := f.Tokens
	for i := 0; i < len(t); i++ {
		switch t[i].Text {
		case ";":
			start = i + 1
		case "(", "[":
			i = Match(t, i)
		case "{":
			end := Match(t, i)
			switch {
			case i > 0 && t[i-1].Text == ")":
				open := matchBack(t, i-1)
				if open > 0 && t[open-1].Kind == Ident && open-1 >= start {
					fn := Func{Name: t[open-1].Text, Guard: t[open-1].Guard, Line: t[open-1].Line, Result: t[start : open-1], Params: t[open+1 : i-1], Body: t[i+1 : end]}
					if old, ok := f.Funcs[fn.Name]; !ok || len(old.Body) < len(fn.Body) {
						f.Funcs[fn.Name] = fn
					}
				}
				start = end + 1
			case i > 0 && t[i-1].Text == "=":
				n := i - 2
				for n > start && t[n].Text == "]" {
					n = matchBack(t, n) - 1
				}
				for n > start && attributes[t[n].Text] {
					n--
				}
				if t[n].Kind == Ident {
					f.Inits[t[n].Text] = Init{Name: t[n].Text, Type: Join(t[start:n]), Guard: t[n].Guard, Line: t[n].Line, Body: t[i+1 : end]}
				}
			}
			i = end
			if i+1 < len(t) && t[i+1].Text != ";" {
				start = i + 1
			}
		}
	}
}

// attributes can stand between an object's name and its initialiser.
var attributes = map[string]bool{
	"__read_mostly": true, "__ro_after_init": true, "__refdata": true, "__maybe_unused": true,
	"__initdata": true, "__initconst": true, "__weak": true, "__used": true,
}

// Match is the index of the token that closes the bracket at i, or the last
// token if none does.
func Match(t []Token, i int) int {
	depth := 0
	for j := i; j < len(t); j++ {
		switch t[j].Text {
		case "(", "[", "{":
			if t[j].Kind == Punct {
				depth++
			}
		case ")", "]", "}":
			if t[j].Kind == Punct {
				if depth--; depth == 0 {
					return j
				}
			}
		}
	}
	return len(t) - 1
}

func matchBack(t []Token, i int) int {
	depth := 0
	for j := i; j >= 0; j-- {
		switch t[j].Text {
		case ")", "]", "}":
			depth++
		case "(", "[", "{":
			if depth--; depth == 0 {
				return j
			}
		}
	}
	return 0
}

// Join writes tokens as text.
func Join(t []Token) string {
	var b strings.Builder
	for i, x := range t {
		if i > 0 && needsBlank(t[i-1].Text, x.Text) {
			b.WriteByte(' ')
		}
		b.WriteString(x.Text)
	}
	return b.String()
}

func needsBlank(a, b string) bool {
	switch {
	case a == "(" || a == "[" || b == ")" || b == "]" || b == "," || b == ";" || a == "->" || b == "->" || a == "." || b == "." || b == "[" || a == "!" || a == "~":
		return false
	case b == "(":
		return !isIdentOrDigit(a[len(a)-1])
	case a == "*" || a == "&":
		return false
	}
	return true
}

// Split cuts tokens at a separator outside brackets; an empty last part is left out.
func Split(t []Token, sep string) [][]Token {
	var out [][]Token
	start := 0
	for i := 0; i < len(t); i++ {
		switch t[i].Text {
		case "(", "[", "{":
			i = Match(t, i)
		case sep:
			out = append(out, t[start:i])
			start = i + 1
		}
	}
	if start < len(t) {
		out = append(out, t[start:])
	}
	return out
}

// Fields reads ".name = value" pairs of a braced initialiser.
func Fields(body []Token) map[string][]Token {
	m := map[string][]Token{}
	for _, p := range Split(body, ",") {
		if len(p) >= 3 && p[0].Text == "." && p[1].Kind == Ident && p[2].Text == "=" {
			m[p[1].Text] = p[3:]
		}
	}
	return m
}

// StmtKind is the kind of a statement.
type StmtKind uint8

// Kinds of statements.
const (
	Expr StmtKind = iota
	Return
	If
	Switch
	Break
	Continue
	Goto
	Label
	Case    // a label in a switch; Expr is the value, nil for default
	Loop    // for, while, do
	Compose // braces
)

// Stmt is one statement.
type Stmt struct {
	Kind  StmtKind
	Expr  []Token
	Body  []*Stmt
	Else  []*Stmt
	Guard string
	Line  int
}

// ParseBody parses the statements of a function body.
func ParseBody(t []Token) ([]*Stmt, error) {
	p := &parser{t: t}
	var out []*Stmt
	for p.i < len(p.t) {
		s, err := p.stmt()
		if err != nil {
			return nil, err
		}
		if s != nil {
			out = append(out, s)
		}
	}
	return out, nil
}

type parser struct {
	t []Token
	i int
}

func (p *parser) peek() string {
	if p.i < len(p.t) {
		return p.t[p.i].Text
	}
	return ""
}

func (p *parser) paren() ([]Token, error) {
	if p.peek() != "(" {
		return nil, fmt.Errorf("line %d: want ( before %q", p.line(), p.peek())
	}
	e := Match(p.t, p.i)
	x := p.t[p.i+1 : e]
	p.i = e + 1
	return x, nil
}

func (p *parser) line() int {
	if p.i < len(p.t) {
		return p.t[p.i].Line
	}
	return 0
}

func (p *parser) until(end string) []Token {
	start := p.i
	for p.i < len(p.t) && p.t[p.i].Text != end {
		switch p.t[p.i].Text {
		case "(", "[", "{":
			p.i = Match(p.t, p.i)
		}
		p.i++
	}
	x := p.t[start:min(p.i, len(p.t))]
	p.i++
	return x
}

func (p *parser) sub() ([]*Stmt, error) {
	if p.peek() == "{" {
		e := Match(p.t, p.i)
		b, err := ParseBody(p.t[p.i+1 : e])
		p.i = e + 1
		return b, err
	}
	s, err := p.stmt()
	if s == nil {
		return nil, err
	}
	return []*Stmt{s}, err
}

func (p *parser) stmt() (*Stmt, error) {
	tok := p.t[p.i]
	s := &Stmt{Guard: tok.Guard, Line: tok.Line}
	var err error
	switch tok.Text {
	case ";":
		p.i++
		return nil, nil
	case "{":
		s.Kind = Compose
		s.Body, err = p.sub()
		return s, err
	case "return":
		p.i++
		s.Kind, s.Expr = Return, p.until(";")
		return s, nil
	case "break", "continue":
		p.until(";")
		s.Kind = Break
		if tok.Text == "continue" {
			s.Kind = Continue
		}
		return s, nil
	case "goto":
		p.i++
		s.Kind, s.Expr = Goto, p.until(";")
		return s, nil
	case "if":
		p.i++
		s.Kind = If
		if s.Expr, err = p.paren(); err != nil {
			return nil, err
		}
		if s.Body, err = p.sub(); err != nil {
			return nil, err
		}
		if p.peek() == "else" {
			p.i++
			s.Else, err = p.sub()
		}
		return s, err
	case "switch":
		p.i++
		s.Kind = Switch
		if s.Expr, err = p.paren(); err != nil {
			return nil, err
		}
		s.Body, err = p.sub()
		return s, err
	case "case":
		p.i++
		s.Kind, s.Expr = Case, p.caseLabel()
		return s, nil
	case "default":
		p.i += 2
		s.Kind = Case
		return s, nil
	case "for", "while":
		p.i++
		s.Kind = Loop
		if s.Expr, err = p.paren(); err != nil {
			return nil, err
		}
		s.Body, err = p.sub()
		return s, err
	case "do":
		p.i++
		s.Kind = Loop
		if s.Body, err = p.sub(); err == nil && p.peek() == "while" {
			p.i++
			s.Expr, err = p.paren()
			p.until(";")
		}
		return s, err
	}
	if tok.Kind == Ident && p.i+1 < len(p.t) {
		if p.t[p.i+1].Text == ":" {
			p.i += 2
			s.Kind, s.Expr = Label, []Token{tok}
			return s, nil
		}
		// list_for_each_entry(...) { ... } and the like
		if p.t[p.i+1].Text == "(" {
			if e := Match(p.t, p.i+1); e+1 < len(p.t) && p.t[e+1].Text == "{" {
				p.i++
				s.Kind = Loop
				if s.Expr, err = p.paren(); err != nil {
					return nil, err
				}
				s.Body, err = p.sub()
				return s, err
			}
		}
	}
	s.Kind, s.Expr = Expr, p.until(";")
	return s, nil
}

// caseLabel reads up to the colon, minding brackets and "?:".
func (p *parser) caseLabel() []Token {
	start, q := p.i, 0
	for p.i < len(p.t) {
		switch p.t[p.i].Text {
		case "(", "[", "{":
			p.i = Match(p.t, p.i)
		case "?":
			q++
		case ":":
			if q == 0 {
				x := p.t[start:p.i]
				p.i++
				return x
			}
			q--
		}
		p.i++
	}
	return p.t[start:]
}
