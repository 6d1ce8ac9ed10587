// SPDX-License-Identifier: Apache-2.0

package xz

import (
	"bytes"
	"errors"
	"io"
	"math/rand"
	"os"
	"os/exec"
	"testing"
)

// pack has the real tool make a stream; the test is skipped without it.
func pack(t testing.TB, b []byte, args ...string) []byte {
	t.Helper()
	cmd := exec.Command("xz", append([]string{"-c", "-T1"}, args...)...)
	cmd.Stdin = bytes.NewReader(b)
	out, err := cmd.Output()
	if err != nil {
		t.Skip("SKIPPED, NOT TESTED: no xz to make streams with:", err)
	}
	return out
}

func samples(t testing.TB) map[string][]byte {
	self, err := os.ReadFile(os.Args[0]) // machine code
	if err != nil {
		t.Fatal(err)
	}
	random := make([]byte, 300_000)
	rand.New(rand.NewSource(1)).Read(random)
	return map[string][]byte{
		"empty": nil, "short": []byte("x"), "text": bytes.Repeat([]byte("the quick brown fox\n"), 50_000),
		"random": random, "zeros": make([]byte, 3_000_000), "code": self[:min(len(self), 1<<20)],
	}
}

func TestDecode(t *testing.T) {
	for _, args := range [][]string{
		{"-6"},
		{"-0", "--check=crc32"},
		{"-9e", "--check=sha256"},
		{"--check=none", "--lzma2=dict=1MiB"},
		{"--x86", "--lzma2=dict=4MiB"},
		{"--block-size=100000"},
		{"--lzma2=preset=6,lc=0,lp=3,pb=0"},
	} {
		for name, want := range samples(t) {
			got, err := Decode(pack(t, want, args...))
			if err != nil || !bytes.Equal(got, want) {
				t.Fatalf("%s with %v: %d bytes of %d, %v", name, args, len(got), len(want), err)
			}
		}
	}
}

func TestConcatenated(t *testing.T) {
	a, b := pack(t, []byte("one ")), pack(t, []byte("two"))
	got, err := Decode(append(append(a, 0, 0, 0, 0), b...))
	if err != nil || string(got) != "one two" {
		t.Fatalf("%q, %v", got, err)
	}
}

func TestCorrupt(t *testing.T) {
	want := samples(t)["text"]
	whole := pack(t, want)
	for i := range whole {
		for _, flip := range []byte{1, 0x80} {
			b := bytes.Clone(whole)
			b[i] ^= flip
			if got, err := Decode(b); err == nil && bytes.Equal(got, want) {
				t.Errorf("bit flip at %d goes unnoticed", i)
			}
		}
	}
	for n := range whole {
		if _, err := Decode(whole[:n]); !errors.Is(err, ErrFormat) {
			t.Fatalf("cut at %d: %v", n, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(pack(f, []byte("hello hello hello")))
	f.Add(pack(f, bytes.Repeat([]byte("\xe8\x00\x00\x00\x01ab"), 100), "--x86", "--lzma2=dict=4KiB"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := io.Copy(io.Discard, io.LimitReader(NewReader(bytes.NewReader(b)), 64<<20)); err != nil && !errors.Is(err, ErrFormat) && !errors.Is(err, ErrUnsupported) {
			t.Fatal(err)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	raw := samples(b)["code"]
	packed := pack(b, raw)
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		if _, err := Decode(packed); err != nil {
			b.Fatal(err)
		}
	}
}
