// SPDX-License-Identifier: Apache-2.0

package world

import "github.com/modbpf/modbpf/framework/host/mem"

// Lists and trees in program memory, laid out as the kernel's: bpf_list_head is
// {next, prev}; bpf_list_node is {next, prev, owner}; bpf_rb_root is
// {root, leftmost}; bpf_rb_node is {parent, right, left, owner}. A list head
// that was never used is zero, as fresh map memory is, and counts as empty.
// owner is the head or root a node belongs to, so that a node cannot be taken
// off a collection it isn't in.

// ListInit makes p an empty list (or a node that is in none).
func ListInit(p uintptr) {
	*mem.Word(p) = p
	*mem.Word(p + 8) = p
}

// ListEmpty reports whether a list has no nodes.
func ListEmpty(head uintptr) bool { n := *mem.Word(head); return n == 0 || n == head }

// ListPush adds a node at the front or the back; it does not touch the owner.
func ListPush(head, node uintptr, back bool) {
	if *mem.Word(head) == 0 {
		ListInit(head)
	}
	prev := head
	if back {
		prev = *mem.Word(head + 8)
	}
	listInsert(prev, node)
}

func listInsert(prev, node uintptr) {
	next := *mem.Word(prev)
	*mem.Word(node) = next
	*mem.Word(node + 8) = prev
	*mem.Word(next + 8) = node
	*mem.Word(prev) = node
}

// ListPop takes a node off the front or the back, 0 if there is none.
func ListPop(head uintptr, front bool) uintptr {
	if ListEmpty(head) {
		return 0
	}
	n := *mem.Word(head)
	if !front {
		n = *mem.Word(head + 8)
	}
	ListRemove(n)
	return n
}

// ListRemove takes a node off the list it is in.
func ListRemove(node uintptr) {
	next, prev := *mem.Word(node), *mem.Word(node + 8)
	*mem.Word(prev) = next
	*mem.Word(next + 8) = prev
	ListInit(node)
}

// The tree is a treap: a binary search tree in which every node also has a
// priority, here a hash of its address, and no child's is above its parent's
// (Seidel and Aragon, "Randomized search trees", 1996). It needs no colour bits
// and keeps the expected depth logarithmic. Programs see its order only.
const (
	rbParent = 0
	rbRight  = 8
	rbLeft   = 16
	// RBOwner is where a node notes the root it is in.
	RBOwner = 24
	// ListOwner is where a list node notes the head it is in.
	ListOwner = 16
)

func priority(n uintptr) uint64 {
	x := uint64(n) * 0x9e3779b97f4a7c15
	return x ^ x>>32
}

func word(p uintptr) uintptr   { return *mem.Word(p) }
func set(p uintptr, v uintptr) { *mem.Word(p) = v }

// TreeClear makes n a node that is in no tree.
func TreeClear(n uintptr) { set(n+rbParent, n); set(n+rbRight, 0); set(n+rbLeft, 0) }

// TreeInsert adds a node; less(a, b) orders them. Equal nodes keep the order
// of insertion. It reports an error of less at once, the node not inserted.
func TreeInsert(root, node uintptr, less func(a, b uintptr) (bool, error)) error {
	parent, link, leftmost := uintptr(0), root, true
	for at := word(link); at != 0; at = word(link) {
		parent = at
		l, err := less(node, at)
		if err != nil {
			return err
		}
		if l {
			link = at + rbLeft
		} else {
			link, leftmost = at+rbRight, false
		}
	}
	set(node+rbParent, parent)
	set(node+rbLeft, 0)
	set(node+rbRight, 0)
	set(link, node)
	if leftmost {
		set(root+8, node)
	}
	for p := word(node + rbParent); p != 0 && priority(node) > priority(p); p = word(node + rbParent) {
		rotateUp(root, node, p)
	}
	return nil
}

// rotateUp makes node the parent of p, its parent.
func rotateUp(root, node, p uintptr) {
	g := word(p + rbParent)
	if word(p+rbLeft) == node {
		moveChild(p, rbLeft, node, rbRight)
	} else {
		moveChild(p, rbRight, node, rbLeft)
	}
	set(p+rbParent, node)
	set(node+rbParent, g)
	replaceChild(root, g, p, node)
}

// moveChild gives node's child on side from to p's side to and hangs p there.
func moveChild(p, to, node, from uintptr) {
	c := word(node + from)
	set(p+to, c)
	if c != 0 {
		set(c+rbParent, p)
	}
	set(node+from, p)
}

func replaceChild(root, parent, old, to uintptr) {
	switch {
	case parent == 0:
		set(root, to)
	case word(parent+rbLeft) == old:
		set(parent+rbLeft, to)
	default:
		set(parent+rbRight, to)
	}
}

// TreeRemove takes a node out of the tree it is in.
func TreeRemove(root, node uintptr) {
	if word(root+8) == node {
		set(root+8, TreeNext(node))
	}
	for {
		l, r := word(node+rbLeft), word(node+rbRight)
		if l == 0 || r == 0 {
			c := l + r // the only child, if any
			p := word(node + rbParent)
			replaceChild(root, p, node, c)
			if c != 0 {
				set(c+rbParent, p)
			}
			TreeClear(node)
			return
		}
		if priority(l) > priority(r) {
			rotateUp(root, l, node)
		} else {
			rotateUp(root, r, node)
		}
	}
}

// TreeFirst is the smallest node, 0 in an empty tree.
func TreeFirst(root uintptr) uintptr { return word(root + 8) }

// TreeRoot, TreeLeft and TreeRight walk the tree; 0 where it ends.
func TreeRoot(root uintptr) uintptr  { return word(root) }
func TreeLeft(node uintptr) uintptr  { return word(node + rbLeft) }
func TreeRight(node uintptr) uintptr { return word(node + rbRight) }

// TreeNext is the node after, 0 at the end.
func TreeNext(n uintptr) uintptr {
	if r := word(n + rbRight); r != 0 {
		for l := word(r + rbLeft); l != 0; l = word(r + rbLeft) {
			r = l
		}
		return r
	}
	for p := word(n + rbParent); p != 0; n, p = p, word(p+rbParent) {
		if word(p+rbLeft) == n {
			return p
		}
	}
	return 0
}
