// SPDX-License-Identifier: Apache-2.0

package verifier

// Codes of the typed rules. Numbers are only ever added, at the end of a group.

// Special fields of map values and objects, and kernel pointers in them.
const (
	CodeMapFields Code = 2101 + iota
	CodeFieldAccess
	CodeKptrAccess
	CodeKptrType
	CodeKptrXchg
	CodeMapFieldArg
)

// Pointers to kernel types.
const (
	CodePtrOffset Code = 2201 + iota
	CodeBTFWalk
	CodeBTFBeyond
	CodeBTFPtrPart
	CodeBTFNoField
	CodeBTFOffset
	CodeBTFUser
	CodeBTFPercpu
	CodeBTFWrite
	CodeBTFArgType
	CodeMapPtr
	CodeKsym
)

// Attach targets and contexts described by BTF.
const (
	CodeAttach Code = 2301 + iota
	CodeStructOpsSlot
	CodeSleepable
	CodeCtxAccess
	CodeCtxType
	CodeReturnPtr
)

// Calls of kernel functions.
const (
	CodeKfuncGone Code = 2401 + iota
	CodeKfuncProto
	CodeKfuncDenied
	CodeKfuncNull
	CodeKfuncRelease
	CodeKfuncScalar
	CodeKfuncConst
	CodeKfuncArgType
	CodeKfuncMap
	CodeKfuncMapOther
	CodeKfuncMapValue
	CodeKfuncTrust
	CodeKfuncCtx
	CodeKfuncStr
	CodeKfuncCallback
	CodeKfuncAlloc
	CodeKfuncOwned
	CodeKfuncRefcount
	CodeObjNew
	CodeCast
	CodeTrap
	CodePacketWrite
	CodeKfuncDevice
)

// References.
const (
	CodeRefUnknown Code = 2501 + iota
	CodeRefLeak
	CodeRefArg
	CodeLeakLock
	CodeLeakIrq
	CodeLeakRCU
	CodeLeakPreempt
)

// Dynptrs, iterators and other objects on the stack.
const (
	CodeStackObject Code = 2601 + iota
	CodeDynptrArg
	CodeDynptrInit
	CodeDynptrUninit
	CodeDynptrConst
	CodeDynptrKind
	CodeDynptrOverwrite
	CodeIterArg
	CodeIterInit
	CodeIterUninit
	CodeIterRCU
	CodeIterCss
	CodeIrqArg
	CodeIrqInit
	CodeIrqUninit
	CodeIrqClass
	CodeIrqOrder
)

// Locks and regions.
const (
	CodeLockArg Code = 2701 + iota
	CodeLockSecond
	CodeLockSame
	CodeUnlockNone
	CodeUnlockOther
	CodeUnlockOrder
	CodeLockInCallback
	CodeCallInLock
	CodeRCUNested
	CodeRCUUnmatched
	CodeRCUCallback
	CodeRCURequired
	CodePreemptUnmatched
	CodeSleepRegion
	CodeSleepProgram
)

// Lists and trees.
const (
	CodeGraphRoot Code = 2801 + iota
	CodeGraphLock
	CodeGraphNode
	CodeGraphBorrow
	CodeGraphType
)

// Licences.
const (
	CodeGPLProgram Code = 2901 + iota
	CodeGPLKfunc
	CodeGPLPointer
)

// Exceptions, arena, arguments of global functions.
const (
	CodeExceptionCB Code = 3001 + iota
	CodeArenaNone
	CodeArenaArg
	CodeGlobalArg
)

var _ = register([]CodeInfo{
	{CodeMapFields, "map-fields", "A map may hold only the special fields its type allows, and not where programs may not write.", "struct { __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY); ... } with a bpf_spin_lock in its value", []string{"map_check_btf"}, "use a map type that may hold the field"},
	{CodeFieldAccess, "field-access", "Special fields are opaque: plain loads and stores must not touch them.", "value->lock.val = 1;", []string{"cannot be accessed directly by load/store", "access cannot have variable offset", "access misaligned expected", "access size must be BPF_DW", "cannot be accessed indirectly by helper", "direct access to "}, "use the calls made for the field"},
	{CodeKptrAccess, "kptr-access", "A kernel pointer in a map is loaded and stored whole; a referenced one changes only by bpf_kptr_xchg.", "value->ref_ptr = p;", []string{"kptr in map can only be accessed using", "store to referenced kptr disallowed", "store to uptr disallowed", "BPF_ST imm must be 0 when storing to kptr"}, "use bpf_kptr_xchg"},
	{CodeKptrType, "kptr-type", "What is stored in a kernel pointer field must be a pointer of exactly the field's type.", "bpf_kptr_xchg(&v->task, cgroup)", []string{"invalid kptr access"}, "store a pointer of the field's type"},
	{CodeKptrXchg, "kptr-xchg", "bpf_kptr_xchg takes the address of a referenced kernel pointer field.", "bpf_kptr_xchg(&v->unref_ptr, p)", []string{"has no valid kptr", "doesn't point to kptr", "kptr isn't referenced kptr", "kptr has to be at the constant offset", "has to have BTF in order to use bpf_kptr_xchg"}, "mark the field __kptr and pass its address"},
	{CodeMapFieldArg, "map-field-arg", "Timers, workqueues and task work are passed by the exact address of the field in a map value.", "bpf_timer_init((void *)value + 4, ...)", []string{"has no valid bpf_timer", "has no valid bpf_wq", "has no valid bpf_task_work", "doesn't point to 'struct bpf_timer'", "doesn't point to 'struct bpf_wq'", "has to be at the constant offset", "has to have BTF in order to use"}, "pass &value->field"},
	{CodePtrOffset, "ptr-offset", "Such a pointer must be passed as it was got.", "bpf_obj_drop((void *)p + 8)", []string{"must have zero offset when passed to release func", "dereference of modified", "negative offset", "access var_off="}, "pass the pointer without arithmetic"},
	{CodeBTFWalk, "btf-walk", "A load through a kernel pointer must hit a field of its type.", "load from a type that is no struct", []string{"is not a struct", "doesn't have size", "has multiple type tags"}, ""},
	{CodeBTFBeyond, "btf-beyond", "A load through a kernel pointer stays within the struct.", "*(u64 *)((void *)task + 100000)", []string{"access beyond struct", "access beyond the end of member"}, "read the field by name, with CO-RE"},
	{CodeBTFPtrPart, "btf-ptr-part", "A pointer field is read whole.", "*(u32 *)&task->mm", []string{"cannot access ptr member"}, "read all eight bytes"},
	{CodeBTFNoField, "btf-no-field", "There is a field at the offset of a load.", "a load from padding", []string{"doesn't have field at offset"}, "read the field by name, with CO-RE"},
	{CodeBTFOffset, "btf-offset", "A kernel pointer is followed at a constant offset that is not negative.", "task[i].pid", []string{"invalid variable offset", "invalid negative access"}, "use a helper or kfunc to reach array elements"},
	{CodeBTFUser, "btf-user", "User memory is read by helpers.", "*ptr with __user", []string{"access user memory"}, "use bpf_probe_read_user or bpf_copy_from_user"},
	{CodeBTFPercpu, "btf-percpu", "Per-CPU memory is reached through bpf_per_cpu_ptr or bpf_this_cpu_ptr.", "*percpu_ptr", []string{"access percpu memory"}, "use bpf_this_cpu_ptr"},
	{CodeBTFWrite, "btf-write", "Kernel structures may be written only where the table says so.", "task->pid = 1;", []string{"only read is supported", "cannot write into", "no write support to", "write access at off"}, "use a kfunc that changes the field"},
	{CodeBTFArgType, "btf-arg-type", "A helper takes a pointer of the type its prototype says.", "bpf_get_task_stack(file, ...)", []string{"but struct", "is expected", "is of type"}, ""},
	{CodeMapPtr, "map-ptr", "Through a map pointer, fields of the kernel's struct may be read.", "map->max_entries = 1", []string{"map_ptr access not supported", "only read from", "invalid negative access"}, ""},
	{CodeKsym, "ksym", "A kernel symbol is a typed variable or a function.", "extern of a type that has no size", []string{"in ldimm64 isn't KIND_VAR", "failed to find the address for kernel symbol", "unable to resolve the size of type", "invalid module BTF object FD", "failed to resolve"}, ""},
	{CodeAttach, "attach", "What a program attaches to must exist, be allowed, and be of the program's kind.", "SEC(\"fentry/nosuch\")", []string{"Tracing programs must provide btf_id", "btf_id", "attach", "Attach", "is not modifiable", "Cannot", "not supported", "not allowed"}, ""},
	{CodeStructOpsSlot, "struct-ops-slot", "A struct_ops program fills a slot the kernel lets programs fill.", "get_info of tcp_congestion_ops", []string{"attach to unsupported member", "attach to invalid member", "Need a BTF ID of struct_ops", "is not supported", "not a supported struct_ops structure", "Module"}, "leave the slot out"},
	{CodeSleepable, "sleepable", "Only some programs may sleep, and only where the kernel can.", "SEC(\"xdp\") with BPF_F_SLEEPABLE", []string{"is not sleepable", "Only fentry/fexit/fmod_ret", "programs can be sleepable"}, ""},
	{CodeCtxAccess, "ctx-access", "A context is read in words of eight bytes at the places of arguments.", "*(u32 *)(ctx + 4)", []string{"invalid bpf_context access", "offset is not multiple of 8", "doesn't have", "-th argument", "Write to context", "cannot read beyond", "invalid access to"}, ""},
	{CodeCtxType, "ctx-type", "An argument of this type cannot be read.", "an argument that is a struct by value", []string{"type ", "is not a struct", "access beyond", "unsupported"}, ""},
	{CodeReturnPtr, "return-ptr", "The slot returns a kernel object by pointer: R0 must be a trusted pointer of that type or null.", "return (void *)1;", []string{"At program exit the register R0", "R0 leaks addr", "invalid return"}, ""},
	{CodeKfuncGone, "kfunc-gone", "The kernel has the function or type that is used.", "a weak kfunc that is called where the kernel lacks it", []string{"invalid kernel function call not eliminated"}, "guard the call with bpf_ksym_exists"},
	{CodeKfuncProto, "kfunc-proto", "The kernel can describe the function's arguments and result to itself.", "", []string{"invalid kernel function btf_id", "is not a function", "does not have a valid func_proto", "failed to find BTF for kernel function", "> 5 args", "Unrecognized arg", "size cannot be determined", "is not supported", "does not return PTR_TO_BTF_ID", "cannot find function"}, ""},
	{CodeKfuncDenied, "kfunc-denied", "A kernel function is registered for some program types and slots only.", "bpf_task_acquire from an XDP program", []string{"calling kernel function"}, "call it from a program type it is registered for"},
	{CodeKfuncNull, "kfunc-null", "A pointer passed to a kernel function must be known not to be null.", "bpf_task_release(bpf_task_from_pid(1))", []string{"Possibly NULL pointer passed to trusted"}, "check it for null first"},
	{CodeKfuncRelease, "kfunc-release", "A function that releases takes a reference.", "bpf_task_release(ctx_task)", []string{"expects refcounted PTR_TO_BTF_ID", "expects referenced PTR_TO_BTF_ID"}, "pass what an acquiring call returned"},
	{CodeKfuncScalar, "kfunc-scalar", "A number is passed where a number is taken.", "", []string{"is not a scalar"}, ""},
	{CodeKfuncConst, "kfunc-const", "The argument must be one known value.", "bpf_dynptr_slice(&d, 0, buf, n) with n unknown", []string{"must be a known constant", "is not a const", "buf_size exceeds u32 max", "2 or more rdonly/rdwr_buf_size"}, "pass a constant"},
	{CodeKfuncArgType, "kfunc-arg-type", "A pointer argument points to what the prototype says.", "bpf_task_acquire(cgroup)", []string{"expected pointer to", "must point to", "or socket", "args#", "pointer type", "expected struct", " expected "}, ""},
	{CodeKfuncMap, "kfunc-map", "A map is passed where a map is taken.", "", []string{"isn't map pointer"}, ""},
	{CodeKfuncMapOther, "kfunc-map-other", "A workqueue or timer is set up with the map that holds it.", "bpf_wq_init(&v->w, &other_map, 0)", []string{"doesn't match map pointer"}, "pass the map the value came from"},
	{CodeKfuncMapValue, "kfunc-map-value", "The field lies in a map value.", "bpf_wq_start on the stack", []string{"doesn't point to a map value"}, ""},
	{CodeKfuncTrust, "kfunc-trust", "A kernel function takes only pointers known to be valid: acquired, trusted, or RCU protected where it says so.", "bpf_task_acquire(task->parent)", []string{"must be referenced or trusted", "must be a rcu pointer"}, "acquire the object, or read it in an RCU section if the function takes RCU pointers"},
	{CodeKfuncCtx, "kfunc-ctx", "The context is passed as the program got it.", "", []string{"expected pointer to ctx", "kern ctx type id"}, ""},
	{CodeKfuncStr, "kfunc-str", "A constant string lies in read-only data.", "", []string{"doesn't point to a const string"}, ""},
	{CodeKfuncCallback, "kfunc-callback", "A callback is a function of the program.", "", []string{"expected pointer to func"}, ""},
	{CodeKfuncAlloc, "kfunc-alloc", "An allocated object is freed by the function that belongs to its kind.", "bpf_obj_drop(percpu_object)", []string{"expected for bpf_", "expected pointer to allocated object"}, ""},
	{CodeKfuncOwned, "kfunc-owned", "The object must be owned.", "bpf_obj_drop(bpf_rbtree_first(&root))", []string{"allocated object must be referenced"}, ""},
	{CodeKfuncRefcount, "kfunc-refcount", "bpf_refcount_acquire takes an object with a bpf_refcount.", "", []string{"is neither owning or non-owning ref", "doesn't point to a type with bpf_refcount field"}, "add a struct bpf_refcount to the type"},
	{CodeObjNew, "obj-new", "bpf_obj_new takes the id of a struct of the program.", "bpf_obj_new(int)", []string{"local type ID argument", "requires prog BTF", "type ID argument must", "bpf_percpu_obj_new type"}, ""},
	{CodeCast, "cast", "bpf_rdonly_cast takes the id of a kernel struct.", "", []string{"bpf_rdonly_cast"}, ""},
	{CodeTrap, "trap", "The compiler found undefined behaviour and left a trap that is reached.", "use of an uninitialised variable", []string{"unexpected __bpf_trap"}, "look for uninitialised variables"},
	{CodePacketWrite, "packet-write", "Only some programs may write packet data.", "", []string{"does not allow writes to packet data"}, ""},
	{CodeKfuncDevice, "kfunc-device", "Metadata of received packets is for programs bound to a device.", "", []string{"metadata kfuncs require device-bound program"}, "load the program for a device (BPF_F_XDP_DEV_BOUND_ONLY)"},
	{CodeRefUnknown, "ref-unknown", "Only a reference that is held can be released.", "", []string{"reference has not been acquired before"}, ""},
	{CodeRefLeak, "ref-leak", "Every reference is released, stored or handed over on every path.", "p = bpf_task_acquire(t); return 0;", []string{"Unreleased reference", "would lead to reference leak", "Leaking reference"}, "release the object on every path"},
	{CodeRefArg, "ref-arg", "A releasing helper takes a reference.", "bpf_sk_release(ctx->sk)", []string{"must be referenced when passed to release function"}, ""},
	{CodeLeakLock, "leak-lock", "A lock is given back before this.", "bpf_spin_lock(&l); return 0;", []string{"cannot be used inside bpf_spin_lock-ed region", "bpf_spin_unlock is missing"}, "unlock on every path"},
	{CodeLeakIrq, "leak-irq", "Saved interrupt flags are restored before this.", "", []string{"cannot be used inside bpf_local_irq_save-ed region", "bpf_local_irq_restore is missing"}, "restore on every path"},
	{CodeLeakRCU, "leak-rcu", "An RCU section ends before this.", "bpf_rcu_read_lock(); return 0;", []string{"cannot be used inside bpf_rcu_read_lock-ed region", "bpf_rcu_read_unlock is missing"}, "call bpf_rcu_read_unlock on every path"},
	{CodeLeakPreempt, "leak-preempt", "Preemption is enabled again before this.", "bpf_preempt_disable(); return 0;", []string{"cannot be used inside bpf_preempt_disable-ed region", "bpf_preempt_enable is missing"}, "call bpf_preempt_enable on every path"},
	{CodeStackObject, "stack-object", "An object on the stack is passed by its exact address, aligned to eight bytes.", "bpf_dynptr_read(..., (void *)&d + 4, ...)", []string{"has to be at a constant offset", "cannot pass in "}, ""},
	{CodeDynptrArg, "dynptr-arg", "A dynptr is passed by its address on the stack.", "", []string{"expected pointer to stack or const struct bpf_dynptr", "expected pointer to stack or dynptr_ptr"}, ""},
	{CodeDynptrInit, "dynptr-init", "A dynptr is made where there is none.", "", []string{"Dynptr has to be an uninitialized dynptr"}, ""},
	{CodeDynptrUninit, "dynptr-uninit", "A dynptr is used only after it was made and before it was destroyed.", "", []string{"Expected an initialized dynptr"}, ""},
	{CodeDynptrConst, "dynptr-const", "A dynptr the kernel lent cannot be changed or released.", "", []string{"cannot pass pointer to const bpf_dynptr", "CONST_PTR_TO_DYNPTR cannot be released"}, ""},
	{CodeDynptrKind, "dynptr-kind", "The function takes dynptrs of another kind.", "bpf_ringbuf_submit_dynptr of an skb dynptr", []string{"Expected a dynptr of type"}, ""},
	{CodeDynptrOverwrite, "dynptr-overwrite", "A dynptr that must be released cannot be overwritten.", "", []string{"cannot overwrite referenced dynptr"}, "submit or discard it first"},
	{CodeIterArg, "iter-arg", "An iterator lies on the stack.", "", []string{"expected pointer to an iterator on stack", "expected valid iter pointer"}, ""},
	{CodeIterInit, "iter-init", "An iterator is made where there is none.", "", []string{"expected uninitialized iter_"}, ""},
	{CodeIterUninit, "iter-uninit", "An iterator is used only between new and destroy.", "", []string{"expected an initialized iter_"}, ""},
	{CodeIterRCU, "iter-rcu", "The iterator needs an RCU section around its whole life.", "", []string{"expected an RCU CS when using"}, "wrap the loop in bpf_rcu_read_lock and unlock"},
	{CodeIterCss, "iter-css", "The iterator over a cgroup's tasks may be used in LSM, iterator and sleepable programs.", "", []string{"css_task_iter is only allowed"}, ""},
	{CodeIrqArg, "irq-arg", "Interrupt flags are saved on the stack.", "", []string{"doesn't point to an irq flag on stack"}, ""},
	{CodeIrqInit, "irq-init", "Interrupt flags are saved where none are.", "", []string{"expected uninitialized irq flag"}, ""},
	{CodeIrqUninit, "irq-uninit", "Only saved interrupt flags can be restored.", "", []string{"expected an initialized irq flag"}, ""},
	{CodeIrqClass, "irq-class", "Flags are restored by the family of functions that saved them.", "", []string{"irq flag acquired by"}, ""},
	{CodeIrqOrder, "irq-order", "Interrupt flags are restored in the reverse order of saving.", "", []string{"cannot restore irq state out of order"}, ""},
	{CodeLockArg, "lock-arg", "A lock is passed by its exact address in a map value or an owned object.", "", []string{"has no valid bpf_spin_lock", "has no valid bpf_res_spin_lock", "doesn't point to 'struct bpf_spin_lock'", "doesn't point to 'struct bpf_res_spin_lock'", "lock has to be at the constant offset", "doesn't point to map value or allocated object", "has to have BTF in order to use bpf_spin_lock"}, ""},
	{CodeLockSecond, "lock-second", "One bpf_spin_lock at a time.", "bpf_spin_lock(&a); bpf_spin_lock(&b);", []string{"Locking two bpf_spin_locks are not allowed"}, "use bpf_res_spin_lock to nest"},
	{CodeLockSame, "lock-same", "A lock that is held is not taken again.", "", []string{"AA deadlock detected"}, ""},
	{CodeUnlockNone, "unlock-none", "Only a lock that is held is given back.", "", []string{"unlock without taking a lock"}, ""},
	{CodeUnlockOther, "unlock-other", "The lock given back is the lock that was taken.", "", []string{"unlock of different lock"}, ""},
	{CodeUnlockOrder, "unlock-order", "Locks are given back in the reverse order of taking.", "", []string{"unlock cannot be out of order"}, ""},
	{CodeLockInCallback, "lock-in-callback", "The comparison of a tree runs under the tree's lock.", "", []string{"in rbtree cb"}, ""},
	{CodeCallInLock, "call-in-lock", "Under a lock, only the operations made for it may be called.", "bpf_spin_lock(&l); bpf_printk(...);", []string{"function calls are not allowed while holding a lock"}, "move the call out of the critical section"},
	{CodeRCUNested, "rcu-nested", "This kernel does not nest RCU sections.", "", []string{"nested rcu read lock"}, ""},
	{CodeRCUUnmatched, "rcu-unmatched", "An RCU section ends once.", "", []string{"unmatched rcu read unlock"}, ""},
	{CodeRCUCallback, "rcu-callback", "A tree's comparison already runs in an RCU section.", "", []string{"in unnecessary rbtree callback"}, ""},
	{CodeRCURequired, "rcu-required", "The function must be called in an RCU section.", "", []string{"requires RCU critical section protection"}, "call bpf_rcu_read_lock before"},
	{CodePreemptUnmatched, "preempt-unmatched", "Preemption is enabled as often as it was disabled.", "", []string{"unmatched attempt to enable preemption"}, ""},
	{CodeSleepRegion, "sleep-region", "Nothing sleeps in a critical section.", "bpf_rcu_read_lock(); bpf_copy_from_user(...)", []string{"is sleepable within"}, "move the call out of the region"},
	{CodeSleepProgram, "sleep-program", "A sleeping function needs a sleepable program.", "", []string{"program must be sleepable to call sleepable kfunc"}, "use a .s section, if the hook allows it"},
	{CodeGraphRoot, "graph-root", "A root is passed by its exact address in a map value or an owned object.", "", []string{"expected pointer to map value or allocated object", "bpf_list_head not found at offset", "bpf_rb_root not found at offset", "bpf_list_head has to be at the constant offset", "bpf_rb_root has to be at the constant offset"}, ""},
	{CodeGraphLock, "graph-lock", "A list or tree is used only under the lock beside it.", "bpf_list_pop_front(&head) without bpf_spin_lock", []string{"must be held for", "held lock and object are not in the same allocation"}, "take the lock that lies in the same value"},
	{CodeGraphNode, "graph-node", "A node is passed by its address in an owned object.", "", []string{"expected pointer to allocated object", "bpf_list_node not found at offset", "bpf_rb_node not found at offset", "bpf_list_node has to be at the constant offset", "bpf_rb_node has to be at the constant offset"}, ""},
	{CodeGraphBorrow, "graph-borrow", "Removal takes a borrowed node of a tree whose lock is held.", "", []string{"rbtree_remove node input must be non-owning ref", "can only take non-owning or refcounted", "not allowed in rbtree cb"}, ""},
	{CodeGraphType, "graph-type", "A root takes the type and node its contains tag names.", "", []string{"operation on ", "arg#1 offset="}, ""},
	{CodeGPLProgram, "gpl-program", "struct_ops and LSM programs must be GPL compatible.", "", []string{"must have a GPL compatible license"}, "declare a GPL-compatible licence, if that is what the source has"},
	{CodeGPLKfunc, "gpl-kfunc", "Only GPL-compatible programs call kernel functions.", "", []string{"cannot call kernel function from non-GPL"}, "declare a GPL-compatible licence, if that is what the source has"},
	{CodeGPLPointer, "gpl-pointer", "Only GPL-compatible programs look into kernel structures.", "", []string{"from non-GPL compatible program"}, "use helpers that are not GPL only, or declare a GPL-compatible licence if that is what the source has"},
	{CodeExceptionCB, "exception-cb", "The exception callback is one global function of the program.", "", []string{"exception callback", "exception cb"}, ""},
	{CodeArenaNone, "arena-none", "The program has an arena.", "", []string{"associated arena", "can only be used in a program"}, "define a map of type BPF_MAP_TYPE_ARENA and use it"},
	{CodeArenaArg, "arena-arg", "An arena pointer is passed.", "", []string{"is not a pointer to arena"}, ""},
	{CodeGlobalArg, "global-arg", "The arguments of a global function can be described by their types and tags.", "int f(struct sk_buff *skb) with a private type", []string{"arg#", "Arg#", "Invalid tag", "tag", "Global function", "Caller passes invalid args"}, "make it static, or use the tags of bpf_helpers.h"},
})
