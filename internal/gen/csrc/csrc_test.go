// SPDX-License-Identifier: Apache-2.0

package csrc

import (
	"os"
	"path/filepath"
	"testing"
)

const sample = `/* a comment with { and " */
#define TWO(x, y) \
	x y
static const struct ops name_ops __read_mostly = {
	.a = first,	// one
#ifdef CONFIG_X
	.b = &second,
#elif defined(CONFIG_Y) && !IS_ENABLED(CONFIG_Z)
	.c = third,
#else
	.d = fourth,
#endif
};
#if defined(CONFIG_X) || defined(CONFIG_Y)
int pick(int id)
{
	switch (id) {
	case ONE:
	case TWO:
		return f(id, g(1));
	default:
		break;
	}
	if (id && !other(id)) {
#ifdef CONFIG_A
		if (a) {
#else
		if (b) {
#endif
			return 1;
		}
	}
	return id ? 2 : 3;
}
#endif
static int last(void) { return 0; }
`

func parse(t *testing.T) *File {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "x.c"), []byte(sample), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := Read(dir, "x.c")
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestDefinitions(t *testing.T) {
	f := parse(t)
	in, ok := f.Inits["name_ops"]
	if !ok || in.Type != "static const struct ops" {
		t.Fatalf("object: %+v", f.Inits)
	}
	fl := Fields(in.Body)
	for name, want := range map[string]string{"a": "first", "b": "&second", "c": "third", "d": "fourth"} {
		if got := Join(fl[name]); got != want {
			t.Errorf(".%s = %q, want %q", name, got, want)
		}
	}
	guards := map[string]string{}
	for _, tok := range in.Body {
		guards[tok.Text] = tok.Guard
	}
	for name, want := range map[string]string{
		"first": "", "second": "CONFIG_X", "third": "!CONFIG_X && CONFIG_Y && !CONFIG_Z",
		"fourth": "!CONFIG_X && !(!CONFIG_X && CONFIG_Y && !CONFIG_Z)",
	} {
		if guards[name] != want {
			t.Errorf("guard of %s: %q, want %q", name, guards[name], want)
		}
	}
	if d := f.Defines["TWO"]; d.Name != "TWO" {
		t.Errorf("macro: %+v", f.Defines)
	}
	if _, ok := f.Funcs["last"]; !ok {
		t.Error("what follows a conditional whose branches open the same bracket is lost")
	}
	if fn := f.Funcs["pick"]; fn.Guard != "(CONFIG_X || CONFIG_Y)" || Join(fn.Params) != "int id" {
		t.Errorf("function: guard %q, parameters %q", fn.Guard, Join(fn.Params))
	}
}

func TestStatements(t *testing.T) {
	f := parse(t)
	ss, err := ParseBody(f.Funcs["pick"].Body)
	if err != nil {
		t.Fatal(err)
	}
	if len(ss) != 3 || ss[0].Kind != Switch || ss[1].Kind != If || ss[2].Kind != Return {
		t.Fatalf("statements: %+v", ss)
	}
	sw := ss[0].Body
	if len(sw) != 5 || sw[0].Kind != Case || Join(sw[1].Expr) != "TWO" || Join(sw[2].Expr) != "f(id, g(1))" || sw[3].Expr != nil || sw[4].Kind != Break {
		t.Errorf("switch: %+v", sw)
	}
	if q := Split(ss[2].Expr, "?"); len(q) != 2 || Join(q[1]) != "2 : 3" {
		t.Errorf("conditional: %q", Join(ss[2].Expr))
	}
}

func TestBroken(t *testing.T) {
	dir := t.TempDir()
	for _, src := range []string{"/* no end", `char *s = "no end`, "#if X /* no end"} {
		if err := os.WriteFile(filepath.Join(dir, "x.c"), []byte(src), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(dir, "x.c"); err == nil {
			t.Errorf("%q is read without error", src)
		}
	}
}
