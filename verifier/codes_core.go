// SPDX-License-Identifier: Apache-2.0

package verifier

// Instructions and control flow.
const (
	CodeReserved Code = 1001 + iota
	CodeOpcode
	CodeLdImm64
	CodeJumpRange
	CodeUnreachable
	CodeJumpMiddle
	CodeLastInsn
	CodeFuncInfo
	CodeLineInfo
	CodeSubprogOut
	CodeShift
	CodeDivZero
	CodeLoop
	CodeLdAbs
	CodeCallTarget
	CodeTooManySubprogs
	CodeMayGoto
	CodeFPWrite
	CodeIndirect
	CodeRegNumber
)

// Registers and arithmetic.
const (
	CodeUninit Code = 1101 + iota
	CodePtrArith
	CodePtrArith32
	CodePtrNull
	CodePtrPtr
	CodePtrBounds
	CodePtrSub
	CodePtrOp
	CodePtrStackRange
	CodeMemInvalid
	CodePtrMoved
	CodePtrVar
	CodePtrMismatch
	CodeRegInvariant
	CodePtrCompare
)

// Stack.
const (
	CodeStackRange Code = 1201 + iota
	CodeStackUnbounded
	CodeStackSpillSize
	CodeStackFillSize
	CodeStackCaller
	CodeStackRead
	CodeStackDynptr
	CodeStackReturn
	CodeStackDepth
	CodeStackFrames
	CodeStackZeroSize
	CodeStackTailCall
)

// Memory: maps, packets, context, buffers.
const (
	CodeMapBounds Code = 1301 + iota
	CodeMapNegative
	CodeMapUnbounded
	CodeMapFlags
	CodePacketBounds
	CodePacketStore
	CodePacketHelper
	CodeCtx
	CodeAlign
	CodeRdonly
	CodeSockField
	CodeFlowKeys
	CodeBuf
	CodeMemBounds
	CodeKeyWrite
	CodeAtomicType
	CodeAtomicOp
	CodeMapField
	CodeArg
)

// Calls and helpers.
const (
	CodeHelperUnknown Code = 1401 + iota
	CodeHelperProg
	CodeHelperGPL
	CodeHelperSleep
	CodeArgType
	CodeArgNull
	CodeArgNegative
	CodeArgZero
	CodeArgUnbounded
	CodeArgConst
	CodeArgMap
	CodeMapFunc
	CodeMapArgMismatch
	CodeArgString
	CodeArgFormat
	CodeArgRelease
	CodeGlobalArgs
	CodeGlobalLock
	CodeGlobalSleep
	CodeCallbackStatic
	CodeCallbackMap
	CodeCallbackMain
	CodeCalledWithLock
	CodeSockmapUpdate
	CodeFuncIP
	CodeStorageFlags
	CodeTailCallState
	CodeRetval
	CodeHelperMem
	CodeHelperProbe
	CodeThrowCallback
)

// Return values and exits.
const (
	CodeRetScalar Code = 1501 + iota
	CodeRetRange
	CodeRetUninit
	CodeRetCallback
)

// Limits.
const (
	CodeTooLarge Code = 1601 + iota
	CodeTooComplex
)

// Program, maps and attach points.
const (
	CodeMapProg Code = 1701 + iota
	CodeMapSleepable
	CodeMapDirect
	CodeProgGPL
	CodeProgSleepable
	CodeProgType
	CodeProgSize
	CodeProgAttach
	CodeProgFlags
	CodeMapMissing
)

var _ = register([]CodeInfo{
	{CodeNotBuilt, "not-built", "modbpf does not judge this construct yet; it says so instead of guessing.", "(any)", nil, "load it with --kernel-verdict, or report it"},
	{CodeInternal, "internal", "modbpf failed while it judged; the message says where.", "(none known)", nil, "report it with the object"},
	{CodeLimit, "limit", "a limit of modbpf itself was reached.", "(none known)", nil, "report it with the object"},
	{CodeBadProgram, "bad-program", "the bound program is not well formed: an index it carries points nowhere.", "(only by a broken binder)", nil, "bind the object again"},

	{CodeReserved, "reserved-field", "Fields an instruction does not use are zero.", "r0 += r1 with imm 5", []string{"uses reserved fields", "invalid BPF_LD mode", "addr_space_cast insn can only"}, "rebuild the object with a supported compiler"},
	{CodeOpcode, "opcode", "The operation code is one the kernel knows.", ".byte 0xff, ...", []string{"unknown opcode", "invalid BPF_ALU opcode", "invalid BPF_JMP/JMP32 opcode", "unknown insn class", "BPF_ATOMIC uses invalid atomic opcode", "uses invalid opcode"}, "build for the instruction set (-mcpu) the kernel has"},
	{CodeLdImm64, "ld-imm64", "A 64-bit load takes two slots, the second one empty but for its immediate.", "half an ld_imm64 at the end", []string{"invalid bpf_ld_imm64 insn", "unrecognized bpf_ld_imm64 insn", "BPF_LD_IMM64 uses reserved fields", "invalid BPF_LD_IMM insn"}, "rebuild the object"},
	{CodeJumpRange, "jump-out-of-range", "Jumps stay inside their function.", "goto +100 in a ten-instruction program", []string{"jump out of range"}, "rebuild the object"},
	{CodeUnreachable, "unreachable", "Every instruction can be reached.", "exit; r0 = 0; exit", []string{"unreachable insn"}, "remove dead code; compile with optimisation"},
	{CodeJumpMiddle, "jump-into-ld-imm64", "No jump lands in the second slot of a 64-bit load.", "goto into ld_imm64", []string{"jump into the middle of ldimm64"}, "rebuild the object"},
	{CodeLastInsn, "last-insn", "A function ends in exit or an unconditional jump.", "r0 = 0 and nothing after it", []string{"last insn is not an exit or jmp"}, "return from every function"},
	{CodeFuncInfo, "func-info", "Function records in BTF agree with the program.", "func_info for a place no function begins", []string{"func_info BTF section doesn't match", "number of funcs in func_info", "func info", "is only allowed in functions that return 'int'", "is not allowed in subprogs without BTF", "missing btf func_info"}, "rebuild with -g"},
	{CodeLineInfo, "line-info", "Line records are in order and every function has one.", "two records for one instruction", []string{"line_info"}, "rebuild with -g"},
	{CodeSubprogOut, "subprog-bounds", "Functions do not run or jump into each other.", "goto the next function", []string{"last insn is not an exit or jmp", "jump out of range", "LD_[ABS|IND] is not"}, "rebuild the object"},
	{CodeShift, "shift", "A constant shift is smaller than the register.", "r0 <<= 64", []string{"invalid shift"}, "mask the shift amount"},
	{CodeDivZero, "div-by-zero", "A constant divisor is not 0.", "r0 /= 0", []string{"div by zero"}, "check the constant"},
	{CodeLoop, "infinite-loop", "A loop makes progress: no state repeats.", "l: goto l", []string{"infinite loop detected", "back-edge from insn"}, "bound the loop by a counter the verifier can see, or use bpf_for or bpf_loop"},
	{CodeLdAbs, "ld-abs", "Legacy packet loads need a socket program with the context in R6 and nothing held.", "r0 = *(u8 *)skb[0] in an XDP program", []string{"BPF_LD_[ABS|IND]", "at the time of BPF_LD_ABS|IND R6", "LD_ABS is"}, "use direct packet access or bpf_skb_load_bytes"},
	{CodeCallTarget, "call-target", "A call goes to an instruction of the program.", "call +1000", []string{"invalid insn idx", "call to invalid destination", "No program starts at insn"}, "rebuild the object"},
	{CodeTooManySubprogs, "too-many-functions", "A program has at most 256 functions.", "257 functions", []string{"too many subprograms"}, "inline some"},
	{CodeMayGoto, "may-goto", "may_goto has an offset and nothing else.", "may_goto +0", []string{"invalid may_goto"}, "rebuild the object"},
	{CodeFPWrite, "frame-pointer", "R10 cannot be written.", "r10 = 0", []string{"frame pointer is read only"}, "use another register"},
	{CodeIndirect, "indirect-jump", "An indirect jump goes through a table of instructions.", "gotox r0 with r0 a number", []string{"gotox", "indirect jump", "no jump tables"}, "let the compiler make the table"},
	{CodeRegNumber, "register-number", "Registers are R0 to R10.", "r12 = 0", []string{"is invalid"}, "rebuild the object"},

	{CodeUninit, "uninitialised", "A register is written before it is read; calls clobber R0 to R5.", "r0 = r5; exit", []string{"!read_ok"}, "initialise the variable on every path; keep values across calls in R6 to R9 or on the stack"},
	{CodePtrArith, "pointer-arithmetic", "Pointers of this kind cannot be computed with.", "r1 = map; r1 += 8", []string{"pointer arithmetic on", "pointer arithmetic prohibited", "pointer arithmetic with"}, "keep the pointer as it is"},
	{CodePtrArith32, "pointer-arithmetic-32", "Pointers are not computed with in 32 bits.", "w1 += 1", []string{"32-bit pointer arithmetic prohibited", "partial copy of pointer", "sign-extension part of pointer"}, "use 64-bit arithmetic"},
	{CodePtrNull, "pointer-arithmetic-null", "A pointer that may be null is checked before it is computed with.", "r0 = lookup(); r0 += 8", []string{"null-check it first"}, "test it for NULL first"},
	{CodePtrPtr, "pointer-pointer", "Two pointers are only subtracted.", "r1 += r2", []string{"pointer prohibited", "tried to subtract pointer from scalar"}, "compute with numbers"},
	{CodePtrBounds, "pointer-bounds", "What is added to a pointer is bounded.", "r1 = map value; r1 += r2 of any value", []string{"math between", "makes pointer be out of bounds", "pointer be out of bounds", "pointer offset"}, "bound the number before adding it"},
	{CodePtrSub, "pointer-subtraction", "Nothing is subtracted from a stack pointer; a number has no pointer subtracted.", "r10 copy -= r1", []string{"subtraction from stack pointer prohibited", "tried to subtract pointer from scalar"}, "add a negative number"},
	{CodePtrOp, "pointer-operator", "Pointers are only added to and subtracted from.", "r1 &= 7", []string{"bitwise operator", "pointer arithmetic with", "pointer operation"}, "compute with numbers, then add"},
	{CodePtrStackRange, "stack-pointer-range", "A stack pointer stays near the stack.", "r10 + 2000", []string{"stack pointer arithmetic goes out of range"}, "stay inside the frame"},
	{CodeMemInvalid, "not-a-pointer", "Memory is accessed through a pointer of a kind that can be, and that is not null.", "r0 = *(u64 *)(r0 + 0) with r0 a number", []string{"invalid mem access"}, "test the pointer for NULL; use bpf_probe_read_kernel for addresses"},
	{CodePtrMoved, "modified-pointer", "This pointer is used at its start.", "r1 += 8; r0 = *(u32 *)(r1 + 0) with r1 the context", []string{"dereference of modified", "negative offset", "must have zero offset"}, "keep the offset in the access"},
	{CodePtrVar, "variable-pointer", "This pointer has no variable offset.", "r1 += r2; use of r1, the context", []string{"variable ctx access", "access var_off", "variable "}, "use constant offsets"},
	{CodePtrMismatch, "pointer-kinds", "One instruction sees one kind of pointer on all paths.", "a load through ctx on one path, a socket on another", []string{"same insn cannot be used with different pointers"}, "separate the paths"},
	{CodeRegInvariant, "register-invariant", "What is known of a register never contradicts itself (only with BPF_F_TEST_REG_INVARIANTS).", "(none)", []string{"REG INVARIANTS VIOLATION"}, "report it"},
	{CodePtrCompare, "pointer-compare", "Pointers are compared with pointers of their kind or null.", "if pkt > 5", []string{"pointer comparison prohibited"}, "compare with the packet's end"},

	{CodeStackRange, "stack-range", "Stack accesses stay in the 512 bytes below R10.", "*(u64 *)(r10 + 0) = 1", []string{"stack R", "invalid write to stack", "invalid read from stack R", "invalid stack"}, "keep big data in a map"},
	{CodeStackUnbounded, "stack-unbounded", "A variable stack offset is bounded.", "r1 = r10; r1 += r2", []string{"invalid unbounded variable-offset", "invalid variable-offset"}, "bound the index"},
	{CodeStackSpillSize, "spill-size", "A pointer is stored whole.", "*(u32 *)(r10 - 8) = r1", []string{"invalid size of register spill", "attempt to corrupt spilled pointer"}, "store eight bytes"},
	{CodeStackFillSize, "fill-size", "A stored pointer is loaded whole.", "r1 spilled; r0 = *(u32 *)(r10 - 8)", []string{"invalid size of register fill"}, "load eight bytes"},
	{CodeStackCaller, "stack-pointer-in-caller", "A callee does not leave pointers to its stack in its caller's.", "*(u64 *)(r1 + 0) = r10", []string{"cannot spill pointers to stack into stack frame of the caller"}, "pass memory down, not up"},
	{CodeStackRead, "stack-read", "Stack bytes are written before they are read.", "r0 = *(u64 *)(r10 - 8)", []string{"invalid read from stack", "invalid indirect read from stack", "read from stack"}, "initialise the variable"},
	{CodeStackDynptr, "stack-dynptr", "A dynptr's bytes are not handed out as memory.", "helper writes over a dynptr", []string{"potential write to dynptr"}, "use another buffer"},
	{CodeStackReturn, "stack-pointer-return", "A function does not return a pointer to its stack.", "r0 = r10; exit in a callee", []string{"cannot return stack pointer to the caller"}, "pass a buffer to the function"},
	{CodeStackDepth, "stack-depth", "All frames of a call chain fit in 512 bytes.", "two functions with 300 bytes each", []string{"combined stack size of", "Too large", "stack size of subprog"}, "move data to a map"},
	{CodeStackFrames, "call-depth", "Calls nest at most eight deep (sixteen from 7.2).", "nine nested functions", []string{"frames is too deep"}, "inline some"},
	{CodeStackZeroSize, "zero-size", "A zero-sized access is allowed only where the helper says so.", "helper(buf, 0)", []string{"invalid zero-sized read", "invalid zero-size read", "invalid zero-sized"}, "check the size for 0"},
	{CodeStackTailCall, "tail-call-stack", "A function that tail calls has less than 256 bytes of stack above it.", "(two functions)", []string{"tail_calls are not allowed when call stack", "cannot tail call within exception cb", "tail_calls are not allowed in"}, "use less stack"},

	{CodeMapBounds, "map-bounds", "An access stays inside the map's key or value.", "value of 4 bytes, r0 = *(u64 *)(r0 + 0)", []string{"invalid access to map value", "invalid access to map key", "is outside of the allowed memory range"}, "check the index against the size"},
	{CodeMapNegative, "negative-index", "An index into memory is not negative.", "r0 += r1 with r1 signed", []string{"min value is negative"}, "make the index unsigned or check it for >= 0"},
	{CodeMapUnbounded, "unbounded-index", "An index into memory has an upper bound.", "r0 += r1 with r1 any number", []string{"unbounded memory access"}, "check the index against the size"},
	{CodeMapFlags, "map-access-flags", "A map is read and written as its flags allow.", "store into .rodata", []string{"write into map forbidden", "read from map forbidden"}, "create the map without BPF_F_RDONLY_PROG or BPF_F_WRONLY_PROG"},
	{CodePacketBounds, "packet-bounds", "Packet bytes are compared with data_end before they are touched.", "r0 = *(u8 *)(data + 0)", []string{"invalid access to packet", "offset is outside of the packet"}, "compare pointer plus length with data_end"},
	{CodePacketStore, "packet-write", "This program type cannot write to packets.", "store into the packet of a socket filter", []string{"cannot write into packet"}, "use a program type that may"},
	{CodePacketHelper, "packet-helper", "This helper does not take packet memory.", "bpf_map_update_elem(..., data)", []string{"helper access to the packet is not allowed"}, "copy the bytes to the stack"},
	{CodeCtx, "context-field", "Context fields are accessed as the program type allows: place, size, direction.", "r0 = *(u64 *)(skb + 3)", []string{"invalid bpf_context access", "leaks addr into ctx"}, "access whole fields by name"},
	{CodeAlign, "alignment", "Accesses are aligned where strict alignment holds: on the stack, for atomics, and with BPF_F_STRICT_ALIGNMENT.", "*(u64 *)(r10 - 9) = r1", []string{"misaligned"}, "align the structure"},
	{CodeRdonly, "read-only", "This memory cannot be written.", "store through rdonly_mem", []string{"cannot write into"}, "copy it first"},
	{CodeSockField, "socket-field", "Socket fields are read as struct bpf_sock and friends allow.", "r0 = *(u64 *)(sk + 3)", []string{"invalid sock access", "invalid sock_common access", "invalid tcp_sock access", "invalid xdp_sock access"}, "access whole fields by name"},
	{CodeFlowKeys, "flow-keys", "Accesses stay inside struct bpf_flow_keys.", "r0 = *(u8 *)(keys + 100)", []string{"invalid access to flow keys"}, "access its fields by name"},
	{CodeBuf, "buffer", "Buffers are accessed at constant, non-negative offsets.", "r0 = *(u8 *)(buf - 1)", []string{"buffer access: off", "invalid negative", "invalid variable buffer offset"}, "use constant offsets"},
	{CodeMemBounds, "memory-bounds", "An access stays inside the memory block.", "8 bytes reserved, store at 8", []string{"invalid access to memory", "is outside of the allowed memory range"}, "check the index against the size"},
	{CodeKeyWrite, "key-write", "Map keys given to a callback are not changed.", "*(u32 *)(key) = 1", []string{"write to change key"}, "copy the key"},
	{CodeAtomicType, "atomic-target", "Atomics do not work on context, packets, sockets and flow keys.", "lock *(u64 *)(ctx + 0) += r1", []string{"cannot write into", "BPF_ATOMIC stores into", "BPF_ATOMIC loads from", "BPF_STX uses"}, "use map values or the stack"},
	{CodeAtomicOp, "atomic-operation", "Atomics have four or eight bytes and a known operation.", "lock *(u8 *)... += r1", []string{"invalid atomic operand size", "BPF_ATOMIC uses invalid atomic opcode"}, "use int or long"},
	{CodeMapField, "special-field", "Locks, timers, kptrs and the like are not read or written as plain memory.", "store into a bpf_spin_lock", []string{"cannot be accessed directly by load/store", "kptr cannot be accessed indirectly", "kptr access"}, "use the field's helpers"},
	{CodeArg, "argument", "An argument is what the function's prototype says.", "(see the message)", []string{"exception cb only supports single integer argument", "is not a scalar", "expects pointer to ctx", "is expected to be non-NULL", "is not a pointer to arena or scalar"}, "pass what the prototype asks for"},

	{CodeHelperUnknown, "helper-unknown", "The helper exists on this kernel.", "call 9999", []string{"invalid func "}, "use a helper this kernel has"},
	{CodeHelperProg, "helper-program", "The helper is available to this program type.", "bpf_xdp_adjust_head in a kprobe", []string{"program of this type cannot use helper", "unknown func", "helper call is not allowed"}, "use another program type or helper"},
	{CodeHelperGPL, "helper-gpl", "GPL-only helpers need a GPL-compatible licence.", "bpf_trace_printk with licence MIT", []string{"cannot call GPL-restricted function from non-GPL compatible program"}, "license the object under the GPL or a dual licence"},
	{CodeHelperSleep, "helper-sleep", "Helpers that may sleep are called where sleeping is allowed.", "bpf_copy_from_user in a non-sleepable program", []string{"might sleep", "sleepable helper"}, "make the program sleepable, call outside critical sections"},
	{CodeArgType, "argument-type", "A helper's argument is of the kind its prototype asks for.", "bpf_map_lookup_elem(ctx, ...)", []string{"type=", "expected=", "Unsupported reg type"}, "pass what the prototype asks for"},
	{CodeArgNull, "argument-null", "An argument that must not be null was tested.", "helper(lookup())", []string{"Possibly NULL pointer passed", "expected to be non-NULL"}, "test it for NULL first"},
	{CodeArgNegative, "size-negative", "A size is not negative.", "helper(buf, r2) with r2 signed", []string{"min value is negative, either use unsigned or 'var &= const'", "min value is negative"}, "make the size unsigned or mask it"},
	{CodeArgZero, "size-zero", "A size is not 0 where the helper does not allow it.", "helper(buf, 0)", []string{"invalid zero-sized read", "invalid zero-size"}, "check the size for 0"},
	{CodeArgUnbounded, "size-unbounded", "A size has an upper bound.", "helper(buf, r2) with r2 any number", []string{"unbounded memory access"}, "mask the size or compare it"},
	{CodeArgConst, "argument-constant", "This argument is a constant.", "bpf_ringbuf_reserve(rb, r2, 0)", []string{"is not a known constant", "must be a known constant", "is not a const"}, "pass a constant"},
	{CodeArgMap, "argument-map", "A key or value argument follows its map argument.", "(only by a broken prototype)", []string{"invalid map_ptr to access", "invalid arg_type for sockmap"}, "pass the map"},
	{CodeMapFunc, "map-helper", "The helper works on this map type.", "bpf_map_lookup_elem on a perf event array", []string{"cannot pass map_type", "expected prog array map for tail call"}, "use the map type's helpers"},
	{CodeMapArgMismatch, "map-mismatch", "Two arguments that concern one map are of the same map.", "bpf_timer_init(timer of map a, map b)", []string{"doesn't match map pointer"}, "pass the map the value came from"},
	{CodeArgString, "constant-string", "A constant string is in read-only data, at a known place, and ends in 0.", "bpf_snprintf(..., stack, ...)", []string{"does not point to a readonly map", "is not a constant address", "no direct value access support for this map type", "direct value access on string failed", "string is not zero-terminated"}, "use a const char array"},
	{CodeArgFormat, "format-string", "A format string has known conversions, as many as arguments.", "bpf_snprintf(\"%z\")", []string{"Invalid format string", "invalid format"}, "see bpf_trace_printk's conversions"},
	{CodeArgRelease, "release-argument", "What is released was acquired.", "bpf_sk_release(sk of the context)", []string{"must be referenced when passed to release function", "is an unacquired reference", "reference has not been acquired before", "cannot release unowned", "release helper"}, "release only what an acquiring call returned"},
	{CodeGlobalArgs, "global-arguments", "Arguments of a global function are as its prototype and tags say.", "f(NULL) for a pointer tagged nonnull", []string{"Caller passes invalid args into func"}, "pass what the prototype asks for; tag nullable arguments"},
	{CodeGlobalLock, "global-call-locked", "Global functions are not called under a lock.", "bpf_spin_lock; global()", []string{"global function calls are not allowed"}, "make the function static"},
	{CodeGlobalSleep, "global-call-sleep", "A global function that may sleep is called where sleeping is allowed.", "bpf_rcu_read_lock; global that sleeps", []string{"global functions that may sleep are not allowed", "sleepable global function"}, "call it outside the critical section"},
	{CodeCallbackStatic, "callback-static", "A callback is a static function.", "global function passed to bpf_loop", []string{"callback function not static"}, "make the function static"},
	{CodeCallbackMap, "callback-map", "The map supports bpf_for_each_map_elem.", "for_each on a ring buffer", []string{"callback function not allowed for map"}, "use a hash or array map"},
	{CodeCallbackMain, "callback-main", "The main program is no callback.", "bpf_loop(main)", []string{"callback function cannot be the main program"}, "pass another function"},
	{CodeCalledWithLock, "call-under-lock", "Under a spin lock nothing is called but what unlocks and the list and tree functions.", "bpf_spin_lock; bpf_ktime_get_ns", []string{"function calls are not allowed while holding a lock"}, "unlock first"},
	{CodeSockmapUpdate, "sockmap-update", "Only some programs may change a sockmap.", "bpf_map_update_elem(sockmap) in a kprobe", []string{"cannot update sockmap in this context"}, "use bpf_sock_map_update in sock_ops"},
	{CodeFuncIP, "func-ip", "bpf_get_func_ip is for fentry, fexit, fmod_ret and kprobe programs.", "bpf_get_func_ip in a raw tracepoint", []string{"supported only for fentry/fexit/fmod_ret programs", "not supported for program type"}, "use another program type"},
	{CodeStorageFlags, "local-storage-flags", "bpf_get_local_storage takes flags 0.", "bpf_get_local_storage(map, 1)", []string{"get_local_storage() doesn't support non-zero flags"}, "pass 0"},
	{CodeTailCallState, "tail-call-held", "Nothing is held at a tail call.", "bpf_spin_lock; bpf_tail_call", []string{"cannot tail call within callback", "tail_call cannot be used inside", "tail_call would lead to reference leak"}, "release it first"},
	{CodeRetval, "set-retval", "Void LSM hooks have no return value to set.", "bpf_set_retval in a void lsm_cgroup hook", []string{"can't modify return value"}, "remove the call"},
	{CodeHelperMem, "helper-memory", "A helper does not write into this memory.", "helper writes through a BTF pointer", []string{"may write into memory pointed by"}, "use a buffer of the program"},
	{CodeHelperProbe, "helper-probe", "The helper is not allowed in this probe.", "(uprobes)", []string{"helper call is not allowed in probe"}, "use another attach type"},

	{CodeThrowCallback, "throw-callback", "A callback throws nothing; the exception callback is not called directly.", "bpf_loop callback that calls bpf_throw", []string{"cannot be called from callback subprog", "cannot call exception cb directly"}, "return an error instead"},
	{CodeRetScalar, "return-scalar", "What the program returns is a number.", "r0 = r1 (context); exit in a program with a return range", []string{"is not a known value", "is not a scalar value", "R0 not a scalar value", "leaks addr as return value"}, "return a number"},
	{CodeRetRange, "return-range", "The return value is one the hook allows.", "return 2 from a cgroup program", []string{"At program exit the register R0 has", "should have been in", "At async callback return"}, "return an allowed value on every path"},
	{CodeRetUninit, "return-uninitialised", "R0 is set when the program exits.", "exit", []string{"R0 !read_ok"}, "return a value on every path"},
	{CodeRetCallback, "return-callback", "A callback returns what its caller allows.", "bpf_loop callback that returns 5", []string{"At callback return"}, "return 0 to go on, 1 to stop"},

	{CodeTooLarge, "too-large", "The verifier walks at most 1,000,000 instructions.", "a loop of a million rounds", []string{"BPF program is too large"}, "use bpf_loop, bpf_for or may_goto; split the program"},
	{CodeTooComplex, "too-complex", "At most 8,192 branches are pending.", "a jump tree of depth 8,193", []string{"jumps is too complex", "too complex"}, "simplify the control flow"},

	{CodeMapProg, "map-program", "The map may be used by this program type.", "bpf_spin_lock in a map of a kprobe", []string{"tracing progs cannot use", "socket filter progs cannot use", "bpf_struct_ops map cannot be used in prog", "only one arena per program", "only one cgroup storage"}, "use another program type or map"},
	{CodeMapMissing, "map-missing", "A map load names a map.", "a load of file descriptor -1", []string{"is not pointing to valid bpf_map", "invalid fd_array"}, "create the map first"},
	{CodeMapSleepable, "map-sleepable", "The map may be used by sleepable programs.", "a stack trace map in a sleepable program", []string{"Sleepable programs can only use"}, "use another map type"},
	{CodeMapDirect, "map-direct", "Values of array maps are addressed directly, inside the value.", "address of a hash map's value", []string{"no direct value access support", "direct value offset of", "invalid access to map value pointer"}, "use bpf_map_lookup_elem"},
	{CodeProgGPL, "program-gpl", "This kind of program must have a GPL-compatible licence.", "struct_ops with licence MIT", []string{"struct ops programs must have a GPL compatible license", "LSM programs must have a GPL compatible license"}, "license the object under the GPL or a dual licence"},
	{CodeProgSleepable, "program-sleepable", "This kind of program may be sleepable.", "a sleepable XDP program", []string{"programs can be sleepable", "is not sleepable", "can be sleepable"}, "remove .s from the section name"},
	{CodeProgType, "program-type", "The kernel has this program type.", "(old kernels)", nil, "use another program type"},
	{CodeProgSize, "program-size", "A program has between 1 and 1,000,000 instructions.", "(an empty program)", nil, "split the program"},
	{CodeProgAttach, "attach-type", "The attach type belongs to the program type.", "expected_attach_type of another type", nil, "check the section name"},
	{CodeProgFlags, "program-flags", "Flags belong to the program type.", "BPF_F_SLEEPABLE on XDP", nil, "check the flags"},
})
