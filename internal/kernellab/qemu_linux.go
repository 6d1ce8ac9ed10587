// SPDX-License-Identifier: Apache-2.0

package kernellab

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/modbpf/modbpf/internal/kernellab/guest"
	"github.com/modbpf/modbpf/internal/kernellab/wire"
)

// VM is one running guest.
type VM struct {
	cmd     *exec.Cmd
	port    net.Conn
	qmp     net.Conn
	qmpIn   *bufio.Scanner
	conn    *wire.Conn
	console *tail
	exited  chan struct{}
	waitErr error
	hello   wire.Hello
	release func()
}

// kernelArgs makes a boot short and repeatable: no slow self tests, no
// mitigations (they cost twice under emulation), BPF as the only LSM.
const kernelArgs = "console=ttyS0 quiet panic=-1 nokaslr mitigations=off lsm=bpf apparmor=0 audit=0 cryptomgr.notests " +
	"init_on_alloc=0 no_timer_check tsc=reliable nowatchdog rcupdate.rcu_expedited=1 random.trust_cpu=1"

// qemuArgs is the machine without its kernel. It must be the same for a
// snapshot's maker and its users.
func qemuArgs(m Machine) []string {
	args := []string{
		"-M", "pc", "-cpu", "qemu64,+rdrand,+rdtscp", "-smp", strconv.Itoa(m.CPUs), "-accel", "tcg,thread=multi", "-m", strconv.Itoa(m.Memory) + "M",
		"-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
		"-chardev", "stdio,id=con", "-serial", "chardev:con",
		"-chardev", "socket,id=lab,fd=3",
		"-device", "virtio-serial-pci", "-device", "virtserialport,chardev=lab,name=" + guest.PortName,
		"-chardev", "socket,id=qmp,fd=4", "-mon", "chardev=qmp,mode=control",
	}
	return append(args, m.QEMU...)
}

func socketPair() (ours net.Conn, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	f := os.NewFile(uintptr(fds[0]), "qemu socket")
	defer f.Close()
	ours, err = net.FileConn(f)
	return ours, os.NewFile(uintptr(fds[1]), "qemu socket"), err
}

// start runs QEMU with args and connects to its monitor.
func (l *Lab) start(ctx context.Context, args []string) (*VM, error) {
	release, err := l.slot(ctx)
	if err != nil {
		return nil, err
	}
	vm := &VM{console: &tail{max: 64 << 10}, exited: make(chan struct{}), release: release}
	var lab, mon *os.File
	if vm.port, lab, err = socketPair(); err == nil {
		vm.qmp, mon, err = socketPair()
	}
	if err != nil {
		release()
		return nil, fmt.Errorf("start qemu: %w", err)
	}
	vm.conn = wire.NewConn(vm.port)
	vm.cmd = exec.Command(l.qemu, args...)
	vm.cmd.ExtraFiles = []*os.File{lab, mon}
	vm.cmd.Stdout, vm.cmd.Stderr = vm.console, vm.console
	vm.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	started := make(chan error, 1)
	go func() {
		// The death signal is bound to the thread that starts the child.
		runtime.LockOSThread()
		err := vm.cmd.Start()
		started <- err
		if err == nil {
			vm.waitErr = vm.cmd.Wait()
		}
		close(vm.exited)
		release()
	}()
	err = <-started
	lab.Close()
	mon.Close()
	if err != nil {
		return nil, fmt.Errorf("start qemu: %w", err)
	}
	vm.qmpIn = bufio.NewScanner(vm.qmp)
	vm.qmpIn.Buffer(nil, 1<<20)
	if err := vm.command("qmp_capabilities", nil, nil); err != nil {
		vm.Close()
		return nil, fmt.Errorf("start qemu: %w%s", err, vm.consoleNote())
	}
	return vm, nil
}

// Close ends the guest at once.
func (vm *VM) Close() {
	if vm.cmd.Process != nil {
		_ = vm.cmd.Process.Kill() // it may have ended by itself
	}
	<-vm.exited
	vm.port.Close()
	vm.qmp.Close()
}

// Console is the end of what the guest's kernel printed.
func (vm *VM) Console() string { return vm.console.String() }

// Uname is the release of the kernel that runs in the guest.
func (vm *VM) Uname() string { return vm.hello.Uname }

func (vm *VM) consoleNote() string {
	if c := vm.Console(); c != "" {
		return "\nconsole:\n" + c
	}
	return ""
}

// deadline makes every read and write on the guest's sockets fail when ctx ends.
func (vm *VM) deadline(ctx context.Context) (stop func() bool) {
	past := time.Unix(1, 0)
	_ = vm.port.SetDeadline(time.Time{})
	_ = vm.qmp.SetDeadline(time.Time{})
	return context.AfterFunc(ctx, func() {
		_ = vm.port.SetDeadline(past)
		_ = vm.qmp.SetDeadline(past)
	})
}

// ping waits until the agent answers.
func (vm *VM) ping(ctx context.Context) error {
	defer vm.deadline(ctx)()
	token := strconv.FormatInt(time.Now().UnixNano(), 36)
	if err := vm.conn.Send(wire.Ping, []byte(token)); err != nil {
		return vm.failed(ctx, "greet guest", err)
	}
	for {
		t, p, err := vm.conn.Receive()
		if err != nil {
			return vm.failed(ctx, "greet guest", err)
		}
		if t != wire.Ready {
			continue
		}
		if err := json.Unmarshal(p, &vm.hello); err != nil {
			return vm.failed(ctx, "greet guest", err)
		}
		if vm.hello.Token == token {
			return nil
		}
	}
}

func (vm *VM) failed(ctx context.Context, verb string, err error) error {
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return fmt.Errorf("%s: %w%s", verb, err, vm.consoleNote())
}

// command runs one monitor command (QEMU Machine Protocol).
func (vm *VM) command(name string, args, result any) error {
	msg := map[string]any{"execute": name}
	if args != nil {
		msg["arguments"] = args
	}
	b, err := json.Marshal(msg)
	if err != nil {
		return err
	}
	if _, err := vm.qmp.Write(b); err != nil {
		return fmt.Errorf("monitor %s: %w", name, err)
	}
	for vm.qmpIn.Scan() {
		var r struct {
			Return json.RawMessage
			Error  *struct{ Desc string }
		}
		if err := json.Unmarshal(vm.qmpIn.Bytes(), &r); err != nil {
			return fmt.Errorf("monitor %s: %w", name, err)
		}
		if r.Error != nil {
			return fmt.Errorf("monitor %s: %s", name, r.Error.Desc)
		}
		if r.Return != nil {
			if result == nil {
				return nil
			}
			return json.Unmarshal(r.Return, result)
		}
	}
	if err := vm.qmpIn.Err(); err != nil {
		return fmt.Errorf("monitor %s: %w", name, err)
	}
	return fmt.Errorf("monitor %s: %w", name, errors.New("qemu has ended"))
}

// tail keeps the end of what is written to it.
type tail struct {
	mu  sync.Mutex
	buf bytes.Buffer
	max int
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf.Write(b)
	if over := t.buf.Len() - t.max; over > 0 {
		t.buf.Next(over)
	}
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.buf.String()
}
