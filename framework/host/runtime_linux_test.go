// SPDX-License-Identifier: Apache-2.0

package host_test

import (
	"encoding/binary"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/framework/host"
	"github.com/modbpf/modbpf/framework/host/maps"
	"github.com/modbpf/modbpf/framework/object"
	"github.com/modbpf/modbpf/framework/profile"
	"github.com/modbpf/modbpf/jit"
	"github.com/modbpf/modbpf/verifier"
)

//go:generate ./testdata/build.sh

// load proves and inserts an object.
func load(t testing.TB, path string, opt host.Options) (*host.Host, *host.Driver) {
	t.Helper()
	k, err := profile.Running()
	if err != nil {
		t.Skip("no profile of the running kernel:", err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	o, err := object.Open(f, path)
	if err != nil {
		t.Fatal(err)
	}
	b, err := o.Bind(k, object.Options{CPUs: 2})
	if err != nil {
		t.Fatal(err)
	}
	spec := host.Spec{Name: "runtime"}
	for _, p := range b.Programs {
		if p.Err != nil {
			t.Errorf("bind %s: %v", p.Spec.Name, p.Err)
			continue
		}
		c, diag := verifier.Verify(p.Program, k, verifier.Options{Facts: true})
		if diag != nil {
			t.Errorf("%s is refused: %v\n%s", p.Spec.Name, diag, diag.Regs)
			continue
		}
		spec.Programs = append(spec.Programs, c)
	}
	for _, m := range b.Maps {
		if m.Err == nil && m.StructOps == nil {
			spec.Maps = append(spec.Maps, m.Map)
		}
	}
	h, err := host.New(k, opt)
	if err != nil {
		t.Fatal(err)
	}
	// The tail calls are of tracepoint programs, which may make them; the test is
	// the model that runs those, with a context that they don't look at.
	h.SetContext(bpf.ProgRawTracepoint, func(_ *verifier.Program, off, size int, _ bool) (jit.CtxAccess, error) {
		return jit.CtxAccess{Off: int16(off), Size: size}, nil
	})
	// Tail calls need a program that may not sleep; it looks at nothing of its packet.
	h.SetContext(bpf.ProgXDP, func(*verifier.Program, int, int, bool) (jit.CtxAccess, error) {
		return jit.CtxAccess{}, errors.New("no packets in this test")
	})
	d, err := h.Insert(spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
		if n := h.Objects.Live(); n != 0 {
			t.Errorf("%d objects of programs leaked", n)
		}
		if n := h.Timers.Live(); n != 0 {
			t.Errorf("%d timers leaked", n)
		}
	})
	return h, d
}

// TestRuntime runs programs that check for themselves what the runtime does.
func TestRuntime(t *testing.T) {
	for name, e := range map[string]host.Engine{"interpreter": host.EngineInterpreter, "jit": host.EngineJIT} {
		t.Run(name, func(t *testing.T) {
			h, d := load(t, "testdata/runtime.bpf.o", host.Options{CPUs: 2, Engine: e})
			h.Clock.Simulate(1_000_000)
			if p, ok := d.Map("jumps").(maps.Programs); !ok {
				t.Fatal("jumps is no map of programs")
			} else if err := p.SetProgram(0, d.Program("target").Exec); err != nil {
				t.Fatal(err)
			}
			want := map[string]uint64{"test_tailcall": 77}
			ran := 0
			for _, p := range d.Programs {
				if !strings.HasPrefix(p.Name, "test_") {
					continue
				}
				t.Run(p.Name, func(t *testing.T) {
					r := h.Enter(nil)
					defer r.Exit()
					v, err := p.Run(r, 0)
					if err != nil {
						t.Fatal(err)
					}
					if v != want[p.Name] {
						t.Errorf("line %d of the program found something else", int32(v))
					}
				})
				ran++
			}
			if ran < 12 {
				t.Errorf("only %d programs", ran)
			}
			// The timer's callback starts it again until it counted to six.
			h.Clock.Advance(20_000_000)
			v := make([]byte, 24)
			if err := d.Map("alarms").Lookup([]byte{2, 0, 0, 0}, v, 0); err != nil {
				t.Fatal(err)
			}
			if n := binary.LittleEndian.Uint64(v[16:]); n != 6 {
				t.Errorf("timer fired to %d, want 6", n)
			}
			var got []uint64
			d.Map("events").(*maps.Ring).Read(func(b []byte) { got = append(got, binary.LittleEndian.Uint64(b)) })
			if len(got) != 2 || got[0] != 0 || got[1] != 2 {
				t.Errorf("ring buffer: %v", got)
			}
		})
	}
}
