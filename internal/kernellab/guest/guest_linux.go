// SPDX-License-Identifier: Apache-2.0

// Package guest is the agent that runs as process 1 of a lab guest: it mounts
// what programs expect, loads modules, and runs jobs that arrive over a
// virtio-serial port. Any static binary whose main begins with guest.MainIfInit
// can serve as the guest's /init; so `modbpf` itself can, and needs no Go
// toolchain to do it.
package guest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/modbpf/modbpf/internal/kernellab/wire"
)

// PortName is the name of the virtio-serial port the agent answers on.
const PortName = "modbpf.lab"

// MainIfInit takes over if this process is the first of a lab guest, or was
// called by the name of one of the tools the guest offers; else it returns at once.
func MainIfInit() {
	switch filepath.Base(os.Args[0]) {
	case "init":
		if os.Getpid() == 1 {
			initMain()
		}
	case "modprobe", "rmmod":
		if _, err := os.Stat(moduleList); err == nil {
			os.Exit(tool(os.Args))
		}
	}
}

// initMain never returns.
func initMain() {
	fmt.Fprintf(os.Stderr, "lab agent: %v\n", serve())
	time.Sleep(100 * time.Millisecond) // let the console drain
	if err := unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF); err != nil {
		fmt.Fprintf(os.Stderr, "lab agent: power off: %v\n", err)
	}
	select {}
}

var mounts = []struct{ what, where, opts string }{
	{"proc", "/proc", ""},
	{"sysfs", "/sys", ""},
	{"devtmpfs", "/dev", ""},
	{"tmpfs", "/tmp", ""},
	{"tmpfs", "/run", ""},
	{"devpts", "/dev/pts", ""},
	{"bpf", "/sys/fs/bpf", ""},
	{"cgroup2", "/sys/fs/cgroup", ""},
	{"tracefs", "/sys/kernel/tracing", ""},
	{"securityfs", "/sys/kernel/security", ""},
}

// serve runs jobs until the connection fails, which is the only way it ends.
func serve() error {
	for _, m := range mounts {
		if err := os.MkdirAll(m.where, 0o755); err != nil && !errors.Is(err, os.ErrExist) && !strings.HasPrefix(m.where, "/sys/") {
			return err
		}
		if err := unix.Mount(m.what, m.where, m.what, 0, m.opts); err != nil && !errors.Is(err, unix.EBUSY) {
			fmt.Fprintf(os.Stderr, "lab agent: mount %s: %v\n", m.where, err)
		}
	}
	for link, to := range map[string]string{"/dev/fd": "/proc/self/fd", "/dev/stdin": "/proc/self/fd/0", "/dev/stdout": "/proc/self/fd/1", "/dev/stderr": "/proc/self/fd/2"} {
		if err := os.Symlink(to, link); err != nil {
			fmt.Fprintf(os.Stderr, "lab agent: %v\n", err)
		}
	}
	if err := unix.Sethostname([]byte("lab")); err != nil {
		return err
	}
	if err := loopbackUp(); err != nil {
		fmt.Fprintf(os.Stderr, "lab agent: bring up lo: %v\n", err)
	}
	os.Setenv("PATH", "/bin:/sbin:/usr/bin:/usr/sbin")
	os.Setenv("HOME", "/tmp")
	go reap()

	hello := wire.Hello{}
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return err
	}
	hello.Uname = unix.ByteSliceToString(u.Release[:])
	mods, err := readModuleList()
	if err != nil {
		return err
	}
	for _, m := range mods.Boot {
		if err := mods.load(m, ""); err != nil {
			hello.Failed = append(hello.Failed, err.Error())
		}
	}
	port, err := openPort()
	if err != nil {
		return err
	}
	// The kernel parses its own BTF on first use, which takes a second or two
	// under emulation: have it done before the snapshot is taken.
	warmBTF()

	a := &agent{conn: wire.NewConn(port), hello: hello, modules: mods}
	return a.loop()
}

func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	ifr, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	ifr.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, ifr)
}

// port is the virtio-serial port. Reading it answers "end of file" while no
// host is connected, as after a restore: wait for the host.
type port struct{ f *os.File }

func openPort() (*port, error) {
	for range 200 {
		names, err := filepath.Glob("/sys/class/virtio-ports/*/name")
		if err != nil {
			return nil, err
		}
		for _, n := range names {
			b, err := os.ReadFile(n)
			if err != nil || strings.TrimSpace(string(b)) != PortName {
				continue
			}
			// Blocking on purpose: this port is read by one goroutine for ever.
			fd, err := unix.Open("/dev/"+filepath.Base(filepath.Dir(n)), unix.O_RDWR|unix.O_CLOEXEC, 0)
			if err != nil {
				return nil, fmt.Errorf("open port %s: %w", PortName, err)
			}
			return &port{os.NewFile(uintptr(fd), PortName)}, nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return nil, fmt.Errorf("open port %s: no such virtio port", PortName)
}

func (p *port) Read(b []byte) (int, error) {
	for {
		n, err := p.f.Read(b)
		if n > 0 || err != nil && !errors.Is(err, io.EOF) {
			return n, err
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func (p *port) Write(b []byte) (int, error) { return p.f.Write(b) }

// agent serves one port.
type agent struct {
	conn    *wire.Conn
	hello   wire.Hello
	modules *moduleSet
}

func (a *agent) loop() error {
	if err := a.conn.SendJSON(wire.Ready, a.hello); err != nil {
		return err
	}
	for {
		t, p, err := a.conn.Receive()
		if err != nil {
			return err
		}
		switch t {
		case wire.Ping:
			a.hello.Token = string(p)
			if err := a.conn.SendJSON(wire.Ready, a.hello); err != nil {
				return err
			}
		case wire.Job:
			var spec wire.JobSpec
			if err := json.Unmarshal(p, &spec); err != nil {
				return fmt.Errorf("read job: %w", err)
			}
			if err := a.run(&spec); err != nil {
				return err
			}
		case wire.Stdin: // late input of a job that has ended
		default:
			return fmt.Errorf("unexpected frame %c", t)
		}
	}
}
