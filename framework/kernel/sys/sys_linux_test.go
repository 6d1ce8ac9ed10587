// SPDX-License-Identifier: Apache-2.0

package sys

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/modbpf/modbpf/bpf"
)

// needBPF skips where the kernel does not let us.
func needBPF(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root may use bpf(2)")
	}
	fd, err := MapCreate(MapAttr{Type: bpf.MapArray, KeySize: 4, ValueSize: 4, MaxEntries: 1, Inner: None, BTF: None, VmlinuxBTF: None})
	if Denied(err) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	closeTest(t, fd)
}

func closeTest(t *testing.T, fd FD) {
	t.Helper()
	if err := fd.Close(); err != nil {
		t.Error(err)
	}
}

func TestMapElements(t *testing.T) {
	needBPF(t)
	fd, err := MapCreate(MapAttr{Name: "a map/with odd name", Type: bpf.MapHash, KeySize: 4, ValueSize: 8, MaxEntries: 3, Inner: None, BTF: None, VmlinuxBTF: None})
	if err != nil {
		t.Fatal(err)
	}
	defer closeTest(t, fd)
	key, value := []byte{1, 2, 3, 4}, []byte("eight ch")
	if err := MapUpdate(fd, key, value, 1); err != nil { // BPF_NOEXIST
		t.Fatal(err)
	}
	if err := MapUpdate(fd, key, value, 1); !errors.Is(err, syscall.EEXIST) {
		t.Errorf("second insertion: %v", err)
	}
	got := make([]byte, 8)
	if err := MapLookup(fd, key, got); err != nil || !bytes.Equal(got, value) {
		t.Errorf("look up: %q, %v", got, err)
	}
	next := make([]byte, 4)
	if ok, err := MapNextKey(fd, nil, next); !ok || err != nil || !bytes.Equal(next, key) {
		t.Errorf("first key: %v, %v, %v", next, ok, err)
	}
	if ok, err := MapNextKey(fd, key, next); ok || err != nil {
		t.Errorf("key after the last: %v, %v", ok, err)
	}
	i, err := GetMapInfo(fd)
	if err != nil || i.Type != bpf.MapHash || i.Name != "a_map_with_odd_" || i.ValueSize != 8 {
		t.Errorf("info %+v, %v", i, err)
	}
	again, err := ByID(Map, i.ID)
	if err != nil {
		t.Fatal(err)
	}
	closeTest(t, again)
	if err := MapDelete(fd, key); err != nil {
		t.Error(err)
	}
	if err := MapLookup(fd, key, got); !errors.Is(err, syscall.ENOENT) {
		t.Errorf("look up of what is gone: %v", err)
	}
	if err := MapFreeze(fd); err != nil {
		t.Error(err)
	}
	if err := MapUpdate(fd, key, value, 0); !errors.Is(err, syscall.EPERM) {
		t.Errorf("update of a frozen map: %v", err)
	}
}

func TestProgram(t *testing.T) {
	needBPF(t)
	attr := ProgAttr{
		Name: "drops", Type: bpf.ProgXDP, License: "GPL", BTF: None, AttachBTF: None, AttachProg: None,
		Insns: []bpf.Insn{{Op: bpf.ClassALU64 | bpf.AluMOV, Imm: 1}, {Op: bpf.OpExit}}, LogLevel: LogStats,
	}
	fd, log, err := ProgLoad(attr)
	if err != nil {
		t.Fatal(err)
	}
	defer closeTest(t, fd)
	if !strings.Contains(log, "processed 2 insns") {
		t.Errorf("log %q", log)
	}
	ret, _, err := ProgTestRun(fd, &TestRun{Data: make([]byte, 64), Repeat: 1})
	if err != nil || ret != 1 {
		t.Errorf("run: %d, %v", ret, err)
	}
	i, err := GetProgInfo(fd)
	if err != nil || i.Type != bpf.ProgXDP || i.Name != "drops" || !i.GPL || i.Verified != 2 {
		t.Errorf("info %+v, %v", i, err)
	}
}

func TestRefusedProgram(t *testing.T) {
	needBPF(t)
	_, log, err := ProgLoad(ProgAttr{
		Name: "bad", Type: bpf.ProgXDP, License: "GPL", BTF: None, AttachBTF: None, AttachProg: None, Insns: []bpf.Insn{{Op: bpf.OpExit}},
	})
	var e *Error
	if !errors.As(err, &e) || !errors.Is(err, syscall.EACCES) || !strings.Contains(log, "R0 !read_ok") {
		t.Fatalf("%v, log %q", err, log)
	}
	if s := err.Error(); !strings.Contains(s, "load program bad") || !strings.Contains(s, "R0 !read_ok") {
		t.Errorf("error %q does not name the program and the reason", s)
	}
}

func TestIDs(t *testing.T) {
	needBPF(t)
	n := 0
	for id, err := range IDs(BTF) {
		if err != nil {
			t.Fatal(err)
		}
		if fd, err := ByID(BTF, id); err == nil {
			i, err := GetBTFInfo(fd)
			if err != nil {
				t.Error(err)
			} else if i.Name == "vmlinux" && i.Kernel {
				n++
			}
			closeTest(t, fd)
		}
	}
	if n != 1 {
		t.Errorf("the kernel's own types are listed %d times", n)
	}
	if _, err := ModuleBTF("no_such_module"); !errors.Is(err, syscall.ENOENT) {
		t.Errorf("types of a module that does not exist: %v", err)
	}
}

func TestReadSymbols(t *testing.T) {
	const list = "ffffffff81000000 T _text\n0000000000000000 A fixed\nffffffffc0000010 t in_module\t[mod]\n"
	want := map[string]uint64{"_text": 0, "in_module": 0, "absent": 0}
	found, err := readSymbols(strings.NewReader(list), want)
	if err != nil || !found["_text"] || !found["in_module"] || found["absent"] || want["_text"] != 0xffffffff81000000 || want["in_module"] != 0xffffffffc0000010 {
		t.Errorf("%v, %v, %v", want, found, err)
	}
}
