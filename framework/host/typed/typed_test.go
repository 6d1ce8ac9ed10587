// SPDX-License-Identifier: Apache-2.0

package typed

import (
	"errors"
	"os"
	"testing"

	"github.com/modbpf/modbpf/btf"
	"github.com/modbpf/modbpf/framework/host/mem"
)

func vmlinux(t testing.TB) *Layouts {
	t.Helper()
	raw, err := os.ReadFile("/sys/kernel/btf/vmlinux")
	if err != nil {
		t.Skip("no kernel BTF:", err)
	}
	s, err := btf.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return NewLayouts(s)
}

func TestFields(t *testing.T) {
	l := vmlinux(t)
	a := mem.New(0)
	defer a.Close()
	tp, err := l.Of("tcp_sock")
	if err != nil {
		t.Fatal(err)
	}
	o, err := tp.New(a, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{
		"snd_cwnd", "snd_ssthresh", "inet_conn.icsk_ca_state", "inet_conn.icsk_inet.sk.sk_pacing_rate",
		"inet_conn.icsk_ca_priv[3]", "ecn_flags", "inet_conn.icsk_ack.pending",
	} {
		f, err := tp.Field(path)
		if err != nil {
			t.Error(err)
			continue
		}
		n := f.Size * 8
		if f.Bits != 0 {
			n = int(f.Bits)
		}
		for _, v := range []uint64{1, 0x5555555555555555, 1<<64 - 1, 0} {
			want := v
			if n < 64 {
				want &= 1<<n - 1
			}
			before := f
			o.Set(path, v)
			if got := o.Get(path); got != want && !f.Signed {
				t.Errorf("%s (%+v): wrote %#x, read %#x", path, before, want, got)
			}
		}
	}
	// Neighbouring bit fields do not disturb each other.
	ca := []string{"inet_conn.icsk_ca_state", "inet_conn.icsk_ca_initialized", "inet_conn.icsk_ca_setsockopt", "inet_conn.icsk_ca_dst_locked"}
	o.Set(ca[0], 31)
	o.Set(ca[2], 1)
	for i, want := range []uint64{31, 0, 1, 0} {
		if got := o.Get(ca[i]); got != want {
			t.Errorf("%s = %d, want %d", ca[i], got, want)
		}
	}
	hid, err := l.Of("net_device")
	if err != nil {
		t.Fatal(err)
	}
	d, err := hid.New(a, 0)
	if err != nil {
		t.Fatal(err)
	}
	d.SetString("name", "a-name-that-is-too-long-for-it")
	if got := d.String("name"); got != "a-name-that-is-" {
		t.Errorf("name %q", got)
	}
	if _, err := tp.Field("nope.x"); !errors.Is(err, ErrNoField) {
		t.Errorf("missing field: %v", err)
	}
	if _, err := l.Of("no_such_struct"); !errors.Is(err, ErrNoType) {
		t.Errorf("missing struct: %v", err)
	}
}

func TestSigned(t *testing.T) {
	l := vmlinux(t)
	a := mem.New(0)
	defer a.Close()
	s, err := l.Of("task_struct")
	if err != nil {
		t.Fatal(err)
	}
	o, err := s.New(a, 0)
	if err != nil {
		t.Fatal(err)
	}
	minus := int64(-7)
	o.Set("pid", uint64(minus))
	if got := int64(o.Get("pid")); got != -7 {
		t.Errorf("pid %d", got)
	}
}
