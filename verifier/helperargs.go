// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/kfuncs"
)

var (
	memArgTypes = []RegType{
		ptrToStack, ptrToPacket, ptrToPacketMeta, ptrToMapKey, ptrToMapValue,
		ptrToMem, ptrToMem | memRingbuf, ptrToBuf, ptrToBTFID | ptrTrusted,
	}
	btfArgTypes = []RegType{ptrToBTFID, ptrToBTFID | ptrTrusted, ptrToBTFID | memRCU}
)

// argTypes lists the register types each kind of argument takes.
var argTypes = [...][]RegType{
	kfuncs.ArgMapKey:               memArgTypes,
	kfuncs.ArgMapValue:             memArgTypes,
	kfuncs.ArgMem:                  memArgTypes,
	kfuncs.ArgConstSize:            {scalarValue},
	kfuncs.ArgConstSizeOrZero:      {scalarValue},
	kfuncs.ArgConstAllocSizeOrZero: {scalarValue},
	kfuncs.ArgScalar:               {scalarValue},
	kfuncs.ArgConstMapPtr:          {constPtrToMap},
	kfuncs.ArgCtx:                  {ptrToCtx},
	kfuncs.ArgSockCommon:           {ptrToSockCommon, ptrToSocket, ptrToTCPSock, ptrToXDPSock},
	kfuncs.ArgBTFIDSockCommon: {
		ptrToSockCommon, ptrToSocket, ptrToTCPSock, ptrToXDPSock,
		ptrToBTFID, ptrToBTFID | ptrTrusted,
	},
	kfuncs.ArgSocket:     {ptrToSocket},
	kfuncs.ArgBTFID:      btfArgTypes,
	kfuncs.ArgSpinLock:   {ptrToMapValue, ptrToBTFID | memAlloc},
	kfuncs.ArgRingbufMem: {ptrToMem | memRingbuf},
	kfuncs.ArgPercpuBTFID: {
		ptrToBTFID | memPercpu, ptrToBTFID | memPercpu | memRCU, ptrToBTFID | memPercpu | ptrTrusted,
	},
	kfuncs.ArgFunc:         {ptrToFunc},
	kfuncs.ArgStack:        {ptrToStack},
	kfuncs.ArgConstStr:     {ptrToMapValue},
	kfuncs.ArgTimer:        {ptrToMapValue},
	kfuncs.ArgKptrXchgDest: {ptrToMapValue, ptrToBTFID | memAlloc},
	kfuncs.ArgDynptr:       {ptrToStack, constPtrToDynptr},
}

// checkArgType judges that a register is of a kind the argument takes.
func (e *env) checkArgType(c *helperCall, regno int, kind kfuncs.ArgKind, arg kfuncs.Arg) *Diagnostic {
	r := &e.cur.regs()[regno]
	t := r.Type
	if arg.Flags&kfuncs.ArgRdonly != 0 {
		t &^= memRdonly
	}
	if arg.Flags&kfuncs.ArgMaybeNull != 0 {
		t &^= maybeNull
	}
	if kind == kfuncs.ArgMem {
		t &^= dynptrFlagMask
	}
	if c.id == fnKptrXchg && regno == 2 && t.isAllocBTF() {
		t &^= memAlloc | memPercpu
	}
	if int(kind) >= len(argTypes) || argTypes[kind] == nil {
		return e.notBuilt("argument %d of bpf_%s", regno, c.name)
	}
	if !among(argTypes[kind], t) {
		if r.Type.maybeNull() && among(argTypes[kind], t&^maybeNull) {
			return e.errf(CodeArgType, "R%d (%s) may be NULL; bpf_%s does not take that", regno, r.Type, c.name)
		}
		return e.errf(CodeArgType, "R%d is %s; argument %d of bpf_%s takes %s", regno, r.Type, regno, c.name, typeList(argTypes[kind]))
	}
	if r.Type.base() != ptrToBTFID {
		return nil
	}
	if kind == kfuncs.ArgMem || kind == kfuncs.ArgMapKey || kind == kfuncs.ArgMapValue {
		if arg.Flags&kfuncs.ArgRdonly == 0 {
			return e.errf(CodeHelperMem, "bpf_%s may write to R%d, a pointer to a kernel object", c.name, regno)
		}
		return nil
	}
	want := arg.BTF
	if kind == kfuncs.ArgBTFIDSockCommon {
		want = "sock_common"
	}
	switch {
	case r.Type.has(memPercpu) && !r.Type.has(memAlloc):
		return nil
	case r.Type.has(memAlloc):
		if c.id == fnKptrXchg && regno == 2 {
			return e.checkHelperBTFArg(regno, "", arg)
		}
		return nil
	}
	if r.Type.maybeNull() && (arg.Flags&kfuncs.ArgMaybeNull == 0 || arg.Flags&kfuncs.ArgObjRelease != 0) {
		return e.errf(CodeArgNull, "R%d (%s) may be NULL; bpf_%s does not take that", regno, r.Type, c.name)
	}
	if c.id == fnKptrXchg {
		want = ""
	}
	if c.id == fnSkRelease {
		arg.Flags &^= kfuncs.ArgObjRelease // any socket type will do
	}
	return e.checkHelperBTFArg(regno, want, arg)
}

func typeList(ts []RegType) string {
	s := ""
	for i, t := range ts {
		if i > 0 {
			s += ", "
		}
		s += t.String()
	}
	return s
}

// checkArg judges one argument.
func (e *env) checkArg(c *helperCall, i int) *Diagnostic {
	arg := c.proto.Args[i]
	regno := i + 1
	if arg.Kind == kfuncs.ArgNone {
		return nil
	}
	if d := e.readable(uint8(regno)); d != nil {
		return d
	}
	if arg.Kind == kfuncs.ArgAnything {
		return nil
	}
	r := &e.cur.regs()[regno]
	if r.Type.isPacket() && !e.packetAccess(accRead, c) {
		return e.errf(CodePacketHelper, "bpf_%s takes no packet memory, R%d is %s", c.name, regno, r.Type)
	}
	kind := arg.Kind
	if kind == kfuncs.ArgMapValue {
		m := e.maps[c.m]
		if m == nil {
			return e.errf(CodeArgMap, "bpf_%s has a value argument but no map", c.name)
		}
		if m.Type == bpf.MapSockmap || m.Type == bpf.MapSockhash {
			kind = kfuncs.ArgBTFIDSockCommon
		}
	}
	null := r.isNull() && arg.Flags&kfuncs.ArgMaybeNull != 0
	release := arg.Flags&kfuncs.ArgObjRelease != 0
	if null {
		if d := e.markPrecise(regno); d != nil {
			return d
		}
	} else {
		if d := e.checkArgType(c, regno, kind, arg); d != nil {
			return d
		}
		if d := e.argOff(r, regno, release, kind == kfuncs.ArgDynptr); d != nil {
			return d
		}
	}
	if release {
		if kind == kfuncs.ArgDynptr {
			if d := e.dynptrOwned(r, regno); d != nil && !e.has(FeatParentRefs) {
				return d
			}
		} else if r.RefObj == 0 && !r.isNull() {
			return e.errf(CodeArgRelease, "R%d is released by bpf_%s but was not acquired", regno, c.name)
		}
		c.release = regno
	}
	if r.RefObj != 0 && kind != kfuncs.ArgKptrXchgDest {
		if c.refObj != 0 && !e.has(FeatParentRefs) {
			return e.internal("two referenced arguments")
		}
		c.refObj = r.RefObj
	}
	acc := accRead
	if arg.Flags&kfuncs.ArgWrite != 0 {
		acc = accWrite
	}
	switch kind {
	case kfuncs.ArgConstMapPtr:
		if c.m != 0 && (c.m != r.Map || c.mapUID != r.MapUID) {
			return e.errf(CodeMapArgMismatch, "R%d is not the map that R%d's value comes from", regno, regno-1)
		}
		c.m, c.mapUID = r.Map, r.MapUID
	case kfuncs.ArgMapKey:
		m := e.maps[c.m]
		if m == nil {
			return e.errf(CodeArgMap, "bpf_%s has a key argument but no map", c.name)
		}
		if d := e.checkHelperMem(regno, int(m.KeySize), accRead, false, nil); d != nil {
			return d
		}
		if e.elides(m) {
			return e.constKey(c, r, int(m.KeySize))
		}
	case kfuncs.ArgMapValue:
		if null {
			return nil
		}
		c.raw = arg.Flags&kfuncs.ArgUninit != 0
		return e.checkHelperMem(regno, int(e.maps[c.m].ValueSize), acc, false, c)
	case kfuncs.ArgPercpuBTFID:
		if r.BTFID == 0 {
			return e.errf(CodeArgType, "R%d has no type", regno)
		}
		c.retBTF, c.retID = r.BTF, uint32(r.BTFID)
	case kfuncs.ArgSpinLock:
		return e.checkSpinLockArg(regno, c.id == fnSpinLock)
	case kfuncs.ArgTimer:
		return e.checkTimerArg(regno, c)
	case kfuncs.ArgFunc:
		c.sub = int(r.N)
	case kfuncs.ArgMem:
		c.raw = arg.Flags&kfuncs.ArgUninit != 0
		if arg.Flags&kfuncs.ArgFixedSize != 0 {
			if null {
				return nil
			}
			if d := e.checkHelperMem(regno, int(arg.Size), acc, false, c); d != nil {
				return d
			}
			if arg.Flags&kfuncs.ArgAligned != 0 {
				return e.checkAlign(r, 0, int(arg.Size), true)
			}
		}
	case kfuncs.ArgConstSize, kfuncs.ArgConstSizeOrZero:
		if i > 0 && c.proto.Args[i-1].Flags&kfuncs.ArgWrite != 0 {
			acc = accWrite
		} else {
			acc = accRead
		}
		return e.checkMemSizeReg(regno-1, regno, acc, kind == kfuncs.ArgConstSizeOrZero, c)
	case kfuncs.ArgDynptr:
		return e.processDynptrArg(regno, arg.Flags, c)
	case kfuncs.ArgConstAllocSizeOrZero:
		if !r.Val.IsConst() {
			return e.errf(CodeArgConst, "R%d must be a constant", regno)
		}
		c.memSize = int64(r.Val.Const())
		return e.markPrecise(regno)
	case kfuncs.ArgConstStr:
		return e.checkConstStr(regno)
	case kfuncs.ArgKptrXchgDest:
		return e.checkKptrArg(regno, c)
	}
	return nil
}

// constKey finds out whether the key a look-up is given is a constant.
func (e *env) constKey(c *helperCall, r *Reg, size int) *Diagnostic {
	if r.Type != ptrToStack || !r.Val.IsConst() {
		return nil
	}
	f := e.funcOf(r)
	off := int(r.Off) + int(int64(r.Val.Const()))
	slot := -off - 1
	if slot < 0 || slot/slotSize >= len(f.Stack) {
		return nil
	}
	s := &f.Stack[slot/slotSize]
	count := func(t uint8) int {
		n := 0
		for i := slot % slotSize; i >= 0 && s.Types[i] == t; i-- {
			n++
		}
		return n
	}
	if count(slotZero) >= size {
		c.constKey = 0
		return nil
	}
	if !s.isScalarSpill() || count(slotSpill) != size || !s.Reg.Val.IsConst() {
		return nil
	}
	v := s.Reg.Val.Const()
	e.bt.frame = e.cur.Cur
	e.bt.slots[f.FrameNo] |= 1 << (slot / slotSize)
	if d := e.markChain(e.cur, nil); d != nil {
		return d
	}
	c.constKey = int64(v)
	return nil
}

// checkHelperMem judges size bytes at Regs[regno] that a callee reads or writes.
func (e *env) checkHelperMem(regno, size int, acc access, zeroOK bool, call *helperCall) *Diagnostic {
	r := &e.cur.regs()[regno]
	t := r.Type
	rdonly := func() *Diagnostic {
		return e.errf(CodeRdonly, "R%d points to memory that cannot be written (%s)", regno, t)
	}
	switch t.base() {
	case ptrToPacket, ptrToPacketMeta:
		return e.checkPacket(r, regno, int(r.Off), size, zeroOK)
	case ptrToMapKey:
		if acc == accWrite {
			return rdonly()
		}
		return e.checkRegion(r, regno, int(r.Off), size, e.mapOf(r).KeySize, false)
	case ptrToMapValue:
		if t.maybeNull() {
			break
		}
		if d := e.checkMapFlags(r, int(r.Off), size, acc); d != nil {
			return d
		}
		if d := e.checkRegion(r, regno, int(r.Off), size, e.mapOf(r).ValueSize, zeroOK); d != nil {
			return d
		}
		if e.mapRecord(r.Map) != nil {
			return e.checkMemFields(r, int64(r.Off)+r.Val.SMin(), int64(r.Off)+int64(r.Val.UMax())+int64(size))
		}
		return nil
	case ptrToMem:
		if t.isRdonlyMem() && acc == accWrite {
			return rdonly()
		}
		return e.checkRegion(r, regno, int(r.Off), size, uint32(r.N), zeroOK)
	case ptrToBuf:
		what := "read-write"
		if t.isRdonlyMem() {
			what = "read-only"
			if acc == accWrite {
				return rdonly()
			}
		}
		return e.checkBuf(r, regno, int(r.Off), what)
	case ptrToStack:
		return e.checkStackInit(r, regno, int(r.Off), size, zeroOK, acc == accWrite || !e.has(FeatElideNull), call)
	case ptrToBTFID:
		return e.checkBTFAccess(regno, 0, size, accRead, -1)
	case ptrToCtx:
		// Contexts that are plain memory (syscall programs) may be passed on.
		if e.plainCtx() {
			if size == 0 {
				if zeroOK {
					return nil
				}
				return e.errf(CodeStackZeroSize, "R%d: zero bytes are accessed", regno)
			}
			return e.access(regno, size-1, 1, acc, -1, false, false)
		}
	}
	if zeroOK && size == 0 && r.isNull() {
		return nil
	}
	return e.errf(CodeArgType, "R%d is %s; memory is expected", regno, t)
}

// plainCtx reports program types whose context accesses are not rewritten.
func (e *env) plainCtx() bool {
	switch e.progType() {
	case bpf.ProgSyscall, bpf.ProgKprobe, bpf.ProgTracepoint, bpf.ProgRawTracepoint, bpf.ProgRawTracepointWritable,
		bpf.ProgTracing, bpf.ProgLSM, bpf.ProgStructOps, bpf.ProgNetfilter, bpf.ProgCgroupDevice, bpf.ProgLircMode2:
		return true
	}
	return false
}

// checkMemSizeReg judges the memory at Regs[regno] with its size in Regs[sizeReg].
func (e *env) checkMemSizeReg(regno, sizeReg int, acc access, zeroOK bool, call *helperCall) *Diagnostic {
	r := &e.cur.regs()[sizeReg]
	if call != nil {
		call.sizeMax = r.Val.UMax()
	}
	inner := call
	if !r.Val.IsConst() {
		inner = nil // the size varies: the helper may leave part as it was
	}
	if r.Val.SMin() < 0 {
		return e.errf(CodeArgNegative, "R%d, a size, may be negative (%v)", sizeReg, r.Val)
	}
	if r.Val.UMin() == 0 && !zeroOK {
		return e.errf(CodeArgZero, "R%d, a size, may be 0 (%v)", sizeReg, r.Val)
	}
	if r.Val.UMax() >= maxVarSize {
		return e.errf(CodeArgUnbounded, "R%d, a size, has no upper bound (%v)", sizeReg, r.Val)
	}
	if d := e.checkHelperMem(regno, int(r.Val.UMax()), acc, zeroOK, inner); d != nil {
		return d
	}
	return e.markPrecise(sizeReg)
}

// checkConstStr judges a pointer to a constant, terminated string.
func (e *env) checkConstStr(regno int) *Diagnostic {
	r := &e.cur.regs()[regno]
	if r.Type != ptrToMapValue {
		return e.errf(CodeArgString, "R%d (%s) does not point to read-only data", regno, r.Type)
	}
	m := e.mapOf(r)
	switch {
	case !rdonlyMap(m):
		return e.errf(CodeArgString, "R%d points into map %s, which is not read-only", regno, m.Name)
	case !r.Val.IsConst():
		return e.errf(CodeArgString, "R%d is no constant address (%v)", regno, r.Val)
	case !directValue(m):
		return e.errf(CodeArgString, "map %s has no values that can be addressed", m.Name)
	}
	if d := e.checkRegion(r, regno, int(r.Off), int(m.ValueSize)-int(r.Off), m.ValueSize, false); d != nil {
		return d
	}
	if _, ok := e.constString(r); !ok {
		return e.errf(CodeArgString, "the string at R%d does not end in 0", regno)
	}
	return nil
}

// constString reads the string a register points to.
func (e *env) constString(r *Reg) (string, bool) {
	m := e.mapOf(r)
	off := int(r.Off) + int(int64(r.Val.Const()))
	if off < 0 || off > int(m.ValueSize) {
		return "", false
	}
	for i := off; i < int(m.ValueSize); i++ {
		if i >= len(m.Contents) {
			return string(m.Contents[min(off, len(m.Contents)):]), true
		}
		if m.Contents[i] == 0 {
			return string(m.Contents[off:i]), true
		}
	}
	return "", false
}

// checkSnprintf judges the format of bpf_snprintf.
func (e *env) checkSnprintf() *Diagnostic {
	regs := e.cur.regs()
	n := regs[5].Val.Bits.Value
	if n%8 != 0 {
		return e.errf(CodeArgFormat, "the argument array of bpf_snprintf has %d bytes, no multiple of 8", n)
	}
	f, ok := e.constString(&regs[3])
	if !ok || !formatOK(f, int(n/8)) {
		return e.errf(CodeArgFormat, "format %q with %d arguments is not one the kernel prints", f, n/8)
	}
	return nil
}

// formatOK has the rules of the kernel's format parser for BPF.
func formatOK(f string, args int) bool {
	if args > 12 {
		return false
	}
	at := func(i int) byte {
		if i < len(f) {
			return f[i]
		}
		return 0
	}
	space := func(c byte) bool { return c == ' ' || c >= 9 && c <= 13 }
	ends := func(c byte) bool {
		return c == 0 || space(c) || c > 32 && c < 127 && !(c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z')
	}
	spec := 0
	for i := 0; i < len(f); i++ {
		c := f[i]
		if c >= 127 || c < 32 && !space(c) {
			return false
		}
		if c != '%' {
			continue
		}
		if at(i+1) == '%' {
			i++
			continue
		}
		if spec >= args {
			return false
		}
		i++
		for at(i) == '0' || at(i) == '+' || at(i) == '-' || at(i) == ' ' {
			i++
		}
		if at(i) >= '1' && at(i) <= '9' {
			for i++; at(i) >= '0' && at(i) <= '9'; i++ {
			}
		}
		switch at(i) {
		case 'p':
			switch n := at(i + 1); {
			case ends(n):
			case (n == 'k' || n == 'u') && at(i+2) == 's':
				i += 2
				if !ends(at(i + 1)) {
					return false
				}
			case n == 'K' || n == 'x' || n == 's' || n == 'S' || n == 'B':
				i++
			case (n == 'i' || n == 'I') && (at(i+2) == '4' || at(i+2) == '6'):
				i += 2
			default:
				return false
			}
			spec++
			continue
		case 's':
			if !ends(at(i + 1)) {
				return false
			}
			spec++
			continue
		case 'c':
			spec++
			continue
		}
		for k := 0; k < 2 && at(i) == 'l'; k++ {
			i++
		}
		switch at(i) {
		case 'i', 'd', 'u', 'x', 'X':
		default:
			return false
		}
		spec++
	}
	return true
}

// checkGetFuncIP judges where bpf_get_func_ip may be called.
func (e *env) checkGetFuncIP() *Diagnostic {
	switch e.progType() {
	case bpf.ProgKprobe:
		return nil
	case bpf.ProgTracing:
		switch e.attachType() {
		case bpf.AttachTraceFentry, bpf.AttachTraceFexit, bpf.AttachModifyReturn, bpf.AttachTraceFsession:
			return nil
		}
		return e.errf(CodeFuncIP, "bpf_get_func_ip is for fentry, fexit and fmod_ret programs among tracing programs")
	}
	return e.errf(CodeFuncIP, "bpf_get_func_ip is not for %s programs", e.progType())
}

// dynptrOwned judges that a dynptr that is to be released holds a reference.
func (e *env) dynptrOwned(r *Reg, regno int) *Diagnostic {
	if r.Type != ptrToStack {
		return e.errf(CodeArgRelease, "R%d is a dynptr the program does not own", regno)
	}
	f := e.funcOf(r)
	off := int(r.Off) + int(int64(r.Val.Bits.Value))
	if !r.Val.IsConst() || off >= 0 || off < -maxStack || slotIndex(off) >= len(f.Stack) || f.Stack[slotIndex(off)].Reg.RefObj == 0 ||
		!isDynptrAt(f, slotIndex(off)) {
		return e.errf(CodeArgRelease, "R%d is no dynptr that holds a reference", regno)
	}
	return nil
}
