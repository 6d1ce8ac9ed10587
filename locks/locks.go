// SPDX-License-Identifier: Apache-2.0

// Package locks holds the rules of BPF's critical sections as data and the
// state machine that applies them: which lock may be taken while which is held,
// in what order locks are given back, what may be called in between. The
// verifier asks it at every lock operation and call; what it learned of a
// driver's locks is handed on as Facts, for analyses across drivers.
package locks

import "fmt"

// Kind is a kind of critical section.
type Kind uint8

// Kinds of critical sections a program can open.
const (
	Spin       Kind = iota // bpf_spin_lock: one at a time
	ResSpin                // bpf_res_spin_lock: may nest, may fail, the kernel detects deadlock
	ResSpinIRQ             // bpf_res_spin_lock_irqsave
	RCU                    // bpf_rcu_read_lock
	Preempt                // bpf_preempt_disable
	IRQ                    // bpf_local_irq_save
	nKinds
)

// Rule is what holds in a critical section.
type Rule struct {
	Kind    Kind
	Name    string // the operation, for messages: "bpf_spin_lock"
	Region  string // as the kernel calls the region
	Lock    bool   // a lock on an object, rather than a state of the CPU
	Nests   bool   // may be entered again while held (another object, for locks)
	Sleep   bool   // a sleeping call is allowed inside
	Helpers bool   // helpers may be called inside
	Exit    bool   // the program may end inside
	Lifo    bool   // ends in the reverse order of beginnings
}

var rules = [nKinds]Rule{
	Spin:       {Kind: Spin, Name: "bpf_spin_lock", Region: "bpf_spin_lock-ed region", Lock: true, Lifo: true},
	ResSpin:    {Kind: ResSpin, Name: "bpf_res_spin_lock", Region: "bpf_spin_lock-ed region", Lock: true, Nests: true, Lifo: true},
	ResSpinIRQ: {Kind: ResSpinIRQ, Name: "bpf_res_spin_lock_irqsave", Region: "bpf_spin_lock-ed region", Lock: true, Nests: true, Lifo: true},
	RCU:        {Kind: RCU, Name: "bpf_rcu_read_lock", Region: "bpf_rcu_read_lock-ed region", Nests: true, Helpers: true},
	Preempt:    {Kind: Preempt, Name: "bpf_preempt_disable", Region: "bpf_preempt_disable-ed region", Nests: true, Helpers: true},
	IRQ:        {Kind: IRQ, Name: "bpf_local_irq_save", Region: "bpf_local_irq_save-ed region", Nests: true, Helpers: true, Lifo: true},
}

// RuleOf is the rule of a kind.
func RuleOf(k Kind) *Rule { return &rules[k] }

func (k Kind) String() string { return rules[k].Name }

// Object is what a lock lies in: two locks are the same lock only if Owner and
// ID agree. Owner is a map or a blob of types, as the verifier numbers them; ID
// tells look-ups and allocations apart, 0 for the single value of a data section.
type Object struct {
	Owner int64
	ID    uint32
}

// Held is one critical section that is open.
type Held struct {
	Kind   Kind
	Object Object
	Insn   int
}

// Violation is a rule that is broken.
type Violation uint8

// Violations.
const (
	OK Violation = iota
	SecondSpin
	SameAgain
	NotHeld
	WrongObject
	OutOfOrder
)

// Acquire judges taking a lock with those held, innermost last.
func Acquire(held []Held, k Kind, o Object) Violation {
	for i := range held {
		h := &held[i]
		if !rules[h.Kind].Lock {
			continue
		}
		if !rules[k].Nests && h.Kind == k {
			return SecondSpin
		}
		if rules[k].Nests && h.Kind != Spin && h.Object == o {
			return SameAgain
		}
	}
	return OK
}

// Release judges giving a lock back: it must be held, as that kind, and be the
// innermost of all locks.
func Release(held []Held, k Kind, o Object) Violation {
	any, found, inner := false, false, -1
	for i := range held {
		h := &held[i]
		if !rules[h.Kind].Lock {
			continue
		}
		any, inner = true, i
		if h.Kind == k && h.Object == o {
			found = true
		}
	}
	switch {
	case !any:
		return NotHeld
	case !found:
		return WrongObject
	case held[inner].Object != o:
		return OutOfOrder
	}
	return OK
}

// Guards reports whether a lock of an object is held.
func Guards(held []Held, o Object) bool {
	for i := range held {
		if rules[held[i].Kind].Lock && held[i].Object == o {
			return true
		}
	}
	return false
}

// inSpin are the helpers that may be called while a lock is held; all others
// are forbidden, because they might take locks of their own.
var inSpin = map[string]bool{"spin_lock": true, "spin_unlock": true, "kptr_xchg": true}

// HelperAllowed reports whether a helper may be called while a lock is held.
// sinceKptr says that the kernel allows bpf_kptr_xchg there.
func HelperAllowed(name string, sinceKptr bool) bool {
	return inSpin[name] && (name != "kptr_xchg" || sinceKptr)
}

// inSpinKfuncs are the kfuncs that may be called while a lock is held on
// kernels that have no flag for it; later ones say it by KF_SPINLOCK_SAFE.
var inSpinKfuncs = map[string]bool{
	"bpf_list_push_front_impl": true, "bpf_list_push_back_impl": true, "bpf_list_pop_front": true, "bpf_list_pop_back": true,
	"bpf_list_push_front": true, "bpf_list_push_back": true,
	"bpf_list_front": true, "bpf_list_back": true, "bpf_rbtree_add_impl": true, "bpf_rbtree_add": true, "bpf_rbtree_remove": true,
	"bpf_rbtree_first": true, "bpf_rbtree_root": true, "bpf_rbtree_left": true, "bpf_rbtree_right": true,
	"bpf_iter_num_new": true, "bpf_iter_num_next": true, "bpf_iter_num_destroy": true,
	"bpf_res_spin_lock": true, "bpf_res_spin_unlock": true, "bpf_res_spin_lock_irqsave": true, "bpf_res_spin_unlock_irqrestore": true,
	"bpf_arena_alloc_pages": true, "bpf_arena_free_pages": true, "bpf_arena_reserve_pages": true,
	"bpf_stream_vprintk": true, "bpf_stream_vprintk_impl": true, "bpf_stream_print_stack": true,
}

// KfuncAllowed reports whether a kfunc without the flag may be called while a lock is held.
func KfuncAllowed(name string) bool { return inSpinKfuncs[name] }

// Class names a lock for analyses: the map and field it lies in, or the type.
type Class struct {
	Map   string `json:"map,omitempty"`  // the map whose values hold it
	Type  string `json:"type,omitempty"` // the type of the allocated object that holds it
	Field string `json:"field"`          // "bpf_spin_lock" or "bpf_res_spin_lock"
	Off   int64  `json:"offset"`
}

func (c Class) String() string {
	owner := "map " + c.Map
	if c.Map == "" {
		owner = "struct " + c.Type
	}
	return fmt.Sprintf("%s of %s", c.Field, owner)
}

// Fact is one place where a driver takes a lock.
type Fact struct {
	Class   Class    `json:"class"`
	Kind    string   `json:"kind"`
	Program string   `json:"program"`
	Insn    int      `json:"insn"`
	File    string   `json:"file,omitempty"`
	Line    int      `json:"line,omitempty"`
	Context string   `json:"context,omitempty"` // where the program runs, as its slot says
	Held    []Class  `json:"held,omitempty"`    // classes already held: an order between locks
	Touches []string `json:"touches,omitempty"` // roots changed under it, "map.offset"
}

// Order is a pair of classes taken one inside the other.
type Order struct {
	Outer, Inner Class
	Program      string
	Insn         int
}

// Orders lists the nestings of a set of facts.
func Orders(facts []Fact) []Order {
	var out []Order
	for _, f := range facts {
		for _, h := range f.Held {
			out = append(out, Order{h, f.Class, f.Program, f.Insn})
		}
	}
	return out
}

// Inversions finds pairs of classes that are taken in both orders: with two
// programs running at once that can deadlock.
func Inversions(orders []Order) [][2]Order {
	first := map[[2]Class]Order{}
	for _, o := range orders {
		k := [2]Class{o.Outer, o.Inner}
		if _, ok := first[k]; !ok {
			first[k] = o
		}
	}
	var out [][2]Order
	seen := map[[2]Class]bool{}
	for _, o := range orders {
		k := [2]Class{o.Outer, o.Inner}
		rev := [2]Class{o.Inner, o.Outer}
		if r, ok := first[rev]; ok && k != rev && !seen[k] && !seen[rev] {
			seen[k] = true
			out = append(out, [2]Order{o, r})
		}
	}
	return out
}
