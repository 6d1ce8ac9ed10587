// SPDX-License-Identifier: Apache-2.0

package maps

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/verifier"
)

// The machine's own kernel is the oracle: the same random operations on its map
// and on ours must give the same errors, values and sets of keys.

type kernelMap struct{ fd int }

func bpfCall(cmd uintptr, attr []byte) (int, unix.Errno) {
	r, _, e := unix.Syscall(unix.SYS_BPF, cmd, uintptr(unsafe.Pointer(&attr[0])), uintptr(len(attr)))
	return int(r), e
}

func newKernelMap(t *testing.T, s *verifier.Map) *kernelMap {
	t.Helper()
	attr := make([]byte, 72)
	for i, v := range []uint32{uint32(s.Type), s.KeySize, s.ValueSize, s.MaxEntries, s.Flags} {
		binary.LittleEndian.PutUint32(attr[4*i:], v)
	}
	binary.LittleEndian.PutUint64(attr[64:], s.Extra)
	fd, e := bpfCall(0, attr)
	switch e {
	case 0:
	case unix.EPERM, unix.ENOSYS:
		t.Skip("may not create maps in this kernel:", e)
	default:
		t.Fatalf("create %s in the kernel: %v", s.Type, e)
	}
	m := &kernelMap{fd}
	t.Cleanup(func() {
		if err := unix.Close(fd); err != nil {
			t.Error(err)
		}
	})
	return m
}

// op runs one of the commands that take a key, a value and flags.
func (m *kernelMap) op(cmd uintptr, key, value []byte, flags uint64) Errno {
	attr := make([]byte, 32)
	binary.LittleEndian.PutUint32(attr, uint32(m.fd))
	var pin runtime.Pinner
	defer pin.Unpin()
	for i, b := range [][]byte{key, value} {
		if len(b) > 0 {
			pin.Pin(&b[0])
			binary.LittleEndian.PutUint64(attr[8+8*i:], uint64(uintptr(unsafe.Pointer(&b[0]))))
		}
	}
	binary.LittleEndian.PutUint64(attr[24:], flags)
	_, e := bpfCall(cmd, attr)
	return Errno(e)
}

// Commands of bpf(2).
const (
	cmdLookup          = 1
	cmdUpdate          = 2
	cmdDelete          = 3
	cmdNextKey         = 4
	cmdLookupAndDelete = 21
)

func ours(err error) Errno {
	var e Errno
	switch {
	case err == nil:
		return 0
	case errors.As(err, &e):
		return e
	}
	return -1
}

func possibleCPUs(t *testing.T) int {
	t.Helper()
	return runtime.NumCPU()
}

type pair struct {
	t   *testing.T
	s   *verifier.Map
	m   Map
	k   *kernelMap
	log []string
}

func (p *pair) say(format string, a ...any) {
	p.log = append(p.log, fmt.Sprintf(format, a...))
	if len(p.log) > 30 {
		p.log = p.log[1:]
	}
}

func (p *pair) differ(format string, a ...any) {
	p.t.Helper()
	for _, l := range p.log {
		p.t.Log(l)
	}
	p.t.Fatalf(format, a...)
}

// step does one random operation on both.
func (p *pair) step(r *rand.Rand, key func() []byte, ops []string) {
	p.t.Helper()
	k := key()
	if p.s.KeySize == 0 {
		k = nil
	}
	n := p.m.ValueLen()
	v := make([]byte, n)
	for i := range v {
		v[i] = byte(r.Uint32() & 3)
	}
	if n != int(p.s.ValueSize) { // per-CPU: the padding comes back as zero
		stride := round8(p.s.ValueSize)
		for c := 0; c < n; c += stride {
			clear(v[c+int(p.s.ValueSize) : c+stride])
		}
	}
	flags := []uint64{0, 0, 0, NoExist, Exist, WithLock, 3, 64}[r.IntN(8)]
	op := ops[r.IntN(len(ops))]
	a, b := bytes.Clone(v), bytes.Clone(v)
	var ka, kb []byte
	var ea, eb Errno
	compare := false
	switch op {
	case "lookup":
		flags = []uint64{0, 0, 0, WithLock, 1}[r.IntN(5)]
		ea, eb = ours(p.m.Lookup(k, a, flags)), p.k.op(cmdLookup, k, b, flags)
		compare = true
	case "update":
		ea, eb = ours(p.m.Update(k, a, flags)), p.k.op(cmdUpdate, k, b, flags)
	case "delete":
		ea, eb = ours(p.m.Delete(k)), p.k.op(cmdDelete, k, nil, 0)
	case "take":
		flags = 0
		ea, eb = ours(p.m.LookupAndDelete(k, a, 0)), p.k.op(cmdLookupAndDelete, k, b, 0)
		compare = true
	case "next":
		flags = 0
		ka, kb = make([]byte, p.s.KeySize), make([]byte, p.s.KeySize)
		ea, eb = ours(p.m.NextKey(k, ka)), p.k.op(cmdNextKey, k, kb, 0)
	case "keys":
		p.sameKeys()
		return
	}
	p.say("%s key %x value %x flags %d: ours %v, kernel %v", op, k, v, flags, ea, eb)
	if ea != eb {
		p.differ("%s: ours answers %v, the kernel %v", op, ea, eb)
	}
	if ea == 0 && compare && !bytes.Equal(a, b) {
		p.differ("%s: ours gives %x, the kernel %x", op, a, b)
	}
	if ea == 0 && op == "next" && !bytes.Equal(ka, kb) {
		p.differ("%s: ours gives %x, the kernel %x", op, ka, kb)
	}
}

func (p *pair) sameKeys() {
	p.t.Helper()
	walk := func(next func(k, n []byte) Errno) []string {
		var out []string
		var k []byte
		for {
			n := make([]byte, p.s.KeySize)
			if next(k, n) != 0 {
				slices.Sort(out)
				return out
			}
			out = append(out, string(n))
			k = n
			if len(out) > 10000 {
				p.differ("walk does not end")
			}
		}
	}
	a := walk(func(k, n []byte) Errno { return ours(p.m.NextKey(k, n)) })
	b := walk(func(k, n []byte) Errno { return p.k.op(cmdNextKey, k, n, 0) })
	if !slices.Equal(a, b) {
		p.differ("keys: ours %x, the kernel's %x", a, b)
	}
}

func TestAgainstTheKernel(t *testing.T) {
	hashOps := []string{"lookup", "update", "update", "update", "delete", "take", "keys"}
	arrayOps := []string{"lookup", "update", "delete", "take", "next"}
	queueOps := []string{"lookup", "update", "update", "take"}
	for _, c := range []struct {
		s     verifier.Map
		ops   []string
		steps int
	}{
		{verifier.Map{Type: bpf.MapArray, KeySize: 4, ValueSize: 12, MaxEntries: 5}, arrayOps, 20000},
		{verifier.Map{Type: bpf.MapPercpuArray, KeySize: 4, ValueSize: 5, MaxEntries: 5}, arrayOps, 20000},
		{verifier.Map{Type: bpf.MapHash, KeySize: 4, ValueSize: 8, MaxEntries: 6}, hashOps, 20000},
		{verifier.Map{Type: bpf.MapHash, KeySize: 4, ValueSize: 9, MaxEntries: 6, Flags: bpf.MapNoPrealloc}, hashOps, 20000},
		{verifier.Map{Type: bpf.MapHash, KeySize: 8, ValueSize: 4, MaxEntries: 7}, hashOps, 20000},
		{verifier.Map{Type: bpf.MapHash, KeySize: 13, ValueSize: 4, MaxEntries: 20}, hashOps, 20000},
		{verifier.Map{Type: bpf.MapPercpuHash, KeySize: 4, ValueSize: 12, MaxEntries: 6}, hashOps, 20000},
		{verifier.Map{Type: bpf.MapLRUHash, KeySize: 4, ValueSize: 8, MaxEntries: 2000}, hashOps, 5000},
		{verifier.Map{Type: bpf.MapQueue, ValueSize: 12, MaxEntries: 5}, queueOps, 20000},
		{verifier.Map{Type: bpf.MapStack, ValueSize: 7, MaxEntries: 5}, queueOps, 20000},
		{
			verifier.Map{Type: bpf.MapLPMTrie, KeySize: 8, ValueSize: 4, MaxEntries: 12, Flags: bpf.MapNoPrealloc},
			[]string{"lookup", "lookup", "update", "update", "update", "delete", "next"},
			60000,
		},
		{
			verifier.Map{Type: bpf.MapLPMTrie, KeySize: 6, ValueSize: 4, MaxEntries: 60, Flags: bpf.MapNoPrealloc},
			[]string{"lookup", "lookup", "update", "update", "update", "delete", "next"},
			60000,
		},
	} {
		s := c.s
		s.Name = fmt.Sprintf("%s-%d-%d", s.Type, s.KeySize, s.ValueSize)
		t.Run(s.Name, func(t *testing.T) {
			w := newWorld(t, possibleCPUs(t))
			p := &pair{t: t, s: &s, k: newKernelMap(t, &s), m: newMap(t, w, &s)}
			seed := rand.Uint64()
			r := rand.New(rand.NewPCG(seed, 1))
			p.say("seed %d", seed)
			key := func() []byte {
				k := make([]byte, s.KeySize)
				switch {
				case s.Type == bpf.MapLPMTrie:
					binary.LittleEndian.PutUint32(k, r.Uint32N((s.KeySize-4)*8+2))
					for i := 4; i < len(k); i++ {
						k[i] = []byte{0, 0x80, 0xc0, 0xff, 0x01}[r.IntN(5)]
					}
				case len(k) > 0:
					k[0] = byte(r.IntN(9))
					if r.IntN(40) == 0 {
						k[len(k)-1] = 1
					}
				}
				return k
			}
			for range c.steps {
				p.step(r, key, c.ops)
			}
		})
	}
}
