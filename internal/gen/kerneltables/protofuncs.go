// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/modbpf/modbpf/internal/gen/csrc"
)

// A get_func_proto function is run here symbolically, once for each helper id
// it mentions and once for all others. A condition that depends on the program
// forks the run; each return becomes an alternative with the conditions on its
// path. Anything the reader does not understand is an error: a new shape in a
// new kernel must be looked at, not guessed.

type run struct {
	x    *extractor
	id   string // helper's name, "" for ids not mentioned
	fn   string
	alts []Alt
	err  error
}

// env is one path of a run.
type env struct {
	conds []Cond
	vars  map[string]value
}

// value is what a variable of the function holds.
type value struct {
	act    string // "proto", "none", "call"
	target string
}

func (e env) with(c ...Cond) env {
	e.conds = append(slices.Clone(e.conds), c...)
	return e
}

func (e env) set(name string, v value) env {
	m := map[string]value{name: v}
	for k, o := range e.vars {
		if k != name {
			m[k] = o
		}
	}
	e.vars = m
	return e
}

type flow uint8

const (
	flowNext flow = iota
	flowBreak
	flowDone
)

// path is a place where a statement list can be left.
type path struct {
	env  env
	flow flow
}

func isProtoFunc(f csrc.Func) bool {
	return strings.Contains(csrc.Join(f.Result), "struct bpf_func_proto *") && strings.Contains(csrc.Join(f.Params), "struct bpf_prog *prog")
}

func (x *extractor) protoFuncs() error {
	seen := map[string]bool{}
	for _, f := range x.files {
		names := []string{}
		for n, fn := range f.Funcs {
			weak := strings.Contains(csrc.Join(fn.Result), "__weak")
			if isProtoFunc(fn) && !weak && n != "bpf_iter_get_func_proto" {
				names = append(names, n)
			}
		}
		slices.Sort(names)
		for _, n := range names {
			if seen[n] {
				return fmt.Errorf("function %s is defined twice", n)
			}
			seen[n] = true
			pf, err := x.protoFunc(f.Funcs[n])
			if err != nil {
				return fmt.Errorf("read %s in %s: %w", n, f.Path, err)
			}
			x.facts.Funcs = append(x.facts.Funcs, pf)
		}
	}
	slices.SortFunc(x.facts.Funcs, func(a, b ProtoFunc) int { return strings.Compare(a.Name, b.Name) })
	return nil
}

var helperConst = regexp.MustCompile(`^BPF_FUNC_(\w+)$`)

func (x *extractor) protoFunc(fn csrc.Func) (ProtoFunc, error) {
	body, err := csrc.ParseBody(fn.Body)
	if err != nil {
		return ProtoFunc{}, err
	}
	ids := []string{""}
	for _, t := range fn.Body {
		if m := helperConst.FindStringSubmatch(t.Text); m != nil && !slices.Contains(ids, m[1]) {
			ids = append(ids, m[1])
		}
	}
	pf := ProtoFunc{Name: fn.Name}
	for _, id := range ids {
		n, ok := x.helperID[id]
		if !ok && id != "" {
			return pf, fmt.Errorf("unknown helper %s", id)
		}
		r := &run{x: x, id: id, fn: fn.Name}
		for _, p := range r.list(body, env{}) {
			if p.flow != flowDone && r.err == nil {
				r.err = fmt.Errorf("helper %q: a path ends without return", id)
			}
		}
		if r.err != nil {
			return pf, r.err
		}
		pf.Groups = append(pf.Groups, Group{ID: n, Alts: r.alts})
	}
	slices.SortFunc(pf.Groups, func(a, b Group) int { return a.ID - b.ID })
	return pf, nil
}

func (r *run) fail(format string, args ...any) { // keeps the first
	if r.err == nil {
		r.err = fmt.Errorf(format, args...)
	}
}

func (r *run) list(ss []*csrc.Stmt, e env) []path {
	paths := []path{{env: e}}
	for _, s := range ss {
		var next []path
		for _, p := range paths {
			if p.flow != flowNext {
				next = append(next, p)
				continue
			}
			next = append(next, r.stmt(s, p.env)...)
		}
		paths = next
	}
	return paths
}

func (r *run) stmt(s *csrc.Stmt, e env) []path {
	switch s.Kind {
	case csrc.Compose:
		return r.list(s.Body, e)
	case csrc.Case:
		return []path{{env: e}}
	case csrc.Break:
		return []path{{env: e, flow: flowBreak}}
	case csrc.Return:
		r.ret(s.Expr, e)
		return []path{{env: e, flow: flowDone}}
	case csrc.Expr:
		return []path{{env: r.assign(s, e)}}
	case csrc.If:
		var out []path
		for _, f := range r.cond(s.Expr, e) {
			branch := s.Else
			if f.yes {
				branch = s.Body
			}
			out = append(out, r.list(branch, f.env)...)
		}
		return out
	case csrc.Switch:
		return r.switchStmt(s, e)
	}
	r.fail("line %d: statement is not understood", s.Line)
	return nil
}

func (r *run) assign(s *csrc.Stmt, e env) env {
	text := csrc.Join(s.Expr)
	switch {
	case text == "fallthrough", strings.HasPrefix(text, "BTF_TYPE_EMIT("):
		return e
	case strings.HasPrefix(text, "const struct bpf_func_proto *") && !strings.Contains(text, "="):
		return e
	}
	if len(s.Expr) > 2 && s.Expr[1].Text == "=" {
		v, ok := r.value(s.Expr[2:], e)
		if ok {
			return e.set(s.Expr[0].Text, v)
		}
	}
	r.fail("line %d: %s: not understood", s.Line, text)
	return e
}

var callForm = regexp.MustCompile(`^(\w+)\((func_id(, prog)?)?\)$`)

// value reads an expression that is a prototype, NULL, a variable or a call.
func (r *run) value(t []csrc.Token, e env) (value, bool) {
	text := csrc.Join(t)
	if text == "NULL" {
		return value{act: "none"}, true
	}
	if strings.HasPrefix(text, "&") && len(t) == 2 {
		return value{"proto", t[1].Text}, true
	}
	if v, ok := e.vars[text]; ok {
		return v, true
	}
	if m := callForm.FindStringSubmatch(text); m != nil {
		if m[3] != "" {
			return value{"call", m[1]}, true
		}
		return r.inline(m[1])
	}
	return value{}, false
}

// inline runs a small function that only names a prototype, such as
// bpf_get_trace_printk_proto().
func (r *run) inline(name string) (value, bool) {
	var fn csrc.Func
	for _, f := range r.x.files {
		if g, ok := f.Funcs[name]; ok && !strings.Contains(csrc.Join(g.Result), "__weak") {
			fn = g
		}
	}
	body, err := csrc.ParseBody(fn.Body)
	if err != nil || fn.Name == "" {
		r.fail("function %s is not found", name)
		return value{}, false
	}
	in := &run{x: r.x, id: r.id, fn: name}
	var keep []*csrc.Stmt
	for _, s := range body {
		if s.Kind == csrc.Switch || s.Kind == csrc.Return {
			keep = append(keep, s) // what comes before only allocates or warns
		}
	}
	in.list(keep, env{})
	if in.err != nil || len(in.alts) != 1 || len(in.alts[0].Conds) != 0 {
		r.fail("function %s: no single result (%v)", name, in.err)
		return value{}, false
	}
	return value{in.alts[0].Act, in.alts[0].Target}, true
}

func (r *run) ret(t []csrc.Token, e env) {
	if q := csrc.Split(t, "?"); len(q) == 2 {
		arms := csrc.Split(q[1], ":")
		if len(arms) != 2 {
			r.fail("line %d: %s: not understood", t[0].Line, csrc.Join(t))
			return
		}
		for _, f := range r.cond(q[0], e) {
			if f.yes {
				r.ret(arms[0], f.env)
			} else {
				r.ret(arms[1], f.env)
			}
		}
		return
	}
	v, ok := r.value(t, e)
	if !ok {
		r.fail("line %d: return %s: not understood", t[0].Line, csrc.Join(t))
		return
	}
	if v.act == "call" && v.target == "bpf_iter_get_func_proto" {
		// asks the iterator the program is attached to
		for _, it := range r.x.iters() {
			r.alts = append(r.alts, Alt{Conds: append(slices.Clone(e.conds), Cond{Kind: "iter", Str: it.Iter}), Act: "call", Target: it.Func})
		}
		v = value{act: "none"}
	}
	r.alts = append(r.alts, Alt{Conds: e.conds, Act: v.act, Target: v.target})
}

type fork struct {
	yes bool
	env env
}

// cond evaluates a condition: one fork if it is known, two if not.
func (r *run) cond(t []csrc.Token, e env) []fork {
	if p := csrc.Split(t, "||"); len(p) > 1 {
		return r.cond2(p, e, true)
	}
	if p := csrc.Split(t, "&&"); len(p) > 1 {
		return r.cond2(p, e, false)
	}
	if t[0].Text == "(" && csrc.Match(t, 0) == len(t)-1 {
		return r.cond(t[1:len(t)-1], e)
	}
	text := csrc.Join(t)
	name, not := strings.CutPrefix(text, "!")
	if v, ok := e.vars[name]; ok {
		switch v.act {
		case "proto":
			return []fork{{!not, e}}
		case "none":
			return []fork{{not, e}}
		}
		// A call's result that is not NULL is returned by every function of
		// this kind; what goes on is the path where it was NULL.
		r.alts = append(r.alts, Alt{Conds: e.conds, Act: "try", Target: v.target})
		return []fork{{not, e.set(name, value{act: "none"})}}
	}
	if t[0].Text == "!" {
		out := r.cond(t[1:], e)
		for i := range out {
			out[i].yes = !out[i].yes
		}
		return out
	}
	c, ok := condition(text)
	if !ok {
		r.fail("condition %s: not understood", text)
		return nil
	}
	n := c
	n.Not = !n.Not
	for _, known := range e.conds { // asked before on this path
		if reflect.DeepEqual(known, c) {
			return []fork{{true, e}}
		}
		if reflect.DeepEqual(known, n) {
			return []fork{{false, e}}
		}
	}
	return []fork{{true, e.with(c)}, {false, e.with(n)}}
}

// cond2 evaluates "a || b" and "a && b" left to right.
func (r *run) cond2(parts [][]csrc.Token, e env, stop bool) []fork {
	out := r.cond(parts[0], e)
	if len(parts) == 1 {
		return out
	}
	var res []fork
	for _, f := range out {
		if f.yes == stop {
			res = append(res, f)
			continue
		}
		res = append(res, r.cond2(parts[1:], f.env, stop)...)
	}
	return res
}

var (
	eqAttach = regexp.MustCompile(`^prog->expected_attach_type (==|!=) (BPF_\w+)$`)
	eqType   = regexp.MustCompile(`^prog->type == BPF_PROG_TYPE_(\w+)$`)
	hasCap   = regexp.MustCompile(`^bpf_token_capable\(prog->aux->token, (CAP_\w+)\)$`)
	locked   = regexp.MustCompile(`^security_locked_down\(LOCKDOWN_BPF_(\w+)\) < 0$`)
	inSet    = regexp.MustCompile(`^btf_id_set_contains\(&(\w+), prog->aux->attach_btf_id\)$`)
	slotNot  = regexp.MustCompile(`^prog_ops_moff\(prog\) (==|!=) offsetof\(struct (\w+), (\w+)\)$`)
)

// condition translates a condition over the program.
func condition(text string) (Cond, bool) {
	switch text {
	case "prog->sleepable":
		return Cond{Kind: "sleepable"}, true
	case "bpf_prog_has_trampoline(prog)":
		return Cond{Kind: "trampoline"}, true
	case "bpf_prog_check_recur(prog)":
		return Cond{Kind: "recur"}, true
	case "is_kprobe_multi(prog)":
		return Cond{Kind: "attach", Attach: []string{"BPF_TRACE_KPROBE_MULTI", "BPF_TRACE_KPROBE_SESSION"}}, true
	case "is_uprobe_multi(prog)":
		return Cond{Kind: "attach", Attach: []string{"BPF_TRACE_UPROBE_MULTI", "BPF_TRACE_UPROBE_SESSION"}}, true
	}
	if m := eqAttach.FindStringSubmatch(text); m != nil {
		return Cond{Kind: "attach", Not: m[1] == "!=", Attach: []string{m[2]}}, true
	}
	if m := eqType.FindStringSubmatch(text); m != nil {
		return Cond{Kind: "type", Str: strings.ToLower(m[1])}, true
	}
	if m := hasCap.FindStringSubmatch(text); m != nil {
		return Cond{Kind: "cap", Str: m[1]}, true
	}
	if m := locked.FindStringSubmatch(text); m != nil {
		return Cond{Kind: "locked", Str: m[1]}, true
	}
	if m := inSet.FindStringSubmatch(text); m != nil {
		return Cond{Kind: "set", Str: m[1]}, true
	}
	if m := slotNot.FindStringSubmatch(text); m != nil {
		return Cond{Kind: "slot", Not: m[1] == "!=", Str: m[2] + "." + m[3]}, true
	}
	return Cond{}, false
}

func (r *run) switchStmt(s *csrc.Stmt, e env) []path {
	var out []path
	leave := func(ps []path) {
		for _, p := range ps {
			if p.flow == flowBreak {
				p.flow = flowNext
			}
			out = append(out, p)
		}
	}
	switch csrc.Join(s.Expr) {
	case "func_id", "which":
		def := -1
		for i, l := range s.Body {
			if l.Kind == csrc.Case && l.Expr == nil {
				def = i
			}
		}
		rest := e
		for i, l := range s.Body {
			if l.Kind != csrc.Case || l.Expr == nil || csrc.Join(l.Expr) != "BPF_FUNC_"+r.id || r.id == "" {
				continue
			}
			if l.Guard == "" {
				leave(r.list(s.Body[i:], rest))
				return out
			}
			leave(r.list(s.Body[i:], rest.with(Cond{Kind: "config", Str: l.Guard})))
			rest = rest.with(Cond{Kind: "config", Str: l.Guard, Not: true})
		}
		if def < 0 {
			return append(out, path{env: rest})
		}
		leave(r.list(s.Body[def:], rest))
		return out
	case "prog->expected_attach_type":
		var labels, all []string
		def := -1
		for i, l := range s.Body {
			if l.Kind != csrc.Case {
				continue
			}
			if l.Expr == nil {
				def = i
				continue
			}
			labels = append(labels, csrc.Join(l.Expr))
			if i+1 < len(s.Body) && s.Body[i+1].Kind == csrc.Case && s.Body[i+1].Expr != nil {
				continue // more labels for the same statements
			}
			leave(r.list(s.Body[i:], e.with(Cond{Kind: "attach", Attach: labels})))
			all = append(all, labels...)
			labels = nil
		}
		other := e.with(Cond{Kind: "attach", Not: true, Attach: all})
		if def < 0 {
			return append(out, path{env: other})
		}
		leave(r.list(s.Body[def:], other))
		return out
	}
	r.fail("line %d: switch (%s): not understood", s.Line, csrc.Join(s.Expr))
	return nil
}
