// SPDX-License-Identifier: Apache-2.0

// Package kernel is the kernel target: it loads checked drivers into the running
// kernel, attaches them, pins them, and reads back what is there.
//
// The kernel is the state. An insertion is a folder of the bpf file system:
//
//	modbpf/DRIVER/INSTANCE/
//	    link-0, link-1, ...   one for each extension point; while a link is
//	                          pinned the kernel calls the driver
//	    gen-1/, gen-2/        a version each: maps, programs, struct_ops maps,
//	                          and last of all "meta", a frozen map that holds
//	                          the version's description
//
// Which generation is in force is not written down anywhere: the kernel says
// which struct_ops map or program each link acts on, and meta knows the numbers
// of its own. So there is no order of system calls in which a crash could leave
// a record that lies. A generation counts once its meta is pinned; an insertion
// exists once its links are pinned; everything else is litter that the next
// insert, upgrade or remove sweeps up.
package kernel

import (
	"errors"
	"time"

	"github.com/modbpf/modbpf/framework/exitcode"
)

// DefaultRoot is where the bpf file system belongs.
const DefaultRoot = "/sys/fs/bpf"

// Folder is the name of modbpf's folder in the bpf file system.
const Folder = "modbpf"

// Errors to be told apart with errors.Is. Each carries its exit code.
var (
	ErrNotInserted = exitcode.NotFound.With(errors.New("not inserted"))
	ErrBusy        = exitcode.Busy.With(errors.New("another modbpf is at work on this driver"))
	ErrForeign     = exitcode.Busy.With(errors.New("the place is taken by something that modbpf did not put there"))
	ErrOther       = exitcode.Busy.With(errors.New("another version or other settings are inserted"))
	ErrNoPrevious  = exitcode.NotFound.With(errors.New("there is no version before this one"))
	ErrNoSystem    = exitcode.Unsupported.With(errors.New("this system's kernel takes no BPF drivers: only Linux does"))
)

// Options say where the target's state is.
type Options struct {
	// Root is the mount point of the bpf file system; DefaultRoot if empty.
	Root string
	// Sysfs is where devices are looked up; /sys if empty.
	Sysfs string
	// Mount lets Open mount the bpf file system when it is missing.
	Mount bool
	// Wait is how long to wait for another modbpf that works on the same
	// driver; zero answers ErrBusy at once.
	Wait time.Duration
}

// State of an insertion.
type State string

// States.
const (
	Attached   State = "attached"   // the kernel calls the driver
	Detached   State = "detached"   // the kernel has let go of it: its device or interface went, or it was ejected
	Incomplete State = "incomplete" // an insert, upgrade or remove was interrupted
	Foreign    State = "foreign"    // not ours
)

// Insertion is a driver in the kernel, as the kernel has it.
type Insertion struct {
	Driver   string       `json:"driver"`
	Instance string       `json:"instance"`
	State    State        `json:"state"`
	Problem  string       `json:"problem,omitempty"`
	Points   []PointState `json:"points,omitempty"`
	Meta     *Meta        `json:"meta,omitempty"`     // of the generation in force
	Previous *Meta        `json:"previous,omitempty"` // what rollback returns to
	Path     string       `json:"path"`

	gen, prev int
	dir       string
	gens      map[int]*Meta
	links     int
}

// PointState is one extension point of an insertion.
type PointState struct {
	Point
	Link    uint32 `json:"link"`    // the link's number
	Current uint32 `json:"current"` // number of the map or program in force, 0 when detached
}

// Point is one extension point an insertion is attached to.
type Point struct {
	// Table and Variable are set for struct_ops, Hook and Program for programs.
	Table    string `json:"table,omitempty"`
	Variable string `json:"variable,omitempty"`
	Hook     string `json:"hook,omitempty"`
	Program  string `json:"program,omitempty"`

	Interface string `json:"interface,omitempty"`
	Netns     string `json:"netns,omitempty"`
	Attach    uint32 `json:"attach,omitempty"` // bpf attach type of a program
	Flags     uint32 `json:"flags,omitempty"`

	// ID is the number of the struct_ops map or program.
	ID uint32 `json:"id"`
	// Slots are the struct_ops members that have a program.
	Slots []string `json:"slots,omitempty"`
	// Name is what the kernel knows the point by: a congestion control's or
	// qdisc's name.
	Name string `json:"name,omitempty"`
	// Absent are slots left out because the kernel lacks them.
	Absent []string `json:"absent,omitempty"`
}

// what names a point for people.
func (p *Point) what() string {
	if p.Table != "" {
		return p.Table
	}
	if p.Interface != "" {
		return p.Hook + " on " + p.Interface
	}
	return p.Hook
}

// SameVersion reports whether two readings found the same generation in force.
func (in *Insertion) SameVersion(o *Insertion) bool { return in.gen == o.gen }
