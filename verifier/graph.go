// SPDX-License-Identifier: Apache-2.0

package verifier

// Linked lists and red-black trees of allocated objects. A root owns what is
// added to it; adding takes a reference, removing gives one. Every operation
// needs the lock that lies beside the root. What a root contains is fixed by
// its contains tag.

// kfuncRoot judges a list head or tree root argument.
func (e *env) kfuncRoot(c *kfuncCall, regno int, kind kfKind, m *kfuncMeta) *Diagnostic {
	r := &e.cur.regs()[regno]
	fk := fListHead
	if kind == kfRBRoot {
		fk = fRBRoot
	}
	if r.Type != ptrToMapValue && r.Type != ptrToBTFID|memAlloc {
		return e.errf(CodeGraphRoot, "arg#%d expected pointer to map value or allocated object", regno-1)
	}
	if r.Type == ptrToBTFID|memAlloc && r.RefObj == 0 {
		return e.errf(CodeKfuncOwned, "allocated object must be referenced")
	}
	if kind == kfListHead && !c.special.isListAPI() || kind == kfRBRoot && !c.special.isRBAPI() {
		return e.errf(CodeInternal, "%v argument of %s", fk, c.Name)
	}
	if !r.isConst() {
		return e.errf(CodeGraphRoot, "R%d doesn't have constant offset. %v has to be at the constant offset", regno, fk)
	}
	rec := e.regRecord(r)
	f := rec.at(r.constOff(), fk)
	if f == nil {
		return e.errf(CodeGraphRoot, "%v not found at offset=%d", fk, r.constOff())
	}
	if !e.lockedWith(r) {
		d := e.errf(CodeGraphLock, "bpf_spin_lock at off=%d must be held for %v", rec.offset(fSpinLock|fResSpinLock), fk)
		if e.cur.ActiveLocks > 0 {
			d.Contract = "held lock and object are not in the same allocation"
		}
		return d
	}
	e.noteTouch(r)
	m.list = f
	return nil
}

// kfuncNode judges a list or tree node argument: it must be the node that the
// root before it contains.
func (e *env) kfuncNode(c *kfuncCall, a *kfArg, regno int, kind kfKind, m *kfuncMeta) *Diagnostic {
	r := &e.cur.regs()[regno]
	fk, rootKind := fListNode, fListHead
	if kind == kfRBNode {
		fk, rootKind = fRBNode, fRBRoot
	}
	own := func() *Diagnostic {
		if r.Type != ptrToBTFID|memAlloc {
			return e.errf(CodeGraphNode, "arg#%d expected pointer to allocated object", regno-1)
		}
		if r.RefObj == 0 {
			return e.errf(CodeKfuncOwned, "allocated object must be referenced")
		}
		return nil
	}
	nonOwning := r.Type.isAllocBTF() && r.Type.has(nonOwnRef)
	switch {
	case kind == kfListNode && a.nonOwn && nonOwning && r.RefObj == 0:
	case kind == kfListNode || c.special == skRBAdd:
		if d := own(); d != nil {
			return d
		}
	default:
		if e.has(FeatRBWalk) {
			if !nonOwning && r.RefObj == 0 {
				return e.errf(CodeGraphBorrow, "%s can only take non-owning or refcounted bpf_rb_node pointer", c.Name)
			}
		} else if !nonOwning || r.RefObj != 0 {
			return e.errf(CodeGraphBorrow, "rbtree_remove node input must be non-owning ref")
		}
		if e.inRBTreeCallback() {
			return e.errf(CodeGraphBorrow, "%s not allowed in rbtree cb", c.Name)
		}
	}
	if !r.isConst() {
		return e.errf(CodeGraphNode, "R%d doesn't have constant offset. %v has to be at the constant offset", regno, fk)
	}
	off := r.constOff()
	if e.regRecord(r).at(off, fk) == nil {
		return e.errf(CodeGraphNode, "%v not found at offset=%d", fk, off)
	}
	root := m.list
	if root == nil {
		return e.errf(CodeInternal, "node without a root")
	}
	if !structMatches(e.btfOf(r), r.BTFID, 0, root.btf, root.id, true, false) {
		return e.errf(CodeGraphType, "operation on %v expects arg#1 %v at offset=%d in struct %s, but arg is at offset=%d in struct %s",
			rootKind, fk, root.nodeOff, root.btf.Name(root.id), off, e.pointeeName(r))
	}
	if off != int64(root.nodeOff) {
		return e.errf(CodeGraphType, "arg#1 offset=%d, but expected %v at offset=%d in struct %s", off, fk, root.nodeOff, root.btf.Name(root.id))
	}
	m.argBTF, m.argID = r.BTF, r.BTFID
	return nil
}

// markNode makes a register a pointer to the node of what a root contains.
func (e *env) markNode(r *Reg, root *field) {
	r.markPtr(ptrToBTFID | memAlloc)
	r.BTF, r.BTFID = e.btfRefOf(root.btf), root.id
	r.Off = int32(root.nodeOff)
}

// inRBTreeCallback reports whether the path is inside the comparison callback of
// an addition to a tree, which runs with the tree's lock held.
func (e *env) inRBTreeCallback() bool {
	for i := e.cur.Cur; i > 0; i-- {
		f := e.cur.Frames[i]
		if !f.InCallback || f.Callsite < 0 {
			continue
		}
		if k := e.aux[f.Callsite].kfunc; k != nil && k.special.isRBAPI() {
			return true
		}
	}
	return false
}
