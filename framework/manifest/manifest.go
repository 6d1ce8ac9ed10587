// SPDX-License-Identifier: Apache-2.0

// Package manifest holds the schema of driver.yaml: the Go types below are the
// schema, their struct tags are its rules, and the decoder, the JSON Schema and
// the reference page are all derived from them. A new field is a new line here
// and nothing else.
//
// Reading is strict. Everything that is wrong with a file is reported at once,
// each mistake at file:line:column, with the nearest name that would have been
// right. Manifests are hostile input.
package manifest

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

//go:generate go test -run TestGenerated -update .

// Manifest is one driver.yaml.
type Manifest struct {
	APIVersion      string           `yaml:"apiVersion" need:"required" enum:"modbpf/v1" doc:"Version of this schema."`
	Name            string           `yaml:"name" need:"required" pattern:"[a-z0-9]+(-[a-z0-9]+)*" max:"48" doc:"Name of the driver, as list shows it: lower-case letters, digits and dashes."`
	Version         string           `yaml:"version" need:"required" pattern:"[0-9]+(\\.[0-9]+){0,3}([-+~][0-9A-Za-z.+~-]+)?" max:"40" doc:"Version of the driver."`
	License         License          `yaml:"license" need:"required" doc:"SPDX licence expression. It must agree with the object's licence section."`
	Description     string           `yaml:"description" need:"required" max:"200" doc:"What the driver does, in one line."`
	Object          string           `yaml:"object" need:"required" max:"1024" doc:"The compiled BPF object, relative to the manifest."`
	Replaces        []string         `yaml:"replaces" pattern:"[A-Za-z0-9_-]+" max:"64" doc:"Kernel modules this driver takes the place of."`
	Match           []Match          `yaml:"match" max:"4096" doc:"Devices the driver binds to. A driver with matches is inserted once for each device that is present."`
	ExtensionPoints []ExtensionPoint `yaml:"extensionPoints" max:"256" doc:"Where the kernel calls the driver. Without this list every struct_ops variable of the object is one."`
	Parameters      []Parameter      `yaml:"parameters" keyed:"[A-Za-z_][A-Za-z0-9_]*" max:"256" doc:"Options a user may set with insert NAME=VALUE; each is a constant (const volatile) of the object."`
	Requires        Requires         `yaml:"requires" doc:"What a kernel must have, beyond what the object itself says."`
	Policy          Policy           `yaml:"policy" doc:"What the driver's author asks for or forbids."`
	Conflicts       []string         `yaml:"conflicts" pattern:"[a-z0-9]+(-[a-z0-9]+)*" max:"64" doc:"Drivers that must not be inserted for the same device."`
	SoftDeps        SoftDeps         `yaml:"softdeps" doc:"Drivers to be inserted before or after this one, if they are there."`
	Priority        int64            `yaml:"priority" min:"-100" max:"100" doc:"Of two drivers that match a device the higher priority wins; default 0."`

	file string
	pos  map[string]Pos
}

// Match is one way to recognise a device. Exactly one of its fields is set.
type Match struct {
	HID      *HIDMatch `yaml:"hid" doc:"A HID device, by bus, group, vendor and product."`
	Net      *NetMatch `yaml:"net" doc:"A network interface."`
	Modalias string    `yaml:"modalias" max:"256" doc:"A modalias pattern as in modules.alias; * and ? are wild."`
}

// HIDMatch recognises HID devices.
type HIDMatch struct {
	Bus     Bus   `yaml:"bus" doc:"usb, bluetooth, i2c, spi, virtual, a number, or any (default)."`
	Group   Group `yaml:"group" doc:"generic, multitouch, multitouch-win8, a number, or any (default)."`
	Vendor  ID    `yaml:"vendor" doc:"Vendor id, or any."`
	Product ID    `yaml:"product" doc:"Product id, or any."`
}

// NetMatch recognises network interfaces.
type NetMatch struct {
	Name   string `yaml:"name" max:"64" doc:"Interface name; * and ? are wild."`
	Driver string `yaml:"driver" max:"64" doc:"Kernel driver of the interface."`
	Kind   string `yaml:"kind" max:"64" doc:"Link kind, as ip -d link shows it (veth, netkit, ...)."`
}

// ExtensionPoint is one place where the kernel calls the driver.
type ExtensionPoint struct {
	StructOps     string   `yaml:"structOps" pattern:"[A-Za-z_][A-Za-z0-9_]*" max:"127" doc:"A struct_ops table, such as hid_bpf_ops."`
	Variable      string   `yaml:"variable" pattern:"[A-Za-z_][A-Za-z0-9_]*" max:"127" doc:"The object's variable of that type; may be left out when there is only one."`
	Program       string   `yaml:"program" max:"64" doc:"A program hook, such as xdp, tcx or netkit."`
	Function      string   `yaml:"function" pattern:"[A-Za-z_][A-Za-z0-9_]*" max:"127" doc:"The object's program for that hook; may be left out when there is only one."`
	Optional      bool     `yaml:"optional" doc:"Leave this extension point out on kernels that lack it."`
	OptionalSlots []string `yaml:"optionalSlots" pattern:"[A-Za-z_][A-Za-z0-9_]*" max:"127" doc:"Slots to leave out on kernels whose table lacks them."`
	Attach        *Attach  `yaml:"attach" doc:"Where to attach it."`
}

// Attach says where an extension point is attached. Which fields apply depends
// on the extension point.
type Attach struct {
	Interface string `yaml:"interface" max:"15" doc:"Network interface."`
	Direction string `yaml:"direction" enum:"ingress|egress" doc:"Direction, for tcx."`
	Netns     string `yaml:"netns" max:"255" doc:"Network namespace: a name under /run/netns or a path."`
	Parent    string `yaml:"parent" pattern:"root|[0-9a-fA-F]{1,4}:[0-9a-fA-F]{0,4}" doc:"Parent of a qdisc: root or MAJOR:MINOR."`
	Mode      string `yaml:"mode" enum:"native|generic|offload" doc:"How XDP is attached; without it the kernel chooses."`
	Peer      bool   `yaml:"peer" doc:"Attach to the peer end, for netkit."`
	Default   bool   `yaml:"default" doc:"Make a congestion control or qdisc the default of the namespace."`
	Cgroup    string `yaml:"cgroup" max:"1024" doc:"Control group, for cgroup hooks."`
}

// Parameter is one option of the driver.
type Parameter struct {
	Name        string   `yaml:"-" doc:"The parameter's name: the key."`
	Type        string   `yaml:"type" need:"required" enum:"bool|int|uint|enum|string" doc:"Type of the value."`
	Default     *Literal `yaml:"default" doc:"Value when the user sets none; without it the object's own initial value stays."`
	Min         *Literal `yaml:"min" doc:"Least value, for int and uint."`
	Max         *Literal `yaml:"max" doc:"Greatest value, for int and uint."`
	Values      Choices  `yaml:"values" doc:"Names an enum may take, with the number each stands for."`
	MaxLength   int64    `yaml:"maxLength" min:"0" max:"4095" doc:"Longest string, in bytes without the closing NUL; default: what the variable holds."`
	Variable    string   `yaml:"variable" pattern:"[A-Za-z_][A-Za-z0-9_]*" max:"127" doc:"The object's constant, if it is not called like the parameter."`
	Description string   `yaml:"description" max:"200" doc:"What it does, in one line."`
}

// Requires is what a kernel must have.
type Requires struct {
	Kernel  Range    `yaml:"kernel" doc:"Releases, as in \">=6.12\" or \">=6.12 <7.3\"."`
	Kfuncs  []string `yaml:"kfuncs" pattern:"[A-Za-z_][A-Za-z0-9_]*" max:"127" doc:"Kernel functions that must be callable."`
	Config  []string `yaml:"config" pattern:"CONFIG_[A-Za-z0-9_]+" max:"127" doc:"Options that must be built in or built as modules."`
	Modules []string `yaml:"modules" pattern:"[A-Za-z0-9_-]+" max:"64" doc:"Modules that must be loaded."`
}

// Policy is what the author asks for.
type Policy struct {
	Target   string   `yaml:"target" enum:"auto|kernel|host" doc:"Where to insert: the running kernel, the user-space host, or whichever serves (auto, the default)."`
	GPL      string   `yaml:"gpl" enum:"allow|require|forbid" doc:"Whether the object must be (require) or must not be (forbid) GPL-compatible."`
	Licenses []string `yaml:"licenses" max:"64" doc:"Licence strings the object may carry; default: any that agrees with license."`
	Kfuncs   []string `yaml:"kfuncs" pattern:"[A-Za-z_*?][A-Za-z0-9_*?]*" max:"127" doc:"Kernel functions the object may call, as patterns; default: any."`
}

// SoftDeps name other drivers.
type SoftDeps struct {
	Pre  []string `yaml:"pre" pattern:"[a-z0-9]+(-[a-z0-9]+)*" max:"64" doc:"Insert these before."`
	Post []string `yaml:"post" pattern:"[a-z0-9]+(-[a-z0-9]+)*" max:"64" doc:"Insert these after."`
}

// MaxSize is the largest manifest that is read.
const MaxSize = 1 << 20

// Load reads and validates a manifest file.
func Load(path string) (*Manifest, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read manifest: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, MaxSize+1))
	if err != nil {
		return nil, fmt.Errorf("read manifest: %w", err)
	}
	return Parse(path, data)
}

// File is the name the manifest was parsed under.
func (m *Manifest) File() string { return m.file }

// ObjectPath is where the object is: relative paths start at the manifest.
func (m *Manifest) ObjectPath() string {
	if filepath.IsAbs(m.Object) {
		return m.Object
	}
	return filepath.Join(filepath.Dir(m.file), filepath.FromSlash(m.Object))
}

// Parameter finds a parameter by name.
func (m *Manifest) Parameter(name string) *Parameter {
	for i := range m.Parameters {
		if m.Parameters[i].Name == name {
			return &m.Parameters[i]
		}
	}
	return nil
}

// Errorf makes an error about the value at a path such as
// "extensionPoints[0].structOps", for steps that find a mistake later.
func (m *Manifest) Errorf(path, format string, args ...any) *Error {
	p := Pos{1, 1}
	for at := path; ; { // a value that is not there is reported where it should be
		if q, ok := m.pos[at]; ok {
			p = q
			break
		}
		i := strings.LastIndexAny(at, ".[")
		if i < 0 {
			break
		}
		at = at[:i]
	}
	return &Error{File: m.file, Pos: p, Path: path, Message: fmt.Sprintf(format, args...)}
}
