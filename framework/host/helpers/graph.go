// SPDX-License-Identifier: Apache-2.0

package helpers

import (
	"sync/atomic"

	"github.com/modbpf/modbpf/btf"
	"github.com/modbpf/modbpf/framework/host/maps"
	"github.com/modbpf/modbpf/framework/host/mem"
	"github.com/modbpf/modbpf/framework/host/world"
	"github.com/modbpf/modbpf/jit"
)

// Objects programs allocate, and the lists and trees they keep them in. The
// kernel has each name with and without _impl; the arguments that the kernel's
// verifier fills in (type record, offset of the node) are not needed here, an
// object knows its type.
var objectKfuncs = []Kfunc{
	{"bpf_obj_new", objNew},
	{"bpf_obj_new_impl", objNew},
	{"bpf_obj_drop", objDrop},
	{"bpf_obj_drop_impl", objDrop},
	{"bpf_percpu_obj_new", percpuObjNew},
	{"bpf_percpu_obj_new_impl", percpuObjNew},
	{"bpf_percpu_obj_drop", objDrop},
	{"bpf_percpu_obj_drop_impl", objDrop},
	{"bpf_refcount_acquire", refAcquire},
	{"bpf_refcount_acquire_impl", refAcquire},
	{"bpf_list_push_front", listPushFront},
	{"bpf_list_push_front_impl", listPushFront},
	{"bpf_list_push_back", listPushBack},
	{"bpf_list_push_back_impl", listPushBack},
	{"bpf_list_add", listAdd},
	{"bpf_list_pop_front", listPopFront},
	{"bpf_list_pop_back", listPopBack},
	{"bpf_list_del", listDel},
	{"bpf_list_front", listFront},
	{"bpf_list_back", listBack},
	{"bpf_list_is_first", listIsFirst},
	{"bpf_list_is_last", listIsLast},
	{"bpf_list_empty", listEmpty},
	{"bpf_rbtree_add", treeAdd},
	{"bpf_rbtree_add_impl", treeAdd},
	{"bpf_rbtree_remove", treeRemove},
	{"bpf_rbtree_first", treeFirst},
	{"bpf_rbtree_root", treeRoot},
	{"bpf_rbtree_left", treeLeft},
	{"bpf_rbtree_right", treeRight},
}

func objects(f *jit.Frame) *world.Objects { return run(f).World.Objects }

func typeOf(f *jit.Frame, id uint64) *world.Type {
	p := f.Code.Checked().Program()
	if p.BTF == nil {
		return nil
	}
	t, err := objects(f).Type(p.BTF, btf.ID(id))
	if err != nil {
		return nil
	}
	return t
}

func objNew(f *jit.Frame, id, _, _, _, _ uint64) uint64 {
	t := typeOf(f, id)
	if t == nil {
		return 0
	}
	return uint64(objects(f).New(t))
}

func percpuObjNew(f *jit.Frame, id, _, _, _, _ uint64) uint64 {
	t := typeOf(f, id)
	if t == nil {
		return 0
	}
	return uint64(objects(f).NewPercpu(t))
}

func objDrop(f *jit.Frame, p, _, _, _, _ uint64) uint64 {
	objects(f).Drop(uintptr(p))
	return 0
}

func refAcquire(f *jit.Frame, p, _, _, _, _ uint64) uint64 {
	objects(f).Acquire(uintptr(p))
	return p
}

// claim makes a node belong to a list or tree; false if it is in one already.
func claim(f *jit.Frame, owner *uintptr, by uintptr, node uintptr) bool {
	if atomic.CompareAndSwapUintptr(owner, 0, by) {
		return true
	}
	// The kernel drops what it cannot add.
	if base := objects(f).Base(node); base != 0 {
		objects(f).Drop(base)
	}
	return false
}

func listOwner(node uintptr) *uintptr { return mem.Word(node + world.ListOwner) }

func listPushFront(f *jit.Frame, head, node, _, _, _ uint64) uint64 {
	return listPush(f, uintptr(head), uintptr(node), false)
}

func listPushBack(f *jit.Frame, head, node, _, _, _ uint64) uint64 {
	return listPush(f, uintptr(head), uintptr(node), true)
}

func listPush(f *jit.Frame, head, node uintptr, back bool) uint64 {
	if !claim(f, listOwner(node), head, node) {
		return maps.EINVAL.R0()
	}
	world.ListPush(head, node, back)
	return 0
}

// listAdd inserts a node behind another of the same list, or at the front when
// that is the head.
func listAdd(f *jit.Frame, head, node, prev, _, _ uint64) uint64 {
	h, n, p := uintptr(head), uintptr(node), uintptr(prev)
	if *mem.Word(h) == 0 {
		world.ListInit(h)
	}
	if p != h && *listOwner(p) != h {
		if base := objects(f).Base(n); base != 0 {
			objects(f).Drop(base)
		}
		return maps.EINVAL.R0()
	}
	if !claim(f, listOwner(n), h, n) {
		return maps.EINVAL.R0()
	}
	world.ListPush(p, n, false)
	return 0
}

func listPopFront(_ *jit.Frame, head, _, _, _, _ uint64) uint64 { return listPop(uintptr(head), true) }

func listPopBack(_ *jit.Frame, head, _, _, _, _ uint64) uint64 { return listPop(uintptr(head), false) }

func listPop(head uintptr, front bool) uint64 {
	n := world.ListPop(head, front)
	if n != 0 {
		atomic.StoreUintptr(listOwner(n), 0)
	}
	return uint64(n)
}

func listDel(_ *jit.Frame, head, node, _, _, _ uint64) uint64 {
	n := uintptr(node)
	if *listOwner(n) != uintptr(head) {
		return 0
	}
	world.ListRemove(n)
	atomic.StoreUintptr(listOwner(n), 0)
	return node
}

func listFront(_ *jit.Frame, head, _, _, _, _ uint64) uint64 {
	if world.ListEmpty(uintptr(head)) {
		return 0
	}
	return *mem.U64(uintptr(head))
}

func listBack(_ *jit.Frame, head, _, _, _, _ uint64) uint64 {
	if world.ListEmpty(uintptr(head)) {
		return 0
	}
	return *mem.U64(uintptr(head) + 8)
}

func listIsFirst(f *jit.Frame, head, node, _, _, _ uint64) uint64 {
	return Bool(*listOwner(uintptr(node)) == uintptr(head) && listFront(f, head, 0, 0, 0, 0) == node)
}

func listIsLast(f *jit.Frame, head, node, _, _, _ uint64) uint64 {
	return Bool(*listOwner(uintptr(node)) == uintptr(head) && listBack(f, head, 0, 0, 0, 0) == node)
}

func listEmpty(_ *jit.Frame, head, _, _, _, _ uint64) uint64 {
	return Bool(world.ListEmpty(uintptr(head)))
}

func treeOwner(node uintptr) *uintptr { return mem.Word(node + world.RBOwner) }

func treeAdd(f *jit.Frame, root, node, less, _, _ uint64) uint64 {
	n := uintptr(node)
	if !claim(f, treeOwner(n), uintptr(root), n) {
		return maps.EINVAL.R0()
	}
	err := world.TreeInsert(uintptr(root), n, func(a, b uintptr) (bool, error) {
		r, err := f.Call(less, uint64(a), uint64(b), 0, 0, 0)
		return r != 0, err
	})
	if err != nil { // the program unwinds; the node is in no tree
		*treeOwner(n) = 0
		return maps.EINVAL.R0()
	}
	return 0
}

func treeRemove(_ *jit.Frame, root, node, _, _, _ uint64) uint64 {
	n := uintptr(node)
	if *treeOwner(n) != uintptr(root) {
		return 0
	}
	world.TreeRemove(uintptr(root), n)
	atomic.StoreUintptr(treeOwner(n), 0)
	return node
}

func treeFirst(_ *jit.Frame, root, _, _, _, _ uint64) uint64 {
	return uint64(world.TreeFirst(uintptr(root)))
}

func treeRoot(_ *jit.Frame, root, _, _, _, _ uint64) uint64 {
	return uint64(world.TreeRoot(uintptr(root)))
}

func treeLeft(_ *jit.Frame, root, node, _, _, _ uint64) uint64 {
	if *treeOwner(uintptr(node)) != uintptr(root) {
		return 0
	}
	return uint64(world.TreeLeft(uintptr(node)))
}

func treeRight(_ *jit.Frame, root, node, _, _, _ uint64) uint64 {
	if *treeOwner(uintptr(node)) != uintptr(root) {
		return 0
	}
	return uint64(world.TreeRight(uintptr(node)))
}
